//! The text forms of single values: how the file spells an address, a range, a duration.
//!
//! [`Form`] reads one of them; `Display` writes it back so that it reads as the same value.
//! Nothing here knows of fields or places.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;
use core::time::Duration;

use heapless::{String, Vec};

use crate::limits;
use crate::model::{Device, FlowProtocol, LinkAddress, Name, PortRange, Prefix};

mod ssh_key;

/// A value that the file spells as text.
pub trait Form: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// [`FormError`] says what is wrong with the text.
    fn read(text: &str) -> Result<Self, FormError>;
}

/// Why a text is not the value that it should spell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// Nothing between the quotes.
    Empty,
    /// More bytes than fit.
    TooLong {
        /// As given.
        bytes: usize,
        /// As many fit.
        limit: usize,
    },
    /// A character that does not belong there.
    Character(char),
    /// None of the words of a list.
    UnknownWord,
    /// Neither an IPv4 nor an IPv6 address.
    Address,
    /// An address that no machine can have as its own.
    Unusable,
    /// No `/` and length behind the address.
    NoPrefixLength,
    /// A length that the family does not have.
    PrefixLength {
        /// The longest of the family.
        longest: u8,
    },
    /// Bits set behind the prefix.
    HostBits {
        /// What was meant, presumably.
        network: Prefix,
    },
    /// No port number.
    Port,
    /// The first port is above the last.
    BackwardRange,
    /// Not a protocol with ports.
    Protocol,
    /// Not a number with a unit.
    Duration,
    /// Not six octets.
    Mac,
    /// A group or all-zero address.
    MacGroup,
    /// Not a PCI address.
    Pci,
    /// Not a hash of SHA-256 or SHA-512 crypt.
    Password,
    /// Not a public key, with what is wrong with it.
    SshKey(&'static str),
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong { bytes, limit } => write!(f, "it has {bytes} bytes, at most {limit} fit"),
            Self::Character(character) => write!(f, "the character {character:?} is not allowed in it"),
            Self::UnknownWord => f.write_str("no such word is known here"),
            Self::Address => f.write_str("it is neither an IPv4 nor an IPv6 address"),
            Self::Unusable => f.write_str("no single machine can have this address"),
            Self::NoPrefixLength => f.write_str("the prefix length is missing"),
            Self::PrefixLength { longest } => write!(f, "the prefix length goes from 0 to {longest}"),
            Self::HostBits { network } => {
                write!(f, "bits are set behind the prefix, the network is {network}")
            }
            Self::Port => f.write_str("a port is a number from 1 to 65535"),
            Self::BackwardRange => f.write_str("the first port is above the last"),
            Self::Protocol => f.write_str("it is neither tcp/PORTS, udp/PORTS nor icmp"),
            Self::Duration => f.write_str("a duration is a whole number and a unit: ms, s, m or h"),
            Self::Mac => f.write_str("a MAC address is six octets of two hexadecimal digits"),
            Self::MacGroup => f.write_str("it is not the address of a single port"),
            Self::Pci => f.write_str("a PCI address is domain:bus:device.function in hexadecimal"),
            Self::Password => f.write_str("it is no hash of SHA-256 or SHA-512 crypt"),
            Self::SshKey(why) => write!(f, "it is no public ssh key: {why}"),
        }
    }
}

impl core::error::Error for FormError {}

fn bounded<const N: usize>(text: &str, allowed: impl Fn(char) -> bool) -> Result<String<N>, FormError> {
    if text.is_empty() {
        return Err(FormError::Empty);
    }
    if let Some(character) = text.chars().find(|character| !allowed(*character)) {
        return Err(FormError::Character(character));
    }
    String::try_from(text).map_err(|_| FormError::TooLong { bytes: text.len(), limit: N })
}

impl Form for Name {
    fn read(text: &str) -> Result<Self, FormError> {
        bounded(text, |character| character.is_ascii_alphanumeric() || "-_.".contains(character))
    }
}

