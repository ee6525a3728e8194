//! `shell`: a root shell, for what the interface cannot do.
//!
//! The console is the user admin and can give nobody root. It leaves a wish in its own folder and
//! ends; init starts the login again, which is root, finds the wish, and asks for the password once
//! more. Only the serial line has a login, so only there a shell opens. Whatever is done in it is
//! past the interface, so the box counts as tainted until it starts anew.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::answer::Failure;
use crate::client;
use crate::draft::FOLDER;
use crate::exit::Code;
use crate::login::note;

/// What status tells, and the log.
const TAINTED: &str = "/run/mark21/tainted";
const PROGRAM: &str = "/bin/sh";
/// Seconds without a key until the shell ends, where it knows `TMOUT`.
const IDLE: &str = "900";

/// Leaves the wish for a shell.
///
/// # Errors
/// The console's folder cannot be written.
pub(crate) fn want() -> Result<(), Failure> {
    fs::write(wish(), "").map_err(|error| {
        Failure::new(Code::File, format!("{}: {error}", wish().display()), "reboot makes the folder anew")
    })
}

/// Whether there is a wish, which is then gone.
pub(crate) fn take_wish() -> bool {
    fs::remove_file(wish()).is_ok()
}

/// What is said wherever no shell opens.
pub(crate) fn elsewhere() -> Failure {
    let hint = "plug into the first serial port, and log in there";
    Failure::new(Code::Usage, "a shell opens on the serial line alone", hint)
}

/// Runs the shell in this program's place; what comes back is why that was not possible.
pub(crate) fn become_one() -> Failure {
    note("a root shell was opened on the serial line; the box counts as tainted");
    let noted = OpenOptions::new().create(true).append(true).open(TAINTED);
    if let Err(error) = noted.and_then(|mut file| writeln!(file, "a root shell was opened{}", since_start()))
    {
        return Failure::new(Code::File, format!("{TAINTED}: {error}"), "no shell opens without its trace");
    }
    // The login ignores Ctrl-C; a handler does not outlive the start of another program, and what
    // is ignored would.
    if let Err(error) = client::heed_interrupts() {
        return Failure::new(Code::Failed, format!("signals: {error}"), "type shell once more");
    }
    println!("Root. What you change here is put back or forgotten; exit leads to the login.");
    let error = Command::new(PROGRAM)
        .arg0("-sh")
        .env("HOME", "/run")
        .env("PATH", "/usr/bin:/usr/sbin")
        .env("PS1", "\\h root# ")
        .env("TMOUT", IDLE)
        .current_dir("/")
        .exec();
    Failure::new(Code::Failed, format!("{PROGRAM}: {error}"), "the firmware is not whole; write it anew")
}

/// By proc(5), uptime.
fn since_start() -> String {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    match uptime.split(['.', ' ']).next() {
        Some(seconds) if !seconds.is_empty() => format!(" {seconds} s after the start"),
        Some(_) | None => String::new(),
    }
}

fn wish() -> PathBuf {
    PathBuf::from(FOLDER).join("shell")
}
