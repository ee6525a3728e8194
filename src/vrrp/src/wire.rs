//! Advertisements on the wire: RFC 9568 section 5.2 and RFC 3768 section 5.3.
//!
//! [`Packet`] reads and writes the fields of a buffer; [`Advertisement`] is the whole, checked
//! thing, parsed from a payload or emitted into a buffer. In goes what follows the IP header;
//! out comes a value or one [`ParseError`]. Nothing here knows states, timers or policy.

mod addresses;
mod advertisement;
mod authentication;
mod checksum;
mod packet;
mod units;

pub use addresses::{AddressFingerprint, Addresses};
pub use advertisement::{Advertisement, EmitError, Header, ParseError, Protocol};
pub use authentication::{Password, PasswordTooLong, authentication_header_payload};
pub use checksum::{ChecksumForm, ChecksumFound, Path};
pub use packet::Packet;
pub use units::{Centiseconds, Seconds};

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Family, Version, Vrid};

/// IP protocol number of VRRP.
pub const IP_PROTOCOL: u8 = 112;
/// IP protocol number of the authentication header that VRRPv2 once used.
pub const IP_PROTOCOL_AH: u8 = 51;
/// TTL and hop limit that a router on the link must send (RFC 9568 sections 5.1.1.3, 5.1.2.3).
pub const TTL: u8 = 255;
/// 224.0.0.18.
pub const MULTICAST_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// ff02::12.
pub const MULTICAST_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// Addresses that the count field can name.
pub const MAX_ADDRESSES: usize = 255;
/// Octets of the largest advertisement: a header and 255 IPv6 addresses.
pub const MAX_LEN: usize = Packet::<&[u8]>::HEADER_LEN + MAX_ADDRESSES * 16;

/// The multicast group of RFC 9568 for a family.
pub const fn multicast_group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(MULTICAST_V4),
        Family::Ipv6 => IpAddr::V6(MULTICAST_V6),
    }
}

/// The virtual router MAC address, 00-00-5E-00-01-{VRID} or 00-00-5E-00-02-{VRID}
/// (RFC 9568 section 7.3).
pub const fn virtual_mac(family: Family, vrid: Vrid) -> [u8; 6] {
    let family = match family {
        Family::Ipv4 => 1,
        Family::Ipv6 => 2,
    };
    [0x00, 0x00, 0x5e, 0x00, family, vrid.get()]
}

/// The VRID of a payload that may be anything, to find the router that [`crate::Router::handle`]
/// is called on; the version is `None` when it is neither 2 nor 3.
///
/// Nothing is checked. `None` when the payload ends before the VRID or the VRID is 0.
pub fn peek(payload: &[u8]) -> Option<(Option<Version>, Vrid)> {
    let packet = Packet::new_unchecked(payload);
    if payload.len() < 2 {
        return None;
    }
    Some((packet.version(), Vrid::new(packet.vrid())?))
}
