//! What an ssh session runs, whatever its client asked for: the console, one command of it, or a
//! bridge to the system bus.
//!
//! The bridge speaks the protocol of `systemd-stdio-bridge`: what comes in goes to the bus, what
//! the bus says goes out, byte by byte. `busctl --host admin@ADDRESS` asks for it by that name.
//! The bus sees the user of the session, so its policy holds.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::answer::Failure;
use crate::command::{Cli, Top};
use crate::exit::Code;
use crate::lines::Greeting;

/// Where the ssh server puts what the client asked for.
const ASKED: &str = "SSH_ORIGINAL_COMMAND";
const BRIDGE: &str = "systemd-stdio-bridge";
const BUS: &str = "/run/dbus/system_bus_socket";

/// Runs the session that this process was started for.
pub(crate) fn session() -> ExitCode {
    let asked = env::var(ASKED).unwrap_or_default();
    match shlex::split(&asked).as_deref() {
        Some([]) => crate::lines::console(Greeting::Due),
        Some([word]) if word == BRIDGE => bridge(),
        Some(words) => command(words),
        None => refuse("a quote is not closed", "close it"),
    }
}

fn command(words: &[String]) -> ExitCode {
    let name = [OsString::from("mark21")];
    match Cli::try_parse_from(name.into_iter().chain(words.iter().map(OsString::from))) {
        Ok(Cli { top: Top::SshSession, .. }) => {
            refuse("this is one already", "mark21 --help lists the commands")
        }
        parsed => crate::start(parsed),
    }
}

fn refuse(why: &str, next: &str) -> ExitCode {
    eprintln!("{}", Failure::new(Code::Usage, why, next));
    Code::Usage.into()
}

fn bridge() -> ExitCode {
    match copy_both_ways() {
        Ok(()) => Code::Done.into(),
        Err(error) => {
            let next = "status tells whether there is a bus; mark21 works without";
            eprintln!("{}", Failure::new(Code::Unreachable, format!("{BUS}: {error}"), next));
            Code::Unreachable.into()
        }
    }
}

/// Until the bus closes its end; the client's end is passed on to it.
fn copy_both_ways() -> io::Result<()> {
    let bus = UnixStream::connect(BUS)?;
    let to_bus = bus.try_clone()?;
    // Past the buffers of the standard streams, which wait for the ends of lines.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    thread::spawn(move || {
        // A client that is gone has nothing more to say; the bus is told so, and ends the rest.
        let copied = copy(input, &to_bus);
        let told = to_bus.shutdown(Shutdown::Write);
        drop((copied, told));
    });
    copy(bus, output)
}

/// What is there is passed on at once. Either end may have been made not to wait by whoever opened
/// it, as busctl does with the one that it gives to ssh.
fn copy(mut from: impl Read + AsFd, mut to: impl Write + AsFd) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait(&from, PollFlags::IN)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut rest = buffer.get(..length).unwrap_or_default();
        while !rest.is_empty() {
            match to.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait(&to, PollFlags::OUT)?,
                Err(error) => return Err(error),
            }
        }
    }
}

fn wait(on: &impl AsFd, what: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(on, what)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_an_end_that_does_not_wait() {
        let (client, stdin) = UnixStream::pair().expect("a pair");
        let (stdout, bus) = UnixStream::pair().expect("a pair");
        stdin.set_nonblocking(true).expect("it can be set");
        stdout.set_nonblocking(true).expect("it can be set");
        let copying = thread::spawn(move || copy(stdin, stdout));
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let sent = bytes.clone();
        let sending = thread::spawn(move || (&client).write_all(&sent));
        let mut received = Vec::new();
        (&bus).read_to_end(&mut received).expect("the other end is dropped at the end");
        assert!(received == bytes, "{} bytes came", received.len());
        sending.join().expect("no panic").expect("sent");
        copying.join().expect("no panic").expect("copied");
    }
}
