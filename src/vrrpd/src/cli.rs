//! The command line, read by hand: it is short, and what parses it is locked in memory.

use std::ffi::OsString;
use std::path::PathBuf;

/// `vrrpd --help`
pub(crate) const HELP: &str = "\
VRRP for Linux (RFC 9568; RFC 3768 on the wire)

Usage:
  vrrpd --config FILE [OPTION...]     run with a file; SIGHUP reads it again
  vrrpd [OPTION...]                   run and wait for a configuration on the control socket
  vrrpd --check FILE                  say whether a file is right
  vrrpd status [--json]               what the daemon does
  vrrpd watch                         its state and then every transition, a line of JSON each
  vrrpd resign NAME|all               hand a virtual router or a sync group over
  vrrpd configure FILE                give a waiting daemon its configuration
  vrrpd import FILE                   keepalived.conf in, vrrpd's TOML out

Options:
  --config FILE          configuration
  --run-directory DIR    state of this daemon (/run/vrrpd)
  --control PATH         control socket (control in the run directory)
  --no-programs          run no programs; refuse a configuration that wants some
  --log-prefix           begin log lines with <LEVEL> as systemd reads it
  --help, --version
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Version,
    Run(Options),
    Check(PathBuf),
    Request {
        control: PathBuf,
        request: String,
    },
    Configure {
        control: PathBuf,
        path: PathBuf,
    },
    Import(PathBuf),
    /// The table of keepalived's keywords, for the documentation.
    Keywords,
}

/// How to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) config: Option<PathBuf>,
    pub(crate) directory: PathBuf,
    pub(crate) control: PathBuf,
    pub(crate) runs_programs: bool,
    pub(crate) has_log_prefix: bool,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// What is wrong, as a sentence.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut arguments = arguments;
    let (mut config, mut directory, mut control, mut check) = (None, None, None, None);
    let (mut runs_programs, mut has_log_prefix, mut is_json) = (true, false, false);
    let mut words = Vec::new();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let (option, attached) = match text.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(OsString::from(value))),
            Some(_) | None => (text.as_str(), None),
        };
        let mut value = || {
            let value = attached.clone().or_else(|| arguments.next());
            value.map(PathBuf::from).ok_or(format!("{option} needs a value"))
        };
        match option {
            "--help" | "-h" => return Ok(Command::Help),
            "--version" | "-V" => return Ok(Command::Version),
            "--config" | "-c" => config = Some(value()?),
            "--run-directory" => directory = Some(value()?),
            "--control" | "--state-socket" => control = Some(value()?),
            "--check" => check = Some(value()?),
            "--no-programs" => runs_programs = false,
            "--log-prefix" => has_log_prefix = true,
            "--json" => is_json = true,
            _ if option.starts_with('-') => return Err(format!("there is no option {option}")),
            _ => words.push(argument),
        }
    }
    let directory = directory.unwrap_or_else(|| PathBuf::from("/run/vrrpd"));
    let control = control.unwrap_or_else(|| directory.join("control"));
    if let Some(path) = check {
        return Ok(Command::Check(path));
    }
    let mut words = words.into_iter();
    let command = words.next().map(|word| word.to_string_lossy().into_owned());
    let rest: Vec<_> = words.collect();
    let request = |request: &str| Command::Request { control: control.clone(), request: request.to_owned() };
    match (command.as_deref(), rest.as_slice()) {
        (None, []) => Ok(Command::Run(Options { config, directory, control, runs_programs, has_log_prefix })),
        (Some("status"), []) => Ok(request(if is_json { "status json" } else { "status" })),
        (Some("watch"), []) => Ok(request("watch")),
        (Some("resign"), [name]) => Ok(request(&format!("resign {}", name.to_string_lossy()))),
        (Some("configure"), [path]) => Ok(Command::Configure { control, path: path.into() }),
        (Some("import"), [path]) => Ok(Command::Import(path.into())),
        (Some("keywords"), []) => Ok(Command::Keywords),
        (Some(command @ ("resign" | "configure" | "import")), _) => {
            Err(format!("{command} takes one argument"))
        }
        (Some(command), _) => Err(format!("{command:?} is no command, or takes no arguments")),
        (None, _) => Err(String::from("too many arguments")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_ascii_whitespace().map(OsString::from))
    }

    #[test]
    fn the_control_socket_is_in_the_run_directory_unless_it_is_named() {
        for (line, expected) in [
            ("status", "/run/vrrpd/control"),
            ("status --run-directory /tmp/x", "/tmp/x/control"),
            ("status --control=/tmp/y", "/tmp/y"),
        ] {
            let Ok(Command::Request { control, request }) = parsed(line) else { panic!("{line}") };
            assert_eq!((control, request.as_str()), (PathBuf::from(expected), "status"), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["--nonsense", "frobnicate", "resign", "resign a b", "--config", "status now"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn every_option_of_the_help_is_in_the_manual() {
        let manual = include_str!("../vrrpd.8").replace("\\-", "-");
        let options = HELP.split(|c: char| c.is_whitespace() || c == '[' || c == ']' || c == ',');
        for option in options.filter(|word| word.starts_with("--")) {
            assert!(manual.contains(option), "{option}");
        }
    }
}
