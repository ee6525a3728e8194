//! The control socket: one request a connection, its end marked by shutting down the writing side.
//!
//! ```text
//!   status | status json          -> "ok\n" and the state
//!   resign NAME|all               -> "ok\n"; a router's or group's name
//!   configure\n<TOML>             -> "ok\n", or "error\n" and a line per finding
//!   watch                         -> "ok\n", the state as one line, then a line per transition
//! ```
//!
//! Only root and the daemon's own user are heard. Nothing here waits: an answer that does not fit
//! goes out as the reader takes it, and one that is not taken ends its connection.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use vrrp::{Input, Instant, Resignation};

use super::{CONNECTIONS, Daemon};
use crate::log;
use crate::sys::{self, Trigger, socket};

/// Connections at once: an operator, mark21d and some to spare.
const MOST_CONNECTIONS: usize = 16;
/// Octets of a request: some 5000 routers with everything set.
const MOST_REQUEST: usize = 4 << 20;
/// Octets that a watcher may be behind.
const MOST_PENDING: usize = 4 << 20;

/// The listener and who is connected.
pub(crate) struct Control {
    listener: UnixListener,
    connections: BTreeMap<u64, Connection>,
    next: u64,
}

struct Connection {
    stream: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    is_watching: bool,
    is_answered: bool,
    /// What the loop waits for. Setting the same again would make the kernel report an end of
    /// the request that is readable for ever once more, and the loop turn without a rest.
    trigger: Trigger,
}

