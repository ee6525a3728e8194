//! One step from what is to what should be, and how an operator reads it.

use std::fmt;

use crate::extra::{Extra, TableName};
use crate::firewall::Ruleset;
use crate::ipvs::{Daemon, Destination, DestinationKey, ServiceKey, ServiceSettings, Timeouts};
use crate::links::{Address, Link, LinkKind, Route};
use crate::modules::Module;
use crate::sysctls::Sysctl;

/// A part of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// Kernel modules.
    Modules,
    /// Kernel settings.
    Sysctls,
    /// The nft tables.
    Firewall,
    /// Network links.
    Links,
    /// Addresses.
    Addresses,
    /// Routes.
    Routes,
    /// IPVS services, real servers, timeouts and synchronisation.
    Ipvs,
    /// The forwarding switches.
    Forwarding,
}

/// When a change can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// At once; no session is cut.
    Live,
    /// At once it would cut sessions: drain first, or accept that.
    AfterDrain,
    /// The kernel fixes it when a module is loaded, and connections pin modules.
    NeedsReboot,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::AfterDrain => "after drain",
            Self::NeedsReboot => "needs reboot",
        })
    }
}

/// One step. Its [`fmt::Display`] is what `mark21 plan` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A kernel module.
    Module(ModuleChange),
    /// Set a kernel setting.
    Sysctl {
        /// The new value.
        sysctl: Sysctl,
        /// The present one; `None` where it does not exist yet.
        was: Option<String>,
    },
    /// Replace our nft table whole, in one transaction.
    Firewall {
        /// The new table.
        ruleset: Ruleset,
        /// What differs, in few words.
        difference: String,
    },
    /// The nft tables beside ours.
    Extra(ExtraChange),
    /// A link.
    Link(LinkChange),
    /// An address.
    Address(AddressChange),
    /// A route.
    Route(RouteChange),
    /// IPVS.
    Ipvs(IpvsChange),
    /// Switch forwarding of both families on or off.
    Forwarding(bool),
}

/// What happens to the nft tables beside ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtraChange {
    /// Replace all tables of the operator's file, in one transaction.
    Load {
        /// What the file asks for.
        extra: Extra,
        /// Its tables that are not there, or not so; at least one.
        differing: Vec<TableName>,
    },
    /// Remove tables that nobody asked for: a stranger's, or those of an earlier file.
    Remove(Vec<TableName>),
}

/// What happens to a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleChange {
    /// Load it.
    Load(Module),
    /// It is missing, and the kernel takes no more modules until it starts again.
    LoadAtStart(Module),
    /// It is loaded with other parameters.
    Reload {
        /// As it should be.
        module: Module,
        /// The parameter that differs.
        parameter: String,
        /// Its present value.
        was: String,
    },
    /// It is loaded and must not be: `ip_vs_ftp` beside servers that announce the address themselves.
    Unload(String),
}

/// What happens to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// Make a VLAN or a bond.
    Create(Link),
    /// Remove a VLAN or bond that an earlier configuration made.
    Delete {
        /// The device.
        device: String,
    },
    /// Make a device a port of a bond; it goes down for that.
    Enslave {
        /// The port.
        device: String,
        /// The bond.
        bond: String,
    },
    /// Take a device out of its bond.
    Release {
        /// The port.
        device: String,
        /// The bond.
        bond: String,
    },
    /// Set the largest packet.
    SetMtu {
        /// The device.
        device: String,
        /// Bytes.
        mtu: u32,
        /// Present value; `None` for a device that is not made yet.
        was: Option<u32>,
    },
    /// Switch it on.
    SetUp {
        /// The device.
        device: String,
    },
}

/// What happens to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressChange {
    /// Add it, tagged as static, without duplicate address detection.
    Add(Address),
    /// Remove it.
    Remove(Address),
}

/// What happens to a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteChange {
    /// Add it.
    Add(Route),
    /// Remove it.
    Remove(Route),
}

