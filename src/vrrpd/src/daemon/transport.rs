//! The sockets of VRRP, one per interface and family, and advertisements encoded ahead.
//!
//! To a group, on an Ethernet, an advertisement is a whole frame for the packet socket: the way through
//! the kernel's IP takes half as long again. Others are packets: to peers, on links of another kind,
//! and what does not fit in a frame. IPv4 packets are sent with their IP header, so that every router
//! has its own source. Each is encoded anew only when what it says has changed.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use vrrp::wire::{self, Addresses, Advertisement, ChecksumForm, Header, Path};
use vrrp::{Family, Vrid};

use super::frame;
use crate::sys::batch::Outgoing;
use crate::sys::socket::{self, Destination};

/// One raw socket.
pub(crate) struct VrrpSocket {
    fd: OwnedFd,
    pub(crate) interface_name: String,
    /// The interface's number when the socket was made.
    pub(crate) interface: u32,
    pub(crate) family: Family,
    /// Which router has which VRID here, by VRID: looked up for every packet.
    routers: Box<[Option<usize>; 256]>,
    /// How many routers need which group.
    groups: BTreeMap<IpAddr, usize>,
    /// Packets for VRIDs that nobody has here, or that are none.
    pub(crate) strays: u64,
}

impl VrrpSocket {
    /// For one family on one interface.
    pub(crate) fn open(interface_name: &str, interface: u32, family: Family) -> io::Result<VrrpSocket> {
        let protocol = libc::c_int::from(wire::IP_PROTOCOL);
        let fd = match family {
            Family::Ipv4 => {
                let fd = socket::open(libc::AF_INET, libc::SOCK_RAW, protocol)?;
                socket::set_number(&fd, libc::IPPROTO_IP, libc::IP_HDRINCL, 1)?;
                socket::set_number(&fd, libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, 0)?;
                // Groups of other sockets of this machine are none of ours.
                socket::set_number(&fd, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0)?;
                fd
            }
            Family::Ipv6 => {
                let fd = socket::open(libc::AF_INET6, libc::SOCK_RAW, protocol)?;
                for (name, value) in [
                    (libc::IPV6_MULTICAST_LOOP, 0),
                    (libc::IPV6_MULTICAST_HOPS, libc::c_int::from(wire::TTL)),
                    (libc::IPV6_UNICAST_HOPS, libc::c_int::from(wire::TTL)),
                    (libc::IPV6_RECVPKTINFO, 1),
                    (libc::IPV6_RECVHOPLIMIT, 1),
                    (libc::IPV6_RECVHOPOPTS, 1),
                    (libc::IPV6_RECVRTHDR, 1),
                    (libc::IPV6_RECVDSTOPTS, 1),
                    // Class selector 6, as IPv4 has it.
                    (libc::IPV6_TCLASS, 0xc0),
                ] {
                    socket::set_number(&fd, libc::IPPROTO_IPV6, name, value)?;
                }
                let number = libc::c_int::try_from(interface).unwrap_or(0);
                socket::set_number(&fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, number)?;
                fd
            }
        };
        socket::bind_to_device(&fd, interface_name)?;
        if family == Family::Ipv4 {
            socket::set_multicast_interface_v4(&fd, interface)?;
        }
        socket::prefer(&fd)?;
        socket::set_number(&fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        Ok(VrrpSocket {
            fd,
            interface_name: interface_name.to_owned(),
            interface,
            family,
            routers: Box::new([None; 256]),
            groups: BTreeMap::new(),
            strays: 0,
        })
    }

    /// The router at `index` speaks here.
    pub(crate) fn attach(&mut self, vrid: Vrid, index: usize, group: Option<IpAddr>) -> io::Result<()> {
        self.routers[usize::from(vrid.get())] = Some(index);
        self.need(group)
    }

    /// It does no more. `true` when nobody is left.
    pub(crate) fn detach(&mut self, vrid: Vrid, group: Option<IpAddr>) -> bool {
        self.routers[usize::from(vrid.get())] = None;
        self.release(group);
        self.routers.iter().all(Option::is_none)
    }

    /// One more router needs `group`.
    pub(crate) fn need(&mut self, group: Option<IpAddr>) -> io::Result<()> {
        let Some(group) = group else { return Ok(()) };
        let count = self.groups.entry(group).or_default();
        *count += 1;
        if *count > 1 {
            return Ok(());
        }
        socket::set_membership(&self.fd, self.interface, group, true)
    }

    /// One router less needs `group`.
    pub(crate) fn release(&mut self, group: Option<IpAddr>) {
        let Some(group) = group else { return };
        if let Some(count) = self.groups.get_mut(&group) {
            *count -= 1;
            if *count == 0 {
                self.groups.remove(&group);
                // The interface may be gone, and the membership with it.
                drop(socket::set_membership(&self.fd, self.interface, group, false));
            }
        }
    }

    /// Joins every group anew, so that switches hear of it again after the link came up.
    pub(crate) fn rejoin(&self) -> io::Result<()> {
        for group in self.groups.keys() {
            drop(socket::set_membership(&self.fd, self.interface, *group, false));
            socket::set_membership(&self.fd, self.interface, *group, true)?;
        }
        Ok(())
    }

    /// The router that a payload is for.
    pub(crate) fn router_of(&self, payload: &[u8]) -> Option<usize> {
        let (_, vrid) = wire::peek(payload)?;
        self.routers[usize::from(vrid.get())]
    }
}

impl AsRawFd for VrrpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// A router's advertisement, ready to be sent.
#[derive(Default)]
pub(crate) struct Encoded {
    said: Option<(Header, ChecksumForm)>,
    packets: Vec<(Destination, Box<[u8]>)>,
    source: Option<(std::net::Ipv6Addr, u32)>,
    is_framed: bool,
}

/// Octets of an IPv4 header without options.
const IPV4_HEADER: usize = 20;

impl Encoded {
    /// Addresses, source, peers or interface changed.
    pub(crate) fn forget(&mut self) {
        self.said = None;
    }

