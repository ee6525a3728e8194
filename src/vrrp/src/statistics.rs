//! The counters of RFC 9568 implementations (RFC 6527 and RFC 8347) and every reason to refuse a packet.

use core::fmt;

use crate::wire::ParseError;

/// Why a received packet was refused. A refused packet changes nothing but its counter.
///
/// In the order in which the checks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Rejection {
    /// Source, destination or router are of different families.
    Family,
    /// Own source address: the packet came back.
    OwnSource,
    /// Source is unspecified, multicast, loopback or broadcast, or not link-local on IPv6 multicast.
    Source,
    /// Source is on no prefix of the interface.
    OffLink,
    /// Source is none of the unicast peers.
    UnknownPeer,
    /// Not sent to the multicast group, or to this router when peers are given.
    Destination,
    /// IP options or extension headers.
    IpOptions,
    /// TTL or hop limit out of bounds: 255, or what the peer has.
    Ttl,
    /// Cut short.
    Truncated,
    /// Other version than this router's.
    Version,
    /// No advertisement.
    PacketType,
    /// Longer than its header says.
    TrailingOctets,
    /// keepalived's HMAC trailer.
    AuthenticationTrailer,
    /// Wrong checksum in both forms.
    Checksum,
    /// Other VRID.
    Vrid,
    /// Version 2 with the IP authentication header.
    AuthenticationHeader,
    /// Password where none is configured, none where one is, or an unknown type.
    AuthenticationType,
    /// Wrong password.
    AuthenticationData,
    /// No address at all (RFC 9568 erratum 8299).
    NoAddresses,
    /// Other addresses, and the configuration refuses that.
    AddressList,
    /// Version 2: other interval than configured (RFC 3768 section 7.1).
    Interval,
}

impl Rejection {
    /// Every reason, in order.
    pub const ALL: [Rejection; 21] = [
        Rejection::Family,
        Rejection::OwnSource,
        Rejection::Source,
        Rejection::OffLink,
        Rejection::UnknownPeer,
        Rejection::Destination,
        Rejection::IpOptions,
        Rejection::Ttl,
        Rejection::Truncated,
        Rejection::Version,
        Rejection::PacketType,
        Rejection::TrailingOctets,
        Rejection::AuthenticationTrailer,
        Rejection::Checksum,
        Rejection::Vrid,
        Rejection::AuthenticationHeader,
        Rejection::AuthenticationType,
        Rejection::AuthenticationData,
        Rejection::NoAddresses,
        Rejection::AddressList,
        Rejection::Interval,
    ];

    /// A stable name for logs, JSON and D-Bus.
    pub const fn name(self) -> &'static str {
        match self {
            Rejection::Family => "family",
            Rejection::OwnSource => "own-source",
            Rejection::Source => "source",
            Rejection::OffLink => "off-link",
            Rejection::UnknownPeer => "unknown-peer",
            Rejection::Destination => "destination",
            Rejection::IpOptions => "ip-options",
            Rejection::Ttl => "ttl",
            Rejection::Truncated => "truncated",
            Rejection::Version => "version",
            Rejection::PacketType => "packet-type",
            Rejection::TrailingOctets => "trailing-octets",
            Rejection::AuthenticationTrailer => "authentication-trailer",
            Rejection::Checksum => "checksum",
            Rejection::Vrid => "vrid",
            Rejection::AuthenticationHeader => "authentication-header",
            Rejection::AuthenticationType => "authentication-type",
            Rejection::AuthenticationData => "authentication-data",
            Rejection::NoAddresses => "no-addresses",
            Rejection::AddressList => "address-list",
            Rejection::Interval => "interval",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<ParseError> for Rejection {
    fn from(error: ParseError) -> Rejection {
        match error {
            ParseError::Truncated => Rejection::Truncated,
            ParseError::Version => Rejection::Version,
            ParseError::Type => Rejection::PacketType,
            ParseError::TrailingOctets => Rejection::TrailingOctets,
            ParseError::AuthenticationTrailer => Rejection::AuthenticationTrailer,
            ParseError::Checksum => Rejection::Checksum,
            ParseError::Vrid => Rejection::Vrid,
            ParseError::AuthenticationHeader => Rejection::AuthenticationHeader,
            ParseError::AuthenticationType => Rejection::AuthenticationType,
        }
    }
}

/// Why the router last became Active (RFC 8347 `new-master-reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NewActiveReason {
    /// It has not been Active.
    #[default]
    NotActive,
    /// Owner of the addresses, or the Active router resigned.
    Priority,
    /// It preempted a lower priority.
    Preempted,
    /// The Active router fell silent.
    ActiveNoResponse,
}

/// What one router has counted since it was made. Counters wrap after 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Times that it became Active.
    pub active_transitions: u64,
    /// Why it last did.
    pub new_active_reason: NewActiveReason,
    /// Advertisements accepted.
    pub advertisements_received: u64,
    /// Advertisements told to send, one per [`crate::Output::Advertise`] whatever the number of peers.
    pub advertisements_sent: u64,
    /// Accepted ones with priority 0.
    pub priority_zero_received: u64,
    /// Sent ones with priority 0.
    pub priority_zero_sent: u64,
    /// Accepted ones with another interval than configured (version 3).
    pub interval_mismatches: u64,
    /// Accepted ones whose interval was out of bounds and was bounded.
    pub intervals_bounded: u64,
    /// Accepted ones with other addresses than configured.
    pub address_list_mismatches: u64,
    /// Accepted ones that another Active sent while this router stayed Active.
    pub conflicts: u64,
    /// Conflicts that were not answered at once, because too many were.
    pub answers_suppressed: u64,
    rejected: [u64; Rejection::ALL.len()],
}

impl Statistics {
    /// Packets refused for `reason`.
    pub fn rejected(&self, reason: Rejection) -> u64 {
        self.rejected.get(reason as usize).copied().unwrap_or(0)
    }

    /// Packets refused.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// RFC 8347 `packet-length-errors`.
    pub fn packet_length_errors(&self) -> u64 {
        self.rejected(Rejection::Truncated) + self.rejected(Rejection::TrailingOctets)
    }

    /// RFC 8347 `interval-errors`: mismatches, refused or not.
    pub fn interval_errors(&self) -> u64 {
        self.rejected(Rejection::Interval) + self.interval_mismatches
    }

    /// RFC 8347 `address-list-errors`: mismatches, refused or not.
    pub fn address_list_errors(&self) -> u64 {
        self.rejected(Rejection::AddressList) + self.address_list_mismatches
    }

    pub(crate) fn count_rejection(&mut self, reason: Rejection) {
        if let Some(count) = self.rejected.get_mut(reason as usize) {
            *count = count.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_name() {
        let mut statistics = Statistics::default();
        for (index, reason) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            statistics.count_rejection(reason);
            assert_eq!(statistics.rejected(reason), 1, "{reason}");
        }
        assert_eq!(statistics.rejected_total(), 21);
    }
}
