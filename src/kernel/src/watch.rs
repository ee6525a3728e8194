//! Tells that links, addresses, routes or nft rules were changed, by whomever.
//!
//! One file descriptor becomes readable; [`Watch::drain`] then says what was touched and forgets it.
//! Our own changes are told as well: the caller waits a little, observes, and plans. IPVS tells
//! nothing, it must be looked at from time to time.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, netlink::NETFILTER};

use crate::error::OpenError;
use crate::netlink;

/// The first 32 groups are bits (linux/rtnetlink.h).
const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV4_ROUTE: u32 = 0x40;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
const RTMGRP_IPV6_ROUTE: u32 = 0x400;
const ROUTE_GROUPS: u32 =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;
/// `NFNLGRP_NFTABLES` is group 7 (linux/netfilter/nfnetlink.h).
const NFTABLES_GROUP: u32 = 1 << 6;
/// Kinds of rtnetlink messages come in fours: new, delete, get, set.
const LINK_KINDS: std::ops::Range<u16> = 16..20;
const ADDRESS_KINDS: std::ops::Range<u16> = 20..24;
const ROUTE_KINDS: std::ops::Range<u16> = 24..28;
const ROOM: usize = 64 * 1024;

/// What was touched since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// A link came, went or changed.
    pub links: bool,
    /// An address came or went.
    pub addresses: bool,
    /// A route came or went.
    pub routes: bool,
    /// An nft table changed.
    pub firewall: bool,
    /// Messages were lost: anything may have changed.
    pub overrun: bool,
}

impl Foreign {
    /// Whether anything was touched.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// The subscription. Wait for its descriptor to become readable (level-triggered).
#[derive(Debug)]
pub struct Watch {
    both: OwnedFd,
    route: OwnedFd,
    /// `None` where the kernel has no nfnetlink yet.
    nft: Option<OwnedFd>,
    room: Vec<u8>,
}

impl Watch {
    /// Subscribes in the network namespace of the calling thread. Open it when nf_tables is loaded, or
    /// the firewall is not watched.
    ///
    /// # Errors
    /// When the kernel refuses a socket.
    pub fn open() -> Result<Self, OpenError> {
        let failed = |what| move |cause: io::Error| OpenError { what, cause };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let route = netlink::bound(None, ROUTE_GROUPS, flags).map_err(failed("rtnetlink groups"))?;
        let nft = match netlink::bound(Some(NETFILTER), NFTABLES_GROUP, flags) {
            Ok(fd) => Some(fd),
            Err(error) if error.raw_os_error() == Some(Errno::PROTONOSUPPORT.raw_os_error()) => None,
            Err(error) => return Err(failed("nftables group")(error)),
        };
        let both = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| failed("epoll")(e.into()))?;
        for fd in [Some(&route), nft.as_ref()].into_iter().flatten() {
            epoll::add(&both, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)
                .map_err(|errno| failed("epoll")(errno.into()))?;
        }
        Ok(Self { both, route, nft, room: vec![0; ROOM] })
    }

    /// Reads all that waits, without blocking.
    ///
    /// # Errors
    /// When a socket breaks.
    pub fn drain(&mut self) -> io::Result<Foreign> {
        let mut foreign = Foreign::default();
        read_all(&self.route, &mut self.room, &mut foreign, |foreign, kind| {
            foreign.links |= LINK_KINDS.contains(&kind);
            foreign.addresses |= ADDRESS_KINDS.contains(&kind);
            foreign.routes |= ROUTE_KINDS.contains(&kind);
        })?;
        if let Some(nft) = &self.nft {
            read_all(nft, &mut self.room, &mut foreign, |foreign, _| foreign.firewall = true)?;
        }
        Ok(foreign)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.both.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.both.as_raw_fd()
    }
}

fn read_all(
    fd: &OwnedFd,
    room: &mut [u8],
    foreign: &mut Foreign,
    note: impl Fn(&mut Foreign, u16),
) -> io::Result<()> {
    loop {
        match netlink::receive(fd, room, RecvFlags::DONTWAIT) {
            Ok(length) => {
                let datagram = room.get(..length).unwrap_or_default();
                netlink::kinds(datagram).for_each(|kind| note(foreign, kind));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOBUFS | Errno::MSGSIZE) => foreign.overrun = true,
                _ => return Err(error),
            },
        }
    }
}
