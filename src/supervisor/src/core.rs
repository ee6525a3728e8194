//! What the supervisor decides, without I/O or a clock.
//!
//! ```text
//! Starting ── proven ──> Settled <──────────────── kept ────────────────+
//!    │ not proven: next      │ commit                                    │
//!    └─> .. fail-secure      v                  with a confirmation      │
//!                         Trying ── proven ──> saved ──> Unconfirmed ────+ confirmed
//!                            │ refused                       │ time is up
//!                            +───────> Returning <───────────+
//! ```
//! The runtime feeds one [`Event`] at a time to [`Core::handle`], does what each returned
//! [`Command`] says, in order, and calls [`Core::handle`] with [`Event::Tick`] when
//! [`Core::deadline`] has come. One convergence runs at a time; its end is an event. What a
//! configuration is, it does not know: it carries payloads.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mark21_api::status::{Problem, State};

use crate::refusal::Refusal;

mod commit;
#[cfg(test)]
mod tests;

pub(crate) use commit::{Confirmation, Request};

/// How long one attempt at the start may take to be proven: a network card behind a slow bus
/// appears within a few seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries of an attempt at the start.
const START_RETRY: Duration = Duration::from_millis(200);
/// After a sign of a foreign change, so that a burst of signs costs one look.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// Between two looks without a sign: IPVS tells nobody of its changes.
const LOOK: Duration = Duration::from_secs(2);
/// A look that takes long, because the tables are large, pauses this many times as long.
const LOOK_SHARE: u32 = 5;
/// Looks between two that look at everything without a sign that it was touched.
const BRIEF_LOOKS: u32 = 15;

/// Where an attempted configuration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `mark21.toml`, not yet a generation.
    Candidate,
    /// An operator's commit, not yet a generation.
    Commit,
    /// A generation.
    Generation(u32),
    /// None: the box is closed.
    FailSecure,
}

impl Origin {
    /// Its generation, when it is one.
    pub(crate) fn generation(self) -> Option<u32> {
        match self {
            Self::Generation(number) => Some(number),
            Self::Candidate | Self::Commit | Self::FailSecure => None,
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Candidate | Self::Commit => f.write_str("the new configuration"),
            Self::Generation(number) => write!(f, "generation {number}"),
            Self::FailSecure => f.write_str("the fail-secure state"),
        }
    }
}

/// A configuration that is tried or runs.
#[derive(Debug)]
pub(crate) struct Attempt<P> {
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// What the runtime needs of it; the fail-secure state has none.
    pub(crate) payload: Option<P>,
}

/// How a convergence ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Read back and equal, after the changes that are told, in an operator's words.
    Proven(Vec<String>),
    /// Not so.
    Failed(Problem),
    /// Nothing was touched: it cannot be changed while the box runs.
    NotLive(String),
}

/// How much is looked at, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// What changes without a word of the kernel: settings, IPVS, and whether nft's tables are
    /// still of the same generation. The rest as it was seen last.
    Brief,
    /// Everything; nft, which is another program and slow, only when its generation is another one.
    Whole,
    /// Everything, and nft's tables whatever their generation.
    Anew,
}

/// How a convergence is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Even where the port of an interface is missing.
    pub(crate) partial: bool,
    /// With how much looked at.
    pub(crate) depth: Depth,
    /// Only with changes that can be made while the box runs.
    pub(crate) live: bool,
}

/// What happens to the supervisor.
#[derive(Debug)]
pub(crate) enum Event<P> {
    /// The convergence that was asked for has ended.
    Converged {
        /// How it ended.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
    },
    /// vrrpd took what it was told, or says why not.
    Instructed(Result<(), String>),
    /// The kernel told of a change.
    Disturbed,
    /// A weight was set by hand, or a server has finished draining.
    Reweighed,
    /// The configuration in trial was saved as this generation, or could not be.
    Saved(Result<u32, String>),
    /// An operator's change.
    Change(Request<P>),
    /// The unconfirmed generation was named the one to boot, or could not be.
    Named(Result<(), String>),
    /// The deadline has come.
    Tick,
}

