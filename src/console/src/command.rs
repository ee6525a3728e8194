//! The commands, as clap reads them from arguments and from lines.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use mark21_config::Form;

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
    Console {
        /// Without waiting for the box to start, and without a word on it.
        #[arg(long, hide = true)]
        greeted: bool,
    },
    /// Check a password on this terminal and become the console; only for root.
    #[command(display_order = 102)]
    Login {
        /// Become the machine port, which wants `login PASSWORD` as its first line.
        #[arg(long)]
        machine_port: bool,
    },
    /// Read commands one a line and answer one JSON object a line.
    #[command(display_order = 101)]
    MachinePort,
    /// What the ssh server runs for each session.
    #[command(hide = true)]
    SshSession,
}

/// One line of the console or of the machine port.
#[derive(Debug, Parser)]
#[command(name = "mark21", no_binary_name = true, max_term_width = 80)]
#[command(help_template = "{subcommands}", subcommand_help_heading = "Commands", infer_subcommands = true)]
pub(crate) struct Line {
    /// Answer as one JSON object.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be asked of the box. Of each command only the one that is given is made whole: most of a
/// short command's start went into the others.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Show what the box does, and what is wrong with it.
    Status,
    /// Show one thing in detail.
    #[command(subcommand, alias = "sh")]
    Show(Show),
    /// List the configurations that ran.
    Generations,
    /// Show the newest lines of the supervisor's log.
    Log {
        /// How many lines.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u32,
    },
    /// Tell whether the kernel holds the running configuration.
    Verify,

    /// Set a field in the draft: set service ftp scheduler rr.
    #[command(override_usage = "set PATH VALUE, as in: set service ftp scheduler rr")]
    Set {
        /// The path, word by word, then the value; a list takes several values.
        #[arg(required = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Delete a field or a table from the draft.
    #[command(override_usage = "delete PATH, as in: delete service ftp real_server 10.0.0.11")]
    Delete {
        /// The path, word by word.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Edit the draft on the whole screen.
    Edit,
    /// Ask what a director or a pair needs, and write the draft.
    Setup,
    /// Take a file as the draft, or what is pasted when none is named.
    Load {
        /// The file.
        #[arg(conflicts_with = "usb")]
        file: Option<PathBuf>,
        #[command(flatten)]
        stick: Stick,
    },
    /// Show how the draft differs from what runs, or any two.
    Compare {
        /// A generation, `running` or `draft`.
        first: Option<Version>,
        /// Another one.
        second: Option<Version>,
    },
    /// Check the draft or a file, changing nothing.
    Check {
        /// The file; without it the draft, /config/mark21.toml, or what runs.
        file: Option<PathBuf>,
    },
    /// Show what applying the draft or a file would change.
    Plan {
        /// The file; without it the draft, or the running configuration.
        file: Option<PathBuf>,
    },
    /// Print the whole box: configuration, extra.nft, keys.
    Backup {
        /// Only this file, for load to take.
        #[arg(conflicts_with = "usb")]
        file: Option<PathBuf>,
        #[command(flatten)]
        stick: Stick,
    },
    /// Take a backup as the draft, of this box or of another one.
    Restore {
        /// The file; without it, what is pasted.
        #[arg(conflicts_with = "usb")]
        file: Option<PathBuf>,
        #[command(flatten)]
        stick: Stick,
    },
    /// Forget the draft.
    Discard,
    /// Apply the draft or a file, and keep it when it is proven.
    Commit {
        /// The file; without it the draft.
        file: Option<PathBuf>,
        #[command(flatten)]
        how: How,
        /// Even if somebody else has committed since the draft was begun.
        #[arg(long)]
        over: bool,
    },
    /// Keep the change that waits for its confirmation.
    Confirm,
    /// Take back what is not confirmed, or commit an older one.
    Rollback {
        /// The generation; without it, the unconfirmed change is taken back.
        generation: Option<u32>,
        #[command(flatten)]
        how: How,
    },

    /// Put a new password for the console into the draft.
    Password,

    /// Watch roles, services and servers on the whole screen.
    Top,
    /// Set a real server's weight for the moment.
    Weight {
        #[command(flatten)]
        whom: Whom,
        /// 0-65535; 0 takes no new connections.
        weight: u16,
    },
    /// Give a real server no new sessions; those that it has go on.
    Drain {
        #[command(flatten)]
        whom: Whom,
        /// Wait until it has no connection left.
        #[arg(long)]
        wait: bool,
    },
    /// Give a real server its weight again.
    Undrain {
        #[command(flatten)]
        whom: Whom,
    },
    /// Hand virtual routers over to the other box.
    Resign {
        /// A virtual router, a sync group, or all.
        name: String,
    },
    /// Ask a host for echoes.
    Ping {
        /// Its address.
        host: std::net::IpAddr,
        /// How many echoes, 1-100.
        #[arg(short, long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
        count: u16,
    },
    /// Show the way to a host, hop by hop.
    Traceroute {
        /// Its address.
        host: std::net::IpAddr,
        /// How far, 1-64.
        #[arg(short = 'm', long, default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=64))]
        max_hops: u8,
    },
    /// Show the packets that pass an interface.
    Capture {
        /// The interface's name, or the kernel's.
        interface: String,
        /// Only from or to this address.
        #[arg(long)]
        host: Option<std::net::IpAddr>,
        /// Only from or to this port of TCP or UDP.
        #[arg(long)]
        port: Option<u16>,
        /// How many seconds, 1-600.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
        seconds: u32,
        /// How many packets, 1-100000.
        #[arg(short = 'c', long, default_value_t = 100,
              value_parser = clap::value_parser!(u32).range(1..=100_000))]
        packets: u32,
        /// Whole packets for Wireshark: ssh admin@BOX capture outside --pcap > FILE.
        #[arg(long)]
        pcap: bool,
    },
    /// Open a root shell (serial line only); status tells of it.
    Shell,
    /// Write the running system onto a disk, or list the disks.
    Install {
        /// The disk; all that is on it is lost.
        disk: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Start the box anew.
    Reboot {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Forget every configuration and start the box anew.
    FactoryReset {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Leave the console; the draft is kept.
    #[command(alias = "logout", alias = "quit")]
    Exit,
}

impl Command {
    /// Whether the answer is taken elsewhere as it is, or has columns of its own, so that no line of it
    /// is broken.
    pub(crate) fn is_for_copying(&self) -> bool {
        matches!(
            self,
            Self::Show(Show::Configuration { .. } | Show::ServerConfig { .. })
                | Self::Compare { .. }
                | Self::Backup { .. }
                | Self::Check { .. }
                | Self::Setup
        )
    }
}

// How a commit is made. What several commands have says nothing to clap, which would take it for theirs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct How {
    /// Go back unless `confirm` comes within this time: 10s-24h.
    #[arg(long, value_name = "TIME", value_parser = confirmation)]
    pub(crate) confirm: Option<Duration>,
    /// Why, for the list of generations.
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// Not now but at the next start.
    #[arg(long, conflicts_with = "confirm")]
    pub(crate) at_reboot: bool,
}

// A stick in place of the line.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Stick {
    /// A file of a USB stick with FAT instead; without a name, lists them.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub(crate) usb: Option<String>,
}

// Which real server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Whom {
    /// The service's name.
    pub(crate) service: String,
    /// The server's address, or address and port.
    pub(crate) server: String,
    /// Keep it: as a commit of its own.
    #[arg(long)]
    pub(crate) save: bool,
}

