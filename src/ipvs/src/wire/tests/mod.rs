#[cfg(target_endian = "little")]
mod as_captured;
#[cfg(target_endian = "little")]
mod by_hand;
#[cfg(target_endian = "little")]
mod captured;
mod properties;

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use rustix::io::Errno;

use super::*;
use crate::constants as k;
use crate::{
    Flags, ForwardingMethod, Granularity, Info, InterfaceName, Persistence, PersistenceEngine, Protocol,
    RealServer, RealServerId, Request, Scheduler, ServiceId, SyncDaemon, SyncRole, Timeouts, Tunnel,
    TunnelFlags, VirtualService,
};

const HEADER: Header = Header { family_id: 0x1c, sequence: 7 };

fn encoded(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(HEADER, request, &mut bytes).expect("a value that fits");
    bytes
}

/// An attribute, written independently of the encoder.
fn attribute(number: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(payload.len() + 4).expect("short").to_ne_bytes().to_vec();
    bytes.extend(number.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(number: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(number, &attributes.concat())
}

/// The attributes of a message after both headers.
fn body(message: &[u8]) -> &[u8] {
    message.get(20..).expect("two headers")
}

fn mark(family: Family) -> ServiceId {
    ServiceId::Mark { family, mark: NonZeroU32::new(21).expect("not 0") }
}

fn persistent(family: Family) -> VirtualService {
    VirtualService {
        persistence: Some(Persistence::per_client(Duration::from_secs(600))),
        ..VirtualService::new(mark(family), Scheduler::WLC)
    }
}

fn server() -> RealServer {
    RealServer::new(RealServerId::new([10, 0, 0, 11], 0), ForwardingMethod::Masquerade)
}

#[test]
fn flags_are_always_sent_with_a_full_mask_or_persistence_is_lost() {
    for (service, flags) in [
        (persistent(Family::Ipv4), k::IP_VS_SVC_F_PERSISTENT),
        (VirtualService::new(mark(Family::Ipv4), Scheduler::WLC), 0),
        (
            VirtualService { flags: Flags::ONE_PACKET | Flags::SCHEDULER_1, ..persistent(Family::Ipv4) },
            k::IP_VS_SVC_F_PERSISTENT | k::IP_VS_SVC_F_ONEPACKET | k::IP_VS_SVC_F_SCHED1,
        ),
        // Flags cannot smuggle in what other fields and the kernel say.
        (
            VirtualService {
                flags: Flags::from_bits_retain(u32::MAX),
                ..VirtualService::new(mark(Family::Ipv4), Scheduler::WLC)
            },
            !(k::IP_VS_SVC_F_PERSISTENT | k::IP_VS_SVC_F_HASHED),
        ),
    ] {
        let payload = [flags.to_ne_bytes(), [0xff; 4]].concat();
        let expected = attribute(k::IPVS_SVC_ATTR_FLAGS, &payload);
        for request in [Request::AddService(service), Request::SetService(service)] {
            let bytes = encoded(&request);
            assert!(bytes.windows(12).any(|window| window == expected), "{service:?}: {bytes:02x?}");
        }
    }
}

#[test]
fn a_netmask_is_bytes_for_ipv4_and_a_number_for_ipv6() {
    use Granularity::{Client, Mask, Prefix};
    for (family, granularity, expected) in [
        (Family::Ipv4, Client, Ok([255, 255, 255, 255])),
        (Family::Ipv4, Prefix(32), Ok([255, 255, 255, 255])),
        (Family::Ipv4, Prefix(24), Ok([255, 255, 255, 0])),
        (Family::Ipv4, Prefix(1), Ok([128, 0, 0, 0])),
        (Family::Ipv4, Prefix(0), Ok([0, 0, 0, 0])),
        (Family::Ipv4, Prefix(33), Err(ValueError::Prefix { given: 33, family: Family::Ipv4 })),
        (Family::Ipv4, Mask(Ipv4Addr::new(255, 0, 255, 0)), Ok([255, 0, 255, 0])),
        (Family::Ipv6, Client, Ok(128u32.to_ne_bytes())),
        (Family::Ipv6, Prefix(64), Ok(64u32.to_ne_bytes())),
        (Family::Ipv6, Prefix(0), Err(ValueError::Prefix { given: 0, family: Family::Ipv6 })),
        (Family::Ipv6, Prefix(129), Err(ValueError::Prefix { given: 129, family: Family::Ipv6 })),
        (Family::Ipv6, Mask(Ipv4Addr::BROADCAST), Err(ValueError::MaskForIpv6)),
    ] {
        let persistence = Some(Persistence { timeout: Duration::from_secs(1), granularity });
        let request = Request::AddService(VirtualService { persistence, ..persistent(family) });
        let mut bytes = Vec::new();
        let got = encode(HEADER, &request, &mut bytes);
        let expected = expected.map(|mask| attribute(k::IPVS_SVC_ATTR_NETMASK, &mask));
        assert_eq!(got.map(|()| bytes.last_chunk::<8>().expect("long").to_vec()), expected, "{request:?}");
    }
}

#[test]
fn a_service_without_persistence_carries_timeout_and_netmask_all_the_same() {
    // The kernel takes their absence for EINVAL, and IPv6 wants 1 to 128 bits.
    for (family, mask) in [(Family::Ipv4, [255; 4]), (Family::Ipv6, 128u32.to_ne_bytes())] {
        let bytes = encoded(&Request::AddService(VirtualService::new(mark(family), Scheduler::WLC)));
        let tail = [attribute(k::IPVS_SVC_ATTR_TIMEOUT, &[0; 4]), attribute(k::IPVS_SVC_ATTR_NETMASK, &mask)];
        assert!(bytes.ends_with(&tail.concat()), "{bytes:02x?}");
    }
}

#[test]
fn timeouts_are_whole_seconds_that_the_kernel_can_count() {
    let max = Timeouts::MAX;
    let second = Duration::from_secs(1);
    for (given, expected) in [
        (second, Ok(())),
        (max, Ok(())),
        (Duration::ZERO, Err(ValueError::ZeroTimeout)),
        (Duration::from_millis(1500), Err(ValueError::NotWholeSeconds(Duration::from_millis(1500)))),
        (max + second, Err(ValueError::TooLong { given: max + second, max })),
        (
            Duration::from_secs(u64::MAX),
            Err(ValueError::TooLong { given: Duration::from_secs(u64::MAX), max }),
        ),
    ] {
        let mut bytes = vec![1, 2, 3];
        let request = Request::SetTimeouts(Timeouts { udp: Some(given), ..Timeouts::default() });
        let got = encode(HEADER, &request, &mut bytes);
        assert_eq!(got, expected, "{given:?}");
        assert_eq!(bytes.len() == 3, got.is_err(), "a refused request leaves the buffer as it was");
    }
    for (given, fits) in [(Persistence::MAX_TIMEOUT, true), (Persistence::MAX_TIMEOUT + second, false)] {
        let service =
            VirtualService { persistence: Some(Persistence::per_client(given)), ..persistent(Family::Ipv4) };
        assert_eq!(encode(HEADER, &Request::AddService(service), &mut Vec::new()).is_ok(), fits);
    }
}

/// A dump as the kernel writes it, from what was asked for.
fn reported(request: &Request) -> Vec<u8> {
    body(&encoded(request)).to_vec()
}

#[test]
fn a_mark_service_is_reported_without_protocol_address_and_port() {
    let service = persistent(Family::Ipv4);
    let bytes = reported(&Request::AddService(service));
    let inside = attributes(&bytes).next().expect("one").expect("whole").1;
    let numbers: Vec<u16> = attributes(inside).map(|a| a.expect("whole").0).collect();
    assert_eq!(numbers, [1, 5, 6, 7, 8, 9]);
    assert_eq!(decode_service(&bytes).map(|entry| entry.service), Ok(service));
}

#[test]
fn a_service_that_lacks_an_attribute_is_an_error() {
    let bytes = reported(&Request::AddService(VirtualService::new(
        ServiceId::udp([192, 0, 2, 1], 53),
        Scheduler::RR,
    )));
    let inside = attributes(&bytes).next().expect("one").expect("whole").1;
    let all: Vec<_> = attributes(inside).map(|a| a.expect("whole")).collect();
    for (missing, _) in &all {
        let rest: Vec<_> =
            all.iter().filter(|(n, _)| n != missing).map(|(n, payload)| attribute(*n, payload)).collect();
        let bytes = nested(k::IPVS_CMD_ATTR_SERVICE, &rest);
        assert_eq!(decode_service(&bytes), Err(DecodeError::Missing { attribute: *missing }));
    }
}

#[test]
fn statistics_of_64_bits_are_preferred_whatever_their_order() {
    let wide = |number: u16| attribute(number, &(u64::from(number) << 33).to_ne_bytes());
    let narrow = |number: u16| attribute(number, &u32::from(number).to_ne_bytes());
    let pad = attribute(k::IPVS_STATS_ATTR_PAD, &[]);
    let numbers = 1..=10u16;
    let wide: Vec<_> = numbers.clone().flat_map(|n| [pad.clone(), wide(n)]).collect();
    // Bytes have 64 bits in the old statistics as well.
    let narrow: Vec<_> = numbers
        .map(|n| match n {
            k::IPVS_STATS_ATTR_INBYTES | k::IPVS_STATS_ATTR_OUTBYTES => {
                attribute(n, &u64::from(n).to_ne_bytes())
            }
            _ => narrow(n),
        })
        .collect();
    let stats = nested(k::IPVS_SVC_ATTR_STATS, &narrow);
    let stats64 = nested(k::IPVS_SVC_ATTR_STATS64, &wide);
    let plain = reported(&Request::AddService(persistent(Family::Ipv4)));
    let plain = attributes(&plain).next().expect("one").expect("whole").1.to_vec();
    for (statistics, shift) in
        [(vec![stats.clone(), stats64.clone()], 33), (vec![stats64, stats.clone()], 33), (vec![stats], 0)]
    {
        let all = [vec![plain.clone()], statistics].concat();
        let got = decode_service(&nested(k::IPVS_CMD_ATTR_SERVICE, &all)).expect("a service").stats;
        assert_eq!(
            [
                got.connections,
                got.incoming_packets,
                got.outgoing_packets,
                got.incoming_bytes,
                got.outgoing_bytes,
                got.connection_rate,
                got.incoming_packet_rate,
                got.outgoing_packet_rate,
                got.incoming_byte_rate,
                got.outgoing_byte_rate,
            ],
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(|n| n << shift)
        );
    }
}

#[test]
fn a_real_server_without_a_family_has_its_services() {
    // Before Linux 3.18, and 0 where a program did not say.
    let bytes = reported(&Request::AddRealServer(mark(Family::Ipv4), server()));
    let inside = attributes(&bytes).nth(1).expect("two").expect("whole").1;
    let without: Vec<_> = attributes(inside)
        .map(|a| a.expect("whole"))
        .filter(|(n, _)| *n != k::IPVS_DEST_ATTR_ADDR_FAMILY)
        .map(|(n, payload)| attribute(n, payload))
        .collect();
    let zero = [without.clone(), vec![attribute(k::IPVS_DEST_ATTR_ADDR_FAMILY, &[0, 0])]].concat();
    for attributes in [without, zero] {
        let bytes = nested(k::IPVS_CMD_ATTR_DEST, &attributes);
        assert_eq!(decode_real_server(&bytes, Family::Ipv4).map(|entry| entry.server), Ok(server()));
    }
}

#[test]
fn unknown_attributes_and_the_nested_flag_are_passed_over() {
    let mut bytes = attribute(900, &[1, 2, 3]);
    bytes.extend(reported(&Request::AddService(persistent(Family::Ipv6))));
    bytes.extend(attribute(901 | NLA_F_NESTED, &[0; 4]));
    assert_eq!(decode_service(&bytes).map(|entry| entry.service), Ok(persistent(Family::Ipv6)));
}

#[test]
#[cfg(target_endian = "little")]
fn lengths_that_lie_end_the_walk() {
    for (bytes, whole) in [
        (&[0u8, 0, 1, 0][..], 0),             // shorter than its own header
        (&[3, 0, 1, 0], 0),                   // likewise
        (&[0xff, 0xff, 1, 0, 1, 2, 3, 4], 0), // past the end
        (&[4, 0, 1, 0, 9], 1),                // half a header behind a whole attribute
        (&[5, 0, 1, 0, 9], 1),                // padding may be missing at the end
    ] {
        let walked: Vec<_> = attributes(bytes).collect();
        assert_eq!(walked.iter().filter(|a| a.is_ok()).count(), whole, "{bytes:?}");
    }
}

#[test]
fn an_error_number_that_is_none_is_an_error_and_no_panic() {
    for (number, expected) in [
        (0, Ok(Answer::Acknowledged)),
        (-17, Ok(Answer::Refused(Errno::EXIST))),
        (-4095, Ok(Answer::Refused(Errno::from_raw_os_error(4095)))),
        (-4096, Err(DecodeError::ErrorNumber(-4096))),
        (1, Err(DecodeError::ErrorNumber(1))),
        (i32::MIN, Err(DecodeError::ErrorNumber(i32::MIN))),
    ] {
        let payload = number.to_ne_bytes();
        assert_eq!(Message { kind: 2, sequence: 1, payload: &payload }.answer(), expected, "{number}");
    }
    assert_eq!(Message { kind: 2, sequence: 1, payload: &[0; 3] }.answer(), Err(DecodeError::Truncated));
}

/// Feeds bytes to every decoder; what they say is of no interest, that they return is.
fn decode_all(bytes: &[u8]) {
    for message in messages(bytes).flatten() {
        message.answer().ok();
    }
    decode_family_id(bytes).ok();
    decode_service(bytes).ok();
    decode_real_server(bytes, Family::Ipv4).ok();
    decode_real_server(bytes, Family::Ipv6).ok();
    decode_sync_daemon(bytes).ok();
    decode_timeouts(bytes).ok();
    decode_info(bytes).ok();
}
