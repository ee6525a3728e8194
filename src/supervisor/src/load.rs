//! From the store to the configurations worth trying, best first.

use mark21_api::status::Problem;
use mark21_config::Config;

use crate::core::Origin;
use crate::store::{Refusal, Store, Stored};

/// Generations tried behind the current one before the box stays closed.
const OLDER_GENERATIONS: usize = 3;

/// A configuration that can be tried: read and without an error.
pub(crate) struct Attempt {
    pub(crate) origin: Origin,
    pub(crate) stored: Stored,
    pub(crate) config: Box<Config>,
}

/// What the store holds: a candidate that is new and good, then the current generation, then
/// older ones. What was found wrong on the way comes beside, for status and the log.
pub(crate) fn attempts(store: &Store) -> (Vec<Attempt>, Vec<Problem>) {
    let mut attempts = Vec::new();
    let mut problems = Vec::new();
    let mut wrong = |text: String| {
        problems.push(Problem { subject: "configuration".to_owned(), text });
    };

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
    let generations: Vec<(u32, Stored)> = numbers
        .into_iter()
        .take(1 + OLDER_GENERATIONS)
        .filter_map(|number| match store.generation(number) {
            Ok((stored, _)) => Some((number, stored)),
            Err(error) => {
                wrong(chain(&error));
                None
            }
        })
        .collect();
    let running = generations.first().map(|(_, stored)| stored.digest());

    match store.candidate() {
        Ok(Some(stored)) if Some(stored.digest()) == running => {}
        Ok(Some(stored)) => match candidate(store, stored) {
            Ok(attempt) => attempts.push(attempt),
            Err(text) => wrong(text),
        },
        Ok(None) if generations.is_empty() => {
            wrong("there is no mark21.toml on the configuration partition".to_owned());
        }
        Ok(None) => {}
        Err(error) => wrong(chain(&error)),
    }
    for (number, stored) in generations {
        match mark21_config::parse_bytes(&stored.text) {
            Ok(parsed) => {
                attempts.push(Attempt { origin: Origin::Generation(number), stored, config: parsed.config });
            }
            Err(findings) => wrong(format!("generation {number}: {}", first_of(&findings))),
        }
    }
    (attempts, problems)
}

fn candidate(store: &Store, stored: Stored) -> Result<Attempt, String> {
    let digest = stored.digest();
    if let Ok(Some(refusal)) = store.refusal(&digest) {
        return Err(format!("mark21.toml was refused before and is not tried again: {}", refusal.reason));
    }
    match mark21_config::parse_bytes(&stored.text) {
        Ok(parsed) => Ok(Attempt { origin: Origin::Candidate, stored, config: parsed.config }),
        Err(findings) => {
            let reason = first_of(&findings);
            let text = String::from_utf8_lossy(&stored.text);
            crate::log::error(format_args!("refused:\n{}", findings.render(&text, "mark21.toml")));
            if let Err(error) = store.refuse(Refusal { digest, reason: reason.clone() }) {
                crate::log::error(format_args!("the refusal is not remembered: {}", chain(&error)));
            }
            Err(format!("mark21.toml is refused: {reason}"))
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