/// What can be shown in detail.
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// The ports to the networks, and their addresses.
    Interfaces,
    /// The services and their real servers: weights and connections.
    Services,
    /// Who is Active, and the virtual addresses.
    #[command(alias = "vrrp")]
    VirtualRouters,
    /// The firmware, and how long it runs.
    Version,
    /// A configuration's text.
    #[command(alias = "running-config")]
    Configuration {
        /// A generation, `running` or `draft`.
        #[arg(default_value = "running")]
        version: Version,
    },
    /// The firewall's rules, with counters and lines of the file.
    Firewall,
    /// What the FTP servers behind a service must be set to.
    ServerConfig {
        /// The service's name.
        service: String,
        /// Only for this program: vsftpd, proftpd or pure-ftpd.
        program: Option<String>,
    },
}

/// Which configuration is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// What runs.
    Running,
    /// What is being edited.
    Draft,
    /// A generation by its number.
    Generation(u32),
}

impl std::str::FromStr for Version {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "running" | "0" => Ok(Self::Running),
            "draft" => Ok(Self::Draft),
            number => {
                number.parse().map(Self::Generation).map_err(|_| "a generation's number, running or draft")
            }
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Draft => f.write_str("draft"),
            Self::Generation(number) => write!(f, "generation {number}"),
        }
    }
}

/// Long enough to type `confirm`, short enough for a person to wait.
fn confirmation(text: &str) -> Result<Duration, String> {
    let time = <Duration as Form>::read(text).map_err(|error| error.to_string())?;
    match time.as_secs() {
        10..=86400 => Ok(time),
        _ => Err("it goes from 10s to 24h".to_owned()),
    }
}
