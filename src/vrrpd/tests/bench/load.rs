//! What many routers take of the processor, and whether every advertisement goes out.
//!
//! Between two hosts the whole way of an advertisement is some program's time: a veth carries it
//! through the bridge and into the other host's socket in the time of who sends it. Elsewhere that is
//! the work of a card, of a switch and of the other host, and a program is charged with less. So both
//! are measured once more without the wire: who sends, by interfaces whose driver drops what it is
//! given; who hears, on a processor of its own, while the other sends, and carries, on another one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::figures::{Figures, ratio, row, trials};
use crate::floor::{Floor, floor, floor_of_sending};
use crate::lab::Lab;
use crate::processors::{ALONE, OTHER, are_two};
use crate::running::{
    Program, Running, add_interfaces, addresses_on, cpu, memory, packets_dropped, packets_sent, start,
    take_the_wires_off,
};

/// A part of what is measured; there are as many as trials.
const WINDOW: Duration = Duration::from_millis(1500);
/// Advertisements a second from which on the wire is most of what they cost.
const MANY: usize = 2500;

#[derive(Default)]
struct Load {
    rate: Figures,
    whole: Cost,
    /// Without the wire, where there are many and two processors.
    unwired: Option<Cost>,
    rss: u64,
    pss: u64,
    stolen: usize,
}

/// Microseconds on a processor for one advertisement.
#[derive(Default)]
struct Cost {
    send: Figures,
    hear: Figures,
    both: Figures,
}

impl Cost {
    fn push(&mut self, send: f64, hear: f64) {
        self.send.push(send);
        self.hear.push(hear);
        self.both.push(send + hear);
    }
}

/// So many routers, so often.
#[derive(Debug, Clone, Copy)]
struct Size {
    count: usize,
    millis: u64,
}

impl Size {
    fn is_many(self) -> bool {
        self.count * 1000 / usize::try_from(self.millis).expect("short") >= MANY
    }

    /// One for 250 routers.
    fn interfaces(self) -> usize {
        self.count.div_ceil(250)
    }

    /// A program on the first host, Active for all of them.
    fn start_active(self, lab: &Lab, program: Program) -> Running {
        let active = start(lab, 0, program, self.count, self.millis);
        let begin = Instant::now();
        while addresses_on(lab, 0) < self.count && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(50));
        }
        active
    }

    /// Announcements of the takeover are over, and the Backup, if there is one, hears everybody.
    fn wait(self) {
        std::thread::sleep(Duration::from_secs(3));
    }

    /// Advertisements a second, and microseconds of each program for one.
    fn window<const N: usize>(self, programs: [&Running; N], sent: impl Fn() -> u64) -> (f64, [f64; N]) {
        let state = || (programs.map(|program| cpu(program.pid())), sent());
        let (before, begin) = (state(), Instant::now());
        std::thread::sleep(WINDOW.max(Duration::from_millis(2 * self.millis)));
        let (after, elapsed) = (state(), begin.elapsed().as_secs_f64());
        let sent = (after.1 - before.1).max(1) as f64;
        let micros = std::array::from_fn(|place| (after.0[place] - before.0[place]) as f64 / sent / 1000.0);
        (sent / elapsed, micros)
    }
}

fn measure(size: Size, program: Program) -> Option<Load> {
    let lab = Lab::new("many", 2)?;
    add_interfaces(&lab, size.interfaces());
    let active = size.start_active(&lab, program);
    let backup = start(&lab, 1, program, size.count, size.millis);
    size.wait();
    let sent = || packets_sent(&lab, 0);
    let mut load = Load::default();
    for _ in 0..trials().min(10) {
        let (rate, [send, hear]) = size.window([&active, &backup], sent);
        load.rate.push(rate);
        load.whole.push(send, hear);
    }
    (load.rss, load.pss) = memory(active.pid());
    load.stolen = addresses_on(&lab, 1);
    let mut hear = Vec::new();
    if size.is_many() && are_two() {
        active.hold(OTHER);
        backup.hold(ALONE);
        hear.extend((0..trials().min(5)).map(|_| size.window([&backup], sent).1[0]));
    }
    active.stop();
    backup.stop();
    drop(lab);
    if !hear.is_empty() {
        let mut cost = Cost::default();
        for (send, hear) in send_without_wire(size, program)?.into_iter().zip(hear) {
            cost.push(send, hear);
        }
        load.unwired = Some(cost);
    }
    Some(load)
}

