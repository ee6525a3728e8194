//! What a captured frame says: who to whom, and in a line what. Pure; a frame that is cut off or
//! broken says less.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A frame's first bytes, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Source and destination, where it has IP addresses (ARP: sender and target).
    pub hosts: Option<(IpAddr, IpAddr)>,
    /// Source and destination, of TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// For a person.
    pub text: String,
}

/// Tags of VLANs that a frame may carry one in the other.
const TAGS: usize = 2;
/// Extension headers of IPv6 that are passed over.
const EXTENSIONS: usize = 8;

impl Frame {
    /// Reads an Ethernet frame of which the first bytes are there; `length` is what it had.
    #[must_use]
    pub fn read(bytes: &[u8], length: usize) -> Self {
        ethernet(bytes).unwrap_or_else(|| Self { text: format!("broken, {length} bytes"), ..Self::default() })
    }

    /// Whether it comes from or goes to this host.
    #[must_use]
    pub fn is_of_host(&self, host: IpAddr) -> bool {
        self.hosts.is_some_and(|(from, to)| from == host || to == host)
    }

    /// Whether it comes from or goes to this port.
    #[must_use]
    pub fn is_of_port(&self, port: u16) -> bool {
        self.ports.is_some_and(|(from, to)| from == port || to == port)
    }
}

fn ethernet(bytes: &[u8]) -> Option<Frame> {
    let mut at = 12;
    let mut kind = word(bytes, at)?;
    let mut tags = String::new();
    for _ in 0..TAGS {
        if !matches!(kind, 0x8100 | 0x88a8) {
            break;
        }
        // Writing into a String cannot fail.
        let _ = write!(tags, "vlan {} ", word(bytes, at + 2)? & 0xfff);
        at += 4;
        kind = word(bytes, at)?;
    }
    let payload = bytes.get(at + 2..)?;
    let mut frame = match kind {
        0x0800 => ipv4(payload)?,
        0x86dd => ipv6(payload)?,
        0x0806 => arp(payload)?,
        other => Frame { text: format!("{} ethertype 0x{other:04x}", mac(bytes, 6)?), ..Frame::default() },
    };
    frame.text.insert_str(0, &tags);
    Some(frame)
}

fn arp(bytes: &[u8]) -> Option<Frame> {
    let (sender, target) = (v4(bytes, 14)?, v4(bytes, 24)?);
    let text = match word(bytes, 6)? {
        1 if sender == target => format!("arp {sender} is at {} (gratuitous)", mac(bytes, 8)?),
        1 => format!("arp who has {target}, tell {sender}"),
        2 => format!("arp {sender} is at {}", mac(bytes, 8)?),
        other => format!("arp operation {other}"),
    };
    Some(Frame { hosts: Some((sender, target)), ports: None, text })
}

fn ipv4(bytes: &[u8]) -> Option<Frame> {
    let header = usize::from(bytes.first()? & 0xf) * 4;
    let total = usize::from(word(bytes, 2)?);
    let (from, to) = (v4(bytes, 12)?, v4(bytes, 16)?);
    let offset = word(bytes, 6)? & 0x1fff;
    let protocol = *bytes.get(9)?;
    let packet = Packet { from, to, protocol, length: total.checked_sub(header)? };
    Some(match offset {
        0 => packet.read(bytes.get(header..)?),
        _ => packet.plain(&format!("protocol {protocol}, fragment at {}", usize::from(offset) * 8)),
    })
}

fn ipv6(bytes: &[u8]) -> Option<Frame> {
    let (from, to) = (v6(bytes, 8)?, v6(bytes, 24)?);
    let mut length = usize::from(word(bytes, 4)?);
    let mut protocol = *bytes.get(6)?;
    let mut rest = bytes.get(40..)?;
    for _ in 0..EXTENSIONS {
        // Hop-by-hop, routing, destination options (RFC 8200 section 4).
        if !matches!(protocol, 0 | 43 | 60) {
            break;
        }
        let size = (usize::from(*rest.get(1)?) + 1) * 8;
        protocol = *rest.first()?;
        length = length.checked_sub(size)?;
        rest = rest.get(size..)?;
    }
    Some(Packet { from, to, protocol, length }.read(rest))
}

/// An IP packet whose payload comes next.
struct Packet {
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    /// Of the payload.
    length: usize,
}

impl Packet {
    fn read(&self, payload: &[u8]) -> Frame {
        let read = match self.protocol {
            6 => self.tcp(payload),
            17 => self.udp(payload),
            1 => icmp(payload, &ICMP),
            58 => icmp(payload, &ICMPV6),
            112 => vrrp(payload, self.from.is_ipv6()),
            _ => None,
        };
        match read {
            Some(Transport { ports: Some((from, to)), text }) => Frame {
                hosts: Some((self.from, self.to)),
                ports: Some((from, to)),
                text: format!("{} > {} {text}", end(self.from, from), end(self.to, to)),
            },
            Some(Transport { ports: None, text }) => self.plain(&text),
            None => self.plain(&format!("protocol {} length {}", self.protocol, self.length)),
        }
    }

    fn plain(&self, text: &str) -> Frame {
        let Self { from, to, .. } = self;
        Frame { hosts: Some((*from, *to)), ports: None, text: format!("{from} > {to} {text}") }
    }

    fn tcp(&self, bytes: &[u8]) -> Option<Transport> {
        let header = usize::from(bytes.get(12)? >> 4) * 4;
        let set = *bytes.get(13)?;
        let letters = [(0x02, 'S'), (0x01, 'F'), (0x04, 'R'), (0x08, 'P'), (0x10, '.')];
        let flags: String =
            letters.iter().filter(|(bit, _)| set & bit != 0).map(|(_, letter)| letter).collect();
        let text = format!("tcp {flags} length {}", self.length.checked_sub(header)?);
        Some(Transport { ports: Some((word(bytes, 0)?, word(bytes, 2)?)), text })
    }

