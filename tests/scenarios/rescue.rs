//! A lost password and a factory reset at the boot menu, as a person in front of the box would.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use mark21_lab::director::BOOT;
use mark21_lab::qemu::Firmware;
use mark21_lab::screen::Screen;
use mark21_lab::transfers::passive_works;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Result, scenario};

/// The lab's own program, which joins a terminal and a socket.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lab");
/// One answer of the console under emulation.
const ANSWER: Duration = Duration::from_secs(60);
const LOST: &str = "nobody knows this one";
const NEW: &str = "correct horse";

#[test]
fn the_boot_menu_forgets_a_password_or_everything_and_the_console_lives() {
    scenario(|lab| {
        lab.start_ftp_servers(&Settings::default())?;
        let boot = Boot { firmware: Firmware::Bios, menu: 60, ..Boot::with_file("single.toml")? };
        let mut director = lab.boot(&boot)?;
        let screen = Screen::attach(&director, Path::new(PROGRAM), ANSWER)?;
        take_from_the_menu(&screen, "u")?;
        screen.first_password("This box has no password yet.", LOST)?;
        lab.step("a password that will be lost");

        let before = director.wait_serving()?["configuration"]["generation"].clone();
        from_the_menu(&mut director, &screen, "p")?;
        screen.wait_for("The password was forgotten at the boot menu.", BOOT)?;
        let status = director.wait_serving()?;
        ensure!(status["problems"].to_string().contains("forgotten at the boot menu"), "{status}");
        ensure!(status["configuration"]["generation"] == before, "{status}");
        ensure!(passive_works(lab), "FTP does not work while the password is forgotten");
        lab.step("the service goes on while the console asks");
        screen.first_password("The password was forgotten at the boot menu.", NEW)?;
        let status = director.wait_serving()?;
        ensure!(status["problems"].as_array().is_some_and(Vec::is_empty), "{status}");
        log_in(&screen, NEW)?;
        lab.step("a new password");

        from_the_menu(&mut director, &screen, "f")?;
        screen.wait_for("This box has no password yet.", BOOT)?;
        let status = director.wait_fail_secure()?;
        ensure!(status["configuration"]["at_boot"].is_null(), "{status}");
        ensure!(!passive_works(lab), "a box without a configuration serves");
        screen.first_password("This box has no password yet.", NEW)?;
        director.wait_serving()?;
        ensure!(director.root("ls /config/generations")?.trim() == "0001", "the new password is gone again");
        log_in(&screen, NEW)?;
        lab.step("a factory reset");
        Ok(())
    });
}

/// The power is cut, and a person takes an entry of the rescue menu.
fn from_the_menu(director: &mut Director, screen: &Screen, entry: &str) -> Result {
    director.power_cut()?;
    take_from_the_menu(screen, entry)
}

fn take_from_the_menu(screen: &Screen, entry: &str) -> Result {
    screen.wait_for("Rescue: lost password", BOOT)?;
    screen.letters("r")?;
    screen.wait("Factory reset: forget EVERYTHING")?;
    screen.letters(entry)
}

fn log_in(screen: &Screen, password: &str) -> Result {
    screen.fresh()?;
    screen.line("exit")?;
    screen.wait("Password of admin:")?;
    screen.line(password)?;
    screen.wait("Type a command")?;
    screen.fresh()
}