/// What happens to IPVS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpvsChange {
    /// Set all three timeouts.
    SetTimeouts(Timeouts),
    /// Add a service, without real servers.
    AddService {
        /// Which.
        key: ServiceKey,
        /// How.
        settings: ServiceSettings,
    },
    /// Change how a service balances.
    EditService {
        /// Which.
        key: ServiceKey,
        /// How.
        settings: ServiceSettings,
        /// How it was.
        was: ServiceSettings,
    },
    /// Remove a service with its real servers.
    RemoveService {
        /// Which.
        key: ServiceKey,
        /// Connections that are cut.
        connections: u32,
    },
    /// Add a real server.
    AddDestination {
        /// To which service.
        service: ServiceKey,
        /// Which.
        key: DestinationKey,
        /// How.
        destination: Destination,
    },
    /// Change a real server: one request.
    EditDestination {
        /// Of which service.
        service: ServiceKey,
        /// Which.
        key: DestinationKey,
        /// How.
        destination: Destination,
        /// How it was.
        was: Destination,
    },
    /// Remove a real server.
    RemoveDestination {
        /// From which service.
        service: ServiceKey,
        /// Which.
        key: DestinationKey,
        /// Connections that are cut.
        connections: u32,
    },
    /// Start a synchronisation daemon.
    StartDaemon(Daemon),
    /// Stop one.
    StopDaemon(Daemon),
}

impl Change {
    /// Which part of the kernel it changes.
    #[must_use]
    pub fn domain(&self) -> Domain {
        match self {
            Self::Module(_) => Domain::Modules,
            Self::Sysctl { .. } => Domain::Sysctls,
            Self::Firewall { .. } | Self::Extra(_) => Domain::Firewall,
            Self::Link(_) => Domain::Links,
            Self::Address(_) => Domain::Addresses,
            Self::Route(_) => Domain::Routes,
            Self::Ipvs(_) => Domain::Ipvs,
            Self::Forwarding(_) => Domain::Forwarding,
        }
    }

    /// When it can be made.
    ///
    /// Removing a real server or a service that still carries connections cuts them (they get a
    /// reset, `expire_nodest_conn`), so it waits for the drain. Another scheduler, weight or
    /// persistence moves no existing connection. Module parameters wait for a reboot.
    #[must_use]
    pub fn when(&self) -> When {
        match self {
            Self::Module(ModuleChange::Load(_)) => When::Live,
            Self::Module(
                ModuleChange::LoadAtStart(_) | ModuleChange::Reload { .. } | ModuleChange::Unload(_),
            ) => When::NeedsReboot,
            Self::Ipvs(
                IpvsChange::RemoveService { connections, .. }
                | IpvsChange::RemoveDestination { connections, .. },
            ) if *connections > 0 => When::AfterDrain,
            Self::Ipvs(_)
            | Self::Sysctl { .. }
            | Self::Firewall { .. }
            | Self::Extra(_)
            | Self::Link(_)
            | Self::Address(_)
            | Self::Route(_)
            | Self::Forwarding(_) => When::Live,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(change) => change.fmt(f),
            Self::Sysctl { sysctl, was: Some(was) } => {
                write!(f, "set {} to {} (was {was})", sysctl.name(), sysctl.value)
            }
            Self::Sysctl { sysctl, was: None } => write!(f, "set {} to {}", sysctl.name(), sysctl.value),
            Self::Firewall { difference, .. } => write!(f, "replace the firewall: {difference}"),
            Self::Extra(change) => change.fmt(f),
            Self::Link(change) => change.fmt(f),
            Self::Address(AddressChange::Add(address)) => write!(f, "add address {address}"),
            Self::Address(AddressChange::Remove(address)) => write!(f, "remove address {address}"),
            Self::Route(RouteChange::Add(route)) => write!(f, "add route {route}"),
            Self::Route(RouteChange::Remove(route)) => write!(f, "remove route {route}"),
            Self::Ipvs(change) => change.fmt(f),
            Self::Forwarding(true) => f.write_str("switch forwarding on"),
            Self::Forwarding(false) => f.write_str("switch forwarding off"),
        }
    }
}

