//! Tells the event loop that somebody changed links, addresses, routes or rules.
//!
//! A thread waits for the kernel's notifications, reads them all, and leaves one sign; while
//! that sign waits to be read, further ones add nothing.

use std::os::fd::AsFd;
use std::thread;

use mark21_kernel::Watch;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::mpsc::{self, error::TrySendError};

/// Where a sign is left, and where it is found.
pub(crate) fn channel() -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
    mpsc::channel(1)
}

/// Starts the thread, which leaves a sign for each burst of changes. The modules must be loaded
/// by then: a kernel without nf_tables has no rules to tell of.
///
/// # Errors
/// The kernel's notifications cannot be had, or no thread can be started.
pub(crate) fn start(signs: mpsc::Sender<()>) -> Result<(), Box<dyn std::error::Error>> {
    let watch = Watch::open()?;
    thread::Builder::new().name("watch".to_owned()).spawn(move || wait(watch, &signs))?;
    Ok(())
}

fn wait(mut watch: Watch, signs: &mpsc::Sender<()>) {
    loop {
        match poll(&mut [PollFd::new(&watch.as_fd(), PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return lost(&error),
        }
        match watch.drain() {
            Ok(touched) if !touched.any() => {}
            Ok(_) => {
                if let Err(TrySendError::Closed(())) = signs.try_send(()) {
                    return;
                }
            }
            Err(error) => return lost(&error),
        }
    }
}

/// The look every few seconds still finds what was changed.
fn lost(error: &dyn std::error::Error) {
    crate::log::error(format_args!("the kernel's notifications are lost: {error}"));
}
