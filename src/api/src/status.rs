//! What the interface's calls answer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zbus::{DeserializeDict, SerializeDict, Type};

/// Everything that the box knows of itself at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What the box does.
    pub state: State,
    /// Its host name.
    pub hostname: String,
    /// The firmware.
    pub firmware: Firmware,
    /// Where the running configuration comes from.
    pub configuration: Configuration,
    /// How the last start went.
    pub boot: Boot,
    /// Whether a hardware watchdog resets the box when the supervisor hangs.
    pub watchdog: bool,
    /// Whether the interface is served on the system bus as well.
    pub bus: bool,
    /// What was done past the interface since the start; empty on a box that is as it was built.
    pub tainted: Vec<String>,
    /// What is wrong now, worst first; empty when all is well.
    pub problems: Vec<Problem>,
    /// The network ports of the machine, whatever the configuration makes of them.
    pub ports: Vec<Port>,
    /// The interfaces of the configuration.
    pub interfaces: Vec<Interface>,
    /// The virtual routers, as vrrpd tells of them.
    pub virtual_routers: Vec<VirtualRouter>,
    /// The services of the configuration; shared, because there may be thousands of servers.
    pub services: Arc<Vec<Service>>,
    /// The way in from outside; absent where the configuration opens none.
    pub management: Option<Management>,
    /// What keeps the clock right; absent without time servers.
    pub time: Option<Time>,
    /// Where the log goes.
    pub syslog: Vec<SyslogServer>,
    /// How old the kernel's figures in this snapshot are, in milliseconds.
    pub age_ms: u64,
}

/// What the box does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not proven yet.
    #[default]
    Starting,
    /// The configuration is applied, read back and proven.
    Serving,
    /// The configuration is applied, but some of it does not hold now: see the problems.
    Degraded,
    /// No good configuration: nothing is forwarded, nothing listens.
    FailSecure,
}

impl State {
    /// The word that status prints.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Degraded => "degraded",
            Self::FailSecure => "fail-secure",
        }
    }
}

/// What is installed, from /etc/os-release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// `VERSION_ID`
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
    /// `BUILD_ID`
    pub build: String,
}

/// Where the running configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The generation that runs; absent when none does.
    pub generation: Option<u32>,
    /// The generation that the next boot starts with, when the candidate stays as it is.
    pub at_boot: Option<u32>,
    /// SHA-256 of the running text, in hexadecimal; empty when none runs.
    pub digest: String,
    /// What runs but goes back by itself unless somebody confirms it.
    pub unconfirmed: Option<Unconfirmed>,
}

/// A change that waits for its confirmation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// Its generation.
    pub generation: u32,
    /// Until the box goes back.
    pub seconds_left: u64,
}

/// How the last start went, in milliseconds since the kernel started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// When the supervisor was started.
    pub kernel_to_supervisor_ms: u64,
    /// When the service was proven; absent before.
    pub kernel_to_proven_ms: Option<u64>,
    /// Seconds since the kernel started.
    pub uptime_s: u64,
    /// Why the machine started, as far as its watchdog tells.
    pub reset: Reset,
}

/// Why the machine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reset {
    /// The hardware watchdog was not fed.
    Watchdog,
    /// It was too hot.
    Heat,
    /// A fan stood still.
    Fan,
    /// The supply's voltage was out of bounds.
    Voltage,
    /// A line from outside.
    External,
    /// Power came, somebody asked for it, or nothing tells.
    #[default]
    Unknown,
}

impl Reset {
    /// In words, behind "started: ".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Watchdog => "the hardware watchdog was not fed",
            Self::Heat => "it was too hot",
            Self::Fan => "a fan stood still",
            Self::Voltage => "the supply's voltage was out of bounds",
            Self::External => "a reset line",
            Self::Unknown => "power came or a restart was asked for",
        }
    }
}

/// The way in from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Management {
    /// Where the ssh server listens, `10.9.0.2:22`.
    pub listens: Vec<String>,
    /// The box's public host key, as known_hosts wants it; empty before it was made.
    pub host_key: String,
    /// Sessions now.
    pub sessions: u64,
}

