//! VRRP for Linux: `vrrpd --config vrrpd.toml`, or a daemon that waits for its configuration on a
//! control socket. See vrrpd(8).
//!
//! ```text
//!   cli -> settings -> daemon (sys, netlink, vrrp) <-> helper
//!              ^                 ^
//!            import          client: status, resign, configure, watch
//! ```

mod cli;
mod client;
mod daemon;
mod helper;
mod import;
mod json;
mod log;
mod netlink;
mod sandbox;
mod sd;
mod settings;
mod store;
mod sys;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use cli::{Command, Options};
use settings::Settings;

/// Exit statuses, as vrrpd(8) lists them.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const WRONG_CONFIGURATION: u8 = 3;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("vrrpd: {message}\nTry vrrpd --help.");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match command {
        Command::Help => print(cli::HELP),
        Command::Version => print(concat!("vrrpd ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Run(options) => run(options),
        Command::Check(path) => check(&path),
        Command::Request { control, request } => client::ask(&control, &request),
        Command::Configure { control, path } => client::configure(&control, &path),
        Command::Import(path) => import_file(&path),
        Command::Keywords => print(&import::keyword_table()),
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

fn complain(what: impl std::fmt::Display) -> ExitCode {
    eprintln!("vrrpd: {what}");
    ExitCode::from(FAILED)
}

/// Reads a configuration and says what is wrong with it.
fn read(path: &Path) -> Result<Settings, ExitCode> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| complain(format_args!("{}: {error}", path.display())))?;
    Settings::parse(&text).map_err(|findings| {
        for finding in findings {
            eprintln!("{}:{finding}", path.display());
        }
        ExitCode::from(WRONG_CONFIGURATION)
    })
}

fn check(path: &Path) -> ExitCode {
    match read(path) {
        Ok(settings) => {
            let (routers, groups) = (settings.routers.len(), settings.groups.len());
            print(&format!("{}: {routers} virtual routers, {groups} sync groups\n", path.display()))
        }
        Err(status) => status,
    }
}

fn import_file(path: &Path) -> ExitCode {
    match import::import(path) {
        Ok(text) => print(&text),
        Err(error) => complain(error),
    }
}

fn run(options: Options) -> ExitCode {
    log::begin(options.has_log_prefix);
    // First, so that it inherits neither the lock nor the control socket, because it may outlive
    // us, and no copy of the configuration.
    let helper = if options.runs_programs {
        match helper::Helper::start() {
            Ok(helper) => Some(helper),
            Err(error) => return complain(format_args!("helper: {error}")),
        }
    } else {
        None
    };
    let settings = match &options.config {
        Some(path) => match read(path) {
            Ok(settings) => Some(settings),
            Err(status) => return status,
        },
        None => kept(&options),
    };
    let global = settings.as_ref().map(|settings| settings.global.clone()).unwrap_or_default();
    let daemon = match start(options, settings, helper) {
        Ok(daemon) => daemon,
        Err((what, error)) => return complain(format_args!("{what}: {error}")),
    };
    sandbox::enter(&global);
    match daemon.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(error),
    }
}

/// What an earlier process accepted. One that cannot be read is waited for anew.
fn kept(options: &Options) -> Option<Settings> {
    let text = store::kept(&options.directory)?;
    match Settings::parse(&text) {
        Ok(settings) if settings.needs_programs() && !options.runs_programs => None,
        Ok(settings) => Some(settings),
        Err(_) => {
            log::warning!("the configuration that was kept cannot be read; waiting for another");
            None
        }
    }
}

fn start(
    options: Options,
    settings: Option<Settings>,
    helper: Option<helper::Helper>,
) -> Result<daemon::Daemon, (String, std::io::Error)> {
    let at = |path: &Path| path.display().to_string();
    if settings.as_ref().is_some_and(Settings::needs_programs) && !options.runs_programs {
        let error = std::io::Error::other("there are programs to run, and --no-programs is given");
        return Err((String::from("configuration"), error));
    }
    let lock = store::open(&options.directory).map_err(|error| {
        let what = if error.kind() == std::io::ErrorKind::WouldBlock {
            format!("{}: another vrrpd runs here", at(&options.directory))
        } else {
            at(&options.directory)
        };
        (what, error)
    })?;
    let control = daemon::Control::listen(&options.control).map_err(|error| (at(&options.control), error))?;
    let noted = store::noted(&options.directory);
    let start = daemon::Start {
        config: options.config,
        directory: options.directory,
        settings,
        control,
        helper,
        notifier: sd::Notifier::from_environment(),
        noted,
        lock,
    };
    daemon::Daemon::new(start).map_err(|error| (String::from("start"), error))
}
