//! What the table's single steps do not show: sequences, rates, and where the RFC is left.

use std::vec;

use super::*;
use crate::config::Preemption;
use crate::statistics::{NewActiveReason, Rejection};
use crate::wire::Password;
use crate::{AddressListPolicy, ChecksumPolicy, Version};

fn active(parameters: &Parameters<'_>) -> Router {
    let mut router = router(parameters);
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 3_900_000, Input::Timer);
    assert_eq!(router.state(), State::Active);
    router
}

fn preempting(delay: u64) -> Parameters<'static> {
    Parameters { preemption: Preemption::On { delay: Duration::from_secs(delay) }, ..parameters() }
}

#[test]
fn an_owner_is_active_at_once() {
    let mut router = router(&Parameters { priority: 255, ..parameters() });
    assert_eq!(
        feed(&mut router, 0, Input::Startup),
        "advertise 255, acquire, announce Takeover, to Active (Owner), membership"
    );
    assert_eq!(router.statistics().new_active_reason, NewActiveReason::Priority);
}

#[test]
fn an_owner_always_preempts() {
    let mut router = router(&Parameters { priority: 255, ..parameters() });
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 0, Input::Link(Link::Down));
    feed(&mut router, 0, Wire::v3(200, LESSER, 100).input());
    assert!(feed(&mut router, 1_000_000, Input::Link(Link::Up)).starts_with("advertise 255"));
}

#[test]
fn with_preemption_a_lower_priority_does_not_stop_the_timer() {
    let mut router = router(&preempting(0));
    feed(&mut router, 0, Input::Startup);
    for second in 1..4 {
        feed(&mut router, second * 1_000_000, Wire::v3(99, GREATER, 100).input());
    }
    assert_eq!(router.deadline(), Some(at(3_609_375)));
    assert!(feed(&mut router, 3_609_375, Input::Timer).contains("to Active (Preempted)"));
    assert_eq!(router.statistics().new_active_reason, NewActiveReason::Preempted);
}

#[test]
fn a_lower_priority_after_a_resignation_is_preempted() {
    let mut router = router(&preempting(0));
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 1_000_000, Wire::v3(200, LESSER, 100).input());
    feed(&mut router, 1_500_000, Wire::v3(0, LESSER, 100).input());
    feed(&mut router, 1_600_000, Wire::v3(50, GREATER, 100).input());
    assert_eq!(
        feed(&mut router, 2_109_375, Input::Timer),
        "advertise 100, acquire, announce Takeover, to Active (Preempted), membership"
    );
}

#[test]
fn an_owner_in_a_group_waits_for_it() {
    let mut router = router(&Parameters { priority: 255, grouping: Grouping::Grouped, ..parameters() });
    assert_eq!(feed(&mut router, 0, Input::Startup), "to Backup (Started), membership");
    assert_eq!(router.deadline(), Some(at(0)));
    assert_eq!(feed(&mut router, 0, Input::Timer), "membership");
    assert_eq!(router.membership(), Membership::Waiting);
    assert!(feed(&mut router, 0, Input::TakeOver).starts_with("advertise 255, acquire"));
}

#[test]
fn a_waiting_member_that_hears_an_active_router_does_not_take_over_any_more() {
    let mut router = router(&Parameters { grouping: Grouping::Grouped, ..parameters() });
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 3_609_375, Input::Timer);
    feed(&mut router, 3_700_000, Wire::v3(50, LESSER, 100).input());
    assert_eq!(feed(&mut router, 3_700_000, Input::TakeOver), "");
    assert_eq!(router.membership(), Membership::Backup);
}

#[test]
fn a_preempt_delay_obeys_first_and_is_counted_from_the_first_advertisement() {
    let mut router = router(&preempting(10));
    feed(&mut router, 0, Input::Startup);
    for second in 1..=20 {
        feed(&mut router, second * 1_000_000, Wire::v3(99, GREATER, 100).input());
    }
    // Heard at 1 s, obeyed last at 10 s, discarded from 11 s on.
    assert_eq!(router.deadline(), Some(at(13_609_375)));
}

#[test]
fn a_higher_priority_ends_a_preempt_delay() {
    let mut router = router(&preempting(10));
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 1_000_000, Wire::v3(99, GREATER, 100).input());
    feed(&mut router, 2_000_000, Wire::v3(150, GREATER, 100).input());
    feed(&mut router, 12_000_000, Wire::v3(99, GREATER, 100).input());
    assert_eq!(router.deadline(), Some(at(15_609_375)));
}