/// What keeps the clock right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// Whether the clock follows the servers.
    pub synchronised: bool,
    /// What the NTP client says of itself.
    pub detail: String,
}

/// Where the log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyslogServer {
    /// `udp 10.9.0.5:514`
    pub server: String,
    /// Whether it takes lines now, as far as can be told; UDP tells little.
    pub reached: bool,
    /// Lines sent since mark21d started, those sent again included.
    pub sent: u64,
    /// Why it is not reached; empty when it is.
    pub problem: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What it concerns: `configuration`, `interface outside`, `firewall`, ..
    pub subject: String,
    /// What is wrong, in a sentence.
    pub text: String,
}

/// A network port of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The kernel's name.
    pub device: String,
    /// Its address, `52:54:00:21:01:01`.
    pub mac: String,
    /// Whether a cable is plugged in, as far as a port that is down tells.
    pub carrier: bool,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The configuration's name.
    pub name: String,
    /// The kernel's; absent when no device matches.
    pub device: Option<String>,
    /// Whether it is up and has a carrier.
    pub carrier: bool,
    /// What the kernel has on it.
    pub addresses: Vec<String>,
}

/// A virtual router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualRouter {
    /// The configuration's name.
    pub name: String,
    /// The kernel's name of its interface.
    pub device: String,
    /// 1-255.
    pub vrid: u8,
    /// `initialize`, `backup` or `active` (RFC 9568 section 6.4).
    pub state: String,
    /// The priority that it advertises now.
    pub priority: u8,
    /// The Active router that it hears, or itself.
    pub active_router: Option<String>,
    /// The virtual addresses.
    pub addresses: Vec<String>,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The configuration's name.
    pub name: String,
    /// `ftp`, `tcp`, `udp` or `mark`.
    pub kind: String,
    /// The virtual addresses.
    pub addresses: Vec<String>,
    /// The firewall mark, where it has one.
    pub mark: Option<u32>,
    /// How FTP's passive replies come to name the virtual address, and what that costs.
    pub passive: Option<String>,
    /// Its servers.
    pub real_servers: Vec<RealServer>,
}

/// A real server in one family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// The address, with the port where it has one.
    pub address: String,
    /// The weight that the kernel has.
    pub weight: u32,
    /// Connections in use.
    pub active: u32,
    /// Connections about to expire.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
    /// Connections given to it since the kernel has it.
    pub connections: u64,
    /// The weight that an operator has set for the moment, above the configuration's; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_by_hand: Option<u16>,
    /// It takes no new connections, and those that it has go on: by an operator's hand, or
    /// because it has left the configuration.
    pub draining: bool,
}

/// What [`check`](crate::DirectorProxy::check) found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the text would be taken.
    pub accepted: bool,
    /// What was found, errors and warnings.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub unlisted: u64,
    /// The findings as a person reads them, with the lines and carets.
    pub rendered: String,
}

/// One finding in a configuration text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `error` or `warning`.
    pub severity: String,
    /// From 1.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
    /// The field, as a person would say it.
    pub field: String,
    /// What stands there; empty where that is no help.
    pub given: String,
    /// What may stand there; empty where that is not the point.
    pub allowed: String,
    /// What is wrong, and why.
    pub reason: String,
    /// How to mend it; empty where the reason says it.
    pub mend: String,
}

/// What [`plan`](crate::DirectorProxy::plan) answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// In the order in which they would be applied; empty when nothing is to do.
    pub changes: Vec<Change>,
}

/// One change to the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `modules`, `sysctl`, `firewall`, `links`, `addresses`, `routes` or `ipvs`.
    pub domain: String,
    /// `live`, `after drain` or `needs reboot`.
    pub when: String,
    /// The change in an operator's words.
    pub text: String,
}

/// What [`firewall`](crate::DirectorProxy::firewall) answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// The rules as they are in the kernel, in the order of the listing.
    pub rules: Vec<Rule>,
}

