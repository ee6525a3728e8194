//! What makes a packet acceptable: RFC 9568 section 7.1, RFC 3768 section 7.1, and what they leave out.
//!
//! In goes a packet with the socket's facts, out comes what the states need of it, or one
//! [`Rejection`]. Nothing is remembered before all checks hold.

use core::net::IpAddr;
use core::time::Duration;

use super::Router;
use crate::config::{AddressListPolicy, CheckedTransport, TtlBounds, is_host};
use crate::identity::{Family, Priority};
use crate::input::Received;
use crate::output::{Notice, Output, Outputs};
use crate::statistics::Rejection;
use crate::wire::{Advertisement, ChecksumFound, Path, Protocol};

/// An accepted advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) source: IpAddr,
    pub(super) priority: Priority,
    /// Already within the configured bounds.
    pub(super) interval: Duration,
}

impl Router {
    /// Checks `received`; counts and learns only when it is accepted.
    pub(super) fn examine(&mut self, received: &Received<'_>, out: &mut Outputs) -> Result<Heard, Rejection> {
        let path = self.check_envelope(received)?;
        let (advertisement, checksum) = Advertisement::parse(received.payload, &path)?;
        self.check_content(&advertisement)?;
        let is_same_list = advertisement.addresses.fingerprint() == self.config.addresses;
        if !is_same_list && self.config.address_list == AddressListPolicy::Refuse {
            return Err(Rejection::AddressList);
        }

        let statistics = &mut self.statistics;
        statistics.advertisements_received = statistics.advertisements_received.wrapping_add(1);
        if let ChecksumFound::Form(form) = checksum {
            self.peer_checksum = Some(form);
        }
        if !is_same_list {
            statistics.address_list_mismatches = statistics.address_list_mismatches.wrapping_add(1);
            out.push(Output::Notice(Notice::AddressListMismatch { source: received.source }));
        }
        let priority = advertisement.header.priority;
        if priority.is_resigned() {
            statistics.priority_zero_received = statistics.priority_zero_received.wrapping_add(1);
        }
        let interval = self.bound_interval(advertisement.header.protocol.interval(), received.source, out);
        Ok(Heard { source: received.source, priority, interval })
    }

    pub(super) fn reject(&mut self, rejection: Rejection, out: &mut Outputs) {
        self.statistics.count_rejection(rejection);
        out.push(Output::Rejected(rejection));
    }

    /// The IP header and the interface.
    fn check_envelope(&self, received: &Received<'_>) -> Result<Path, Rejection> {
        let path = Path::new(received.source, received.destination).ok_or(Rejection::Family)?;
        if path.family() != self.config.family() {
            return Err(Rejection::Family);
        }
        if received.source == self.config.primary_address {
            return Err(Rejection::OwnSource);
        }
        let ttl = match &self.config.transport {
            CheckedTransport::Multicast { group } => {
                check_multicast_source(received)?;
                if received.destination != *group {
                    return Err(Rejection::Destination);
                }
                TtlBounds::ON_LINK
            }
            CheckedTransport::Unicast { peers } => {
                let is_sender = |peer: &&crate::Peer| peer.address == received.source;
                let peer = peers.iter().find(is_sender).ok_or(Rejection::UnknownPeer)?;
                if received.destination != self.config.primary_address {
                    return Err(Rejection::Destination);
                }
                peer.ttl
            }
        };
        if received.has_options {
            return Err(Rejection::IpOptions);
        }
        if !ttl.contains(received.ttl) {
            return Err(Rejection::Ttl);
        }
        Ok(path)
    }

    /// The advertisement against the configuration.
    fn check_content(&self, advertisement: &Advertisement<'_>) -> Result<(), Rejection> {
        let header = &advertisement.header;
        if header.protocol.version() != self.config.protocol.version() {
            return Err(Rejection::Version);
        }
        if header.vrid != self.config.vrid {
            return Err(Rejection::Vrid);
        }
        match (&self.config.protocol, &header.protocol) {
            (
                Protocol::V2 { interval: own, password: expected },
                Protocol::V2 { interval: theirs, password: given },
            ) => {
                match (expected, given) {
                    (None, None) => {}
                    (Some(expected), Some(given)) if expected == given => {}
                    (Some(_), Some(_)) => return Err(Rejection::AuthenticationData),
                    (Some(_), None) | (None, Some(_)) => return Err(Rejection::AuthenticationType),
                }
                if own != theirs {
                    return Err(Rejection::Interval);
                }
            }
            (Protocol::V3 { .. }, Protocol::V3 { .. }) => {}
            (Protocol::V2 { .. }, Protocol::V3 { .. }) | (Protocol::V3 { .. }, Protocol::V2 { .. }) => {
                return Err(Rejection::Version);
            }
        }
        if advertisement.addresses.is_empty() {
            return Err(Rejection::NoAddresses);
        }
        Ok(())
    }

    fn bound_interval(&mut self, interval: Duration, source: IpAddr, out: &mut Outputs) -> Duration {
        if interval == self.config.protocol.interval() {
            return interval;
        }
        let (least, greatest) = self.config.interval_bounds;
        let bounded = interval.clamp(least, greatest);
        self.statistics.interval_mismatches = self.statistics.interval_mismatches.wrapping_add(1);
        if bounded != interval {
            self.statistics.intervals_bounded = self.statistics.intervals_bounded.wrapping_add(1);
            out.push(Output::Notice(Notice::IntervalBounded { source }));
        }
        bounded
    }
}

fn check_multicast_source(received: &Received<'_>) -> Result<(), Rejection> {
    let is_right = match received.source {
        IpAddr::V4(_) => is_host(&received.source),
        IpAddr::V6(source) => source.is_unicast_link_local(),
    };
    if !is_right {
        return Err(Rejection::Source);
    }
    if !received.is_on_link && Family::of(&received.source) == Family::Ipv4 {
        return Err(Rejection::OffLink);
    }
    Ok(())
}
