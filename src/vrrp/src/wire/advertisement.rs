//! A whole advertisement: parsed from a payload, or emitted into a buffer.

use core::fmt;
use core::time::Duration;

use super::authentication::{self, Password};
use super::checksum::{self, ChecksumForm, ChecksumFound, Path};
use super::packet::TYPE_ADVERTISEMENT;
use super::{Addresses, Centiseconds, MAX_ADDRESSES, Packet, Seconds};
use crate::{Family, Priority, Version, Vrid};

/// What an advertisement says besides its addresses.
///
/// Small and comparable: a caller that keeps the encoded packet keeps the header beside it, and
/// encodes again only when [`crate::Output::Advertise`] brings another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Virtual router.
    pub vrid: Vrid,
    /// Priority; 0 resigns.
    pub priority: Priority,
    /// Version and what only that version has.
    pub protocol: Protocol,
}

/// The version of an advertisement with the fields that depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 3768.
    V2 {
        /// Advertisement interval.
        interval: Seconds,
        /// Simple password of RFC 2338, if there is one.
        password: Option<Password>,
    },
    /// RFC 9568.
    V3 {
        /// Max Advertise Interval.
        interval: Centiseconds,
    },
}

impl Protocol {
    /// 2 or 3.
    pub const fn version(&self) -> Version {
        match self {
            Protocol::V2 { .. } => Version::V2,
            Protocol::V3 { .. } => Version::V3,
        }
    }

    /// The interval that is advertised, 0 s to 255 s.
    pub const fn interval(&self) -> Duration {
        match self {
            Protocol::V2 { interval, .. } => interval.to_duration(),
            Protocol::V3 { interval } => interval.to_duration(),
        }
    }
}

/// An advertisement with its addresses, borrowed from the packet or from their owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertisement<'a> {
    /// All but the addresses.
    pub header: Header,
    /// Virtual addresses; none at all can be received (RFC 9568 erratum 8299), but not configured.
    pub addresses: Addresses<'a>,
}

impl<'a> Advertisement<'a> {
    /// Reads `payload`, what followed the IP header on `path`, to its end.
    ///
    /// Checked in the order of RFC 9568 section 7.1 as far as the packet alone can tell: version,
    /// type, length, checksum, VRID, authentication type.
    ///
    /// # Errors
    /// The first check that does not hold.
    pub fn parse(payload: &'a [u8], path: &Path) -> Result<(Advertisement<'a>, ChecksumFound), ParseError> {
        let packet = Packet::new_checked(payload).ok_or(ParseError::Truncated)?;
        let family = path.family();
        let version = packet.version().ok_or(ParseError::Version)?;
        if packet.packet_type() != TYPE_ADVERTISEMENT {
            return Err(ParseError::Type);
        }
        if (version, family) == (Version::V2, Family::Ipv6) {
            return Err(ParseError::Version);
        }
        let len = Packet::<&[u8]>::len_for(version, family, usize::from(packet.count()));
        let (message, rest) = payload.split_at_checked(len).ok_or(ParseError::Truncated)?;
        if authentication::is_trailer(rest) {
            return Err(ParseError::AuthenticationTrailer);
        }
        if !rest.is_empty() {
            return Err(ParseError::TrailingOctets);
        }
        let form = checksum::verify(message, path, version).ok_or(ParseError::Checksum)?;
        let vrid = Vrid::new(packet.vrid()).ok_or(ParseError::Vrid)?;
        let protocol = match version {
            Version::V2 => Protocol::V2 {
                interval: packet.advertisement_interval(),
                password: read_password(&packet, family)?,
            },
            Version::V3 => Protocol::V3 { interval: packet.max_advertise_interval() },
        };
        let header = Header { vrid, priority: Priority::new(packet.priority()), protocol };
        Ok((Advertisement { header, addresses: packet.addresses(family) }, form))
    }

    /// Octets that [`Advertisement::emit`] writes.
    pub fn encoded_len(&self) -> usize {
        Packet::<&[u8]>::len_for(
            self.header.protocol.version(),
            self.addresses.family(),
            self.addresses.len(),
        )
    }

