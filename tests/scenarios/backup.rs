//! A box that breaks, and another one of other hardware that takes its place, by a USB stick.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::process::run;
use mark21_lab::screen::Screen;
use mark21_lab::transfers::passive_works;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, scenario};

/// The lab's own program, which joins a terminal and a socket.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lab");
/// One answer of the console under emulation.
const SCREEN: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse";
const MANAGEMENT: &str = r#"
[management]
interface = "inside"
allow = ["10.21.0.11/32"]
authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4o7Cf7yNQBrLYFK0qcbGdzvZAaQ0Bo2qGzQvWc2pTl lab"]
"#;
const EXTRA: &str = "table ip own {\n\tchain input {\n\t\ttype filter hook input priority 10; policy accept;\n\
                     \t\ttcp dport 9999 counter drop\n\t}\n}\n";

#[test]
fn another_box_takes_the_place_of_a_broken_one() {
    scenario(|lab| {
        lab.start_ftp_servers(&Settings::default())?;
        let stick = make_stick(lab)?;
        let text = Boot::with_file("single.toml")?
            .replace("device = \"eth0\"", "mac = \"52:54:00:21:01:01\"")?
            .and(MANAGEMENT);
        let first = Boot { extra: Some(EXTRA.into()), stick: Some(stick.clone()), ..text };
        let mut director = lab.boot(&first)?;
        let screen = log_in(&director)?;
        let host_key = host_key(&mut director)?;
        screen.command("backup --usb ../a", "is no name on a stick")?;
        screen.command("backup --usb a.m21", "a.m21 is on the stick")?;
        let shown = screen.command("load --usb", "a.m21")?;
        ensure!(shown.contains("router.toml"), "{shown}");
        screen.command("load --usb router.toml", "2 lines are the draft now")?;
        screen.command("discard", "the draft is forgotten")?;
        screen.command("load --usb a.m21", "restore takes it")?;
        screen.command("restore --usb nothing.m21", "No such file")?;
        let printed = director.port.command("backup", ANSWER)?["text"].to_string();
        for part in ["-----FILE mark21.toml", "-----FILE extra.nft", "-----FILE ssh-host-key"] {
            ensure!(printed.contains(part), "no {part} in {printed}");
        }
        ensure!(director.root("mount")?.matches("vfat").count() == 0, "the stick stays mounted");
        lab.step("a backup on a stick");
        drop(screen);
        director.power_off();

        let second = Boot { name: "dir-b".into(), number: 2, stick: Some(stick), ..Boot::with_nothing() };
        let mut director = lab.boot(&second)?;
        let screen = log_in(&director)?;
        ensure!(!passive_works(lab), "an empty box carries FTP");
        let shown = screen.command("restore --usb a.m21", "The draft is that box")?;
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for told in ["extra.nft, its ssh host key", "no port 52:54:00:21:01:01", "eth0 (52:54:00:21:02:01)"] {
            ensure!(shown.contains(told), "no {told:?} in {shown}");
        }
        screen.command("delete interface outside mac", "- mac =")?;
        screen.command("set interface outside device eth0", "+ device = \"eth0\"")?;
        screen.command("commit --comment restored", "runs and stays")?;
        director.wait_serving()?;
        eventually("FTP through the new box", SCREEN, || {
            ensure!(passive_works(lab), "not yet");
            Ok(())
        })?;
        ensure!(director.root("nft list table ip own")?.contains("9999"), "extra.nft did not come along");
        let restored = self::host_key(&mut director)?;
        ensure!(restored == host_key, "the host key is {restored}, not {host_key}");
        lab.step("another box carries FTP, and is known to ssh");
        Ok(())
    });
}

fn host_key(director: &mut Director) -> Result<String> {
    eventually("a host key", BOOT, || {
        let status = director.status()?;
        let key = status["management"]["host_key"].as_str().unwrap_or_default().to_owned();
        ensure!(key.starts_with("ssh-ed25519 "), "{}", status["management"]);
        Ok(key)
    })
}

/// A stick as it is bought, with a file of somebody else's.
fn make_stick(lab: &Lab) -> Result<PathBuf> {
    let image = lab.directory.join("stick.img");
    let file = lab.directory.join("router.toml");
    fs::write(&file, "schema = 1\n# of another box\n")?;
    let mut make = Command::new("/sbin/mkfs.fat");
    make.args(["-C", "-n", "STICK"]).arg(&image).arg("16384");
    run(make, ANSWER)?.success()?;
    let mut copy = Command::new("mcopy");
    copy.arg("-i").arg(&image).arg(&file).arg("::router.toml");
    run(copy, ANSWER)?.success()?;
    Ok(image)
}

fn log_in(director: &Director) -> Result<Screen> {
    let screen = Screen::attach(director, Path::new(PROGRAM), SCREEN)?;
    screen.first_password("This box has no password yet.", PASSWORD)?;
    Ok(screen)
}
