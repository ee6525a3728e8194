//! Two directors and their cables: a pulled one, and wires that carry nothing while all cables
//! are in. Where the virtual addresses are is read from both kernels all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use mark21_lab::agent::Agent;
use mark21_lab::director::ANSWER;
use mark21_lab::machine::MachinePort;
use mark21_lab::pair::Member;
use mark21_lab::prober::Prober;
use mark21_lab::topology::{Segment, VIRTUAL};
use mark21_lab::{Lab, Result, eventually, two_boxes};

use crate::failover::{TOLD, one_owner, outage, roles, serving, works};

/// Longest time in which outside and inside may be Active on different boxes, or both boxes
/// Active once all wires carry again. By the protocol it is an Active_Down_Interval and an
/// interval at 200 ms, 1 s; the rest is for emulated machines and for how often they are asked.
const BOUND: Duration = Duration::from_secs(5);

/// What one box had at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Has {
    outside: bool,
    inside: bool,
}

type Samples = Vec<(Instant, Has)>;

#[test]
fn a_pulled_inside_cable_moves_the_outside_address_too() {
    two_boxes(|lab| {
        let [mut active, mut standby] = serving(lab, |boot| boot)?;
        let lab = &*lab;
        let prober = Prober::start(&lab.client, VIRTUAL)?;
        let pulled = Instant::now();
        let link = |up| move |one: &mut Member| one.director.set_link(Segment::Inside, up);
        let samples = watched(&mut active, &mut standby, link(false), |_, standby| {
            eventually("the takeover", TOLD, || all_are(standby, "active"))?;
            lab.step("the other one is Active");
            works(lab)
        })?;
        outage(lab, &prober, pulled, "inside cable pulled")?;
        ensure!(!active.has_addresses()?, "{} has addresses and no inside", active.name());
        on_one_box(lab, &samples)?;

        let plugged = Instant::now();
        let samples = watched(&mut active, &mut standby, link(true), |back, standby| {
            eventually("Backup", TOLD, || all_are(back, "backup"))?;
            all_are(standby, "active")?;
            works(lab)
        })?;
        lab.step("the cable is in again");
        roles(&mut standby, &mut active)?;
        outage(lab, &prober, plugged, "inside cable plugged")?;
        on_one_box(lab, &samples)
    });
}

#[test]
fn after_a_split_exactly_one_stands() {
    two_boxes(|lab| {
        let [mut active, mut standby] = serving(lab, |boot| boot)?;
        let lab = &*lab;
        let taps = [Segment::Outside, Segment::Inside];
        let taps = taps.map(|on| (format!("{}-{}", standby.name(), on.name()), on.name()));
        // Its cables stay in: only what is sent does not arrive.
        for (tap, _) in &taps {
            lab.wire.ip(&format!("link set {tap} nomaster"))?;
        }
        eventually("two Actives that do not hear each other", TOLD, || {
            ensure!(active.has_addresses()? && standby.has_addresses()?, "only one");
            Ok(())
        })?;
        lab.step("split: both are Active");
        works(lab)?;

        let healed = Instant::now();
        for (tap, segment) in &taps {
            lab.wire.ip(&format!("link set {tap} master {segment}"))?;
        }
        eventually("exactly one owner", BOUND, || one_owner(&mut active, &mut standby))?;
        lab.step(&format!("one owner after {} ms", healed.elapsed().as_millis()));
        // Everybody's neighbour tables are right at once.
        works(lab)?;
        one_owner(&mut active, &mut standby)
    });
}

/// Do `event` to `one`, then `meanwhile`, while both kernels are asked all the time what they
/// have. `meanwhile` has the machine ports.
fn watched(
    one: &mut Member,
    two: &mut Member,
    event: impl FnOnce(&mut Member) -> Result,
    meanwhile: impl FnOnce(&mut MachinePort, &mut MachinePort) -> Result,
) -> Result<[Samples; 2]> {
    let is_over = AtomicBool::new(false);
    event(one)?;
    let (one, two) = (&mut one.director, &mut two.director);
    thread::scope(|scope| {
        let watch = |agent| {
            let is_over = &is_over;
            scope.spawn(move || samples(agent, is_over))
        };
        let watching = [watch(&mut one.agent), watch(&mut two.agent)];
        let done = meanwhile(&mut one.port, &mut two.port);
        is_over.store(true, Ordering::Relaxed);
        let [one, two] = watching.map(|one| one.join().map_err(|_| anyhow!("a watcher panicked"))?);
        done?;
        Ok([one?, two?])
    })
}

fn samples(agent: &mut Agent, is_over: &AtomicBool) -> Result<Samples> {
    let mut samples = Samples::new();
    while !is_over.load(Ordering::Relaxed) {
        let list = agent.succeed("ip -o -4 address show", ANSWER)?;
        let has = |address| list.contains(address);
        let has = Has { outside: has(" 198.51.100.21/24 "), inside: has(" 10.21.0.1/24 ") };
        samples.push((Instant::now(), has));
    }
    Ok(samples)
}

/// Outside and inside were not on different boxes for longer than the bound, for all that the
/// samples tell: what was between two of them nobody knows.
fn on_one_box(lab: &Lab, [one, two]: &[Samples; 2]) -> Result {
    let mut events: Vec<_> = one.iter().map(|(at, has)| (*at, 0, *has)).collect();
    events.extend(two.iter().map(|(at, has)| (*at, 1, *has)));
    events.sort_by_key(|(at, ..)| *at);
    let mut boxes = [Has::default(); 2];
    let (mut whole, mut longest) = (None, Duration::ZERO);
    for (at, number, has) in events {
        if let Some(one) = boxes.get_mut(number) {
            *one = has;
        }
        let [a, b] = boxes;
        longest = longest.max(at.duration_since(*whole.get_or_insert(at)));
        let is_torn = |x: Has, y: Has| x.outside && !x.inside && y.inside;
        if !is_torn(a, b) && !is_torn(b, a) {
            whole = Some(at);
        }
    }
    let gap =
        |of: &Samples| of.iter().zip(of.iter().skip(1)).map(|(one, next)| next.0.duration_since(one.0)).max();
    let gap = gap(one).zip(gap(two)).map(|(one, two)| one.max(two)).context("too few samples")?;
    let (count, ms) = (one.len().min(two.len()), longest.as_millis());
    lab.step(&format!(
        "outside and inside on different boxes for at most {ms} ms, by {count} samples of each"
    ));
    ensure!(gap < BOUND, "a kernel was not asked for {gap:?}");
    ensure!(longest < BOUND, "outside and inside may have been on different boxes for {longest:?}");
    Ok(())
}

/// All virtual routers are in this state, by the status.
fn all_are(port: &mut MachinePort, state: &str) -> Result {
    let status = port.command("status", ANSWER)?;
    let routers = status["virtual_routers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let are = !routers.is_empty() && routers.iter().all(|router| router["state"] == state);
    ensure!(are, "not all are {state}: {routers:?}");
    Ok(())
}