    fn udp(&self, bytes: &[u8]) -> Option<Transport> {
        let text = format!("udp length {}", self.length.checked_sub(8)?);
        Some(Transport { ports: Some((word(bytes, 0)?, word(bytes, 2)?)), text })
    }
}

struct Transport {
    ports: Option<(u16, u16)>,
    text: String,
}

/// Types of ICMP (RFC 792) and of ICMPv6 (RFC 4443, RFC 4861) that are worth a name.
const ICMP: [(u8, &str); 6] = [
    (0, "echo reply"),
    (3, "unreachable"),
    (5, "redirect"),
    (8, "echo request"),
    (11, "time exceeded"),
    (12, "parameter problem"),
];
const ICMPV6: [(u8, &str); 14] = [
    (1, "unreachable"),
    (2, "packet too big"),
    (3, "time exceeded"),
    (4, "parameter problem"),
    (128, "echo request"),
    (129, "echo reply"),
    (130, "multicast listener query"),
    (131, "multicast listener report"),
    (132, "multicast listener done"),
    (133, "router solicitation"),
    (134, "router advertisement"),
    (135, "neighbour solicitation"),
    (136, "neighbour advertisement"),
    (143, "multicast listener report"),
];

fn icmp(bytes: &[u8], names: &[(u8, &str)]) -> Option<Transport> {
    let (kind, code) = (*bytes.first()?, *bytes.get(1)?);
    let name = names.iter().find(|(known, _)| *known == kind);
    let text = match name {
        Some((_, name)) if code == 0 => format!("icmp {name}"),
        Some((_, name)) => format!("icmp {name} code {code}"),
        None => format!("icmp type {kind} code {code}"),
    };
    Some(Transport { ports: None, text })
}

/// RFC 9568 section 5.1.
fn vrrp(bytes: &[u8], is_v6: bool) -> Option<Transport> {
    let (version, vrid, priority) = (bytes.first()? >> 4, bytes.get(1)?, bytes.get(2)?);
    let ip = if is_v6 { "6" } else { "" };
    Some(Transport { ports: None, text: format!("vrrp{ip} v{version} vrid {vrid} priority {priority}") })
}

fn end(host: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(host, port).to_string()
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn v4(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

fn v6(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets).into())
}

fn mac(bytes: &[u8], at: usize) -> Option<String> {
    let octets: Vec<String> = bytes.get(at..at + 6)?.iter().map(|octet| format!("{octet:02x}")).collect();
    Some(octets.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ethernet addresses and a type, in hexadecimal.
    const TO_FROM: &str = "525400210101525400210102";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap_or(0))
            .collect()
    }

    /// Frames as tcpdump -x prints them, and what they say.
    const FRAMES: [(&str, &str); 8] = [
        (
            "0800 4500003c 1c464000 40060000 c6336465 c6336415 9c400015 00000001 00000000 a002faf0 00000000",
            "198.51.100.101:40000 > 198.51.100.21:21 tcp S length 0",
        ),
        (
            "8100 0064 0800 45000020 00000000 40110000 0a150001 0a15000b 00350035 000c0000 61626364",
            "vlan 100 10.21.0.1:53 > 10.21.0.11:53 udp length 4",
        ),
        (
            "0806 0001080006040001 525400210101 0a150001 000000000000 0a15000b",
            "arp who has 10.21.0.11, tell 10.21.0.1",
        ),
        (
            "0806 0001080006040001 525400210101 0a150001 000000000000 0a150001",
            "arp 10.21.0.1 is at 52:54:00:21:01:01 (gratuitous)",
        ),
        (
            "0800 45c00020 00000000 ff700000 c6336402 e0000012 3132c801 0014abcd c633640a",
            "198.51.100.2 > 224.0.0.18 vrrp v3 vrid 50 priority 200",
        ),
        (
            "86dd 60000000 0010 00 01 fe80000000000000 0000000000000001 ff020000000000000000000000000016 \
             3a00050200000000 8f000000 00000000",
            "fe80::1 > ff02::16 icmp multicast listener report",
        ),
        (
            "0800 45000054 00004000 40010000 0a150001 0a15000b 0800abcd 00010001",
            "10.21.0.1 > 10.21.0.11 icmp echo request",
        ),
        ("88cc 0207", "52:54:00:21:01:02 ethertype 0x88cc"),
    ];

    #[test]
    fn a_frame_says_who_to_whom_and_what() {
        for (hex, wanted) in FRAMES {
            let frame = bytes(&format!("{TO_FROM}{hex}"));
            assert_eq!(Frame::read(&frame, frame.len()).text, wanted);
            assert!(wanted.len() < 68, "it stands behind its time on 80 columns");
        }
    }

    #[test]
    fn a_frame_that_is_cut_off_says_less_and_does_no_harm() {
        for (hex, _) in FRAMES {
            let frame = bytes(&format!("{TO_FROM}{hex}"));
            for length in 0..frame.len() {
                let cut = Frame::read(&frame[..length], frame.len());
                assert!(!cut.text.is_empty());
            }
        }
    }

    #[test]
    fn a_filter_looks_at_both_ends() {
        let frame = bytes(&format!("{TO_FROM}{}", FRAMES[0].0));
        let frame = Frame::read(&frame, frame.len());
        let host = |text: &str| text.parse().expect("an address");
        assert!(frame.is_of_host(host("198.51.100.21")) && frame.is_of_host(host("198.51.100.101")));
        assert!(!frame.is_of_host(host("198.51.100.1")));
        assert!(frame.is_of_port(21) && frame.is_of_port(40000) && !frame.is_of_port(20));
    }
}
