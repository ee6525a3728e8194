use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use proptest::prelude::*;
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

/// Worked out by hand; numbers are little-endian here, ports and addresses are not.
#[cfg(target_endian = "little")]
mod by_hand {
    use super::*;

    const TCP_SERVICE: [u8; 48] = [
        0x30, 0, 0x01, 0x80, // nested service of 48 bytes
        6, 0, 1, 0, 2, 0, 0, 0, // AF_INET, two bytes of padding
        6, 0, 2, 0, 6, 0, 0, 0, // TCP
        20, 0, 3, 0, 192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, // in the room of an IPv6 address
        6, 0, 4, 0, 0, 21, 0, 0, // port 21, network byte order
    ];

    #[test]
    fn a_persistent_mark_service_is_76_bytes() {
        let expected = [
            &[0x4c, 0, 0, 0, 0x1c, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0][..], // 76 bytes, NLM_F_REQUEST
            &[1, 1, 0, 0],                                               // new service, version 1
            &[0x38, 0, 0x01, 0x80],                                      // nested service of 56 bytes
            &[6, 0, 1, 0, 2, 0, 0, 0],                                   // AF_INET
            &[8, 0, 5, 0, 21, 0, 0, 0],                                  // mark
            &[8, 0, 6, 0, b'w', b'l', b'c', 0],                          // with its NUL
            &[12, 0, 7, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],          // persistent, all bits meant
            &[8, 0, 8, 0, 0x58, 2, 0, 0],                                // 600 s
            &[8, 0, 9, 0, 255, 255, 255, 255],                           // netmask
        ]
        .concat();
        assert_eq!(encoded(&Request::AddService(persistent(Family::Ipv4))), expected);
    }

