//! The machine port: one command a line, one JSON object a line.
//!
//! ```text
//! > status
//! < {"ok":true,"result":{"state":"serving","generation":1,...}}
//! ```
//!
//! Input that comes before the reader is open is lost, so every conversation begins
//! with empty lines until an object comes back.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::Result;
use crate::lines::Lines;

/// Pause between the empty lines of a handshake.
const KNOCK: Duration = Duration::from_millis(250);

/// The machine port of a director.
#[derive(Debug)]
pub struct MachinePort {
    lines: Lines,
    is_open: bool,
}

impl MachinePort {
    /// Speak over these lines.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        Self { lines, is_open: false }
    }

    /// The machine has restarted: shake hands again before the next command.
    pub fn has_restarted(&mut self) {
        self.is_open = false;
    }

    /// Send a command and give the `result` of its answer.
    ///
    /// # Errors
    /// When the answer is an error (its JSON is the text), or none within `limit`.
    pub fn command(&mut self, line: &str, limit: Duration) -> Result<Value> {
        let mut answer = self.ask(line, limit)?;
        if answer.get("ok") == Some(&Value::Bool(true)) {
            return Ok(answer.get_mut("result").map(Value::take).unwrap_or_default());
        }
        bail!("{line}: {}", answer.get("error").unwrap_or(&answer));
    }

    /// Send a command and give the whole answer, `ok` or not.
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub fn ask(&mut self, line: &str, limit: Duration) -> Result<Value> {
        let end = Instant::now() + limit;
        if !self.is_open {
            self.shake_hands(end)?;
        }
        self.lines.send(line)?;
        let answer = self.receive(end, |object| object.get("ok").is_some());
        // A late answer must not be taken for that to the next command.
        self.is_open = answer.is_ok();
        answer.with_context(|| format!("machine port: {line}"))
    }

    fn shake_hands(&mut self, end: Instant) -> Result {
        loop {
            self.lines.clear()?;
            self.lines.send("")?;
            if self.receive(end.min(Instant::now() + KNOCK), |_| true).is_ok() {
                // Other empty lines may be answered still.
                while self.lines.receive(KNOCK)?.is_some() {}
                self.is_open = true;
                return Ok(());
            }
            if Instant::now() >= end {
                bail!("the machine port answers no empty line");
            }
        }
    }

    /// The next JSON object that is `wanted`; all else is skipped.
    fn receive(&mut self, end: Instant, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.receive(left)?.context("no answer")?;
            match serde_json::from_str::<Value>(&line) {
                Ok(object) if object.is_object() && wanted(&object) => return Ok(object),
                Ok(_) | Err(_) => {}
            }
        }
    }
}
