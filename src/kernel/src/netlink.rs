//! A netlink socket that asks the kernel one thing at a time, and the bytes of requests and answers.
//!
//! Only what comes from port 0, the kernel, is believed; any local process may send to a netlink
//! socket. Requests carry a number, and answers to another number are passed over.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// The largest datagram that the kernel makes of a dump, twice over.
const RECEIVE_ROOM: usize = 64 * 1024;
/// The kernel answers within the call that asks; only a machine that is stuck reaches this.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A dump that was interrupted by a change is asked for again, so often.
const DUMP_TRIES: usize = 8;

/// Lengths of `struct nlmsghdr` and `struct nlattr` (linux/netlink.h).
const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
const NLM_F_REQUEST: u16 = 0x01;
const NLM_F_ACK: u16 = 0x04;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
const NLA_F_NESTED: u16 = 0x8000;
const NLA_TYPE_MASK: u16 = 0x3fff;

/// Flags of requests that make something.
pub(crate) const NLM_F_REPLACE: u16 = 0x100;
/// Only where there is none.
pub(crate) const NLM_F_EXCL: u16 = 0x200;
/// Where there is none.
pub(crate) const NLM_F_CREATE: u16 = 0x400;

/// A socket for requests.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    room: Vec<u8>,
}

/// A message of an answer.
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

impl Socket {
    /// A socket of this protocol, without one of `NETLINK_ROUTE`, in the calling thread's network
    /// namespace.
    pub(crate) fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let fd = bound(protocol, 0, SocketFlags::CLOEXEC)?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(TIMEOUT))?;
        Ok(Self { fd, sequence: 0, room: vec![0; RECEIVE_ROOM] })
    }

    /// Asks for a change and waits for the kernel's yes or no.
    pub(crate) fn change(&mut self, kind: u16, flags: u16, body: &Body) -> io::Result<()> {
        self.send(kind, flags | NLM_F_ACK, body)?;
        self.answers(|_, _| {}).map(|_| ())
    }

    /// Asks for one object; gives what `read` makes of the body of its answer.
    pub(crate) fn ask<T>(
        &mut self,
        kind: u16,
        body: &Body,
        mut read: impl FnMut(&[u8]) -> Option<T>,
    ) -> io::Result<T> {
        let mut answer = None;
        self.send(kind, NLM_F_ACK, body)?;
        self.answers(|_, body| answer = read(body))?;
        answer.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Asks for all objects of a kind; `each` gets the body of each answer. Asked for anew when
    /// something changed meanwhile, after `restart`.
    pub(crate) fn dump<T: Default>(
        &mut self,
        kind: u16,
        body: &Body,
        mut each: impl FnMut(&mut T, u16, &[u8]),
    ) -> io::Result<T> {
        for _ in 0..DUMP_TRIES {
            let mut collected = T::default();
            self.send(kind, NLM_F_DUMP, body)?;
            if self.answers(|kind, body| each(&mut collected, kind, body))? {
                return Ok(collected);
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "changes all the time while it is read"))
    }

    fn send(&mut self, kind: u16, flags: u16, body: &Body) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let length = u32::try_from(HEADER + body.0.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut bytes = Vec::with_capacity(HEADER + body.0.len());
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(&body.0);
        rustix::io::retry_on_intr(|| {
            let kernel = SocketAddrNetlink::new(0, 0);
            rustix::net::sendto(&self.fd, &bytes, SendFlags::empty(), &kernel)
        })?;
        Ok(())
    }

    /// Reads answers until the end; whether nothing changed meanwhile.
    fn answers(&mut self, mut each: impl FnMut(u16, &[u8])) -> io::Result<bool> {
        let mut consistent = true;
        loop {
            let length = receive(&self.fd, &mut self.room, RecvFlags::empty())?;
            for message in messages(self.room.get(..length).unwrap_or_default()) {
                if message.sequence != self.sequence {
                    continue;
                }
                consistent &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_DONE => return Ok(consistent),
                    NLMSG_OVERRUN => return Err(Errno::NOBUFS.into()),
                    NLMSG_ERROR => match read_i32(message.body) {
                        Some(0) => return Ok(consistent),
                        Some(errno) => return Err(io::Error::from_raw_os_error(errno.saturating_neg())),
                        None => return Err(io::ErrorKind::InvalidData.into()),
                    },
                    kind => each(kind, message.body),
                }
            }
        }
    }
}