/// What the runtime is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Bring the kernel to [`Core::running`] and prove it.
    Converge(Manner),
    /// Tell vrrpd what [`Core::running`] wants of it, and say how it took it.
    Instruct,
    /// Tell it the same once more; nothing waits for it.
    Want,
    /// Save [`Core::running`] as a generation; with `current`, name it the one to boot.
    Save { current: bool },
    /// Name this generation the one to boot.
    Name(u32),
    /// Remember the candidate as failed, with the reason.
    Refuse(String),
    /// Tell the parent, the console and the log that the service is proven.
    Ready,
    /// Let the kernel take no more modules, if this configuration has services.
    Lock,
    /// Log the changes that were made to put a foreign change right.
    Repaired(Vec<String>),
    /// Log a problem that has come up.
    Complain(Problem),
    /// Answer the operator whose change was asked for.
    Answer(Result<Done, Refusal>),
    /// The box goes back from this generation in so many seconds.
    Announce { generation: u32, seconds: u32 },
    /// The box has gone back.
    WentBack { from: Option<u32>, to: Origin, why: String },
}

/// How an operator's change ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// The generation that runs or was confirmed.
    pub(crate) generation: Option<u32>,
    /// What was changed, in an operator's words.
    pub(crate) changes: Vec<String>,
}

/// The decisions.
#[derive(Debug)]
pub(crate) struct Core<P> {
    /// What runs or is tried, then what comes next if it does not hold. Never empty.
    attempts: VecDeque<Attempt<P>>,
    phase: Phase,
    /// What was wrong before the attempts started; stays for status.
    standing: Vec<Problem>,
    /// What is wrong with the running attempt now.
    current: Option<Problem>,
    converging: bool,
    /// vrrpd's or the store's word decides what comes next.
    awaiting: bool,
    disturbed: bool,
    deadline: Option<Instant>,
    /// Until the next look without a sign.
    pause: Duration,
    /// Looks until the next whole one.
    brief_looks: u32,
    /// Weights are to be set, for which no look need be whole.
    reweighed: bool,
    /// The kernel is to take no more modules, by this configuration's word.
    lock_ordered: bool,
    /// A change that came while a look was under way.
    waiting: Option<Request<P>>,
}

#[derive(Debug)]
enum Phase {
    /// The attempt has until then to be proven.
    Starting { patience_ends: Instant },
    /// An attempt was proven once, or is the best that is to be had.
    Settled,
    /// A commit is brought up.
    Trying(commit::Trial),
    /// It runs, and goes back by itself.
    Unconfirmed(commit::Unconfirmed),
    /// What ran before is brought back.
    Returning(commit::Return),
}

impl<P> Core<P> {
    /// Attempts best first; the fail-secure state is added behind them. `standing` is what was
    /// found wrong on the way, such as a refused candidate.
    #[must_use]
    pub(crate) fn start(
        now: Instant,
        attempts: Vec<Attempt<P>>,
        standing: Vec<Problem>,
    ) -> (Self, Vec<Command>) {
        let mut attempts = VecDeque::from(attempts);
        attempts.push_back(Attempt { origin: Origin::FailSecure, payload: None });
        let mut core = Self {
            attempts,
            phase: Phase::Starting { patience_ends: now + PATIENCE },
            standing,
            current: None,
            converging: true,
            awaiting: false,
            disturbed: true,
            deadline: None,
            pause: LOOK,
            brief_looks: 0,
            reweighed: false,
            lock_ordered: false,
            waiting: None,
        };
        let commands = core.converge();
        (core, commands)
    }

    /// What runs, or is being tried.
    #[must_use]
    pub(crate) fn running(&self) -> Option<&P> {
        self.attempts.front()?.payload.as_ref()
    }

    /// Where that comes from.
    #[must_use]
    pub(crate) fn origin(&self) -> Origin {
        self.attempts.front().map_or(Origin::FailSecure, |attempt| attempt.origin)
    }

    /// Whether that is an operator's change that is not whole yet.
    #[must_use]
    pub(crate) fn is_trying(&self) -> bool {
        matches!(self.phase, Phase::Trying(_))
    }

    /// What status calls it.
    #[must_use]
    pub(crate) fn state(&self) -> State {
        match (&self.phase, self.origin(), &self.current) {
            (Phase::Starting { .. }, _, _) => State::Starting,
            (_, Origin::FailSecure, _) => State::FailSecure,
            (_, _, None) => State::Serving,
            (_, _, Some(_)) => State::Degraded,
        }
    }