#[test]
fn without_preemption_any_priority_is_obeyed() {
    let mut router = router(&parameters());
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 3_000_000, Wire::v3(1, LESSER, 100).input());
    assert_eq!(router.deadline(), Some(at(6_609_375)));
    assert_eq!(router.active_router(), Some(address(LESSER)));
}

#[test]
fn priority_0_shortens_the_wait_to_the_skew_time() {
    let mut router = router(&parameters());
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 1_000_000, Wire::v3(200, LESSER, 100).input());
    feed(&mut router, 1_500_000, Wire::v3(0, LESSER, 100).input());
    assert_eq!(router.deadline(), Some(at(2_109_375)));
    assert_eq!(
        feed(&mut router, 2_109_375, Input::Timer),
        "acquire, advertise 100, announce Takeover, to Active (ActiveResigned), membership"
    );
}

#[test]
fn a_stream_of_priority_0_cannot_keep_a_backup_from_taking_over() {
    let mut router = router(&parameters());
    feed(&mut router, 0, Input::Startup);
    for step in 0..100 {
        feed(&mut router, step * 5_000, Wire::v3(0, LESSER, 100).input());
    }
    assert_eq!(router.deadline(), Some(at(609_375)));
}

#[test]
fn answers_to_others_have_a_bounded_rate_and_the_last_correction_is_not_lost() {
    let mut router = active(&parameters());
    let mut answers = 0;
    // 10,000 a second for a second, from 4 s on.
    for step in 0..10_000 {
        let outputs = feed(&mut router, 4_000_000 + step * 100, Wire::v3(99, GREATER, 100).input());
        answers += usize::from(outputs.starts_with("advertise 100, announce Correction, notice conflict"));
    }
    // Three at once, one each half second.
    assert_eq!(answers, 4);
    assert_eq!(router.statistics().conflicts, 10_000);
    assert_eq!(router.statistics().answers_suppressed, 9_996);
    let due = router.deadline().expect("Active").since_epoch().as_micros();
    let due = u64::try_from(due).expect("soon");
    assert!(due <= 6_000_000);
    assert_eq!(feed(&mut router, due, Input::Timer), "advertise 100, announce Correction");
    assert_eq!(feed(&mut router, due + 1_000_000, Input::Timer), "advertise 100");
}

#[test]
fn an_unanswered_offer_is_made_five_times_and_the_addresses_stay() {
    let mut router = active(&parameters());
    let mut lines = vec![feed(&mut router, 4_000_000, Input::Resign(Resignation::Bounded))];
    for second in 5..=10 {
        lines.push(feed(&mut router, second * 1_000_000, Input::Timer));
    }
    let expected = [
        "advertise 0, membership",
        "advertise 0",
        "advertise 0",
        "advertise 0",
        "advertise 0",
        "advertise 100, notice unanswered, membership",
        "advertise 100",
    ];
    assert_eq!(lines, expected);
    assert_eq!(router.state(), State::Active);
}

#[test]
fn who_gave_its_role_away_does_not_preempt_it_back() {
    let mut router = active(&preempting(0));
    feed(&mut router, 4_000_000, Input::Resign(Resignation::Bounded));
    feed(&mut router, 4_100_000, Wire::v3(50, LESSER, 100).input());
    assert_eq!(router.state(), State::Backup);
    for second in 5..60 {
        feed(&mut router, second * 1_000_000, Wire::v3(50, LESSER, 100).input());
        feed(&mut router, second * 1_000_000, Input::Timer);
    }
    assert_eq!(router.state(), State::Backup);
    // But it takes the role when nobody has it.
    assert!(feed(&mut router, 63_609_375, Input::Timer).contains("to Active"));
}

#[test]
fn tracking_moves_the_priority_within_1_and_254_and_leaves_an_owner_alone() {
    let table =
        [(100, 20, 120), (100, -20, 80), (100, -200, 1), (100, 200, 254), (254, 1, 254), (255, -200, 255)];
    for (configured, points, effective) in table {
        let mut router = router(&Parameters { priority: configured, ..parameters() });
        let health = if points > 0 { Health::Up } else { Health::Down };
        feed(&mut router, 0, Input::Tracked(verdict(&[(Weight::Points(points), health)])));
        assert_eq!(router.priority().get(), effective, "{configured} {points}");
    }
}