fn send_without_wire(size: Size, program: Program) -> Option<Vec<f64>> {
    let lab = Lab::new("unwired", 1)?;
    take_the_wires_off(&lab, size.interfaces());
    let active = size.start_active(&lab, program);
    size.wait();
    active.hold(ALONE);
    let send = (0..trials().min(5)).map(|_| size.window([&active], || packets_dropped(&lab)).1[0]).collect();
    active.stop();
    Some(send)
}

fn load(count: usize, millis: u64) {
    let size = Size { count, millis };
    let mut loads = BTreeMap::new();
    for program in [Program::Vrrpd, Program::Keepalived] {
        let Some(load) = measure(size, program) else { return };
        loads.insert(program, load);
    }
    let (ours, theirs) = (&loads[&Program::Vrrpd], &loads[&Program::Keepalived]);
    let wanted = count as f64 * 1000.0 / millis as f64;
    let what = format!("{count} routers at {millis} ms");
    let plain = |figures: &Figures| format!("{:.0}", figures.median());
    row(
        &format!("{what}: advertisements a second, {wanted:.0} wanted"),
        &plain(&ours.rate),
        &plain(&theirs.rate),
        "",
    );
    let Some(lab) = Lab::new("floor", 2) else { return };
    let kernel = floor(&lab);
    put_cost(&what, &kernel, &ours.whole, &theirs.whole);
    if let (Some(ours), Some(theirs)) = (&ours.unwired, &theirs.unwired) {
        take_the_wires_off(&lab, 1);
        let kernel = Floor { send: floor_of_sending(&lab), ..kernel };
        put_cost(&format!("{what}, without the wire"), &kernel, ours, theirs);
    }
    let size = |load: &Load| format!("{} / {}", load.rss, load.pss);
    row(&format!("{what}: RSS / PSS, kB"), &size(ours), &size(theirs), "");
    row(&format!("{what}: roles on the Backup"), &ours.stolen.to_string(), &theirs.stolen.to_string(), "");
    assert!(ours.rate.median() > wanted * 0.98, "advertisements are missing");
    assert_eq!(ours.stolen, 0, "a role moved");
}

/// Three rows; `kernel` is what bare loops take.
fn put_cost(what: &str, kernel: &Floor, ours: &Cost, theirs: &Cost) {
    let put = |part: &str, ours: &Figures, theirs: &Figures| {
        let ratio = ratio(ours.median(), theirs.median());
        row(&format!("{what}: {part}"), &ours.to_string(), &theirs.to_string(), &ratio);
    };
    put(&format!("us to send one (the kernel alone: {:.2})", kernel.send), &ours.send, &theirs.send);
    put(&format!("us to hear one (the kernel alone: {:.2})", kernel.hear), &ours.hear, &theirs.hear);
    put("us for one, sent and heard", &ours.both, &theirs.both);
}

#[test]
#[ignore = "a benchmark"]
fn processor_time_of_250_routers_at_1_s() {
    load(250, 1000);
}

#[test]
#[ignore = "a benchmark"]
fn processor_time_of_250_routers_at_100_ms() {
    load(250, 100);
}

#[test]
#[ignore = "a benchmark"]
fn processor_time_of_250_routers_at_10_ms() {
    load(250, 10);
}

#[test]
#[ignore = "a benchmark"]
fn processor_time_of_1000_routers_at_1_s() {
    load(1000, 1000);
}

#[test]
#[ignore = "a benchmark"]
fn processor_time_of_1000_routers_at_100_ms() {
    load(1000, 100);
}

#[test]
#[ignore = "a benchmark"]
fn processor_time_of_1000_routers_at_10_ms() {
    load(1000, 10);
}