impl fmt::Display for ExtraChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { differing, .. } => match &differing[..] {
                [one] => write!(f, "load extra.nft: table {one} differs"),
                many => write!(f, "load extra.nft: {} tables differ", many.len()),
            },
            Self::Remove(tables) => match &tables[..] {
                [one] => write!(f, "remove the nft table {one}"),
                many => write!(f, "remove {} nft tables that nobody asked for", many.len()),
            },
        }
    }
}

impl fmt::Display for ModuleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(module) | Self::LoadAtStart(module) => {
                write!(f, "load module {}", module.name)?;
                module.parameters.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
            }
            Self::Reload { module, parameter, was } => {
                let value = module.parameters.get(parameter).map_or("", String::as_str);
                write!(f, "reload module {} with {parameter}={value} (is {was})", module.name)
            }
            Self::Unload(name) => write!(f, "unload module {name}"),
        }
    }
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(Link { device, kind: LinkKind::Vlan { parent, id }, .. }) => {
                write!(f, "create VLAN {id} on {parent} as {device}")
            }
            Self::Create(Link { device, kind: LinkKind::Bond { ports, .. }, .. }) => {
                write!(f, "create bond {device} of {}", ports.join(", "))
            }
            Self::Create(Link { device, kind: LinkKind::Port, .. }) => write!(f, "create {device}"),
            Self::Delete { device } => write!(f, "delete link {device}"),
            Self::Enslave { device, bond } => write!(f, "make {device} a port of {bond}"),
            Self::Release { device, bond } => write!(f, "take {device} out of {bond}"),
            Self::SetMtu { device, mtu, was: Some(was) } => {
                write!(f, "set the MTU of {device} to {mtu} (was {was})")
            }
            Self::SetMtu { device, mtu, was: None } => write!(f, "set the MTU of {device} to {mtu}"),
            Self::SetUp { device } => write!(f, "set link {device} up"),
        }
    }
}

impl fmt::Display for IpvsChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetTimeouts(Timeouts { tcp, tcp_fin, udp }) => {
                write!(f, "set IPVS timeouts to {tcp} s (TCP), {tcp_fin} s (after FIN), {udp} s (UDP)")
            }
            Self::AddService { key, settings } => write!(f, "add service {key} ({settings})"),
            Self::EditService { key, settings, was } => {
                write!(f, "change service {key} to {settings} (was {was})")
            }
            Self::RemoveService { key, connections } => {
                write!(f, "remove service {key}")?;
                cut(f, *connections)
            }
            Self::AddDestination { service, key, destination } => {
                write!(f, "add server {key} to {service}, {destination}")
            }
            Self::EditDestination { service, key, destination, was } => {
                if destination.forwarding == was.forwarding {
                    let (now, was) = (destination.weight, was.weight);
                    write!(f, "set weight of {key} in {service} to {now} (was {was})")
                } else {
                    write!(f, "change server {key} in {service} to {destination}")
                }
            }
            Self::RemoveDestination { service, key, connections } => {
                write!(f, "remove server {key} from {service}")?;
                cut(f, *connections)
            }
            Self::StartDaemon(daemon) => write!(f, "start connection sync {daemon}"),
            Self::StopDaemon(daemon) => write!(f, "stop connection sync {daemon}"),
        }
    }
}

/// How many connections a removal cuts, if any.
fn cut(f: &mut fmt::Formatter<'_>, connections: u32) -> fmt::Result {
    match connections {
        0 => Ok(()),
        1 => f.write_str(" (cuts 1 connection)"),
        many => write!(f, " (cuts {many} connections)"),
    }
}