    /// Encodes unless the same is there already.
    pub(crate) fn encode(
        &mut self,
        header: Header,
        form: ChecksumForm,
        addresses: Addresses<'_>,
        route: &Route<'_>,
    ) -> Result<(), wire::EmitError> {
        if self.said == Some((header, form)) {
            return Ok(());
        }
        self.packets.clear();
        let mac = route.mac.filter(|_| route.peers.is_empty() && frame::fits(&addresses));
        self.source = match route.source {
            IpAddr::V6(source) if mac.is_none() => Some((source, route.interface)),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        let advertisement = Advertisement { header, addresses };
        for destination in route.destinations() {
            let path = Path::new(route.source, destination).ok_or(wire::EmitError::FamilyMismatch)?;
            let before = match (mac, &path) {
                (None, Path::V4 { .. }) => IPV4_HEADER,
                (None, Path::V6 { .. }) => 0,
                (Some(_), path) => frame::headers(path),
            };
            let mut octets = vec![0; before + advertisement.encoded_len()].into_boxed_slice();
            advertisement.emit(&path, form, octets.get_mut(before..).unwrap_or_default())?;
            let destination = match (mac, path) {
                (Some(mac), path) => {
                    frame::write(&mut octets, mac, &path);
                    Destination::link(route.interface)
                }
                (None, Path::V4 { source, destination }) => {
                    write_ipv4_header(&mut octets, source.octets(), destination.octets());
                    Destination::of(destination.into(), route.interface)
                }
                (None, Path::V6 { .. }) => Destination::of(destination, route.interface),
            };
            self.packets.push((destination, octets));
        }
        self.is_framed = mac.is_some();
        self.said = Some((header, form));
        Ok(())
    }

    /// Whether these are Ethernet frames, for a packet socket.
    pub(crate) fn is_framed(&self) -> bool {
        self.is_framed
    }

    /// For [`crate::sys::batch::send`].
    pub(crate) fn packets(&self) -> impl Iterator<Item = Outgoing<'_>> {
        self.packets.iter().map(|(destination, octets)| Outgoing {
            octets,
            destination: *destination,
            source: self.source,
        })
    }
}

/// From where to where.
pub(crate) struct Route<'a> {
    pub(crate) interface: u32,
    pub(crate) source: IpAddr,
    pub(crate) group: Option<IpAddr>,
    pub(crate) peers: &'a [vrrp::Peer],
    /// The virtual MAC address, or the interface's; to a peer it goes by the neighbour table, which
    /// knows the interface's only.
    pub(crate) mac: Option<[u8; 6]>,
}

