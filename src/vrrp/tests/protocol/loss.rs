//! How often a lossy link makes two routers Active, against what three lost advertisements in a
//! row predict.

use std::time::Duration;

use vrrp::{Input, Parameters};

use crate::lan::{ADDRESSES, Lan, Weather, source};
use crate::rng::runs;

const INTERVAL: u64 = 100_000;
const INTERVALS: u64 = 20_000;

struct Measured {
    takeovers: u64,
    both_active: u64,
    none_active: u64,
    longest: u64,
}

/// Priority 200 is Active, priority 100 is Backup; each direction loses `loss` per mille.
fn measure(mut lan: Lan, loss: u64) -> Measured {
    for (host, priority) in [200, 100].into_iter().enumerate() {
        let interval = Duration::from_micros(INTERVAL);
        let parameters = Parameters { priority, interval, ..Parameters::new(7, source(host), ADDRESSES) };
        lan.add(host, 0, &parameters);
        lan.input(host, Input::Startup);
    }
    lan.run_until(lan.now + 10 * INTERVAL);
    assert_eq!(lan.actives(0), [0]);
    lan.changes.clear();
    lan.weather = Weather { loss, delay: (50, 1_000), ..Weather::CALM };
    let begin = lan.now;
    lan.run_until(begin + INTERVALS * INTERVAL);

    let mut measured = Measured { takeovers: 0, both_active: 0, none_active: 0, longest: 0 };
    let (mut active, mut since) = ([true, false], begin);
    for (when, station, state) in &lan.changes {
        let span = when - since;
        match active {
            [true, true] => {
                measured.both_active += span;
                measured.longest = measured.longest.max(span);
            }
            [false, false] => measured.none_active += span,
            [true, false] | [false, true] => {}
        }
        active[*station] = *state == vrrp::State::Active;
        measured.takeovers += u64::from(*station == 1 && active[1]);
        since = *when;
    }
    measured
}

#[test]
fn under_loss_two_are_active_as_seldom_as_three_losses_in_a_row() {
    runs(1, |rng| {
        eprintln!("loss  takeovers an hour (predicted)  both Active  none Active  longest both");
        for loss in [10, 50, 100, 200, 300, 500] {
            let measured = measure(Lan::new(rng.clone()), loss);
            // A takeover takes three losses after an advertisement that arrived.
            let (arrive, lost) = (1000 - loss, loss);
            let expected = INTERVALS * arrive * lost.pow(3) / 1000_u64.pow(4);
            let hours = |count: u64| count * 3_600_000_000 / (INTERVALS * INTERVAL);
            let share = |span: u64| span * 1_000_000 / (INTERVALS * INTERVAL);
            eprintln!(
                "{:>3} %  {:>8} ({:>5})  {:>8} ppm  {:>6} ppm  {:>5} ms",
                loss / 10,
                hours(measured.takeovers),
                hours(expected),
                share(measured.both_active),
                share(measured.none_active),
                measured.longest / 1000
            );
            // Poisson: six standard deviations and a little for the small numbers.
            let slack = 6 * expected.isqrt() + 6;
            assert!(measured.takeovers <= expected + slack, "{} of {expected}", measured.takeovers);
            // Both stay Active until one hears the other: a geometric number of intervals.
            assert!(measured.longest <= 40 * INTERVAL, "{} us", measured.longest);
            assert_eq!(measured.none_active, 0);
        }
    });
}
