//! Active (RFC 9568 section 6.4.3): the Adver_Timer runs; at its end an advertisement is sent.
//!
//! An Active router stands, or it offers its role. An offer sends priority 0 in place of the
//! usual advertisements, so that the best Backup takes over after its Skew_Time, and keeps the
//! addresses until that one is heard. Five offers outlast an Active_Down_Interval, which is what
//! a Backup in a group waits for when only one of its members hears the offer.

use super::backup::Backup;
use super::receive::Heard;
use super::{Phase, Router};
use crate::announcer::Announcement;
use crate::config::Config;
use crate::group::Membership;
use crate::identity::Priority;
use crate::input::{Link, Resignation};
use crate::output::{Notice, Output, Outputs, Reason};
use crate::time::Instant;
use crate::tracking::Verdict;

/// Advertisements of priority 0 in a bounded offer, one per interval.
const OFFERS: u8 = 5;

/// What an Active router remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Active {
    pub(super) adver_timer: Instant,
    stance: Stance,
    /// Another Active was heard that could not be answered at once.
    owes_correction: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stance {
    Standing,
    /// Bounded; so many offers are still to be sent.
    HandingOver {
        offers_left: u8,
    },
    /// Until relieved.
    Offering,
}

impl Active {
    pub(super) const fn new(adver_timer: Instant) -> Active {
        Active { adver_timer, stance: Stance::Standing, owes_correction: false }
    }

    pub(super) const fn membership(&self) -> Membership {
        match self.stance {
            Stance::Standing => Membership::Active,
            Stance::HandingOver { .. } => Membership::HandingOver,
            Stance::Offering => Membership::Offering,
        }
    }
}

impl Router {
    pub(super) fn active_heard(&mut self, now: Instant, active: Active, heard: &Heard, out: &mut Outputs) {
        let is_greater_address = heard.source > self.config.primary_address;
        let outranks =
            heard.priority > self.priority() || (heard.priority == self.priority() && is_greater_address);
        match (active.stance, heard.priority.is_resigned()) {
            // Two that both offer: the one with the lesser address lets go.
            (Stance::HandingOver { .. } | Stance::Offering, true) if is_greater_address => {
                self.yield_role(now, active, heard, Reason::HandedOver, out);
            }
            (Stance::HandingOver { .. } | Stance::Offering, true) => {}
            (Stance::HandingOver { .. } | Stance::Offering, false) => {
                self.yield_role(now, active, heard, Reason::HandedOver, out);
            }
            (Stance::Standing, true) => self.answer(now, active, heard, out),
            (Stance::Standing, false) if outranks => {
                self.yield_role(now, active, heard, Reason::Outranked, out)
            }
            (Stance::Standing, false) => self.answer(now, active, heard, out),
        }
    }

    /// Asserts the role at once, as far as the rate allows, and corrects the neighbours if another
    /// router holds the addresses too.
    fn answer(&mut self, now: Instant, mut active: Active, heard: &Heard, out: &mut Outputs) {
        let is_conflict = !heard.priority.is_resigned();
        if is_conflict {
            self.statistics.conflicts = self.statistics.conflicts.wrapping_add(1);
        }
        if self.answers.take_one(now) {
            self.advertise(self.priority(), out);
            active.adver_timer = now + self.config.protocol.interval();
            if is_conflict {
                out.push(Output::Announce(Announcement::Correction));
                out.push(Output::Notice(Notice::Conflict { source: heard.source }));
                active.owes_correction = false;
            }
        } else {
            self.statistics.answers_suppressed = self.statistics.answers_suppressed.wrapping_add(1);
            active.owes_correction |= is_conflict;
        }
        self.phase = Phase::Active(active);
    }

    fn yield_role(&mut self, now: Instant, active: Active, heard: &Heard, reason: Reason, out: &mut Outputs) {
        out.push(Output::Release);
        let backup = Backup::new(now, heard.interval);
        let backup = match active.stance {
            Stance::HandingOver { .. } => backup.after_yielding(),
            // A group says when it may preempt again: not before all of it is well.
            Stance::Offering if self.is_grouped() => backup,
            Stance::Offering => backup.after_yielding(),
            Stance::Standing => backup,
        };
        self.enter(Phase::Backup(backup), reason, out);
        self.backup_heard_winner(now, backup, heard);
    }

