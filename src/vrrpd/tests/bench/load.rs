//! What many routers take of the processor, and whether every advertisement goes out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::figures::{Figures, ratio, row, trials};
use crate::floor::floor;
use crate::lab::Lab;
use crate::running::{Program, add_interfaces, addresses_on, cpu, memory, packets_sent, start};

/// A part of what is measured; there are as many as trials.
const WINDOW: Duration = Duration::from_millis(1500);

#[derive(Default, Clone)]
struct Load {
    rate: Figures,
    /// Microseconds on a processor for one advertisement.
    send: Figures,
    hear: Figures,
    both: Figures,
    rss: u64,
    pss: u64,
    stolen: usize,
}

fn load(count: usize, millis: u64) {
    let mut loads = BTreeMap::new();
    for program in [Program::Vrrpd, Program::Keepalived] {
        let Some(lab) = Lab::new("many", 2) else { return };
        add_interfaces(&lab, count.div_ceil(250));
        let active = start(&lab, 0, program, count, millis);
        let begin = Instant::now();
        while addresses_on(&lab, 0) < count && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let backup = start(&lab, 1, program, count, millis);
        // Announcements of the takeover are over, and the Backup hears everybody.
        std::thread::sleep(Duration::from_secs(3));
        let mut load = Load::default();
        for _ in 0..trials().min(10) {
            let state = || (cpu(active.pid()), cpu(backup.pid()), packets_sent(&lab, 0));
            let (before, begin) = (state(), Instant::now());
            std::thread::sleep(WINDOW.max(Duration::from_millis(2 * millis)));
            let (after, elapsed) = (state(), begin.elapsed().as_secs_f64());
            let sent = (after.2 - before.2).max(1) as f64;
            load.rate.push(sent / elapsed);
            let send = (after.0 - before.0) as f64 / sent / 1000.0;
            let hear = (after.1 - before.1) as f64 / sent / 1000.0;
            load.send.push(send);
            load.hear.push(hear);
            load.both.push(send + hear);
        }
        (load.rss, load.pss) = memory(active.pid());
        load.stolen = addresses_on(&lab, 1);
        active.stop();
        backup.stop();
        loads.insert(program, load);
    }
    let Some(lab) = Lab::new("floor", 2) else { return };
    let alone = floor(&lab);
    let of = |program| loads.get(&program).cloned().unwrap_or_default();
    let (ours, theirs) = (of(Program::Vrrpd), of(Program::Keepalived));
    let wanted = count as f64 * 1000.0 / millis as f64;
    let what = format!("{count} routers at {millis} ms");
    let plain = |figures: &Figures| format!("{:.0}", figures.median());
    row(
        &format!("{what}: advertisements a second, {wanted:.0} wanted"),
        &plain(&ours.rate),
        &plain(&theirs.rate),
        "",
    );
    let put = |part: &str, ours: &Figures, theirs: &Figures| {
        let ratio = ratio(ours.median(), theirs.median());
        row(&format!("{what}: {part}"), &ours.to_string(), &theirs.to_string(), &ratio);
    };
    put(&format!("us to send one (the kernel alone: {:.2})", alone.send), &ours.send, &theirs.send);
    put(&format!("us to hear one (the kernel alone: {:.2})", alone.hear), &ours.hear, &theirs.hear);
    put("us for one, sent and heard", &ours.both, &theirs.both);
    let size = |load: &Load| format!("{} / {}", load.rss, load.pss);
    row(&format!("{what}: RSS / PSS, kB"), &size(&ours), &size(&theirs), "");
    row(&format!("{what}: roles on the Backup"), &ours.stolen.to_string(), &theirs.stolen.to_string(), "");
    assert!(ours.rate.median() > wanted * 0.98, "advertisements are missing");
    assert_eq!(ours.stolen, 0, "a role moved");
}

#[test]
#[ignore = "a benchmark"]
fn processor_time_of_250_routers() {
    for millis in [1000, 100, 10] {
        load(250, millis);
    }
}

#[test]
#[ignore = "a benchmark"]
fn processor_time_of_1000_routers() {
    for millis in [1000, 100, 10] {
        load(1000, millis);
    }
}
