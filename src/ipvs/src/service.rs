//! Virtual services: how the kernel tells them apart and what they hold.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::constants as k;
use crate::{PersistenceEngine, RealServerEntry, Scheduler, Stats, ValueError};

/// The family of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// A protocol number of IP. IPVS balances TCP, UDP and SCTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// SCTP.
    pub const SCTP: Self = Self(132);
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self::SCTP => f.write_str("sctp"),
            Self(number) => write!(f, "protocol {number}"),
        }
    }
}

/// What makes a virtual service itself: no two with the same one exist in a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceId {
    /// All packets that carry a firewall mark, of any protocol, address and port.
    ///
    /// A mark may have one service for each family. It cannot be 0: the
    /// kernel would take that for a TCP service on address and port 0.
    Mark {
        /// The family of the marked packets.
        family: Family,
        /// The firewall mark.
        mark: NonZeroU32,
    },
    /// Packets to one address and port.
    Address {
        /// Protocol above IP.
        protocol: Protocol,
        /// The virtual address.
        address: IpAddr,
        /// The port; 0 is every port that has no service of its own, and takes persistence.
        port: u16,
    },
}

impl ServiceId {
    /// A TCP service.
    pub fn tcp(address: impl Into<IpAddr>, port: u16) -> Self {
        Self::Address { protocol: Protocol::TCP, address: address.into(), port }
    }

    /// A UDP service.
    pub fn udp(address: impl Into<IpAddr>, port: u16) -> Self {
        Self::Address { protocol: Protocol::UDP, address: address.into(), port }
    }

    /// The family of the service's clients.
    pub fn family(&self) -> Family {
        match *self {
            Self::Mark { family, .. } => family,
            Self::Address { address, .. } => address.into(),
        }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Mark { family, mark } => write!(f, "mark {mark} ({family})"),
            Self::Address { protocol, address, port } => {
                write!(f, "{protocol} {}", SocketAddr::new(address, port))
            }
        }
    }
}

bitflags::bitflags! {
    /// Flags of a virtual service.
    ///
    /// Two of the kernel's flags are missing on purpose: "persistent" is
    /// [`VirtualService::persistence`], and "hashed" is the kernel's own
    /// business. Bits that this crate does not know are kept as they are.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Flags: u32 {
        /// Each packet is scheduled by itself (UDP only).
        const ONE_PACKET = k::IP_VS_SVC_F_ONEPACKET;
        /// First flag of the scheduler. `sh` and `mh`: take another server when the chosen one is unavailable.
        const SCHEDULER_1 = k::IP_VS_SVC_F_SCHED1;
        /// Second flag of the scheduler. `sh` and `mh`: hash the source port as well.
        const SCHEDULER_2 = k::IP_VS_SVC_F_SCHED2;
        /// Third flag of the scheduler.
        const SCHEDULER_3 = k::IP_VS_SVC_F_SCHED3;
        const _ = !(k::IP_VS_SVC_F_PERSISTENT | k::IP_VS_SVC_F_HASHED);
    }
}

/// How long a client stays with its real server, and who counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Persistence {
    /// Time after a client's last connection ended in which it is sent to the same real server.
    ///
    /// Whole seconds, at most [`Persistence::MAX_TIMEOUT`].
    pub timeout: Duration,
    /// Clients that are taken for one.
    pub granularity: Granularity,
}

impl Persistence {
    /// The longest timeout, 49 days and 17 hours.
    ///
    /// The kernel multiplies seconds by its tick rate in 32 bits and lets the
    /// product wrap; this is what fits at 1000 ticks a second, the highest rate there is.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(4_294_967);

    /// Every client address by itself.
    pub fn per_client(timeout: Duration) -> Self {
        Self { timeout, granularity: Granularity::Client }
    }
}

/// Clients that a persistent service takes for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// Each address is a client: a prefix of 32 or 128 bits.
    #[default]
    Client,
    /// All addresses that share this many leading bits: 0 to 31 for IPv4, 1 to 127 for IPv6.
    Prefix(u8),
    /// IPv4 only, a mask with holes. Other masks read as [`Granularity::Prefix`].
    Mask(Ipv4Addr),
}

impl Granularity {
    /// All addresses that share this many leading bits, in the form in which the kernel's answer is read.
    ///
    /// ```
    /// use ipvs::{Family, Granularity};
    ///
    /// assert_eq!(Granularity::from_prefix(Family::Ipv4, 24), Ok(Granularity::Prefix(24)));
    /// assert_eq!(Granularity::from_prefix(Family::Ipv6, 128), Ok(Granularity::Client));
    /// assert!(Granularity::from_prefix(Family::Ipv4, 64).is_err());
    /// ```
    ///
    /// # Errors
    /// When the family has no such prefix. IPv6 has none of 0 bits here: the kernel refuses it.
    pub fn from_prefix(family: Family, bits: u8) -> Result<Self, ValueError> {
        match (family, bits) {
            (Family::Ipv4, 32) | (Family::Ipv6, 128) => Ok(Self::Client),
            (Family::Ipv4, 0..32) | (Family::Ipv6, 1..128) => Ok(Self::Prefix(bits)),
            (family, given) => Err(ValueError::Prefix { given, family }),
        }
    }

    /// An IPv4 netmask, in the form in which the kernel's answer is read.
    pub fn from_mask(mask: Ipv4Addr) -> Self {
        let bits = mask.to_bits();
        match (bits.leading_ones(), bits.count_ones()) {
            (32, _) => Self::Client,
            (leading, all) if leading == all => Self::Prefix(u8::try_from(all).unwrap_or(u8::MAX)),
            _ => Self::Mask(mask),
        }
    }
}

/// A virtual service: what clients connect to.
///
/// ```
/// use std::time::Duration;
/// use ipvs::{Family, Persistence, Scheduler, ServiceId, VirtualService};
///
/// let web = VirtualService::new(ServiceId::tcp([192, 0, 2, 10], 80), Scheduler::WLC);
/// let mark = "21".parse().expect("not 0");
/// let ftp = VirtualService {
///     persistence: Some(Persistence::per_client(Duration::from_secs(600))),
///     ..VirtualService::new(ServiceId::Mark { family: Family::Ipv4, mark }, Scheduler::WLC)
/// };
/// assert_eq!(web.id.to_string(), "tcp 192.0.2.10:80");
/// assert_eq!(ftp.id.to_string(), "mark 21 (IPv4)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VirtualService {
    /// What tells it from others.
    pub id: ServiceId,
    /// What chooses the real server for a new connection.
    pub scheduler: Scheduler,
    /// Further settings.
    pub flags: Flags,
    /// Whether clients stay with their real server, and how long.
    pub persistence: Option<Persistence>,
    /// What finds a client's identity in its packets, in place of its address.
    ///
    /// Setting a service without an engine takes away the one it had.
    pub persistence_engine: Option<PersistenceEngine>,
}

impl VirtualService {
    /// A service without flags and without persistence.
    pub fn new(id: ServiceId, scheduler: Scheduler) -> Self {
        Self { id, scheduler, flags: Flags::empty(), persistence: None, persistence_engine: None }
    }
}

/// A virtual service as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// The service.
    pub service: VirtualService,
    /// What went through it.
    pub stats: Stats,
}

/// A virtual service with its real servers, as the kernel reports them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// The service.
    pub service: VirtualService,
    /// What went through it.
    pub stats: Stats,
    /// Its real servers, latest added first.
    pub real_servers: Vec<RealServerEntry>,
}
