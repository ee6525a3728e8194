//! From the start of init to the service proven, beside Debian with systemd, keepalived and
//! ipvsadm on the same emulated machine: the same kernel, addresses, mark and real servers.
//!
//! Both times begin where the kernel says that it starts init, that of the initramfs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::qemu::{Firmware, Machine, Qemu, Wiring};
use mark21_lab::scenario::target_directory;
use mark21_lab::{Boot, Director, Lab, Result};

use crate::figures::{Series, line};

/// Pairs of boots; one of Debian takes a minute or two.
const PAIRS: usize = 5;

pub(crate) fn bench(lab: &mut Lab) -> Result {
    let debian = debian()?;
    let (mut own, mut other) = (Series::default(), Series::default());
    for _ in 0..PAIRS {
        own.push(director(lab)?);
        other.push(beside(lab, &debian)?);
    }
    line("mark21, init to proven, s", &own.text());
    line("Debian, systemd, keepalived: the same, s", &other.text());
    line("Debian / mark21 (wanted: 10 or more)", &other.over(&own).text());
    Ok(())
}

/// What `tests/debian-root` made; `tests/run bench` does it.
fn debian() -> Result<PathBuf> {
    let base = target_directory().join("debian-root");
    let listed = fs::read_dir(&base).with_context(|| format!("{}", base.display()))?;
    let mut made: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    made.retain(|path| path.join("disk").exists());
    // Of several the newest: it was asked for last.
    made.sort_by_key(|path| fs::metadata(path.join("disk")).and_then(|disk| disk.modified()).ok());
    made.pop().with_context(|| format!("nothing in {}: tests/run bench makes it", base.display()))
}

fn director(lab: &Lab) -> Result<f64> {
    let boot = Boot { random_addresses: true, ..Boot::with_file("single.toml")? };
    let mut director = lab.boot(&boot)?;
    let start = start(&mut director)?;
    director.agent.run("sync", ANSWER)?;
    Ok(start.userland)
}

/// The two parts of a start, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// From the kernel's first moment to init.
    pub(crate) kernel: f64,
    /// From init to the service proven.
    pub(crate) userland: f64,
}

/// Waits for the service; what its start took.
pub(crate) fn start(director: &mut Director) -> Result<Start> {
    let status = director.wait_serving()?;
    let proven = status["boot"]["kernel_to_proven_ms"].as_f64().with_context(|| status.to_string())?;
    // As the kernel keeps it (Documentation/ABI/testing/dev-kmsg): dmesg need not print times. The
    // end of the file is a wait for more.
    let said = director.root("timeout 2 cat /dev/kmsg | grep 'as init process'")?;
    let kernel = said.split(',').nth(2).and_then(|micros| micros.parse::<f64>().ok());
    let kernel = kernel.with_context(|| said.clone())? / 1e6;
    Ok(Start { kernel, userland: proven / 1000.0 - kernel })
}

fn beside(lab: &Lab, debian: &std::path::Path) -> Result<f64> {
    // A fresh disk: what the last boot wrote would help this one.
    let disk = lab.directory.join("debian.img");
    let copied = Command::new("cp").args(["--sparse=always"]).arg(debian.join("disk")).arg(&disk).status()?;
    ensure!(copied.success(), "cp {}", disk.display());
    let machine = Machine {
        name: "debian",
        number: 1,
        disk: &disk,
        memory: 512,
        record: None,
        tools: None,
        stick: None,
        spare: None,
        firmware: Firmware::Direct,
        kernel: debian,
        wiring: Wiring::default(),
        watchdog: false,
        counted: false,
        random_addresses: true,
    };
    let mut qemu = Qemu::start(&lab.wire, &lab.directory, &machine)?;
    let mut console = qemu.socket("console")?;
    qemu.go()?;
    let end = std::time::Instant::now() + 3 * BOOT;
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        let said = console.receive(left)?.context("Debian's service did not come up")?;
        let Some(times) = said.trim().strip_prefix("proven ") else { continue };
        let (proven, init) = times.split_once(" init ").with_context(|| said.clone())?;
        return Ok(proven.trim().parse::<f64>()? - init.trim().parse::<f64>()?);
    }
}
