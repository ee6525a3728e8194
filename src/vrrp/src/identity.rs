//! What names a virtual router and ranks its candidates: VRID, priority, version, address family.

use core::fmt;
use core::net::IpAddr;
use core::num::NonZeroU8;

/// Virtual Router Identifier, 1..=255 (RFC 9568 section 5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// `None` for 0, which names no virtual router.
    pub const fn new(vrid: u8) -> Option<Vrid> {
        match NonZeroU8::new(vrid) {
            Some(vrid) => Some(Vrid(vrid)),
            None => None,
        }
    }

    /// The number, 1..=255.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Priority as it is advertised (RFC 9568 section 5.2.4): greater wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// The sender has stopped being Active.
    pub const RESIGNED: Priority = Priority(0);
    /// The least that a router can take part with.
    pub const LEAST: Priority = Priority(1);
    /// What RFC 9568 gives a router that owns no address and was told nothing else.
    pub const DEFAULT: Priority = Priority(100);
    /// The greatest that a router which does not own the addresses may have.
    pub const GREATEST: Priority = Priority(254);
    /// The router owns the virtual addresses.
    pub const OWNER: Priority = Priority(255);

    /// Any octet is a priority on the wire.
    pub const fn new(priority: u8) -> Priority {
        Priority(priority)
    }

    /// The number, 0..=255.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// 255.
    pub const fn is_owner(self) -> bool {
        self.0 == Priority::OWNER.0
    }

    /// 0: the sender has resigned.
    pub const fn is_resigned(self) -> bool {
        self.0 == Priority::RESIGNED.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Version of the protocol on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768: IPv4 only, intervals in whole seconds.
    V2,
    /// RFC 9568: IPv4 and IPv6, intervals in centiseconds.
    V3,
}

/// Address family of a virtual router. The IPv4 and the IPv6 router of one VRID are two routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family that `address` belongs to.
    pub const fn of(address: &IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// Octets of one address: 4 or 16.
    pub const fn address_len(self) -> usize {
        match self {
            Family::Ipv4 => 4,
            Family::Ipv6 => 16,
        }
    }
}
