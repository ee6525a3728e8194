//! Two directors: when one goes, the other carries on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use mark21_lab::director::BOOT;
use mark21_lab::ftp::Mode;
use mark21_lab::pair::{Member, Role, boot_pair, knows_connections, reigns};
use mark21_lab::prober::Prober;
use mark21_lab::topology::{VIRTUAL, client_address, client_address6, virtual_ftp, virtual_ftp6};
use mark21_lab::transfers::{every_mode, slow_download};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, eventually, two_boxes};

/// Longest outage that passes. The protocol's own at 200 ms is 0.8 s; the rest is for two
/// emulated machines on a busy host.
const OUTAGE: Duration = Duration::from_secs(4);
/// Until the other one has told of its new role.
pub(crate) const TOLD: Duration = Duration::from_secs(30);
/// Connection synchronisation gathers for up to 2 s before it sends.
pub(crate) const SYNCHRONISED: Duration = Duration::from_secs(20);

#[test]
fn a_power_cut_ends_no_transfer_and_the_one_that_returns_waits() {
    two_boxes(|lab| {
        let [active, mut standby] = serving(lab, |boot| boot)?;
        let lab = &*lab;
        let prober = Prober::start(&lab.client, VIRTUAL)?;
        let mut cut = Instant::now();
        let boot = active.boot.clone();
        downloads_go_on(lab, &mut standby, |standby| {
            cut = Instant::now();
            active.director.power_off();
            takes_over(lab, standby)
        })?;
        works(lab)?;
        outage(lab, &prober, cut, "power cut")?;

        let director = lab.power_on(&boot)?;
        let mut back = Member { boot, director };
        back.director.wait_serving()?;
        lab.step("the first one serves again");
        eventually("Backup", TOLD, || is(&mut back, Role::Backup))?;
        let returned = Instant::now();
        works(lab)?;
        roles(&mut standby, &mut back)?;
        outage(lab, &prober, returned, "return")?;
        one_takeover(lab)
    });
}

#[test]
fn with_rewrite_new_sessions_go_through_the_other() {
    two_boxes(|lab| {
        let rewrite = |boot: Boot| Boot {
            configuration: boot
                .configuration
                .map(|text| text.replace("\npassive = \"server\"", "\npassive = \"rewrite\"")),
            ..boot
        };
        let [active, mut standby] = serving(lab, rewrite)?;
        let prober = Prober::start(&lab.client, VIRTUAL)?;
        let cut = Instant::now();
        active.director.power_off();
        takes_over(lab, &mut standby)?;
        works(lab)?;
        outage(lab, &prober, cut, "power cut")?;
        one_takeover(lab)
    });
}

#[test]
fn the_one_that_returns_takes_the_roles_back_when_told_to_preempt() {
    two_boxes(|lab| {
        let [active, mut standby] = serving(lab, |boot| {
            let text = boot.configuration.unwrap_or_default();
            let text = text.replace("\npriority = ", "\npreempt = true\npriority = ");
            Boot { configuration: Some(text), ..boot }
        })?;
        let boot = active.boot.clone();
        ensure!(boot.name == "dir-a", "the one with the lower priority is Active");
        let prober = Prober::start(&lab.client, VIRTUAL)?;
        let before = reigns(lab)?;
        active.director.power_off();
        takes_over(lab, &mut standby)?;
        let returned = Instant::now();
        let mut back = Member { director: lab.power_on(&boot)?, boot };
        eventually("preemption", BOOT, || roles(&mut back, &mut standby))?;
        back.director.wait_serving()?;
        lab.step("the first one is Active again");
        works(lab)?;
        roles(&mut back, &mut standby)?;
        outage(lab, &prober, returned, "return")?;
        let after = reigns(lab)?;
        ensure!(after.last() == before.last(), "dir-a was wanted last: {before:?}, then {after:?}");
        // There and back; one of dir-b's may be on its way while dir-a's first one passes it.
        let more = after.len() - before.len();
        ensure!(more == 2 || more == 4, "there and back was wanted: {before:?}, then {after:?}");
        Ok(())
    });
}

