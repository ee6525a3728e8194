//! Several routers in one role: a director needs its outside and its inside addresses together.
//!
//! In go the memberships of all routers of the group, out comes at most one command for each.
//! The group remembers nothing, so it cannot disagree with its members. Whenever a router's
//! outputs hold [`crate::Output::Membership`], look at all members and feed the commands back,
//! until none is left:
//!
//! ```text
//!   every member Waiting or Active        -> Waiting: TakeOver         Offering: Stand
//!   some member Stopped, Faulted, Backup  -> Active:  Resign(UntilRelieved)
//! ```
//!
//! So a group takes over only when all of its members would, and a group that lost a member offers
//! the other roles to whoever hears the offer, and keeps them while nobody does: half a director
//! that nobody can replace is better than none.
//!
//! All routers of a group should rank the same against those of another box. Two groups of which
//! each outranks the other on one link both offer what they have in turns.

use crate::input::{Input, Resignation};

/// What a router is to its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Membership {
    /// Not started.
    Stopped,
    /// Started, but its link or a tracked object is down.
    Faulted,
    /// Another router is Active.
    Backup,
    /// No other router is Active; it would take over and waits for the group.
    Waiting,
    /// Active.
    Active,
    /// Active, and an operator's offer stands ([`Resignation::Bounded`]).
    HandingOver,
    /// Active, and an offer stands until it is taken ([`Resignation::UntilRelieved`]).
    Offering,
}

/// One look at all members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    is_whole: bool,
}

impl Group {
    /// What `members`, all routers of the group, amount to.
    pub fn of(members: impl IntoIterator<Item = Membership>) -> Group {
        let is_whole = members.into_iter().all(|member| match member {
            Membership::Stopped | Membership::Faulted | Membership::Backup => false,
            Membership::Waiting | Membership::Active | Membership::HandingOver | Membership::Offering => true,
        });
        Group { is_whole }
    }

    /// Every member is Active or would be.
    pub const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What a member is to be told; `None` when it is as it should be.
    pub const fn command(&self, member: Membership) -> Option<Input<'static>> {
        match (member, self.is_whole) {
            (Membership::Waiting, true) => Some(Input::TakeOver),
            (Membership::Offering, true) => Some(Input::Stand),
            (Membership::Active, false) => Some(Input::Resign(Resignation::UntilRelieved)),
            (Membership::Waiting | Membership::Offering, false)
            | (Membership::Active, true)
            | (Membership::Stopped | Membership::Faulted | Membership::Backup | Membership::HandingOver, _) => {
                None
            }
        }
    }
}
