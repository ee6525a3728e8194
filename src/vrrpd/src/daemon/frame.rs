//! Advertisements as Ethernet frames: all headers are ours, also a virtual MAC address as the source.

use vrrp::wire::{self, Addresses, Path};

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;

/// The least MTU of an Ethernet; nobody cuts a frame that is too long.
const MTU: usize = 1500;

/// Whether an advertisement with these addresses is one frame: up to 90 of IPv6, all of IPv4.
pub(super) fn fits(addresses: &Addresses<'_>) -> bool {
    match addresses {
        Addresses::V4(list) => IPV4 + 8 + 4 * list.len() + 8 <= MTU,
        Addresses::V6(list) => IPV6 + 8 + 16 * list.len() <= MTU,
    }
}

/// Octets of the headers before the advertisement.
pub(super) const fn headers(path: &Path) -> usize {
    match path {
        Path::V4 { .. } => ETHERNET + IPV4,
        Path::V6 { .. } => ETHERNET + IPV6,
    }
}

/// Writes the headers of a frame to a multicast group, before the advertisement that is there.
pub(super) fn write(frame: &mut [u8], mac: [u8; 6], path: &Path) {
    let Some((ethernet, packet)) = frame.split_first_chunk_mut::<ETHERNET>() else { return };
    let (group, kind) = match path {
        Path::V4 { destination, .. } => {
            let [_, b, c, d] = destination.octets();
            ([0x01, 0x00, 0x5e, b & 0x7f, c, d], [0x08, 0x00])
        }
        Path::V6 { destination, .. } => {
            let [.., a, b, c, d] = destination.octets();
            ([0x33, 0x33, a, b, c, d], [0x86, 0xdd])
        }
    };
    ethernet[..6].copy_from_slice(&group);
    ethernet[6..12].copy_from_slice(&mac);
    ethernet[12..].copy_from_slice(&kind);
    let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    match path {
        Path::V4 { source, destination } => {
            super::transport::write_ipv4_header(packet, source.octets(), destination.octets());
            let Some(header) = packet.first_chunk_mut::<IPV4>() else { return };
            header[2..4].copy_from_slice(&len.to_be_bytes());
            // Not to be cut, so it takes no identification (RFC 6864).
            header[6] = 0x40;
            let checksum = checksum(header);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        Path::V6 { source, destination } => {
            let Some(header) = packet.first_chunk_mut::<IPV6>() else { return };
            // Class selector 6.
            header[..2].copy_from_slice(&[0x6c, 0x00]);
            header[4..6].copy_from_slice(&len.saturating_sub(40).to_be_bytes());
            header[6] = wire::IP_PROTOCOL;
            header[7] = wire::TTL;
            header[8..24].copy_from_slice(&source.octets());
            header[24..40].copy_from_slice(&destination.octets());
        }
    }
}

/// RFC 1071, over a header whose checksum is zero.
fn checksum(header: &[u8; IPV4]) -> u16 {
    let words = header.as_chunks::<2>().0.iter();
    let mut sum: u32 = words.map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_frame_is_whole_and_its_checksum_is_the_one_worked_out_by_hand() {
        let (source, destination) = ([10, 99, 0, 1].into(), [224, 0, 0, 18].into());
        let path = Path::V4 { source, destination };
        let mut frame = vec![0; headers(&path) + 12];
        write(&mut frame, [0, 0, 0x5e, 0, 1, 51], &path);
        // 45c0 + 0020 + 4000 + ff70 + 0a63 + 0001 + e000 + 0012 = 26fc6, folded 6fc8, inverted 9037.
        let expected = [
            0x01, 0x00, 0x5e, 0, 0, 18, 0, 0, 0x5e, 0, 1, 51, 0x08, 0x00, // Ethernet
            0x45, 0xc0, 0, 32, 0, 0, 0x40, 0, 255, 112, 0x90, 0x37, 10, 99, 0, 1, 224, 0, 0, 18,
        ];
        assert_eq!(frame[..34], expected);
    }

    #[test]
    fn an_ipv6_frame_is_whole() {
        let path = Path::V6 {
            source: "fe80::1".parse().expect("valid"),
            destination: "ff02::12".parse().expect("valid"),
        };
        let mut frame = vec![0; headers(&path) + 24];
        write(&mut frame, [0, 0, 0x5e, 0, 2, 51], &path);
        assert_eq!(frame[..14], [0x33, 0x33, 0, 0, 0, 0x12, 0, 0, 0x5e, 0, 2, 51, 0x86, 0xdd]);
        assert_eq!(frame[14..22], [0x6c, 0, 0, 0, 0, 24, 112, 255]);
        assert_eq!((frame[22], frame[37], frame[38], frame[53]), (0xfe, 1, 0xff, 0x12));
    }
}
