//! From the store to the configurations worth trying, best first.
//!
//! A file `extra.nft` belongs to its configuration: both are good, or neither is tried.

use std::fmt;
use std::sync::Arc;

use mark21_api::status::Problem;
use mark21_config::{Config, Link};
use mark21_kernel::{ExtraError, Kernel, OpenError};
use mark21_reconcile::{Desired, Extra, Overrides};

use crate::core::{Attempt, Origin};
use crate::store::{Meta, Note, Refusal, Store, Stored};
use crate::worker::Wanted;

/// Generations tried behind the current one before the box stays closed.
const OLDER_GENERATIONS: usize = 3;

/// What is wrong with what the store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There is nothing in it: the box is as it comes from the factory.
    NoneYet,
    /// Anything else, in a sentence.
    Wrong(String),
}

impl Trouble {
    /// As status tells of it.
    pub(crate) fn problem(&self) -> Problem {
        Problem { subject: "configuration".to_owned(), text: self.to_string() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoneYet => "there is none yet; setup on the console writes one",
            Self::Wrong(text) => text,
        })
    }
}

/// A configuration that can be tried: read and without an error.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) stored: Arc<Stored>,
    pub(crate) wanted: Arc<Wanted>,
    /// Whose it is, for the generation that it becomes.
    pub(crate) note: Note,
}

/// Tries operators' files out; it has a kernel of its own from the first one on.
#[derive(Debug, Default)]
pub(crate) struct Tryout(Option<Kernel>);

impl Tryout {
    /// What the file beside a configuration asks for; `None` where there is none.
    pub(crate) fn extra(&mut self, config: &Config, stored: &Stored) -> Result<Option<Extra>, ExtraError> {
        let Some(bytes) = stored.extra() else { return Ok(None) };
        if bytes.len() > mark21_config::limits::TEXT_BYTES {
            let limit = mark21_config::limits::TEXT_BYTES >> 20;
            return Err(ExtraError::Refused(format!("extra.nft: it is longer than {limit} MiB")));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ExtraError::Refused("extra.nft: it is no UTF-8 text".to_owned()))?;
        let kernel = match self.0.take() {
            Some(kernel) => kernel,
            None => Kernel::open().map_err(|error: OpenError| ExtraError::Untried(error.into()))?,
        };
        let kernel = self.0.insert(kernel);
        let machine = kernel.machine().map_err(|error| ExtraError::Untried(error.into()))?;
        let desired = Desired::from_config(config, &machine, &Overrides::default());
        // The devices of the box, and those that the configuration makes or waits for.
        let mut devices: Vec<String> = machine.ports.into_iter().map(|port| port.device).collect();
        devices.extend(desired.links.iter().map(|link| link.device.clone()));
        devices.extend(config.interfaces.iter().filter_map(|interface| match &interface.link {
            Link::Device(device) => Some(device.to_string()),
            Link::Mac(_) | Link::Pci(_) | Link::Vlan { .. } | Link::Bond { .. } => None,
        }));
        devices.sort_unstable();
        devices.dedup();
        kernel.check_extra(&desired.firewall, text, &devices).map(Some)
    }
}

