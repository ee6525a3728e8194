//! Bridges that look at what passes: groups must be joined, and joined anew.

use std::time::Duration;

use crate::group;
use crate::lab::{Lab, always, eventually, ip, output};

/// 224.0.0.18 is flooded by every switch; another group and ff02::12 go to members only.
const GROUP: &str = "239.255.0.18";

fn is_forwarded(lab: &Lab, port: &str, group: &str) -> bool {
    let text = output(&format!("netns exec {} bridge mdb show dev bridge0", lab.switch()));
    text.lines().any(|line| line.contains(&format!("port {port} grp {group} ")))
}

#[test]
fn a_bridge_with_snooping_and_a_querier_forwards_to_both() {
    let Some(lab) = Lab::new("snoop", 3) else { return };
    let switch = lab.switch();
    // Hundredths of a second: memberships that nobody confirms end within three. MLDv2, as beside
    // keepalived.
    ip(&format!(
        "-n {switch} link set bridge0 type bridge mcast_snooping 1 mcast_querier 1 mcast_query_interval 100 \
         mcast_query_response_interval 50 mcast_membership_interval 300 mcast_startup_query_interval 50 \
         mcast_igmp_version 3 mcast_mld_version 2"
    ));
    let config = |priority| {
        group(priority, "").replace("100ms", "300ms").replacen(
            "vrid = 7",
            &format!("vrid = 7\nmulticast_group = {GROUP:?}"),
            1,
        )
    };
    let first = lab.vrrpd(0, &config(200));
    // The bridge may hear of a membership later than a Backup waits.
    let late = "preempt = true\nstartup_delay = \"5s\"\nlink_up_delay = \"5s\"";
    let second = lab.vrrpd(1, &config(100).replace("preempt = true", late));
    let in_order = || {
        lab.has(0, "10.9.0.99")
            && lab.has(0, "fd09::99")
            && !lab.has(1, "10.9.0.99")
            && !lab.has(1, "fd09::99")
    };
    eventually("the first has both", in_order);
    for port in ["port-a", "port-b"] {
        for group in [GROUP, "ff02::12"] {
            eventually("the bridge knows its members", || is_forwarded(&lab, port, group));
        }
    }
    // What snoops must be on, or this proves nothing: the third host is no member.
    assert!(!is_forwarded(&lab, "port-c", GROUP) && !is_forwarded(&lab, "port-c", "ff02::12"));
    always(Duration::from_secs(7), "two membership intervals change nothing", in_order);
    assert_eq!(second.counter("four", "active_transitions"), 0);
    assert_eq!(second.counter("six", "active_transitions"), 0);

    // A Backup whose link was away is no member any more, and joins by itself.
    lab.set_port(1, false);
    eventually("the bridge forgets it", || !is_forwarded(&lab, "port-b", GROUP));
    lab.set_port(1, true);
    let heard = |name: &str| second.counter(name, "advertisements_received");
    for name in ["four", "six"] {
        let before = heard(name);
        eventually("it hears the first again", || heard(name) > before + 2);
    }
    eventually("and is a member", || {
        is_forwarded(&lab, "port-b", GROUP) && is_forwarded(&lab, "port-b", "ff02::12")
    });
    eventually("the first has both", in_order);
    always(Duration::from_secs(4), "it stays so", in_order);
    first.stop();
    second.stop();
}
