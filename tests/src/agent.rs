//! The test agent: root inside a director, in images made for tests only.
//!
//! `ID BASE64(command)` gets the answer `ID CODE BASE64(output)`; `ready` comes when
//! the agent starts.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Result;
use crate::lines::Lines;

/// The agent of a director.
#[derive(Debug)]
pub struct Agent {
    lines: Lines,
    is_ready: bool,
    last_id: u64,
}

/// What a command left.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code.
    pub code: i32,
    /// Standard output and standard error.
    pub text: String,
}

impl Agent {
    /// Speak over these lines, which are connected before the machine runs.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        Self { lines, is_ready: false, last_id: 0 }
    }

    /// The machine is going to restart: wait for `ready` before the next command.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn will_restart(&mut self) -> Result {
        self.is_ready = false;
        self.lines.clear()
    }

    /// Wait until the agent has started.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub fn wait_ready(&mut self, limit: Duration) -> Result {
        let end = Instant::now() + limit;
        while !self.is_ready {
            let line = self.lines.receive(end.saturating_duration_since(Instant::now()))?;
            self.is_ready = line.context("the test agent does not start")? == "ready";
        }
        Ok(())
    }

    /// Run a shell command as root and give its output, whatever its exit code.
    ///
    /// # Errors
    /// When there is no answer within `limit`.
    pub fn run(&mut self, command: &str, limit: Duration) -> Result<Output> {
        self.wait_ready(limit)?;
        self.send(command)?;
        let id = self.last_id.to_string();
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line =
                self.lines.receive(left)?.with_context(|| format!("agent: no answer to: {command}"))?;
            let mut words = line.split_whitespace();
            if words.next() == Some(&id) {
                let code = words.next().and_then(|code| code.parse().ok()).with_context(|| line.clone())?;
                let text = STANDARD.decode(words.collect::<String>()).with_context(|| line.clone())?;
                return Ok(Output { code, text: String::from_utf8_lossy(&text).into_owned() });
            }
        }
    }

    /// As [`Agent::run`], for a command that must succeed.
    ///
    /// # Errors
    /// Also when its exit code is not 0.
    pub fn succeed(&mut self, command: &str, limit: Duration) -> Result<String> {
        let output = self.run(command, limit)?;
        ensure!(output.code == 0, "agent: {command}: exit {}: {}", output.code, output.text);
        Ok(output.text)
    }

    /// Send a command that nobody lives to answer, such as `reboot -f`.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn send(&mut self, command: &str) -> Result {
        self.last_id += 1;
        self.lines.send(&format!("{} {}", self.last_id, STANDARD.encode(command)))
    }
}
