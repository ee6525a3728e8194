//! Power cuts during commits, at every moment that the disk can tell from another: what it was
//! sent is recorded, and the configuration partition is looked at as each cut would leave it.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use mark21_lab::director::{ANSWER, assemble, disk_of, root_file_system};
use mark21_lab::disklog::{self, Epoch, Write};
use mark21_lab::process::run;
use mark21_lab::random::Random;
use mark21_lab::scenario::times;
use mark21_lab::{Boot, Director, Result, eventually, scenario};
use serde_json::Value;

/// Where the configuration partition lies on the disk (`image/assemble`).
const PARTITION: Range<u64> = 294 << 20..310 << 20;
/// Ways to lose a part of what was not flushed, for each flush.
const LOSSES: u32 = 3;
const LOSSES_IN_SOAK: u32 = 100;
/// Real cuts.
const KILLS: u32 = 3;
const KILLS_IN_SOAK: u32 = 100;

#[test]
fn a_cut_between_any_two_flushes_leaves_the_old_configuration_or_the_new_one() {
    scenario(|lab| {
        let boot = Boot { record: true, ..Boot::with_file("single.toml")? };
        let first = Boot { name: "first".into(), record: false, ..boot.clone() };
        let directory = lab.directory.clone();
        assemble(&directory, &first)?;
        let partition = directory.join("partition.img");
        extract(&disk_of(&directory, &first), &PARTITION, &partition)?;
        fs::remove_file(disk_of(&directory, &first))?;

        let mut director = lab.boot(&boot)?;
        director.wait_serving()?;
        let configurations = commits(&mut director)?;
        director.power_off();
        lab.step(&format!("{} configurations", configurations.len()));

        let epochs: Vec<Epoch> = disklog::read(&directory.join("dir-a-writes.log"))?;
        let ours = |epoch: &Epoch| epoch.iter().any(|write| PARTITION.contains(&write.offset));
        let epochs: Vec<Epoch> = epochs.into_iter().filter(ours).collect();
        let mut inspector = Inspector::new(&directory, partition, configurations)?;
        let mut random = Random::seeded();
        let mut looked = 0;
        let mut newest = inspector.boots(&[])?;
        ensure!(newest == 0, "the first configuration is not the one that boots");
        for (number, epoch) in epochs.iter().enumerate() {
            let whole: Vec<&Write> = epoch.iter().collect();
            let next = inspector.boots(&whole).with_context(|| format!("flush {number}"))?;
            ensure!(next == newest || next == newest + 1, "flush {number}: from {newest} to {next}");
            for _ in 0..times(LOSSES, LOSSES_IN_SOAK) {
                let kept: Vec<&Write> = epoch.iter().filter(|_| random.fraction() < 0.5).collect();
                let left = inspector.boots(&kept).with_context(|| format!("part of flush {number}"))?;
                ensure!(
                    (newest..=next).contains(&left),
                    "part of flush {number}: {left}, not {newest} or {next}"
                );
                looked += 1;
            }
            inspector.keep(&whole)?;
            newest = next;
            looked += 1;
        }
        ensure!(
            newest == inspector.configurations.len() - 1,
            "the last commit was answered and is not there"
        );
        lab.step(&format!("{} flushes, {looked} cuts", epochs.len()));
        ensure!(looked > 100, "too few cuts to say anything: {looked}");
        Ok(())
    });
}

#[test]
fn a_director_killed_while_it_commits_serves_again() {
    scenario(|lab| {
        let mut random = Random::seeded();
        let boot = Boot::with_file("single.toml")?;
        let mut director = lab.boot(&boot)?;
        director.wait_serving()?;
        let mut before = 1;
        for _ in 0..times(KILLS, KILLS_IN_SOAK) {
            director.agent.send(
                "while :; do mark21 weight ftp 10.21.0.11 2 --save; mark21 weight ftp 10.21.0.11 1 --save; done",
            )?;
            eventually("the first commit", ANSWER, || {
                let generation = director.status()?["configuration"]["generation"].as_u64();
                ensure!(generation > Some(before), "{generation:?}");
                Ok(())
            })?;
            // In step with nothing: that is the point.
            thread::sleep(Duration::from_secs(1) + Duration::from_secs(3).mul_f64(random.fraction()));
            director.power_off();
            director = lab.power_on(&boot)?;
            let status = director.wait_serving()?;
            ensure!(status["problems"] == serde_json::json!([]), "{status:#}");
            let generation = status["configuration"]["generation"].as_u64().context("no generation")?;
            ensure!(generation > before, "nothing was kept before the cut: {status:#}");
            before = generation;
            lab.step(&format!("killed, and serving with generation {generation}"));
        }
        Ok(())
    });
}

