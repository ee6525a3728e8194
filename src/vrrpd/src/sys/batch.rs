//! Many packets in one system call: `sendmmsg` and `recvmmsg` with buffers that are made once.
//!
//! [`Outgoing`] packets are sent in one go; a [`Receiver`] is asked for a batch and then
//! walked. Neither allocates once it is made.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::socket::{Destination, in6_addr};
use super::{check, size, zeroed};

/// Packets of one `sendmmsg`. More than that wait for the next call.
const SEND_BATCH: usize = 64;

/// The octets of a control message that names the source of an IPv6 packet.
const PKTINFO_SPACE: usize = 40;

/// One packet to be sent.
pub(crate) struct Outgoing<'a> {
    /// All of it, or what follows the headers that the kernel makes.
    pub(crate) octets: &'a [u8],
    /// Where to.
    pub(crate) destination: Destination,
    /// Source and interface of an IPv6 packet; other kinds bring their own.
    pub(crate) source: Option<(Ipv6Addr, u32)>,
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; PKTINFO_SPACE]);

/// What came of a batch.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Packets that the kernel took.
    pub(crate) sent: usize,
    /// Packets that it refused.
    pub(crate) refused: usize,
    /// Why it last did.
    pub(crate) error: Option<i32>,
}

/// Sends all `packets` through `fd`, as few system calls as there are full batches. A packet that
/// is refused is left out and the rest still goes.
pub(crate) fn send<'a>(fd: &impl AsRawFd, packets: impl Iterator<Item = Outgoing<'a>>) -> Sent {
    let mut packets = packets.peekable();
    let mut total = Sent::default();
    while packets.peek().is_some() {
        send_batch(fd, &mut packets, &mut total);
    }
    total
}

fn send_batch<'a>(fd: &impl AsRawFd, packets: &mut impl Iterator<Item = Outgoing<'a>>, total: &mut Sent) {
    // SAFETY: all four are plain data, and zeros mean "nothing".
    let (mut headers, mut vectors, mut names) = unsafe {
        (
            [zeroed::<libc::mmsghdr>(); SEND_BATCH],
            [zeroed::<libc::iovec>(); SEND_BATCH],
            [Destination::Link(zeroed()); SEND_BATCH],
        )
    };
    let mut controls = [Control([0; PKTINFO_SPACE]); SEND_BATCH];
    let mut count = 0;
    let slots = headers.iter_mut().zip(&mut vectors).zip(&mut names).zip(&mut controls);
    for ((((header, vector), name), control), packet) in slots.zip(packets) {
        *name = packet.destination;
        vector.iov_base = packet.octets.as_ptr().cast_mut().cast();
        vector.iov_len = packet.octets.len();
        let header = &mut header.msg_hdr;
        (header.msg_name, header.msg_namelen) = name.as_raw();
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        if let Some((source, interface)) = packet.source {
            write_source(control, source, interface);
            header.msg_control = (&raw mut *control).cast();
            header.msg_controllen = PKTINFO_SPACE;
        }
        count += 1;
    }
    let mut done = 0;
    while done < count {
        let Some(rest) = headers.get_mut(done..count) else { break };
        let len = u32::try_from(rest.len()).unwrap_or(0);
        // SAFETY: every header points to a vector, a name and a control buffer in the arrays
        // above, and every vector to octets that `packets` borrows; all live until the end.
        let result =
            check(unsafe { libc::sendmmsg(fd.as_raw_fd(), rest.as_mut_ptr(), len, libc::MSG_DONTWAIT) });
        match result {
            Ok(taken) => {
                let taken = usize::try_from(taken).unwrap_or(0).max(1);
                done += taken;
                total.sent += taken;
            }
            // The error is the first packet's: leave it out.
            Err(error) => {
                done += 1;
                total.refused += 1;
                total.error = error.raw_os_error();
            }
        }
    }
}

fn write_source(control: &mut Control, source: Ipv6Addr, interface: u32) {
    let info = libc::in6_pktinfo { ipi6_addr: in6_addr(source), ipi6_ifindex: interface };
    let header: *mut libc::cmsghdr = control.0.as_mut_ptr().cast();
    // SAFETY: the buffer is aligned for a cmsghdr and has room for it and an in6_pktinfo behind
    // it (16 + 20 octets, padded to 40).
    unsafe {
        (*header).cmsg_level = libc::IPPROTO_IPV6;
        (*header).cmsg_type = libc::IPV6_PKTINFO;
        (*header).cmsg_len = usize::try_from(libc::CMSG_LEN(size::<libc::in6_pktinfo>())).unwrap_or(0);
        libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>().write_unaligned(info);
    }
}

/// Packets of one `recvmmsg`.
const RECEIVE_BATCH: usize = 64;

/// The largest packet: an IPv4 header with options, or none, and the largest advertisement. One
/// octet more shows that a packet was longer.
const PACKET: usize = 60 + vrrp::wire::MAX_LEN + 1;

/// Room for source, hop limit and three kinds of extension headers, which only need to show up.
const RECEIVE_CONTROL: usize = 256;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct ReceiveControl([u8; RECEIVE_CONTROL]);

/// Buffers for one batch of received packets.
pub(crate) struct Receiver {
    packets: Box<[[u8; PACKET]]>,
    controls: Box<[ReceiveControl]>,
    names: Box<[libc::sockaddr_in6]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

/// A packet from a raw socket, before anything is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incoming<'a> {
    /// What follows the IP header.
    pub(crate) payload: &'a [u8],
    /// Source address.
    pub(crate) source: IpAddr,
    /// Destination address.
    pub(crate) destination: IpAddr,
    /// TTL or hop limit.
    pub(crate) ttl: u8,
    /// IPv4 options, or IPv6 extension headers.
    pub(crate) has_options: bool,
    /// When the kernel had it, by [`super::stamp_clock`].
    pub(crate) stamp: Option<Duration>,
}

