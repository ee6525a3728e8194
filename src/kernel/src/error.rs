//! What can go wrong, by operation; each error names its object and carries its cause.

use std::error::Error;
use std::fmt;
use std::io;

use mark21_reconcile::Change;

/// A cause from below: an I/O error, netlink's, nft's.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// The kernel could not be opened.
#[derive(Debug)]
pub struct OpenError {
    /// What was opened.
    pub what: &'static str,
    /// Why not.
    pub cause: io::Error,
}

/// A part of the kernel could not be read.
#[derive(Debug)]
pub struct ObserveError {
    /// What was read, as `links` or `/proc/sys/net/ipv4/ip_forward`.
    pub what: String,
    /// Why not.
    pub cause: Cause,
}

/// A change was refused.
#[derive(Debug)]
pub struct ApplyError {
    /// The change, or what was asked in its place.
    pub change: Option<Box<Change>>,
    /// Why.
    pub cause: Cause,
}

/// The kernel takes modules as before.
#[derive(Debug)]
pub struct LockError {
    /// The module that is refused, or the setting.
    pub what: String,
    /// Why.
    pub cause: Cause,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock the kernel's modules: {}", self.what)
    }
}

impl Error for LockError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "open {}", self.what)
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl fmt::Display for ObserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {}", self.what)
    }
}

impl Error for ObserveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            Some(change) => change.fmt(f),
            None => f.write_str("check the firewall"),
        }
    }
}

impl Error for ApplyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
