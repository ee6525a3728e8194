//! Addresses put on and taken off, many in one message to the kernel.

use std::net::IpAddr;

use super::codec::Writer;

/// `IFA_PROTO` of virtual addresses: VRRP's IP protocol number. keepalived has 18.
pub(crate) const PROTOCOL: u8 = 112;

pub(super) const IFA_ADDRESS: u16 = libc::IFA_ADDRESS;
pub(super) const IFA_LOCAL: u16 = libc::IFA_LOCAL;
const IFA_LABEL: u16 = libc::IFA_LABEL;
pub(super) const IFA_FLAGS: u16 = 8;
/// Since Linux 5.18; before, it is ignored.
pub(super) const IFA_PROTO: u16 = 11;

/// No duplicate address detection: the address is another router's a moment ago, and a second
/// would be lost.
const IFA_F_NODAD: u32 = 0x02;

/// No route to the address's network: another interface has it.
const IFA_F_NOPREFIXROUTE: u32 = 0x200;

/// Octets that one system call carries. 8192 is some 120 addresses, which take 3 ms: meanwhile
/// nothing is heard and nothing advertised. An interface takes half a millisecond or more, so it
/// goes alone.
const CHUNK: usize = 8192;

/// An address as the kernel has it on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    /// Interface number.
    pub(crate) interface: u32,
    /// The address.
    pub(crate) address: IpAddr,
    /// Prefix length.
    pub(crate) prefix_len: u8,
    /// `RT_SCOPE_UNIVERSE` is 0, `RT_SCOPE_LINK` 253, `RT_SCOPE_HOST` 254.
    pub(crate) scope: u8,
    /// IPv4 only: what old programs take for an interface of its own.
    pub(crate) label: Option<String>,
    /// Whether its network is reached by this interface.
    pub(crate) has_prefix_route: bool,
}

/// The end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Border {
    end: usize,
    /// It shares its system call with no other.
    is_alone: bool,
}

/// Requests that are not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    writer: Writer,
    /// Where a system call may end.
    borders: Vec<Border>,
    sequence: u32,
}

impl Requests {
    /// Puts an address on its interface. Fails with `EEXIST` when it is there. Returns the number.
    pub(crate) fn add(&mut self, address: &Address) -> u32 {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.push(libc::RTM_NEWADDR, flags, address)
    }

    /// Takes an address off. Fails with `EADDRNOTAVAIL` when it is not there.
    pub(crate) fn remove(&mut self, address: &Address) -> u32 {
        self.push(libc::RTM_DELADDR, libc::NLM_F_REQUEST, address)
    }

