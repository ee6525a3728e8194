//! Addresses by rtnetlink: read, add, remove.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mark21_reconcile::{ADDRESS_PROTOCOL_STATIC, Address, AddressChange, ObservedAddress};
use rustix::io::Errno;

use crate::links;
use crate::netlink::{Body, NLM_F_CREATE, NLM_F_EXCL, Socket, attribute, read_u32};

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
/// Length of `struct ifaddrmsg` (linux/if_addr.h).
const IFADDRMSG: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Linux 5.18; older kernels pass over it.
const IFA_PROTO: u16 = 11;
/// No duplicate address detection: the address works at once.
const IFA_F_NODAD: u8 = 0x02;
/// linux/socket.h
pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;

/// All addresses of all links.
pub(crate) fn observe(socket: &mut Socket) -> io::Result<Vec<ObservedAddress>> {
    let names = links::names(socket)?;
    let request = Body::new([0; IFADDRMSG]);
    socket.dump(RTM_GETADDR, &request, |addresses: &mut Vec<ObservedAddress>, kind, body| {
        if kind == RTM_NEWADDR {
            addresses.extend(parse(body, |index| names.get(&index).cloned()));
        }
    })
}

/// Makes one change. An address that is there already, or gone already, is as it should be.
pub(crate) fn apply(socket: &mut Socket, change: &AddressChange) -> io::Result<()> {
    let (kind, flags, address, expected) = match change {
        AddressChange::Add(address) => (RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address, Errno::EXIST),
        AddressChange::Remove(address) => (RTM_DELADDR, 0, address, Errno::ADDRNOTAVAIL),
    };
    let body = body(links::index(socket, &address.device)?, address);
    let body = match change {
        AddressChange::Add(_) => body.with(IFA_PROTO, &[ADDRESS_PROTOCOL_STATIC]),
        AddressChange::Remove(_) => body,
    };
    match socket.change(kind, flags, &body) {
        Err(error) if error.raw_os_error() == Some(expected.raw_os_error()) => Ok(()),
        result => result,
    }
}

fn body(index: i32, address: &Address) -> Body {
    let (family, flags) = match address.address {
        IpAddr::V4(_) => (AF_INET, 0),
        IpAddr::V6(_) => (AF_INET6, IFA_F_NODAD),
    };
    let scope_universe = 0;
    let mut header = vec![family, address.prefix_len, flags, scope_universe];
    header.extend(index.to_ne_bytes());
    let bytes = octets(&address.address);
    Body::new(header).with(IFA_LOCAL, &bytes).with(IFA_ADDRESS, &bytes)
}

fn parse(body: &[u8], name_of: impl Fn(u32) -> Option<String>) -> Option<ObservedAddress> {
    let attributes = body.get(IFADDRMSG..)?;
    // On a point-to-point link IFA_ADDRESS is the other end's.
    let own = attribute(attributes, IFA_LOCAL).or(attribute(attributes, IFA_ADDRESS))?;
    Some(ObservedAddress {
        address: Address {
            device: name_of(read_u32(body.get(4..)?)?)?,
            address: read_address(own)?,
            prefix_len: *body.get(1)?,
        },
        protocol: attribute(attributes, IFA_PROTO).and_then(|value| value.first().copied()).unwrap_or(0),
    })
}

/// An address by its length.
pub(crate) fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// An address as it travels.
pub(crate) fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