/// A socket of a netlink protocol that hears these multicast groups (a bit for each of the first 32).
pub(crate) fn bound(protocol: Option<Protocol>, groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
    Ok(fd)
}

/// The next datagram from the kernel; those of others are passed over.
pub(crate) fn receive(fd: impl AsFd, room: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    loop {
        let received = rustix::net::recvfrom(fd.as_fd(), &mut *room, flags | RecvFlags::TRUNC);
        match received {
            Ok((_, length, sender)) => {
                let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
                if sender.is_none_or(|sender| sender.pid() != 0) {
                    continue;
                }
                return if length <= room.len() { Ok(length) } else { Err(Errno::MSGSIZE.into()) };
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The kinds of the messages in a datagram.
pub(crate) fn kinds(datagram: &[u8]) -> impl Iterator<Item = u16> {
    messages(datagram).map(|message| message.kind)
}

/// The messages of a datagram; ends at the first that is cut short.
fn messages(mut rest: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(read_u32(rest)?).ok()?;
        let message = Message {
            kind: read_u16(rest.get(4..)?)?,
            flags: read_u16(rest.get(6..)?)?,
            sequence: read_u32(rest.get(8..)?)?,
            body: rest.get(HEADER..length)?,
        };
        rest = rest.get(aligned(length)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in these bytes with their types; ends at the first that is cut short.
pub(crate) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(rest)?);
        let kind = read_u16(rest.get(2..)?)? & NLA_TYPE_MASK;
        let value = rest.get(ATTRIBUTE_HEADER..length)?;
        rest = rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first attribute of this type.
pub(crate) fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// Text up to its NUL.
pub(crate) fn read_text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8(bytes.get(..end)?.to_vec()).ok()
}

/// A number in the machine's order.
pub(crate) fn read_u16(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.first_chunk()?))
}

/// A number in the machine's order.
pub(crate) fn read_u32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.first_chunk()?))
}

/// A number in the machine's order.
pub(crate) fn read_i32(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_ne_bytes(*bytes.first_chunk()?))
}

/// The next multiple of 4.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4).max(4)
}

/// What a request says: a fixed header, then attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body(Vec<u8>);

impl Body {
    /// Starts with the fixed header.
    pub(crate) fn new(header: impl Into<Vec<u8>>) -> Self {
        Self(header.into())
    }

    /// With an attribute more. Attributes are far shorter than the 64 KiB that their length can say.
    #[must_use]
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// With a number more.
    #[must_use]
    pub(crate) fn with_u32(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// With a text and its NUL more.
    #[must_use]
    pub(crate) fn with_text(self, kind: u16, value: &str) -> Self {
        self.with(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// With attributes within an attribute more.
    #[must_use]
    pub(crate) fn with_nested(self, kind: u16, nested: Self) -> Self {
        self.with(kind | NLA_F_NESTED, &nested.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let nested = Body::default().with_text(1, "vlan").with(2, &[7]);
        let body = Body::default().with_u32(4, 1500).with_nested(18, nested);
        let numbers = attribute(&body.0, 4).and_then(read_u32);
        assert_eq!(numbers, Some(1500));
        let inner = attribute(&body.0, 18).expect("the nested ones");
        assert_eq!(attribute(inner, 1).and_then(read_text).as_deref(), Some("vlan"));
        assert_eq!(attribute(inner, 2), Some(&[7][..]));
        assert_eq!(attribute(inner, 3), None);
    }

    #[test]
    fn bytes_that_are_cut_short_end_the_reading() {
        let body = Body::default().with_u32(4, 1500).with_text(3, "eth0");
        for length in 0..body.0.len() {
            let cut = &body.0[..length];
            assert!(attributes(cut).all(|(_, value)| value.len() <= 5), "{length}");
            assert!(messages(cut).count() <= 1, "{length}");
        }
        assert_eq!(attributes(&[0; 64]).count(), 0);
        assert_eq!(messages(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[0xff; 64]).count(), 0);
    }
}