    /// What is wrong now.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.current.iter().chain(&self.standing)
    }

    /// The generation that waits for its confirmation, and until when.
    #[must_use]
    pub(crate) fn unconfirmed(&self) -> Option<(u32, Instant)> {
        match &self.phase {
            Phase::Unconfirmed(unconfirmed) => Some((unconfirmed.generation, unconfirmed.until)),
            Phase::Starting { .. } | Phase::Settled | Phase::Trying(_) | Phase::Returning(_) => None,
        }
    }

    /// When the next tick is due; `None` while a convergence runs or an answer is waited for.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.converging || self.awaiting {
            return None;
        }
        match &self.phase {
            Phase::Unconfirmed(unconfirmed) => {
                let next = unconfirmed.next_announcement();
                Some(self.deadline.map_or(next, |deadline| deadline.min(next)))
            }
            Phase::Starting { .. } | Phase::Settled | Phase::Trying(_) | Phase::Returning(_) => self.deadline,
        }
    }

    /// Takes one event.
    #[must_use]
    pub(crate) fn handle(&mut self, now: Instant, event: Event<P>) -> Vec<Command> {
        match event {
            Event::Tick if self.converging || self.awaiting => Vec::new(),
            Event::Tick => self.tick(now),
            Event::Disturbed => {
                self.disturbed = true;
                self.look_within(now, DEBOUNCE);
                Vec::new()
            }
            Event::Reweighed => {
                self.reweighed = true;
                self.look_within(now, Duration::ZERO);
                Vec::new()
            }
            Event::Converged { outcome, took } => {
                self.converging = false;
                self.pause = LOOK.max(took * LOOK_SHARE);
                let mut commands = self.converged(now, outcome);
                if !self.converging
                    && let Some(request) = self.waiting.take()
                {
                    commands.extend(self.change(now, request));
                }
                commands
            }
            Event::Instructed(taken) => {
                self.awaiting = false;
                self.instructed(now, taken)
            }
            Event::Saved(saved) => {
                self.awaiting = false;
                self.saved(now, saved)
            }
            Event::Named(named) => {
                self.awaiting = false;
                self.named(named)
            }
            Event::Change(request) => self.change(now, request),
        }
    }

    fn tick(&mut self, now: Instant) -> Vec<Command> {
        let mut commands = self.remind(now);
        if !self.converging && self.deadline.is_some_and(|deadline| deadline <= now) {
            commands.extend(self.converge());
        }
        commands
    }

    fn converge(&mut self) -> Vec<Command> {
        let is_trial = matches!(self.phase, Phase::Trying(_));
        let is_called_for = self.disturbed || self.current.is_some();
        let is_settled = matches!(self.phase, Phase::Settled | Phase::Unconfirmed(_));
        // What a change does is proven anyway; the rest may wait for the next look.
        let may_wait = std::mem::take(&mut self.reweighed) || self.brief_looks > 0;
        let depth = match (is_called_for, is_settled && may_wait) {
            (true, _) => Depth::Anew,
            (false, true) => Depth::Brief,
            (false, false) => Depth::Whole,
        };
        self.brief_looks =
            if depth == Depth::Brief { self.brief_looks.saturating_sub(1) } else { BRIEF_LOOKS };
        self.converging = true;
        self.disturbed = false;
        self.deadline = None;
        let partial = !is_trial && !matches!(self.phase, Phase::Starting { .. });
        vec![Command::Converge(Manner { partial, depth, live: is_trial })]
    }

    fn converged(&mut self, now: Instant, outcome: Outcome) -> Vec<Command> {
        let outcome = match outcome {
            // Only a trial is held to what can be done live.
            Outcome::NotLive(text) if !matches!(self.phase, Phase::Trying(_)) => {
                Outcome::Failed(Problem { subject: "kernel".to_owned(), text })
            }
            outcome => outcome,
        };
        match (&self.phase, outcome) {
            (Phase::Starting { .. }, Outcome::Proven(_)) => self.await_answer(Command::Instruct),
            (Phase::Starting { patience_ends }, Outcome::Failed(problem)) => {
                self.not_started(now, *patience_ends, problem)
            }
            (Phase::Trying(_) | Phase::Returning(_), outcome) => self.tried(now, outcome),
            (Phase::Settled | Phase::Unconfirmed(_), Outcome::Proven(changes)) => {
                self.look_after_one(now);
                self.current = None;
                // The next configuration is vrrpd's business only when it is proven.
                let mut commands = if self.waiting.is_some() { vec![] } else { vec![Command::Want] };
                if !changes.is_empty() {
                    commands.push(Command::Repaired(changes));
                }
                // Proven once more, nothing is to be tried, and there is nothing to go back to.
                let is_sure = matches!(self.phase, Phase::Settled) && self.waiting.is_none();
                if is_sure && !self.lock_ordered && self.origin() != Origin::FailSecure {
                    self.lock_ordered = true;
                    commands.push(Command::Lock);
                }
                commands
            }
            (Phase::Settled | Phase::Unconfirmed(_), Outcome::Failed(problem)) => {
                self.look_after_one(now);
                let is_known = self.current.as_ref() == Some(&problem);
                self.current = Some(problem.clone());
                if is_known { Vec::new() } else { vec![Command::Complain(problem)] }
            }
            (_, Outcome::NotLive(_)) => Vec::new(),
        }
    }

    fn await_answer(&mut self, command: Command) -> Vec<Command> {
        self.awaiting = true;
        vec![command]
    }

    /// vrrpd is a part of the proof: without it a director of a pair has no virtual address.
    fn instructed(&mut self, now: Instant, taken: Result<(), String>) -> Vec<Command> {
        match (&self.phase, taken) {
            (Phase::Starting { .. }, Ok(())) => match self.origin() {
                Origin::Candidate => self.await_answer(Command::Save { current: true }),
                Origin::Commit | Origin::Generation(_) | Origin::FailSecure => {
                    self.settle(now);
                    vec![Command::Ready]
                }
            },
            (Phase::Starting { patience_ends }, Err(text)) => {
                let problem = Problem { subject: "vrrpd".to_owned(), text };
                self.not_started(now, *patience_ends, problem)
            }
            (Phase::Trying(_) | Phase::Returning(_), taken) => self.trial_instructed(now, taken),
            // What vrrpd says later is told by the one who listens to it.
            (Phase::Settled | Phase::Unconfirmed(_), _) => Vec::new(),
        }
    }

    fn not_started(&mut self, now: Instant, patience_ends: Instant, problem: Problem) -> Vec<Command> {
        if now < patience_ends {
            self.current = Some(problem);
            self.look_within(now, START_RETRY);
            return Vec::new();
        }
        if matches!(self.origin(), Origin::Generation(_)) || self.attempts.len() == 1 {
            // It was proven before, so the box is at fault, not the text: a director without one
            // of its ports serves on the others. And behind the closed state there is nothing.
            self.phase = Phase::Settled;
            self.current = Some(problem.clone());
            let mut commands = vec![Command::Complain(problem), Command::Ready];
            commands.extend(self.converge());
            return commands;
        }
        let mut commands = vec![Command::Complain(problem.clone())];
        if self.origin() == Origin::Candidate {
            commands.push(Command::Refuse(format!("{}: {}", problem.subject, problem.text)));
        }
        self.standing.push(problem);
        self.current = None;
        self.attempts.pop_front();
        self.phase = Phase::Starting { patience_ends: now + PATIENCE };
        self.disturbed = true;
        commands.extend(self.converge());
        commands
    }

    /// What is at the front stays, and what was behind it is forgotten.
    fn settle(&mut self, now: Instant) {
        self.phase = Phase::Settled;
        self.current = None;
        self.attempts.truncate(1);
        // The watch may have begun behind the proof.
        self.brief_looks = 0;
        self.look_within(now, self.pause);
    }

    fn look_after_one(&mut self, now: Instant) {
        self.look_within(now, if self.disturbed { DEBOUNCE } else { self.pause });
    }

    /// A sign that came during the look keeps its own, earlier time.
    fn look_within(&mut self, now: Instant, after: Duration) {
        let soon = now + after;
        self.deadline = Some(self.deadline.map_or(soon, |deadline| deadline.min(soon)));
    }
}