#[test]
fn a_planned_hand_over_ends_no_transfer() {
    two_boxes(|lab| {
        let [mut active, mut standby] = serving(lab, |boot| boot)?;
        let lab = &*lab;
        let prober = Prober::start(&lab.client, VIRTUAL)?;
        let mut resigned = Instant::now();
        downloads_go_on(lab, &mut standby, |standby| {
            resigned = Instant::now();
            active.director.port.command("resign all", TOLD)?;
            eventually("the hand-over", TOLD, || roles(standby, &mut active))?;
            lab.step("resigned");
            Ok(())
        })?;
        works(lab)?;
        roles(&mut standby, &mut active)?;
        outage(lab, &prober, resigned, "resignation")?;
        one_takeover(lab)
    });
}

#[test]
fn killed_and_stopped_programs_leave_exactly_one_owner() {
    two_boxes(|lab| {
        // A watchdog would end what stands still.
        let [mut active, mut standby] = serving(lab, |boot| Boot { watchdog: false, ..boot })?;
        let lab = &*lab;
        let prober = Prober::start(&lab.client, VIRTUAL)?;

        let killed = Instant::now();
        let (supervisor, companion) = (pid(&mut active, "mark21d")?, pid(&mut active, "vrrpd")?);
        active.director.root(&format!("kill -9 {supervisor}"))?;
        eventually("a new mark21d", TOLD, || {
            ensure!(pid(&mut active, "mark21d")? != supervisor, "process {supervisor} is still there");
            roles(&mut active, &mut standby)
        })?;
        active.director.wait_serving()?;
        ensure!(pid(&mut active, "vrrpd")? == companion, "vrrpd was started anew");
        works(lab)?;
        outage(lab, &prober, killed, "kill -9 mark21d")?;
        let so_far = reigns(lab)?;
        ensure!(so_far.len() == 1, "a role moved: {so_far:?}");

        let killed = Instant::now();
        active.director.root(&format!("kill -9 {companion}"))?;
        eventually("a new vrrpd", TOLD, || {
            ensure!(pid(&mut active, "vrrpd")? != companion, "process {companion} is still there");
            Ok(())
        })?;
        eventually("exactly one owner", TOLD, || one_owner(&mut active, &mut standby))?;
        works(lab)?;
        one_owner(&mut active, &mut standby)?;
        outage(lab, &prober, killed, "kill -9 vrrpd")?;
        // Init waits a second before it starts vrrpd anew, so the other one is Active by then. If
        // that one was late, it may have begun in the same moment, and gives way to this one.
        let so_far = reigns(lab)?;
        println!("          advertisements came from {so_far:?}");
        ensure!(so_far.len() <= 3, "the roles flapped: {so_far:?}");

        let has_moved = !active.has_addresses()?;
        let [mut first, mut second] = if has_moved { [standby, active] } else { [active, standby] };
        for member in [&mut first, &mut second] {
            member.director.root("kill -STOP $(pidof mark21d)")?;
        }
        lab.step("mark21d stands still on both");
        let cut = Instant::now();
        first.director.power_off();
        takes_over(lab, &mut second)?;
        works(lab)?;
        outage(lab, &prober, cut, "power cut while mark21d stands still")
    });
}

/// Boot both, with vsftpd as the director says that it must be, and carry FTP.
pub(crate) fn serving(lab: &mut Lab, change: impl Fn(Boot) -> Boot) -> Result<[Member; 2]> {
    let mut pair = boot_pair(lab, change)?;
    lab.step(&format!("both serve, {} is Active", pair[0].name()));
    let lines = Some(pair[0].director.server_config("ftp")?);
    lab.start_ftp_servers(&Settings { lines, length: 20_000_000, ..Settings::default() })?;
    let [active, standby] = &mut pair;
    roles(active, standby)?;
    works(lab)?;
    Ok(pair)
}

