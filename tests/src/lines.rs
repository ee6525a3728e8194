//! Lines over a Unix socket, with limits: QMP, the machine port and the agent.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::{Result, eventually};

/// QEMU makes its sockets within a second of its start.
const CONNECT: Duration = Duration::from_secs(20);

/// A connection that speaks in lines.
#[derive(Debug)]
pub struct Lines {
    name: String,
    stream: UnixStream,
    unread: Vec<u8>,
    log: Option<File>,
}

impl Lines {
    /// Connect to the socket `path`, once it is there.
    ///
    /// # Errors
    /// When it does not appear or nobody listens.
    pub fn connect(name: &str, path: &Path) -> Result<Self> {
        let stream = eventually(name, CONNECT, || {
            UnixStream::connect(path).with_context(|| format!("{}", path.display()))
        })?;
        stream.set_write_timeout(Some(CONNECT))?;
        Ok(Self { name: name.to_owned(), stream, unread: Vec::new(), log: None })
    }

    /// Keep all lines in a file from now on: `>` sent, `<` received. (What QEMU logs of
    /// a socket has letters twice where the reader was slow.)
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn keep_in(mut self, path: &Path) -> Result<Self> {
        self.log = Some(File::create(path).with_context(|| format!("{}", path.display()))?);
        Ok(self)
    }

    /// Send one line.
    ///
    /// # Errors
    /// When the other end is gone, or takes nothing for long.
    pub fn send(&mut self, line: &str) -> Result {
        self.note('>', line)?;
        self.stream.write_all(format!("{line}\n").as_bytes()).with_context(|| self.name.clone())
    }

    /// The next line, without its end; `None` when none came within `limit`.
    ///
    /// # Errors
    /// When the other end is gone.
    pub fn receive(&mut self, limit: Duration) -> Result<Option<String>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(length) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=length).collect();
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                self.note('<', &line)?;
                return Ok(Some(line));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => bail!("{}: closed", self.name),
                Ok(length) => self.unread.extend(buffer.iter().take(length)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| self.name.clone()),
            }
        }
    }

    /// Forget what was received and not read.
    ///
    /// # Errors
    /// When the other end is gone.
    pub fn clear(&mut self) -> Result {
        while self.receive(Duration::from_millis(1))?.is_some() {}
        self.unread.clear();
        Ok(())
    }

    fn note(&mut self, direction: char, line: &str) -> Result {
        if let Some(log) = &mut self.log {
            writeln!(log, "{direction} {line}")?;
        }
        Ok(())
    }
}
