//! `login`: root on the serial line for as long as it takes to check a password, then the
//! console as `admin`.
//!
//! The hash is in the shadow file that mark21d writes from the configuration. A box without one
//! opens nothing until it has one, and commits it at once. Whoever is let in becomes `admin` by
//! the exec of the console: user, groups and with them every capability are gone, and no
//! program can give them back.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use mark21_api::status::{CommitOptions, Committed, State};

use crate::answer::{self, Failure};
use crate::client::{self, Via, wait_for};
use crate::command::Version;
use crate::exit::Code;
use crate::session::{Asker, EMPTY, Session};
use crate::{password, path, shell, terminal};

/// The shadow file, which only root reads.
const SHADOW: &str = "/etc/shadow";
/// Where syslog(3) writes to.
const LOG: &str = "/dev/log";
/// There where the passwords were forgotten at the boot menu.
const FORGOTTEN: &str = "/run/mark21/forgotten";
/// Who uses the console.
const USER: &str = "admin";
/// Wrong passwords before the line is left alone for a while.
const TRIES: u32 = 3;
/// After a wrong password: a guess each other second.
const AFTER_ONE: Duration = Duration::from_secs(2);
/// After the last one.
const AFTER_ALL: Duration = Duration::from_secs(30);
/// What is to be done about a program or a user that every firmware has.
const NOT_WHOLE: &str = "the firmware is not whole; write it anew";
/// How long a box may take to start until it is greeted all the same.
const START: Duration = Duration::from_secs(60);

/// Checks a password and becomes the console.
pub(crate) fn console() -> ExitCode {
    if let Err(failure) = require_root() {
        return refuse(&failure);
    }
    let session = Session::new(Via::Socket, Asker::Person);
    // What is typed before it is asked for is not shown: it may be a password. The console goes on
    // with a silent terminal, a shell does not.
    let silent = terminal::silent();
    terminal::probe();
    println!("\nMark21. {}", wait_until_started(&session));
    let user = match user() {
        Ok(user) => user,
        Err(failure) => return refuse(&failure),
    };
    let wants_shell = shell::take_wish();
    let entered = match &user.hash {
        Some(hash) if wants_shell => {
            println!("For a root shell, once more:");
            enter(hash)
        }
        Some(hash) => enter(hash),
        None => first_password(&session).map_err(|failure| refuse(&failure)),
    };
    match entered {
        // A box without a password has just got one: whoever gave it starts at the prompt.
        Ok(()) if wants_shell && user.hash.is_some() => {
            drop(silent);
            refuse(&shell::become_one())
        }
        Ok(()) => become_user(&user, &["console", "--greeted"]),
        Err(code) => code,
    }
}

/// Checks a password in a program's way and becomes the machine port.
pub(crate) fn machine_port() -> ExitCode {
    if let Err(failure) = require_root() {
        return refuse(&failure);
    }
    while let Ok(line) = terminal::read_line() {
        let given = line.trim().strip_prefix("login ");
        let failure = match (given, user()) {
            (Some(given), Ok(User { hash: Some(hash), .. })) if !password::is_right(given, &hash) => {
                note("a wrong password on the machine port");
                thread::sleep(AFTER_ONE);
                Failure::new(Code::Differs, "the password is wrong", "say: login PASSWORD")
            }
            (Some(_), Ok(user @ User { hash: Some(_), .. })) => return become_user(&user, &["machine-port"]),
            (Some(_), Ok(User { hash: None, .. })) => {
                Failure::new(Code::Differs, "this box has no password yet", "choose one on the console")
            }
            (None, _) => Failure::new(Code::Usage, "the port is locked", "say: login PASSWORD"),
            (Some(_), Err(failure)) => failure,
        };
        println!("{}", answer::to_json(&Err(failure)));
    }
    Code::Done.into()
}

fn require_root() -> Result<(), Failure> {
    match rustix::process::geteuid().is_root() {
        true => Ok(()),
        false => Err(Failure::new(Code::Usage, "login is root's", "mark21 console needs none")),
    }
}

fn refuse(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    failure.code.into()
}