/// A slow download in each mode goes on while `meanwhile` moves the addresses to `standby`.
fn downloads_go_on(lab: &Lab, standby: &mut Member, meanwhile: impl FnOnce(&mut Member) -> Result) -> Result {
    let hurry = AtomicBool::new(false);
    let downloads = thread::scope(|scope| {
        let downloads: Vec<_> = (1..)
            .zip(Mode::IPV4)
            .map(|(number, mode)| {
                let hurry = &hurry;
                scope.spawn(move || slow_download(lab, (client_address(number), virtual_ftp()), mode, hurry))
            })
            .collect();
        let moved = all_are_known(standby).and_then(|()| {
            lab.step("four downloads run, and the other one knows their connections");
            meanwhile(standby)
        });
        hurry.store(true, Ordering::Relaxed);
        let ended = downloads.into_iter().map(|one| one.join().map_err(|_| anyhow!("a client panicked"))?);
        let ended: Vec<_> = ended.collect();
        moved.map(|()| ended)
    })?;
    for download in downloads {
        let one = download.context("a download that ran")?;
        ensure!(one.hurried > 0, "{} was over before anything moved", one.mode.name());
        let stall = one.stall.as_secs_f32();
        println!(
            "          {} from {}: {} bytes, stalled {stall:.2} s",
            one.mode.name(),
            one.server,
            one.bytes
        );
    }
    lab.step("the downloads are whole");
    Ok(())
}

/// The control connections and, where IPVS carries them, the data connections.
fn all_are_known(standby: &mut Member) -> Result {
    eventually("connections told to the other one", SYNCHRONISED, || {
        for (number, mode) in (1..).zip(Mode::IPV4) {
            let count = if matches!(mode, Mode::Pasv | Mode::Epsv) { 2 } else { 1 };
            knows_connections(standby, client_address(number), count)?;
        }
        Ok(())
    })
}

/// By its kernel, not by its supervisor.
pub(crate) fn takes_over(lab: &Lab, member: &mut Member) -> Result {
    eventually("the takeover", TOLD, || {
        ensure!(member.has_addresses()?, "{} has no virtual address", member.name());
        Ok(())
    })?;
    lab.step(&format!("{} has the addresses", member.name()));
    Ok(())
}

/// One has all roles and all addresses, the other none.
pub(crate) fn roles(active: &mut Member, backup: &mut Member) -> Result {
    is(active, Role::Active)?;
    is(backup, Role::Backup)?;
    ensure!(active.has_addresses()?, "{} is Active without addresses", active.name());
    ensure!(!backup.has_addresses()?, "{} is Backup with addresses", backup.name());
    Ok(())
}

pub(crate) fn one_owner(one: &mut Member, two: &mut Member) -> Result {
    roles(one, two).or_else(|_| roles(two, one))
}

fn is(member: &mut Member, wanted: Role) -> Result {
    let role = member.role()?;
    ensure!(role == wanted, "{} is {role:?}", member.name());
    Ok(())
}

pub(crate) fn works(lab: &Lab) -> Result {
    every_mode(lab, (client_address(3), virtual_ftp()), &Mode::IPV4, None, |_| {})?;
    every_mode(lab, (client_address6(3), virtual_ftp6()), &Mode::IPV6, None, |_| {})?;
    lab.step("new sessions work in every mode");
    Ok(())
}

pub(crate) fn outage(lab: &Lab, prober: &Prober, since: Instant, event: &str) -> Result {
    let gap = prober.longest_gap(since);
    lab.step(&format!("{event}: {VIRTUAL} was out of reach for {} ms", gap.as_millis()));
    ensure!(gap < OUTAGE, "{event}: {gap:?} without an answer");
    Ok(())
}

/// Nobody flapped.
fn one_takeover(lab: &Lab) -> Result {
    let reigns = reigns(lab)?;
    println!("          advertisements came from {reigns:?}");
    ensure!(reigns.len() == 2, "one takeover was wanted: {reigns:?}");
    Ok(())
}

/// The process that init started: vrrpd has a helper of the same name. Nothing that an
/// earlier one left may be there.
fn pid(member: &mut Member, program: &str) -> Result<u32> {
    let parents = format!(
        "for p in $(pidof {program}); do grep -q '^PPid:[^0-9]*1$' /proc/$p/status && echo $p; done; :"
    );
    let list = member.director.root(&parents)?;
    list.trim().parse().with_context(|| format!("{program} on {}: {list:?}", member.name()))
}
