//! Backup (RFC 9568 section 6.4.2): the Active_Down_Timer runs; at its end this router takes over.

use core::time::Duration;

use super::active::Active;
use super::receive::Heard;
use super::{Phase, Router};
use crate::announcer::Announcement;
use crate::config::Config;
use crate::input::Link;
use crate::output::{Output, Outputs, Reason};
use crate::statistics::NewActiveReason;
use crate::time::Instant;
use crate::tracking::Verdict;

/// What a Backup remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backup {
    pub(super) active_down_timer: Instant,
    /// The Active router's interval.
    pub(super) active_adver_interval: Duration,
    /// The timer ran out; the group decides.
    pub(super) is_waiting: bool,
    /// The Active router said that it stops.
    has_resigned: bool,
    /// Since when a lower priority has been Active that this router would drive out.
    outranks_since: Option<Instant>,
    /// The lower priority is being driven out.
    is_preempting: bool,
    /// This router offered its role and it was taken: preempting would take it back.
    has_yielded: bool,
}

impl Backup {
    pub(super) const fn new(active_down_timer: Instant, active_adver_interval: Duration) -> Backup {
        Backup {
            active_down_timer,
            active_adver_interval,
            is_waiting: false,
            has_resigned: false,
            outranks_since: None,
            is_preempting: false,
            has_yielded: false,
        }
    }

    pub(super) const fn after_yielding(self) -> Backup {
        Backup { has_yielded: true, ..self }
    }

    fn reason(&self) -> Reason {
        match (self.has_resigned, self.is_preempting) {
            (true, true | false) => Reason::ActiveResigned,
            (false, true) => Reason::Preempted,
            (false, false) => Reason::ActiveSilent,
        }
    }
}

impl Router {
    pub(super) fn backup_heard(&mut self, now: Instant, mut backup: Backup, heard: &Heard) {
        let is_outranked = heard.priority < self.priority();
        if heard.priority.is_resigned() {
            backup.has_resigned = true;
            backup.active_down_timer = backup.active_down_timer.min(now + self.skew_time());
            self.phase = Phase::Backup(backup);
            return;
        }
        match (self.preempts(), is_outranked, backup.has_yielded) {
            (Some(delay), true, false) => {
                let since = *backup.outranks_since.get_or_insert(now);
                if now.saturating_duration_since(since) < delay {
                    self.obey(now, backup, heard);
                } else {
                    // RFC 9568: discarded, so that the timer runs out.
                    backup.is_preempting = true;
                    backup.has_resigned = false;
                    self.phase = Phase::Backup(backup);
                }
            }
            (Some(_), true, true) | (Some(_), false, true | false) | (None, true | false, true | false) => {
                backup.outranks_since = None;
                self.obey(now, backup, heard);
            }
        }
    }

    fn obey(&mut self, now: Instant, backup: Backup, heard: &Heard) {
        self.active_router = Some(heard.source);
        // The interval first: Skew_Time follows from it.
        let mut backup = Backup {
            active_adver_interval: heard.interval,
            is_waiting: false,
            has_resigned: false,
            is_preempting: false,
            ..backup
        };
        self.phase = Phase::Backup(backup);
        backup.active_down_timer = now + self.active_down_interval();
        self.phase = Phase::Backup(backup);
    }

    /// The first thing after Active: whoever won is obeyed, preemption or not. A winner that
    /// only offers its role too gets the Skew_Time.
    pub(super) fn backup_heard_winner(&mut self, now: Instant, backup: Backup, winner: &Heard) {
        self.obey(now, backup, winner);
        if let (Phase::Backup(backup), true) = (self.phase, winner.priority.is_resigned()) {
            self.backup_heard(now, backup, winner);
        }
    }

    pub(super) fn backup_timer(&mut self, now: Instant, mut backup: Backup, out: &mut Outputs) {
        if now < backup.active_down_timer {
            return;
        }
        if !self.is_grouped() {
            return self.become_active(now, backup.reason(), out);
        }
        if backup.is_waiting {
            // Says so again, so that a command that was lost is only late.
            out.push(Output::Membership);
        }
        backup.is_waiting = true;
        backup.active_down_timer = now + self.config.protocol.interval();
        self.phase = Phase::Backup(backup);
    }

    pub(super) fn backup_take_over(&mut self, now: Instant, backup: Backup, out: &mut Outputs) {
        // A member that has heard an Active router since it asked does not want this any more.
        if backup.is_waiting {
            self.become_active(now, backup.reason(), out);
        }
    }

    pub(super) fn backup_stop(&mut self, reason: Reason, out: &mut Outputs) {
        self.is_started = reason != Reason::Stopped;
        self.enter(Phase::Initialize, reason, out);
    }

    pub(super) fn backup_link(&mut self, link: Link, out: &mut Outputs) {
        self.link = link;
        if self.has_fault() {
            self.backup_stop(Reason::Fault, out);
        }
    }

    pub(super) fn backup_tracked(&mut self, verdict: Verdict, out: &mut Outputs) {
        self.verdict = verdict;
        if self.has_fault() {
            self.backup_stop(Reason::Fault, out);
        }
    }

    /// A slower interval lengthens the wait at once: the Active router's is about to change too.
    pub(super) fn backup_reconfigured(&mut self, now: Instant, mut backup: Backup, old: &Config) {
        backup.is_waiting &= self.is_grouped();
        if old.protocol != self.config.protocol {
            let interval = self.config.protocol.interval();
            backup.active_adver_interval = interval;
            self.phase = Phase::Backup(backup);
            backup.active_down_timer = backup.active_down_timer.max(now + self.active_down_interval());
        }
        self.phase = Phase::Backup(backup);
    }

    /// Into Active from wherever.
    ///
    /// After silence the advertisement goes first: it is late already. After a resignation the
    /// addresses go first: the old Active keeps them until it hears the advertisement.
    pub(super) fn become_active(&mut self, now: Instant, reason: Reason, out: &mut Outputs) {
        let statistics = &mut self.statistics;
        statistics.active_transitions = statistics.active_transitions.wrapping_add(1);
        statistics.new_active_reason = match reason {
            Reason::Owner | Reason::ActiveResigned => NewActiveReason::Priority,
            Reason::Preempted => NewActiveReason::Preempted,
            Reason::ActiveSilent
            | Reason::Started
            | Reason::Outranked
            | Reason::HandedOver
            | Reason::Fault
            | Reason::Recovered
            | Reason::Stopped => NewActiveReason::ActiveNoResponse,
        };
        let priority = self.priority();
        if reason == Reason::ActiveResigned {
            out.push(Output::Acquire);
            self.advertise(priority, out);
        } else {
            self.advertise(priority, out);
            out.push(Output::Acquire);
        }
        out.push(Output::Announce(Announcement::Takeover));
        let adver_timer = now + self.config.protocol.interval();
        self.enter(Phase::Active(Active::new(adver_timer)), reason, out);
    }
}
