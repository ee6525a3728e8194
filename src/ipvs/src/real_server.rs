//! Real servers, which the kernel calls destinations.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use crate::Stats;
use crate::constants as k;

/// What makes a real server itself within one virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealServerId {
    /// Its address.
    pub address: IpAddr,
    /// Its port; 0 leaves the port that the client asked for, as mark services need it.
    pub port: u16,
}

impl RealServerId {
    /// A real server at an address and port.
    pub fn new(address: impl Into<IpAddr>, port: u16) -> Self {
        Self { address: address.into(), port }
    }
}

impl From<SocketAddr> for RealServerId {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip(), port: address.port() }
    }
}

impl fmt::Display for RealServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// How packets reach a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardingMethod {
    /// Network address translation, which the kernel calls masquerading.
    Masquerade,
    /// Delivery on the director itself.
    LocalNode,
    /// The packet travels unchanged inside another one.
    Tunnel(Tunnel),
    /// The packet travels unchanged to the server's link address.
    DirectRoute,
    /// The packet goes past a transparent cache to its destination.
    Bypass,
}

/// What the packet travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation (Linux 5.2).
    Gue {
        /// The port at which the real server takes the tunnel's packets.
        port: NonZeroU16,
        /// Checksums.
        flags: TunnelFlags,
    },
    /// Generic routing encapsulation (Linux 5.3).
    Gre {
        /// Checksums.
        flags: TunnelFlags,
    },
}

bitflags::bitflags! {
    /// Checksums of a tunnel's outer header; with none set it carries none.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TunnelFlags: u16 {
        /// The outer header carries a checksum.
        const CHECKSUM = k::IP_VS_TUNNEL_ENCAP_FLAG_CSUM;
        /// Remote checksum offload (GUE).
        const REMOTE_CHECKSUM = k::IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM;
        const _ = !0;
    }
}

/// A real server of a virtual service.
///
/// ```
/// use ipvs::{ForwardingMethod, RealServer, RealServerId};
///
/// let server = RealServer::new(RealServerId::new([10, 0, 0, 11], 0), ForwardingMethod::Masquerade);
/// assert_eq!((server.weight, server.upper_threshold), (1, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RealServer {
    /// What tells it from the service's others.
    pub id: RealServerId,
    /// How packets reach it.
    pub method: ForwardingMethod,
    /// Its share of new connections; 0 gets none. At most `i32::MAX`.
    pub weight: u32,
    /// From this many connections on it gets no new ones; 0 is no bound.
    pub upper_threshold: u32,
    /// Below this many connections it gets new ones again; 0 is three quarters of the upper one.
    pub lower_threshold: u32,
}

impl RealServer {
    /// A real server of weight 1 without thresholds.
    pub fn new(id: impl Into<RealServerId>, method: ForwardingMethod) -> Self {
        Self { id: id.into(), method, weight: 1, upper_threshold: 0, lower_threshold: 0 }
    }
}

/// A real server as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealServerEntry {
    /// The real server.
    pub server: RealServer,
    /// Connections in an established state.
    pub active_connections: u32,
    /// All other connections.
    pub inactive_connections: u32,
    /// Clients that are bound to it by persistence.
    pub persistent_connections: u32,
    /// What went through it.
    pub stats: Stats,
}