/// What the store holds: a candidate that is new and good, then the current generation, then
/// older ones. What was found wrong on the way comes beside, for status and the log.
pub(crate) fn attempts(store: &Store, tryout: &mut Tryout) -> (Vec<Attempt<Payload>>, Vec<Trouble>) {
    let mut attempts = Vec::new();
    let mut troubles = Vec::new();
    let mut wrong = |text: String| troubles.push(Trouble::Wrong(text));

    let current = store.current().unwrap_or_else(|error| {
        wrong(chain(&error));
        None
    });
    let mut numbers = store.generations().unwrap_or_else(|error| {
        wrong(chain(&error));
        Vec::new()
    });
    numbers.reverse();
    if let Some(current) = current {
        numbers.retain(|number| *number < current);
        numbers.insert(0, current);
    }
    let generations: Vec<(u32, Stored, Meta)> = numbers
        .into_iter()
        .filter_map(|number| match store.generation(number) {
            Ok((stored, meta)) => Some((number, stored, meta)),
            Err(error) => {
                wrong(chain(&error));
                None
            }
        })
        // What nobody confirmed was taken back for a reason.
        .filter(|(_, _, meta)| meta.confirmed)
        .take(1 + OLDER_GENERATIONS)
        .collect();
    let mut is_new = false;
    let running = generations.first().map(|(_, stored, _)| stored);

    match store.candidate() {
        Ok(Some(stored)) if Some(&stored) == running => {}
        Ok(Some(stored)) => match candidate(store, stored, tryout) {
            Ok(attempt) => attempts.push(attempt),
            Err(text) => wrong(text),
        },
        Ok(None) => is_new = generations.is_empty(),
        Err(error) => wrong(chain(&error)),
    }
    for (number, stored, meta) in generations {
        match mark21_config::parse_bytes(stored.text()) {
            Ok(parsed) => match tryout.extra(&parsed.config, &stored) {
                Ok(extra) => {
                    let wanted = Arc::new(Wanted { config: parsed.config, extra });
                    let note = Note { author: meta.author, comment: meta.comment };
                    let payload = Some(Payload { stored: Arc::new(stored), wanted, note });
                    attempts.push(Attempt { origin: Origin::Generation(number), payload });
                }
                Err(error) => wrong(format!("generation {number}: {}", chain(&error))),
            },
            Err(findings) => wrong(format!("generation {number}: {}", first_of(&findings))),
        }
    }
    troubles.extend(is_new.then_some(Trouble::NoneYet));
    (attempts, troubles)
}

/// The hashes of the passwords that these configurations have.
pub(crate) fn passwords(attempts: &[Attempt<Payload>]) -> impl Iterator<Item = String> {
    let payloads = attempts.iter().filter_map(|attempt| attempt.payload.as_ref());
    payloads.filter_map(|payload| payload.wanted.config.system.password.as_deref().map(str::to_owned))
}

fn candidate(store: &Store, stored: Stored, tryout: &mut Tryout) -> Result<Attempt<Payload>, String> {
    if let Ok(Some(refusal)) = store.refusal(stored.digest()) {
        return Err(format!("mark21.toml was refused before and is not tried again: {}", refusal.reason));
    }
    let refuse = |reason: String| {
        if let Err(error) = store.refuse(Refusal { digest: stored.digest().to_owned(), reason }) {
            crate::log::error(format_args!("the refusal is not remembered: {}", chain(&error)));
        }
    };
    let config = match mark21_config::parse_bytes(stored.text()) {
        Ok(parsed) => parsed.config,
        Err(findings) => {
            let reason = first_of(&findings);
            let text = String::from_utf8_lossy(stored.text());
            crate::log::error(format_args!("refused:\n{}", findings.render(&text, "mark21.toml")));
            refuse(reason.clone());
            return Err(format!("mark21.toml is refused: {reason}"));
        }
    };
    match tryout.extra(&config, &stored) {
        Ok(extra) => {
            let wanted = Arc::new(Wanted { config, extra });
            let note = store.candidate_note(stored.digest()).unwrap_or_else(|| Note {
                author: "boot".to_owned(),
                comment: "mark21.toml on the configuration partition".to_owned(),
            });
            Ok(Attempt {
                origin: Origin::Candidate,
                payload: Some(Payload { stored: Arc::new(stored), wanted, note }),
            })
        }
        Err(error) => {
            // What could not be tried may be good: the next start tries it again.
            if let ExtraError::Refused(reason) = &error {
                refuse(reason.clone());
            }
            Err(format!("the new configuration is refused: {}", chain(&error)))
        }
    }
}

fn first_of(findings: &mark21_config::Findings) -> String {
    let first = findings.listed().first().map(ToString::to_string).unwrap_or_default();
    match findings.listed().len().saturating_sub(1) + findings.omitted() {
        0 => first,
        more => format!("{first} (and {more} more)"),
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