/// Changes of every kind; gives what ran, in order, by their digests.
fn commits(director: &mut Director) -> Result<Vec<String>> {
    let text = Boot::with_file("single.toml")?.configuration.unwrap_or_default();
    let mut ran = vec![digest(director)?];
    for (name, how) in [("second", ""), ("third", "--confirm 5m"), ("fourth", "")] {
        let renamed = text.replace("hostname = \"director\"", &format!("hostname = \"{name}\""));
        ensure!(renamed != text, "the configuration has no host name");
        director.write("/run/new.toml", &renamed)?;
        director.port.command(&format!("commit {how} /run/new.toml"), ANSWER)?;
        if !how.is_empty() {
            director.port.command("confirm", ANSWER)?;
        }
        ran.push(digest(director)?);
    }
    director.port.command("weight ftp 10.21.0.11 5 --save", ANSWER)?;
    ran.push(digest(director)?);
    Ok(ran)
}

fn digest(director: &mut Director) -> Result<String> {
    let status = director.status()?;
    let digest = status["configuration"]["digest"].as_str();
    Ok(digest.with_context(|| format!("no digest: {status:#}"))?.to_owned())
}

/// Looks at a partition as the supervisor of the image would find it.
struct Inspector {
    /// What is on the disk for sure.
    partition: PathBuf,
    /// A copy to play with.
    copy: PathBuf,
    /// The director's root file system, unpacked.
    root: PathBuf,
    configurations: Vec<String>,
}

impl Inspector {
    fn new(directory: &Path, partition: PathBuf, configurations: Vec<String>) -> Result<Self> {
        let root = directory.join("root");
        let mut unpack = Command::new("unsquashfs");
        // All but what is large and is not asked for here.
        unpack.args(["-quiet", "-no-progress", "-no-xattrs", "-excludes", "-d"]).arg(&root);
        unpack.arg(root_file_system()).args(["boot", "lib/modules", "usr/lib/modules"]);
        run(unpack, Duration::from_secs(60))?;
        Ok(Self { partition, copy: directory.join("cut.img"), root, configurations })
    }

    /// The position of the configuration that a box with these writes on top starts with.
    fn boots(&mut self, writes: &[&Write]) -> Result<usize> {
        fs::copy(&self.partition, &self.copy)?;
        disklog::apply(&self.copy, PARTITION, writes.iter().copied())?;
        let found = self.root.join("found");
        if found.exists() {
            fs::remove_dir_all(&found)?;
        }
        fs::create_dir(&found)?;
        // As the kernel does when it mounts: what is in the journal, and no more.
        let mut replay = Command::new("e2fsck");
        replay.args(["-E", "journal_only", "-y"]).arg(&self.copy);
        run(replay, ANSWER)?;
        let mut dump = Command::new("debugfs");
        dump.arg("-R").arg(format!("rdump / {}", found.display())).arg(&self.copy);
        run(dump, ANSWER)?.success()?;
        let mut look = Command::new("chroot");
        look.arg(&self.root).args(["/usr/sbin/mark21d", "--config", "/found", "--dry-run"]);
        let said = run(look, ANSWER)?.success()?.text();
        let report: Value = serde_json::from_str(said.trim()).with_context(|| said.clone())?;
        let digest = report["attempts"][0]["digest"].as_str();
        let digest = digest.with_context(|| format!("it would boot fail-secure: {report:#}"))?;
        let position = self.configurations.iter().position(|known| known == digest);
        position.with_context(|| format!("neither old nor new: {report:#}"))
    }

    fn keep(&mut self, writes: &[&Write]) -> Result {
        disklog::apply(&self.partition, PARTITION, writes.iter().copied())
    }
}

fn extract(disk: &Path, part: &Range<u64>, to: &Path) -> Result {
    let mut disk = File::open(disk)?;
    disk.seek(SeekFrom::Start(part.start))?;
    let mut bytes = vec![0; usize::try_from(part.end - part.start)?];
    disk.read_exact(&mut bytes)?;
    File::create(to)?.write_all(&bytes)?;
    Ok(())
}