impl Form for Device {
    /// As `dev_valid_name` (net/core/dev.c), less the characters that need quoting in nft.
    fn read(text: &str) -> Result<Self, FormError> {
        let device: Self =
            bounded(text, |character| character.is_ascii_alphanumeric() || "-_.@".contains(character))?;
        if device == "." || device == ".." { Err(FormError::Character('.')) } else { Ok(device) }
    }
}

impl Form for String<{ limits::HOSTNAME_BYTES }> {
    fn read(text: &str) -> Result<Self, FormError> {
        if text.starts_with('-') || text.ends_with('-') {
            return Err(FormError::Character('-'));
        }
        bounded(text, |character| character.is_ascii_alphanumeric() || character == '-')
    }
}

/// A PCI address, `0000:01:00.0`.
impl Form for String<12> {
    fn read(text: &str) -> Result<Self, FormError> {
        const SHAPE: &[u8; 12] = b"xxxx:xx:xx.x";
        let fits = text.len() == SHAPE.len()
            && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
                b'x' => byte.is_ascii_hexdigit(),
                literal => byte == *literal,
            });
        if !fits {
            return Err(FormError::Pci);
        }
        let mut address = bounded::<12>(text, |_| true)?;
        address.make_ascii_lowercase();
        Ok(address)
    }
}

/// A hash of SHA-256 or SHA-512 crypt: `$6$SALT$HASH` or `$6$rounds=N$SALT$HASH` (crypt(5)).
impl Form for String<{ limits::PASSWORD_BYTES }> {
    fn read(text: &str) -> Result<Self, FormError> {
        let is_base64 = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/')
        };
        let (method, rest) = match (text.strip_prefix("$5$"), text.strip_prefix("$6$")) {
            (Some(rest), _) => (43, rest),
            (_, Some(rest)) => (86, rest),
            (None, None) => return Err(FormError::Password),
        };
        let rest = match rest.strip_prefix("rounds=").and_then(|rest| rest.split_once('$')) {
            Some((rounds, rest)) => {
                let rounds: u32 = rounds.parse().map_err(|_| FormError::Password)?;
                let fits = (1000..=limits::PASSWORD_ROUNDS).contains(&rounds);
                if fits { rest } else { return Err(FormError::Password) }
            }
            None => rest,
        };
        let (salt, hash) = rest.split_once('$').ok_or(FormError::Password)?;
        let fits = matches!(salt.len(), 1..=16) && hash.len() == method;
        if fits && is_base64(salt) && is_base64(hash) {
            bounded(text, |_| true)
        } else {
            Err(FormError::Password)
        }
    }
}

/// A MAC address; `:` or `-` between the octets.
impl Form for [u8; 6] {
    fn read(text: &str) -> Result<Self, FormError> {
        let mut octets: Vec<u8, 6> = Vec::new();
        for part in text.split([':', '-']) {
            if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(FormError::Mac);
            }
            let octet = u8::from_str_radix(part, 16).map_err(|_| FormError::Mac)?;
            octets.push(octet).map_err(|_| FormError::Mac)?;
        }
        let mac = octets.into_array::<6>().map_err(|_| FormError::Mac)?;
        if mac[0] & 1 == 1 || mac == [0; 6] { Err(FormError::MacGroup) } else { Ok(mac) }
    }
}

/// An address that one machine can have: no group, no broadcast, not unspecified.
impl Form for IpAddr {
    fn read(text: &str) -> Result<Self, FormError> {
        let address = IpAddr::from_str(text).map_err(|_| FormError::Address)?;
        let unusable = match address {
            IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] == 0,
            // An IPv4-mapped address would be one host under two names (RFC 4291 section 2.5.5.2).
            IpAddr::V6(v6) => v6.is_unspecified() || v6.to_ipv4_mapped().is_some(),
        };
        if unusable || address.is_multicast() || address.is_loopback() {
            Err(FormError::Unusable)
        } else {
            Ok(address)
        }
    }
}

fn split_prefix(text: &str) -> Result<(&str, &str), FormError> {
    text.split_once('/').ok_or_else(|| {
        if IpAddr::from_str(text).is_ok() { FormError::NoPrefixLength } else { FormError::Address }
    })
}