#[test]
fn a_fault_needs_both_link_and_tracking_to_be_well_again() {
    let mut router = active(&parameters());
    feed(&mut router, 4_000_000, Input::Link(Link::Down));
    feed(&mut router, 4_000_000, Input::Tracked(verdict(&FAULT)));
    assert_eq!(feed(&mut router, 4_000_000, Input::Link(Link::Up)), "");
    assert_eq!(router.membership(), Membership::Faulted);
    assert!(feed(&mut router, 4_000_000, Input::Tracked(Verdict::CLEAR)).contains("to Backup (Recovered)"));
}

#[test]
fn the_sent_checksum_follows_the_peer_unless_told() {
    let mut pseudo = Wire::v3(200, LESSER, 100);
    let path = Path::new(address(LESSER), IpAddr::V4(MULTICAST_V4)).expect("one family");
    let header = Header {
        vrid: Vrid::new(7).expect("not zero"),
        priority: Priority::new(200),
        protocol: Protocol::V3 { interval: Centiseconds::from_field(100) },
    };
    let advertisement = Advertisement { header, addresses: ADDRESSES };
    advertisement.emit(&path, ChecksumForm::PseudoHeader, &mut pseudo.octets).expect("fits");

    let mut follower = router(&parameters());
    feed(&mut follower, 0, Input::Startup);
    assert_eq!(follower.checksum_form(), ChecksumForm::Plain);
    feed(&mut follower, 0, pseudo.input());
    assert_eq!(follower.checksum_form(), ChecksumForm::PseudoHeader);
    feed(&mut follower, 0, Wire::v3(200, LESSER, 100).input());
    assert_eq!(follower.checksum_form(), ChecksumForm::Plain);

    let checksum = ChecksumPolicy::Always(ChecksumForm::PseudoHeader);
    let mut fixed = router(&Parameters { checksum, ..parameters() });
    feed(&mut fixed, 0, Input::Startup);
    feed(&mut fixed, 0, Wire::v3(200, LESSER, 100).input());
    assert_eq!(fixed.checksum_form(), ChecksumForm::PseudoHeader);
}

#[test]
fn another_address_list_is_counted_or_refused_as_told() {
    let header = Header {
        vrid: Vrid::new(7).expect("not zero"),
        priority: Priority::new(200),
        protocol: Protocol::V3 { interval: Centiseconds::from_field(100) },
    };
    let list = Addresses::V4(&[[10, 0, 0, 100], [10, 0, 0, 101]]);
    let other = Wire::of(Advertisement { header, addresses: list }, LESSER);
    let mut lenient = router(&parameters());
    feed(&mut lenient, 0, Input::Startup);
    assert_eq!(feed(&mut lenient, 1_000_000, other.input()), "notice addresses");
    assert_eq!(lenient.deadline(), Some(at(4_609_375)));
    assert_eq!(lenient.statistics().address_list_errors(), 1);

    let mut strict = router(&Parameters { address_list: AddressListPolicy::Refuse, ..parameters() });
    feed(&mut strict, 0, Input::Startup);
    assert_eq!(feed(&mut strict, 1_000_000, other.input()), "rejected address-list");
    assert_eq!(strict.deadline(), Some(at(3_609_375)));
    assert_eq!(strict.statistics().address_list_errors(), 1);
}

#[test]
fn version_2_compares_passwords() {
    let password = |text: &[u8]| Some(Password::new(text).expect("short"));
    let with = |given: Option<Password>| {
        Wire::new(200, LESSER, Protocol::V2 { interval: Seconds::new(1), password: given })
    };
    let table = [
        (Some(&b"secret"[..]), password(b"secret"), ""),
        (Some(b"secret"), password(b"Secret"), "rejected authentication-data"),
        (Some(b"secret"), None, "rejected authentication-type"),
        (None, password(b"secret"), "rejected authentication-type"),
        (None, None, ""),
    ];
    for (configured, given, outputs) in table {
        let mut router = router(&Parameters { version: Version::V2, password: configured, ..parameters() });
        feed(&mut router, 0, Input::Startup);
        assert_eq!(feed(&mut router, 0, with(given).input()), outputs, "{configured:?} {given:?}");
    }
}

