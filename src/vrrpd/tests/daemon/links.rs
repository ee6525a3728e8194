//! Interfaces and bridges as they come, go and make one wait.

use std::time::Duration;

use crate::lab::{Lab, always, eventually, ip};
use crate::router;

#[test]
fn an_interface_that_comes_later_and_goes_is_followed() {
    let Some(lab) = Lab::new("later", 1) else { return };
    let config = router(200, "").replace("eth0", "late0").replace("10.9.0.", "10.8.0.");
    let vrrpd = lab.vrrpd(0, &config);
    assert_eq!(vrrpd.state("v"), "initialize");
    for _ in 0..2 {
        ip("-n later-a link add late0 type veth peer name late1");
        ip("-n later-a link set late1 up");
        ip("-n later-a link set late0 up");
        ip("-n later-a addr add 10.8.0.1/24 dev late0");
        eventually("it is Active", || lab.has(0, "10.8.0.99"));
        ip("-n later-a link delete late0");
        eventually("it is not", || vrrpd.state("v") == "initialize");
    }
    ip("-n later-a link add late0 type veth peer name late1");
    ip("-n later-a link set late1 up");
    ip("-n later-a link set late0 up");
    ip("-n later-a addr add 10.8.0.1/24 dev late0");
    eventually("it is Active", || lab.has(0, "10.8.0.99"));
    ip("-n later-a addr add 10.7.0.2/24 dev late0");
    ip("-n later-a addr del 10.8.0.1/24 dev late0");
    eventually("it speaks from the other address", || vrrpd.router("v")["source"] == "10.7.0.2");
    eventually("and has its own", || lab.has(0, "10.8.0.99"));
    vrrpd.stop();
}

#[test]
fn an_address_on_a_device_of_its_own_follows_the_device() {
    let Some(lab) = Lab::new("device", 1) else { return };
    let extra = "excluded_addresses = [{ address = \"10.7.0.9/24\", device = \"other0\" }]";
    let vrrpd = lab.vrrpd(0, &router(200, extra));
    eventually("it is Active", || lab.has(0, "10.9.0.99"));
    for _ in 0..2 {
        ip("-n device-a link add other0 type veth peer name other1");
        eventually("the address is there", || lab.has(0, "10.7.0.9"));
        ip("-n device-a link delete other0");
        eventually("it is not held", || {
            vrrpd.router("v")["held"].as_array().is_some_and(|held| held.len() == 1)
        });
    }
    assert_eq!(vrrpd.counter("v", "active_transitions"), 1);
    vrrpd.stop();
}

#[test]
fn a_bridge_that_forwards_late_makes_no_second_active() {
    let Some(lab) = Lab::new("stp", 2) else { return };
    // Listening and learning, 2 s each, after every link-up.
    ip(&format!("-n {} link set bridge0 type bridge stp_state 1 forward_delay 200", lab.switch()));
    let config = |priority| router(priority, "startup_delay = \"5s\"\nlink_up_delay = \"5s\"");
    let power_on = || {
        for host in 0..2 {
            lab.set_port(host, false);
            lab.set_port(host, true);
        }
    };
    power_on();
    let first = lab.vrrpd(0, &config(200));
    let second = lab.vrrpd(1, &config(100));
    eventually("the first is Active", || lab.has(0, "10.9.0.99"));
    eventually("the second hears it", || second.counter("v", "advertisements_received") > 0);
    power_on();
    eventually("one is Active again", || lab.has(0, "10.9.0.99") || lab.has(1, "10.9.0.99"));
    always(Duration::from_secs(2), "one has it", || lab.has(0, "10.9.0.99") != lab.has(1, "10.9.0.99"));
    let transitions = first.counter("v", "active_transitions") + second.counter("v", "active_transitions");
    // A carrier that is back at once may go unnoticed; then the first has kept its role.
    assert!(transitions <= 2, "at most one for each power-on: {transitions}");
    first.stop();
    second.stop();
}
