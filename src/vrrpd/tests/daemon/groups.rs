//! Sync groups: all members are Active, or none is.

use std::time::Duration;

use crate::group;
use crate::lab::{Lab, always, eventually, ip};

#[test]
fn a_group_moves_as_one_when_a_member_cannot_go_on() {
    let Some(lab) = Lab::new("group", 2) else { return };
    ip("-n group-a link add track0 type veth peer name track1");
    ip("-n group-a link set track1 up");
    ip("-n group-a link set track0 up");
    let first = lab.vrrpd(0, &group(200, "track_interface = [\"track0\"]"));
    let second = lab.vrrpd(1, &group(100, ""));
    eventually("the first has both", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    eventually("the second has none", || !lab.has(1, "10.9.0.99") && !lab.has(1, "fd09::99"));
    ip("-n group-a link set track0 down");
    eventually("the second has both", || lab.has(1, "10.9.0.99") && lab.has(1, "fd09::99"));
    eventually("the first has none", || !lab.has(0, "10.9.0.99") && !lab.has(0, "fd09::99"));
    ip("-n group-a link set track0 up");
    eventually("the first has both again", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    eventually("and the second none", || !lab.has(1, "10.9.0.99") && !lab.has(1, "fd09::99"));
    first.stop();
    second.stop();
}

#[test]
fn an_operator_hands_a_group_over_and_it_stays_there() {
    let Some(lab) = Lab::new("resign", 2) else { return };
    let config = |priority| group(priority, "").replace("preempt = true", "");
    let first = lab.vrrpd(0, &config(200));
    eventually("the first is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    let second = lab.vrrpd(1, &config(100));
    eventually("the second hears it", || second.counter("six", "advertisements_received") > 2);
    let (text, is_success) = first.ask(&["resign", "both"]);
    assert!(is_success, "{text}");
    eventually("the second is Active", || lab.has(1, "10.9.0.99") && lab.has(1, "fd09::99"));
    eventually("the first let go", || !lab.has(0, "10.9.0.99") && !lab.has(0, "fd09::99"));
    always(Duration::from_secs(1), "it stays", || second.state("four") == "active");
    let (text, is_success) = first.ask(&["resign", "nobody"]);
    assert!(!is_success && text.contains("no virtual router"), "{text}");
    first.stop();
    second.stop();
}

#[test]
fn a_group_that_loses_a_member_by_configuration_keeps_its_role() {
    let Some(lab) = Lab::new("shrink", 2) else { return };
    let first = lab.vrrpd(0, &group(200, ""));
    eventually("the first is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    let second = lab.vrrpd(1, &group(100, ""));
    eventually("the second hears it", || second.counter("four", "advertisements_received") > 2);
    let config = group(200, "");
    let (begin, rest) = config.split_once("[[virtual_router]]\nname = \"six\"").expect("two routers");
    let (_, end) = rest.split_once("[[sync_group]]").expect("a group");
    first.reload(&format!("{begin}[[sync_group]]{}", end.replace(", \"six\"", "")));
    eventually("six is gone", || !lab.has(0, "fd09::99"));
    always(Duration::from_secs(1), "four stays", || lab.has(0, "10.9.0.99") && !lab.has(1, "10.9.0.99"));
    assert_eq!(first.counter("four", "priority_zero_sent"), 0);
    first.stop();
    second.stop();
}

#[test]
fn one_that_returns_takes_the_role_back_only_when_it_is_told_to() {
    let Some(lab) = Lab::new("preempt", 2) else { return };
    let two = |priority, preempts: bool, more: &str| {
        let told = if preempts { format!("preempt = true\n{more}") } else { String::new() };
        group(priority, more).replace("preempt = true", &told)
    };
    let second = lab.vrrpd(1, &two(100, false, ""));
    eventually("the second is Active", || lab.has(1, "10.9.0.99") && lab.has(1, "fd09::99"));
    let first = lab.vrrpd(0, &two(200, false, ""));
    eventually("the first hears it", || first.counter("six", "advertisements_received") > 2);
    always(Duration::from_secs(1), "it obeys", || !lab.has(0, "10.9.0.99") && !lab.has(0, "fd09::99"));
    first.stop();

    let first =
        lab.vrrpd(0, &two(200, true, "").replace("preempt = true", "preempt = true\npreempt_delay = \"4s\""));
    always(Duration::from_millis(1500), "it obeys so long", || !lab.has(0, "10.9.0.99"));
    eventually("it has both", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    eventually("the second has none", || !lab.has(1, "10.9.0.99") && !lab.has(1, "fd09::99"));
    assert_eq!(first.router("four")["last_transition"]["reason"], "preempted");
    assert_eq!(
        (first.counter("four", "active_transitions"), second.counter("four", "active_transitions")),
        (1, 1)
    );
    first.stop();
    second.stop();
}
