//! What a virtual router is told, checked once: a [`Config`] cannot hold a bad value.

mod error;

use core::net::IpAddr;
use core::time::Duration;

use heapless::Vec;

use crate::wire::{
    self, AddressFingerprint, Addresses, Centiseconds, ChecksumForm, Header, Password, Protocol, Seconds,
};
use crate::{Family, Priority, Version, Vrid};

pub use error::ConfigError;

/// Unicast peers of one router. RFC 9568 has none; keepalived's users have one or two.
/// 16 keep a router below a kilobyte.
pub const MAX_PEERS: usize = 16;

/// The longest delay that can be configured: more is a mistake of units.
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(3600);

/// The values of one virtual router before they are checked. [`Parameters::new`] has RFC 9568's
/// defaults, except that preemption is off.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    /// 1..=255.
    pub vrid: u8,
    /// Version on the wire.
    pub version: Version,
    /// 1..=255; 255 owns the addresses.
    pub priority: u8,
    /// Version 3: 10 ms to 40.95 s in steps of 10 ms. Version 2: 1 s to 255 s in whole seconds.
    pub interval: Duration,
    /// Least and greatest interval believed of another router (version 3), each 10 ms to 40.95 s.
    /// `None`: a quarter of `interval` to four times as much.
    pub interval_bounds: Option<(Duration, Duration)>,
    /// Source of this router's advertisements, and what breaks ties. IPv6: link-local, unless unicast.
    pub primary_address: IpAddr,
    /// Virtual addresses, 1..=255. The router keeps their fingerprint only.
    pub addresses: Addresses<'a>,
    /// Multicast, or unicast to peers.
    pub transport: Transport<'a>,
    /// Version 2 only: simple password, at most 8 octets.
    pub password: Option<&'a [u8]>,
    /// Whether a lower priority that is Active is driven out.
    pub preemption: Preemption,
    /// After start-up, how much longer than usual silence must last before the router takes over.
    pub startup_delay: Duration,
    /// The same after the link came up: carrier is not forwarding (STP, LACP).
    pub link_up_delay: Duration,
    /// Which checksum IPv4 advertisements of version 3 carry.
    pub checksum: ChecksumPolicy,
    /// What happens when another router advertises other addresses.
    pub address_list: AddressListPolicy,
    /// Whether a [`crate::Group`] decides on takeovers.
    pub grouping: Grouping,
}

impl<'a> Parameters<'a> {
    /// Version 3, priority 100, one second, multicast, no preemption, alone.
    pub const fn new(vrid: u8, primary_address: IpAddr, addresses: Addresses<'a>) -> Parameters<'a> {
        Parameters {
            vrid,
            version: Version::V3,
            priority: Priority::DEFAULT.get(),
            interval: Duration::from_secs(1),
            interval_bounds: None,
            primary_address,
            addresses,
            transport: Transport::Multicast { group: wire::multicast_group(addresses.family()) },
            password: None,
            preemption: Preemption::Off,
            startup_delay: Duration::ZERO,
            link_up_delay: Duration::ZERO,
            checksum: ChecksumPolicy::FollowPeer,
            address_list: AddressListPolicy::Count,
            grouping: Grouping::Alone,
        }
    }
}

/// How advertisements travel.
#[derive(Debug, Clone, Copy)]
pub enum Transport<'a> {
    /// To a group on the link, [`wire::multicast_group`] unless the site uses another.
    Multicast {
        /// The group.
        group: IpAddr,
    },
    /// To each of these, at most [`MAX_PEERS`]. The RFC knows no such thing; keepalived does.
    Unicast {
        /// The other routers.
        peers: &'a [Peer],
    },
}

/// Another router that is reached by unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Source of its advertisements.
    pub address: IpAddr,
    /// TTL or hop limit with which they must arrive.
    pub ttl: TtlBounds,
}

/// Least and greatest TTL or hop limit, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TtlBounds {
    least: u8,
    greatest: u8,
}

impl TtlBounds {
    /// 255 only: the peer is on the link.
    pub const ON_LINK: TtlBounds = TtlBounds { least: wire::TTL, greatest: wire::TTL };
    /// keepalived sends IPv6 unicast with hop limit 64; 64 and more takes it from the same link.
    pub const KEEPALIVED_IPV6: TtlBounds = TtlBounds { least: 64, greatest: 255 };

