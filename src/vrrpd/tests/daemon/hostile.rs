//! What others send that is refused.

use std::time::Duration;

use crate::lab::{Lab, eventually, is_soak};
use crate::router;

#[test]
fn refused_packets_have_no_effect_and_are_counted() {
    let Some(lab) = Lab::new("hostile", 2) else { return };
    let first = lab.vrrpd(0, &router(100, "preempt = true"));
    let second = lab.vrrpd(1, &router(50, "preempt = true"));
    eventually("the first is Active", || first.state("v") == "active" && second.state("v") == "backup");
    // From the second host, every half interval, each with priority 255 and with something wrong.
    let count: u64 = if is_soak() { 1200 } else { 60 };
    let script = format!(
        "
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 64)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.9.0.2'))
def advertisement(first=0x31, count=1, wrong=0, more=b''):
    p = struct.pack('!BBBBHH4s', first, 7, 255, count, 10, 0, bytes([10, 9, 0, 99])) + more
    t = sum(struct.unpack('!%dH' % (len(p) // 2), p)); t = (t & 65535) + (t >> 16)
    return p[:6] + struct.pack('!H', (~t & 65535) ^ wrong) + p[8:]
def send(octets, ttl=255):
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
    s.sendto(octets, ('224.0.0.18', 0))
bad = [
    lambda: send(advertisement(), ttl=64),
    lambda: send(advertisement(wrong=1)),
    lambda: send(advertisement(first=0x41)),
    lambda: send(advertisement()[:10]),
    lambda: send(advertisement(more=b'abcd')),
    lambda: send(advertisement(count=9)),
]
begin = time.monotonic()
for i in range({count}):
    bad[i % len(bad)]()
    time.sleep(max(0, begin + (i + 1) * 0.05 - time.monotonic()))
"
    );
    let mut sender = lab
        .command(1, "chroot")
        .arg(std::env::var_os("MARK21_LAB_ROOT").expect("inside"))
        .args(["/usr/bin/python3", "-c", &script])
        .spawn()
        .expect("python");
    let sent = first.count("v", "advertisements_sent");
    assert!(sender.wait().expect("its end").success());
    let rejected = first.router("v")["statistics"]["rejected"].clone();
    let rejected = rejected.as_object().expect("counters").clone();
    let total: u64 = rejected.values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(total, count, "{rejected:?}");
    for reason in ["ttl", "checksum", "version", "truncated"] {
        assert!(rejected.contains_key(reason), "{reason} in {rejected:?}");
    }
    first.count("v", "advertisements_sent").beats_since(&sent, Duration::from_millis(100));
    assert!(first.log().lines().count() < 20, "logged at a bounded rate:\n{}", first.log());
    assert_eq!(first.counter("v", "active_transitions"), 1);
    assert_eq!(second.counter("v", "active_transitions"), 0);
    first.stop();
    second.stop();
}
