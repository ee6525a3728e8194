//! What can be wrong with a configuration, said so that the operator can mend it.

use core::fmt;

use super::{MAX_DELAY, MAX_PEERS};
use crate::Version;
use crate::wire::{self, Password};

/// Which value of [`crate::Parameters`] is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigError {
    /// `vrid` is 0.
    VridZero,
    /// `priority` is 0.
    PriorityZero,
    /// `interval` is zero or the version cannot say it.
    Interval {
        /// The version.
        version: Version,
    },
    /// `interval_bounds` are out of 10 ms to 40.95 s or the wrong way round.
    IntervalBounds,
    /// Version 2 with IPv6.
    VersionFamily,
    /// `primary_address` is no host's, or not link-local for IPv6 multicast.
    PrimaryAddress,
    /// `addresses` is empty.
    NoAddresses,
    /// `addresses` has more than 255.
    TooManyAddresses {
        /// How many.
        count: usize,
    },
    /// `addresses` are of another family than `primary_address`.
    AddressFamily,
    /// An address is no host's.
    Address {
        /// Its place, from 0.
        index: usize,
    },
    /// An address is listed twice.
    DuplicateAddress {
        /// The second place, from 0.
        index: usize,
    },
    /// The group is no multicast address of the family.
    MulticastGroup,
    /// Unicast without peers.
    NoPeers,
    /// More than [`MAX_PEERS`].
    TooManyPeers {
        /// How many.
        count: usize,
    },
    /// A peer is no host of the family.
    Peer {
        /// Its place, from 0.
        index: usize,
    },
    /// A password with version 3, which has none.
    PasswordVersion,
    /// A password of more than 8 octets.
    PasswordTooLong {
        /// Octets given.
        len: usize,
    },
    /// A delay of more than an hour.
    DelayTooLong,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::VridZero => f.write_str("virtual router 0 does not exist, 1 to 255 do"),
            ConfigError::PriorityZero => {
                f.write_str("priority 0 means resignation, 1 to 255 can be configured")
            }
            ConfigError::Interval { version: Version::V2 } => {
                f.write_str("version 2 takes an interval of 1 s to 255 s in whole seconds")
            }
            ConfigError::Interval { version: Version::V3 } => {
                f.write_str("version 3 takes an interval of 10 ms to 40.95 s in steps of 10 ms")
            }
            ConfigError::IntervalBounds => {
                f.write_str("interval bounds are two durations of 10 ms to 40.95 s, the lesser first")
            }
            ConfigError::VersionFamily => f.write_str("version 2 has no IPv6"),
            ConfigError::PrimaryAddress => {
                f.write_str("primary address is no unicast address, or not link-local for IPv6 multicast")
            }
            ConfigError::NoAddresses => f.write_str("no virtual address"),
            ConfigError::TooManyAddresses { count } => {
                write!(f, "{count} virtual addresses, at most {} fit", wire::MAX_ADDRESSES)
            }
            ConfigError::AddressFamily => {
                f.write_str("virtual addresses are of another family than the primary one")
            }
            ConfigError::Address { index } => {
                write!(f, "virtual address {} is no unicast address", index + 1)
            }
            ConfigError::DuplicateAddress { index } => {
                write!(f, "virtual address {} is listed before", index + 1)
            }
            ConfigError::MulticastGroup => {
                f.write_str("group is no multicast address of the router's family")
            }
            ConfigError::NoPeers => f.write_str("unicast without a peer"),
            ConfigError::TooManyPeers { count } => write!(f, "{count} peers, at most {MAX_PEERS} fit"),
            ConfigError::Peer { index } => {
                write!(f, "peer {} is no unicast address of the router's family", index + 1)
            }
            ConfigError::PasswordVersion => f.write_str("version 3 has no password"),
            ConfigError::PasswordTooLong { len } => {
                write!(f, "password of {len} octets, at most {} fit", Password::LEN)
            }
            ConfigError::DelayTooLong => write!(f, "delay of more than {} s", MAX_DELAY.as_secs()),
        }
    }
}

impl core::error::Error for ConfigError {}
