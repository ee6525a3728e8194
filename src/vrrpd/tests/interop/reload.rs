//! A role goes over because a priority was changed: SIGHUP to one, then to the other.

use std::time::Duration;

use crate::lab::{Lab, REAL_TIME, always, eventually};
use crate::{Keepalived, Mode, Vrrpd};

/// keepalived on the first host, vrrpd on the second, a neighbour on the third.
struct Pair<'a> {
    lab: &'a Lab,
    mode: Mode,
    keepalived: Keepalived,
    vrrpd: Vrrpd,
}

impl Pair<'_> {
    /// The role is at `host`, stays there, and the neighbour knows so without having asked.
    fn settled(&self, host: usize) {
        let address = self.mode.address();
        let is_there = || self.lab.has(host, address) && !self.lab.has(1 - host, address);
        eventually("the role goes over", is_there);
        always(Duration::from_secs(1), "it stays", is_there);
        let knows = || self.lab.neighbour(2, address).contains(&self.lab.mac(host));
        eventually("the neighbour knows", knows);
    }

    /// How often each became Active.
    fn takeovers(&self) -> (usize, u64) {
        (self.keepalived.takeovers(), self.vrrpd.counter("v", "active_transitions"))
    }
}

fn reloads(name: &'static str, mode: Mode) {
    let Some(lab) = Lab::new(name, 3) else { return };
    let (theirs, ours) = (0, 1);
    // After a reload it cannot raise its own limit of real time any more, and is killed by it.
    let config = |priority| mode.keepalived_config(theirs, priority, "").replace(REAL_TIME, "");
    let keepalived = lab.keepalived(theirs, &config(150));
    eventually("keepalived takes the role", || lab.has(theirs, mode.address()));
    let vrrpd = mode.vrrpd(&lab, ours, 100);
    eventually("vrrpd hears it", || vrrpd.counter("v", "advertisements_received") > 2);
    eventually("the neighbour asks once", || lab.reaches(2, mode.address()));
    let pair = Pair { lab: &lab, mode, keepalived, vrrpd };
    pair.settled(theirs);
    assert_eq!(pair.takeovers(), (1, 0));

    let keepalived_gets = |priority| pair.keepalived.reload(&config(priority));
    let vrrpd_gets = |priority| pair.vrrpd.reload(&mode.vrrpd_config(ours, priority, ""));
    keepalived_gets(50);
    pair.settled(ours);
    assert_eq!(pair.takeovers(), (1, 1), "keepalived has less");
    keepalived_gets(150);
    pair.settled(theirs);
    assert_eq!(pair.takeovers(), (2, 1), "keepalived has more again");
    vrrpd_gets(200);
    pair.settled(ours);
    assert_eq!(pair.takeovers(), (2, 2), "vrrpd has more");
    vrrpd_gets(100);
    pair.settled(theirs);
    assert_eq!(pair.takeovers(), (3, 2), "vrrpd has less again");
    assert_eq!(pair.vrrpd.router("v")["statistics"]["rejected"], serde_json::json!({}));
    let Pair { keepalived, vrrpd, .. } = pair;
    vrrpd.stop();
    keepalived.stop();
}

#[test]
fn a_priority_that_changes_by_reload_moves_the_role_once() {
    reloads("reload4", Mode { millis: 1000, ..Mode::new(3, false) });
}

#[test]
fn so_does_one_of_ipv6() {
    reloads("reload6", Mode { millis: 1000, ..Mode::new(3, true) });
}

#[test]
fn so_does_one_of_version_2() {
    reloads("reload2", Mode::new(2, false));
}
