//! The Internet checksum, with and without a pseudo-header.
//!
//! IPv6 always has one. For IPv4, RFC 9568 has none (section 5.2.8) and keepalived sends one by
//! default in version 3, so both are accepted and the one that was found is reported.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::IP_PROTOCOL;
use crate::{Family, Version};

/// How the checksum of an IPv4 advertisement of version 3 is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumForm {
    /// Over the VRRP message only: RFC 9568, and version 2.
    Plain,
    /// With a pseudo-header: keepalived's default, and IPv6.
    PseudoHeader,
}

impl ChecksumForm {
    /// The form that counts: only IPv4 in version 3 has a choice.
    pub(crate) const fn for_packet(self, version: Version, family: Family) -> ChecksumForm {
        match (version, family) {
            (Version::V2, Family::Ipv4 | Family::Ipv6) => ChecksumForm::Plain,
            (Version::V3, Family::Ipv6) => ChecksumForm::PseudoHeader,
            (Version::V3, Family::Ipv4) => self,
        }
    }
}

/// Which form a received checksum was right in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumFound {
    /// One form only.
    Form(ChecksumForm),
    /// Both: the pseudo-header of these two addresses happens to sum to zero, or there is no choice.
    Either,
}

/// Source and destination of a packet, of one family: what a pseudo-header is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// IPv4.
    V4 {
        /// Sender.
        source: Ipv4Addr,
        /// Multicast group or peer.
        destination: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// Sender.
        source: Ipv6Addr,
        /// Multicast group or peer.
        destination: Ipv6Addr,
    },
}

impl Path {
    /// `None` when the two are of different families.
    pub const fn new(source: IpAddr, destination: IpAddr) -> Option<Path> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Path::V4 { source, destination }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Path::V6 { source, destination }),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }

    /// The family of both ends.
    pub const fn family(&self) -> Family {
        match self {
            Path::V4 { .. } => Family::Ipv4,
            Path::V6 { .. } => Family::Ipv6,
        }
    }

    /// One's complement sum of the pseudo-header for a message of `len` octets
    /// (RFC 8200 section 8.1; IPv4 as in RFC 9293 section 3.1).
    fn pseudo_header_sum(&self, len: usize) -> u64 {
        // The length enters as one or two 16-bit words; adding it whole is the same sum.
        let length = u64::try_from(len).unwrap_or(u64::MAX >> 16);
        let ends = match self {
            Path::V4 { source, destination } => sum(&source.octets()) + sum(&destination.octets()),
            Path::V6 { source, destination } => sum(&source.octets()) + sum(&destination.octets()),
        };
        ends + u64::from(IP_PROTOCOL) + length
    }
}

/// The checksum field for `message`, in which that field is zero.
pub(crate) fn compute(message: &[u8], path: &Path, form: ChecksumForm) -> u16 {
    let pseudo = match form {
        ChecksumForm::Plain => 0,
        ChecksumForm::PseudoHeader => path.pseudo_header_sum(message.len()),
    };
    !fold(sum(message) + pseudo)
}

/// Which form the checksum in `message` is right in; `None` when in neither.
pub(crate) fn verify(message: &[u8], path: &Path, version: Version) -> Option<ChecksumFound> {
    let message_sum = sum(message);
    let is_plain = || fold(message_sum) == 0xffff;
    let is_pseudo = || fold(message_sum + path.pseudo_header_sum(message.len())) == 0xffff;
    match (version, path.family()) {
        (Version::V2, Family::Ipv4 | Family::Ipv6) => is_plain().then_some(ChecksumFound::Either),
        (Version::V3, Family::Ipv6) => is_pseudo().then_some(ChecksumFound::Either),
        (Version::V3, Family::Ipv4) => match (is_plain(), is_pseudo()) {
            (true, true) => Some(ChecksumFound::Either),
            (true, false) => Some(ChecksumFound::Form(ChecksumForm::Plain)),
            (false, true) => Some(ChecksumFound::Form(ChecksumForm::PseudoHeader)),
            (false, false) => None,
        },
    }
}

/// Of 32-bit words, which folds to the same as of 16-bit words in half the steps.
fn sum(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<4>();
    let mut last = [0; 4];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let whole: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    whole + u64::from(u32::from_be_bytes(last))
}

fn fold(mut sum: u64) -> u16 {
    loop {
        match u16::try_from(sum) {
            Ok(folded) => return folded,
            Err(_) => sum = (sum & 0xffff) + (sum >> 16),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: Path =
        Path::V4 { source: Ipv4Addr::new(10, 99, 0, 1), destination: Ipv4Addr::new(224, 0, 0, 18) };

    // 3133 + 6401 + 0064 + 0000 + 0a63 + 000a = a005; complement 5ffa.
    // Pseudo-header: 0a63 + 0001 + e000 + 0012 + 0070 + 000c = eaf2; a005 + eaf2 = 18af7,
    // folded 8af8; complement 7507, which is what keepalived put on the wire.
    const MESSAGE: [u8; 12] = [0x31, 0x33, 100, 1, 0, 100, 0, 0, 10, 99, 0, 10];

    #[test]
    fn both_forms_equal_a_sum_worked_out_by_hand() {
        assert_eq!(compute(&MESSAGE, &PATH, ChecksumForm::Plain), 0x5ffa);
        assert_eq!(compute(&MESSAGE, &PATH, ChecksumForm::PseudoHeader), 0x7507);
    }

    #[test]
    fn the_form_that_was_used_is_found() {
        for form in [ChecksumForm::Plain, ChecksumForm::PseudoHeader] {
            let mut message = MESSAGE;
            message[6..8].copy_from_slice(&compute(&MESSAGE, &PATH, form).to_be_bytes());
            assert_eq!(verify(&message, &PATH, Version::V3), Some(ChecksumFound::Form(form)));
            message[11] ^= 1;
            assert_eq!(verify(&message, &PATH, Version::V3), None);
        }
    }

    #[test]
    fn a_pseudo_header_that_sums_to_zero_is_either_form() {
        // source + destination + 0070 + 000c = ffff: 1f71 + e000 + 0012 + 007c = ffff.
        let path =
            Path::V4 { source: Ipv4Addr::new(0x1f, 0x71, 0, 0), destination: super::super::MULTICAST_V4 };
        let mut message = MESSAGE;
        message[6..8].copy_from_slice(&compute(&MESSAGE, &path, ChecksumForm::Plain).to_be_bytes());
        assert_eq!(verify(&message, &path, Version::V3), Some(ChecksumFound::Either));
    }

    #[test]
    fn an_odd_octet_counts_as_the_high_half_of_a_word() {
        assert_eq!(fold(sum(&[0x12, 0x34, 0x56])), 0x1234 + 0x5600);
        assert_eq!(fold(sum(&[0xff, 0xff, 0x00, 0x01, 0x80])), 0x8001);
    }
}
