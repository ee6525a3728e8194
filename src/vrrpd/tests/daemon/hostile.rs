//! What others send: frames with one thing wrong each, and advertisements that are right and mean harm.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::lab::{Lab, Vrrpd, eventually, is_soak};
use crate::router;

const INTERVAL: Duration = Duration::from_millis(100);

/// An advertisement with priority 255 of somebody who has none to make, as a frame to the group.
struct Forged {
    ttl: u8,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    options: &'static [u8],
    /// From the version on.
    payload: Vec<u8>,
    checksum_error: u8,
    /// Octets of the payload that are sent.
    len: usize,
}

impl Forged {
    fn new() -> Forged {
        let payload = vec![0x31, 7, 255, 1, 0, 10, 0, 0, 10, 9, 0, 99];
        Forged {
            ttl: 255,
            source: Ipv4Addr::new(10, 9, 0, 3),
            destination: Ipv4Addr::new(224, 0, 0, 18),
            options: &[],
            len: payload.len(),
            payload,
            checksum_error: 0,
        }
    }

    fn with(change: impl FnOnce(&mut Forged)) -> Forged {
        let mut forged = Forged::new();
        let before = forged.payload.len();
        change(&mut forged);
        forged.len = forged.len + forged.payload.len() - before;
        forged
    }

    /// Ethernet, IPv4, VRRP.
    fn frame(&self) -> Vec<u8> {
        let mut payload = self.payload.clone();
        let sum = checksum(&payload);
        payload[6..8].copy_from_slice(&sum);
        payload[7] ^= self.checksum_error;
        let payload = &payload[..self.len];
        let header_len = u8::try_from(20 + self.options.len()).expect("short");
        let mut header = vec![0x40 | (header_len / 4), 0xc0];
        let total = u16::from(header_len) + u16::try_from(payload.len()).expect("short");
        header.extend(total.to_be_bytes());
        header.extend([0, 0, 0, 0, self.ttl, 112, 0, 0]);
        header.extend(self.source.octets());
        header.extend(self.destination.octets());
        header.extend(self.options);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum);
        let mac = if self.destination.is_multicast() { [1, 0, 0x5e, 0, 0, 0x12] } else { [0xff; 6] };
        [&mac[..], &[2, 0, 0, 0, 0, 0x66, 8, 0], &header, payload].concat()
    }
}

/// RFC 1071.
fn checksum(octets: &[u8]) -> [u8; 2] {
    let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum = words.sum::<u32>();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (!u16::try_from(sum).expect("folded")).to_be_bytes()
}

/// Sends these from the third host, one every half interval.
fn send(lab: &Lab, frames: &[Vec<u8>]) -> Child {
    let script = "
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
begin = time.monotonic()
for i, line in enumerate(sys.stdin):
    s.send(bytes.fromhex(line))
    time.sleep(max(0, begin + (i + 1) * 0.05 - time.monotonic()))
";
    let mut sender = lab
        .command(2, "chroot")
        .arg(std::env::var_os("MARK21_LAB_ROOT").expect("inside"))
        .args(["/usr/bin/python3", "-c", script])
        .stdin(Stdio::piped())
        .spawn()
        .expect("python");
    let hex = |frame: &Vec<u8>| frame.iter().map(|octet| format!("{octet:02x}")).collect::<String>() + "\n";
    let lines: String = frames.iter().map(hex).collect();
    sender.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("written");
    sender
}

/// Each with the reason for which it is refused.
fn refused() -> Vec<(&'static str, Forged)> {
    let mut cases = vec![
        ("ttl", Forged::with(|it| it.ttl = 254)),
        ("ttl", Forged::with(|it| it.ttl = 1)),
        ("checksum", Forged::with(|it| it.checksum_error = 1)),
        ("version", Forged::with(|it| it.payload[0] = 0x41)),
        ("version", Forged::with(|it| it.payload[0] = 0x01)),
        ("packet-type", Forged::with(|it| it.payload[0] = 0x32)),
        (
            "no-addresses",
            Forged::with(|it| {
                it.payload[3] = 0;
                it.payload.truncate(8);
            }),
        ),
        ("truncated", Forged::with(|it| it.payload[3] = 2)),
        ("trailing-octets", Forged::with(|it| it.payload.extend([0; 4]))),
        ("address-list", Forged::with(|it| it.payload[11] = 98)),
        ("source", Forged::with(|it| it.source = Ipv4Addr::UNSPECIFIED)),
        ("off-link", Forged::with(|it| it.source = Ipv4Addr::new(10, 8, 0, 3))),
        ("ip-options", Forged::with(|it| it.options = &[1, 1, 1, 0])),
    ];
    // With less than two octets it is nobody's.
    cases.extend((2..12).map(|len| ("truncated", Forged { len, ..Forged::new() })));
    cases
}

