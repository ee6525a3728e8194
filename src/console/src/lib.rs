//! `mark21`: the console and the command line, a face of the D-Bus interface and nothing more.
//!
//! ```text
//! arguments ────┐
//! console line ─┼─> Command ──> run() ──> Answer ──> text, or JSON
//! machine port ─┘                 └─ D-Bus, peer to peer
//! ```
//! Every command runs the same way from all three; only who reads the answer differs.
#![forbid(unsafe_code)]

mod answer;
mod backup;
mod change;
mod check;
mod client;
mod command;
mod complete;
mod difference;
mod draft;
mod echo;
mod editor;
mod exit;
mod filter;
mod foreign;
mod lines;
mod login;
mod password;
mod paste;
mod path;
mod probe;
mod prompt;
#[cfg(test)]
mod reference;
mod render;
mod run;
mod screen;
mod session;
mod setup;
mod shell;
mod ssh;
mod store;
mod terminal;
mod top;
#[cfg(test)]
mod walk;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::client::Via;
use crate::command::{Cli, Top};
use crate::exit::Code;
use crate::lines::{Form, Greeting};

/// Runs the program with its arguments, the name first.
pub fn main<I: IntoIterator<Item = OsString>>(arguments: I) -> ExitCode {
    start(Cli::try_parse_from(arguments))
}

fn start(parsed: Result<Cli, clap::Error>) -> ExitCode {
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is a success, all else is a usage error.
            let code = if error.use_stderr() { Code::Usage } else { Code::Done };
            return match error.print() {
                Ok(()) => code.into(),
                Err(_) => Code::Usage.into(),
            };
        }
    };
    match cli.top {
        Top::Login { machine_port: false } => login::console(),
        Top::Login { machine_port: true } => login::machine_port(),
        Top::Console { greeted } => lines::console(if greeted { Greeting::Over } else { Greeting::Due }),
        Top::MachinePort => lines::machine_port(),
        Top::SshSession => ssh::session(),
        Top::Command(command) => {
            let form = if cli.json { Form::Json } else { Form::Text };
            let via = if cli.bus { Via::Bus } else { Via::Socket };
            lines::once(&command, form, via)
        }
    }
}

/// The command line as clap knows it: what completions and man pages are made from.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}