fn prefix_len(text: &str, address: IpAddr) -> Result<u8, FormError> {
    let longest = longest_prefix(address);
    let error = FormError::PrefixLength { longest };
    if text.is_empty() || text.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Err(error);
    }
    text.parse().ok().filter(|length| *length <= longest).ok_or(error)
}

const fn longest_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl Form for LinkAddress {
    fn read(text: &str) -> Result<Self, FormError> {
        let (address, length) = split_prefix(text)?;
        let address = IpAddr::read(address)?;
        Ok(Self { address, prefix_len: prefix_len(length, address)? })
    }
}

impl Form for Prefix {
    fn read(text: &str) -> Result<Self, FormError> {
        let (address, length) = split_prefix(text)?;
        let address = IpAddr::from_str(address).map_err(|_| FormError::Address)?;
        let network = LinkAddress { address, prefix_len: prefix_len(length, address)? }.network();
        if network.address == address { Ok(network) } else { Err(FormError::HostBits { network }) }
    }
}

fn port(text: &str) -> Result<u16, FormError> {
    if text.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Err(FormError::Port);
    }
    text.parse().ok().filter(|port| *port != 0).ok_or(FormError::Port)
}

impl Form for PortRange {
    /// `10000-20000`, or one port.
    fn read(text: &str) -> Result<Self, FormError> {
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(text)?, port(text)?),
        };
        if first <= last { Ok(Self { first, last }) } else { Err(FormError::BackwardRange) }
    }
}

impl Form for FlowProtocol {
    fn read(text: &str) -> Result<Self, FormError> {
        match text.split_once('/') {
            Some(("tcp", ports)) => PortRange::read(ports).map(Self::Tcp),
            Some(("udp", ports)) => PortRange::read(ports).map(Self::Udp),
            None if text == "icmp" => Ok(Self::Ping),
            _ => Err(FormError::Protocol),
        }
    }
}

impl Form for Duration {
    fn read(text: &str) -> Result<Self, FormError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| FormError::Duration)?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(FormError::Duration),
        };
        number.checked_mul(milliseconds).map(Self::from_millis).ok_or(FormError::Duration)
    }
}

/// A duration as the file spells it: the largest unit that leaves no rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelled(pub Duration);

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if self.0.subsec_nanos() != 0 {
            write!(f, "{}ms", self.0.as_millis())
        } else if seconds != 0 && seconds.is_multiple_of(3600) {
            write!(f, "{}h", seconds / 3600)
        } else if seconds != 0 && seconds.is_multiple_of(60) {
            write!(f, "{}m", seconds / 60)
        } else {
            write!(f, "{seconds}s")
        }
    }
}

impl LinkAddress {
    /// The network that the address is in.
    #[must_use]
    pub fn network(&self) -> Prefix {
        let address = match self.address {
            IpAddr::V4(v4) => {
                let rest = 32 - u32::from(self.prefix_len.min(32));
                let bits = v4.to_bits().checked_shr(rest).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(bits.checked_shl(rest).unwrap_or(0)))
            }
            IpAddr::V6(v6) => {
                let rest = 128 - u32::from(self.prefix_len.min(128));
                let bits = v6.to_bits().checked_shr(rest).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(bits.checked_shl(rest).unwrap_or(0)))
            }
        };
        Prefix { address, prefix_len: self.prefix_len }
    }
}

impl Prefix {
    /// `0.0.0.0/0` or `::/0`, by the family of `address`.
    #[must_use]
    pub const fn default_of(address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { address, prefix_len: 0 }
    }

    /// Whether `address` is in the network. Never true across families.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && LinkAddress { address, prefix_len: self.prefix_len }.network().address == self.address
    }
}

impl PortRange {
    /// Whether `port` is in the range.
    #[must_use]
    pub const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// Whether one port is in both ranges.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl fmt::Display for FlowProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(ports) => write!(f, "tcp/{ports}"),
            Self::Udp(ports) => write!(f, "udp/{ports}"),
            Self::Ping => f.write_str("icmp"),
        }
    }
}

#[cfg(test)]
mod tests;
