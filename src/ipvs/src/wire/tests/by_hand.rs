//! Bytes worked out by hand; numbers are little-endian here, ports and addresses are not.

use super::*;

const TCP_SERVICE: [u8; 48] = [
    0x30, 0, 0x01, 0x80, // nested service of 48 bytes
    6, 0, 1, 0, 2, 0, 0, 0, // AF_INET, two bytes of padding
    6, 0, 2, 0, 6, 0, 0, 0, // TCP
    20, 0, 3, 0, 192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // in the room of an IPv6 address
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
        0x28, 0, 0x02, 0x80, 6, 0, 11, 0, 2, 0, 0, 0, 20, 0, 1, 0, 10, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 6, 0, 2, 0, 0, 21, 0, 0,
    ];
    for (request, command, content) in [
        (Request::DeleteService(tcp), 3, TCP_SERVICE.to_vec()),
        (Request::ZeroService(tcp), 16, TCP_SERVICE.to_vec()),
        (Request::DeleteRealServer(tcp, gone), 7, [&TCP_SERVICE[..], &server].concat()),
        (Request::StopSyncDaemon(SyncRole::Backup), 10, vec![12, 0, 3, 0x80, 8, 0, 1, 0, 2, 0, 0, 0]),
        (Request::ZeroAll, 16, vec![]),
        (Request::Flush, 17, vec![]),
        (
            Request::SetTimeouts(Timeouts { tcp_fin: Some(Duration::from_secs(120)), ..Timeouts::default() }),
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
