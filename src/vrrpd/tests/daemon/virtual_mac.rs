//! Virtual MAC addresses: who answers with them, and what becomes of their interfaces.

use std::process::Stdio;
use std::time::Duration;

use crate::lab::{Lab, always, eventually, ip, kill, output};
use crate::{group, router};

const MAC_4: &str = "00:00:5e:00:01:07";
const MAC_6: &str = "00:00:5e:00:02:07";

fn with_virtual_mac(config: &str) -> String {
    config.replace("vrid = 7", "vrid = 7\nvirtual_mac = true")
}

fn link(lab: &Lab, host: usize, name: &str) -> String {
    output(&format!("-n {} -d link show {name}", lab.host(host)))
}

fn answers(lab: &Lab, address: &str) -> bool {
    lab.reaches(2, address)
}

fn neighbour(lab: &Lab, address: &str) -> String {
    lab.neighbour(2, address)
}

fn setting(lab: &Lab, host: usize, path: &str) -> String {
    let output = lab.command(host, "cat").arg(format!("/proc/sys/net/{path}")).output().expect("cat");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Both hosts are routers, whose kernels join more groups.
fn forward(lab: &Lab) {
    for host in 0..2 {
        for setting in ["ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding"] {
            let write = format!("echo 1 > /proc/sys/net/{setting}");
            assert!(lab.command(host, "sh").args(["-c", &write]).status().expect("sh").success());
        }
    }
}

#[test]
fn it_answers_for_the_addresses_and_moves_with_them() {
    let Some(lab) = Lab::new("vmac", 3) else { return };
    let config = |priority| with_virtual_mac(&group(priority, ""));
    forward(&lab);
    let first = lab.vrrpd(0, &config(200));
    eventually("the first is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    let second = lab.vrrpd(1, &config(100));
    eventually("the second hears it", || second.counter("six", "advertisements_received") > 2);
    assert_eq!(first.router("four")["virtual_mac"], "vrrp.7");
    for (address, mac) in [("10.9.0.99", MAC_4), ("fd09::99", MAC_6)] {
        eventually("it answers", || answers(&lab, address));
        assert!(neighbour(&lab, address).contains(mac), "{}", neighbour(&lab, address));
    }
    for (name, mac) in [("vrrp.7", MAC_4), ("vrrp6.7", MAC_6)] {
        let active = link(&lab, 0, name);
        assert!(
            active.contains(mac) && active.contains("state UP") && active.contains("mode bridge"),
            "{active}"
        );
        let backup = link(&lab, 1, name);
        assert!(backup.contains(mac), "{backup}");
        assert!(!output(&format!("-n {} addr show {name}", lab.host(1))).contains("inet"));
        for family in ["ipv4", "ipv6"] {
            let forwards = |host| setting(&lab, host, &format!("{family}/conf/{name}/forwarding"));
            eventually("the Active router forwards", || forwards(0) == "1");
            assert_eq!(forwards(1), "0", "a Backup forwards nothing that is sent to the MAC address");
        }
    }
    // The box itself keeps its own, for everybody.
    for address in ["10.9.0.1", "fd09::1"] {
        eventually("it answers", || answers(&lab, address));
        assert!(!neighbour(&lab, address).contains("00:00:5e"), "{}", neighbour(&lab, address));
    }
    // And what it sends from the virtual address teaches nobody its own.
    let root = std::env::var_os("MARK21_LAB_ROOT").expect("inside");
    ip(&format!("-n {} neigh flush dev eth0", lab.host(0)));
    let reaches_it = || {
        let mut ping = lab.command(0, "chroot");
        ping.arg(&root).args(["/bin/busybox", "ping", "-c", "1", "-W", "1", "-I", "10.9.0.99", "10.9.0.3"]);
        ping.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    eventually("the neighbour answers", reaches_it);
    assert!(neighbour(&lab, "10.9.0.99").contains(MAC_4), "{}", neighbour(&lab, "10.9.0.99"));

    let bridge = |port: &str, mac: &str| {
        let text = output(&format!("netns exec {} bridge fdb show dev {port}", lab.switch()));
        text.contains(mac)
    };
    assert!(bridge("port-a", MAC_4) && bridge("port-a", MAC_6));
    first.stop();
    eventually("the second is Active", || lab.has(1, "10.9.0.99") && lab.has(1, "fd09::99"));
    for (address, mac) in [("10.9.0.99", MAC_4), ("fd09::99", MAC_6)] {
        eventually("it answers", || answers(&lab, address));
        assert!(neighbour(&lab, address).contains(mac), "{}", neighbour(&lab, address));
        assert!(bridge("port-b", mac), "the bridge knows where it is");
    }
    assert_eq!(link(&lab, 0, "vrrp.7") + &link(&lab, 0, "vrrp6.7"), "", "they go with vrrpd");
    assert_eq!(setting(&lab, 0, "ipv4/conf/eth0/arp_ignore"), "0", "and their settings");
    eventually("the second forwards", || setting(&lab, 1, "ipv4/conf/vrrp.7/forwarding") == "1");
    assert_eq!(setting(&lab, 1, "ipv4/conf/eth0/arp_ignore"), "1");
    // The neighbours' entry was right all the time: nothing else is needed to reach the other box.
    second.stop();
}

/// The kernel told the switches that a Backup had left its addresses' groups, from the virtual MAC
/// address, and the switches looked for the Active router on the Backup's port.
#[test]
fn one_that_gave_the_role_up_sends_nothing_from_it() {
    let Some(lab) = Lab::new("vquiet", 2) else { return };
    forward(&lab);
    let has_both = |host| lab.has(host, "10.9.0.99") && lab.has(host, "fd09::99");
    let root = std::env::var_os("MARK21_LAB_ROOT").expect("inside");
    let file = std::fs::File::create("/run/vquiet-capture").expect("a file");
    let mut capture = lab.command(0, "chroot");
    capture.arg(root).args(["/usr/bin/tcpdump", "-i", "eth0", "-Q", "out", "-n", "-l", "-Z", "root"]);
    capture.args(["-v", "-e", "--immediate-mode", &format!("ether src {MAC_6} or ether src {MAC_4}")]);
    let mut capture = capture.stdout(file).stderr(Stdio::null()).spawn().expect("tcpdump");
    let captured = || std::fs::read_to_string("/run/vquiet-capture").expect("the capture");
    let reports = || captured().matches(" > ff02::16").count();
    let first = lab.vrrpd(0, &with_virtual_mac(&group(100, "startup_delay = \"3s\"")));
    always(Duration::from_millis(1500), "one that begins says nothing", || reports() == 0);
    for round in 1..=2 {
        eventually("the first is Active", || has_both(0));
        eventually("it is captured, and an Active router is a member", || {
            captured().contains(" > ff02::12") && captured().matches("fe80::99 > ff02::16").count() >= round
        });
        let second = lab.vrrpd(1, &with_virtual_mac(&group(200, "")));
        eventually("the second is Active", || has_both(1));
        eventually("the first gave way", || !lab.has(0, "10.9.0.99") && !lab.has(0, "fd09::99"));
        // The kernel does so within a second, twice. What it said as an Active router may come last.
        std::thread::sleep(Duration::from_millis(100));
        let before = reports();
        std::thread::sleep(Duration::from_millis(2000));
        assert_eq!(reports(), before, "it says nothing: {}", captured());
        second.stop();
    }
    assert_eq!(setting(&lab, 0, "ipv6/conf/vrrp6.7/disable_ipv6"), "0");
    kill(capture.id(), "TERM");
    drop(capture.wait());
    first.stop();
}

/// Both have frames with their own MAC address as the source then.
#[test]
fn two_actives_with_one_mac_address_hear_each_other() {
    let Some(lab) = Lab::new("vsplit", 3) else { return };
    let config = |priority| with_virtual_mac(&group(priority, ""));
    let (first, second) = (lab.vrrpd(0, &config(200)), lab.vrrpd(1, &config(100)));
    eventually("the first is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    eventually("the second hears it", || second.counter("six", "advertisements_received") > 2);
    // Behind a bridge of its own, so that its carrier stays.
    let switch = lab.switch();
    ip(&format!("-n {switch} link add apart0 type bridge"));
    ip(&format!("-n {switch} link set apart0 up"));
    ip(&format!("-n {switch} link set port-b master apart0"));
    eventually("the second is Active too", || lab.has(1, "10.9.0.99") && lab.has(1, "fd09::99"));
    assert!(lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    ip(&format!("-n {switch} link set port-b master bridge0"));
    eventually("one is", || !lab.has(1, "10.9.0.99") && !lab.has(1, "fd09::99"));
    assert!(lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    for name in ["four", "six"] {
        assert_eq!(first.counter(name, "active_transitions"), 1);
        assert_eq!(second.counter(name, "active_transitions"), 1);
    }
    eventually("the address is reached", || answers(&lab, "10.9.0.99") && answers(&lab, "fd09::99"));
    first.stop();
    second.stop();
}

#[test]
fn what_a_crash_left_is_removed() {
    let Some(lab) = Lab::new("vleft", 1) else { return };
    let vrrpd = lab.vrrpd(0, &with_virtual_mac(&group(200, "")));
    eventually("it is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    drop(vrrpd);
    let number = |name: &str| link(&lab, 0, name).split(':').next().map(str::to_owned);
    let left = number("vrrp.7");
    assert!(link(&lab, 0, "vrrp.7").contains("state UP"), "a crash leaves them");
    // In the same group, and nobody's business of ours.
    ip("-n vleft-a link add other0 type veth peer name other1");
    ip("-n vleft-a link set other0 group 112");
    let vrrpd = lab.vrrpd(0, &with_virtual_mac(&router(200, "startup_delay = \"30s\"")));
    eventually("there is one", || link(&lab, 0, "vrrp.7").contains("state UP"));
    assert!(left != number("vrrp.7") && !lab.has(0, "10.9.0.99"), "it is a new one");
    assert_eq!(link(&lab, 0, "vrrp6.7"), "");
    vrrpd.stop();
    assert!(!link(&lab, 0, "other0").is_empty());
}

#[test]
fn what_others_do_to_it_is_undone() {
    let Some(lab) = Lab::new("vundo", 1) else { return };
    let vrrpd = lab.vrrpd(0, &with_virtual_mac(&group(200, "")));
    eventually("it is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    for name in ["vrrp.7", "vrrp6.7"] {
        ip(&format!("-n vundo-a link set {name} down"));
        eventually("it is up again", || link(&lab, 0, name).contains("state UP"));
        eventually("with its addresses", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
        ip(&format!("-n vundo-a link delete {name}"));
        eventually("it is there again", || link(&lab, 0, name).contains("state UP"));
        eventually("with its addresses", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    }
    // With the interface below it everything goes, and comes again.
    ip("-n vundo-sw link delete port-a");
    eventually("nobody is Active", || vrrpd.state("four") == "initialize");
    ip("-n vundo-sw link add port-a type veth peer name eth0 netns vundo-a");
    ip("-n vundo-sw link set port-a master bridge0 up");
    ip("-n vundo-a link set eth0 up");
    ip("-n vundo-a addr add fe80::1/64 dev eth0 nodad");
    ip("-n vundo-a addr add 10.9.0.1/24 dev eth0");
    eventually("it is Active again", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    assert!(link(&lab, 0, "vrrp.7").contains("state UP"));
    vrrpd.stop();
}

#[test]
fn it_is_configured_on_and_off() {
    let Some(lab) = Lab::new("vtoggle", 2) else { return };
    let plain = router(200, "");
    let first = lab.vrrpd(0, &plain);
    eventually("the first is Active", || lab.has(0, "10.9.0.99"));
    let second = lab.vrrpd(1, &router(100, ""));
    eventually("the second hears it", || second.counter("v", "advertisements_received") > 2);
    let has_it_on = |name: &str| output(&format!("-n vtoggle-a addr show dev {name}")).contains("10.9.0.99/");
    first.reload(&with_virtual_mac(&plain));
    eventually("the second has it", || lab.has(1, "10.9.0.99"));
    assert!(!has_it_on("vrrp.7"));
    second.stop();
    eventually("it is on the other interface", || has_it_on("vrrp.7"));
    // What changes otherwise moves nothing.
    first.reload(&with_virtual_mac(&router(200, "excluded_addresses = [\"10.9.0.98/24\"]")));
    eventually("the other address too", || lab.has(0, "10.9.0.98"));
    always(Duration::from_millis(300), "it stays", || has_it_on("vrrp.7"));
    assert_eq!(first.counter("v", "active_transitions"), 1, "the one of the new router");
    first.reload(&plain);
    eventually("it is on eth0", || has_it_on("eth0"));
    eventually("its macvlan goes", || link(&lab, 0, "vrrp.7").is_empty());
    // And without the helper, whose work it is.
    first.reload(&with_virtual_mac(&plain));
    eventually("it is on the other interface", || has_it_on("vrrp.7"));
    let children = format!("/proc/{0}/task/{0}/children", first.pid());
    let helper = std::fs::read_to_string(children).expect("its children");
    kill(helper.trim().parse().expect("one"), "KILL");
    eventually("it is gone", || first.log().contains("the helper is gone"));
    first.reload(&plain);
    eventually("its macvlan goes", || link(&lab, 0, "vrrp.7").is_empty());
    eventually("it is on eth0", || has_it_on("eth0"));
    first.stop();
}

/// Owners with a macvlan each: VRIDs from 1 to `count`.
fn many(count: usize) -> String {
    let one = |vrid: usize| {
        with_virtual_mac(&router(255, ""))
            .replace("\"v\"", &format!("\"v{vrid}\""))
            .replace("vrid = 7", &format!("vrid = {vrid}"))
            .replace("10.9.0.99/24", &format!("172.16.0.{vrid}/32"))
    };
    (1..=count).map(one).collect()
}

/// What the kernel told of the ones before was believed of those that were made since.
#[test]
fn two_hundred_go_and_come_at_once() {
    const COUNT: usize = 200;
    let Some(lab) = Lab::new("vmany", 1) else { return };
    let config = many(COUNT);
    let held = || output("-n vmany-a -4 addr show").matches(" 172.16.").count();
    let macvlans = || output("-n vmany-a link show group 112").matches("vrrp.").count();
    let vrrpd = lab.vrrpd(0, &config);
    eventually("all are there", || held() == COUNT && macvlans() == COUNT);
    drop(vrrpd);
    let vrrpd = lab.vrrpd(0, &config);
    eventually("all are there again", || held() == COUNT && macvlans() == COUNT);
    always(Duration::from_millis(500), "they stay", || held() == COUNT && macvlans() == COUNT);
    assert!(!vrrpd.log().contains("os error"), "{}", vrrpd.log());
    vrrpd.stop();
    assert_eq!((held(), macvlans()), (0, 0));
}

/// Each takes the kernel half a millisecond or more, and all at once kept the others waiting.
#[test]
fn others_advertise_while_two_hundred_come_and_go() {
    const COUNT: usize = 200;
    const STEADY: usize = 250;
    let Some(lab) = Lab::new("vbeats", 2) else { return };
    let steady = router(200, "").replace("vrid = 7", &format!("vrid = {STEADY}")).replace("100ms", "10ms");
    let vrrpd = lab.vrrpd(0, &steady);
    eventually("it is Active", || lab.has(0, "10.9.0.99"));
    let root = std::env::var_os("MARK21_LAB_ROOT").expect("inside");
    let file = std::fs::File::create("/run/vbeats-capture").expect("a file");
    let mut capture = lab.command(1, "chroot");
    capture.arg(root).args(["/usr/bin/tcpdump", "-i", "eth0", "-n", "-l", "-Z", "root", "ip proto 112"]);
    let mut capture = capture.stdout(file).stderr(Stdio::null()).spawn().expect("tcpdump");
    // Whose advertisements came, one after the other.
    let vrids = || -> Vec<usize> {
        let text = std::fs::read_to_string("/run/vbeats-capture").expect("the capture");
        let vrid = |line: &str| line.split_once("vrid ")?.1.split(',').next()?.parse().ok();
        text.lines().filter_map(vrid).collect()
    };
    let macvlans = || output("-n vbeats-a link show group 112").matches("vrrp.").count();
    eventually("it is captured", || vrids().len() > 2);

    vrrpd.reload(&(steady.clone() + &many(COUNT)));
    let are_all_heard = || {
        let vrids = vrids();
        (1..=COUNT).all(|vrid| vrids.contains(&vrid))
    };
    eventually("all are Active", are_all_heard);
    let vrids = vrids();
    let first = |vrid: usize| vrids.iter().position(|heard| *heard == vrid).expect("heard");
    let (begin, end) = (1..=COUNT)
        .map(first)
        .fold((usize::MAX, 0), |(begin, end), place| (begin.min(place), end.max(place)));
    let between = vrids[begin..end].iter().filter(|vrid| **vrid == STEADY).count();
    // 200 times 0.2 ms, which no machine here is known to be below, are four of its intervals.
    assert!(between >= 3, "{between} advertisements while the others came");

    let before = vrrpd.count("v", "advertisements_sent");
    vrrpd.reload(&steady);
    eventually("the others are gone", || macvlans() == 0);
    vrrpd.count("v", "advertisements_sent").beats_since(&before, Duration::from_millis(10));
    assert_eq!(vrrpd.counter("v", "active_transitions"), 1);
    kill(capture.id(), "TERM");
    drop(capture.wait());
    vrrpd.stop();
}
