//! `mark21d`, the supervisor: boots the box, serves the interface, keeps the kernel right.
//!
//! ```text
//! store --load--> attempts --> core --commands--> worker (the kernel's owner)
//!                               ^ |                  |
//!                        events | +--> store, log    | reports
//!          D-Bus --requests--> runtime <-------------+
//! ```
//! It may die at any time: it comes back, plans against the kernel, and finds nothing to do.
#![forbid(unsafe_code)]

mod bus;
mod capture;
mod clock;
mod companion;
mod core;
mod crowd;
mod door;
mod edit;
mod feed;
mod files;
mod firmware;
mod hand;
mod haste;
mod hex;
mod install;
mod listen;
mod load;
mod log;
mod objects;
mod outside;
mod programs;
mod refusal;
mod report;
mod rescue;
mod reset;
mod risk;
mod runtime;
mod server_config;
mod service;
mod ssh;
mod stick;
mod store;
mod stream;
mod syslog;
mod time;
mod watch;
mod watchdog;
mod worker;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// The supervisor of a Mark21 director.
#[derive(Clone, Debug, Parser)]
#[command(name = "mark21d", version, max_term_width = 80)]
struct Options {
    /// The configuration partition's folder.
    #[arg(long, default_value = "/config")]
    config: PathBuf,
    /// The folder for the socket and the generated files.
    #[arg(long, default_value = "/run/mark21")]
    run: PathBuf,
    /// The hardware watchdog's device; a machine without one has none.
    #[arg(long, default_value = "/dev/watchdog")]
    watchdog: PathBuf,
    /// Only say what a start would try, best first, and what is wrong; change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the supervisor with its arguments, the name first.
pub fn main<I: IntoIterator<Item = OsString>>(arguments: I) -> ExitCode {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    if options.dry_run {
        return dry_run(&options);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::error(format_args!("no event loop: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let prepared = std::fs::create_dir_all(&options.run).map_err(Into::into);
    match prepared.and_then(|()| runtime.block_on(runtime::run(options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(format_args!("{}", load::chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// For a configuration partition in somebody's hand, mounted wherever.
fn dry_run(options: &Options) -> ExitCode {
    let store = store::Store::read_only(&options.config);
    let (attempts, troubles) = load::attempts(&store, &mut load::Tryout::default());
    let attempts = attempts.iter().map(|attempt| {
        let payload = attempt.payload.as_ref();
        serde_json::json!({
            "origin": attempt.origin.to_string(),
            "digest": payload.map(|payload| payload.stored.digest()),
            "author": payload.map(|payload| payload.note.author.as_str()),
        })
    });
    let attempts: Vec<_> = attempts.collect();
    let problems: Vec<_> = troubles.iter().map(ToString::to_string).collect();
    let report = serde_json::json!({ "attempts": attempts, "problems": problems });
    match writeln!(std::io::stdout(), "{report}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
