//! Gratuitous ARP and unsolicited neighbour advertisements as Ethernet frames.
//!
//! The core says which addresses are due and how many may go; here they become frames.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use vrrp::TokenBucket;

use crate::settings::Global;
use crate::sys::batch::{self, Outgoing, Sent};
use crate::sys::socket::{self, Destination};

/// An address where it is to be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) interface: u32,
    /// `None` where there is nothing to announce.
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) address: IpAddr,
}

/// The packet socket, and how fast each interface may be told.
pub(crate) struct Announcements {
    fd: OwnedFd,
    buckets: BTreeMap<u32, TokenBucket>,
    burst: u32,
    period: Duration,
    frames: Vec<(u32, Frame)>,
}

impl Announcements {
    pub(crate) fn new() -> io::Result<Announcements> {
        // Protocol 0: nothing is received.
        let fd = socket::open(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        socket::prefer(&fd)?;
        Ok(Announcements {
            fd,
            buckets: BTreeMap::new(),
            burst: 1,
            period: Duration::ZERO,
            frames: Vec::new(),
        })
    }

    /// For advertisements.
    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.fd
    }

    /// Takes rate and burst.
    pub(crate) fn configure(&mut self, global: &Global) {
        let period = Duration::from_secs(1) / global.announce_rate.max(1);
        if (self.burst, self.period) != (global.announce_burst, period) {
            (self.burst, self.period) = (global.announce_burst, period);
            self.buckets.clear();
        }
    }

    /// The bound on an interface.
    pub(crate) fn bucket(&mut self, interface: u32) -> &mut TokenBucket {
        let (burst, period) = (self.burst, self.period);
        self.buckets.entry(interface).or_insert_with(|| TokenBucket::new(burst, period))
    }

    /// Adds the frames of one address.
    pub(crate) fn push(&mut self, placed: &Placed) {
        let Some(mac) = placed.mac else { return };
        match placed.address {
            // Some neighbours listen to one form only, some to the other.
            IpAddr::V4(address) => {
                for operation in [ARP_REQUEST, ARP_REPLY] {
                    self.frames.push((placed.interface, arp(mac, address, operation)));
                }
            }
            IpAddr::V6(address) => {
                self.frames.push((placed.interface, neighbour_advertisement(mac, address)));
            }
        }
    }

    /// Sends what was pushed.
    pub(crate) fn flush(&mut self) -> Sent {
        if self.frames.is_empty() {
            return Sent::default();
        }
        let packets = self.frames.iter().map(|(interface, frame)| Outgoing {
            octets: frame.octets(),
            destination: Destination::link(*interface),
            source: None,
        });
        let sent = batch::send(&self.fd, packets);
        self.frames.clear();
        sent
    }
}

const ARP_REQUEST: u8 = 1;
const ARP_REPLY: u8 = 2;
/// Octets of Ethernet header and ARP.
const ARP_FRAME: usize = 42;
/// Octets of Ethernet header, IPv6 header, neighbour advertisement and link-layer option.
const NA_FRAME: usize = 14 + 40 + 24 + 8;

struct Frame {
    octets: [u8; NA_FRAME],
    len: usize,
}

impl Frame {
    fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

/// RFC 5227 section 3 and RFC 9568 section 7.3: sender and target are the address; broadcast.
fn arp(mac: [u8; 6], address: Ipv4Addr, operation: u8) -> Frame {
    let mut writer = FrameWriter::new();
    writer.put(&[0xff; 6]);
    writer.put(&mac);
    writer.put(&[0x08, 0x06]);
    // Ethernet, IPv4, lengths 6 and 4.
    writer.put(&[0, 1, 8, 0, 6, 4, 0, operation]);
    writer.put(&mac);
    writer.put(&address.octets());
    writer.put(if operation == ARP_REQUEST { &[0; 6] } else { &mac });
    writer.put(&address.octets());
    debug_assert_eq!(writer.frame.len, ARP_FRAME);
    writer.frame
}

/// RFC 4861 section 7.2.6: to all nodes, Router and Override set, Solicited clear.
fn neighbour_advertisement(mac: [u8; 6], address: Ipv6Addr) -> Frame {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mut message = [0; 32];
    message[0] = 136;
    message[4] = 0xa0;
    message[8..24].copy_from_slice(&address.octets());
    // Target link-layer address, one unit of 8 octets.
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..32].copy_from_slice(&mac);
    let checksum = icmpv6_checksum(address, ALL_NODES, &message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut writer = FrameWriter::new();
    writer.put(&[0x33, 0x33, 0, 0, 0, 1]);
    writer.put(&mac);
    writer.put(&[0x86, 0xdd]);
    writer.put(&[0x60, 0, 0, 0, 0, 32, 58, 255]);
    writer.put(&address.octets());
    writer.put(&ALL_NODES.octets());
    writer.put(&message);
    writer.frame
}

fn icmpv6_checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8; 32]) -> u16 {
    let words = |octets: &[u8]| -> u32 {
        octets.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum()
    };
    // 32 octets, next header 58.
    let mut sum = words(&source.octets()) + words(&destination.octets()) + words(message) + 32 + 58;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

struct FrameWriter {
    frame: Frame,
}

impl FrameWriter {
    const fn new() -> FrameWriter {
        FrameWriter { frame: Frame { octets: [0; NA_FRAME], len: 0 } }
    }

    fn put(&mut self, octets: &[u8]) {
        let end = self.frame.len + octets.len();
        if let Some(place) = self.frame.octets.get_mut(self.frame.len..end) {
            place.copy_from_slice(octets);
            self.frame.len = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x21];

    #[test]
    fn a_gratuitous_arp_names_the_address_twice() {
        let frame = arp(MAC, Ipv4Addr::new(10, 0, 0, 9), ARP_REPLY);
        let expected = [
            &[0xff; 6][..],
            &MAC,
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
            &MAC,
            &[10, 0, 0, 9],
            &MAC,
            &[10, 0, 0, 9],
        ]
        .concat();
        assert_eq!(frame.octets(), expected);
    }

    #[test]
    fn a_neighbour_advertisement_has_a_right_checksum() {
        let address: Ipv6Addr = "2001:db8::10".parse().expect("valid");
        let frame = neighbour_advertisement(MAC, address);
        assert_eq!(frame.octets().len(), NA_FRAME);
        let message: [u8; 32] = frame.octets()[54..].try_into().expect("32 octets");
        let all_nodes = "ff02::1".parse().expect("valid");
        // Over a message that holds its checksum the sum is zero, so its complement is too.
        assert_eq!(icmpv6_checksum(address, all_nodes, &message), 0);
    }
}