    #[test]
    fn a_masqueraded_real_server_is_140_bytes() {
        let expected = [
            &[0x8c, 0, 0, 0, 0x1c, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0][..],
            &[5, 1, 0, 0],
            &TCP_SERVICE,
            &[0x48, 0, 0x02, 0x80],     // nested destination of 72 bytes
            &[6, 0, 11, 0, 2, 0, 0, 0], // AF_INET
            &[20, 0, 1, 0, 10, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[6, 0, 2, 0, 0, 0, 0, 0], // port 0
            &[8, 0, 3, 0, 0, 0, 0, 0], // masquerading
            &[8, 0, 4, 0, 1, 0, 0, 0], // weight
            &[8, 0, 5, 0, 0, 0, 0, 0], // upper threshold, there even if 0
            &[8, 0, 6, 0, 0, 0, 0, 0], // lower threshold
        ]
        .concat();
        assert_eq!(encoded(&Request::AddRealServer(ServiceId::tcp([192, 0, 2, 10], 21), server())), expected);
    }

    #[test]
    fn a_gue_tunnel_adds_type_port_and_flags() {
        let port = NonZeroU16::new(6080).expect("not 0");
        let method = ForwardingMethod::Tunnel(Tunnel::Gue { port, flags: TunnelFlags::CHECKSUM });
        let bytes = encoded(&Request::SetRealServer(mark(Family::Ipv4), RealServer { method, ..server() }));
        let expected = [
            8, 0, 3, 0, 2, 0, 0, 0, // tunnel
            5, 0, 13, 0, 1, 0, 0, 0, // GUE: one byte, three of padding
            6, 0, 14, 0, 0x17, 0xc0, 0, 0, // 6080 in network byte order
            6, 0, 15, 0, 1, 0, 0, 0, // checksum
        ];
        assert!(bytes.windows(expected.len()).any(|window| window == expected), "{bytes:02x?}");
    }

    #[test]
    fn a_sync_daemons_port_is_in_host_byte_order() {
        let daemon = SyncDaemon {
            max_message_length: Some(1472),
            group: Some(IpAddr::from([224, 0, 0, 81])),
            port: Some(8848),
            ttl: Some(1),
            ..SyncDaemon::new(SyncRole::Master, InterfaceName::new("eth1").expect("short"), 21)
        };
        let expected = [
            &[0x54, 0, 0, 0, 0x1c, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0][..],
            &[9, 1, 0, 0],
            &[0x40, 0, 0x03, 0x80],
            &[8, 0, 1, 0, 1, 0, 0, 0],                         // master
            &[9, 0, 2, 0, b'e', b't', b'h', b'1', 0, 0, 0, 0], // NUL, then three bytes of padding
            &[8, 0, 3, 0, 21, 0, 0, 0],                        // sync id
            &[6, 0, 4, 0, 0xc0, 5, 0, 0],                      // 1472
            &[8, 0, 5, 0, 224, 0, 0, 81],                      // group
            &[6, 0, 7, 0, 0x90, 0x22, 0, 0],                   // 8848 = 0x2290, host byte order
            &[5, 0, 8, 0, 1, 0, 0, 0],                         // hops
        ]
        .concat();
        assert_eq!(encoded(&Request::StartSyncDaemon(daemon)), expected);
    }

    #[test]
    fn requests_without_settings_name_only_the_object() {
        let tcp = ServiceId::tcp([192, 0, 2, 10], 21);
        let gone = RealServerId::new([10, 0, 0, 11], 21);
        let server = [
            0x28, 0, 0x02, 0x80, 6, 0, 11, 0, 2, 0, 0, 0, 20, 0, 1, 0, 10, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 6, 0, 2, 0, 0, 21, 0, 0,
        ];
        for (request, command, content) in [
            (Request::DeleteService(tcp), 3, TCP_SERVICE.to_vec()),
            (Request::ZeroService(tcp), 16, TCP_SERVICE.to_vec()),
            (Request::DeleteRealServer(tcp, gone), 7, [&TCP_SERVICE[..], &server].concat()),
            (Request::StopSyncDaemon(SyncRole::Backup), 10, vec![12, 0, 3, 0x80, 8, 0, 1, 0, 2, 0, 0, 0]),
            (Request::ZeroAll, 16, vec![]),
            (Request::Flush, 17, vec![]),
            (
                Request::SetTimeouts(Timeouts {
                    tcp_fin: Some(Duration::from_secs(120)),
                    ..Timeouts::default()
                }),
                12,
                vec![8, 0, 5, 0, 120, 0, 0, 0],
            ),
        ] {
            let bytes = encoded(&request);
            assert_eq!(bytes[..4], u32::try_from(bytes.len()).expect("short").to_le_bytes(), "{request}");
            assert_eq!(bytes[16..20], [command, 1, 0, 0], "{request}");
            assert_eq!(body(&bytes), content, "{request}");
        }
    }

    #[test]
    fn questions_for_all_of_a_kind_are_dumps() {
        let tcp = ServiceId::tcp([192, 0, 2, 10], 21);
        for (question, command, flags, content) in [
            (Question::Services, 4, 0x301u16, vec![]),
            (Question::Service(tcp), 4, 1, TCP_SERVICE.to_vec()),
            (Question::RealServers(tcp), 8, 0x301, TCP_SERVICE.to_vec()),
            (Question::SyncDaemons, 11, 0x301, vec![]),
            (Question::Timeouts, 13, 1, vec![]),
            (Question::Info, 15, 1, vec![]),
        ] {
            let mut bytes = Vec::new();
            encode_question(HEADER, &question, &mut bytes);
            assert_eq!(bytes[6..8], flags.to_le_bytes(), "{question:?}");
            assert_eq!(bytes[16..20], [command, 1, 0, 0], "{question:?}");
            assert_eq!(body(&bytes), content, "{question:?}");
        }
    }

    #[test]
    fn a_fence_is_a_noop_that_asks_for_an_acknowledgement() {
        let mut bytes = Vec::new();
        encode_fence(8, &mut bytes);
        assert_eq!(bytes, [16, 0, 0, 0, 1, 0, 5, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
    }
}

#[cfg(target_endian = "little")]
mod as_captured {
    use super::super::captured;
    use super::*;
    use crate::{RealServerEntry, ServiceEntry, Stats};

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
            .collect()
    }

    /// The attributes of each message.
    fn data(bytes: &[u8]) -> Vec<&[u8]> {
        messages(bytes)
            .map(|message| match message.expect("whole").answer().expect("whole") {
                Answer::Data { attributes, .. } => attributes,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn the_kernels_messages_are_understood() {
        assert_eq!(decode_family_id(data(&bytes(captured::FAMILY))[0]), Ok(32));

        let services = bytes(captured::SERVICES);
        let services: Vec<_> =
            data(&services).into_iter().map(|s| decode_service(s).expect("a service")).collect();
        let tcp = VirtualService::new(ServiceId::tcp([192, 0, 2, 10], 80), Scheduler::RR);
        let mut mark = persistent(Family::Ipv6);
        mark.persistence.as_mut().expect("persistent").granularity = Granularity::Prefix(64);
        let stats = Stats::default();
        assert_eq!(services, [tcp, mark].map(|service| ServiceEntry { service, stats }));

        let address: IpAddr = "2001:db8::11".parse().expect("an address");
        let server = RealServer {
            weight: 3,
            ..RealServer::new(RealServerId::new(address, 0), ForwardingMethod::Masquerade)
        };
        let entry = RealServerEntry {
            server,
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
            stats,
        };
        let server = bytes(captured::REAL_SERVER);
        assert_eq!(decode_real_server(data(&server)[0], Family::Ipv6), Ok(entry));

        let timeouts = Timeouts {
            tcp: Some(Duration::from_secs(900)),
            tcp_fin: Some(Duration::from_secs(120)),
            udp: Some(Duration::from_secs(300)),
        };
        assert_eq!(decode_timeouts(data(&bytes(captured::TIMEOUTS))[0]), Ok(timeouts));
        let info = Info { version: (1, 2, 1), connection_table_size: 4096 };
        assert_eq!(decode_info(data(&bytes(captured::INFO))[0]), Ok(info));

        let daemon = SyncDaemon {
            max_message_length: Some(1472),
            group: Some(IpAddr::from([224, 0, 0, 81])),
            port: Some(8848),
            ttl: Some(1),
            ..SyncDaemon::new(SyncRole::Master, InterfaceName::new("dummy0").expect("short"), 21)
        };
        assert_eq!(decode_sync_daemon(data(&bytes(captured::SYNC_DAEMON))[0]), Ok(daemon));
    }

    #[test]
    fn ends_and_refusals_are_told_apart() {
        for (hex, sequence, expected) in [
            (captured::END, 5, Answer::Done),
            (captured::ACKNOWLEDGED, 9, Answer::Acknowledged),
            (captured::REFUSED, 11, Answer::Refused(Errno::EXIST)),
        ] {
            let bytes = bytes(hex);
            let all: Vec<_> = messages(&bytes).collect();
            let [Ok(message)] = all.as_slice() else { panic!("{all:?}") };
            assert_eq!((message.sequence, message.answer()), (sequence, Ok(expected)));
        }
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_answer() {
        for hex in [
            captured::FAMILY,
            captured::SERVICES,
            captured::REAL_SERVER,
            captured::TIMEOUTS,
            captured::INFO,
            captured::SYNC_DAEMON,
            captured::REFUSED,
        ] {
            let bytes = bytes(hex);
            for length in 1..bytes.len() {
                let walked: Vec<_> = messages(&bytes[..length]).collect();
                assert!(walked.iter().rev().skip(1).all(Result::is_ok), "{length}");
            }
            // Cut inside of the payload, with headers that still say the old length of each attribute.
            for length in 20..bytes.len() {
                decode_all(&bytes[20..length]);
            }
        }
    }
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

fn any_family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn any_id() -> impl Strategy<Value = ServiceId> {
    prop_oneof![
        (any_family(), 1..=u32::MAX).prop_map(|(family, mark)| ServiceId::Mark {
            family,
            mark: NonZeroU32::new(mark).expect("from 1 on")
        }),
        (any::<u8>(), any_address(), any::<u16>()).prop_map(|(protocol, address, port)| ServiceId::Address {
            protocol: Protocol(protocol),
            address,
            port
        }),
    ]
}

fn any_service() -> impl Strategy<Value = VirtualService> {
    let seconds = 0..=Persistence::MAX_TIMEOUT.as_secs();
    let engine = proptest::option::of("[a-z]{1,15}");
    (any_id(), "[!-.0-~]{1,15}", any::<u32>(), proptest::option::of((seconds, 1u8..=31)), engine).prop_map(
        |(id, scheduler, flags, persistence, engine)| VirtualService {
            id,
            scheduler: Scheduler::new(&scheduler).expect("fits"),
            flags: Flags::from_bits_truncate(flags),
            persistence: persistence.map(|(seconds, bits)| Persistence {
                timeout: Duration::from_secs(seconds),
                granularity: Granularity::Prefix(bits),
            }),
            persistence_engine: engine.map(|name| PersistenceEngine::new(&name).expect("fits")),
        },
    )
}

fn any_method() -> impl Strategy<Value = ForwardingMethod> {
    let flags = any::<u16>().prop_map(TunnelFlags::from_bits_retain);
    prop_oneof![
        Just(ForwardingMethod::Masquerade),
        Just(ForwardingMethod::LocalNode),
        Just(ForwardingMethod::DirectRoute),
        Just(ForwardingMethod::Bypass),
        Just(ForwardingMethod::Tunnel(Tunnel::Ipip)),
        flags.clone().prop_map(|flags| ForwardingMethod::Tunnel(Tunnel::Gre { flags })),
        (1..=u16::MAX, flags).prop_map(|(port, flags)| ForwardingMethod::Tunnel(Tunnel::Gue {
            port: NonZeroU16::new(port).expect("from 1 on"),
            flags
        })),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        decode_all(&bytes);
    }

    #[test]
    fn any_damage_is_survived(
        service in any_service(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = encoded(&Request::AddService(service));
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        decode_all(&bytes);
        decode_all(&bytes[20..]);
    }

    #[test]
    fn a_service_reads_as_it_was_written(service in any_service()) {
        let bytes = encoded(&Request::AddService(service));
        let all: Vec<_> = messages(&bytes).collect();
        prop_assert_eq!(all.len(), 1, "the length covers the message");
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(decode_service(body(&bytes)).map(|entry| entry.service), Ok(service));
    }

    #[test]
    fn a_real_server_reads_as_it_was_written(
        id in any_id(), address in any_address(), port: u16, method in any_method(),
        weight: u32, upper_threshold: u32, lower_threshold: u32,
    ) {
        let server = RealServer { id: RealServerId { address, port }, method, weight, upper_threshold, lower_threshold };
        let bytes = encoded(&Request::SetRealServer(id, server));
        let got = decode_real_server(body(&bytes), id.family());
        prop_assert_eq!(got.map(|entry| entry.server), Ok(server));
    }

    #[test]
    fn a_sync_daemon_reads_as_it_was_written(
        master: bool, name in "[a-z0-9]{1,15}", sync_id: u8, length: Option<u16>,
        group in proptest::option::of(any_address()), port: Option<u16>, ttl: Option<u8>,
    ) {
        let role = if master { SyncRole::Master } else { SyncRole::Backup };
        let interface = InterfaceName::new(&name).expect("fits");
        let daemon = SyncDaemon { role, interface, sync_id, max_message_length: length, group, port, ttl };
        let bytes = encoded(&Request::StartSyncDaemon(daemon));
        prop_assert_eq!(decode_sync_daemon(body(&bytes)), Ok(daemon));
    }
}
