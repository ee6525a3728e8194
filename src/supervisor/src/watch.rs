//! Tells the event loop that somebody changed links, addresses, routes or rules.
//!
//! A thread waits for the kernel's notifications, reads them all, and leaves one sign; while
//! that sign waits to be read, further ones add nothing.

use std::io;
use std::os::fd::AsFd;
use std::thread;

use mark21_kernel::Watch;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::mpsc::{self, error::TrySendError};

/// What the thread leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Something was changed.
    Changed,
    /// The thread has ended: what is changed from now on is told of by another one.
    Lost,
}

/// Where a sign is left, and where it is found.
pub(crate) fn channel() -> (mpsc::Sender<Sign>, mpsc::Receiver<Sign>) {
    mpsc::channel(1)
}

/// Starts the thread, which leaves a sign for each burst of changes. The modules must be loaded
/// by then: a kernel without nf_tables has no rules to tell of.
///
/// # Errors
/// The kernel's notifications cannot be had, or no thread can be started.
pub(crate) fn start(signs: mpsc::Sender<Sign>) -> Result<(), Box<dyn std::error::Error>> {
    let watch = Watch::open()?;
    thread::Builder::new().name("watch".to_owned()).spawn(move || {
        let Err(error) = wait(watch, &signs) else { return };
        crate::log::error(format_args!("the kernel's notifications are lost: {error}"));
        // Where nobody listens any more, nobody misses them.
        let _ = signs.blocking_send(Sign::Lost);
    })?;
    Ok(())
}

/// Until nobody listens.
fn wait(mut watch: Watch, signs: &mpsc::Sender<Sign>) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(&watch.as_fd(), PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if watch.drain()?.any()
            && let Err(TrySendError::Closed(_)) = signs.try_send(Sign::Changed)
        {
            return Ok(());
        }
    }
}
