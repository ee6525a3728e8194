//! What a real kernel sent.

use super::captured;
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
