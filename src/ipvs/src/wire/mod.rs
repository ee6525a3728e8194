//! Bytes in, bytes out: netlink messages and the attributes of the IPVS family.
//!
//! No socket, no clock. [`encode`] turns a [`Request`](crate::Request) or a
//! question into a message; [`messages`] walks what a socket received, and the
//! `decode_*` functions read the payloads. They take any bytes without
//! panicking, and skip attributes that they do not know.
//!
//! ```text
//! message     length u32 | type u16 | flags u16 | sequence u32 | port id u32   (netlink)
//!             command u8 | version u8 | 0 u16                                  (generic netlink)
//!             attributes
//! attribute   length u16 (without padding) | type u16 | payload | padding to 4 bytes
//! ```
//!
//! Numbers are in the machine's byte order unless they come from a packet
//! (addresses, ports, IPv4 netmasks).

mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;
use std::time::Duration;

pub use decode::{
    decode_family_id, decode_info, decode_real_server, decode_service, decode_sync_daemon, decode_timeouts,
};
pub use encode::{Header, Question, encode, encode_fence, encode_question};
pub use walk::{Answer, Attributes, Message, Messages, attributes, messages};

use crate::Family;

/// Bytes of a netlink message's header.
const NLMSG_HDRLEN: usize = 16;
/// Bytes of a generic netlink header.
const GENL_HDRLEN: usize = 4;
/// Bytes of an attribute's header.
const NLA_HDRLEN: usize = 4;
/// Set in the type of an attribute that holds attributes.
const NLA_F_NESTED: u16 = 0x8000;
/// The part of an attribute's type that is its number.
const NLA_TYPE_MASK: u16 = 0x3fff;

/// Netlink's alignment of messages and attributes.
const fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// A value that the kernel's interface has no room for, or would misunderstand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// A timeout that is not whole seconds.
    NotWholeSeconds(Duration),
    /// A timeout that the kernel's ticks cannot count.
    TooLong {
        /// What was given.
        given: Duration,
        /// What fits.
        max: Duration,
    },
    /// A connection timeout of 0, which the kernel takes for "leave it as it is".
    ZeroTimeout,
    /// A prefix length that the family does not have.
    Prefix {
        /// What was given.
        given: u8,
        /// The service's family.
        family: Family,
    },
    /// A netmask for an IPv6 service, which takes a prefix length.
    MaskForIpv6,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWholeSeconds(given) => write!(f, "{given:?} is not whole seconds"),
            Self::TooLong { given, max } => {
                write!(f, "{} s is longer than the {} s that fit", given.as_secs(), max.as_secs())
            }
            Self::ZeroTimeout => f.write_str("0 s would leave the timeout as it is"),
            Self::Prefix { given, family } => write!(f, "{family} has no prefix of {given} bits"),
            Self::MaskForIpv6 => f.write_str("IPv6 takes a prefix length, not a mask"),
        }
    }
}

impl std::error::Error for ValueError {}

/// Bytes that are not what the interface says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A length that points past the end, or one too short for its own header.
    Truncated,
    /// An attribute of another size than its type has.
    Size {
        /// The kernel's number of the attribute.
        attribute: u16,
        /// Bytes that it has.
        length: usize,
    },
    /// An attribute that must be there is not.
    Missing {
        /// The kernel's number of the attribute.
        attribute: u16,
    },
    /// A value that this crate does not know.
    Unknown {
        /// The kernel's number of the attribute.
        attribute: u16,
        /// What it holds.
        value: u32,
    },
    /// A name that is none.
    Name {
        /// The kernel's number of the attribute.
        attribute: u16,
    },
    /// A refusal with a number that is none of the kernel's.
    ErrorNumber(i32),
    /// An answer to another command than was asked.
    Command {
        /// The command's number.
        command: u8,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message ends too early"),
            Self::Size { attribute, length } => write!(f, "attribute {attribute} has {length} bytes"),
            Self::Missing { attribute } => write!(f, "attribute {attribute} is missing"),
            Self::Unknown { attribute, value } => {
                write!(f, "attribute {attribute} has the unknown value {value}")
            }
            Self::Name { attribute } => write!(f, "attribute {attribute} is no name"),
            Self::ErrorNumber(number) => write!(f, "{number} is no error number"),
            Self::Command { command } => write!(f, "an answer to command {command} was not awaited"),
        }
    }
}

impl std::error::Error for DecodeError {}
