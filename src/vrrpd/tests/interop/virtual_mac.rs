//! Both with the virtual MAC address: to a neighbour nothing changes when the role moves.

use crate::lab::{Keepalived, Lab, REAL_TIME, Vrrpd, eventually, output};

/// Host 2 is the neighbour.
struct Pair {
    lab: Lab,
    is_ipv6: bool,
}

impl Pair {
    fn new(name: &'static str, is_ipv6: bool) -> Option<Pair> {
        let lab = Lab::new(name, 3)?;
        // keepalived leaves these to the operator; vrrpd sees to them by itself.
        for (setting, value) in [("arp_ignore", 1), ("arp_announce", 2)] {
            let write = format!("echo {value} > /proc/sys/net/ipv4/conf/all/{setting}");
            assert!(lab.command(0, "sh").args(["-c", &write]).status().expect("sh").success());
        }
        Some(Pair { lab, is_ipv6 })
    }

    fn address(&self) -> &'static str {
        if self.is_ipv6 { "fd09::99" } else { "10.9.0.99" }
    }

    fn mac(&self) -> &'static str {
        if self.is_ipv6 { "00:00:5e:00:02:33" } else { "00:00:5e:00:01:33" }
    }

    fn vrrpd(&self, priority: u8) -> Vrrpd {
        let addresses = if self.is_ipv6 { "\"fe80::99/64\", \"fd09::99/64\"" } else { "\"10.9.0.99/24\"" };
        self.lab.vrrpd(
            1,
            &format!(
                r#"
[[virtual_router]]
name = "v"
interface = "eth0"
vrid = 51
priority = {priority}
advertisement_interval = "300ms"
addresses = [{addresses}]
preempt = true
virtual_mac = true
checksum = "pseudo-header"
"#
            ),
        )
    }

    fn keepalived(&self, priority: u8) -> Keepalived {
        let addresses = if self.is_ipv6 { "fe80::99/64\nfd09::99/64" } else { "10.9.0.99/24" };
        self.lab.keepalived(
            0,
            &format!(
                "global_defs {{\n{REAL_TIME}vrrp_version 3\nvrrp_garp_master_delay 0\n}}\n\
                 vrrp_instance v {{\nstate BACKUP\ninterface eth0\nuse_vmac\nvirtual_router_id 51\n\
                 priority {priority}\nadvert_int 0.3\nvirtual_ipaddress {{\n{addresses}\n}}\n}}\n"
            ),
        )
    }

    /// The neighbour reaches the address, by the virtual MAC address, on this host's port.
    fn reaches(&self, host: usize) {
        let lab = &self.lab;
        eventually("the role is there", || {
            lab.has(host, self.address()) && !lab.has(1 - host, self.address())
        });
        eventually("the neighbour has an answer", || lab.reaches(2, self.address()));
        let neighbour = lab.neighbour(2, self.address());
        assert!(neighbour.contains(self.mac()), "{neighbour}");
        // A keepalived that gives way leaves its IPv6 groups by frames from the virtual MAC address,
        // up to a second later: the next advertisement of the other one puts that right.
        let port = ["port-a", "port-b"][host];
        let learnt = || output(&format!("netns exec {} bridge fdb show dev {port}", lab.switch()));
        eventually("the bridge knows where it is", || learnt().contains(self.mac()));
    }

    fn both_roles(&self) {
        let keepalived = self.keepalived(200);
        self.reaches(0);
        let vrrpd = self.vrrpd(100);
        eventually("vrrpd hears it", || vrrpd.counter("v", "advertisements_received") > 2);
        keepalived.stop();
        self.reaches(1);
        assert_eq!(vrrpd.router("v")["last_transition"]["reason"], "active-resigned");
        let keepalived = self.keepalived(200);
        self.reaches(0);
        assert_eq!(vrrpd.counter("v", "active_transitions"), 1);
        assert_eq!(vrrpd.router("v")["statistics"]["rejected"], serde_json::json!({}));
        vrrpd.stop();
        keepalived.stop();

        let keepalived = self.keepalived(100);
        self.reaches(0);
        let vrrpd = self.vrrpd(200);
        self.reaches(1);
        vrrpd.stop();
        self.reaches(0);
        let vrrpd = self.vrrpd(200);
        self.reaches(1);
        assert_eq!(vrrpd.counter("v", "active_transitions"), 1);
        keepalived.stop();
        vrrpd.stop();
    }
}

#[test]
fn a_virtual_mac_on_ipv4_moves_both_ways() {
    if let Some(pair) = Pair::new("m4", false) {
        pair.both_roles();
    }
}

#[test]
fn a_virtual_mac_on_ipv6_moves_both_ways() {
    if let Some(pair) = Pair::new("m6", true) {
        pair.both_roles();
    }
}
