//! An operator's change: applied whole or not at all, and back by itself when nobody confirms.
//!
//! The new configuration is put before the running one. It counts when the kernel holds it, vrrpd
//! has taken it, and it is on the disk; before that, the one behind it comes back.

use std::time::{Duration, Instant};

use mark21_api::status::Problem;

use crate::refusal::Refusal;

use super::{Attempt, Command, Core, Done, Origin, Outcome, Phase, START_RETRY};

/// How long a change may take to be proven: what does not hold by then will not.
const TRIAL: Duration = Duration::from_secs(3);
/// How long before the end an unconfirmed change is announced to go.
const ANNOUNCED: [Duration; 3] = [Duration::from_secs(300), Duration::from_secs(60), Duration::from_secs(10)];

const NOTHING_WAITS: &str = "nothing waits for a confirmation";
/// What can be done about a change that was put back.
const MEND: &str = "log tells more; mend it, and commit once more";
const AT_REBOOT: &str = "plan shows all of it; commit --at-reboot takes it at the next start";
const DISK: &str = "is the disk full, or broken? log tells more";

/// What an operator asks for.
#[derive(Debug)]
pub(crate) enum Request<P> {
    /// Another configuration.
    Commit {
        /// The configuration.
        payload: P,
        /// How it becomes final.
        confirmation: Confirmation,
    },
    /// Keep what is unconfirmed.
    Confirm,
    /// Take back what is unconfirmed, now.
    TakeBack,
}

/// How a change becomes final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// By being proven.
    None,
    /// By a confirmation within this time.
    Within(Duration),
}

/// A change on its way up.
#[derive(Debug)]
pub(super) struct Trial {
    patience_ends: Instant,
    confirmation: Confirmation,
    changes: Vec<String>,
}

/// A change that waits for its confirmation.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    pub(super) generation: u32,
    pub(super) until: Instant,
    /// How many of [`ANNOUNCED`] are told or were never due.
    announced: usize,
}

/// The way back.
#[derive(Debug)]
pub(super) struct Return {
    from: Option<u32>,
    why: String,
    /// What an operator can do who waits for the answer that his change has failed; `None` when
    /// nobody does.
    next: Option<&'static str>,
}

impl Unconfirmed {
    /// When something is to be done: an announcement, or the end.
    pub(super) fn next_announcement(&self) -> Instant {
        ANNOUNCED.get(self.announced).and_then(|before| self.until.checked_sub(*before)).unwrap_or(self.until)
    }
}

impl<P> Core<P> {
    /// Takes an operator's change; while a look is under way it waits for its end.
    pub(super) fn change(&mut self, now: Instant, request: Request<P>) -> Vec<Command> {
        let refused = |refusal: Refusal| vec![Command::Answer(Err(refusal))];
        if self.waiting.is_some() {
            return refused(Refusal::busy());
        }
        match (&mut self.phase, request) {
            (Phase::Starting { .. }, _) => refused(Refusal::failed(
                "the box is still starting",
                "status tells when it serves; try once more then",
            )),
            (Phase::Trying(_) | Phase::Returning(_), _) => refused(Refusal::busy()),
            (Phase::Settled, Request::Confirm) => refused(Refusal::failed(
                NOTHING_WAITS,
                "what runs stays; commit --confirm 5m makes a change that waits for one",
            )),
            (Phase::Settled, Request::TakeBack) => refused(Refusal::failed(
                NOTHING_WAITS,
                "name the generation to go back to; generations lists them",
            )),
            (Phase::Unconfirmed(unconfirmed), Request::Commit { .. }) => {
                refused(Refusal::unconfirmed(unconfirmed.generation))
            }
            (Phase::Unconfirmed(unconfirmed), Request::Confirm) => {
                let name = Command::Name(unconfirmed.generation);
                self.await_answer(name)
            }
            (Phase::Settled | Phase::Unconfirmed(_), request) if self.converging => {
                self.waiting = Some(request);
                Vec::new()
            }
            (Phase::Unconfirmed(_), Request::TakeBack) => {
                self.go_back("an operator took it back".to_owned(), Some(MEND))
            }
            (Phase::Settled, Request::Commit { payload, confirmation }) => {
                self.attempts.push_front(Attempt { origin: Origin::Commit, payload: Some(payload) });
                let patience_ends = now + TRIAL;
                self.phase = Phase::Trying(Trial { patience_ends, confirmation, changes: Vec::new() });
                self.converge()
            }
        }
    }

    /// The end of a convergence of a trial or of the way back.
    pub(super) fn tried(&mut self, now: Instant, outcome: Outcome) -> Vec<Command> {
        match (&mut self.phase, outcome) {
            (Phase::Trying(trial), Outcome::Proven(changes)) => {
                trial.changes.extend(changes);
                self.await_answer(Command::Instruct)
            }
            (Phase::Trying(trial), Outcome::Failed(problem)) if now < trial.patience_ends => {
                self.current = Some(problem);
                self.look_within(now, START_RETRY);
                Vec::new()
            }
            (Phase::Trying(_), Outcome::Failed(problem)) => {
                self.go_back(format!("{}: {}", problem.subject, problem.text), Some(MEND))
            }
            (Phase::Trying(_), Outcome::NotLive(text)) => self.go_back(text, Some(AT_REBOOT)),
            (Phase::Returning(_), Outcome::Proven(_)) => self.await_answer(Command::Instruct),
            (Phase::Returning(_), Outcome::Failed(problem)) => self.returned(now, Some(problem)),
            (Phase::Returning(_), Outcome::NotLive(text)) => {
                self.returned(now, Some(Problem { subject: "kernel".to_owned(), text }))
            }
            (Phase::Starting { .. } | Phase::Settled | Phase::Unconfirmed(_), _) => Vec::new(),
        }
    }