    /// Writes the advertisement to the start of `buffer` and returns its length.
    ///
    /// Every octet of it is written, whatever the buffer held. The form of the checksum matters
    /// for IPv4 in version 3 only. On IPv6 Linux fills in the checksum of a raw socket when asked
    /// (`IPV6_CHECKSUM`, offset 6); what is written here is right all the same.
    ///
    /// # Errors
    /// When the buffer is too small, there are more than 255 addresses, or the families of
    /// `path`, addresses and version do not go together.
    pub fn emit(&self, path: &Path, form: ChecksumForm, buffer: &mut [u8]) -> Result<usize, EmitError> {
        let (version, family) = (self.header.protocol.version(), self.addresses.family());
        if path.family() != family || (version, family) == (Version::V2, Family::Ipv6) {
            return Err(EmitError::FamilyMismatch);
        }
        if self.addresses.len() > MAX_ADDRESSES {
            return Err(EmitError::TooManyAddresses { count: self.addresses.len() });
        }
        let len = self.encoded_len();
        let buffer = buffer.get_mut(..len).ok_or(EmitError::BufferTooSmall { needed: len })?;
        self.write(buffer);
        let checksum = checksum::compute(buffer, path, form.for_packet(version, family));
        Packet::new_unchecked(buffer).set_checksum(checksum);
        Ok(len)
    }

    fn write(&self, buffer: &mut [u8]) {
        let mut packet = Packet::new_unchecked(buffer);
        packet.set_version(self.header.protocol.version());
        packet.set_vrid(self.header.vrid.get());
        packet.set_priority(self.header.priority.get());
        packet.set_addresses(&self.addresses);
        match self.header.protocol {
            Protocol::V2 { interval, password } => {
                let (kind, data) =
                    password.map_or((0, [0; Password::LEN]), |password| (1, *password.octets()));
                packet.set_authentication_type(kind);
                packet.set_advertisement_interval(interval);
                packet.set_authentication_data(self.addresses.family(), &data);
            }
            Protocol::V3 { interval } => packet.set_max_advertise_interval(interval),
        }
        packet.set_checksum(0);
    }
}

fn read_password(packet: &Packet<&[u8]>, family: Family) -> Result<Option<Password>, ParseError> {
    match packet.authentication_type() {
        0 => Ok(None),
        1 => Ok(Some(Password::from_octets(packet.authentication_data(family)))),
        2 => Err(ParseError::AuthenticationHeader),
        _ => Err(ParseError::AuthenticationType),
    }
}

/// Why a payload is no advertisement that this crate takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParseError {
    /// Ends before the header, or before the addresses or password that the header promises.
    Truncated,
    /// Neither version 2 nor 3, or version 2 over IPv6.
    Version,
    /// Not type 1.
    Type,
    /// More octets than the header promises.
    TrailingOctets,
    /// Followed by keepalived's HMAC trailer, which is not supported.
    AuthenticationTrailer,
    /// The checksum is right in no form.
    Checksum,
    /// VRID 0.
    Vrid,
    /// Version 2 with the IP authentication header (type 2), which is not supported.
    AuthenticationHeader,
    /// Version 2 with an authentication type that does not exist.
    AuthenticationType,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseError::Truncated => "advertisement is cut short",
            ParseError::Version => "version is neither 2 over IPv4 nor 3",
            ParseError::Type => "packet is not an advertisement",
            ParseError::TrailingOctets => "octets follow the advertisement",
            ParseError::AuthenticationTrailer => "authentication trailer is not supported",
            ParseError::Checksum => "checksum is wrong",
            ParseError::Vrid => "virtual router 0 does not exist",
            ParseError::AuthenticationHeader => "authentication header is not supported",
            ParseError::AuthenticationType => "authentication type is unknown",
        })
    }
}

impl core::error::Error for ParseError {}

/// Why an advertisement cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmitError {
    /// The buffer is shorter than the advertisement.
    BufferTooSmall {
        /// Octets that it takes.
        needed: usize,
    },
    /// The count field holds 255 at most.
    TooManyAddresses {
        /// How many there are.
        count: usize,
    },
    /// IPv4 and IPv6 are mixed, or version 2 has IPv6 addresses.
    FamilyMismatch,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmitError::BufferTooSmall { needed } => write!(f, "advertisement takes {needed} octets"),
            EmitError::TooManyAddresses { count } => {
                write!(f, "{count} addresses, at most {MAX_ADDRESSES} fit")
            }
            EmitError::FamilyMismatch => f.write_str("address families do not go together"),
        }
    }
}

impl core::error::Error for EmitError {}