impl Control {
    /// Listens at `path`; the lock that the caller holds says that nobody else does.
    pub(crate) fn listen(path: &Path) -> io::Result<Control> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) | Ok(()) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Control { listener, connections: BTreeMap::new(), next: CONNECTIONS })
    }

    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Daemon {
    /// Takes new connections.
    pub(crate) fn accept(&mut self) {
        while let Ok((stream, _)) = self.control.listener.accept() {
            if self.control.connections.len() >= MOST_CONNECTIONS {
                // The oldest one has had its time.
                self.control.connections.pop_first();
            }
            let is_welcome =
                socket::peer_user(&stream).is_ok_and(|user| user == 0 || user == sys::own_user());
            if !is_welcome || stream.set_nonblocking(true).is_err() {
                continue;
            }
            let token = self.control.next;
            // Tokens stay below those of the VRRP sockets.
            self.control.next = if token + 1 < super::SOCKETS { token + 1 } else { CONNECTIONS };
            if self.epoll.add(&stream, token, Trigger::Level).is_ok() {
                let connection = Connection {
                    stream,
                    request: Vec::new(),
                    answer: Vec::new(),
                    is_watching: false,
                    is_answered: false,
                    trigger: Trigger::Level,
                };
                self.control.connections.insert(token, connection);
            }
        }
    }

    /// A connection can be read from or written to.
    pub(crate) fn serve_connection(&mut self, token: u64, now: Instant) {
        let Some(connection) = self.control.connections.get_mut(&token) else { return };
        let is_complete = match connection.read() {
            Ok(is_complete) => is_complete,
            Err(_) => {
                self.control.connections.remove(&token);
                return;
            }
        };
        if is_complete && !connection.is_answered {
            connection.is_answered = true;
            let request = std::mem::take(&mut connection.request);
            let is_watching = request.trim_ascii() == b"watch";
            let answer = self.answer(&request, now);
            if let Some(connection) = self.control.connections.get_mut(&token) {
                connection.answer.extend(answer.into_bytes());
                connection.is_watching = is_watching;
            }
        }
        self.write_answer(token);
    }

    fn write_answer(&mut self, token: u64) {
        let Some(connection) = self.control.connections.get_mut(&token) else { return };
        let is_done = match connection.write() {
            Ok(()) => connection.answer.is_empty() && connection.is_answered && !connection.is_watching,
            Err(_) => true,
        };
        if is_done {
            self.control.connections.remove(&token);
            return;
        }
        // The end of the request is readable for ever: a connection that was answered is waited
        // for only when it is written to, or when it goes.
        let trigger = match (connection.answer.is_empty(), connection.is_answered) {
            (false, _) => Trigger::Write,
            (true, true) => Trigger::Edge,
            (true, false) => Trigger::Level,
        };
        if connection.trigger == trigger {
            return;
        }
        connection.trigger = trigger;
        if self.epoll.modify(&connection.stream.as_raw_fd(), token, trigger).is_err() {
            self.control.connections.remove(&token);
        }
    }

    fn answer(&mut self, request: &[u8], now: Instant) -> String {
        let Ok(request) = std::str::from_utf8(request) else {
            return String::from("error\nthe request is not UTF-8\n");
        };
        let (command, rest) = request.split_once('\n').unwrap_or((request, ""));
        let words: Vec<_> = command.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["status"] => format!("ok\n{}", self.status_text()),
            ["status", "json"] | ["watch"] => format!("ok\n{}\n", self.status_json()),
            ["resign", names @ ..] if !names.is_empty() => self.resign(&names.join(" "), now),
            ["configure"] => self.take_configuration(rest, now),
            _ => String::from("error\nrequests are: status, status json, resign NAME, configure, watch\n"),
        }
    }

    fn resign(&mut self, name: &str, now: Instant) -> String {
        let is_meant = |entry: &super::entry::Entry| {
            let group = entry.group.and_then(|group| self.groups.get(group));
            let members = || group.map_or(&[][..], |group| group.settings.members.as_slice());
            name == "all"
                || entry.settings.name == name
                || group.is_some_and(|group| group.settings.name == name)
                || members().iter().any(|member| member == name)
        };
        let meant: Vec<_> = self
            .routers
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.as_ref().is_some_and(is_meant))
            .map(|(index, _)| index)
            .collect();
        if meant.is_empty() {
            return format!("error\nno virtual router and no sync group is named {name:?}\n");
        }
        for index in meant {
            self.input(index, now, Input::Resign(Resignation::Bounded));
        }
        self.settle(now);
        String::from("ok\n")
    }

    fn take_configuration(&mut self, text: &str, now: Instant) -> String {
        if let Some(path) = &self.config {
            return format!("error\n1:1: this vrrpd reads {}; change it and send SIGHUP\n", path.display());
        }
        if let Err(report) = self.configure(text, now) {
            return format!("error\n{report}");
        }
        log::notice!("a new configuration is applied");
        if let Err(error) = crate::store::keep(&self.directory, text) {
            log::error!("{}: the configuration is not kept: {error}", self.directory.display());
        }
        String::from("ok\n")
    }

    /// A line for everybody who watches.
    pub(crate) fn watchers_told(&mut self, line: &str) {
        let tokens: Vec<_> = self
            .control
            .connections
            .iter_mut()
            .filter(|(_, connection)| connection.is_watching)
            .map(|(token, connection)| {
                connection.answer.extend(line.as_bytes());
                connection.answer.push(b'\n');
                *token
            })
            .collect();
        for token in tokens {
            self.write_answer(token);
        }
    }

    /// Notes every address of `settings` for a successor, where the kernel does not tag them.
    pub(crate) fn note_addresses(&mut self, settings: &crate::settings::Settings) {
        let addresses = settings.routers.iter().flat_map(|router| router.all_addresses());
        if let Err(error) = crate::store::note(&self.directory, addresses.map(|address| address.address)) {
            log::error!("{}: addresses are not noted: {error}", self.directory.display());
        }
    }
}

impl Connection {
    /// Reads what there is; `true` when the request is complete.
    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16_384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(len) => {
                    self.request.extend(buffer.get(..len).unwrap_or_default());
                    if self.request.len() > MOST_REQUEST {
                        return Err(io::ErrorKind::FileTooLarge.into());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes what the reader takes.
    fn write(&mut self) -> io::Result<()> {
        if self.answer.len() > MOST_PENDING {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut done = 0;
        while let Some(rest) = self.answer.get(done..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => done += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.answer.drain(..done);
        Ok(())
    }
}
