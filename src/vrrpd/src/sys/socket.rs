//! Sockets: made, bound to an interface, joined to groups, written to.

use std::ffi::CString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use super::{check, check_len, own, size, zeroed};

/// A non-blocking socket that no child inherits.
pub(crate) fn open(family: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    own(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol) })
}

/// Two connected non-blocking sockets that keep the borders of messages.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the array has room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    let [left, right] = fds;
    let (left, right) = (own(left)?, own(right)?);
    // A thousand messages at once; as much as there may be without privileges otherwise.
    for end in [&left, &right] {
        set_number(end, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 4 << 20)
            .or_else(|_| set_number(end, libc::SOL_SOCKET, libc::SO_SNDBUF, 4 << 20))?;
    }
    Ok((left, right))
}

/// Sets one option to a plain C value.
pub(crate) fn set<T: Copy>(
    fd: &impl AsRawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let value: *const T = value;
    // SAFETY: `value` has the size that is announced; the kernel checks what it means.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.cast(), size::<T>()) })?;
    Ok(())
}

/// Switches an option on or off.
pub(crate) fn set_number(
    fd: &impl AsRawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    set(fd, level, name, &value)
}

/// Room for 1000 routers' advertisements in one burst, and control traffic first through queues that
/// know priorities (TC_PRIO_CONTROL).
pub(crate) fn prefer(fd: &impl AsRawFd) -> io::Result<()> {
    let size = 1 << 20;
    for (forced, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
    {
        set_number(fd, libc::SOL_SOCKET, forced, size)
            .or_else(|_| set_number(fd, libc::SOL_SOCKET, plain, size))?;
    }
    set_number(fd, libc::SOL_SOCKET, libc::SO_PRIORITY, 7)
}

/// Only packets of this interface come in, and all go out there.
pub(crate) fn bind_to_device(fd: &impl AsRawFd, device: &str) -> io::Result<()> {
    let name = CString::new(device).map_err(|_| io::ErrorKind::InvalidInput)?;
    let len = libc::socklen_t::try_from(name.as_bytes_with_nul().len()).unwrap_or(0);
    // SAFETY: `name` has `len` octets.
    check(unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_ptr().cast(), len)
    })?;
    Ok(())
}

/// Joins or leaves a multicast group on an interface.
pub(crate) fn set_membership(
    fd: &impl AsRawFd,
    interface: u32,
    group: IpAddr,
    is_member: bool,
) -> io::Result<()> {
    let number = libc::c_int::try_from(interface).unwrap_or(0);
    match group {
        IpAddr::V4(group) => {
            let request = libc::ip_mreqn {
                imr_multiaddr: in_addr(group),
                imr_address: libc::in_addr { s_addr: 0 },
                imr_ifindex: number,
            };
            let name = if is_member { libc::IP_ADD_MEMBERSHIP } else { libc::IP_DROP_MEMBERSHIP };
            set(fd, libc::IPPROTO_IP, name, &request)
        }
        IpAddr::V6(group) => {
            let request = libc::ipv6_mreq { ipv6mr_multiaddr: in6_addr(group), ipv6mr_interface: interface };
            let name = if is_member { libc::IPV6_ADD_MEMBERSHIP } else { libc::IPV6_DROP_MEMBERSHIP };
            set(fd, libc::IPPROTO_IPV6, name, &request)
        }
    }
}

/// Where multicast of IPv4 goes out.
pub(crate) fn set_multicast_interface_v4(fd: &impl AsRawFd, interface: u32) -> io::Result<()> {
    let request = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: 0 },
        imr_address: libc::in_addr { s_addr: 0 },
        imr_ifindex: libc::c_int::try_from(interface).unwrap_or(0),
    };
    set(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &request)
}

/// An IPv4 address as C has it.
pub(crate) fn in_addr(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) }
}

/// An IPv6 address as C has it.
pub(crate) fn in6_addr(address: Ipv6Addr) -> libc::in6_addr {
    libc::in6_addr { s6_addr: address.octets() }
}

/// A raw socket's destination.
#[derive(Clone, Copy)]
pub(crate) enum Destination {
    /// IPv4.
    V4(libc::sockaddr_in),
    /// IPv6, with the interface.
    V6(libc::sockaddr_in6),
    /// An Ethernet frame as it is.
    Link(libc::sockaddr_ll),
}

impl Destination {
    /// `interface` counts for link-local addresses.
    pub(crate) fn of(address: IpAddr, interface: u32) -> Destination {
        match address {
            IpAddr::V4(address) => {
                // SAFETY: plain data.
                let mut to: libc::sockaddr_in = unsafe { zeroed() };
                to.sin_family = family(libc::AF_INET);
                to.sin_addr = in_addr(address);
                Destination::V4(to)
            }
            IpAddr::V6(address) => {
                // SAFETY: plain data.
                let mut to: libc::sockaddr_in6 = unsafe { zeroed() };
                to.sin6_family = family(libc::AF_INET6);
                to.sin6_addr = in6_addr(address);
                if address.is_unicast_link_local() || address.is_multicast() {
                    to.sin6_scope_id = interface;
                }
                Destination::V6(to)
            }
        }
    }

    /// For an `AF_PACKET` socket.
    pub(crate) fn link(interface: u32) -> Destination {
        // SAFETY: plain data.
        let mut to: libc::sockaddr_ll = unsafe { zeroed() };
        to.sll_family = family(libc::AF_PACKET);
        to.sll_ifindex = libc::c_int::try_from(interface).unwrap_or(0);
        to.sll_halen = 6;
        Destination::Link(to)
    }

    /// Address and length for a message header. The pointer is good as long as `self` stays put.
    pub(crate) fn as_raw(&mut self) -> (*mut libc::c_void, libc::socklen_t) {
        match self {
            Destination::V4(to) => ((&raw mut *to).cast(), size::<libc::sockaddr_in>()),
            Destination::V6(to) => ((&raw mut *to).cast(), size::<libc::sockaddr_in6>()),
            Destination::Link(to) => ((&raw mut *to).cast(), size::<libc::sockaddr_ll>()),
        }
    }
}

fn family(number: libc::c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).unwrap_or(0)
}

/// Sends without waiting and without a signal.
pub(crate) fn send(fd: &impl AsRawFd, octets: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: pointer and length are of one slice.
    check_len(unsafe { libc::send(fd.as_raw_fd(), octets.as_ptr().cast(), octets.len(), flags) })
}

/// Receives without waiting. A message that does not fit is cut; its whole length is returned.
pub(crate) fn receive(fd: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: pointer and length are of one slice.
    check_len(unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) })
}

/// Receives a message of any length without waiting.
pub(crate) fn receive_whole(fd: &impl AsRawFd) -> io::Result<Vec<u8>> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_PEEK;
    // SAFETY: nothing is written where no octet is asked for.
    let len = check_len(unsafe { libc::recv(fd.as_raw_fd(), std::ptr::null_mut(), 0, flags) })?;
    let mut octets = vec![0; len];
    receive(fd, &mut octets)?;
    Ok(octets)
}

/// The user behind a connected Unix socket.
pub(crate) fn peer_user(fd: &impl AsRawFd) -> io::Result<libc::uid_t> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size::<libc::ucred>();
    // SAFETY: `credentials` has `len` octets.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut len,
        )
    })?;
    Ok(credentials.uid)
}
