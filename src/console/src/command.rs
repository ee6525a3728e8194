//! The commands, as clap reads them from arguments and from lines.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The console of a Mark21 director.
#[derive(Debug, Parser)]
#[command(name = "mark21", version, after_help = crate::exit::HELP, max_term_width = 80)]
pub(crate) struct Cli {
    /// Answer as one JSON object.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Ask over the system bus instead of mark21d's own socket.
    #[arg(long, global = true)]
    pub(crate) bus: bool,
    #[command(subcommand)]
    pub(crate) top: Top,
}

/// What the program can be started as.
#[derive(Debug, Subcommand)]
pub(crate) enum Top {
    #[command(flatten)]
    Command(Command),
    /// Read commands from this terminal, one a line.
    #[command(display_order = 100)]
    Console,
    /// Read commands one a line and answer one JSON object a line.
    #[command(display_order = 101)]
    MachinePort,
}

/// One line of the console or of the machine port.
#[derive(Debug, Parser)]
#[command(name = "mark21", no_binary_name = true, max_term_width = 80)]
#[command(help_template = "{subcommands}", subcommand_help_heading = "Commands")]
pub(crate) struct Line {
    /// Answer as one JSON object.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be asked of the box.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what the box does, and what is wrong with it.
    Status,
    /// Check a configuration file, changing nothing.
    Check {
        /// The file, such as mark21.toml.
        #[arg(default_value = "/config/mark21.toml")]
        file: PathBuf,
    },
    /// Show what applying a configuration would change, changing nothing.
    Plan {
        /// The file; without it, the running configuration is compared with the kernel.
        file: Option<PathBuf>,
    },
    /// Tell whether the kernel holds what the running configuration says.
    Verify,
    /// Hand virtual routers over to the other box.
    Resign {
        /// A virtual router, a sync group, or all.
        name: String,
    },
    /// Show one thing in detail.
    #[command(subcommand)]
    Show(Show),
    /// Show the newest lines of the supervisor's log.
    Log {
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u32,
    },
}

/// What can be shown in detail.
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// The firewall's rules: counters, and the configuration line behind each.
    Firewall,
    /// The settings that the FTP servers behind a service must carry.
    ServerConfig {
        /// The service's name.
        service: String,
        /// Only for this program: vsftpd, proftpd or pure-ftpd.
        program: Option<String>,
    },
}
