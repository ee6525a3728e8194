//! The configuration partition: what a person puts there, generations, refusals, power cuts.

use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use mark21_lab::director::BOOT;
use mark21_lab::ftp::Mode;
use mark21_lab::qemu::Firmware;
use mark21_lab::random::Random;
use mark21_lab::scenario::times;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, scenario};
use serde_json::Value;

/// How long the supervisor gives a candidate to be proven, in milliseconds.
const PATIENCE_MS: u64 = 10_000;
/// Power cuts, each in a boot of its own.
const CUTS: u32 = 3;
const CUTS_IN_SOAK: u32 = 100;

#[test]
fn a_new_configuration_becomes_a_generation_and_a_broken_one_does_not() {
    scenario(|lab| {
        let (mut director, text) = serving(lab, &Boot::with_file("single.toml")?)?;

        put(&mut director, &renamed(&text, "second")?)?;
        let status = restarted(lab, &mut director)?;
        runs(&mut director, &status, 2, "second")?;
        ensure!(status["problems"] == serde_json::json!([]), "{status:#}");
        works(lab)?;
        lab.step("generation 2");

        let broken = renamed(&text, "third")?.replace("\"10.21.0.1/24\"", "\"10.21.0.256/24\"");
        let line = broken.lines().position(|line| line.contains("10.21.0.256"));
        let place = format!("line {}, column ", line.context("nothing is broken")? + 1);
        put(&mut director, &broken)?;
        for (boot, word) in [("first", "refused"), ("second", "not tried again")] {
            let status = restarted(lab, &mut director)?;
            runs(&mut director, &status, 2, "second")?;
            let problem = only_problem(&status)?;
            for part in [word, &place, "10.21.0.256"] {
                ensure!(problem.contains(part), "{boot} boot: no {part:?} in {problem:?}");
            }
            works(lab)?;
        }
        lab.step("a broken one is refused once, and remembered");

        put(&mut director, &renamed(&text, "fourth")?)?;
        let status = restarted(lab, &mut director)?;
        runs(&mut director, &status, 3, "fourth")?;
        works(lab)
    });
}

#[test]
fn a_configuration_that_cannot_be_proven_gives_way_to_the_last_good_one() {
    scenario(|lab| {
        let (mut director, text) = serving(lab, &Boot::with_file("single.toml")?)?;
        let spare = "[[interface]]\nname = \"spare\"\nmac = \"02:00:00:00:00:99\"\n";
        put(&mut director, &format!("{}\n{spare}", renamed(&text, "second")?))?;

        let status = restarted(lab, &mut director)?;
        runs(&mut director, &status, 1, "director")?;
        let problem = only_problem(&status)?;
        ensure!(problem.contains("spare") && problem.contains("no port"), "{problem}");
        let patient = proving(&status)?;
        ensure!(patient >= PATIENCE_MS, "too soon: {}", status["boot"]);
        works(lab)?;
        lab.step("given up");

        let status = restarted(lab, &mut director)?;
        runs(&mut director, &status, 1, "director")?;
        let problem = only_problem(&status)?;
        ensure!(problem.contains("not tried again") && problem.contains("spare"), "{problem}");
        ensure!(proving(&status)? < patient, "it was tried again: {}", status["boot"]);
        works(lab)
    });
}

