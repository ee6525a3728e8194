//! What the supervisor decides, without I/O or a clock.
//!
//! ```text
//! Starting: attempt 0 ──proven──> Settled ──disturbed, every 2 s──> converge again
//!              │ a candidate that is not proven in time
//!              └─> attempt 1 .. last (fail-secure) ──> Settled
//! ```
//! The runtime feeds one [`Event`] at a time to [`Core::handle`], does what each returned
//! [`Command`] says, in order, and calls [`Core::handle`] with [`Event::Tick`] when
//! [`Core::deadline`] has come. One convergence runs at a time; its end is an event.

use std::time::{Duration, Instant};

use mark21_api::status::{Problem, State};

#[cfg(test)]
mod tests;

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
const LOOK_SHARE: u32 = 10;

/// Where an attempted configuration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `mark21.toml`, not yet a generation.
    Candidate,
    /// A generation.
    Generation(u32),
    /// None: the box is closed.
    FailSecure,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Candidate => f.write_str("the new configuration"),
            Self::Generation(number) => write!(f, "generation {number}"),
            Self::FailSecure => f.write_str("the fail-secure state"),
        }
    }
}

/// How a convergence ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Read back and equal, after the changes that are told, in an operator's words.
    Proven(Vec<String>),
    /// Not so.
    Failed(Problem),
}

/// What happens to the supervisor.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The convergence that was asked for has ended.
    Converged {
        /// How it ended.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
    },
    /// The kernel told of a change.
    Disturbed,
    /// The candidate was saved as this generation, or could not be.
    Saved(Result<u32, String>),
    /// The deadline has come.
    Tick,
}

/// What the runtime is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Bring the kernel to an attempt and prove it.
    Converge {
        /// The attempt's position.
        position: usize,
        /// Do it even where the port of an interface is missing.
        partial: bool,
    },
    /// Save the candidate as a generation and name it current.
    Save,
    /// Remember the candidate as failed, with the reason.
    Refuse(String),
    /// Tell the parent, the console and the log that the service is proven.
    Ready,
    /// Log the changes that were made to put a foreign change right.
    Repaired(Vec<String>),
    /// Log a problem that has come up.
    Complain(Problem),
}

/// The decisions.
#[derive(Debug)]
pub(crate) struct Core {
    attempts: Vec<Origin>,
    at: usize,
    phase: Phase,
    /// What was wrong before the attempts started; stays for status.
    standing: Vec<Problem>,
    /// What is wrong with the running attempt now.
    current: Option<Problem>,
    converging: bool,
    disturbed: bool,
    deadline: Option<Instant>,
    /// Until the next look without a sign.
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The attempt has until then to be proven.
    Starting { patience_ends: Instant },
    /// An attempt was proven once, or is the best that is to be had.
    Settled,
}

impl Core {
    /// Attempts best first; the fail-secure state is added behind them. `standing` is what was
    /// found wrong on the way, such as a refused candidate.
    #[must_use]
    pub(crate) fn start(
        now: Instant,
        mut attempts: Vec<Origin>,
        standing: Vec<Problem>,
    ) -> (Self, Vec<Command>) {
        attempts.push(Origin::FailSecure);
        let core = Self {
            attempts,
            at: 0,
            phase: Phase::Starting { patience_ends: now + PATIENCE },
            standing,
            current: None,
            converging: true,
            disturbed: false,
            deadline: None,
            pause: LOOK,
        };
        (core, vec![Command::Converge { position: 0, partial: false }])
    }

    /// What runs, or is being tried.
    #[must_use]
    pub(crate) fn origin(&self) -> Origin {
        self.attempts.get(self.at).copied().unwrap_or(Origin::FailSecure)
    }

    /// The position of what runs, or is being tried.
    #[must_use]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// What status calls it.
    #[must_use]
    pub(crate) fn state(&self) -> State {
        match (self.phase, self.origin(), &self.current) {
            (Phase::Starting { .. }, _, _) => State::Starting,
            (Phase::Settled, Origin::FailSecure, _) => State::FailSecure,
            (Phase::Settled, Origin::Candidate | Origin::Generation(_), None) => State::Serving,
            (Phase::Settled, Origin::Candidate | Origin::Generation(_), Some(_)) => State::Degraded,
        }
    }

    /// What is wrong now.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.current.iter().chain(&self.standing)
    }

    /// When the next tick is due; `None` while a convergence runs.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.converging { None } else { self.deadline }
    }

    /// Takes one event.
    #[must_use]
    pub(crate) fn handle(&mut self, now: Instant, event: Event) -> Vec<Command> {
        match event {
            Event::Tick if self.converging => Vec::new(),
            Event::Tick => self.converge(),
            Event::Disturbed => {
                self.disturbed = true;
                let soon = now + DEBOUNCE;
                self.deadline = Some(self.deadline.map_or(soon, |deadline| deadline.min(soon)));
                Vec::new()
            }
            Event::Converged { outcome, took } => {
                self.converging = false;
                self.pause = LOOK.max(took * LOOK_SHARE);
                match self.phase {
                    Phase::Starting { patience_ends } => self.started(now, patience_ends, outcome),
                    Phase::Settled => self.looked(now, outcome),
                }
            }
            Event::Saved(Ok(number)) => {
                if let Some(origin) = self.attempts.get_mut(self.at) {
                    *origin = Origin::Generation(number);
                }
                Vec::new()
            }
            Event::Saved(Err(text)) => {
                let problem = Problem { subject: "configuration partition".into(), text };
                self.standing.push(problem.clone());
                vec![Command::Complain(problem)]
            }
        }
    }

    fn converge(&mut self) -> Vec<Command> {
        self.converging = true;
        self.disturbed = false;
        self.deadline = None;
        vec![Command::Converge { position: self.at, partial: self.phase == Phase::Settled }]
    }

    fn started(&mut self, now: Instant, patience_ends: Instant, outcome: Outcome) -> Vec<Command> {
        let problem = match outcome {
            Outcome::Proven(_) => {
                self.phase = Phase::Settled;
                self.current = None;
                self.look_again(now, self.pause);
                return match self.origin() {
                    Origin::Candidate => vec![Command::Save, Command::Ready],
                    Origin::Generation(_) | Origin::FailSecure => vec![Command::Ready],
                };
            }
            Outcome::Failed(problem) => problem,
        };
        if now < patience_ends {
            self.current = Some(problem);
            self.look_again(now, START_RETRY);
            return Vec::new();
        }
        if matches!(self.origin(), Origin::Generation(_)) || self.at + 1 == self.attempts.len() {
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
        self.at += 1;
        self.phase = Phase::Starting { patience_ends: now + PATIENCE };
        commands.extend(self.converge());
        commands
    }

    fn looked(&mut self, now: Instant, outcome: Outcome) -> Vec<Command> {
        self.look_again(now, if self.disturbed { DEBOUNCE } else { self.pause });
        match outcome {
            Outcome::Proven(changes) => {
                self.current = None;
                if changes.is_empty() { Vec::new() } else { vec![Command::Repaired(changes)] }
            }
            Outcome::Failed(problem) => {
                let is_known = self.current.as_ref() == Some(&problem);
                self.current = Some(problem.clone());
                if is_known { Vec::new() } else { vec![Command::Complain(problem)] }
            }
        }
    }

    fn look_again(&mut self, now: Instant, after: Duration) {
        let later = now + after;
        self.deadline = Some(if self.disturbed {
            self.deadline.map_or(later, |deadline| deadline.min(later))
        } else {
            later
        });
    }
}