    /// vrrpd's word on a trial, or on the way back.
    pub(super) fn trial_instructed(&mut self, now: Instant, taken: Result<(), String>) -> Vec<Command> {
        match (&self.phase, taken) {
            (Phase::Trying(trial), Ok(())) => {
                let current = trial.confirmation == Confirmation::None;
                self.await_answer(Command::Save { current })
            }
            (Phase::Trying(_), Err(text)) => self.go_back(format!("vrrpd: {text}"), Some(MEND)),
            (Phase::Returning(_), taken) => {
                let problem = taken.err().map(|text| Problem { subject: "vrrpd".to_owned(), text });
                self.returned(now, problem)
            }
            (Phase::Starting { .. } | Phase::Settled | Phase::Unconfirmed(_), _) => Vec::new(),
        }
    }

    /// The store's word on what was proven.
    pub(super) fn saved(&mut self, now: Instant, saved: Result<u32, String>) -> Vec<Command> {
        let front = self.attempts.front_mut();
        match (&mut self.phase, saved) {
            (Phase::Trying(trial), Ok(number)) => {
                if let Some(attempt) = front {
                    attempt.origin = Origin::Generation(number);
                }
                let done = Done { generation: Some(number), changes: std::mem::take(&mut trial.changes) };
                self.lock_ordered = false;
                match trial.confirmation {
                    Confirmation::None => {
                        // Of what lay on the disk at the start; another one lies there now.
                        self.standing.clear();
                        self.settle(now);
                    }
                    Confirmation::Within(time) => {
                        // What would be announced at once says nothing new.
                        let announced = ANNOUNCED.iter().filter(|before| **before >= time).count();
                        let until = now + time;
                        self.phase = Phase::Unconfirmed(Unconfirmed { generation: number, until, announced });
                        self.current = None;
                        self.look_within(now, self.pause);
                    }
                }
                vec![Command::Answer(Ok(done))]
            }
            (Phase::Trying(_), Err(text)) => self.go_back(text, Some(DISK)),
            // The candidate of the start, which serves whether or not it could be saved.
            (_, Ok(number)) => {
                if let Some(attempt) = front {
                    attempt.origin = Origin::Generation(number);
                }
                self.settle(now);
                vec![Command::Ready]
            }
            (_, Err(text)) => {
                self.settle(now);
                let problem = Problem { subject: "configuration partition".into(), text };
                self.standing.push(problem.clone());
                vec![Command::Complain(problem), Command::Ready]
            }
        }
    }

    /// The store's word on a confirmation.
    pub(super) fn named(&mut self, named: Result<(), String>) -> Vec<Command> {
        let Phase::Unconfirmed(unconfirmed) = &self.phase else { return Vec::new() };
        let done = Done { generation: Some(unconfirmed.generation), changes: Vec::new() };
        if named.is_ok() {
            self.phase = Phase::Settled;
            self.attempts.truncate(1);
            self.standing.clear();
        }
        vec![Command::Answer(named.map(|()| done).map_err(Refusal::below))]
    }

    /// What is due of the announcements, and the end.
    pub(super) fn remind(&mut self, now: Instant) -> Vec<Command> {
        let Phase::Unconfirmed(unconfirmed) = &mut self.phase else { return Vec::new() };
        if now < unconfirmed.next_announcement() {
            return Vec::new();
        }
        if now >= unconfirmed.until {
            return self.go_back("nobody confirmed it in time".to_owned(), None);
        }
        unconfirmed.announced += 1;
        let left = unconfirmed.until.saturating_duration_since(now);
        // Rounded up: half a second is not yet none.
        let seconds = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        vec![Command::Announce { generation: unconfirmed.generation, seconds }]
    }

    fn go_back(&mut self, why: String, next: Option<&'static str>) -> Vec<Command> {
        let from = self.origin().generation();
        if self.attempts.len() > 1 {
            self.attempts.pop_front();
        }
        self.phase = Phase::Returning(Return { from, why, next });
        self.current = None;
        self.disturbed = true;
        self.converge()
    }

    fn returned(&mut self, now: Instant, problem: Option<Problem>) -> Vec<Command> {
        let Phase::Returning(returned) = std::mem::replace(&mut self.phase, Phase::Settled) else {
            return Vec::new();
        };
        let mut commands = Vec::new();
        if let Some(problem) = &problem {
            commands.push(Command::Complain(problem.clone()));
        }
        let Return { from, why, next } = returned;
        if from.is_some() {
            commands.push(Command::WentBack { from, to: self.origin(), why: why.clone() });
        }
        if let Some(next) = next {
            let taken_back = from.is_some();
            let done = Done { generation: self.origin().generation(), changes: Vec::new() };
            commands.push(Command::Answer(match (taken_back, &problem) {
                (true, None) => Ok(done),
                (false, None) => Err(Refusal::failed(format!("{why}; all is as it was before"), next)),
                (_, Some(problem)) => Err(Refusal::below(format!(
                    "{why}; and on the way back {}: {}",
                    problem.subject, problem.text
                ))),
            }));
        }
        self.settle(now);
        self.current = problem;
        commands
    }
}
