//! A supervisor that hangs: the hardware watchdog restarts the box, and it serves again.

use std::time::Duration;

use anyhow::ensure;
use mark21_lab::director::BOOT;
use mark21_lab::ftp::Mode;
use mark21_lab::topology::{client_address, client_address6, virtual_ftp, virtual_ftp6};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, patient};

/// The driver's default is 30 s (drivers/watchdog/i6300esb.c); the rest is for a busy host.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the watchdog waits for a meal: a box that is well must not be restarted.
const QUIET: Duration = Duration::from_secs(35);

#[test]
fn a_box_whose_supervisor_stands_still_is_restarted_and_serves_again() {
    patient(|lab| {
        let mut director = lab.boot(&Boot::with_file("single.toml")?)?;
        lab.start_ftp_servers(&Settings { length: 1_000_000, ..Settings::default() })?;
        let status = director.wait_serving()?;
        ensure!(status["watchdog"] == true, "no watchdog is armed: {status:#}");
        let quiet = director.qemu.event("WATCHDOG", QUIET);
        ensure!(quiet.is_err(), "a box that is well was restarted: {quiet:?}");
        lab.step("left alone while it is fed");

        director.root("kill -STOP $(pidof mark21d)")?;
        works(lab)?;
        lab.step("the supervisor stands still, transfers go on");
        let data = director.qemu.event("WATCHDOG", TIMEOUT)?;
        ensure!(data["action"] == "reset", "{data}");
        lab.step("the watchdog has bitten");
        director.agent.will_restart()?;
        director.port.has_restarted();
        director.agent.wait_ready(BOOT)?;
        let status = director.wait_serving()?;
        lab.step("serving");
        ensure!(status["watchdog"] == true, "no watchdog is armed: {status:#}");
        ensure!(status["configuration"]["generation"] == 1, "{status:#}");
        works(lab)
    });
}

fn works(lab: &Lab) -> Result {
    every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})?;
    every_mode(lab, (client_address6(1), virtual_ftp6()), &Mode::IPV6, None, |_| {})
}