/// One rule of the firewall.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The chain that holds it.
    pub chain: String,
    /// What in the configuration caused it, and for what.
    pub cause: String,
    /// The line of the running configuration on which that object begins; absent for a rule
    /// that every director has.
    pub line: Option<u64>,
    /// Packets that it matched; absent for a rule that does not count.
    pub packets: Option<u64>,
    /// Their bytes.
    pub bytes: Option<u64>,
}

/// A configuration that was applied and proven, as [`generations`](crate::DirectorProxy::generations)
/// lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// From 1, in the order in which they were made.
    pub number: u32,
    /// Seconds since 1970, by the box's clock.
    pub time: u64,
    /// Who made it.
    pub author: String,
    /// Why.
    pub comment: String,
    /// SHA-256 of its files, in hexadecimal.
    pub digest: String,
    /// Whether the box starts with it.
    pub is_current: bool,
    /// Whether it was confirmed, or needed no confirmation.
    pub is_confirmed: bool,
}

/// A generation with its files, as [`read_generation`](crate::DirectorProxy::read_generation)
/// answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationFiles {
    /// What is known of it.
    pub generation: Generation,
    /// `mark21.toml`
    pub text: String,
    /// `extra.nft`; absent where there is none.
    pub extra: Option<String>,
}

/// How a configuration is to be committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", deny_unknown_fields)]
pub struct CommitOptions {
    /// Seconds until the box goes back unless somebody confirms, 10-86400; absent or 0 for a
    /// change that needs no confirmation.
    pub confirm: Option<u32>,
    /// Who makes it; absent for the caller's user name.
    pub author: Option<String>,
    /// Why.
    pub comment: Option<String>,
    /// Not now but at the next start, which may change what is fixed while the box runs; absent for now.
    pub at_reboot: Option<bool>,
    /// The operator's own nft tables: absent keeps those that are there, empty removes them.
    pub extra: Option<String>,
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The generation that it made; absent where the change waits for the next start.
    pub generation: Option<u32>,
    /// What was changed, in an operator's words.
    pub changes: Vec<String>,
    /// Seconds until the box goes back unless somebody confirms; absent where nobody need.
    pub confirm: Option<u32>,
}

/// One hop on the way to a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Who answered; absent where nobody did.
    pub address: Option<String>,
    /// How long the answers took, in microseconds.
    pub times_us: Vec<u64>,
    /// Requests without an answer.
    pub lost: u64,
    /// Whether it is the host itself.
    pub is_reached: bool,
    /// Whether it says that the host cannot be reached.
    pub is_unreachable: bool,
}

/// What is to be captured.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", deny_unknown_fields)]
pub struct CaptureOptions {
    /// Only what comes from or goes to this address.
    pub host: Option<String>,
    /// Only what comes from or goes to this port of TCP or UDP.
    pub port: Option<u16>,
    /// How long, 1-600 s; absent for 10.
    pub seconds: Option<u32>,
    /// How many packets, 1-100000; absent for 100.
    pub packets: Option<u32>,
    /// How many bytes of packets, 1-67108864; absent for 1048576.
    pub bytes: Option<u32>,
    /// How many bytes of each packet, 1-2048; absent for 128.
    pub snap: Option<u32>,
    /// Whether the packets' bytes are told as well; absent for not.
    pub with_bytes: Option<bool>,
}

/// What a capture has caught.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// Since it was read last, oldest first.
    pub packets: Vec<CapturedPacket>,
    /// Why it is over; absent while more may come.
    pub ended: Option<String>,
    /// Packets that could not be kept so far: they came faster than they were read.
    pub missed: u64,
}

/// A packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedPacket {
    /// Microseconds since 1970, by the box's clock.
    pub time_us: u64,
    /// The bytes that it had.
    pub length: u64,
    /// Who to whom, and what.
    pub text: String,
    /// Its first bytes, in hexadecimal; empty where they were not asked for.
    pub bytes: String,
}
