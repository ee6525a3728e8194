//! What the kernel says of links and addresses, read without believing any length.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::{Address, IFA_ADDRESS, IFA_FLAGS, IFA_LOCAL, IFA_PROTO, PROTOCOL};
use super::codec::{self, Message};
use super::link::{IFLA_GROUP, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO, MACVLAN};

/// A change, or an entry of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A link is there, or changed.
    Link(LinkEvent),
    /// A link is gone.
    LinkGone {
        /// Its number.
        index: u32,
    },
    /// An address is there, or changed.
    Address(AddressEvent),
    /// An address is gone.
    AddressGone(AddressEvent),
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkEvent {
    /// Interface number.
    pub(crate) index: u32,
    /// Interface name.
    pub(crate) name: String,
    /// Administratively up, and with a carrier as far as the driver can tell.
    pub(crate) is_up: bool,
    /// Ethernet address; `None` where frames have other headers.
    pub(crate) mac: Option<[u8; 6]>,
    /// One that a vrrpd made for a virtual MAC address: the number of the interface below it.
    pub(crate) virtual_mac_of: Option<u32>,
    /// In the group of those.
    pub(crate) is_in_group: bool,
}

/// An address on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressEvent {
    /// What and where.
    pub(crate) address: Address,
    /// `IFA_PROTO`, 0 when there is none.
    pub(crate) protocol: u8,
    /// Not to be used yet, or found to be a duplicate.
    pub(crate) is_tentative: bool,
    /// Another address of the same prefix came first.
    pub(crate) is_secondary: bool,
}

const IFLA_ADDRESS: u16 = libc::IFLA_ADDRESS;
const IFLA_IFNAME: u16 = libc::IFLA_IFNAME;
const IFA_F_SECONDARY: u32 = 0x01;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

impl Event {
    /// `None` for messages of other kinds and those that are cut.
    pub(super) fn of(message: &Message<'_>) -> Option<Event> {
        match message.kind {
            libc::RTM_NEWLINK => link(message).map(Event::Link),
            libc::RTM_DELLINK => {
                let fixed: &[u8; 16] = message.body.first_chunk()?;
                // The bridge tells of its ports in its own family; the port itself stays.
                (fixed[0] == 0).then_some(Event::LinkGone { index: index_of(fixed) })
            }
            libc::RTM_NEWADDR => address(message).map(Event::Address),
            libc::RTM_DELADDR => address(message).map(Event::AddressGone),
            _ => None,
        }
    }
}

fn index_of(fixed: &[u8; 16]) -> u32 {
    let [_, _, _, _, i0, i1, i2, i3, ..] = *fixed;
    u32::from_ne_bytes([i0, i1, i2, i3])
}

fn link(message: &Message<'_>) -> Option<LinkEvent> {
    let fixed: &[u8; 16] = message.body.first_chunk()?;
    let [family, _, t0, t1, _, _, _, _, f0, f1, f2, f3, ..] = *fixed;
    if family != 0 {
        return None;
    }
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let wanted = (libc::IFF_UP | libc::IFF_RUNNING).cast_unsigned();
    let is_ethernet = u16::from_ne_bytes([t0, t1]) == libc::ARPHRD_ETHER;
    let (mut name, mut mac) = (None, None);
    let (mut lower, mut group, mut is_macvlan) = (None, 0, false);
    for (kind, content) in message.attributes(16) {
        match kind {
            IFLA_IFNAME => name = content.strip_suffix(&[0]).and_then(|name| std::str::from_utf8(name).ok()),
            IFLA_ADDRESS => mac = content.first_chunk().copied(),
            IFLA_LINK => lower = content.first_chunk().map(|octets| u32::from_ne_bytes(*octets)),
            IFLA_GROUP => group = content.first_chunk().map_or(0, |octets| u32::from_ne_bytes(*octets)),
            IFLA_LINKINFO => {
                let is_kind = |(kind, content): (u16, &[u8])| kind == IFLA_INFO_KIND && content == MACVLAN;
                is_macvlan = codec::attributes(content).any(is_kind);
            }
            _ => {}
        }
    }
    Some(LinkEvent {
        index: index_of(fixed),
        name: name?.to_owned(),
        is_up: flags & wanted == wanted,
        mac: mac.filter(|_| is_ethernet),
        virtual_mac_of: lower.filter(|_| is_macvlan && group == u32::from(PROTOCOL)),
        is_in_group: group == u32::from(PROTOCOL),
    })
}

fn address(message: &Message<'_>) -> Option<AddressEvent> {
    let [family, prefix_len, flags, scope, i0, i1, i2, i3] = *message.body.first_chunk()?;
    let mut flags = u32::from(flags);
    let (mut local, mut peer, mut protocol) = (None, None, 0);
    for (kind, content) in message.attributes(8) {
        match kind {
            IFA_LOCAL => local = ip(family, content),
            IFA_ADDRESS => peer = ip(family, content),
            IFA_FLAGS => flags = content.first_chunk().map_or(flags, |octets| u32::from_ne_bytes(*octets)),
            IFA_PROTO => protocol = content.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    let address = Address {
        interface: u32::from_ne_bytes([i0, i1, i2, i3]),
        address: local.or(peer)?,
        prefix_len,
        scope,
        label: None,
        has_prefix_route: true,
    };
    Some(AddressEvent {
        is_tentative: address.address.is_ipv6() && flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0,
        is_secondary: address.address.is_ipv4() && flags & IFA_F_SECONDARY != 0,
        address,
        protocol,
    })
}

fn ip(family: u8, content: &[u8]) -> Option<IpAddr> {
    match libc::c_int::from(family) {
        libc::AF_INET => Some(IpAddr::V4(Ipv4Addr::from(*content.first_chunk::<4>()?))),
        libc::AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from(*content.first_chunk::<16>()?))),
        _ => None,
    }
}
