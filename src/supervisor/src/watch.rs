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

/// Starts the thread; the receiver gets a sign for each burst of changes.
///
/// # Errors
/// The kernel's notifications cannot be had, or no thread can be started.
pub(crate) fn start() -> Result<mpsc::Receiver<()>, Box<dyn std::error::Error>> {
    let watch = Watch::open()?;
    let (signs, receiver) = mpsc::channel(1);
    thread::Builder::new().name("watch".to_owned()).spawn(move || wait(watch, &signs))?;
    Ok(receiver)
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
