//! Unicast: who is a peer, and from how far its packets may come.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vrrp::wire::{Advertisement, ChecksumForm, MULTICAST_V4, Path};
use vrrp::{Config, Input, Output, Parameters, Peer, Received, Rejection, Router, Transport, TtlBounds};

use crate::captures::Capture;
use crate::lan::{ADDRESSES, at, source};

fn bounds(least: u8, greatest: u8) -> TtlBounds {
    TtlBounds::new(least, greatest).expect("ordered")
}

fn unicast(peers: &[Peer]) -> Router {
    let transport = Transport::Unicast { peers };
    let parameters = Parameters { transport, ..Parameters::new(7, source(0), ADDRESSES) };
    let mut router = Router::new(Config::new(&parameters).expect("right parameters"));
    let _ = router.handle(at(0), Input::Startup);
    router
}

#[test]
fn only_a_peer_within_its_ttl_bounds_is_heard() {
    let peers = [
        Peer { address: source(1), ttl: TtlBounds::ON_LINK },
        Peer { address: source(2), ttl: bounds(250, 254) },
    ];
    // From host, to, TTL, refused for
    let own = source(0);
    let group = IpAddr::V4(MULTICAST_V4);
    let table = [
        (1, own, 255, None),
        (1, own, 254, Some(Rejection::Ttl)),
        (2, own, 255, Some(Rejection::Ttl)),
        (2, own, 254, None),
        (2, own, 250, None),
        (2, own, 249, Some(Rejection::Ttl)),
        (3, own, 255, Some(Rejection::UnknownPeer)),
        (1, group, 255, Some(Rejection::Destination)),
        (1, source(3), 255, Some(Rejection::Destination)),
        (0, own, 255, Some(Rejection::OwnSource)),
    ];
    for (host, destination, ttl, refused) in table {
        let mut router = unicast(&peers);
        let path = Path::new(source(host), destination).expect("one family");
        let mut buffer = [0; 64];
        let advertisement = Advertisement { header: router.header(), addresses: ADDRESSES };
        let len = advertisement.emit(&path, ChecksumForm::PseudoHeader, &mut buffer).expect("fits");
        // Routed: neither on the link nor expected to be.
        let received = Received {
            payload: &buffer[..len],
            source: source(host),
            destination,
            ttl,
            is_on_link: false,
            has_options: false,
        };
        let outputs = router.handle(at(1), Input::Packet(received));
        let expected: Vec<Output> = refused.map(Output::Rejected).into_iter().collect();
        assert_eq!(outputs.into_iter().collect::<Vec<_>>(), expected, "{host} to {destination}, TTL {ttl}");
    }
}

#[test]
fn the_pseudo_header_of_another_destination_is_a_wrong_checksum() {
    let mut router = unicast(&[Peer { address: source(1), ttl: TtlBounds::ON_LINK }]);
    let path = Path::new(source(1), source(9)).expect("one family");
    let mut buffer = [0; 64];
    let advertisement = Advertisement { header: router.header(), addresses: ADDRESSES };
    let len = advertisement.emit(&path, ChecksumForm::PseudoHeader, &mut buffer).expect("fits");
    let received = Received {
        payload: &buffer[..len],
        source: source(1),
        destination: source(0),
        ttl: 255,
        is_on_link: true,
        has_options: false,
    };
    let _ = router.handle(at(1), Input::Packet(received));
    assert_eq!(router.statistics().rejected(Rejection::Checksum), 1);
}

#[test]
fn authentication_header_and_trailer_are_counted_and_move_nothing() {
    for capture in Capture::all() {
        let reason = match capture.authentication.as_str() {
            "ah" => Rejection::AuthenticationHeader,
            "hmac" => Rejection::AuthenticationTrailer,
            _ => continue,
        };
        let own: IpAddr = match capture.source {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2)),
            IpAddr::V6(_) => "fe80::2".parse().expect("an address"),
        };
        let version = if capture.version == 2 { vrrp::Version::V2 } else { vrrp::Version::V3 };
        let addresses = if own.is_ipv4() { ADDRESSES } else { vrrp::wire::Addresses::V6(&[[0xfd; 16]]) };
        let interval = Duration::from_secs(1);
        let parameters = Parameters { version, interval, ..Parameters::new(capture.vrid, own, addresses) };
        let mut router = Router::new(Config::new(&parameters).expect("right parameters"));
        let _ = router.handle(at(0), Input::Startup);
        let deadline = router.deadline();
        let received = Received {
            payload: capture.advertisement(),
            source: capture.source,
            destination: capture.destination,
            ttl: capture.ttl,
            is_on_link: true,
            has_options: false,
        };
        let _ = router.handle(at(1), Input::Packet(received));
        assert_eq!(router.statistics().rejected(reason), 1, "{}", capture.case);
        assert_eq!(router.statistics().rejected_total(), 1, "{}", capture.case);
        assert_eq!(router.deadline(), deadline, "{}", capture.case);
    }
}

#[test]
fn ipv6_multicast_takes_link_local_sources_only() {
    let address = |text: &str| -> IpAddr { text.parse().expect("an address") };
    let addresses = vrrp::wire::Addresses::V6(&[[0xfe; 16]]);
    let all_routers = address("ff02::12");
    let table = [
        ("fe80::1", all_routers, 255, None),
        ("fe80::1", all_routers, 64, Some(Rejection::Ttl)),
        ("2001:db8::1", all_routers, 255, Some(Rejection::Source)),
        ("::", all_routers, 255, Some(Rejection::Source)),
        ("fe80::2", all_routers, 255, Some(Rejection::OwnSource)),
        ("fe80::1", address("ff02::1"), 255, Some(Rejection::Destination)),
        ("fe80::1", address("fe80::2"), 255, Some(Rejection::Destination)),
    ];
    for (from, destination, ttl, refused) in table {
        let parameters = Parameters::new(7, address("fe80::2"), addresses);
        let mut router = Router::new(Config::new(&parameters).expect("right parameters"));
        let _ = router.handle(at(0), Input::Startup);
        let path = Path::new(address(from), destination).expect("one family");
        let mut buffer = [0; 64];
        let advertisement = Advertisement { header: router.header(), addresses };
        let len = advertisement.emit(&path, ChecksumForm::PseudoHeader, &mut buffer).expect("fits");
        let received = Received {
            payload: &buffer[..len],
            source: address(from),
            destination,
            ttl,
            is_on_link: true,
            has_options: false,
        };
        let outputs = router.handle(at(1), Input::Packet(received));
        let expected: Vec<Output> = refused.map(Output::Rejected).into_iter().collect();
        assert_eq!(outputs.into_iter().collect::<Vec<_>>(), expected, "{from} to {destination}, {ttl}");
    }
}
