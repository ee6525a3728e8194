//! `accept = false`: packets to the addresses are dropped, neighbours are answered.

use std::time::Duration;

use crate::lab::{Lab, Vrrpd, always, eventually};
use crate::{group, router};

fn answers(lab: &Lab, address: &str) -> bool {
    lab.reaches(1, address)
}

fn is_resolved(lab: &Lab, address: &str) -> bool {
    lab.neighbour(1, address).contains("lladdr")
}

/// As nft lists it, without counters.
fn table(lab: &Lab) -> String {
    let root = std::env::var_os("MARK21_LAB_ROOT").expect("inside");
    let mut nft = lab.command(0, "chroot");
    nft.arg(root).args(["/usr/sbin/nft", "--stateless", "list", "ruleset"]);
    String::from_utf8_lossy(&nft.output().expect("nft").stdout).into_owned()
}

fn refusing(config: &str) -> String {
    config.replace("vrid = 7", "vrid = 7\naccept = false")
}

fn settled(lab: &Lab, vrrpd: &Vrrpd, name: &str) {
    eventually("it is Active", || vrrpd.state(name) == "active" && lab.has(0, "10.9.0.99"));
}

#[test]
fn only_neighbours_are_answered_and_an_owner_answers_all() {
    let Some(lab) = Lab::new("accept", 2) else { return };
    let vrrpd = lab.vrrpd(0, &refusing(&group(200, "")));
    settled(&lab, &vrrpd, "six");
    for address in ["10.9.0.99", "fd09::99", "fe80::99%eth0"] {
        let plain = address.trim_end_matches("%eth0");
        assert!(!answers(&lab, address), "{address}");
        assert!(is_resolved(&lab, plain), "{address}");
    }
    eventually("the box's own are", || answers(&lab, "10.9.0.1") && answers(&lab, "fd09::1"));
    let expected = r#"table inet vrrpd {
	set v4 {
		type ipv4_addr
		elements = { 10.9.0.99 }
	}

	set v6 {
		type ipv6_addr
		elements = { fd09::99 }
	}

	set link {
		type ifname . ipv6_addr
		elements = { "eth0" . fe80::99 }
	}

	chain input {
		type filter hook input priority filter; policy accept;
		icmpv6 type nd-neighbor-solicit accept
		icmpv6 type nd-neighbor-advert accept
		ip daddr @v4 counter drop
		ip6 daddr @v6 counter drop
		iifname . ip6 daddr @link counter drop
	}
}
"#;
    assert_eq!(table(&lab), expected);

    vrrpd.reload(&group(200, ""));
    eventually("there is no filter", || table(&lab).is_empty());
    for address in ["10.9.0.99", "fd09::99", "fe80::99%eth0"] {
        eventually(address, || answers(&lab, address));
    }
    vrrpd.reload(&refusing(&group(255, "")));
    eventually("it owns them", || vrrpd.router("four")["effective_priority"] == 255);
    eventually("its owner answers", || answers(&lab, "10.9.0.99") && answers(&lab, "fd09::99"));
    assert_eq!(vrrpd.counter("four", "active_transitions"), 1);
    vrrpd.stop();
}

#[test]
fn the_filter_outlives_a_crash_and_not_a_configuration_without_it() {
    let Some(lab) = Lab::new("acrash", 2) else { return };
    let vrrpd = lab.vrrpd(0, &refusing(&router(200, "")));
    settled(&lab, &vrrpd, "v");
    drop(vrrpd);
    // The address is still there, so the filter is too.
    assert!(lab.has(0, "10.9.0.99") && table(&lab).contains("10.9.0.99"));
    let vrrpd = lab.vrrpd(0, &refusing(&router(200, "")));
    settled(&lab, &vrrpd, "v");
    always(Duration::from_millis(200), "it is there", || table(&lab).contains("10.9.0.99"));
    assert!(!answers(&lab, "10.9.0.99"));
    drop(vrrpd);
    let vrrpd = lab.vrrpd(0, &router(200, ""));
    settled(&lab, &vrrpd, "v");
    assert!(table(&lab).is_empty());
    eventually("it answers", || answers(&lab, "10.9.0.99"));
    vrrpd.reload(&refusing(
        &router(200, "virtual_mac = true").replace("10.9.0.99/24\"", "10.9.0.99/24\", \"10.9.0.98/24\""),
    ));
    eventually("both are refused", || table(&lab).contains("10.9.0.98, 10.9.0.99"));
    // The note of it was out of reach in the sandbox.
    let is_noted = || std::fs::exists("/run/acrash-a/filter").expect("known");
    assert!(is_noted());
    vrrpd.reload(&router(200, "virtual_mac = true"));
    eventually("nothing is refused, and that is noted", || table(&lab).is_empty() && !is_noted());
    vrrpd.reload(&refusing(&router(200, "virtual_mac = true")));
    eventually("it is refused again", || table(&lab).contains("10.9.0.99"));
    vrrpd.stop();
    assert!(table(&lab).is_empty(), "it goes with vrrpd");
}