#[test]
fn a_reconfigured_router_keeps_its_role_and_its_beat() {
    let mut router = active(&parameters());
    let same = Config::new(&parameters()).expect("right");
    let outputs = router.reconfigure(at(4_000_000), same).expect("same router");
    assert_eq!(describe(&outputs), "");
    assert_eq!(router.deadline(), Some(at(4_900_000)));

    let more = Addresses::V4(&[[10, 0, 0, 100], [10, 0, 0, 101]]);
    let more = Config::new(&Parameters { addresses: more, ..parameters() }).expect("right");
    let outputs = router.reconfigure(at(4_000_000), more).expect("same router");
    assert_eq!(describe(&outputs), "advertise 100, announce Reconfigured");
    assert_eq!(router.state(), State::Active);
    assert_eq!(router.deadline(), Some(at(5_000_000)));

    let other = Config::new(&Parameters { vrid: 8, ..parameters() }).expect("right");
    assert_eq!(router.reconfigure(at(4_000_000), other), Err(ReconfigureError));
}

#[test]
fn a_slower_interval_does_not_make_a_reconfigured_backup_take_over() {
    let mut router = router(&parameters());
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 1_000_000, Wire::v3(200, LESSER, 100).input());
    let slow = Config::new(&Parameters { interval: Duration::from_secs(10), ..parameters() }).expect("right");
    let outputs = router.reconfigure(at(1_500_000), slow).expect("same router");
    assert_eq!(describe(&outputs), "");
    // 1.5 s and 3 * 10 s and 156 * 10 s / 256
    assert_eq!(router.deadline(), Some(at(37_593_750)));
}

#[test]
fn every_reason_to_refuse_a_packet_has_no_effect_but_its_counter() {
    let good = Wire::v3(200, LESSER, 100);
    let good = good.received();
    let mut bad_checksum = good.payload.to_vec();
    bad_checksum[7] ^= 1;
    let other_vrid = {
        let header = Header {
            vrid: Vrid::new(8).expect("not zero"),
            priority: Priority::new(200),
            protocol: Protocol::V3 { interval: Centiseconds::from_field(100) },
        };
        Wire::of(Advertisement { header, addresses: ADDRESSES }, LESSER)
    };
    let v2 = Wire::v2(200, LESSER, 1);
    let none = {
        let protocol = Protocol::V3 { interval: Centiseconds::from_field(100) };
        let header = Header { vrid: Vrid::new(7).expect("not zero"), priority: Priority::new(200), protocol };
        Wire::of(Advertisement { header, addresses: Addresses::V4(&[]) }, LESSER)
    };
    let v6: IpAddr = "fe80::1".parse().expect("an address");
    let broadcast = IpAddr::V4(Ipv4Addr::BROADCAST);
    let table = [
        (Rejection::Family, Received { source: v6, ..good }),
        (Rejection::Family, Received { source: v6, destination: v6, ..good }),
        (Rejection::OwnSource, Received { source: address(OWN), ..good }),
        (Rejection::Source, Received { source: IpAddr::V4(Ipv4Addr::UNSPECIFIED), ..good }),
        (Rejection::Source, Received { source: IpAddr::V4(MULTICAST_V4), ..good }),
        (Rejection::Source, Received { source: IpAddr::V4(Ipv4Addr::LOCALHOST), ..good }),
        (Rejection::Source, Received { source: broadcast, ..good }),
        (Rejection::OffLink, Received { is_on_link: false, ..good }),
        (Rejection::Destination, Received { destination: address(OWN), ..good }),
        (Rejection::IpOptions, Received { has_options: true, ..good }),
        (Rejection::Ttl, Received { ttl: 254, ..good }),
        (Rejection::Ttl, Received { ttl: 0, ..good }),
        (Rejection::Truncated, Received { payload: &good.payload[..11], ..good }),
        (Rejection::Checksum, Received { payload: &bad_checksum, ..good }),
        (Rejection::Version, v2.received()),
        (Rejection::Vrid, other_vrid.received()),
        (Rejection::NoAddresses, none.received()),
    ];
    let mut standing = active(&parameters());
    let mut waiting = router(&parameters());
    feed(&mut waiting, 0, Input::Startup);
    for (reason, received) in table {
        for router in [&mut standing, &mut waiting] {
            let mut expected = router.clone();
            assert_eq!(feed(router, 4_000_000, Input::Packet(received)), format!("rejected {reason}"));
            expected.statistics.count_rejection(reason);
            assert_eq!(*router, expected, "{reason}");
        }
    }
}
