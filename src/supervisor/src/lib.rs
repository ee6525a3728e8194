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
mod clock;
mod companion;
mod core;
mod door;
mod edit;
mod feed;
mod files;
mod firmware;
mod hand;
mod listen;
mod load;
mod log;
mod objects;
mod report;
mod risk;
mod runtime;
mod server_config;
mod service;
mod store;
mod watch;
mod watchdog;
mod worker;

use std::ffi::OsString;
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
}

/// Runs the supervisor with its arguments, the name first.
pub fn main<I: IntoIterator<Item = OsString>>(arguments: I) -> ExitCode {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
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
