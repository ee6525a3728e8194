//! Addresses that a crash left, and addresses that somebody else takes off.

use std::process::Command;

use crate::group;
use crate::lab::{Lab, eventually, ip};

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
