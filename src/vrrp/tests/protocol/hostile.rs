//! What comes from somebody who means harm, or from chance.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vrrp::wire::{
    Addresses, Advertisement, Centiseconds, ChecksumForm, Header, MULTICAST_V4, Path, Protocol,
};
use vrrp::{
    AddressListPolicy, Config, Input, Instant, Link, Output, Parameters, Preemption, Priority, Received,
    Rejection, Resignation, Router, State, Verdict, Version, Vrid,
};

use crate::captures::Capture;
use crate::lan::{ADDRESSES, at, source};
use crate::rng::{Rng, runs};

/// The router that would accept `capture`.
fn receiver(capture: &Capture) -> Router {
    let (advertisement, _) = Advertisement::parse(&capture.payload, &capture.path()).expect("acceptable");
    let octets = advertisement.addresses;
    let password = match advertisement.header.protocol {
        Protocol::V2 { password, .. } => password,
        Protocol::V3 { .. } => None,
    };
    let peers = [vrrp::Peer { address: capture.source, ttl: vrrp::TtlBounds::KEEPALIVED_IPV6 }];
    let (primary_address, transport) = match (capture.destination, capture.source) {
        (group, IpAddr::V4(_)) if group.is_multicast() => {
            (IpAddr::V4(Ipv4Addr::new(10, 99, 0, 200)), vrrp::Transport::Multicast { group })
        }
        (group, IpAddr::V6(_)) if group.is_multicast() => {
            ("fe80::2".parse().expect("an address"), vrrp::Transport::Multicast { group })
        }
        (own, _) => (own, vrrp::Transport::Unicast { peers: &peers }),
    };
    let parameters = Parameters {
        version: advertisement.header.protocol.version(),
        interval: advertisement.header.protocol.interval(),
        password: password.as_ref().map(|password| &password.octets()[..]),
        transport,
        ..Parameters::new(capture.vrid, primary_address, octets)
    };
    let mut router = Router::new(Config::new(&parameters).expect("right parameters"));
    let _ = router.handle(at(0), Input::Startup);
    router
}

fn received(capture: &Capture) -> Received<'_> {
    Received {
        payload: &capture.payload,
        source: capture.source,
        destination: capture.destination,
        ttl: capture.ttl,
        is_on_link: true,
        has_options: false,
    }
}

#[test]
fn every_supported_capture_is_accepted_by_its_router() {
    for capture in Capture::acceptable() {
        let mut router = receiver(&capture);
        let outputs = router.handle(at(1), Input::Packet(received(&capture)));
        assert!(outputs.is_empty(), "{}: {outputs:?}", capture.case);
        assert_eq!(router.statistics().advertisements_received, 1, "{}", capture.case);
        assert_eq!(
            router.checksum_form(),
            if capture.version == 3 && capture.source.is_ipv4() {
                capture.form()
            } else {
                ChecksumForm::Plain
            },
            "{}",
            capture.case
        );
    }
}

#[test]
fn every_truncation_and_extension_is_refused_without_effect() {
    for capture in Capture::acceptable() {
        let mut router = receiver(&capture);
        let deadline = router.deadline();
        for len in 0..capture.payload.len() {
            let cut = Received { payload: &capture.payload[..len], ..received(&capture) };
            let _ = router.handle(at(1), Input::Packet(cut));
        }
        let all = u64::try_from(capture.payload.len()).expect("short");
        assert_eq!(router.statistics().rejected(Rejection::Truncated), all, "{}", capture.case);
        let mut longer = capture.payload.clone();
        longer.push(0);
        let _ = router.handle(at(1), Input::Packet(Received { payload: &longer, ..received(&capture) }));
        assert_eq!(router.statistics().rejected(Rejection::TrailingOctets), 1, "{}", capture.case);
        assert_eq!(router.deadline(), deadline, "{}", capture.case);
    }
}

/// Random octets, mutated captures, and whole ones.
fn anything(rng: &mut Rng, captures: &[Capture]) -> Vec<u8> {
    let mut octets = if rng.chance(300) {
        (0..rng.below(80)).map(|_| rng.octet()).collect()
    } else {
        captures[rng.index(captures.len())].payload.clone()
    };
    for _ in 0..rng.below(4) {
        let at = rng.index(octets.len());
        match rng.below(4) {
            0 => octets.truncate(at),
            1 => octets.insert(at, rng.octet()),
            _ if !octets.is_empty() => octets[at] = rng.octet(),
            _ => {}
        }
    }
    if rng.chance(700) {
        mend_checksum(&mut octets);
    }
    octets
}

