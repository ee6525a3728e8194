//! From a USB stick onto a disk of the box.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::ftp::Mode;
use mark21_lab::qemu::Firmware;
use mark21_lab::screen::Screen;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, eventually, scenario};

/// Some 311 MiB are written, and read twice, through an emulated USB port.
const WRITTEN: Duration = Duration::from_secs(400);
const SPARE_MIB: u64 = 400;
/// The lab's own program, which joins a terminal and a socket.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lab");
const PASSWORD: &str = "correct horse";

#[test]
fn a_box_started_from_usb_is_installed_on_its_disk_and_starts_from_that_alone() {
    scenario(|lab| {
        // Where the second machine below looks for its own disk.
        let spare = lab.directory.join("dir-b.img");
        File::create(&spare)?.set_len(SPARE_MIB << 20)?;
        let boot = Boot { spare: Some(spare), ..Boot::with_file("single.toml")? };
        let mut director = lab.boot(&boot)?;
        // What is said while nobody is plugged in is lost.
        let screen = Screen::attach(&director, Path::new(PROGRAM), ANSWER)?;
        lab.start_ftp_servers(&Settings::default())?;
        director.wait_serving()?;
        let disks = director.port.command("install", ANSWER)?.to_string();
        for told in ["the box runs from it", "mark21-config 16 MiB", "no partitions"] {
            ensure!(disks.contains(told), "no {told:?} in {disks}");
        }
        for (line, told) in [
            ("install sda --yes", "the box runs from it"),
            ("install sdz --yes", "there is no such disk"),
            ("install vda", "This erases vda: 400 MiB, no partitions."),
        ] {
            let answer = director.port.ask(line, ANSWER)?;
            ensure!(answer["ok"] == false && answer.to_string().contains(told), "{line}: {answer}");
        }
        // By the interface itself, past the console's own look.
        let called = "dbus-send --system --print-reply --reply-timeout=20000 --dest=org.mark21.Director1 \
            /org/mark21/Director1 org.mark21.Director1.Install string:sda 2>&1 || true";
        eventually("the interface on the bus", BOOT, || {
            let answer = director.root(called)?;
            ensure!(answer.contains("the box runs from it"), "{answer}");
            Ok(())
        })?;
        // As a person at the serial line.
        screen.first_password("This box has no password yet.", PASSWORD)?;
        let asked = "Type yes:";
        screen.line("install vda")?;
        screen.wait(asked)?;
        screen.line("no")?;
        screen.wait_last(">")?;
        let begins = "dd if=/dev/vda bs=512 count=2 2> /dev/null | tr -d '\\0' | wc -c";
        ensure!(director.root(begins)?.trim() == "0", "the disk was touched");
        screen.fresh()?;
        screen.line("install vda")?;
        screen.wait(asked)?;
        screen.line("yes")?;
        screen.wait_for("is written and read back", WRITTEN)?;
        lab.step("installed");
        drop(screen);
        director.power_off();

        // The disk's own boot loader, its own slot and its own configuration, and no other disk.
        let alone = Boot { name: "dir-b".into(), spare: None, firmware: Firmware::Bios, ..boot };
        let mut director = lab.power_on(&alone)?;
        let screen = Screen::attach(&director, Path::new(PROGRAM), ANSWER)?;
        director.wait_serving()?;
        lab.step("serves from the new disk");
        // The configuration came along, and so did the password.
        screen.wait_for("Password of admin:", BOOT)?;
        screen.line(PASSWORD)?;
        screen.wait_last(">")?;
        every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})
    });
}
