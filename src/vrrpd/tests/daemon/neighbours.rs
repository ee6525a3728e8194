//! Neighbours know who has the address.

use crate::group;
use crate::lab::{Lab, eventually};

#[test]
fn neighbours_learn_the_address_from_every_takeover() {
    let Some(lab) = Lab::new("learn", 3) else { return };
    let first = lab.vrrpd(0, &group(200, ""));
    eventually("the first is Active", || lab.has(0, "10.9.0.99") && lab.has(0, "fd09::99"));
    let second = lab.vrrpd(1, &group(100, ""));
    let knows = |address: &str, host: usize| lab.neighbour(2, address).contains(&lab.mac(host));
    for address in ["10.9.0.99", "fd09::99"] {
        eventually("the client knows the first", || lab.reaches(2, address) && knows(address, 0));
    }
    eventually("the second hears it", || second.counter("six", "advertisements_received") > 2);
    first.stop();
    for address in ["10.9.0.99", "fd09::99"] {
        eventually("the client knows the second without asking", || knows(address, 1));
    }
    second.stop();
}
