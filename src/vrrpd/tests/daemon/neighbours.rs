//! Neighbours know who has the address.

use std::process::Stdio;

use crate::group;
use crate::lab::{Lab, eventually, output};

#[test]
fn neighbours_learn_the_address_from_every_takeover() {
    let Some(lab) = Lab::new("learn", 3) else { return };
    let first = lab.vrrpd(0, &group(200, ""));
    eventually("the first is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    let second = lab.vrrpd(1, &group(100, ""));
    let mac = |index: usize| {
        let text = output(&format!("-n {} link show eth0", lab.host(index)));
        let mac = text.split_whitespace().skip_while(|word| *word != "link/ether").nth(1);
        mac.expect("an address").to_owned()
    };
    let knows =
        |address: &str, mac: &str| output(&format!("-n learn-c neigh show {address} dev eth0")).contains(mac);
    let ping = |address: &str| {
        let root = std::env::var_os("MARK21_LAB_ROOT").expect("inside");
        let mut ping = lab.command(2, "chroot");
        ping.arg(root).args(["/bin/busybox", "ping", "-c", "1", "-W", "1", address]);
        drop(ping.stdout(Stdio::null()).status());
    };
    for address in ["10.9.0.99", "fd09::99"] {
        ping(address);
        eventually("the client knows the first", || knows(address, &mac(0)));
    }
    eventually("the second hears it", || second.counter("six", "advertisements_received") > 2);
    first.stop();
    for address in ["10.9.0.99", "fd09::99"] {
        eventually("the client knows the second without asking", || knows(address, &mac(1)));
    }
    second.stop();
}
