//! One hop on the way to a host: echo requests that may pass so many routers, and who answers.
//!
//! A raw socket hears all of the box's ICMP; what is no answer to these requests is passed over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recvfrom, sendto, socket_with,
    sockopt,
};

/// Largest answer looked at: a header, an error, and the request's beginning.
const ROOM: usize = 1500;
/// What a request carries behind its header, as ping does.
const PAYLOAD: usize = 32;

/// What one hop has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// Who answered; the first, where it were several.
    pub address: Option<IpAddr>,
    /// For each request how long the answer took; `None` where none came in time.
    pub times: Vec<Option<Duration>>,
    /// What the end of the way is, where it is here.
    pub end: Option<End>,
}

/// The end of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The host answered.
    Reached,
    /// Somebody says that it cannot be reached.
    Unreachable,
}

/// Sends requests one after the other that may pass `hops` routers, 1-255, and waits for each.
///
/// # Errors
/// There is no way to the host, or the caller lacks `CAP_NET_RAW`.
pub fn hop(host: IpAddr, hops: u8, requests: u8, patience: Duration) -> io::Result<Hop> {
    static NEXT: AtomicU16 = AtomicU16::new(0x2100);
    let socket = open(host, hops)?;
    let ident = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut seen = Hop::default();
    for number in 0..requests {
        let asked = Asked { host, ident, number: u16::from(number) };
        let begun = Instant::now();
        sendto(&socket, &asked.request(), SendFlags::empty(), &SocketAddr::new(host, 0))?;
        let answer = wait(&socket, &asked, begun + patience)?;
        seen.times.push(answer.map(|_| begun.elapsed()));
        if let Some(answer) = answer {
            seen.address.get_or_insert(answer.from);
            seen.end = seen.end.or(answer.end);
        }
    }
    Ok(seen)
}

fn open(host: IpAddr, hops: u8) -> io::Result<OwnedFd> {
    let (family, protocol) = match host {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let socket =
        socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, Some(protocol))?;
    match host {
        IpAddr::V4(_) => sockopt::set_ip_ttl(&socket, hops.into())?,
        IpAddr::V6(_) => sockopt::set_ipv6_unicast_hops(&socket, Some(hops))?,
    }
    Ok(socket)
}

