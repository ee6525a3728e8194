//! The configuration: TOML text in, [`Settings`] that cannot hold a bad value out, or every
//! finding with its line and column.
//!
//! ```text
//!   text --toml--> spanned tables --reader--> tables::* --check--> Settings
//! ```
//!
//! Walked by hand instead of by serde: one run reports all findings, each says what is allowed,
//! and the file that is locked in memory stays small.

mod parts;
mod reader;
mod tables;
mod value;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::wire::Addresses;
use vrrp::{
    AddressListPolicy, ChecksumPolicy, Config, ConfigError, Family, Grouping, Parameters, Peer, Preemption,
    Transport, Version, Vrid, Weight,
};

pub(crate) use value::{duration_text, prefix_text};

/// Everything that the text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Settings {
    pub(crate) global: Global,
    pub(crate) routers: Vec<RouterSettings>,
    pub(crate) groups: Vec<GroupSettings>,
    pub(crate) scripts: Vec<ScriptSettings>,
    pub(crate) files: Vec<FileSettings>,
}

/// `[global]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Global {
    /// Addresses announced a second on one interface, after the burst.
    pub(crate) announce_rate: u32,
    /// Addresses announced at once on one interface.
    pub(crate) announce_burst: u32,
    /// How often an Active router's addresses are announced anew; `None` for never.
    pub(crate) announce_refresh: Option<Duration>,
    /// SCHED_RR priority, 1..=99; 0 for ordinary scheduling.
    pub(crate) real_time_priority: u8,
    /// Whether memory is locked.
    pub(crate) lock_memory: bool,
    /// Where transitions are written, a line each.
    pub(crate) notify_fifo: Option<String>,
    /// Program run at every transition of every router and group.
    pub(crate) notify: Option<Vec<String>>,
    /// How long a notify program may run.
    pub(crate) notify_timeout: Duration,
    /// User of notify programs and track scripts.
    pub(crate) script_user: Option<String>,
}

impl Default for Global {
    fn default() -> Global {
        Global {
            announce_rate: 500,
            announce_burst: 256,
            announce_refresh: Some(Duration::from_secs(60)),
            real_time_priority: 50,
            lock_memory: true,
            notify_fifo: None,
            notify: None,
            notify_timeout: Duration::from_secs(30),
            script_user: None,
        }
    }
}

/// What tells one router from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) interface: String,
    pub(crate) vrid: Vrid,
    pub(crate) family: Family,
}

/// `[[virtual_router]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouterSettings {
    pub(crate) name: String,
    pub(crate) key: Key,
    pub(crate) version: Version,
    pub(crate) priority: u8,
    pub(crate) interval: Duration,
    pub(crate) interval_bounds: Option<(Duration, Duration)>,
    /// Advertised, and put on the interface. The first one's family is the router's.
    pub(crate) addresses: Vec<VirtualAddress>,
    /// Put on the interface only.
    pub(crate) excluded: Vec<VirtualAddress>,
    pub(crate) octets: Octets,
    pub(crate) preemption: Preemption,
    pub(crate) startup_delay: Duration,
    pub(crate) link_up_delay: Duration,
    pub(crate) peers: Vec<Peer>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) multicast_group: Option<IpAddr>,
    pub(crate) checksum: ChecksumPolicy,
    pub(crate) address_list: AddressListPolicy,
    pub(crate) password: Option<Secret>,
    pub(crate) grouping: Grouping,
    /// Name of the interface that has the virtual MAC address, which vrrpd makes.
    pub(crate) virtual_mac: Option<String>,
    /// Whether packets to the addresses are accepted by a router that does not own them.
    pub(crate) accepts: bool,
    pub(crate) track_interfaces: Vec<TrackedInterface>,
    pub(crate) track_scripts: Vec<Tracked>,
    pub(crate) track_files: Vec<Tracked>,
    pub(crate) notify: Programs,
}

/// A text that no dump shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The advertised addresses as the core wants them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Octets {
    V4(Vec<[u8; 4]>),
    V6(Vec<[u8; 16]>),
}

