//! Links, addresses and routes as plain values.

use std::fmt;
use std::net::IpAddr;

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
