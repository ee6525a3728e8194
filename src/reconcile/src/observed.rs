//! What the kernel holds, as far as it can matter to a plan.

use std::collections::BTreeMap;

use crate::extra::Tables;
use crate::firewall::Ruleset;
use crate::ipvs::{Daemon, Destination, DestinationKey, ServiceKey, ServiceSettings, Timeouts};
use crate::links::{Address, LinkKind, NextHop, Route};

/// The kernel's state at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Loaded or built-in modules of those that were asked for, with their readable parameters.
    pub modules: BTreeMap<String, BTreeMap<String, String>>,
    /// The kernel takes no more modules and gives none back (`kernel.modules_disabled`).
    pub modules_locked: bool,
    /// Values of the sysctls that were asked for, by path; one that does not exist is missing.
    pub sysctls: BTreeMap<String, String>,
    /// Our own table in its canonical form; `None` where there is none.
    pub firewall: Option<Ruleset>,
    /// All other nft tables.
    pub tables: Tables,
    /// All links.
    pub links: Vec<ObservedLink>,
    /// All addresses of all links.
    pub addresses: Vec<ObservedAddress>,
    /// The routes with our own protocol number, in the main table.
    pub routes: Vec<ObservedRoute>,
    /// The IPVS tables; empty where the module is not there.
    pub ipvs: ObservedIpvs,
    /// IPv4 is forwarded.
    pub forwarding_v4: bool,
    /// IPv6 is forwarded.
    pub forwarding_v6: bool,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedLink {
    /// The kernel's name.
    pub device: String,
    /// The kernel's number.
    pub index: u32,
    /// Administratively up.
    pub up: bool,
    /// Bytes.
    pub mtu: u32,
    /// What it is; a bond's ports are told by their `master`.
    pub kind: LinkKind,
    /// The bond or bridge that it is a port of.
    pub master: Option<String>,
    /// `IFLA_GROUP`.
    pub group: u32,
}

/// An address with what tells whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedAddress {
    /// The address.
    pub address: Address,
    /// `IFA_PROTO`; 0 where the kernel does not say.
    pub protocol: u8,
}

/// A route of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedRoute {
    /// The route; a gateway always comes with its device.
    pub route: Route,
}

impl ObservedRoute {
    /// Whether this is what `wanted` asks for. Where that names no device, any will do.
    #[must_use]
    pub fn satisfies(&self, wanted: &Route) -> bool {
        let via = match (&self.route.via, &wanted.via) {
            (NextHop::Gateway(here, _), NextHop::Gateway(there, None)) => here == there,
            (here, there) => here == there,
        };
        via && self.route.to == wanted.to
            && self.route.prefix_len == wanted.prefix_len
            && self.route.source == wanted.source
            && self.route.metric == wanted.metric
    }
}

/// The IPVS tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedIpvs {
    /// `None` where the module is not there.
    pub timeouts: Option<Timeouts>,
    /// The virtual services.
    pub services: BTreeMap<ServiceKey, ObservedService>,
    /// The synchronisation daemons.
    pub daemons: Vec<Daemon>,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedService {
    /// How it balances.
    pub settings: ServiceSettings,
    /// Its real servers.
    pub destinations: BTreeMap<DestinationKey, ObservedDestination>,
}

/// A real server with its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedDestination {
    /// How it is set.
    pub destination: Destination,
    /// Established connections.
    pub active: u32,
    /// Connections that are being opened or closed.
    pub inactive: u32,
    /// Clients that are bound to it.
    pub persistent: u32,
    /// Connections given to it since the kernel has it.
    pub connections: u64,
}

impl ObservedDestination {
    /// Connections of every state, without bindings of clients that have none.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.active.saturating_add(self.inactive)
    }
}
