//! The fields of an advertisement in a buffer, one getter and one setter each.
//!
//! ```text
//!  version 3   0 version|type  1 vrid  2 priority  3 count  4..6 reserved|interval   6..8 checksum  8.. addresses
//!  version 2   0 version|type  1 vrid  2 priority  3 count  4 auth type  5 interval  6..8 checksum  8.. addresses, password
//! ```

use super::authentication::Password;
use super::{Addresses, Centiseconds, Seconds};
use crate::{Family, Version};

/// A buffer seen as an advertisement. Getters of a buffer that is too short read zeros, setters
/// do nothing: [`super::Advertisement`] is what checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<T> {
    buffer: T,
}

/// The only type that there is (RFC 9568 section 5.2.2).
pub(crate) const TYPE_ADVERTISEMENT: u8 = 1;

impl<T> Packet<T> {
    /// Octets before the addresses.
    pub const HEADER_LEN: usize = 8;

    /// Wraps any buffer.
    pub const fn new_unchecked(buffer: T) -> Packet<T> {
        Packet { buffer }
    }

    /// Octets of a whole advertisement.
    pub const fn len_for(version: Version, family: Family, count: usize) -> usize {
        let password = match version {
            Version::V2 => Password::LEN,
            Version::V3 => 0,
        };
        Packet::<T>::HEADER_LEN + count * family.address_len() + password
    }
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps a buffer that holds at least the eight octets of the header; `None` otherwise.
    pub fn new_checked(buffer: T) -> Option<Packet<T>> {
        (buffer.as_ref().len() >= Packet::<T>::HEADER_LEN).then_some(Packet { buffer })
    }

    /// `None` when the number is neither 2 nor 3.
    pub fn version(&self) -> Option<Version> {
        match self.octet(0) >> 4 {
            2 => Some(Version::V2),
            3 => Some(Version::V3),
            _ => None,
        }
    }

    /// 1 is an advertisement.
    pub fn packet_type(&self) -> u8 {
        self.octet(0) & 0x0f
    }

    /// 0 names no router.
    pub fn vrid(&self) -> u8 {
        self.octet(1)
    }

    /// 0..=255.
    pub fn priority(&self) -> u8 {
        self.octet(2)
    }

    /// Number of addresses.
    pub fn count(&self) -> u8 {
        self.octet(3)
    }

    /// Version 3 only. Reserved bits are left out.
    pub fn max_advertise_interval(&self) -> Centiseconds {
        Centiseconds::from_field(self.word(4))
    }

    /// Version 2 only.
    pub fn authentication_type(&self) -> u8 {
        self.octet(4)
    }

    /// Version 2 only.
    pub fn advertisement_interval(&self) -> Seconds {
        Seconds::new(self.octet(5))
    }

    /// The checksum as sent.
    pub fn checksum(&self) -> u16 {
        self.word(6)
    }

    /// Version 2 only: the eight octets after the addresses of `family`.
    pub fn authentication_data(&self, family: Family) -> [u8; Password::LEN] {
        let start = self.addresses_end(family);
        self.buffer.as_ref().get(start..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default()
    }

    fn addresses_end(&self, family: Family) -> usize {
        Packet::<T>::HEADER_LEN + usize::from(self.count()) * family.address_len()
    }

    fn octet(&self, at: usize) -> u8 {
        self.buffer.as_ref().get(at).copied().unwrap_or(0)
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.octet(at), self.octet(at + 1)])
    }
}

impl<'a> Packet<&'a [u8]> {
    /// The addresses, read as `family`: as many as the count says and the buffer holds.
    pub fn addresses(&self, family: Family) -> Addresses<'a> {
        let end = self.addresses_end(family).min(self.buffer.len());
        Addresses::from_octets(family, self.buffer.get(Packet::<&[u8]>::HEADER_LEN..end).unwrap_or_default())
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Version, and type 1.
    pub fn set_version(&mut self, version: Version) {
        let version = match version {
            Version::V2 => 2,
            Version::V3 => 3,
        };
        self.put(0, &[version << 4 | TYPE_ADVERTISEMENT]);
    }

    /// Virtual router.
    pub fn set_vrid(&mut self, vrid: u8) {
        self.put(1, &[vrid]);
    }

    /// Priority.
    pub fn set_priority(&mut self, priority: u8) {
        self.put(2, &[priority]);
    }

    /// Version 3 only; clears the reserved bits.
    pub fn set_max_advertise_interval(&mut self, interval: Centiseconds) {
        self.put(4, &interval.to_field().to_be_bytes());
    }

    /// Version 2 only.
    pub fn set_authentication_type(&mut self, kind: u8) {
        self.put(4, &[kind]);
    }

    /// Version 2 only.
    pub fn set_advertisement_interval(&mut self, interval: Seconds) {
        self.put(5, &[interval.get()]);
    }

    /// Checksum.
    pub fn set_checksum(&mut self, checksum: u16) {
        self.put(6, &checksum.to_be_bytes());
    }

    /// Count and addresses. More than 255 are cut; [`super::Advertisement::emit`] refuses them.
    pub fn set_addresses(&mut self, addresses: &Addresses<'_>) {
        let count = u8::try_from(addresses.len()).unwrap_or(u8::MAX);
        let octets = addresses.octets();
        let len = usize::from(count) * addresses.family().address_len();
        self.put(3, &[count]);
        self.put(Packet::<T>::HEADER_LEN, octets.get(..len).unwrap_or_default());
    }

    /// Version 2 only: the eight octets after the addresses that were set.
    pub fn set_authentication_data(&mut self, family: Family, data: &[u8; Password::LEN]) {
        let start = self.addresses_end(family);
        self.put(start, data);
    }

    fn put(&mut self, at: usize, octets: &[u8]) {
        if let Some(place) = self.buffer.as_mut().get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    }
}