fn rejected(vrrpd: &Vrrpd) -> BTreeMap<String, u64> {
    let counters = vrrpd.router("v")["statistics"]["rejected"].clone();
    serde_json::from_value(counters).expect("counters")
}

fn strays(vrrpd: &Vrrpd) -> Option<u64> {
    vrrpd.try_status()?["stray_packets"].as_u64()
}

#[test]
fn refused_packets_have_no_effect_and_are_counted_by_their_reason() {
    let Some(lab) = Lab::new("hostile", 3) else { return };
    let config = |priority| router(priority, "preempt = true\naddress_list = \"refuse\"");
    let first = lab.vrrpd(0, &config(100));
    let second = lab.vrrpd(1, &config(50));
    eventually("the first is Active", || first.state("v") == "active" && second.state("v") == "backup");
    eventually("the second hears it", || second.counter("v", "advertisements_received") > 0);

    // Each twice, as a loop in the network would have it; a minute of them in the long form.
    let rounds: u64 = if is_soak() { 26 } else { 1 };
    let mut expected = BTreeMap::new();
    let mut frames = Vec::new();
    for (reason, forged) in refused() {
        *expected.entry(reason.to_owned()).or_insert(0) += 2 * rounds;
        frames.extend([forged.frame(), forged.frame()]);
    }
    let strays_of_one = [
        Forged::with(|it| it.payload[1] = 8),
        Forged::with(|it| it.payload[1] = 0),
        Forged { len: 0, ..Forged::new() },
        Forged { len: 1, ..Forged::new() },
    ];
    let strays_wanted = rounds * u64::try_from(strays_of_one.len()).expect("few");
    frames.extend(strays_of_one.iter().map(Forged::frame));
    let all: Vec<_> = (0..rounds).flat_map(|_| frames.clone()).collect();

    let sent = first.count("v", "advertisements_sent");
    assert!(send(&lab, &all).wait().expect("its end").success());
    for vrrpd in [&first, &second] {
        eventually("all are counted", || strays(vrrpd) == Some(strays_wanted));
        assert_eq!(rejected(vrrpd), expected);
        assert!(vrrpd.log().lines().count() < 20, "logged at a bounded rate:\n{}", vrrpd.log());
    }
    first.count("v", "advertisements_sent").beats_since(&sent, INTERVAL);
    assert_eq!(first.counter("v", "active_transitions"), 1);
    assert_eq!(second.counter("v", "active_transitions"), 0);
    first.stop();
    second.stop();
}

#[test]
fn intervals_of_nothing_and_of_41_seconds_are_bounded() {
    let Some(lab) = Lab::new("bounds", 3) else { return };
    let vrrpd = lab.vrrpd(0, &router(100, ""));
    eventually("it is Active", || lab.has(0, "10.9.0.99"));
    let forged = |priority: u8, interval: u16| {
        let change = |it: &mut Forged| {
            it.payload[2] = priority;
            it.payload[4..6].copy_from_slice(&interval.to_be_bytes());
        };
        Forged::with(change).frame()
    };
    for (round, interval) in (1..).zip([0, 4095]) {
        // A lesser priority is answered.
        assert!(send(&lab, &vec![forged(1, interval); 8]).wait().expect("its end").success());
        assert_eq!(vrrpd.counter("v", "active_transitions"), round);
        // The greatest is obeyed, as the RFC demands, for no longer than four of the own intervals
        // make an Active_Down_Interval: without a bound 4095 would silence it for two minutes.
        assert!(send(&lab, &[forged(255, interval)]).wait().expect("its end").success());
        eventually("it came back", || vrrpd.counter("v", "active_transitions") == round + 1);
        eventually("and has its address", || lab.has(0, "10.9.0.99"));
    }
    assert_eq!(vrrpd.counter("v", "intervals_bounded"), 18);
    assert_eq!(vrrpd.counter("v", "conflicts"), 16);
    vrrpd.stop();
}
