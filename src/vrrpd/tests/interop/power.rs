//! Both boxes are switched on in one moment, again and again.

use std::time::Duration;

use crate::Mode;
use crate::lab::{Lab, always, eventually};

#[test]
fn ten_times_both_at_once_and_nobody_flaps() {
    let Some(lab) = Lab::new("power", 3) else { return };
    let mode = Mode::new(3, false);
    let address = mode.address();
    for round in 0..10 {
        // The ports come up, both programs start; who ranks first takes turns.
        for host in 0..2 {
            lab.set_port(host, false);
            lab.set_port(host, true);
        }
        let (theirs, ours) = if round % 2 == 0 { (200, 100) } else { (100, 200) };
        let keepalived = mode.keepalived(&lab, 0, theirs);
        // It may be the first to speak, and keepalived wants its own checksum then.
        let vrrpd = mode.vrrpd_with(&lab, 1, ours, "checksum = \"pseudo-header\"");
        let right = || lab.has(0, address) == (theirs > ours) && lab.has(1, address) == (ours > theirs);
        eventually("the greater priority has it", right);
        always(Duration::from_secs(1), "it stays so", right);
        let (first, second) = (keepalived.takeovers(), vrrpd.counter("v", "active_transitions"));
        assert!(first <= 1, "round {round}: keepalived {first} times");
        assert!(second <= 1, "round {round}: vrrpd {second} times");
        // The neighbour knows the right one, without having asked.
        eventually("the neighbour has an answer", || lab.reaches(2, address));
        let neighbour = lab.neighbour(2, address);
        let active = if theirs > ours { 0 } else { 1 };
        assert!(neighbour.contains(&lab.mac(active)), "round {round}: {neighbour}");
        keepalived.stop();
        vrrpd.stop();
        assert!(!lab.has(0, address) && !lab.has(1, address));
    }
}