    /// Nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.borders.is_empty()
    }

    /// Takes out what goes into one system call; `None` when nothing is left.
    pub(super) fn take_chunk(&mut self) -> Option<Vec<u8>> {
        let fits = |border: &&Border| border.end <= CHUNK && !border.is_alone;
        let count = self.borders.iter().take_while(fits).count().max(1);
        let end = self.borders.get(count - 1)?.end;
        self.borders.drain(..count);
        for border in &mut self.borders {
            border.end -= end;
        }
        Some(self.writer.take(end))
    }

    fn push(&mut self, kind: u16, flags: libc::c_int, address: &Address) -> u32 {
        let sequence = self.next_sequence();
        let (family, mut flag_bits) = match address.address {
            IpAddr::V4(_) => (libc::AF_INET, 0),
            IpAddr::V6(_) => (libc::AF_INET6, IFA_F_NODAD),
        };
        if !address.has_prefix_route {
            flag_bits |= IFA_F_NOPREFIXROUTE;
        }
        let mut fixed = [u8::try_from(family).unwrap_or(0), address.prefix_len, 0, address.scope, 0, 0, 0, 0];
        if let Some(place) = fixed.last_chunk_mut() {
            *place = address.interface.to_ne_bytes();
        }
        let start = self.writer.begin(kind, u16::try_from(flags).unwrap_or(0), sequence, &fixed);
        match address.address {
            IpAddr::V4(v4) => {
                self.writer.attribute(IFA_LOCAL, &v4.octets());
                self.writer.attribute(IFA_ADDRESS, &v4.octets());
                // Not on removal, where a label that was changed would be in the way.
                if let (Some(label), libc::RTM_NEWADDR) = (&address.label, kind) {
                    let mut name = label.clone().into_bytes();
                    name.push(0);
                    self.writer.attribute(IFA_LABEL, &name);
                }
            }
            IpAddr::V6(v6) => self.writer.attribute(IFA_LOCAL, &v6.octets()),
        }
        if kind == libc::RTM_NEWADDR {
            self.writer.attribute(IFA_FLAGS, &flag_bits.to_ne_bytes());
            self.writer.attribute(IFA_PROTO, &[PROTOCOL]);
        }
        self.finish(start, false);
        sequence
    }

    /// 0 is for dumps.
    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.sequence
    }

    /// Ends the message that began at `start`; a system call may end here.
    fn finish(&mut self, start: usize, is_alone: bool) {
        self.writer.end(start);
        self.borders.push(Border { end: self.writer.len(), is_alone });
    }

    /// One message about an interface; `attributes` writes what follows its fixed part. Returns its
    /// number.
    pub(super) fn message(
        &mut self,
        kind: u16,
        flags: libc::c_int,
        fixed: &[u8],
        attributes: impl FnOnce(&mut Writer),
    ) -> u32 {
        let sequence = self.next_sequence();
        let flags = u16::try_from(libc::NLM_F_REQUEST | flags).unwrap_or(0);
        let start = self.writer.begin(kind, flags, sequence, fixed);
        attributes(&mut self.writer);
        self.finish(start, true);
        sequence
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::Messages;
    use super::*;

    fn address(last: u8) -> Address {
        Address {
            interface: 3,
            address: IpAddr::from([10, 0, 0, last]),
            prefix_len: 24,
            scope: 0,
            label: Some(String::from("eth0:vip")),
            has_prefix_route: true,
        }
    }

    #[test]
    fn a_request_carries_protocol_flags_and_label() {
        let mut requests = Requests::default();
        requests.add(&address(9));
        let chunk = requests.take_chunk().expect("one");
        let message = Messages::new(&chunk).next().expect("one");
        assert_eq!(message.kind, libc::RTM_NEWADDR);
        assert_eq!(message.body[..8], [2, 24, 0, 0, 3, 0, 0, 0]);
        let attributes: Vec<_> = message.attributes(8).collect();
        assert!(attributes.contains(&(IFA_PROTO, &[112][..])));
        assert!(attributes.contains(&(IFA_LABEL, &b"eth0:vip\0"[..])));
    }

    #[test]
    fn ipv6_goes_without_duplicate_address_detection() {
        let mut requests = Requests::default();
        requests.add(&Address { address: "fe80::10".parse().expect("valid"), label: None, ..address(0) });
        let chunk = requests.take_chunk().expect("one");
        let message = Messages::new(&chunk).next().expect("one");
        assert!(message.attributes(8).any(|found| found == (IFA_FLAGS, &2_u32.to_ne_bytes()[..])));
    }

    #[test]
    fn requests_are_cut_at_messages_and_none_is_lost() {
        let mut requests = Requests::default();
        for last in 0..=255 {
            requests.add(&address(last));
        }
        let chunks: Vec<_> = std::iter::from_fn(|| requests.take_chunk()).collect();
        assert!(chunks.len() > 1);
        assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK));
        assert_eq!(chunks.iter().map(|chunk| Messages::new(chunk).count()).sum::<usize>(), 256);
        assert!(requests.is_empty() && requests.take_chunk().is_none());
    }

    #[test]
    fn an_interface_shares_its_system_call_with_nothing() {
        let mut requests = Requests::default();
        requests.add(&address(1));
        requests.add(&address(2));
        requests.set_up(3);
        requests.delete_link(4);
        requests.remove(&address(1));
        let chunks = std::iter::from_fn(|| requests.take_chunk());
        let counts: Vec<_> = chunks.map(|chunk| Messages::new(&chunk).count()).collect();
        assert_eq!(counts, [2, 1, 1, 1]);
    }
}
