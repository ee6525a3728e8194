//! Runs programs, reads tracked files and deletes interfaces in a process of its own.
//!
//! It is forked before memory is locked, priority raised and privileges dropped, so that none of
//! that reaches the programs, and nothing that they do holds up the protocol.
//!
//! ```text
//!   Helper::submit ──Job──> socket ──> queue ──> at most 32 programs, one at a time in a lane
//!   Helper::replies <─Reply─ socket <── results, and complaints
//! ```
//!
//! When vrrpd is gone the helper finishes what was asked and goes too.

mod job;
mod run;

pub(crate) use job::{Job, Reply};

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys::{self, Forked, socket};

/// The daemon's end.
pub(crate) struct Helper {
    fd: OwnedFd,
}

impl Helper {
    /// Forks. Returns in the daemon only.
    pub(crate) fn start() -> io::Result<Helper> {
        let (ours, theirs) = socket::pair()?;
        match sys::fork()? {
            Forked::Parent => Ok(Helper { fd: ours }),
            Forked::Child => {
                drop(ours);
                std::process::exit(run::run(theirs));
            }
        }
    }

    /// Hands over a job without waiting.
    pub(crate) fn submit(&self, job: &Job) -> io::Result<()> {
        socket::send(&self.fd, &job.encode()).map(drop)
    }

    /// What has come back.
    ///
    /// # Errors
    /// When the helper is gone.
    pub(crate) fn replies(&self) -> io::Result<Vec<Reply>> {
        let mut replies = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match socket::receive(&self.fd, &mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => replies.extend(Reply::decode(buffer.get(..len).unwrap_or_default())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(replies),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsRawFd for Helper {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