impl Route<'_> {
    fn destinations(&self) -> impl Iterator<Item = IpAddr> {
        self.group.into_iter().chain(self.peers.iter().map(|peer| peer.address))
    }
}

/// The kernel fills in total length, identification and checksum (raw(7), `IP_HDRINCL`).
pub(super) fn write_ipv4_header(octets: &mut [u8], source: [u8; 4], destination: [u8; 4]) {
    let Some(header) = octets.first_chunk_mut::<IPV4_HEADER>() else { return };
    header[0] = 0x45;
    // Class selector 6: network control.
    header[1] = 0xc0;
    header[8] = wire::TTL;
    header[9] = wire::IP_PROTOCOL;
    header[12..16].copy_from_slice(&source);
    header[16..20].copy_from_slice(&destination);
}

#[cfg(test)]
mod tests {
    use vrrp::wire::{Centiseconds, Protocol};
    use vrrp::{Peer, Priority, TtlBounds};

    use super::*;

    fn header(priority: u8) -> Header {
        Header {
            vrid: Vrid::new(51).expect("valid"),
            priority: Priority::new(priority),
            protocol: Protocol::V3 { interval: Centiseconds::new(100).expect("valid") },
        }
    }

    #[test]
    fn an_ipv4_packet_has_its_header_and_is_encoded_again_only_when_it_changed() {
        let group = Some(IpAddr::V4(wire::MULTICAST_V4));
        let source = IpAddr::from([10, 99, 0, 1]);
        let route = Route { interface: 2, source, group, peers: &[], mac: None };
        let addresses = Addresses::V4(&[[10, 99, 0, 10]]);
        let mut encoded = Encoded::default();
        encoded.encode(header(100), ChecksumForm::PseudoHeader, addresses, &route).expect("encoded");
        let expected = [
            0x45, 0xc0, 0, 0, 0, 0, 0, 0, 255, 112, 0, 0, 10, 99, 0, 1, 224, 0, 0, 18, // IPv4
            0x31, 51, 100, 1, 0, 100, 0x75, 0x07, 10, 99, 0, 10, // as keepalived sends it
        ];
        let packet = encoded.packets().next().expect("one");
        assert_eq!(packet.octets, expected);
        let before = packet.octets.as_ptr();
        encoded.encode(header(100), ChecksumForm::PseudoHeader, addresses, &route).expect("encoded");
        assert_eq!(encoded.packets().next().expect("one").octets.as_ptr(), before);
        encoded.encode(header(0), ChecksumForm::PseudoHeader, addresses, &route).expect("encoded");
        assert_eq!(encoded.packets().next().expect("one").octets[22], 0);
    }

    #[test]
    fn every_peer_gets_a_packet_of_its_own() {
        let peer = |last| Peer { address: IpAddr::from([10, 99, 0, last]), ttl: TtlBounds::ON_LINK };
        let peers = [peer(2), peer(3)];
        let route = Route {
            interface: 2,
            source: IpAddr::from([10, 99, 0, 1]),
            group: None,
            peers: &peers,
            mac: None,
        };
        let mut encoded = Encoded::default();
        let addresses = Addresses::V4(&[[10, 99, 0, 10]]);
        encoded.encode(header(100), ChecksumForm::Plain, addresses, &route).expect("encoded");
        let ends: Vec<_> = encoded.packets().map(|packet| packet.octets[19]).collect();
        assert_eq!(ends, [2, 3]);
    }
}
