//! Whatever comes in is survived; whatever goes out can be read again.

use proptest::prelude::*;

use super::*;

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
    fn any_message_is_survived(kind in 0u16..40, payload in proptest::collection::vec(any::<u8>(), 0..100)) {
        Message { kind, sequence: 1, payload: &payload }.answer().ok();
    }

    #[test]
    fn any_attributes_are_survived(
        outer in 0u16..4,
        attributes in proptest::collection::vec((0u16..17, proptest::collection::vec(any::<u8>(), 0..20)), 0..20),
    ) {
        let attributes: Vec<_> = attributes.iter().map(|(number, payload)| attribute(*number, payload)).collect();
        decode_all(&nested(outer, &attributes));
        decode_all(&attributes.concat());
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
