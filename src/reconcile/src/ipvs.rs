//! The IPVS tables as plain values, and what a configuration wants in them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use mark21_config::{self as config, ServiceKind};

use crate::context::{Context, server_address};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Length of an address of this family in bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A transport protocol of a service by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// By what IPVS knows a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// By firewall mark; each family has its own.
    Mark {
        /// The family.
        family: Family,
        /// Not 0.
        mark: u32,
    },
    /// By protocol, address and port.
    Address {
        /// The protocol.
        protocol: Protocol,
        /// The virtual address.
        address: IpAddr,
        /// The virtual port.
        port: u16,
    },
}

impl ServiceKey {
    /// The family that the service serves.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Mark { family, .. } => *family,
            Self::Address { address, .. } => Family::of(address),
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark { family, mark } => write!(f, "mark {mark} {family}"),
            Self::Address { protocol, address, port } => {
                write!(f, "{protocol} {}", SocketAddr::new(*address, *port))
            }
        }
    }
}

/// How a virtual service balances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// The scheduler's kernel name.
    pub scheduler: String,
    /// Seconds that a client stays with its server; `None` is not persistent.
    pub persistence: Option<u32>,
    /// Clients with this many address bits in common stay together; always the whole address for
    /// Mark21.
    pub persistence_prefix: u8,
}

impl fmt::Display for ServiceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheduler)?;
        match self.persistence {
            Some(seconds) => write!(f, ", persistent {seconds} s"),
            None => Ok(()),
        }
    }
}

/// How packets reach a real server (`IP_VS_CONN_F_FWD_MASK`, linux/ip_vs.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardingMethod {
    /// NAT.
    Masquerade,
    /// To this box itself.
    Local,
    /// IP in IP.
    Tunnel,
    /// Direct routing.
    Direct,
    /// To the original destination.
    Bypass,
}

impl fmt::Display for ForwardingMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Masquerade => "nat",
            Self::Local => "local",
            Self::Tunnel => "tunnel",
            Self::Direct => "direct",
            Self::Bypass => "bypass",
        })
    }
}

/// By what IPVS knows a real server within its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey {
    /// The real server's address.
    pub address: IpAddr,
    /// Its port; 0 in a service by mark is the port that the client asked for.
    pub port: u16,
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => write!(f, "{}", self.address),
            port => write!(f, "{}", SocketAddr::new(self.address, port)),
        }
    }
}

/// A real server of a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// How packets reach it.
    pub forwarding: ForwardingMethod,
    /// 0 takes no new connections.
    pub weight: u32,
}

/// A virtual service with its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualService {
    /// How it balances.
    pub settings: ServiceSettings,
    /// Its real servers.
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

/// How long IPVS keeps an idle connection, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP.
    pub tcp: u32,
    /// TCP after a FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

/// Which side of the connection synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DaemonState {
    /// Tells.
    Master,
    /// Listens.
    Backup,
}

impl fmt::Display for DaemonState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// A connection synchronisation daemon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Daemon {
    /// Which side.
    pub state: DaemonState,
    /// The device it speaks on.
    pub device: String,
    /// The group of directors, 0-255.
    pub id: u8,
    /// The multicast group; decides the family.
    pub group: IpAddr,
}

/// The wanted IPVS tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipvs {
    /// `None` leaves the kernel's.
    pub timeouts: Option<Timeouts>,
    /// The virtual services.
    pub services: BTreeMap<ServiceKey, VirtualService>,
    /// At most one master and one backup.
    pub daemons: Vec<Daemon>,
}

/// The tables of a configuration.
pub(crate) fn tables(context: &Context<'_>) -> Ipvs {
    let mut tables = Ipvs { daemons: crate::sync::daemons(context), ..Ipvs::default() };
    if context.config.services.is_empty() {
        return tables;
    }
    let timeouts = &context.config.timeouts;
    tables.timeouts = Some(Timeouts {
        tcp: seconds(timeouts.tcp),
        tcp_fin: seconds(timeouts.tcp_fin),
        udp: seconds(timeouts.udp),
    });
    for (position, service) in context.config.services.iter().enumerate() {
        let servers = context.servers(position, service);
        for key in keys(service, &servers) {
            tables.services.insert(key, virtual_service(service, key, &servers));
        }
    }
    tables
}

/// A service by mark is one for each family that it has; one by address is one for each address.
fn keys(service: &config::Service, servers: &[(config::RealServer, u32)]) -> Vec<ServiceKey> {
    let by_address = |protocol, port| {
        let key = |address: &IpAddr| ServiceKey::Address { protocol, address: *address, port };
        service.addresses.iter().map(key).collect()
    };
    let by_mark = |mark, is_there: &dyn Fn(Family) -> bool| {
        let families = [Family::V4, Family::V6].into_iter().filter(|family| is_there(*family));
        families.map(|family| ServiceKey::Mark { family, mark }).collect()
    };
    match &service.kind {
        ServiceKind::Ftp(ftp) => {
            by_mark(ftp.mark, &|family| service.addresses.iter().any(|a| Family::of(a) == family))
        }
        ServiceKind::Mark { mark } => by_mark(*mark, &|family| {
            servers.iter().any(|(server, _)| server_address(server, family).is_some())
        }),
        ServiceKind::Tcp { port } => by_address(Protocol::Tcp, *port),
        ServiceKind::Udp { port } => by_address(Protocol::Udp, *port),
    }
}

fn virtual_service(
    service: &config::Service,
    key: ServiceKey,
    servers: &[(config::RealServer, u32)],
) -> VirtualService {
    let family = key.family();
    let forwarding = service.forwarding.into();
    let destinations = servers.iter().filter_map(|(server, weight)| {
        let address = server_address(server, family)?;
        // In a service by mark only port 0 keeps the port that the client asked for.
        let port = match key {
            ServiceKey::Mark { .. } => 0,
            ServiceKey::Address { port, .. } => server.port.unwrap_or(port),
        };
        Some((DestinationKey { address, port }, Destination { forwarding, weight: *weight }))
    });
    VirtualService {
        settings: ServiceSettings {
            scheduler: service.scheduler.name().to_owned(),
            persistence: service.persistence.map(seconds),
            persistence_prefix: family.bits(),
        },
        destinations: destinations.collect(),
    }
}

/// Whole seconds, as the kernel takes them; the configuration's bounds are far below the largest.
fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

impl From<config::Forwarding> for ForwardingMethod {
    fn from(forwarding: config::Forwarding) -> Self {
        match forwarding {
            config::Forwarding::Masquerade => Self::Masquerade,
            config::Forwarding::Direct => Self::Direct,
            config::Forwarding::Tunnel => Self::Tunnel,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, weight {}", self.forwarding, self.weight)
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}, id {}", self.state, self.device, self.id)
    }
}
