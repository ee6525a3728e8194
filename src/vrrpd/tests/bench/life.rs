//! Start, size, reload, and what busy neighbours on the processor do.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::canary::Canaries;
use crate::capture::Capture;
use crate::figures::{Figures, ratio, row, trials};
use crate::lab::{Lab, eventually};
use crate::running::{Options, Program, addresses_on, config, memory, start, start_with};

#[test]
#[ignore = "a benchmark"]
fn start_to_the_first_advertisement() {
    let Some(lab) = Lab::new("start", 2) else { return };
    let mut figures: BTreeMap<Program, Figures> = BTreeMap::new();
    for _ in 0..trials() {
        for program in [Program::Vrrpd, Program::Keepalived] {
            let capture = Capture::start(&lab);
            let begin = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
            let owner = Options { priority: 255, ..Options::new(0, 1, 1000) };
            let running = start_with(&lab, program, &owner);
            let first = capture.first().expect("an advertisement");
            figures.entry(program).or_default().push((first.at - begin) * 1e3);
            running.stop();
        }
    }
    let (ours, theirs) = (&figures[&Program::Vrrpd], &figures[&Program::Keepalived]);
    let ratio = ratio(ours.median(), theirs.median());
    row("an owner's start to its first advertisement, ms", &ours.to_string(), &theirs.to_string(), &ratio);
}

#[test]
#[ignore = "a benchmark"]
fn memory_of_one_router() {
    let mut sizes = BTreeMap::new();
    for program in [Program::Vrrpd, Program::Keepalived] {
        let Some(lab) = Lab::new("one", 2) else { return };
        let locked = Options { is_locked: true, ..Options::new(0, 1, 100) };
        let running = start_with(&lab, program, &locked);
        eventually("it is Active", || addresses_on(&lab, 0) == 1);
        sizes.insert(program, memory(running.pid()));
        running.stop();
    }
    let (ours, theirs) = (sizes[&Program::Vrrpd], sizes[&Program::Keepalived]);
    let put = |part: &str, ours: u64, theirs: u64| {
        let what = format!("one router, memory locked, all its processes: {part}, kB");
        row(&what, &ours.to_string(), &theirs.to_string(), &ratio(ours as f64, theirs as f64));
    };
    put("RSS", ours.0, theirs.0);
    put("PSS", ours.1, theirs.1);
}

#[test]
#[ignore = "a benchmark"]
fn a_reload_in_which_250_routers_gain_an_address() {
    const COUNT: usize = 250;
    let mut figures: BTreeMap<Program, (Figures, usize)> = BTreeMap::new();
    for program in [Program::Vrrpd, Program::Keepalived] {
        for _ in 0..trials().div_ceil(5) {
            let Some(lab) = Lab::new("reload250", 2) else { return };
            let active = start(&lab, 0, program, COUNT, 100);
            eventually("all are Active", || addresses_on(&lab, 0) == COUNT);
            let backup = start(&lab, 1, program, COUNT, 100);
            std::thread::sleep(Duration::from_secs(2));
            let capture = Capture::start(&lab);
            std::thread::sleep(Duration::from_millis(500));
            let more = Options { is_larger: true, ..Options::new(0, COUNT, 100) };
            active.reload(&config(program, &more));
            let seen = capture.advertisements(Duration::from_secs(3));
            assert_eq!(addresses_on(&lab, 0), 2 * COUNT, "each has gained an address");
            let mut last = [0.0; 256];
            let mut longest: f64 = 0.0;
            for one in seen.iter().filter(|one| one.host == 0) {
                let last = &mut last[usize::from(one.vrid)];
                if *last > 0.0 {
                    longest = longest.max((one.at - *last) * 1e3);
                }
                *last = one.at;
            }
            let entry = figures.entry(program).or_default();
            entry.0.push(longest);
            entry.1 += seen.iter().filter(|one| one.host == 1).count();
            active.stop();
            backup.stop();
        }
    }
    let (ours, theirs) = (&figures[&Program::Vrrpd], &figures[&Program::Keepalived]);
    let what = "250 routers at 100 ms gain an address each by reload";
    row(&format!("{what}: longest gap, ms"), &ours.0.to_string(), &theirs.0.to_string(), "");
    row(&format!("{what}: advertisements of the Backup"), &ours.1.to_string(), &theirs.1.to_string(), "");
    assert_eq!(ours.1, 0, "a role moved");
    // One more interval would be a missed advertisement.
    assert!(ours.0.at(100) < 190.0, "an advertisement was missed: {}", ours.0);
}

#[test]
#[ignore = "a benchmark"]
fn busy_threads_at_10_ms() {
    for threads in [8, 32] {
        let judged = |program| (0..MOST_WINDOWS).find_map(|_| false_takeovers(program, threads));
        let (ours, theirs) = (judged(Program::Vrrpd), judged(Program::Keepalived));
        let tell = |takeovers: Option<usize>| {
            takeovers.map_or_else(|| String::from("the machine stood still"), |count| count.to_string())
        };
        row(
            &format!("{threads} busy threads, two processors, 10 ms, 8 s: false takeovers"),
            &tell(ours),
            &tell(theirs),
            "",
        );
        assert!(ours.is_none_or(|count| count == 0));
    }
}

/// Windows in which the machine may keep real-time threads from running before that is the result.
const MOST_WINDOWS: usize = 5;
/// From here on it is the machine that is silent: one advertisement is left out.
const STANDSTILL: Duration = Duration::from_millis(10);

/// How often the Backup spoke after the Active did. `None` when no program could have spoken in time.
fn false_takeovers(program: Program, threads: usize) -> Option<usize> {
    let lab = Lab::new("busy", 2)?;
    let active = start(&lab, 0, program, 1, 10);
    eventually("it is Active", || addresses_on(&lab, 0) == 1);
    let backup = start(&lab, 1, program, 1, 10);
    std::thread::sleep(Duration::from_millis(500));
    let capture = Capture::start(&lab);
    let canaries = Canaries::start();
    let mut busy: Vec<_> = (0..threads)
        .map(|_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh"))
        .collect();
    let seen = capture.advertisements(Duration::from_secs(8));
    for child in &mut busy {
        drop(child.kill());
        drop(child.wait());
    }
    let wait = canaries.longest_wait();
    backup.stop();
    active.stop();
    let turns = seen.windows(2).filter(|pair| pair[0].host == 0 && pair[1].host == 1).count();
    if wait >= STANDSTILL {
        eprintln!("a real-time thread waited {wait:?} for its processor, {turns} takeovers: once more");
        return None;
    }
    Some(turns)
}
