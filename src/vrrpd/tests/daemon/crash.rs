//! Addresses that a crash left, and addresses that somebody else takes off.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::group;
use crate::lab::{Lab, Vrrpd, always, eventually, ip};

#[test]
fn what_a_crash_left_is_removed_and_other_addresses_stay() {
    let Some(lab) = Lab::new("crash", 1) else { return };
    let vrrpd = lab.vrrpd(0, &group(200, ""));
    eventually("it is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    drop(vrrpd);
    assert!(lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"), "a crash leaves them");
    let vrrpd = lab.vrrpd(0, &group(200, "startup_delay = \"30s\""));
    assert!(!lab.has(0, "10.9.0.99") && !lab.has(0, "fd09::99") && !lab.has(0, "fe80::99"));
    assert!(lab.has(0, "10.9.0.1") && lab.has(0, "fd09::1") && lab.has(0, "fe80::1"));
    vrrpd.stop();
}

#[test]
fn an_address_that_others_remove_is_put_back() {
    let Some(lab) = Lab::new("back", 1) else { return };
    let vrrpd = lab.vrrpd(0, &group(200, ""));
    eventually("it is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    ip("-n back-a addr del 10.9.0.99/24 dev eth0");
    eventually("IPv4 is back", || lab.has(0, "10.9.0.99"));
    ip("-n back-a addr del fd09::99/64 dev eth0");
    eventually("IPv6 is back", || lab.has(0, "fd09::99"));
    assert_eq!(vrrpd.router("four")["addresses_put_back"], 1);
    // More often than the bound: put back all the same, a little later.
    for _ in 0..12 {
        drop(
            Command::new("ip").args(["-n", "back-a", "addr", "del", "10.9.0.99/24", "dev", "eth0"]).status(),
        );
    }
    eventually("it is back for good", || lab.has(0, "10.9.0.99"));
    vrrpd.stop();
    assert!(!lab.has(0, "10.9.0.99") && !lab.has(0, "fd09::99"));
}

/// As init does it: started again at once, without anybody who gives it a configuration.
#[test]
fn one_that_is_killed_comes_back_with_its_configuration_and_never_are_there_two_owners() {
    let Some(lab) = Lab::new("kill9", 2) else { return };
    let config =
        |priority| group(priority, "").replace("\"100ms\"", "\"300ms\"").replace("preempt = true", "");
    let given = "/run/kill9-a/given.toml";
    let mut first = lab.waiting_vrrpd(0, &[]);
    fs::write(given, config(200)).expect("written");
    let (text, is_success) = first.ask(&["configure", given]);
    assert!(is_success, "{text}");
    let second = lab.vrrpd(1, &config(100));
    let owners = || (0..2).filter(|host| lab.has(*host, "10.9.0.99") || lab.has(*host, "fd09::99")).count();
    eventually("the first has both", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    eventually("the second hears it", || second.counter("six", "advertisements_received") > 1);
    for _ in 0..3 {
        drop(first);
        assert!(owners() <= 1, "a crash is no second owner");
        first = lab.waiting_vrrpd(0, &[]);
        assert_eq!(first.try_status().expect("a status")["configured"], true);
        assert!(first.state("four") == "active" || !lab.has(0, "10.9.0.99"), "leftovers are removed");
        // Away for less than an interval, and Backup then: whose silence ends first takes over.
        always(Duration::from_secs(2), "there is at most one owner", || owners() <= 1);
        let has_both = |host: usize| lab.has(host, "10.9.0.99") && lab.has(host, "fd09::99");
        eventually("one has both", || has_both(0) || has_both(1));
        let states = |vrrpd: &Vrrpd| [vrrpd.state("four"), vrrpd.state("six")];
        let (active, backup) =
            if has_both(0) { (states(&first), states(&second)) } else { (states(&second), states(&first)) };
        assert_eq!((active, backup), (["active"; 2].map(String::from), ["backup"; 2].map(String::from)));
    }
    first.stop();
    second.stop();
}
