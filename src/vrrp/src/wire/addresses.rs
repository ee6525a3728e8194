//! The list of virtual addresses, borrowed from a packet or from its owner.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Family;

/// Virtual addresses of one family, in the octets and the order of the wire.
///
/// Borrowed either way, so that a router with 255 addresses costs this crate nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses<'a> {
    /// IPv4.
    V4(&'a [[u8; 4]]),
    /// IPv6; RFC 9568 section 5.2.9 wants a link-local address first.
    V6(&'a [[u8; 16]]),
}

impl<'a> Addresses<'a> {
    /// The whole addresses in `octets`; a rest that is no address is left out.
    pub(crate) fn from_octets(family: Family, octets: &'a [u8]) -> Addresses<'a> {
        match family {
            Family::Ipv4 => Addresses::V4(octets.as_chunks().0),
            Family::Ipv6 => Addresses::V6(octets.as_chunks().0),
        }
    }

    /// The addresses end to end, as on the wire.
    pub const fn octets(&self) -> &'a [u8] {
        match self {
            Addresses::V4(list) => list.as_flattened(),
            Addresses::V6(list) => list.as_flattened(),
        }
    }

    /// The family of all of them.
    pub const fn family(&self) -> Family {
        match self {
            Addresses::V4(_) => Family::Ipv4,
            Addresses::V6(_) => Family::Ipv6,
        }
    }

    /// How many.
    pub const fn len(&self) -> usize {
        match self {
            Addresses::V4(list) => list.len(),
            Addresses::V6(list) => list.len(),
        }
    }

    /// None at all.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address at `index`.
    pub fn get(&self, index: usize) -> Option<IpAddr> {
        match self {
            Addresses::V4(list) => list.get(index).map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))),
            Addresses::V6(list) => list.get(index).map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
        }
    }

    /// All addresses in order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let list = *self;
        (0..list.len()).filter_map(move |index| list.get(index))
    }

    /// What two lists of the same addresses have in common, in any order.
    pub fn fingerprint(&self) -> AddressFingerprint {
        let digest = match self {
            Addresses::V4(list) => list
                .iter()
                .map(|octets| mix(u64::from(u32::from_be_bytes(*octets))))
                .fold(0, u64::wrapping_add),
            Addresses::V6(list) => list
                .iter()
                .map(|octets| {
                    let (halves, _) = octets.as_chunks::<8>();
                    halves.iter().fold(0, |seed: u64, half| mix(seed.wrapping_add(u64::from_be_bytes(*half))))
                })
                .fold(0, u64::wrapping_add),
        };
        AddressFingerprint { family: self.family(), count: self.len(), digest }
    }
}

/// Identifies a set of addresses without holding them: 24 octets instead of up to 4080.
///
/// Two different sets are equal by chance once in 2^64. It is no defence against an attacker,
/// and need not be: whoever can forge an advertisement can copy the right list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressFingerprint {
    family: Family,
    count: usize,
    digest: u64,
}

impl AddressFingerprint {
    /// How many addresses the set has.
    pub const fn count(&self) -> usize {
        self.count
    }
}

/// The finaliser of SplitMix64: every input bit reaches every output bit.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_list_does_not_matter_and_its_content_does() {
        let a = Addresses::V4(&[[10, 0, 0, 1], [10, 0, 0, 2]]).fingerprint();
        let b = Addresses::V4(&[[10, 0, 0, 2], [10, 0, 0, 1]]).fingerprint();
        let c = Addresses::V4(&[[10, 0, 0, 1], [10, 0, 0, 3]]).fingerprint();
        let d = Addresses::V4(&[[10, 0, 0, 0], [10, 0, 0, 3]]).fingerprint();
        assert_eq!(a, b);
        assert_ne!(a, c);
        assert_ne!(a, d, "same sum of octets");
    }

    #[test]
    fn both_halves_of_an_ipv6_address_count() {
        let one = |high: u8, low: u8| {
            let mut octets = [0; 16];
            octets[0] = high;
            octets[15] = low;
            Addresses::V6(&[octets]).fingerprint()
        };
        assert_ne!(one(1, 0), one(0, 1));
        assert_ne!(one(1, 2), one(2, 1));
        assert_ne!(one(0xfe, 2), one(0xfe, 1));
    }
}
