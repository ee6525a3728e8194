//! The virtual router state machine of RFC 9568 section 6.4, without I/O.
//!
//! ```text
//!                 Startup (owner: straight to Active)          silence, resignation, TakeOver
//!   Initialize ───────────────────────────────────> Backup ──────────────────────────────> Active
//!        ^                                            │  ^                                  │  │
//!        └───────── Shutdown, fault ──────────────────┘  └── outranked, offer taken ────────┘  │
//!        └───────── Shutdown, fault (priority 0) ──────────────────────────────────────────────┘
//! ```
//!
//! [`Router::handle`] has every pair of state and input; what each does is in `initialize`,
//! `backup` and `active`, what makes a packet acceptable in `receive`. A packet that is refused
//! there never reaches a state, so it cannot touch a timer.
//!
//! Where this goes beyond the RFC, it is where the RFC lets a forged packet do harm or a planned
//! change loses traffic:
//! - priority 0 shortens the wait of a Backup and never lengthens it (a stream of them would
//!   otherwise keep it from ever taking over);
//! - intervals learnt are kept within bounds;
//! - answers to other Actives have a bounded rate;
//! - an offer ([`Input::Resign`]) sends priority 0 but keeps the addresses until it is taken.

mod active;
mod backup;
mod initialize;
mod receive;
#[cfg(test)]
mod tests;

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use crate::config::{ChecksumPolicy, Config, Grouping, Preemption};
use crate::group::Membership;
use crate::identity::{Priority, Version};
use crate::input::{Input, Link};
use crate::output::{Output, Outputs, Reason, Transition};
use crate::statistics::Statistics;
use crate::time::Instant;
use crate::token_bucket::TokenBucket;
use crate::tracking::Verdict;
use crate::wire::{ChecksumForm, Header};

use active::Active;
use backup::Backup;

/// The states of RFC 9568 section 6.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Takes no part: not started, or at fault.
    Initialize,
    /// Watches the Active router.
    Backup,
    /// Holds the addresses.
    Active,
}

/// One virtual router: a VRID of one address family on one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    config: Config,
    phase: Phase,
    is_started: bool,
    link: Link,
    verdict: Verdict,
    /// The last Active router that was obeyed.
    active_router: Option<IpAddr>,
    /// The form of the last checksum that was accepted.
    peer_checksum: Option<ChecksumForm>,
    /// Advertisements sent in answer to others.
    answers: TokenBucket,
    statistics: Statistics,
}

/// A state with exactly its own timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Initialize,
    Backup(Backup),
    Active(Active),
}

/// Answers at once, and then two per interval: an honest rival falls silent after one.
const ANSWER_BURST: u32 = 3;

impl Router {
    /// In Initialize, with the link up and nothing tracked.
    pub fn new(config: Config) -> Router {
        let answers = TokenBucket::new(ANSWER_BURST, config.protocol.interval() / 2);
        Router {
            config,
            phase: Phase::Initialize,
            is_started: false,
            link: Link::Up,
            verdict: Verdict::CLEAR,
            active_router: None,
            peer_checksum: None,
            answers,
            statistics: Statistics::default(),
        }
    }