/// What the box is and does, once that is settled: until then nobody knows its password.
fn wait_until_started(session: &Session) -> String {
    let begun = Instant::now();
    loop {
        match wait_for(session.status()) {
            Ok(status) if status.state != State::Starting || begun.elapsed() > START => {
                return format!("{}: {}", status.hostname, status.state.word());
            }
            Err(failure) if begun.elapsed() > START => return failure.message,
            Ok(_) | Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// The console's user.
#[derive(Debug, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
    /// `None` where no password is set.
    hash: Option<String>,
}

fn user() -> Result<User, Failure> {
    let read = |path: &str| {
        fs::read_to_string(Path::new(path))
            .map_err(|error| Failure::new(Code::File, format!("{path}: {error}"), "start the box anew"))
    };
    read_user(&read("/etc/passwd")?, &read(SHADOW)?)
        .ok_or_else(|| Failure::new(Code::File, format!("there is no user {USER}"), NOT_WHOLE))
}

/// Out of passwd(5) and shadow(5).
fn read_user(passwd: &str, shadow: &str) -> Option<User> {
    let entry = |text: &str| {
        let line = text.lines().find(|line| line.split(':').next() == Some(USER))?;
        Some(line.split(':').map(str::to_owned).collect::<Vec<_>>())
    };
    let passwd = entry(passwd)?;
    let hash = entry(shadow)?.get(1).filter(|hash| hash.starts_with('$')).cloned();
    let number = |field: usize| passwd.get(field)?.parse().ok().filter(|number| *number != 0);
    Some(User { uid: number(2)?, gid: number(3)?, hash })
}

fn enter(hash: &str) -> Result<(), ExitCode> {
    let gone = |_| refuse(&Failure::new(Code::Differs, "nobody is there", "press Enter to be asked again"));
    for _ in 0..TRIES {
        let given = terminal::ask_secret(&format!("Password of {USER}: ")).map_err(gone)?;
        if password::is_right(&given, hash) {
            return Ok(());
        }
        note("a wrong password on the console");
        thread::sleep(AFTER_ONE);
        println!("error: the password is wrong");
    }
    let lost = "who has lost it restarts the box and takes Rescue from the boot menu, on this line";
    let code = refuse(&Failure::new(Code::Differs, format!("{TRIES} wrong passwords"), lost));
    thread::sleep(AFTER_ALL);
    Err(code)
}

/// A box that has no password gets one before it opens, and keeps it.
fn first_password(session: &Session) -> Result<(), Failure> {
    println!(
        "{} Choose one for the user {USER}.",
        match Path::new(FORGOTTEN).exists() {
            true => "The password was forgotten at the boot menu.",
            false => "This box has no password yet.",
        }
    );
    let hash = password::ask_new()?;
    match wait_for(keep(session, &hash)) {
        Ok(generation) => {
            let next = if generation == 1 { " Now: setup asks what a director needs." } else { "" };
            println!("It is kept as generation {generation}.{next}");
        }
        // Who has come so far has the box in his hands; to shut him out would help nobody.
        Err(failure) => {
            println!("{failure}");
            println!("The password could not be kept, and is asked for again. password sets it.");
        }
    }
    Ok(())
}

async fn keep(session: &Session, hash: &str) -> Result<u32, Failure> {
    let running = session.status().await?.configuration.digest;
    let text = match running.is_empty() {
        true => EMPTY.to_owned(),
        false => session.text(Version::Running).await?,
    };
    let text = path::set(&text, &["system", "password", hash].map(str::to_owned))?;
    let options = CommitOptions { comment: Some("the first password".into()), ..CommitOptions::default() };
    let committed: Committed =
        client::take(client::director(session.via).await?.commit(&text, options).await)?;
    Ok(committed.generation.unwrap_or_default())
}

/// Gives everything up that root has, and runs another face of the program in this one's place.
fn become_user(user: &User, arguments: &[&str]) -> ExitCode {
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        return refuse(&Failure::new(Code::Failed, format!("no_new_privs: {error}"), NOT_WHOLE));
    }
    note(&format!("{USER} has logged in: {}", arguments.first().unwrap_or(&"")));
    let error = match std::env::current_exe() {
        // The standard library clears the supplementary groups of a root that changes its user.
        Ok(program) => Command::new(program)
            .arg0("mark21")
            .args(arguments)
            .env("HOME", "/run")
            .env("USER", USER)
            .gid(user.gid)
            .uid(user.uid)
            .exec(),
        Err(error) => error,
    };
    refuse(&Failure::new(Code::Failed, format!("mark21 itself: {error}"), NOT_WHOLE))
}

/// Into the supervisor's log, or where that is away into the kernel's.
pub(crate) fn note(text: &str) {
    // Facility authpriv, severity notice (RFC 5424 section 6.2.1).
    let told = UnixDatagram::unbound().and_then(|log| log.send_to(format!("<85>{text}").as_bytes(), LOG));
    if told.is_err() {
        // A box without a log is entered all the same.
        let _ = fs::write("/dev/kmsg", format!("<5>mark21: {text}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hash_is_a_password_and_only_admin_is_let_in() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nadmin:x:1000:1000::/run:/bin/sh\n";
        let user = |hash: Option<&str>| Some(User { uid: 1000, gid: 1000, hash: hash.map(str::to_owned) });
        let cases = [
            ("admin:$6$salt$hash::0:99999:7:::\n", user(Some("$6$salt$hash"))),
            ("root:$6$x$y:::\nadmin:!::0:99999:7:::\n", user(None)),
            ("admin:::0:99999:7:::\n", user(None)),
            ("root:$6$x$y:::\n", None),
            ("", None),
        ];
        for (shadow, wanted) in cases {
            assert_eq!(read_user(passwd, shadow), wanted, "{shadow}");
        }
        assert_eq!(read_user("admin:x:0:0::/run:/bin/sh\n", "admin:!:\n"), None, "never as root");
    }
}
