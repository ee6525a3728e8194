//! Ten thousand advertisements a second, all of them valid, with priority 255.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{Lab, Vrrpd, always, eventually};
use crate::router;

const SECONDS: u64 = 5;
const PACKETS: u64 = SECONDS * 10_000;

/// From the first host, 100 in every hundredth of a second; it tells how long it was on a
/// processor for them.
fn storm(lab: &Lab) -> Child {
    let script = format!(
        "
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
for name, value in ((socket.IP_MULTICAST_TTL, 255), (socket.IP_MULTICAST_LOOP, 0)):
    s.setsockopt(socket.IPPROTO_IP, name, value)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.9.0.1'))
p = struct.pack('!BBBBHH4s', 0x31, 7, 255, 1, 10, 0, bytes([10, 9, 0, 99]))
t = sum(struct.unpack('!6H', p)); t = (t & 65535) + (t >> 16)
p = p[:6] + struct.pack('!H', ~t & 65535) + p[8:]
begin = time.monotonic()
for tick in range({SECONDS} * 100):
    for i in range(100): s.sendto(p, ('224.0.0.18', 0))
    time.sleep(max(0, begin + (tick + 1) / 100 - time.monotonic()))
print(time.process_time())
"
    );
    lab.command(0, "chroot")
        .arg(std::env::var_os("MARK21_LAB_ROOT").expect("inside"))
        .args(["/usr/bin/python3", "-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python")
}

/// What a storm did.
struct Bill {
    heard: u64,
    sent: u64,
    /// Lines in the log.
    lines: u64,
    /// On a processor.
    busy: Duration,
    /// The same of who sent it.
    sender_busy: Duration,
    /// From before the first count until after the last.
    lasted: Duration,
}

fn measure(lab: &Lab, vrrpd: &Vrrpd, holds: impl Fn() -> bool) -> Bill {
    let heard = || vrrpd.counter("v", "advertisements_received");
    let sent = || vrrpd.counter("v", "advertisements_sent");
    let lines = || u64::try_from(vrrpd.log().lines().count()).expect("few");
    let arrived = || lab.counted(1, "rx_packets");
    let begin = Instant::now();
    let before = (heard(), sent(), lines(), vrrpd.effort().1, arrived());
    let sender = storm(lab);
    eventually("the storm is here", || heard() > before.0 + 1000);
    always(Duration::from_secs(SECONDS - 1), "nothing moves", holds);
    let sender = sender.wait_with_output().expect("its end");
    assert!(sender.status.success());
    let sender_busy: f64 = String::from_utf8_lossy(&sender.stdout).trim().parse().expect("seconds");
    assert!(arrived() - before.4 >= PACKETS, "all of it arrived: {}", arrived() - before.4);
    Bill {
        heard: heard() - before.0,
        sent: sent() - before.1,
        lines: lines() - before.2,
        busy: vrrpd.effort().1 - before.3,
        sender_busy: Duration::from_secs_f64(sender_busy),
        lasted: begin.elapsed(),
    }
}

fn is_bounded(bill: &Bill) {
    let Bill { heard, sent, lines, busy, sender_busy, lasted } = bill;
    println!(
        "{heard} heard in {lasted:?}: {sent} sent, {lines} lines, {busy:?} on a processor, the sender {sender_busy:?}"
    );
    // Where the processor was away for long, the socket was full.
    assert!(*heard >= PACKETS / 10, "{heard} heard is no storm");
    // Five at once and one in 10 s, of others' doings; the rest are transitions.
    assert!(*lines <= 5 + lasted.as_secs() / 10 + 4, "{lines} lines in {lasted:?}");
    // Hearing a packet costs no more than sending it: these have the same noise.
    assert!(*busy < *sender_busy * 4, "{busy:?} on a processor, and the sender {sender_busy:?}");
}

#[test]
fn an_owner_with_the_greater_address_stays_and_answers_at_a_bounded_rate() {
    let Some(lab) = Lab::new("storm", 2) else { return };
    let vrrpd = lab.vrrpd(1, &router(255, ""));
    eventually("it is Active", || lab.has(1, "10.9.0.99"));
    let bill = measure(&lab, &vrrpd, || lab.has(1, "10.9.0.99"));
    is_bounded(&bill);
    // One an interval of its own, two answers an interval, and three at once.
    let intervals = u64::try_from(bill.lasted.as_millis()).expect("short") / 100 + 1;
    assert!(bill.sent <= intervals * 3 + 3, "{} sent in {intervals} intervals", bill.sent);
    assert_eq!(vrrpd.counter("v", "active_transitions"), 1, "{}", vrrpd.log());
    vrrpd.stop();
}

#[test]
fn one_that_is_outranked_gives_way_once_and_comes_back_once() {
    let Some(lab) = Lab::new("storm2", 2) else { return };
    let vrrpd = lab.vrrpd(1, &router(200, ""));
    eventually("it is Active", || lab.has(1, "10.9.0.99"));
    let bill = measure(&lab, &vrrpd, || !lab.has(1, "10.9.0.99"));
    is_bounded(&bill);
    // Before it heard of it, and after it came back: the lesser priority answers nobody.
    let active = bill.lasted - Duration::from_secs(SECONDS - 1);
    let intervals = u64::try_from(active.as_millis()).expect("short") / 100 + 1;
    assert!(bill.sent <= intervals + 1, "{} sent in {intervals} intervals", bill.sent);
    eventually("it comes back", || lab.has(1, "10.9.0.99"));
    assert_eq!(vrrpd.counter("v", "active_transitions"), 2);
    vrrpd.stop();
}