    /// `None` when `least` is above `greatest`.
    pub const fn new(least: u8, greatest: u8) -> Option<TtlBounds> {
        if least <= greatest { Some(TtlBounds { least, greatest }) } else { None }
    }

    /// Whether a packet that arrived with `ttl` is within.
    pub const fn contains(&self, ttl: u8) -> bool {
        self.least <= ttl && ttl <= self.greatest
    }
}

/// Whether a router takes the role from a lower priority. An owner (255) always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preemption {
    /// Never: a box that comes back does not take sessions that it does not know.
    Off,
    /// RFC 9568's default.
    On {
        /// How long the lower priority is obeyed first, from when it is heard.
        delay: Duration,
    },
}

/// Which checksum is sent in IPv4 advertisements of version 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumPolicy {
    /// RFC 9568's until an advertisement was accepted, then the form that it had.
    FollowPeer,
    /// Always this one.
    Always(ChecksumForm),
}

/// What is done about an advertisement with other addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressListPolicy {
    /// Accept it, count it, say so.
    Count,
    /// Refuse it. Two routers that differ are then both Active.
    Refuse,
}

/// Whether the router may take over by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// It may.
    Alone,
    /// It says [`crate::Membership::Waiting`] and takes over when the [`crate::Group`] commands it.
    Grouped,
}

/// Checked [`Parameters`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub(crate) vrid: Vrid,
    pub(crate) protocol: Protocol,
    pub(crate) priority: Priority,
    pub(crate) interval_bounds: (Duration, Duration),
    pub(crate) primary_address: IpAddr,
    pub(crate) addresses: AddressFingerprint,
    pub(crate) transport: CheckedTransport,
    pub(crate) preemption: Preemption,
    pub(crate) startup_delay: Duration,
    pub(crate) link_up_delay: Duration,
    pub(crate) checksum: ChecksumPolicy,
    pub(crate) address_list: AddressListPolicy,
    pub(crate) grouping: Grouping,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the peers on")]
pub(crate) enum CheckedTransport {
    Multicast { group: IpAddr },
    Unicast { peers: Vec<Peer, MAX_PEERS> },
}

impl Config {
    /// Checks `parameters`.
    ///
    /// # Errors
    /// The first value that is out of its range or does not go with the others.
    pub fn new(parameters: &Parameters<'_>) -> Result<Config, ConfigError> {
        let family = Family::of(&parameters.primary_address);
        let protocol = check_protocol(parameters, family)?;
        check_addresses(&parameters.addresses, family)?;
        let delays =
            [parameters.startup_delay, parameters.link_up_delay, preempt_delay(parameters.preemption)];
        if delays.into_iter().any(|delay| delay > MAX_DELAY) {
            return Err(ConfigError::DelayTooLong);
        }
        Ok(Config {
            vrid: Vrid::new(parameters.vrid).ok_or(ConfigError::VridZero)?,
            protocol,
            priority: check_priority(parameters.priority)?,
            interval_bounds: check_interval_bounds(parameters)?,
            primary_address: check_primary_address(parameters)?,
            addresses: parameters.addresses.fingerprint(),
            transport: check_transport(&parameters.transport, family)?,
            preemption: parameters.preemption,
            startup_delay: parameters.startup_delay,
            link_up_delay: parameters.link_up_delay,
            checksum: parameters.checksum,
            address_list: parameters.address_list,
            grouping: parameters.grouping,
        })
    }

    /// The virtual router.
    pub const fn vrid(&self) -> Vrid {
        self.vrid
    }

    /// Its address family.
    pub const fn family(&self) -> Family {
        Family::of(&self.primary_address)
    }

    /// Version, interval and password.
    pub const fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Configured priority, before tracking.
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Source of the advertisements.
    pub const fn primary_address(&self) -> IpAddr {
        self.primary_address
    }

    /// The unicast peers; none when it is multicast.
    pub fn peers(&self) -> &[Peer] {
        match &self.transport {
            CheckedTransport::Multicast { .. } => &[],
            CheckedTransport::Unicast { peers } => peers,
        }
    }

    /// The multicast group; `None` when there are peers.
    pub const fn group(&self) -> Option<IpAddr> {
        match &self.transport {
            CheckedTransport::Multicast { group } => Some(*group),
            CheckedTransport::Unicast { .. } => None,
        }
    }

    pub(crate) const fn header(&self, priority: Priority) -> Header {
        Header { vrid: self.vrid, priority, protocol: self.protocol }
    }
}

