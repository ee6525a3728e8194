//! vrrpd and Debian's keepalived on one link, each in both roles.
//!
//! Run it inside `tests/enter`; see `lab`.

#[path = "../lab/mod.rs"]
mod lab;

mod bridges;
mod page;
mod power;
mod reload;
mod virtual_mac;

use std::time::Duration;

use lab::{Keepalived, Lab, REAL_TIME, Vrrpd, always, eventually};

/// How the two speak.
#[derive(Clone, Copy)]
struct Mode {
    version: u8,
    is_ipv6: bool,
    is_unicast: bool,
    /// Of advertisements.
    millis: u16,
}

impl Mode {
    /// Multicast, every 300 ms: a busy machine keeps nobody silent for a second.
    const fn new(version: u8, is_ipv6: bool) -> Mode {
        // Version 2 knows seconds only.
        Mode { version, is_ipv6, is_unicast: false, millis: if version == 2 { 1000 } else { 300 } }
    }

    /// Whether a role that moves by itself is a fault, and not that of a busy machine.
    const fn is_steady(self) -> bool {
        self.millis >= 300
    }

    const fn address(self) -> &'static str {
        if self.is_ipv6 { "fe80::99" } else { "10.9.0.99" }
    }

    const fn more(self) -> &'static str {
        if self.is_ipv6 { "fd09::99" } else { "10.9.0.98" }
    }

    const fn prefix_len(self) -> u8 {
        if self.is_ipv6 { 64 } else { 24 }
    }

    fn host(self, index: usize) -> String {
        let number = index + 1;
        if self.is_ipv6 { format!("fe80::{number}") } else { format!("10.9.0.{number}") }
    }

    fn vrrpd(self, lab: &Lab, index: usize, priority: u8) -> Vrrpd {
        self.vrrpd_with(lab, index, priority, "")
    }

    fn vrrpd_with(self, lab: &Lab, index: usize, priority: u8, more: &str) -> Vrrpd {
        lab.vrrpd(index, &self.vrrpd_config(index, priority, more))
    }

    fn vrrpd_config(self, index: usize, priority: u8, more: &str) -> String {
        let password = if self.version == 2 { "password = \"mark21\"" } else { "" };
        let peers = if self.is_unicast {
            format!("source = {:?}\npeers = [{:?}]", self.host(index), self.host(1 - index))
        } else {
            String::new()
        };
        format!(
            r#"
[[virtual_router]]
name = "v"
interface = "eth0"
vrid = 51
version = {}
priority = {priority}
advertisement_interval = "{}ms"
addresses = ["{}/{len}", "{}/{len}"]
preempt = true
{password}
{peers}
{more}
"#,
            self.version,
            self.millis,
            self.address(),
            self.more(),
            len = self.prefix_len(),
        )
    }

    fn keepalived(self, lab: &Lab, index: usize, priority: u8) -> Keepalived {
        lab.keepalived(index, &self.keepalived_config(index, priority, ""))
    }

    fn keepalived_config(self, index: usize, priority: u8, more: &str) -> String {
        let interval = f64::from(self.millis) / 1000.0;
        let password =
            if self.version == 2 { "authentication {\nauth_type PASS\nauth_pass mark21\n}" } else { "" };
        let peers = if self.is_unicast {
            format!("unicast_src_ip {}\nunicast_peer {{\n{}\n}}", self.host(index), self.host(1 - index))
        } else {
            String::new()
        };
        format!(
            "global_defs {{\n{REAL_TIME}vrrp_version {}\nvrrp_garp_master_delay 0\n}}\n\
                 vrrp_instance v {{\nstate BACKUP\ninterface eth0\nvirtual_router_id 51\npriority {priority}\n\
                 advert_int {interval}\n{password}\n{peers}\n{more}\n\
                 virtual_ipaddress {{\n{}/{len}\n{}/{len}\n}}\n}}\n",
            self.version,
            self.address(),
            self.more(),
            len = self.prefix_len(),
        )
    }
}

