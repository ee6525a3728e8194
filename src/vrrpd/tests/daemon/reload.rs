//! A new configuration is applied as a difference.

use std::time::Duration;

use crate::lab::{Lab, always, eventually};
use crate::router;

#[test]
fn a_reload_changes_addresses_and_keeps_the_role() {
    let Some(lab) = Lab::new("reload", 2) else { return };
    // Slow enough that a machine which stands still for a moment is no dead Active.
    let router = |priority, more| router(priority, more).replace("100ms", "300ms");
    let first = lab.vrrpd(0, &router(200, ""));
    eventually("the first is Active", || lab.has(0, "10.9.0.99"));
    let second = lab.vrrpd(1, &router(100, ""));
    eventually("the second hears it", || second.counter("v", "advertisements_received") > 2);

    let changed = router(200, "excluded_addresses = [\"fd09::77/64\"]").replace("10.9.0.99", "10.9.0.98");
    first.reload(&changed);
    eventually("the new one is there", || lab.has(0, "10.9.0.98") && lab.has(0, "fd09::77"));
    eventually("the old one is gone", || !lab.has(0, "10.9.0.99"));
    first.reload("[[virtual_router]]\nname = 7\n");
    eventually("what is wrong is told", || first.log().contains("the running configuration stays"));
    assert!(lab.has(0, "10.9.0.98"));

    // A second router comes and goes, and the first does not notice.
    let sent = first.counter("v", "advertisements_sent");
    first.reload(&format!(
        "{changed}{}",
        changed
            .replace("\"v\"", "\"w\"")
            .replace("vrid = 7", "vrid = 8")
            .replace("10.9.0.98", "10.9.0.97")
            .replace("fd09::77", "fd09::78")
    ));
    eventually("the other router is Active", || lab.has(0, "10.9.0.97"));
    first.reload(&changed);
    eventually("the other router is gone", || !lab.has(0, "10.9.0.97") && !lab.has(0, "fd09::78"));
    assert_eq!(first.counter("v", "active_transitions"), 1);
    assert!(first.counter("v", "advertisements_sent") > sent);
    assert_eq!(second.counter("v", "active_transitions"), 0, "the other box heard no pause");
    first.stop();
    second.stop();
}

#[test]
fn an_address_that_moves_from_one_router_to_another_stays_on_the_interface() {
    let Some(lab) = Lab::new("moves", 1) else { return };
    let two = |first: &str, second: &str| {
        let second_router = router(200, "").replace("\"v\"", "\"w\"").replace("vrid = 7", "vrid = 8");
        let with = |text: String, more: &str| text.replace("\"10.9.0.99/24\"", more);
        format!("{}{}", with(router(200, ""), first), with(second_router, second))
    };
    let (one, other, both) = ("\"10.9.0.97/24\"", "\"10.9.0.98/24\"", "10.9.0.99");
    let moving = |address: &str| format!("{address}, \"10.9.0.99/24\"");
    let vrrpd = lab.vrrpd(0, &two(one, &moving(other)));
    eventually("both are Active", || lab.has(0, "10.9.0.97") && lab.has(0, both));
    for config in [two(&moving(one), other), two(one, &moving(other))] {
        let holder = if config.find(both) < config.find("vrid = 8") { "v" } else { "w" };
        vrrpd.reload(&config);
        eventually("the other router holds it", || {
            vrrpd.router(holder)["held"].as_array().is_some_and(|held| held.len() == 2)
        });
        eventually("it is there", || lab.has(0, both));
        always(Duration::from_millis(300), "it stays", || lab.has(0, both));
    }
    vrrpd.stop();
    assert!(!lab.has(0, both));
}
