//! Both on a bridge that makes them wait, or that looks at what passes.

use std::time::Duration;

use crate::lab::{Lab, REAL_TIME, always, eventually, eventually_within, ip, is_soak, output};
use crate::{Mode, Vrrpd};

/// Listening and learning take `forward_delay` each after every link-up. keepalived knows a delay of
/// its start only, so its link stays.
fn a_bridge_that_forwards_late(name: &'static str, forward_delay: u64) {
    let Some(lab) = Lab::new(name, 3) else { return };
    let (theirs, ours) = (0, 1);
    let mode = Mode::new(3, false);
    let address = mode.address();
    let hundredths = forward_delay * 100;
    ip(&format!("-n {} link set bridge0 type bridge stp_state 1 forward_delay {hundredths}", lab.switch()));
    let delay = 2 * forward_delay + 1;
    let limit = Duration::from_secs(2 * delay + 10);
    for host in 0..2 {
        lab.set_port(host, false);
        lab.set_port(host, true);
    }
    let delayed = mode.keepalived_config(theirs, 200, "").replacen(
        "global_defs {",
        &format!("global_defs {{\nvrrp_startup_delay {delay}"),
        1,
    );
    let keepalived = lab.keepalived(theirs, &delayed);
    // Longer at the start: keepalived, which takes the role then, may be slow to start.
    let late = format!(
        "checksum = \"pseudo-header\"\nstartup_delay = \"{}s\"\nlink_up_delay = \"{delay}s\"",
        2 * delay
    );
    let vrrpd = mode.vrrpd_with(&lab, ours, 100, &late);
    let takes = |host: usize| {
        let is_there = || lab.has(host, address) && !lab.has(1 - host, address);
        eventually_within(limit, "the role is there", is_there);
        always(Duration::from_secs(2), "it stays", is_there);
        eventually("the neighbour reaches it", || lab.reaches(2, address));
        let known = lab.neighbour(2, address);
        assert!(known.contains(&lab.mac(host)), "{known}");
    };
    takes(theirs);
    eventually_within(limit, "vrrpd hears it", || vrrpd.counter("v", "advertisements_received") > 0);
    assert_eq!((keepalived.takeovers(), vrrpd.counter("v", "active_transitions")), (1, 0));

    // Our link goes and comes: for so long nothing is heard, and that is no reason to take the role.
    let before = vrrpd.counter("v", "advertisements_received");
    lab.set_port(ours, false);
    eventually("vrrpd has no link", || vrrpd.state("v") == "initialize");
    lab.set_port(ours, true);
    eventually_within(limit, "vrrpd hears it again", || {
        vrrpd.counter("v", "advertisements_received") > before + 2
    });
    takes(theirs);
    assert_eq!((keepalived.takeovers(), vrrpd.counter("v", "active_transitions")), (1, 0));

    keepalived.stop();
    takes(ours);
    assert_eq!(vrrpd.counter("v", "active_transitions"), 1);
    vrrpd.stop();
}

#[test]
fn a_bridge_that_forwards_after_four_seconds_makes_no_second_active_beside_keepalived() {
    a_bridge_that_forwards_late("istp", 2);
}

/// With the standard's forward delay of 15 s.
#[test]
fn a_bridge_that_forwards_after_half_a_minute_makes_no_second_active_beside_keepalived() {
    if is_soak() {
        a_bridge_that_forwards_late("istp15", 15);
    } else {
        eprintln!("SKIPPED: takes two minutes, MARK21_SOAK=1 has it");
    }
}

/// Every second the bridge asks who is a member, and what nobody confirms ends within three. By MLDv2:
/// a query of MLDv1 makes Linux forget the reports that it owes after link-up, and this bridge shows a
/// host those of others, which keep it from answering (RFC 2710 section 4).
fn a_bridge_that_looks(name: &'static str, mode: Mode, group: &str) {
    let Some(lab) = Lab::new(name, 3) else { return };
    let (theirs, ours) = (0, 1);
    let address = mode.address();
    ip(&format!(
        "-n {} link set bridge0 type bridge mcast_snooping 1 mcast_querier 1 mcast_query_interval 100 \
         mcast_query_response_interval 50 mcast_membership_interval 300 mcast_startup_query_interval 50 \
         mcast_igmp_version 3 mcast_mld_version 2",
        lab.switch()
    ));
    let is_member = |port: &str| {
        let text = output(&format!("netns exec {} bridge mdb show dev bridge0", lab.switch()));
        text.lines().any(|line| line.contains(&format!("port {port} grp {group} ")))
    };
    // What is always flooded would prove nothing: IPv4 has a group of its own.
    let (their_group, our_group) = if mode.is_ipv6 {
        (String::new(), String::new())
    } else {
        (format!("vrrp_mcast_group4 {group}\n"), format!("multicast_group = {group:?}"))
    };
    let config = mode.keepalived_config(theirs, 200, "").replacen(REAL_TIME, &(their_group + REAL_TIME), 1);
    let keepalived = lab.keepalived(theirs, &config);
    eventually("keepalived takes the role", || lab.has(theirs, address));
    // The kernel tells the bridge of a membership up to a second after link-up, on a busy machine also
    // after the start, and a Backup of 300 ms waits for one only.
    let more = our_group + "\nstartup_delay = \"5s\"\nlink_up_delay = \"5s\"";
    let vrrpd = mode.vrrpd_with(&lab, ours, 100, &more);
    for port in ["port-a", "port-b"] {
        eventually("the bridge knows its members", || is_member(port));
    }
    assert!(!is_member("port-c"), "the third host is none");
    let is_right = || lab.has(theirs, address) && !lab.has(ours, address);
    let heard = |vrrpd: &Vrrpd| vrrpd.counter("v", "advertisements_received");
    eventually("vrrpd hears it", || heard(&vrrpd) > 2);
    always(Duration::from_secs(7), "two membership intervals change nothing", is_right);

    lab.set_port(ours, false);
    eventually("the bridge forgets it", || !is_member("port-b"));
    let before = heard(&vrrpd);
    lab.set_port(ours, true);
    eventually("vrrpd hears it again", || heard(&vrrpd) > before + 2);
    eventually("and is a member", || is_member("port-b"));
    always(Duration::from_secs(4), "it stays so", is_right);

    keepalived.stop();
    eventually("vrrpd takes over", || lab.has(ours, address));
    let keepalived = lab.keepalived(theirs, &config);
    eventually("keepalived takes it back", is_right);
    always(Duration::from_secs(4), "it stays so", is_right);
    eventually("the neighbour reaches it", || lab.reaches(2, address));
    let known = lab.neighbour(2, address);
    assert!(known.contains(&lab.mac(theirs)), "{known}");
    assert_eq!(keepalived.takeovers(), 1);
    assert_eq!(vrrpd.counter("v", "active_transitions"), 1, "{}", vrrpd.log());
    vrrpd.stop();
    keepalived.stop();
}

#[test]
fn a_bridge_with_snooping_and_a_querier_forwards_ipv4_to_both_kinds() {
    a_bridge_that_looks("isnoop4", Mode::new(3, false), "239.255.0.18");
}

#[test]
fn a_bridge_with_snooping_and_a_querier_forwards_ipv6_to_both_kinds() {
    a_bridge_that_looks("isnoop6", Mode::new(3, true), "ff02::12");
}