fn check_protocol(parameters: &Parameters<'_>, family: Family) -> Result<Protocol, ConfigError> {
    let interval = parameters.interval;
    if interval.is_zero() {
        return Err(ConfigError::Interval { version: parameters.version });
    }
    match (parameters.version, family, parameters.password) {
        (Version::V2, Family::Ipv6, _) => Err(ConfigError::VersionFamily),
        (Version::V2, Family::Ipv4, password) => Ok(Protocol::V2 {
            interval: Seconds::from_duration(interval)
                .ok_or(ConfigError::Interval { version: Version::V2 })?,
            password: password
                .map(Password::new)
                .transpose()
                .map_err(|error| ConfigError::PasswordTooLong { len: error.len })?,
        }),
        (Version::V3, Family::Ipv4 | Family::Ipv6, Some(_)) => Err(ConfigError::PasswordVersion),
        (Version::V3, Family::Ipv4 | Family::Ipv6, None) => Ok(Protocol::V3 {
            interval: Centiseconds::from_duration(interval)
                .ok_or(ConfigError::Interval { version: Version::V3 })?,
        }),
    }
}

fn check_priority(priority: u8) -> Result<Priority, ConfigError> {
    let priority = Priority::new(priority);
    if priority.is_resigned() { Err(ConfigError::PriorityZero) } else { Ok(priority) }
}

fn check_addresses(addresses: &Addresses<'_>, family: Family) -> Result<(), ConfigError> {
    if addresses.is_empty() {
        return Err(ConfigError::NoAddresses);
    }
    if addresses.len() > wire::MAX_ADDRESSES {
        return Err(ConfigError::TooManyAddresses { count: addresses.len() });
    }
    if addresses.family() != family {
        return Err(ConfigError::AddressFamily);
    }
    for (index, address) in addresses.iter().enumerate() {
        if !is_host(&address) {
            return Err(ConfigError::Address { index });
        }
        if addresses.iter().take(index).any(|earlier| earlier == address) {
            return Err(ConfigError::DuplicateAddress { index });
        }
    }
    Ok(())
}

fn check_interval_bounds(parameters: &Parameters<'_>) -> Result<(Duration, Duration), ConfigError> {
    const LEAST: Duration = Duration::from_millis(10);
    let greatest = Centiseconds::MAX.to_duration();
    let Some((low, high)) = parameters.interval_bounds else {
        let interval = parameters.interval;
        return Ok(((interval / 4).max(LEAST), interval.saturating_mul(4).min(greatest)));
    };
    if low < LEAST || high > greatest || low > high {
        return Err(ConfigError::IntervalBounds);
    }
    Ok((low, high))
}

fn check_primary_address(parameters: &Parameters<'_>) -> Result<IpAddr, ConfigError> {
    let address = parameters.primary_address;
    let is_right = match (&address, &parameters.transport) {
        (IpAddr::V6(address), Transport::Multicast { .. }) => address.is_unicast_link_local(),
        (IpAddr::V6(_), Transport::Unicast { .. }) | (IpAddr::V4(_), _) => is_host(&address),
    };
    if is_right { Ok(address) } else { Err(ConfigError::PrimaryAddress) }
}

fn check_transport(transport: &Transport<'_>, family: Family) -> Result<CheckedTransport, ConfigError> {
    match transport {
        Transport::Multicast { group } if group.is_multicast() && Family::of(group) == family => {
            Ok(CheckedTransport::Multicast { group: *group })
        }
        Transport::Multicast { .. } => Err(ConfigError::MulticastGroup),
        Transport::Unicast { peers: [] } => Err(ConfigError::NoPeers),
        Transport::Unicast { peers } => {
            let is_wrong = |peer: &Peer| Family::of(&peer.address) != family || !is_host(&peer.address);
            if let Some(index) = peers.iter().position(is_wrong) {
                return Err(ConfigError::Peer { index });
            }
            let peers =
                Vec::from_slice(peers).map_err(|_| ConfigError::TooManyPeers { count: peers.len() })?;
            Ok(CheckedTransport::Unicast { peers })
        }
    }
}

const fn preempt_delay(preemption: Preemption) -> Duration {
    match preemption {
        Preemption::Off => Duration::ZERO,
        Preemption::On { delay } => delay,
    }
}

/// An address that one host can have on a link.
pub(crate) fn is_host(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() || v4.is_loopback())
        }
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast() || v6.is_loopback()),
    }
}

#[cfg(test)]
mod tests;
