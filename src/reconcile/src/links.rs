//! Links, addresses and routes as plain values.

use std::fmt;
use std::net::IpAddr;

use mark21_config::{self as config, Interface};

use crate::context::Context;

/// `IFA_PROTO` of the static addresses of a configuration.
pub const ADDRESS_PROTOCOL_STATIC: u8 = 21;
/// `IFA_PROTO` of the virtual addresses that vrrpd moves. Never touched from here.
pub const ADDRESS_PROTOCOL_VRRP: u8 = 112;
/// `rtm_protocol` of the routes of a configuration. Routes with another one are not ours.
pub const ROUTE_PROTOCOL: u8 = 21;
/// `IFLA_GROUP` of links that were made from a configuration, so that they can be told from others.
pub const CREATED_LINK_GROUP: u32 = 21;

/// Modes of the bonding driver (linux/if_bonding.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BondMode {
    /// `BOND_MODE_ACTIVEBACKUP`
    ActiveBackup,
    /// `BOND_MODE_8023AD`
    Ieee8023ad,
}

/// What a link is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A port of the machine, or anything else that Mark21 does not make.
    Port,
    /// IEEE 802.1Q.
    Vlan {
        /// The device below.
        parent: String,
        /// 1-4094.
        id: u16,
    },
    /// Several ports as one.
    Bond {
        /// How they share the work.
        mode: BondMode,
        /// The ports' devices.
        ports: Vec<String>,
    },
}

/// A wanted link; always up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's name.
    pub device: String,
    /// What the configuration calls it.
    pub interface: String,
    /// What it is made of.
    pub kind: LinkKind,
    /// Bytes; `None` leaves the device's own.
    pub mtu: Option<u32>,
}

/// An address on a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The device.
    pub device: String,
    /// The address.
    pub address: IpAddr,
    /// Length of the link's prefix in bits.
    pub prefix_len: u8,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} on {}", self.address, self.prefix_len, self.device)
    }
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// To a gateway; the device is named where the gateway is link-local.
    Gateway(IpAddr, Option<String>),
    /// Onto a link.
    Device(String),
    /// Nowhere.
    Blackhole,
}

/// A route of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The destination network's address.
    pub to: IpAddr,
    /// Its prefix length in bits.
    pub prefix_len: u8,
    /// Where it leads.
    pub via: NextHop,
    /// Preferred source address.
    pub source: Option<IpAddr>,
    /// Lower wins. The kernel's own default (0 for IPv4, 1024 for IPv6) is written out.
    pub metric: u32,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.prefix_len, &self.to) {
            (0, IpAddr::V4(_)) => f.write_str("default")?,
            (0, IpAddr::V6(_)) => f.write_str("default (IPv6)")?,
            (len, to) => write!(f, "{to}/{len}")?,
        }
        match &self.via {
            NextHop::Gateway(gateway, Some(device)) => write!(f, " via {gateway} on {device}")?,
            NextHop::Gateway(gateway, None) => write!(f, " via {gateway}")?,
            NextHop::Device(device) => write!(f, " on {device}")?,
            NextHop::Blackhole => f.write_str(" to nowhere")?,
        }
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        Ok(())
    }
}

/// The links of a configuration, each after what it stands on.
pub(crate) fn links(context: &Context<'_>) -> Vec<Link> {
    let interfaces = context.config.indexed_interfaces();
    let mut links: Vec<Link> = interfaces
        .filter_map(|(index, interface)| {
            Some(Link {
                device: context.device(index)?.to_owned(),
                interface: interface.name.to_string(),
                kind: kind(context, interface)?,
                mtu: interface.mtu.map(u32::from),
            })
        })
        .collect();
    links.sort_by_key(|link| match link.kind {
        LinkKind::Port => 0,
        LinkKind::Bond { .. } => 1,
        LinkKind::Vlan { .. } => 2,
    });
    links
}

fn kind(context: &Context<'_>, interface: &Interface) -> Option<LinkKind> {
    Some(match &interface.link {
        config::Link::Device(_) | config::Link::Mac(_) | config::Link::Pci(_) => LinkKind::Port,
        config::Link::Vlan { parent, id } => {
            LinkKind::Vlan { parent: context.device(*parent)?.to_owned(), id: *id }
        }
        config::Link::Bond { mode, devices } => {
            let is_there = |device: &&config::Device| {
                context.machine.ports.iter().any(|port| port.device == device.as_str())
            };
            LinkKind::Bond {
                mode: match mode {
                    config::BondMode::Ieee8023ad => BondMode::Ieee8023ad,
                    config::BondMode::ActiveBackup => BondMode::ActiveBackup,
                },
                ports: devices.iter().filter(is_there).map(|device| device.to_string()).collect(),
            }
        }
    })
}

/// The static addresses of a configuration.
pub(crate) fn addresses(context: &Context<'_>) -> Vec<Address> {
    let of_interface = |(index, interface): (config::InterfaceIndex, &Interface)| {
        let device = context.device(index).map(str::to_owned);
        let addresses = interface.addresses.to_vec();
        device.into_iter().flat_map(move |device| {
            let with_device = move |address: &config::LinkAddress| Address {
                device: device.clone(),
                address: address.address,
                prefix_len: address.prefix_len,
            };
            addresses.iter().map(with_device).collect::<Vec<_>>()
        })
    };
    context.config.indexed_interfaces().flat_map(of_interface).collect()
}

/// The routes of a configuration; one over a missing port is left out.
pub(crate) fn routes(context: &Context<'_>) -> Vec<Route> {
    let device = |index| context.device(index).map(str::to_owned);
    let route = |route: &config::Route| {
        let via = match route.via {
            config::NextHop::Gateway(gateway, None) => NextHop::Gateway(gateway, None),
            config::NextHop::Gateway(gateway, Some(index)) => NextHop::Gateway(gateway, Some(device(index)?)),
            config::NextHop::Interface(index) => NextHop::Device(device(index)?),
            config::NextHop::Blackhole => NextHop::Blackhole,
        };
        // IP6_RT_PRIO_USER (net/ip6_route.h); for IPv4 the default is 0.
        let default_metric = if route.to.address.is_ipv4() { 0 } else { 1024 };
        Some(Route {
            to: route.to.address,
            prefix_len: route.to.prefix_len,
            via,
            source: route.source,
            metric: route.metric.unwrap_or(default_metric),
        })
    };
    context.config.routes.iter().filter_map(route).collect()
}
