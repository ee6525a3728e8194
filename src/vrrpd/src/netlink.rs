//! rtnetlink, as much as VRRP needs: addresses put on and taken off, links and addresses watched.
//!
//! ```text
//!   Requests --one sendmsg--> kernel --only errors--> Socket::errors
//!   kernel --RTMGRP_LINK, IFADDR--> Socket::read --> Event
//! ```
//!
//! The kernel has done what a request asks when the send returns, so nothing is waited for.

mod address;
mod codec;
mod event;
pub(crate) mod filter;
mod link;

pub(crate) use address::{Address, PROTOCOL, Requests};
pub(crate) use event::{AddressEvent, Event, LinkEvent};

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys::{check, size, socket, zeroed};
use codec::Messages;

/// A rtnetlink socket.
pub(crate) struct Socket {
    fd: OwnedFd,
}

/// The kernel's answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The request's number.
    pub(crate) sequence: u32,
    /// `EEXIST` and so on.
    pub(crate) error: i32,
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// There may be more.
    More,
    /// Nothing is left.
    Empty,
    /// A dump is complete.
    Done,
    /// Messages were lost: read everything anew.
    Overrun,
}

/// Fits what the kernel puts together for a dump.
const BUFFER: usize = 32_768;

impl Socket {
    /// For requests.
    pub(crate) fn requests() -> io::Result<Socket> {
        Socket::bound(0)
    }

    /// For changes of links and addresses.
    pub(crate) fn monitor() -> io::Result<Socket> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let socket = Socket::bound(groups.cast_unsigned())?;
        // A takeover of 1000 addresses is 1000 messages; kernel memory, used when needed.
        let size = 4 << 20;
        socket::set_number(&socket.fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, size)
            .or_else(|_| socket::set_number(&socket.fd, libc::SOL_SOCKET, libc::SO_RCVBUF, size))?;
        Ok(socket)
    }

    fn bound(groups: u32) -> io::Result<Socket> {
        let fd = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        // SAFETY: plain data.
        let mut address: libc::sockaddr_nl = unsafe { zeroed() };
        address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or(0);
        address.nl_groups = groups;
        let pointer: *const libc::sockaddr_nl = &raw const address;
        // SAFETY: the address has the size that is announced.
        check(unsafe { libc::bind(fd.as_raw_fd(), pointer.cast(), size::<libc::sockaddr_nl>()) })?;
        // Errors come without the request that they answer; dumps are checked for what is asked.
        socket::set_number(&fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)?;
        socket::set_number(&fd, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, 1).or_else(|error| {
            // Before 4.20.
            if error.raw_os_error() == Some(libc::ENOPROTOOPT) { Ok(()) } else { Err(error) }
        })?;
        Ok(Socket { fd })
    }

    /// Sends some of what `requests` holds, as much as is sensible at once. Returns what the kernel
    /// refused of it.
    pub(crate) fn submit(&self, requests: &mut Requests) -> io::Result<Vec<Refusal>> {
        let mut refusals = Vec::new();
        if let Some(chunk) = requests.take_chunk() {
            socket::send(&self.fd, &chunk)?;
            self.errors(&mut refusals)?;
        }
        Ok(refusals)
    }

    fn errors(&self, refusals: &mut Vec<Refusal>) -> io::Result<()> {
        let mut buffer = vec![0; 8192];
        loop {
            let len = match socket::receive(&self.fd, &mut buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // Too many errors to hold them all: those that were lost are not known.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(error) => return Err(error),
            };
            let octets = buffer.get(..len.min(buffer.len())).unwrap_or_default();
            refusals.extend(Messages::new(octets).filter_map(|message| {
                let error = message.error()?;
                (error != 0).then_some(Refusal { sequence: message.sequence, error: error.saturating_neg() })
            }));
        }
    }

    /// Reads once and calls `each` for every event.
    pub(crate) fn read(&self, buffer: &mut Vec<u8>, mut each: impl FnMut(Event)) -> io::Result<Read> {
        buffer.resize(BUFFER, 0);
        let len = match socket::receive(&self.fd, buffer) {
            Ok(len) if len > BUFFER => return Ok(Read::Overrun),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Read::Empty),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(Read::Overrun),
            Err(error) => return Err(error),
        };
        let mut read = Read::More;
        for message in Messages::new(buffer.get(..len).unwrap_or_default()) {
            match message.kind {
                codec::DONE => read = Read::Done,
                codec::ERROR => {
                    let error = message.error().unwrap_or(0);
                    if error != 0 {
                        return Err(io::Error::from_raw_os_error(error.saturating_neg()));
                    }
                }
                _ => {
                    if message.was_interrupted() {
                        return Ok(Read::Overrun);
                    }
                    if let Some(event) = Event::of(&message) {
                        each(event);
                    }
                }
            }
        }
        Ok(read)
    }

    /// All links, then all addresses. Waits for the kernel, which answers at once.
    pub(crate) fn dump(&self, mut each: impl FnMut(Event)) -> io::Result<()> {
        // A dump is begun anew when something changed meanwhile; what was told is only told again.
        const ATTEMPTS: usize = 8;
        let mut buffer = Vec::new();
        for kind in [codec::GET_LINK, codec::GET_ADDRESS] {
            let mut attempt = 0;
            loop {
                socket::send(&self.fd, &codec::dump_request(kind))?;
                match self.dump_answer(&mut buffer, &mut each)? {
                    Read::Overrun if attempt < ATTEMPTS => attempt += 1,
                    Read::Overrun | Read::Done | Read::More | Read::Empty => break,
                }
            }
        }
        Ok(())
    }

    fn dump_answer(&self, buffer: &mut Vec<u8>, each: &mut impl FnMut(Event)) -> io::Result<Read> {
        let mut was_interrupted = false;
        loop {
            match self.read(buffer, &mut *each)? {
                Read::More => {}
                Read::Overrun => was_interrupted = true,
                Read::Empty if was_interrupted => return Ok(Read::Overrun),
                Read::Empty => return Ok(Read::Empty),
                Read::Done if was_interrupted => return Ok(Read::Overrun),
                Read::Done => return Ok(Read::Done),
            }
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