impl Octets {
    pub(crate) fn as_addresses(&self) -> Addresses<'_> {
        match self {
            Octets::V4(list) => Addresses::V4(list),
            Octets::V6(list) => Addresses::V6(list),
        }
    }
}

/// One virtual address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct VirtualAddress {
    pub(crate) address: IpAddr,
    pub(crate) prefix_len: u8,
    /// Another interface than the router's.
    pub(crate) device: Option<String>,
    pub(crate) label: Option<String>,
    /// `RT_SCOPE_UNIVERSE` and so on.
    pub(crate) scope: u8,
}

/// Programs run at transitions: for all of them, and for one state each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Programs {
    pub(crate) any: Option<Vec<String>>,
    pub(crate) active: Option<Vec<String>>,
    pub(crate) backup: Option<Vec<String>>,
    pub(crate) fault: Option<Vec<String>>,
    pub(crate) stop: Option<Vec<String>>,
}

/// An interface that a router depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackedInterface {
    pub(crate) interface: String,
    pub(crate) weight: Weight,
    /// How long it must be up before it counts as up.
    pub(crate) up_delay: Duration,
    /// How long it must be down before it counts as down.
    pub(crate) down_delay: Duration,
}

/// A script or a file that a router depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracked {
    pub(crate) name: String,
    /// `None`: what the script or file says of itself.
    pub(crate) weight: Option<Weight>,
}

/// `[[sync_group]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupSettings {
    pub(crate) name: String,
    pub(crate) members: Vec<String>,
    pub(crate) notify: Programs,
}

/// `[[track_script]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScriptSettings {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// Successes in a row before it is up.
    pub(crate) rise: u32,
    /// Failures in a row before it is down.
    pub(crate) fall: u32,
    pub(crate) weight: Weight,
    /// Counts as up before its first result.
    pub(crate) starts_up: bool,
}

/// `[[track_file]]`: its number times `weight` is added; without a weight, a negative number or
/// no file is a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSettings {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) interval: Duration,
    pub(crate) weight: Weight,
}

impl RouterSettings {
    /// The core's configuration, with the source address that the interface turned out to have.
    pub(crate) fn config(&self, primary: IpAddr) -> Result<Config, ConfigError> {
        let addresses = self.octets.as_addresses();
        let group = self.multicast_group.unwrap_or(vrrp::wire::multicast_group(self.key.family));
        Config::new(&Parameters {
            version: self.version,
            priority: self.priority,
            interval: self.interval,
            interval_bounds: self.interval_bounds,
            transport: if self.peers.is_empty() {
                Transport::Multicast { group }
            } else {
                Transport::Unicast { peers: &self.peers }
            },
            password: self.password.as_ref().map(|password| password.0.as_bytes()),
            preemption: self.preemption,
            startup_delay: self.startup_delay,
            link_up_delay: self.link_up_delay,
            checksum: self.checksum,
            address_list: self.address_list,
            grouping: self.grouping,
            ..Parameters::new(self.key.vrid.get(), primary, addresses)
        })
    }

    /// The virtual MAC address, if it has one.
    pub(crate) fn mac(&self) -> Option<[u8; 6]> {
        self.virtual_mac.as_ref().map(|_| vrrp::wire::virtual_mac(self.key.family, self.key.vrid))
    }

    /// All addresses that come and go with the role.
    pub(crate) fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.excluded)
    }
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl Settings {
    /// Reads `text`.
    ///
    /// # Errors
    /// Everything that is wrong with it, in order of place.
    pub(crate) fn parse(text: &str) -> Result<Settings, Vec<Finding>> {
        tables::parse(text)
    }

    /// Whether there are programs to run or files to read.
    pub(crate) fn needs_programs(&self) -> bool {
        let programs = self.routers.iter().map(|router| &router.notify);
        self.global.notify.is_some()
            || !self.scripts.is_empty()
            || !self.files.is_empty()
            || programs
                .chain(self.groups.iter().map(|group| &group.notify))
                .any(|programs| *programs != Programs::default())
    }
}

#[cfg(test)]
mod tests;
