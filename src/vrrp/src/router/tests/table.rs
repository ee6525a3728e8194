//! Every state and what it may be in, with every input: outputs and the deadline after them.

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Stopped,
    Faulted,
    /// Until 3609.375 ms.
    Backup,
    /// In a group, timer run out at 3609.375 ms.
    Waiting,
    /// Since 3609.375 ms.
    Active,
    HandingOver,
    Offering,
}

const TIMEOUT: u64 = 3_609_375;

impl Start {
    const ALL: [Start; 7] = [
        Start::Stopped,
        Start::Faulted,
        Start::Backup,
        Start::Waiting,
        Start::Active,
        Start::HandingOver,
        Start::Offering,
    ];

    fn router(self) -> Router {
        let grouping = if self == Start::Waiting { Grouping::Grouped } else { Grouping::Alone };
        let mut router = router(&Parameters { grouping, ..parameters() });
        if self == Start::Stopped {
            return router;
        }
        feed(&mut router, 0, Input::Startup);
        match self {
            Start::Stopped | Start::Backup => {}
            Start::Faulted => {
                feed(&mut router, 0, Input::Link(Link::Down));
            }
            Start::Waiting | Start::Active => {
                feed(&mut router, TIMEOUT, Input::Timer);
            }
            Start::HandingOver => {
                feed(&mut router, TIMEOUT, Input::Timer);
                feed(&mut router, TIMEOUT, Input::Resign(Resignation::Bounded));
            }
            Start::Offering => {
                feed(&mut router, TIMEOUT, Input::Timer);
                feed(&mut router, TIMEOUT, Input::Resign(Resignation::UntilRelieved));
            }
        }
        router
    }
}

/// Each input with its name, as of the instant that it comes at (microseconds).
fn with_inputs(mut check: impl FnMut(&str, u64, Input<'_>)) {
    let zero = Wire::v3(0, LESSER, 100);
    let zero_greater = Wire::v3(0, GREATER, 100);
    let lower = Wire::v3(99, GREATER, 100);
    let tie_lesser = Wire::v3(100, LESSER, 100);
    let tie_greater = Wire::v3(100, GREATER, 100);
    let higher = Wire::v3(101, LESSER, 100);
    let mut wrong_ttl = higher.received();
    wrong_ttl.ttl = 254;
    check("Startup", 4_000_000, Input::Startup);
    check("Shutdown", 4_000_000, Input::Shutdown);
    check("priority 0", 3_609_400, zero.input());
    check("priority 0 from a greater address", 3_609_400, zero_greater.input());
    check("lower priority", 4_000_000, lower.input());
    check("same priority, lesser address", 4_000_000, tie_lesser.input());
    check("same priority, greater address", 4_000_000, tie_greater.input());
    check("higher priority", 4_000_000, higher.input());
    check("refused packet", 4_000_000, Input::Packet(wrong_ttl));
    check("Timer too early", 3_609_374, Input::Timer);
    check("Timer", 4_609_375, Input::Timer);
    check("Link up", 4_000_000, Input::Link(Link::Up));
    check("Link down", 4_000_000, Input::Link(Link::Down));
    check("Tracked: clear", 4_000_000, Input::Tracked(Verdict::CLEAR));
    check("Tracked: 20 points", 4_000_000, Input::Tracked(verdict(&PLUS_20)));
    check("Tracked: fault", 4_000_000, Input::Tracked(verdict(&FAULT)));
    check("Resign bounded", 4_000_000, Input::Resign(Resignation::Bounded));
    check("Resign until relieved", 4_000_000, Input::Resign(Resignation::UntilRelieved));
    check("Stand", 4_000_000, Input::Stand);
    check("TakeOver", 4_000_000, Input::TakeOver);
}

#[test]
fn every_state_answers_every_input_as_the_table_says() {
    let mut actual = String::new();
    for start in Start::ALL {
        with_inputs(|name, micros, input| {
            let mut router = start.router();
            let outputs = feed(&mut router, micros, input);
            let deadline = router.deadline().map(|deadline| deadline.since_epoch().as_micros());
            let deadline = deadline.map_or(String::from("none"), |micros| format!("{micros}"));
            let what = if outputs.is_empty() { "-" } else { &outputs };
            actual += &format!("{start:?} | {name} | {what} | {deadline}\n");
        });
    }
    let expected: Vec<&str> =
        include_str!("table.txt").lines().filter(|line| !line.starts_with('#')).collect();
    for (actual, expected) in actual.lines().zip(&expected) {
        assert_eq!(actual, *expected);
    }
    assert_eq!(actual.lines().count(), expected.len());
}

#[test]
fn there_is_a_deadline_in_every_state_but_initialize() {
    for start in Start::ALL {
        with_inputs(|name, micros, input| {
            let mut router = start.router();
            feed(&mut router, micros, input);
            let has_deadline = router.deadline().is_some();
            assert_eq!(has_deadline, router.state() != State::Initialize, "{start:?}, {name}");
        });
    }
}
