//! Two boxes from the factory become a pair by one `setup`: what it prints for the other box is pasted
//! there, as a person would.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use mark21_lab::director::BOOT;
use mark21_lab::ftp::Mode;
use mark21_lab::screen::Screen;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, two_boxes};

/// The lab's own program, which joins a terminal and a socket.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lab");
/// One answer of the console, of two emulated machines.
const SCREEN: Duration = Duration::from_secs(90);
const PASSWORD: &str = "correct horse";
const OTHER_PASSWORD: &str = "battery staple";

#[test]
fn two_boxes_become_a_pair_and_one_carries_on_for_the_other() {
    two_boxes(|lab| {
        let mut first = lab.boot(&Boot { name: "dir-a".into(), number: 1, ..Boot::with_nothing() })?;
        let mut second = lab.boot(&Boot { name: "dir-b".into(), number: 2, ..Boot::with_nothing() })?;
        // Both before either greets: a line without anybody loses what is said.
        let attach = |director: &Director| Screen::attach(director, Path::new(PROGRAM), SCREEN);
        let screens = [attach(&first)?, attach(&second)?];
        for (screen, password) in screens.iter().zip([PASSWORD, OTHER_PASSWORD]) {
            screen.first_password("This box has no password yet.", password)?;
        }
        lab.step("two boxes with a password each");
        let other = asked(&screens[0])?;
        ensure!(!other.contains("password"), "the other box gets this one's password:\n{other}");
        let paste = lab.directory.join("paste");
        fs::write(&paste, other)?;
        screens[1].line("load")?;
        screens[1].wait("Ctrl-C gives up")?;
        screens[1].paste(&paste)?;
        screens[1].wait("the password stays as it is")?;
        for screen in &screens {
            screen.command("check", "draft: ")?;
            screen.command("commit --confirm 5m", "type confirm within 5m")?;
        }
        let (active, backup) = ("director-a (active)", "director-b (backup)");
        lab.start_ftp_servers(&Settings {
            lines: Some(first.server_config("ftp")?),
            length: 2_000_000,
            ..Settings::default()
        })?;
        prompts(&screens[0], active)?;
        prompts(&screens[1], backup)?;
        works(lab)?;
        for screen in &screens {
            screen.command("confirm", "stays")?;
            let shown = screen.command("show configuration", "Written by setup.")?;
            ensure!(shown.contains("schema = 1"), "{shown}");
        }
        lab.step("a pair carries FTP");
        for (director, role) in [(&mut first, "active"), (&mut second, "backup")] {
            let status = director.wait_serving()?;
            let states: Vec<_> = status["virtual_routers"].as_array().into_iter().flatten().collect();
            let all_are = states.iter().all(|router| router["state"] == role);
            ensure!(states.len() == 2 && all_are, "not all {role}: {states:?}");
            let warned = status["problems"].as_array().is_some_and(|problems| !problems.is_empty());
            ensure!(!warned, "{}", status["problems"]);
        }
        screens[0].command("resign nosuch", "known are: ")?;
        // Each box has its own password still.
        log_out_and_in(&screens[1], OTHER_PASSWORD)?;
        first.power_off();
        prompts(&screens[1], "director-b (active)")?;
        eventually("FTP through the second box", SCREEN, || works(lab))?;
        lab.step("the second one carries on");
        Ok(())
    });
}

/// Answers the questions; gives what is printed for the other box.
fn asked(screen: &Screen) -> Result<String> {
    screen.line("setup")?;
    screen.answer(&[
        ("Alone, or the first", "first"),
        ("host name", ""),
        ("port to the clients", ""),
        ("own address there", "198.51.100.2/24"),
        ("other box's address there", "198.51.100.3"),
        ("gateway to everywhere", ""),
        ("virtual address", "198.51.100.21"),
        ("port to the real servers", ""),
        ("own address there", "10.21.0.2/24"),
        ("other box's address there", "10.21.0.3"),
        ("both share there", "10.21.0.1"),
        ("connection sync", ""),
        ("real servers' addresses", "10.21.0.11 10.21.0.12"),
        ("announce the virtual address", "yes"),
    ])?;
    let told = screen.read_on("try it, and confirm")?;
    let begin = told.find("-----BEGIN MARK21 CONFIGURATION-----").context("nothing for the other box")?;
    let text = told.get(begin..).unwrap_or_default();
    let (text, _) = text.split_once("\n\n\nNow: ").or(text.split_once("\n\nNow: ")).context("no end")?;
    Ok(format!("{}\n", text.trim_end()))
}

fn log_out_and_in(screen: &Screen, password: &str) -> Result {
    screen.fresh()?;
    screen.line("exit")?;
    screen.wait_last("Password of admin:")?;
    screen.line(password)?;
    screen.wait("Type a command").map(drop)
}

/// Waits until the prompt says so; it is drawn anew for each line.
fn prompts(screen: &Screen, wanted: &str) -> Result {
    eventually(&format!("the prompt {wanted:?}"), BOOT, || {
        screen.press(&["Enter"])?;
        screen.wait_last(">")?;
        let shown = screen.text()?;
        let last = shown.lines().last().unwrap_or_default();
        ensure!(last.starts_with(wanted), "it is {last:?}");
        Ok(())
    })
}

fn works(lab: &Lab) -> Result {
    every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})
}