fn wait(socket: &OwnedFd, asked: &Asked, until: Instant) -> io::Result<Option<Answer>> {
    let mut room = [0; ROOM];
    loop {
        let Some(left) = until.checked_duration_since(Instant::now()) else { return Ok(None) };
        let left = rustix::time::Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            // A signal of the process, such as a child's end, may reach any thread.
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let (length, _, from) = match recvfrom(socket, &mut room[..], RecvFlags::empty()) {
            Ok(received) => received,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let from = from.and_then(|from| SocketAddr::try_from(from).ok()).map(|from| from.ip());
        let bytes = room.get(..length).unwrap_or_default();
        if let (Some(from), Some(end)) = (from, asked.answered(bytes)) {
            return Ok(Some(Answer { from, end }));
        }
    }
}

#[derive(Clone, Copy)]
struct Answer {
    from: IpAddr,
    end: Option<End>,
}

/// A request under way.
struct Asked {
    host: IpAddr,
    ident: u16,
    number: u16,
}

impl Asked {
    /// RFC 792, RFC 4443 section 4.1. The kernel sums ICMPv6 up.
    fn request(&self) -> Vec<u8> {
        let kind = if self.host.is_ipv4() { 8 } else { 128 };
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(self.ident.to_be_bytes());
        bytes.extend(self.number.to_be_bytes());
        bytes.resize(bytes.len() + PAYLOAD, b'.');
        if self.host.is_ipv4() {
            let sum = checksum(&bytes).to_be_bytes();
            bytes.splice(2..4, sum);
        }
        bytes
    }

    /// Whether a packet answers it, and if so whether the way ends there.
    fn answered(&self, bytes: &[u8]) -> Option<Option<End>> {
        let message = match self.host {
            IpAddr::V4(_) => bytes.get(header_v4(bytes)?..)?,
            IpAddr::V6(_) => bytes,
        };
        let (reply, exceeded, unreachable) = if self.host.is_ipv4() { (0, 11, 3) } else { (129, 3, 1) };
        match *message.first()? {
            kind if kind == reply => self.is_mine(message, reply).then_some(Some(End::Reached)),
            kind if kind == exceeded => self.is_quoted(message.get(8..)?).then_some(None),
            kind if kind == unreachable => {
                self.is_quoted(message.get(8..)?).then_some(Some(End::Unreachable))
            }
            _ => None,
        }
    }

    /// Whether an error quotes the request.
    fn is_quoted(&self, quoted: &[u8]) -> bool {
        let inner = || match self.host {
            IpAddr::V4(host) => {
                let to: [u8; 4] = quoted.get(16..20)?.try_into().ok()?;
                (quoted.get(9) == Some(&1) && Ipv4Addr::from(to) == host).then_some(())?;
                quoted.get(header_v4(quoted)?..)
            }
            IpAddr::V6(host) => {
                let to: [u8; 16] = quoted.get(24..40)?.try_into().ok()?;
                (quoted.get(6) == Some(&58) && Ipv6Addr::from(to) == host).then_some(())?;
                quoted.get(40..)
            }
        };
        inner().is_some_and(|inner| self.is_mine(inner, if self.host.is_ipv4() { 8 } else { 128 }))
    }

    fn is_mine(&self, message: &[u8], kind: u8) -> bool {
        let word = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
        message.first() == Some(&kind) && word(4) == Some(self.ident) && word(6) == Some(self.number)
    }
}

fn header_v4(bytes: &[u8]) -> Option<usize> {
    Some(usize::from(bytes.first()? & 0xf) * 4)
}

/// RFC 1071, over an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str) -> Asked {
        Asked { host: host.parse().expect("an address"), ident: 0x2101, number: 2 }
    }

    /// An IPv4 header without options before these bytes.
    fn v4(protocol: u8, to: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 1, protocol, 0, 0, 10, 0, 0, 1];
        bytes.extend(to);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_request_sums_up_to_nothing() {
        assert_eq!(checksum(&asked("192.0.2.9").request()), 0);
    }

    #[test]
    fn only_answers_to_the_request_count() {
        let asked4 = asked("192.0.2.9");
        let request = asked4.request();
        let error = |kind: u8, quoted: Vec<u8>| {
            v4(1, [10, 0, 0, 1], &[&[kind, 0, 0, 0, 0, 0, 0, 0], &quoted[..]].concat())
        };
        let mut reply = request.clone();
        reply[0] = 0;
        let mut others = request.clone();
        others[7] = 3;
        let here = [192, 0, 2, 9];
        let cases = [
            ("a reply", v4(1, [10, 0, 0, 1], &reply), Some(Some(End::Reached))),
            ("its own request, which a raw socket hears", v4(1, here, &request), None),
            ("a router's error", error(11, v4(1, here, &request)), Some(None)),
            ("an end", error(3, v4(1, here, &request)), Some(Some(End::Unreachable))),
            ("an error of another request", error(11, v4(1, here, &others)), None),
            ("an error of a way to another host", error(11, v4(1, [192, 0, 2, 8], &request)), None),
            ("an error of TCP", error(11, v4(6, here, &request)), None),
        ];
        for (case, bytes, wanted) in cases {
            assert_eq!(asked4.answered(&bytes), wanted, "{case}");
            for length in 0..bytes.len() {
                let _ = asked4.answered(&bytes[..length]);
            }
        }
        let asked6 = asked("2001:db8::9");
        let mut quoted = vec![0; 24];
        quoted[6] = 58;
        quoted.extend("2001:db8::9".parse::<Ipv6Addr>().expect("an address").octets());
        quoted.extend(asked6.request());
        let error = [&[3, 0, 0, 0, 0, 0, 0, 0], &quoted[..]].concat();
        assert_eq!(asked6.answered(&error), Some(None));
    }
}
