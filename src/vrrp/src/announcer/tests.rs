extern crate std;

use std::vec::Vec;

use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_epoch(Duration::from_millis(millis))
}

fn plenty() -> TokenBucket {
    TokenBucket::new(1, Duration::ZERO)
}

/// When something was announced until `end`, in milliseconds, and how many addresses.
fn rounds(announcer: &mut Announcer, count: usize, bucket: &mut TokenBucket, end: u64) -> Vec<(u64, usize)> {
    let mut rounds = Vec::new();
    while let Some(due) = announcer.deadline().filter(|due| *due <= at(end)) {
        let range = announcer.poll(due, count, bucket);
        let millis = u64::try_from(due.since_epoch().as_millis()).expect("soon");
        rounds.push((millis, range.len()));
    }
    rounds
}

#[test]
fn a_takeover_is_announced_at_0_1_5_15_30_and_60_seconds() {
    let mut announcer = Announcer::new(None);
    announcer.start(at(10_000), Announcement::Takeover);
    let seen = rounds(&mut announcer, 3, &mut plenty(), 1_000_000);
    assert_eq!(seen, [(10_000, 3), (11_000, 3), (15_000, 3), (25_000, 3), (40_000, 3), (70_000, 3)]);
    assert_eq!(announcer.deadline(), None);
}

#[test]
fn then_it_is_refreshed() {
    let mut announcer = Announcer::new(Some(Duration::from_secs(100)));
    announcer.start(at(0), Announcement::Carrier);
    let seen = rounds(&mut announcer, 1, &mut plenty(), 400_000);
    assert_eq!(seen[5..], [(60_000, 1), (160_000, 1), (260_000, 1), (360_000, 1)]);
}

#[test]
fn a_correction_is_repeated_soon() {
    let mut announcer = Announcer::new(None);
    announcer.start(at(0), Announcement::Correction);
    let seen = rounds(&mut announcer, 1, &mut plenty(), 6_000);
    assert_eq!(seen, [(0, 1), (50, 1), (250, 1), (1_000, 1), (5_000, 1)]);
}

#[test]
fn what_is_released_is_not_announced() {
    let mut announcer = Announcer::new(Some(Duration::from_secs(60)));
    announcer.start(at(0), Announcement::Takeover);
    announcer.stop();
    assert_eq!(announcer.deadline(), None);
    assert_eq!(announcer.poll(at(0), 5, &mut plenty()), 0..0);
}

#[test]
fn nothing_is_due_before_the_deadline() {
    let mut announcer = Announcer::new(None);
    announcer.start(at(1_000), Announcement::Takeover);
    assert_eq!(announcer.poll(at(999), 5, &mut plenty()), 0..0);
    assert_eq!(announcer.poll(at(1_000), 5, &mut plenty()), 0..5);
}

#[test]
fn the_bucket_spreads_a_round_and_every_address_has_its_turn() {
    let mut announcer = Announcer::new(None);
    // 100 at once, then one a millisecond.
    let mut bucket = TokenBucket::new(100, Duration::from_millis(1));
    announcer.start(at(1_000), Announcement::Takeover);
    let mut next = 0;
    while next < 255 {
        let due = announcer.deadline().expect("a round under way");
        let range = announcer.poll(due, 255, &mut bucket);
        assert_eq!(range.start, next, "in order, none left out");
        next = range.end;
    }
    // 100 at 1000 ms and 155 more.
    assert_eq!(announcer.deadline(), Some(at(2_000)));
}

#[test]
fn a_storm_of_corrections_is_announced_at_a_bounded_rate_and_starves_no_address() {
    let mut announcer = Announcer::new(None);
    let mut bucket = TokenBucket::new(50, Duration::from_millis(1));
    let mut seen = [0_u32; 255];
    // 10,000 a second for ten seconds.
    for step in 0..100_000_u64 {
        let now = Instant::from_epoch(Duration::from_micros(1_000_000 + step * 100));
        announcer.start(now, Announcement::Correction);
        if announcer.deadline().is_some_and(|due| due <= now) {
            announcer.poll(now, 255, &mut bucket).for_each(|index| seen[index] += 1);
        }
    }
    assert!(seen.iter().all(|count| *count >= 3), "each address: {seen:?}");
    assert!(seen.iter().sum::<u32>() <= 50 + 10_000);
    let most = seen.iter().max().expect("255 of them");
    assert!(*most <= 40, "{most} rounds in ten seconds");
}

#[test]
fn a_correction_does_not_put_off_what_is_due() {
    let mut announcer = Announcer::new(None);
    announcer.start(at(0), Announcement::Correction);
    announcer.poll(at(0), 1, &mut plenty());
    assert_eq!(announcer.deadline(), Some(at(50)));
    // More than may begin at once.
    for _ in 0..10 {
        announcer.start(at(10), Announcement::Correction);
    }
    assert_eq!(announcer.deadline(), Some(at(10)));
}
