//! The time of day is set by years, and nothing moves.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::group;
use crate::lab::{Lab, always, eventually};

const YEAR: i64 = 365 * 86_400;
/// As [`group`] has it.
const INTERVAL: Duration = Duration::from_millis(100);

#[test]
fn setting_the_time_of_day_by_years_moves_nothing() {
    let Some(lab) = Lab::new("clock", 2) else { return };
    let examples = Path::new(env!("CARGO_BIN_EXE_vrrpd")).with_file_name("examples");
    let library = examples.join("libstepping_clock.so");
    assert!(library.exists(), "{}: cargo test -p vrrpd --no-run builds it", library.display());
    let file = Path::new("/run/clock-offset");
    fs::write(file, [0; 8]).expect("written");
    let library = library.to_str().expect("text");
    let environment = [("LD_PRELOAD", library), ("STEPPING_CLOCK", "/run/clock-offset")];
    let give = |index: usize, priority: u8| {
        let vrrpd = lab.waiting_vrrpd(index, &environment);
        let path = format!("/run/{}/given.toml", lab.host(index));
        fs::write(&path, group(priority, "")).expect("written");
        let (text, is_success) = vrrpd.ask(&["configure", &path]);
        assert!(is_success, "{text}");
        vrrpd
    };
    let (first, second) = (give(0, 200), give(1, 100));
    eventually("the first is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    eventually("the second hears it", || second.counter("six", "advertisements_received") > 2);
    // What each of them believes, to see that the clock is another one at all.
    let at = |offset: i64| fs::write(file, offset.to_ne_bytes()).expect("written");
    let believed = || first.router("four")["last_transition"]["at"].as_i64().expect("a time");
    let begin = believed();
    for offset in [10 * YEAR, -30 * YEAR, 1, -1, YEAR, 0, -YEAR, 100 * YEAR] {
        at(offset);
        let sent = first.count("four", "advertisements_sent");
        let heard = second.count("four", "advertisements_received");
        always(Duration::from_millis(900), "the roles stay", || {
            lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99") && !lab.has(1, "10.9.0.99")
        });
        first.count("four", "advertisements_sent").beats_since(&sent, INTERVAL);
        second.count("four", "advertisements_received").beats_since(&heard, INTERVAL);
    }
    assert_eq!(first.counter("four", "active_transitions"), 1);
    assert_eq!(second.counter("four", "active_transitions"), 0);
    // And a takeover is on time, 50 years later.
    at(50 * YEAR);
    drop(first);
    let took = eventually("the second takes over", || second.state("four") == "active");
    assert!(took < Duration::from_secs(5), "by silence of 361 ms: {took:?}");
    let later = second.router("four")["last_transition"]["at"].as_i64().expect("a time");
    assert!(later - begin > 49 * YEAR, "the clock was not another one: {begin}, {later}");
    second.stop();
}