/// So that damage gets past the checksum.
fn mend_checksum(octets: &mut [u8]) {
    if octets.len() < 8 {
        return;
    }
    octets[6..8].fill(0);
    let mut sum = octets
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    octets[6..8].copy_from_slice(&(!u16::try_from(sum).expect("folded")).to_be_bytes());
}

fn any_router(rng: &mut Rng) -> Router {
    let version = rng.pick(&[Version::V2, Version::V3]);
    let parameters = Parameters {
        version,
        priority: rng.octet().max(1),
        interval: Duration::from_secs(1),
        preemption: rng.pick(&[
            Preemption::Off,
            Preemption::On { delay: Duration::ZERO },
            Preemption::On { delay: Duration::from_secs(5) },
        ]),
        startup_delay: Duration::from_secs(rng.below(3)),
        link_up_delay: Duration::from_secs(rng.below(3)),
        address_list: rng.pick(&[AddressListPolicy::Count, AddressListPolicy::Refuse]),
        grouping: rng.pick(&[vrrp::Grouping::Alone, vrrp::Grouping::Grouped]),
        ..Parameters::new(
            rng.pick(&[51, 52, 60, 61]),
            source(rng.index(3) + 50),
            Addresses::V4(&[[10, 99, 0, 10]]),
        )
    };
    Router::new(Config::new(&parameters).expect("right parameters"))
}

fn any_received<'a>(rng: &mut Rng, payload: &'a [u8]) -> Received<'a> {
    let odd = |rng: &mut Rng| match rng.below(3) {
        0 => IpAddr::V4(Ipv4Addr::from([rng.octet(), rng.octet(), rng.octet(), rng.octet()])),
        1 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => "fe80::1".parse().expect("an address"),
    };
    Received {
        payload,
        source: if rng.chance(900) { IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1)) } else { odd(rng) },
        destination: if rng.chance(950) { IpAddr::V4(MULTICAST_V4) } else { odd(rng) },
        ttl: if rng.chance(950) { 255 } else { rng.octet() },
        is_on_link: rng.chance(950),
        has_options: rng.chance(50),
    }
}

fn any_other_input(rng: &mut Rng) -> Input<'static> {
    rng.pick(&[
        Input::Startup,
        Input::Startup,
        Input::Shutdown,
        Input::Timer,
        Input::Timer,
        Input::Timer,
        Input::Link(Link::Up),
        Input::Link(Link::Down),
        Input::Tracked(Verdict::CLEAR),
        Input::Resign(Resignation::Bounded),
        Input::Resign(Resignation::UntilRelieved),
        Input::Stand,
        Input::TakeOver,
    ])
}

#[test]
fn random_and_mutated_packets_never_panic_and_what_is_refused_has_no_effect() {
    let captures = Capture::all();
    runs(10_000, |rng| {
        let mut router = any_router(rng);
        // The same router that never sees a refused packet.
        let mut spared = router.clone();
        let _ = (router.handle(at(0), Input::Startup), spared.handle(at(0), Input::Startup));
        let mut micros = 0;
        for _ in 0..40 {
            micros += rng.below(1_500_000);
            if rng.chance(300) {
                let input = any_other_input(rng);
                assert_eq!(router.handle(at(micros), input), spared.handle(at(micros), input));
            } else {
                let payload = anything(rng, &captures);
                let received = any_received(rng, &payload);
                let outputs = router.handle(at(micros), Input::Packet(received));
                let is_refused = outputs.iter().any(|output| matches!(output, Output::Rejected(_)));
                if is_refused {
                    assert_eq!(outputs.iter().count(), 1, "a refusal and nothing else");
                } else {
                    assert_eq!(spared.handle(at(micros), Input::Packet(received)), outputs);
                }
            }
            assert_eq!(router.deadline(), spared.deadline(), "a refused packet moved a timer");
            assert_eq!(router.membership(), spared.membership());
            assert_eq!(router.deadline().is_some(), router.state() != State::Initialize);
        }
    });
}

/// An advertisement for the routers of the tests below.
fn forged(buffer: &mut [u8], priority: u8, centiseconds: u16) -> usize {
    let header = Header {
        vrid: Vrid::new(7).expect("not zero"),
        priority: Priority::new(priority),
        protocol: Protocol::V3 { interval: Centiseconds::from_field(centiseconds) },
    };
    let path = Path::new(source(9), IpAddr::V4(MULTICAST_V4)).expect("one family");
    let advertisement = Advertisement { header, addresses: ADDRESSES };
    advertisement.emit(&path, ChecksumForm::Plain, buffer).expect("fits")
}

fn from_attacker(payload: &[u8]) -> Received<'_> {
    Received {
        payload,
        source: source(9),
        destination: IpAddr::V4(MULTICAST_V4),
        ttl: 255,
        is_on_link: true,
        has_options: false,
    }
}

