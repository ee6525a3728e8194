//! What an Active router puts on its interface, and what it tells the neighbours.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::lab::{Lab, always, eventually, ip, kill, output};
use crate::{group, router};

#[test]
fn an_address_has_its_label_and_scope_and_the_router_speaks_from_where_it_is_told() {
    let Some(lab) = Lab::new("labels", 2) else { return };
    ip("-n labels-a addr add 10.9.0.51/24 dev eth0");
    let more =
        "excluded_addresses = [{ address = \"10.9.0.98/32\", label = \"eth0:vip\", scope = \"link\" }]";
    let first = lab.vrrpd(0, &router(200, &format!("source = \"10.9.0.51\"\n{more}")));
    eventually("the first is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "10.9.0.98"));
    let second = lab.vrrpd(1, &router(100, ""));
    eventually("the second knows who speaks", || second.router("v")["active_router"] == "10.9.0.51");
    let shown = output("-n labels-a -4 -o addr show dev eth0");
    let line = |address: &str| shown.lines().find(|line| line.contains(address)).unwrap_or_default();
    let (labelled, plain) = (line(" 10.9.0.98/32 "), line(" 10.9.0.99/24 "));
    assert!(labelled.contains("scope link eth0:vip"), "{shown}");
    assert!(plain.contains("scope global") && !plain.contains("eth0:vip"), "{shown}");
    first.stop();
    second.stop();
    let shown = output("-n labels-a -4 -o addr show dev eth0");
    assert!(shown.contains("10.9.0.51") && !shown.contains("10.9.0.98"), "{shown}");
}

#[test]
fn neighbours_are_told_in_both_forms_of_arp_and_by_neighbour_advertisements_more_than_once() {
    let Some(lab) = Lab::new("forms", 2) else { return };
    let file = "/run/forms-capture";
    let mut capture = lab.command(1, "chroot");
    capture.arg(std::env::var_os("MARK21_LAB_ROOT").expect("inside"));
    capture.args([
        "/usr/bin/tcpdump",
        "-i",
        "eth0",
        "-n",
        "-l",
        "-v",
        "-Z",
        "root",
        "arp or icmp6 or proto 112",
    ]);
    let capture = capture.stdout(fs::File::create(file).expect("a file")).stderr(Stdio::null()).spawn();
    let mut capture = capture.expect("tcpdump");
    let seen = |what: &str| fs::read_to_string(file).expect("the capture").matches(what).count();
    let vrrpd = lab.vrrpd(0, &group(200, "startup_delay = \"1s\""));
    eventually("it is Active, and captured", || lab.has(0, "10.9.0.99") && seen("vrid 7") > 2);
    // At once, after a second, after five.
    for what in [
        "Request who-has 10.9.0.99 tell 10.9.0.99,",
        "Reply 10.9.0.99 is-at ",
        "tgt is fd09::99, Flags [router, override]",
        "tgt is fe80::99, Flags [router, override]",
    ] {
        eventually(what, || seen(what) >= 3);
    }
    vrrpd.stop();
    kill(capture.id(), "TERM");
    drop(capture.wait());
}

#[test]
fn a_tracked_interface_that_is_down_for_a_moment_moves_nothing() {
    let Some(lab) = Lab::new("bounce", 1) else { return };
    ip("-n bounce-a link add track0 type veth peer name track1");
    ip("-n bounce-a link set track1 up");
    ip("-n bounce-a link set track0 up");
    let tracked = "track_interface = [{ interface = \"track0\", down_delay = \"3s\", up_delay = \"1s\" }]";
    let vrrpd = lab.vrrpd(0, &router(200, tracked));
    eventually("it is Active", || lab.has(0, "10.9.0.99"));
    ip("-n bounce-a link set track0 down");
    ip("-n bounce-a link set track0 up");
    always(Duration::from_secs(4), "it stays", || lab.has(0, "10.9.0.99"));
    ip("-n bounce-a link set track0 down");
    let took = eventually("it is down for too long", || vrrpd.state("v") == "initialize");
    // It was down a little before the watch began.
    assert!(took > Duration::from_secs(2), "{took:?}");
    ip("-n bounce-a link set track0 up");
    let took = eventually("it is well again", || vrrpd.state("v") == "active");
    assert!(took > Duration::from_millis(500), "{took:?}");
    assert_eq!(vrrpd.counter("v", "active_transitions"), 2);
    vrrpd.stop();
}