    pub(super) fn active_timer(&mut self, now: Instant, mut active: Active, out: &mut Outputs) {
        if now < active.adver_timer {
            return;
        }
        match active.stance {
            Stance::Standing => {
                self.advertise(self.priority(), out);
                if core::mem::take(&mut active.owes_correction) {
                    out.push(Output::Announce(Announcement::Correction));
                }
            }
            Stance::HandingOver { offers_left: 0 } => {
                active.stance = Stance::Standing;
                self.advertise(self.priority(), out);
                out.push(Output::Notice(Notice::ResignationUnanswered));
            }
            Stance::HandingOver { offers_left } => {
                active.stance = Stance::HandingOver { offers_left: offers_left - 1 };
                self.advertise(Priority::RESIGNED, out);
            }
            Stance::Offering => self.advertise(Priority::RESIGNED, out),
        }
        // On the beat, so that lateness does not add up; after a long stall from now on.
        let interval = self.config.protocol.interval();
        let beat = active.adver_timer + interval;
        active.adver_timer = if beat > now { beat } else { now + interval };
        self.phase = Phase::Active(active);
    }

    pub(super) fn active_resign(
        &mut self,
        now: Instant,
        mut active: Active,
        resignation: Resignation,
        out: &mut Outputs,
    ) {
        match (active.stance, resignation) {
            (Stance::Standing | Stance::HandingOver { .. }, Resignation::UntilRelieved) => {
                active.stance = Stance::Offering;
            }
            (Stance::Standing, Resignation::Bounded) => {
                active.stance = Stance::HandingOver { offers_left: OFFERS - 1 };
            }
            (Stance::HandingOver { .. } | Stance::Offering, Resignation::Bounded)
            | (Stance::Offering, Resignation::UntilRelieved) => return,
        }
        self.advertise(Priority::RESIGNED, out);
        active.adver_timer = now + self.config.protocol.interval();
        self.phase = Phase::Active(active);
    }

    pub(super) fn active_stand(&mut self, now: Instant, mut active: Active, out: &mut Outputs) {
        match active.stance {
            Stance::Standing => {}
            Stance::HandingOver { .. } | Stance::Offering => {
                active.stance = Stance::Standing;
                self.advertise_now(now, active, out);
            }
        }
    }

    pub(super) fn active_stop(&mut self, reason: Reason, out: &mut Outputs) {
        self.advertise(Priority::RESIGNED, out);
        out.push(Output::Release);
        self.is_started = reason != Reason::Stopped;
        self.enter(Phase::Initialize, reason, out);
    }

    pub(super) fn active_link(&mut self, link: Link, out: &mut Outputs) {
        self.link = link;
        match link {
            Link::Up => out.push(Output::Announce(Announcement::Carrier)),
            Link::Down => self.active_stop(Reason::Fault, out),
        }
    }

    pub(super) fn active_tracked(
        &mut self,
        now: Instant,
        active: Active,
        verdict: Verdict,
        out: &mut Outputs,
    ) {
        let before = self.priority();
        self.verdict = verdict;
        if self.has_fault() {
            self.active_stop(Reason::Fault, out);
        } else if self.priority() != before && active.stance == Stance::Standing {
            self.advertise_now(now, active, out);
        }
    }

    pub(super) fn active_reconfigured(
        &mut self,
        now: Instant,
        active: Active,
        old: &Config,
        out: &mut Outputs,
    ) {
        let is_same_content = old.protocol == self.config.protocol
            && old.priority == self.config.priority
            && old.addresses == self.config.addresses
            && old.primary_address == self.config.primary_address;
        if !is_same_content && active.stance == Stance::Standing {
            self.advertise_now(now, active, out);
        }
        if old.addresses != self.config.addresses {
            out.push(Output::Announce(Announcement::Reconfigured));
        }
    }

    fn advertise_now(&mut self, now: Instant, mut active: Active, out: &mut Outputs) {
        self.advertise(self.priority(), out);
        active.adver_timer = now + self.config.protocol.interval();
        self.phase = Phase::Active(active);
    }
}