/// QEMU is killed at random moments of a boot, and started from the disk that it left. Every
/// boot has a new configuration to save, so that it writes to the partition. What the disk
/// took before the cut is there afterwards; what the kernel still held back is lost.
#[test]
fn power_cuts_at_any_moment_of_boot_leave_a_director_that_serves() {
    scenario(|lab| {
        let mut random = Random::seeded();
        // First by the boot loader, whose time is time of a boot too.
        let mut boot = Boot { firmware: Firmware::Bios, ..Boot::with_file("single.toml")? };
        let began = Instant::now();
        let (mut director, text) = serving(lab, &boot)?;
        let mut lasts = began.elapsed();
        for cut in 1..=times(CUTS, CUTS_IN_SOAK) {
            let name = format!("cut{cut}");
            put(&mut director, &renamed(&text, &name)?)?;
            director.power_off();
            // Beyond the end too: the last writes are there.
            let moment = lasts.mul_f64(1.2 * random.fraction());
            director = lab.power_on(&boot)?;
            // In step with nothing: that is the point.
            thread::sleep(moment);
            director.power_off();
            lab.step(&format!("{:?}: power cut after {moment:.1?} of {lasts:.1?}", boot.firmware));
            boot.firmware = Firmware::Direct;
            let began = Instant::now();
            director = lab.power_on(&boot)?;
            let status = director.wait_serving()?;
            lasts = began.elapsed();
            runs(&mut director, &status, 1 + u64::from(cut), &name)?;
            ensure!(status["problems"] == serde_json::json!([]), "{status:#}");
            works(lab)?;
        }
        Ok(())
    });
}

/// A director with generation 1, whose host name is `director`, and its configuration.
fn serving(lab: &mut Lab, boot: &Boot) -> Result<(Director, String)> {
    let text = boot.configuration.clone().unwrap_or_default();
    let mut director = lab.boot(boot)?;
    lab.start_ftp_servers(&Settings { length: 1000, ..Settings::default() })?;
    let status = director.wait_serving()?;
    runs(&mut director, &status, 1, "director")?;
    lab.step("generation 1");
    Ok((director, text))
}

/// The configuration with another host name, which tells which one runs.
fn renamed(text: &str, name: &str) -> Result<String> {
    let other = text.replace("hostname = \"director\"", &format!("hostname = \"{name}\""));
    ensure!(other != text, "the configuration has no host name");
    Ok(other)
}

/// As a person does it, with a shell.
fn put(director: &mut Director, text: &str) -> Result {
    director.root(&format!(
        "mount -o remount,rw /config && cat > /config/mark21.toml << 'END' && mount -o remount,ro /config\n\
         {text}\nEND"
    ))?;
    Ok(())
}

/// Restart and wait until it serves; the machine that was must not answer for the new one.
fn restarted(lab: &Lab, director: &mut Director) -> Result<Value> {
    director.reboot()?;
    director.agent.wait_ready(BOOT)?;
    let status = director.wait_serving()?;
    lab.step(&format!("restarted: {}", status["configuration"]));
    Ok(status)
}

/// This generation runs, is applied, and will be the next boot's.
fn runs(director: &mut Director, status: &Value, generation: u64, hostname: &str) -> Result {
    let configuration = &status["configuration"];
    ensure!(configuration["generation"] == generation, "not generation {generation}: {configuration}");
    ensure!(configuration["at_boot"] == generation, "not generation {generation}: {configuration}");
    ensure!(director.root("hostname")?.trim() == hostname, "the host name is not {hostname}");
    let current = director.root("cat /config/current")?;
    ensure!(current.trim() == format!("{generation:04}"), "current is {current}");
    ensure!(director.root("grep ' /config ' /proc/mounts")?.contains(" ro,"), "/config stayed writable");
    Ok(())
}

fn only_problem(status: &Value) -> Result<String> {
    let problems = status["problems"].as_array().context("no list of problems")?;
    ensure!(problems.len() == 1, "not one problem: {problems:#?}");
    Ok(problems.iter().map(Value::to_string).collect())
}

/// From the supervisor's start to the proof, in milliseconds.
fn proving(status: &Value) -> Result<u64> {
    let at = |name: &str| status["boot"][name].as_u64().with_context(|| format!("{name} in {status}"));
    Ok(at("kernel_to_proven_ms")?.saturating_sub(at("kernel_to_supervisor_ms")?))
}

fn works(lab: &Lab) -> Result {
    every_mode(lab, (client_address(2), virtual_ftp()), &[Mode::Pasv, Mode::Port], None, |_| {})
}
