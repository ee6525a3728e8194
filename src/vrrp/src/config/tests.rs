extern crate std;

use core::net::Ipv4Addr;
use std::string::ToString;
use std::vec::Vec;

use super::*;

const LIST: Addresses<'static> = Addresses::V4(&[[10, 0, 0, 100]]);
const LINK_LOCAL: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

fn v6(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn right() -> Parameters<'static> {
    Parameters::new(7, v4(1), LIST)
}

#[test]
fn every_wrong_value_has_its_error() {
    let ms = Duration::from_millis;
    let many = [[10, 0, 0, 1]; 256];
    let peer = |address| Peer { address, ttl: TtlBounds::ON_LINK };
    let (peers, other_family) = ([peer(v4(2)); MAX_PEERS + 1], [peer(v4(2)), peer(v6("fe80::2"))]);
    let v6_router = Parameters::new(7, v6("fe80::1"), Addresses::V6(&[LINK_LOCAL]));
    let table = [
        ("VRID 0", Parameters { vrid: 0, ..right() }, ConfigError::VridZero),
        ("priority 0", Parameters { priority: 0, ..right() }, ConfigError::PriorityZero),
        (
            "no interval",
            Parameters { interval: ms(0), ..right() },
            ConfigError::Interval { version: Version::V3 },
        ),
        ("5 ms", Parameters { interval: ms(5), ..right() }, ConfigError::Interval { version: Version::V3 }),
        ("15 ms", Parameters { interval: ms(15), ..right() }, ConfigError::Interval { version: Version::V3 }),
        (
            "40.96 s",
            Parameters { interval: ms(40_960), ..right() },
            ConfigError::Interval { version: Version::V3 },
        ),
        (
            "version 2, 100 ms",
            Parameters { version: Version::V2, interval: ms(100), ..right() },
            ConfigError::Interval { version: Version::V2 },
        ),
        (
            "version 2, 256 s",
            Parameters { version: Version::V2, interval: ms(256_000), ..right() },
            ConfigError::Interval { version: Version::V2 },
        ),
        (
            "bounds reversed",
            Parameters { interval_bounds: Some((ms(100), ms(50))), ..right() },
            ConfigError::IntervalBounds,
        ),
        (
            "bound 0",
            Parameters { interval_bounds: Some((ms(0), ms(50))), ..right() },
            ConfigError::IntervalBounds,
        ),
        ("version 2, IPv6", Parameters { version: Version::V2, ..v6_router }, ConfigError::VersionFamily),
        (
            "no source",
            Parameters { primary_address: v4_unspecified(), ..right() },
            ConfigError::PrimaryAddress,
        ),
        (
            "IPv6 multicast from a global address",
            Parameters { primary_address: v6("2001:db8::1"), ..v6_router },
            ConfigError::PrimaryAddress,
        ),
        ("no address", Parameters { addresses: Addresses::V4(&[]), ..right() }, ConfigError::NoAddresses),
        (
            "256 addresses",
            Parameters { addresses: Addresses::V4(&many), ..right() },
            ConfigError::TooManyAddresses { count: 256 },
        ),
        (
            "other family",
            Parameters { addresses: Addresses::V6(&[LINK_LOCAL]), ..right() },
            ConfigError::AddressFamily,
        ),
        (
            "multicast address",
            Parameters { addresses: Addresses::V4(&[[10, 0, 0, 1], [224, 0, 0, 1]]), ..right() },
            ConfigError::Address { index: 1 },
        ),
        (
            "address twice",
            Parameters {
                addresses: Addresses::V4(&[[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 1]]),
                ..right()
            },
            ConfigError::DuplicateAddress { index: 2 },
        ),
        (
            "unicast group",
            Parameters { transport: Transport::Multicast { group: v4(3) }, ..right() },
            ConfigError::MulticastGroup,
        ),
        (
            "no peers",
            Parameters { transport: Transport::Unicast { peers: &[] }, ..right() },
            ConfigError::NoPeers,
        ),
        (
            "17 peers",
            Parameters { transport: Transport::Unicast { peers: &peers }, ..right() },
            ConfigError::TooManyPeers { count: 17 },
        ),
        (
            "peer of another family",
            Parameters { transport: Transport::Unicast { peers: &other_family }, ..right() },
            ConfigError::Peer { index: 1 },
        ),
        ("password, version 3", Parameters { password: Some(b"x"), ..right() }, ConfigError::PasswordVersion),
        (
            "long password",
            Parameters { version: Version::V2, password: Some(b"123456789"), ..right() },
            ConfigError::PasswordTooLong { len: 9 },
        ),
        (
            "two hours",
            Parameters { startup_delay: Duration::from_secs(7200), ..right() },
            ConfigError::DelayTooLong,
        ),
    ];
    for (name, parameters, error) in table {
        assert_eq!(Config::new(&parameters), Err(error), "{name}");
        let text = error.to_string();
        assert!(!text.ends_with('.') && !text.contains("failed"), "{text}");
    }
}

fn v4_unspecified() -> IpAddr {
    IpAddr::V4(Ipv4Addr::UNSPECIFIED)
}

#[test]
fn extremes_that_are_right_are_taken() {
    let all: Vec<[u8; 4]> = (0..=254).map(|last| [10, 0, 1, last]).collect();
    let peers = [Peer { address: v4(2), ttl: TtlBounds::ON_LINK }; MAX_PEERS];
    let table = [
        ("VRID 255", Parameters { vrid: 255, ..right() }),
        ("priority 255", Parameters { priority: 255, ..right() }),
        ("10 ms", Parameters { interval: Duration::from_millis(10), ..right() }),
        ("40.95 s", Parameters { interval: Duration::from_millis(40_950), ..right() }),
        ("255 s", Parameters { version: Version::V2, interval: Duration::from_secs(255), ..right() }),
        ("255 addresses", Parameters { addresses: Addresses::V4(&all), ..right() }),
        ("16 peers", Parameters { transport: Transport::Unicast { peers: &peers }, ..right() }),
        ("8 octets", Parameters { version: Version::V2, password: Some(b"12345678"), ..right() }),
    ];
    for (name, parameters) in table {
        assert!(Config::new(&parameters).is_ok(), "{name}");
    }
}

#[test]
fn ttl_bounds_are_inclusive_and_ordered() {
    let bounds = TtlBounds::new(10, 20).expect("ordered");
    let inside = [9, 10, 20, 21].map(|ttl| bounds.contains(ttl));
    assert_eq!(inside, [false, true, true, false]);
    assert_eq!(TtlBounds::new(20, 10), None);
    assert!(!TtlBounds::ON_LINK.contains(254));
    assert!(TtlBounds::KEEPALIVED_IPV6.contains(64));
}

#[test]
fn a_router_stays_below_a_kilobyte() {
    assert!(size_of::<crate::Router>() < 1024, "{} octets", size_of::<crate::Router>());
    assert!(size_of::<crate::Outputs>() <= 256, "{} octets", size_of::<crate::Outputs>());
}
