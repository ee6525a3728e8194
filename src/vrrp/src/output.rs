//! What a router wants done.

use core::net::IpAddr;

use heapless::Vec;

use crate::announcer::Announcement;
use crate::router::State;
use crate::statistics::Rejection;
use crate::wire::Header;

/// One thing to do, or to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Send this advertisement now, to the group or to every peer. The addresses are the
    /// configured ones, the checksum is [`crate::Router::checksum_form`].
    Advertise(Header),
    /// Put the virtual addresses on the interface.
    Acquire,
    /// Take the virtual addresses off the interface and stop announcing them.
    Release,
    /// Tell the neighbours where the addresses are: [`crate::Announcer::start`].
    Announce(Announcement),
    /// The state changed. Comes after what the change takes.
    Transition(Transition),
    /// [`crate::Router::membership`] changed, or a member still waits: ask the [`crate::Group`], if there is one.
    Membership,
    /// A packet was refused and counted. Log it at a bounded rate.
    Rejected(Rejection),
    /// Something worth a log line at a bounded rate.
    Notice(Notice),
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

/// Why a state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Start-up.
    Started,
    /// Start-up of the owner of the addresses.
    Owner,
    /// The Active router fell silent.
    ActiveSilent,
    /// The Active router resigned.
    ActiveResigned,
    /// A lower priority was Active.
    Preempted,
    /// Another Active has a higher priority, or the same and a greater address.
    Outranked,
    /// Another router took the role that was offered.
    HandedOver,
    /// The link is down or a tracked object is.
    Fault,
    /// The fault is over.
    Recovered,
    /// Shutdown.
    Stopped,
}

/// Something that an operator may want to know, that changed no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Another router advertises other addresses.
    AddressListMismatch {
        /// It.
        source: IpAddr,
    },
    /// Another router's interval was out of bounds; the bound was used.
    IntervalBounded {
        /// It.
        source: IpAddr,
    },
    /// Another Active was heard and this router stayed Active.
    Conflict {
        /// It.
        source: IpAddr,
    },
    /// Nobody took the role that was offered; this router keeps it.
    ResignationUnanswered,
}

/// What one input leads to, at most [`Outputs::CAPACITY`] things. Perform them in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Outputs {
    list: Vec<Output, { Outputs::CAPACITY }>,
}

impl Outputs {
    /// The most is a lost tie with a mismatch of both kinds (2 notices, release, transition,
    /// membership), or a conflict with both (3 notices, advertise, announce, membership).
    pub const CAPACITY: usize = 8;

    pub(crate) const fn new() -> Outputs {
        Outputs { list: Vec::new() }
    }

    pub(crate) fn push(&mut self, output: Output) {
        let pushed = self.list.push(output);
        debug_assert!(pushed.is_ok(), "more outputs than the capacity's reason counts");
    }

    /// In the order in which they are to be performed.
    pub fn iter(&self) -> core::slice::Iter<'_, Output> {
        self.list.iter()
    }

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'a> IntoIterator for &'a Outputs {
    type Item = &'a Output;
    type IntoIter = core::slice::Iter<'a, Output>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Outputs {
    type Item = Output;
    type IntoIter = <Vec<Output, { Outputs::CAPACITY }> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}
