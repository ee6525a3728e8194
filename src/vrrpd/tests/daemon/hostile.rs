//! What others send that is refused.

use crate::lab::{Lab, eventually};
use crate::router;

#[test]
fn refused_packets_have_no_effect_and_are_counted() {
    let Some(lab) = Lab::new("hostile", 2) else { return };
    let first = lab.vrrpd(0, &router(100, "preempt = true"));
    let second = lab.vrrpd(1, &router(50, "preempt = true"));
    eventually("the first is Active", || first.state("v") == "active" && second.state("v") == "backup");
    // Wrong TTL, priority 255: from the second host, every 50 ms for 3 s, as the facts page has it.
    let script = "
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 64)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.9.0.2'))
p = struct.pack('!BBBBHH4s', 0x31, 7, 255, 1, 10, 0, bytes([10, 9, 0, 99]))
t = sum(struct.unpack('!6H', p)); t = (t & 65535) + (t >> 16)
p = p[:6] + struct.pack('!H', ~t & 65535) + p[8:]
for i in range(60):
    s.sendto(p, ('224.0.0.18', 0)); time.sleep(0.05)
";
    let mut sender = lab
        .command(1, "chroot")
        .arg(std::env::var_os("MARK21_LAB_ROOT").expect("inside"))
        .args(["/usr/bin/python3", "-c", script])
        .spawn()
        .expect("python");
    let sent = first.counter("v", "advertisements_sent");
    assert!(sender.wait().expect("its end").success());
    let rejected = first.router("v")["statistics"]["rejected"]["ttl"].as_u64().unwrap_or(0);
    assert_eq!(rejected, 60);
    let sent = first.counter("v", "advertisements_sent") - sent;
    assert!((28..=33).contains(&sent), "one every 100 ms in 3 s: {sent}");
    assert_eq!(first.counter("v", "active_transitions"), 1);
    assert_eq!(second.counter("v", "active_transitions"), 0);
    first.stop();
    second.stop();
}
