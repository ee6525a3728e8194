//! An operator's changes: from the request to the core, and from the core's answer back.

use std::time::Duration;

use mark21_api::status::{Committed, State};
use tokio::sync::oneshot;

use super::Runtime;
use crate::core::{Confirmation, Done, Event, Outcome, Request};
use crate::feed::News;
use crate::hand::ServerName;
use crate::load::{Payload, chain};
use crate::refusal::Refusal;
use crate::risk;

/// What an operator asks for.
#[derive(Debug)]
pub(crate) enum Change {
    /// Another configuration, now.
    Commit {
        payload: Payload,
        /// Until it goes back by itself; `None` for a change that needs no confirmation.
        confirm: Option<Duration>,
    },
    /// Another configuration, at the next start.
    AtReboot(Payload),
    /// Keep what is unconfirmed.
    Confirm,
    /// Take back what is unconfirmed, now.
    TakeBack,
}

/// A weight by an operator's hand; `None` gives the configuration's back.
#[derive(Debug)]
pub(crate) struct Weight {
    pub(crate) service: String,
    pub(crate) server: ServerName,
    pub(crate) weight: Option<u16>,
}

/// Where the end of a change is told.
pub(crate) type Answer = oneshot::Sender<Result<Committed, Refusal>>;

/// Who waits for the end of a change.
pub(super) struct Caller {
    answer: Answer,
    confirm: Option<Duration>,
    author: String,
}

/// Who waits for a weight to be in the kernel.
pub(super) struct Reweighing {
    answer: oneshot::Sender<Result<(), Refusal>>,
    /// Whether a convergence that began later is under way.
    pub(super) is_ordered: bool,
}

impl Runtime {
    pub(super) fn begin(&mut self, change: Change, answer: Answer) -> Option<Event<Payload>> {
        match self.prepared(change) {
            Ok(Prepared::Event(event, caller)) => {
                self.change = Some(Caller { answer, confirm: caller.0, author: caller.1 });
                Some(event)
            }
            Ok(Prepared::Done(committed)) => {
                drop(answer.send(Ok(committed)));
                None
            }
            Err(refusal) => {
                drop(answer.send(Err(refusal)));
                None
            }
        }
    }

    fn prepared(&self, change: Change) -> Result<Prepared, Refusal> {
        if self.change.is_some() {
            return Err(Refusal::busy());
        }
        match change {
            Change::Confirm => Ok(Prepared::Event(Event::Change(Request::Confirm), Default::default())),
            Change::TakeBack => Ok(Prepared::Event(Event::Change(Request::TakeBack), Default::default())),
            Change::AtReboot(payload) => {
                if let Some((generation, _)) = self.core.unconfirmed() {
                    return Err(Refusal::unconfirmed(generation));
                }
                self.store
                    .put_candidate(&payload.stored, &payload.note)
                    .map_err(|error| Refusal::below(format!("it could not be written: {}", chain(&error))))?;
                crate::log::note(format_args!(
                    "{} put a configuration there for the next start",
                    payload.note.author
                ));
                Ok(Prepared::Done(Committed::default()))
            }
            Change::Commit { payload, confirm } => {
                if let Some(running) = self.core.running() {
                    if running.stored == payload.stored && self.core.unconfirmed().is_none() {
                        let generation = self.core.origin().generation();
                        return Ok(Prepared::Done(Committed { generation, ..Committed::default() }));
                    }
                    let risks = risk::of(&running.wanted.config, &payload.wanted.config);
                    if let (Some(risk), None) = (risks.first(), confirm) {
                        let more = match risks.len() - 1 {
                            0 => String::new(),
                            more => format!(" (and {more} more)"),
                        };
                        return Err(Refusal::failed(
                            format!("{risk}{more}: such a change needs a confirmation"),
                            "commit --confirm 5m, try it, and confirm; without that it goes back by itself",
                        ));
                    }
                }
                let author = payload.note.author.clone();
                let confirmation = confirm.map_or(Confirmation::None, Confirmation::Within);
                let request = Request::Commit { payload, confirmation };
                Ok(Prepared::Event(Event::Change(request), (confirm, author)))
            }
        }
    }

    /// The core's answer to the change that was asked for.
    pub(super) fn changed(&mut self, result: Result<Done, Refusal>) {
        let Some(caller) = self.change.take() else { return };
        if let Ok(Done { generation: Some(generation), .. }) = &result {
            let suffix = if caller.confirm.is_some() { ", unconfirmed" } else { "" };
            crate::log::note(format_args!("generation {generation} runs{suffix}"));
            self.feed.tell(News::Committed { generation: *generation, author: caller.author });
        }
        let committed = result.map(|done| Committed {
            generation: done.generation,
            changes: done.changes,
            confirm: caller.confirm.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
        });
        // A caller that has gone away finds the outcome in status and log.
        drop(caller.answer.send(committed));
    }

    pub(super) fn weigh(
        &mut self,
        weight: &Weight,
        answer: oneshot::Sender<Result<(), Refusal>>,
    ) -> Option<Event<Payload>> {
        let config = self.core.running().map(|running| std::sync::Arc::clone(&running.wanted));
        let set = match config {
            Some(wanted) => self.hand.set(&wanted.config, &weight.service, weight.server, weight.weight),
            None => Err(Refusal::nothing_runs()),
        };
        match set {
            Err(refusal) => {
                drop(answer.send(Err(refusal)));
                return None;
            }
            // Nothing was above it, and nothing is: the kernel has it.
            Ok(false) if self.reweighing.is_empty() && self.core.state() == State::Serving => {
                drop(answer.send(Ok(())));
                return None;
            }
            Ok(_) => drop(self.services.take()),
        }
        self.reweighing.push(Reweighing { answer, is_ordered: false });
        Some(Event::Reweighed)
    }

    /// A convergence has ended: tells those whose weight it took along.
    pub(super) fn reweighed(&mut self, outcome: &Outcome) {
        let told = match outcome {
            Outcome::Proven(_) => Ok(()),
            Outcome::Failed(problem) => Err(Refusal::below(format!("{}: {}", problem.subject, problem.text))),
            Outcome::NotLive(text) => Err(Refusal::below(text)),
        };
        for waiting in self.reweighing.extract_if(.., |waiting| waiting.is_ordered) {
            drop(waiting.answer.send(told.clone()));
        }
    }
}

/// A change that may begin, or was nothing to wait for.
enum Prepared {
    Event(Event<Payload>, (Option<Duration>, String)),
    Done(Committed),
}
