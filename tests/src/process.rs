//! Child processes: bounded runs with their output, and servers that end with
//! their owner.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::{Result, eventually};

/// A process that runs in the background and is killed when this is dropped.
#[derive(Debug)]
pub struct Background {
    name: String,
    child: Child,
}

impl Background {
    /// Start `command`, with output and errors in the file `log`.
    ///
    /// # Errors
    /// When the log cannot be made or the program cannot be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("{}", log.display()))?;
        command.stdin(Stdio::null()).stderr(file.try_clone()?).stdout(file);
        Self::spawn(name, command)
    }

    /// Start `command` with the streams it was given.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(name: &str, mut command: Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("{name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// # Errors
    /// When the process has ended.
    pub fn ensure_running(&mut self) -> Result {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has ended: {status}", self.name);
        }
        Ok(())
    }

    /// Wait until it ends by itself.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        eventually(&what, limit, || self.child.try_wait()?.context("still running"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Ended already or not: both leave nothing behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a command that ran to its end left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error, as text.
    pub stderr: String,
}

impl Finished {
    /// Its standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// # Errors
    /// When the command did not end with 0: with what it said.
    pub fn success(self) -> Result<Self> {
        ensure!(self.status.success(), "{}: {}{}", self.status, self.text(), self.stderr);
        Ok(self)
    }
}

/// Run `command` to its end and keep what it writes.
///
/// # Errors
/// When it cannot be started, or runs longer than `limit` (it is killed then).
pub fn run(mut command: Command, limit: Duration) -> Result<Finished> {
    let described = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Background::spawn(&described, command)?;
    let stdout = read_all(process.child.stdout.take());
    let stderr = read_all(process.child.stderr.take());
    let status = process.ended(limit);
    drop(process);
    let (stdout, stderr) = (stdout.join(), stderr.join());
    let stdout = stdout.ok().context("reader of standard output")?;
    let stderr = stderr.ok().context("reader of standard error")?;
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    let status = status.with_context(|| format!("{}{stderr}", String::from_utf8_lossy(&stdout)))?;
    Ok(Finished { status, stdout, stderr })
}

fn read_all(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // A broken pipe ends the text; what came before it counts.
            drop(stream.read_to_end(&mut bytes));
        }
        bytes
    })
}
