//! How late a Backup is: against the protocol's bound, and until neighbours are told.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::capture::Capture;
use crate::figures::{Figures, ratio, row, trials};
use crate::lab::{Lab, eventually, ip};
use crate::running::{Program, addresses_on, start};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    LinkDown,
    Kill,
    Stop,
}

fn takeovers(name: &'static str, millis: u64) {
    let Some(lab) = Lab::new(name, 2) else { return };
    let mut figures: BTreeMap<(How, Program), (Figures, Figures)> = BTreeMap::new();
    for _ in 0..trials() {
        for how in [How::LinkDown, How::Kill, How::Stop] {
            for program in [Program::Vrrpd, Program::Keepalived] {
                let Some((late, announced)) = trial(&lab, how, program, millis) else { continue };
                let entry = figures.entry((how, program)).or_default();
                entry.0.push(late);
                entry.1.push(announced);
            }
        }
    }
    for how in [How::LinkDown, How::Kill, How::Stop] {
        let of = |program| figures.get(&(how, program)).cloned().unwrap_or_default();
        let (ours, theirs) = (of(Program::Vrrpd), of(Program::Keepalived));
        let what = format!("{how:?} at {millis} ms, {} and {} trials", ours.0.len(), theirs.0.len());
        let put = |part: &str, ours: &Figures, theirs: &Figures| {
            let ratio = ratio(ours.median(), theirs.median());
            row(&format!("{what}: {part}, ms"), &ours.to_string(), &theirs.to_string(), &ratio);
        };
        put("first advertisement late by", &ours.0, &theirs.0);
        put("then to the first gratuitous ARP", &ours.1, &theirs.1);
    }
}

/// Milliseconds late, and milliseconds on to the announcement.
fn trial(lab: &Lab, how: How, program: Program, millis: u64) -> Option<(f64, f64)> {
    let active = start(lab, 0, program, 1, millis);
    eventually("the first is Active", || addresses_on(lab, 0) == 1);
    let capture = Capture::start(lab);
    let backup = start(lab, 1, program, 1, millis);
    // The Backup has heard it, and the failure comes at any moment of the interval.
    let phase = Duration::from_micros(u64::from(std::process::id() * 7919 % 1000) * millis);
    std::thread::sleep(Duration::from_millis(300.max(2 * millis)) + phase);
    let active = match how {
        How::LinkDown => {
            lab.set_port(0, false);
            Some(active)
        }
        How::Kill => {
            active.kill();
            None
        }
        How::Stop => {
            active.stop();
            None
        }
    };
    let takeover = capture.takeover();
    drop(capture);
    lab.set_port(0, true);
    if let Some(active) = active {
        active.stop();
    }
    backup.stop();
    // A keepalived that was killed leaves its address.
    for host in 0..2 {
        if addresses_on(lab, host) > 0 {
            ip(&format!("-n {} addr del 172.16.0.1/32 dev eth0", lab.host(host)));
        }
    }
    let takeover = takeover?;
    let interval = f64::from(u32::try_from(millis).expect("short"));
    let skew = interval * 156.0 / 256.0;
    let bound = if takeover.is_resigned { skew } else { 3.0 * interval + skew };
    Some((takeover.gap - bound, takeover.announced))
}

#[test]
#[ignore = "a benchmark"]
fn takeovers_at_10_ms() {
    takeovers("late10", 10);
}

#[test]
#[ignore = "a benchmark"]
fn takeovers_at_100_ms() {
    takeovers("late100", 100);
}

#[test]
#[ignore = "a benchmark"]
fn takeovers_at_1_s() {
    takeovers("late1000", 1000);
}