fn standing(priority: u8) -> Router {
    let parameters = Parameters { priority, ..Parameters::new(7, source(0), ADDRESSES) };
    let mut router = Router::new(Config::new(&parameters).expect("right parameters"));
    let _ = router.handle(at(0), Input::Startup);
    let _ = router.handle(router.deadline().unwrap_or_default(), Input::Timer);
    assert_eq!(router.state(), State::Active);
    router
}

/// Everything due until `until`, counting advertisements.
fn serve(router: &mut Router, until: Instant) -> usize {
    let mut sent = 0;
    while let Some(deadline) = router.deadline().filter(|deadline| *deadline <= until) {
        let outputs = router.handle(deadline, Input::Timer);
        sent += outputs.iter().filter(|output| matches!(output, Output::Advertise(_))).count();
    }
    sent
}

#[test]
fn one_bad_packet_every_half_interval_for_a_minute_silences_nobody() {
    let mut router = standing(200);
    let begin = router.deadline().expect("Active");
    let mut buffer = [0; 64];
    let len = forged(&mut buffer, 255, 100);
    let damages: [fn(&mut Received<'_>); 3] =
        [|packet| packet.ttl = 254, |packet| packet.has_options = true, |packet| packet.is_on_link = false];
    let mut sent = 0;
    for half in 0..120_u32 {
        let now = begin + Duration::from_millis(500) * half;
        sent += serve(&mut router, now);
        let mut packet = from_attacker(&buffer[..len]);
        damages[usize::try_from(half).expect("small") % 3](&mut packet);
        let _ = router.handle(now, Input::Packet(packet));
    }
    assert_eq!(sent, 60, "one each second");
    assert_eq!(router.state(), State::Active);
    assert_eq!(router.statistics().rejected_total(), 120);
}

#[test]
fn a_storm_of_10_000_a_second_with_priority_255_does_what_the_rfc_demands_and_no_more() {
    let mut router = standing(200);
    let begin = router.deadline().expect("Active");
    let mut buffer = [0; 64];
    let len = forged(&mut buffer, 255, 100);
    let mut outputs = 0;
    for step in 0..10_000_u32 {
        let now = begin + Duration::from_micros(100) * step;
        outputs += router.handle(now, Input::Packet(from_attacker(&buffer[..len]))).iter().count();
    }
    assert_eq!(outputs, 3, "release, transition, membership: once");
    assert_eq!(router.state(), State::Backup);
    // When it ends, the role is taken back after an Active_Down_Interval.
    let deadline = router.deadline().expect("Backup");
    assert_eq!(deadline.saturating_duration_since(begin), Duration::from_micros(999_900 + 3_218_750));
}

#[test]
fn storms_that_do_not_win_are_answered_at_a_bounded_rate() {
    for priority in [0, 1, 199] {
        let mut router = standing(200);
        let begin = router.deadline().expect("Active");
        let mut buffer = [0; 64];
        let len = forged(&mut buffer, priority, 100);
        let mut sent = 0;
        for step in 0..600_000_u32 {
            let now = begin + Duration::from_micros(100) * step;
            sent += serve(&mut router, now);
            let outputs = router.handle(now, Input::Packet(from_attacker(&buffer[..len])));
            sent += outputs.iter().filter(|output| matches!(output, Output::Advertise(_))).count();
        }
        // A minute: 2 answers a second and a burst of 3; each puts off the usual one.
        assert!((60..=183).contains(&sent), "{sent} with priority {priority}");
        assert_eq!(router.state(), State::Active);
    }
}

#[test]
fn hostile_intervals_cost_at_most_four_intervals_of_silence() {
    for centiseconds in [0, 1, 4_095] {
        let mut router = standing(200);
        let now = router.deadline().expect("Active");
        let mut buffer = [0; 64];
        let len = forged(&mut buffer, 255, centiseconds);
        let _ = router.handle(now, Input::Packet(from_attacker(&buffer[..len])));
        let silence = router.deadline().expect("Backup").saturating_duration_since(now);
        // 3 and 56 / 256 intervals of 250 ms to 4 s.
        assert!(silence >= Duration::from_micros(804_687), "{centiseconds} cs: {silence:?}");
        assert!(silence <= Duration::from_micros(12_875_000), "{centiseconds} cs: {silence:?}");
    }
}

#[test]
fn time_that_stands_still_or_runs_backwards_does_no_harm() {
    runs(1_000, |rng| {
        let mut router = any_router(rng);
        for _ in 0..100 {
            let now = Instant::from_epoch(Duration::new(rng.next(), 0));
            let input = any_other_input(rng);
            let _ = router.handle(now, input);
            assert_eq!(router.deadline().is_some(), router.state() != State::Initialize);
        }
    });
}