/// What the control messages of a packet say.
#[derive(Debug, Default, Clone, Copy)]
struct Ancillary {
    destination: Option<Ipv6Addr>,
    hop_limit: Option<u8>,
    has_extensions: bool,
    stamp: Option<Duration>,
}

impl Receiver {
    pub(crate) fn new() -> Receiver {
        // SAFETY: all are plain data.
        let (name, vector, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Receiver {
            packets: vec![[0; PACKET]; RECEIVE_BATCH].into_boxed_slice(),
            controls: vec![ReceiveControl([0; RECEIVE_CONTROL]); RECEIVE_BATCH].into_boxed_slice(),
            names: vec![name; RECEIVE_BATCH].into_boxed_slice(),
            vectors: vec![vector; RECEIVE_BATCH].into_boxed_slice(),
            headers: vec![header; RECEIVE_BATCH].into_boxed_slice(),
        }
    }

    /// Has no buffers and receives nothing.
    pub(crate) fn empty() -> Receiver {
        Receiver {
            packets: Box::default(),
            controls: Box::default(),
            names: Box::default(),
            vectors: Box::default(),
            headers: Box::default(),
        }
    }

    /// Receives up to a batch. Returns how many came, and whether there may be more.
    pub(crate) fn receive(&mut self, fd: &impl AsRawFd, is_ipv6: bool) -> io::Result<(usize, bool)> {
        let slots = self.headers.iter_mut().zip(&mut self.vectors).zip(&mut self.names);
        let buffers = self.packets.iter_mut().zip(&mut self.controls);
        for (((header, vector), name), (packet, control)) in slots.zip(buffers) {
            vector.iov_base = packet.as_mut_ptr().cast();
            vector.iov_len = PACKET;
            let header = &mut header.msg_hdr;
            // An IPv4 packet has its source in it.
            if is_ipv6 {
                header.msg_name = (&raw mut *name).cast();
                header.msg_namelen = size::<libc::sockaddr_in6>();
            } else {
                (header.msg_name, header.msg_namelen) = (std::ptr::null_mut(), 0);
            }
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = RECEIVE_CONTROL;
            header.msg_flags = 0;
        }
        let len = u32::try_from(self.headers.len()).unwrap_or(0);
        // SAFETY: there are `len` headers, and each points to buffers of the announced sizes that
        // `self` owns.
        let result = check(unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                len,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        });
        match result {
            Ok(count) => {
                let count = usize::try_from(count).unwrap_or(0);
                Ok((count, count == RECEIVE_BATCH))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok((0, false)),
            Err(error) => Err(error),
        }
    }

    /// The packet at `index` of the last batch; `None` when it is no packet of `is_ipv6`'s kind.
    pub(crate) fn packet(&self, index: usize, is_ipv6: bool) -> Option<Incoming<'_>> {
        let header = self.headers.get(index)?;
        let len = usize::try_from(header.msg_len).ok()?.min(PACKET);
        let octets = self.packets.get(index)?.get(..len)?;
        let ancillary = ancillary(&header.msg_hdr);
        let packet = if is_ipv6 { self.packet_v6(index, octets, &ancillary) } else { packet_v4(octets) };
        packet.map(|packet| Incoming { stamp: ancillary.stamp, ..packet })
    }

    fn packet_v6<'a>(&self, index: usize, payload: &'a [u8], ancillary: &Ancillary) -> Option<Incoming<'a>> {
        Some(Incoming {
            payload,
            source: IpAddr::V6(Ipv6Addr::from(self.names.get(index)?.sin6_addr.s6_addr)),
            destination: IpAddr::V6(ancillary.destination?),
            ttl: ancillary.hop_limit?,
            has_options: ancillary.has_extensions,
            stamp: None,
        })
    }
}

fn ancillary(header: &libc::msghdr) -> Ancillary {
    let mut found = Ancillary::default();
    // SAFETY: the kernel has filled the control buffer and set its length; the macros walk within
    // it, and the data is read unaligned.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    found.stamp = Some(super::duration_of(data.cast::<libc::timespec>().read_unaligned()));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    found.destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    found.hop_limit = u8::try_from(data.cast::<libc::c_int>().read_unaligned()).ok();
                }
                (libc::IPPROTO_IPV6, _) => found.has_extensions = true,
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    found.has_extensions |= header.msg_flags & libc::MSG_CTRUNC != 0;
    found
}

/// A raw IPv4 socket gives the whole packet.
fn packet_v4(octets: &[u8]) -> Option<Incoming<'_>> {
    let header: &[u8; 20] = octets.first_chunk()?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    // The length field, not the buffer: Ethernet pads short frames, although Linux trims them.
    let total = usize::from(u16::from_be_bytes([header[2], header[3]])).min(octets.len());
    Some(Incoming {
        payload: octets.get(header_len.max(20)..total)?,
        source: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        destination: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        ttl: header[8],
        has_options: header_len > 20,
        stamp: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_packet_is_cut_at_every_length_without_harm() {
        let mut packet = vec![0x46, 0xc0, 0, 36, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18];
        packet.extend([1, 1, 1, 1, 0x31, 50, 100, 1, 0, 100, 0, 0, 10, 0, 0, 9]);
        let whole = packet_v4(&packet).expect("a packet");
        assert!(whole.has_options);
        assert_eq!((whole.ttl, whole.payload.len()), (255, 12));
        assert_eq!(whole.source, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(whole.destination, IpAddr::from([224, 0, 0, 18]));
        for len in 0..packet.len() {
            if let Some(cut) = packet.get(..len).and_then(packet_v4) {
                assert!(cut.payload.len() < 12, "{len}");
            }
        }
    }
}