    /// Takes one input and says what to do.
    ///
    /// Packets come before an expired timer: the caller reads its sockets first. An input with an
    /// instant earlier than the last one's is taken as it is and breaks nothing but punctuality.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Outputs {
        let mut outputs = Outputs::new();
        let out = &mut outputs;
        let before = self.membership();
        match (self.phase, input) {
            (Phase::Initialize, Input::Startup) => self.startup(now, out),
            (Phase::Initialize, Input::Shutdown) => self.is_started = false,
            (Phase::Initialize, Input::Packet(_)) => {}
            (Phase::Initialize, Input::Timer) => {}
            (Phase::Initialize, Input::Link(link)) => self.initialize_link(now, link, out),
            (Phase::Initialize, Input::Tracked(verdict)) => self.initialize_tracked(now, verdict, out),
            (Phase::Initialize, Input::Resign(_)) => {}
            (Phase::Initialize, Input::Stand) => {}
            (Phase::Initialize, Input::TakeOver) => {}

            (Phase::Backup(_), Input::Startup) => {}
            (Phase::Backup(_), Input::Shutdown) => self.backup_stop(Reason::Stopped, out),
            (Phase::Backup(backup), Input::Packet(received)) => match self.examine(&received, out) {
                Ok(heard) => self.backup_heard(now, backup, &heard),
                Err(rejection) => self.reject(rejection, out),
            },
            (Phase::Backup(backup), Input::Timer) => self.backup_timer(now, backup, out),
            (Phase::Backup(_), Input::Link(link)) => self.backup_link(link, out),
            (Phase::Backup(_), Input::Tracked(verdict)) => self.backup_tracked(verdict, out),
            (Phase::Backup(_), Input::Resign(_)) => {}
            (Phase::Backup(_), Input::Stand) => {}
            (Phase::Backup(backup), Input::TakeOver) => self.backup_take_over(now, backup, out),

            (Phase::Active(_), Input::Startup) => {}
            (Phase::Active(_), Input::Shutdown) => self.active_stop(Reason::Stopped, out),
            (Phase::Active(active), Input::Packet(received)) => match self.examine(&received, out) {
                Ok(heard) => self.active_heard(now, active, &heard, out),
                Err(rejection) => self.reject(rejection, out),
            },
            (Phase::Active(active), Input::Timer) => self.active_timer(now, active, out),
            (Phase::Active(_), Input::Link(link)) => self.active_link(link, out),
            (Phase::Active(active), Input::Tracked(verdict)) => {
                self.active_tracked(now, active, verdict, out);
            }
            (Phase::Active(active), Input::Resign(resignation)) => {
                self.active_resign(now, active, resignation, out);
            }
            (Phase::Active(active), Input::Stand) => self.active_stand(now, active, out),
            (Phase::Active(_), Input::TakeOver) => {}
        }
        if before != self.membership() {
            out.push(Output::Membership);
        }
        outputs
    }

    /// When to come back with [`Input::Timer`]. `None` in Initialize only.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Initialize => None,
            Phase::Backup(backup) => Some(backup.active_down_timer),
            Phase::Active(active) => Some(active.adver_timer),
        }
    }

    /// Takes a new configuration and keeps the state, its timers and the counters.
    ///
    /// Only what changed is acted on: an Active router whose priority or interval changed
    /// advertises at once, one whose addresses changed announces them. The caller moves the
    /// addresses themselves, new ones before this call and old ones after it.
    ///
    /// # Errors
    /// When it is another virtual router: the caller makes a new one.
    pub fn reconfigure(&mut self, now: Instant, config: Config) -> Result<Outputs, ReconfigureError> {
        if (config.vrid, config.family()) != (self.config.vrid, self.config.family()) {
            return Err(ReconfigureError);
        }
        let mut outputs = Outputs::new();
        let old = core::mem::replace(&mut self.config, config);
        if old.protocol.interval() != self.config.protocol.interval() {
            self.answers = TokenBucket::new(ANSWER_BURST, self.config.protocol.interval() / 2);
        }
        match self.phase {
            Phase::Initialize => {}
            Phase::Backup(backup) => self.backup_reconfigured(now, backup, &old),
            Phase::Active(active) => self.active_reconfigured(now, active, &old, &mut outputs),
        }
        Ok(outputs)
    }

    /// The state.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Initialize => State::Initialize,
            Phase::Backup(_) => State::Backup,
            Phase::Active(_) => State::Active,
        }
    }

    /// What the router is to its [`crate::Group`].
    pub fn membership(&self) -> Membership {
        match self.phase {
            Phase::Initialize if self.is_started => Membership::Faulted,
            Phase::Initialize => Membership::Stopped,
            Phase::Backup(backup) if backup.is_waiting => Membership::Waiting,
            Phase::Backup(_) => Membership::Backup,
            Phase::Active(active) => active.membership(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was counted.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Priority with what tracking adds: 1..=254, or 255 for an owner, which tracking leaves alone.
    pub fn priority(&self) -> Priority {
        let configured = self.config.priority;
        if configured.is_owner() {
            return configured;
        }
        let (least, greatest) = (Priority::LEAST.get(), Priority::GREATEST.get());
        let sum = i32::from(configured.get()).saturating_add(self.verdict.points());
        let bounded = sum.clamp(i32::from(least), i32::from(greatest));
        u8::try_from(bounded).map_or(configured, Priority::new)
    }

    /// The Active router: this one, or the last that was obeyed. `None` before one was heard.
    pub fn active_router(&self) -> Option<IpAddr> {
        match self.phase {
            Phase::Initialize => None,
            Phase::Backup(_) => self.active_router,
            Phase::Active(_) => Some(self.config.primary_address),
        }
    }

    /// The checksum form to emit with.
    pub fn checksum_form(&self) -> ChecksumForm {
        match self.config.checksum {
            ChecksumPolicy::Always(form) => form,
            ChecksumPolicy::FollowPeer => self.peer_checksum.unwrap_or(ChecksumForm::Plain),
        }
    }

    /// What this router advertises while it is Active and offers nothing: to encode ahead.
    pub fn header(&self) -> Header {
        self.config.header(self.priority())
    }

    /// Active_Adver_Interval: the Active router's interval as learnt and bounded, or the own one.
    pub fn active_adver_interval(&self) -> Duration {
        match self.phase {
            Phase::Backup(backup) => backup.active_adver_interval,
            Phase::Initialize | Phase::Active(_) => self.config.protocol.interval(),
        }
    }

    /// Skew_Time (RFC 9568 section 6.1; RFC 3768 for version 2), to the nanosecond:
    /// (256 - priority) / 256 of Active_Adver_Interval, or of one second in version 2.
    pub fn skew_time(&self) -> Duration {
        let base = match self.config.protocol.version() {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => self.active_adver_interval(),
        };
        base * (256 - u32::from(self.priority().get())) / 256
    }

    /// Active_Down_Interval: three times Active_Adver_Interval and Skew_Time.
    pub fn active_down_interval(&self) -> Duration {
        self.active_adver_interval() * 3 + self.skew_time()
    }

    fn has_fault(&self) -> bool {
        self.link == Link::Down || self.verdict.is_fault()
    }

    fn preempts(&self) -> Option<Duration> {
        match (self.config.preemption, self.config.priority.is_owner()) {
            (Preemption::On { delay }, true | false) => Some(delay),
            (Preemption::Off, true) => Some(Duration::ZERO),
            (Preemption::Off, false) => None,
        }
    }

    fn is_grouped(&self) -> bool {
        self.config.grouping == Grouping::Grouped
    }

    /// The one place where the state changes.
    fn enter(&mut self, phase: Phase, reason: Reason, out: &mut Outputs) {
        let from = self.state();
        self.phase = phase;
        out.push(Output::Transition(Transition { from, to: self.state(), reason }));
    }

    fn advertise(&mut self, priority: Priority, out: &mut Outputs) {
        self.statistics.advertisements_sent = self.statistics.advertisements_sent.wrapping_add(1);
        if priority.is_resigned() {
            self.statistics.priority_zero_sent = self.statistics.priority_zero_sent.wrapping_add(1);
        }
        out.push(Output::Advertise(self.config.header(priority)));
    }
}

/// A configuration for another VRID or address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconfigureError;

impl fmt::Display for ReconfigureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("configuration is for another virtual router")
    }
}

impl core::error::Error for ReconfigureError {}