fn both_roles(name: &'static str, mode: Mode) {
    let Some(lab) = Lab::new(name, 2) else { return };
    let (theirs, ours) = (0, 1);
    let address = mode.address();

    // keepalived ranks first.
    let keepalived = mode.keepalived(&lab, theirs, 200);
    eventually("keepalived takes the role", || lab.has(theirs, address));
    let vrrpd = mode.vrrpd(&lab, ours, 100);
    eventually("vrrpd hears it", || vrrpd.counter("v", "advertisements_received") > 2);
    eventually("vrrpd is Backup", || vrrpd.state("v") == "backup" && !lab.has(ours, address));
    if mode.is_steady() {
        always(Duration::from_secs(1), "vrrpd stays Backup", || vrrpd.state("v") == "backup");
    }

    keepalived.stop();
    eventually("vrrpd takes over from one that stopped", || lab.has(ours, address));
    assert!(lab.has(ours, mode.more()));
    let reason = || vrrpd.router("v")["last_transition"]["reason"].clone();
    if mode.is_steady() {
        assert_eq!(reason(), "active-resigned", "{}", vrrpd.log());
    }

    let keepalived = mode.keepalived(&lab, theirs, 200);
    eventually("keepalived preempts", || lab.has(theirs, address));
    eventually("vrrpd gives way", || vrrpd.state("v") == "backup" && !lab.has(ours, address));

    keepalived.kill();
    // Its addresses stay with it, which is how it is; ours take over all the same.
    eventually("vrrpd takes over from one that was killed", || lab.has(ours, address));
    assert_eq!(reason(), "active-silent", "{}", vrrpd.log());

    let keepalived = mode.keepalived(&lab, theirs, 200);
    eventually("keepalived preempts again", || vrrpd.state("v") == "backup");
    lab.set_port(theirs, false);
    eventually("vrrpd takes over when the other's link is down", || lab.has(ours, address));
    lab.set_port(theirs, true);
    eventually("keepalived takes it back when its link is up", || !lab.has(ours, address));
    if mode.is_steady() {
        assert_eq!(vrrpd.counter("v", "active_transitions"), 3, "no flap in between:\n{}", vrrpd.log());
    }
    assert_eq!(vrrpd.router("v")["statistics"]["rejected"], serde_json::json!({}));
    // Stopped, not killed: what a killed one leaves would pass for the next one's role.
    keepalived.stop();
    vrrpd.stop();

    // vrrpd ranks first.
    let keepalived = mode.keepalived(&lab, theirs, 100);
    eventually("keepalived takes the role alone", || lab.has(theirs, address));
    let vrrpd = mode.vrrpd(&lab, ours, 200);
    eventually("vrrpd preempts", || lab.has(ours, address) && !lab.has(theirs, address));
    if mode.is_steady() {
        always(Duration::from_secs(1), "keepalived stays Backup", || !lab.has(theirs, address));
    }
    vrrpd.stop();
    assert!(!lab.has(ours, address), "a vrrpd that stopped has let go");
    let took = eventually("keepalived takes over from one that stopped", || lab.has(theirs, address));
    // Silence would have lasted two intervals at least, and its skew time.
    let silence = Duration::from_millis(u64::from(mode.millis) * 2);
    assert!(mode.millis < 1000 || took < silence, "by the resignation, not by silence: {took:?}");

    let vrrpd = mode.vrrpd(&lab, ours, 200);
    eventually("vrrpd preempts again", || lab.has(ours, address) && !lab.has(theirs, address));
    drop(vrrpd);
    eventually("keepalived takes over from one that was killed", || lab.has(theirs, address));
    let vrrpd = mode.vrrpd(&lab, ours, 200);
    eventually("and back", || lab.has(ours, address) && !lab.has(theirs, address));
    lab.set_port(ours, false);
    eventually("keepalived takes over when our link is down", || lab.has(theirs, address));
    eventually("we let go without a link", || !lab.has(ours, address));
    lab.set_port(ours, true);
    eventually("we take it back", || lab.has(ours, address) && !lab.has(theirs, address));
    assert_eq!(vrrpd.router("v")["statistics"]["rejected"], serde_json::json!({}));
    vrrpd.stop();
    keepalived.stop();
}

#[test]
fn version_2_with_a_password_hands_over_both_ways() {
    both_roles("v2", Mode::new(2, false));
}

#[test]
fn version_3_on_ipv4_hands_over_both_ways() {
    both_roles("v3", Mode::new(3, false));
}

#[test]
fn version_3_on_ipv6_hands_over_both_ways() {
    both_roles("v6", Mode::new(3, true));
}

#[test]
fn once_a_second_hands_over_both_ways() {
    both_roles("v1s", Mode { millis: 1000, ..Mode::new(3, false) });
}

#[test]
fn a_hundred_times_a_second_hands_over_both_ways() {
    both_roles("v10ms", Mode { millis: 10, ..Mode::new(3, false) });
    both_roles("w10ms", Mode { millis: 10, ..Mode::new(3, true) });
}

#[test]
fn unicast_on_ipv4_hands_over_both_ways() {
    both_roles("u4", Mode { is_unicast: true, ..Mode::new(3, false) });
}

#[test]
fn unicast_on_ipv6_hands_over_both_ways() {
    both_roles("u6", Mode { is_unicast: true, ..Mode::new(3, true) });
}
