//! Skew_Time and Active_Down_Interval against numbers worked out by hand.

use super::*;
use crate::Version;

#[test]
fn skew_and_down_interval_equal_the_rfc() {
    // version, priority, own interval (ms), skew (ns), down interval (ns)
    let table: [(Version, u8, u64, u64, u64); 11] = [
        // (256 - 100) * 1 s / 256
        (Version::V3, 100, 1_000, 609_375_000, 3_609_375_000),
        // (256 - 254) / 256 s = 7.8125 ms
        (Version::V3, 254, 1_000, 7_812_500, 3_007_812_500),
        // 255 / 256 s
        (Version::V3, 1, 1_000, 996_093_750, 3_996_093_750),
        (Version::V3, 255, 1_000, 3_906_250, 3_003_906_250),
        // 156 * 100 ms / 256
        (Version::V3, 100, 100, 60_937_500, 360_937_500),
        // 156 * 10 ms / 256: in whole centiseconds this would be nothing
        (Version::V3, 100, 10, 6_093_750, 36_093_750),
        // 156 * 40.95 s / 256
        (Version::V3, 100, 40_950, 24_953_906_250, 147_803_906_250),
        // Version 2: the skew is of one second whatever the interval
        (Version::V2, 100, 1_000, 609_375_000, 3_609_375_000),
        (Version::V2, 100, 3_000, 609_375_000, 9_609_375_000),
        (Version::V2, 254, 255_000, 7_812_500, 765_007_812_500),
        (Version::V2, 1, 1_000, 996_093_750, 3_996_093_750),
    ];
    for (version, priority, interval, skew, down) in table {
        let interval = Duration::from_millis(interval);
        let mut router = router(&Parameters { version, priority, interval, ..parameters() });
        let name = format!("{version:?} priority {priority} interval {interval:?}");
        assert_eq!(router.skew_time(), Duration::from_nanos(skew), "{name}");
        assert_eq!(router.active_down_interval(), Duration::from_nanos(down), "{name}");
        let _ = router.handle(at(1_000_000), Input::Startup);
        if priority != 255 {
            let expected = at(1_000_000) + Duration::from_nanos(down);
            assert_eq!(router.deadline(), Some(expected), "{name}");
        }
    }
}

#[test]
fn version_3_learns_the_interval_of_the_active_router() {
    let mut router = router(&parameters());
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 0, Wire::v3(200, LESSER, 50).input());
    // 3 * 0.5 s + 156 * 0.5 s / 256 = 1.8046875 s
    assert_eq!(router.active_down_interval(), Duration::from_nanos(1_804_687_500));
    assert_eq!(router.deadline(), Some(at(0) + Duration::from_nanos(1_804_687_500)));
    assert_eq!(router.statistics().interval_mismatches, 1);
    assert_eq!(router.statistics().intervals_bounded, 0);
}

#[test]
fn hostile_intervals_are_bounded() {
    // Learnt interval (cs), configured bounds (ms), interval that counts (ms).
    let table = [
        (0, None, 250),
        (1, None, 250),
        (24, None, 250),
        (25, None, 250),
        (400, None, 4_000),
        (401, None, 4_000),
        (4_095, None, 4_000),
        (0, Some((10, 40_950)), 10),
        (4_095, Some((10, 40_950)), 40_950),
        (0, Some((1_000, 1_000)), 1_000),
    ];
    for (learnt, bounds, counts) in table {
        let interval_bounds =
            bounds.map(|(low, high)| (Duration::from_millis(low), Duration::from_millis(high)));
        let mut router = router(&Parameters { interval_bounds, ..parameters() });
        feed(&mut router, 0, Input::Startup);
        let outputs = feed(&mut router, 0, Wire::v3(200, LESSER, learnt).input());
        assert_eq!(router.active_adver_interval(), Duration::from_millis(counts), "{learnt} cs, {bounds:?}");
        let is_bounded = Duration::from_millis(u64::from(learnt) * 10) != Duration::from_millis(counts);
        assert_eq!(outputs == "notice interval", is_bounded, "{learnt} cs, {bounds:?}");
    }
}

#[test]
fn version_2_refuses_another_interval() {
    let mut router = router(&Parameters { version: Version::V2, ..parameters() });
    feed(&mut router, 0, Input::Startup);
    assert_eq!(feed(&mut router, 0, Wire::v2(200, LESSER, 2).input()), "rejected interval");
    assert_eq!(feed(&mut router, 0, Wire::v2(200, LESSER, 0).input()), "rejected interval");
    assert_eq!(feed(&mut router, 0, Wire::v2(200, LESSER, 1).input()), "");
}

#[test]
fn advertisements_stay_on_the_beat_when_the_timer_is_served_late() {
    let mut router =
        router(&Parameters { priority: 255, interval: Duration::from_millis(10), ..parameters() });
    feed(&mut router, 0, Input::Startup);
    for beat in 1..1_000 {
        assert_eq!(router.deadline(), Some(at(beat * 10_000)));
        // Up to 9 ms late.
        let late = beat * 7_919 % 9_000;
        assert_eq!(feed(&mut router, beat * 10_000 + late, Input::Timer), "advertise 255");
    }
    assert_eq!(router.statistics().advertisements_sent, 1_000);
}

#[test]
fn a_long_stall_is_not_made_up_for() {
    let mut router =
        router(&Parameters { priority: 255, interval: Duration::from_millis(10), ..parameters() });
    feed(&mut router, 0, Input::Startup);
    assert_eq!(feed(&mut router, 5_000_000, Input::Timer), "advertise 255");
    assert_eq!(router.deadline(), Some(at(5_010_000)));
}

#[test]
fn a_start_up_delay_ends_when_an_active_router_is_heard() {
    let startup_delay = Duration::from_secs(30);
    let mut silent = router(&Parameters { startup_delay, ..parameters() });
    feed(&mut silent, 0, Input::Startup);
    assert_eq!(silent.deadline(), Some(at(33_609_375)));

    let mut heard = silent.clone();
    feed(&mut heard, 2_000_000, Wire::v3(200, LESSER, 100).input());
    assert_eq!(heard.deadline(), Some(at(5_609_375)));

    let mut owner = router(&Parameters { startup_delay, priority: 255, ..parameters() });
    assert_eq!(feed(&mut owner, 0, Input::Startup), "to Backup (Started), membership");
    // 30 s and 3 s and 1 / 256 s
    assert_eq!(owner.deadline(), Some(at(33_003_906) + Duration::from_nanos(250)));
}

#[test]
fn a_link_up_delay_follows_carrier_only() {
    let mut router = router(&Parameters { link_up_delay: Duration::from_secs(15), ..parameters() });
    feed(&mut router, 0, Input::Startup);
    feed(&mut router, 0, Input::Link(Link::Down));
    assert_eq!(feed(&mut router, 1_000_000, Input::Link(Link::Up)), "to Backup (Recovered), membership");
    assert_eq!(router.deadline(), Some(at(19_609_375)));
    feed(&mut router, 1_000_000, Input::Tracked(verdict(&FAULT)));
    feed(&mut router, 2_000_000, Input::Tracked(Verdict::CLEAR));
    assert_eq!(router.deadline(), Some(at(5_609_375)));
}
