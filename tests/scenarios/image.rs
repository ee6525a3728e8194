//! The disk image boots, again and again, on both kinds of firmware.

use anyhow::ensure;
use mark21_lab::director::BOOT;
use mark21_lab::ftp::Mode;
use mark21_lab::qemu::Firmware;
use mark21_lab::topology::{Segment, client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Result, eventually, scenario};

/// What the kernel, the file systems in memory and every program need of a small box.
const MOST_MEMORY_KIB: u64 = 64 << 10;

#[test]
fn the_image_boots_on_bios_and_after_reboot_and_power_cut() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot { firmware: Firmware::Bios, ..Boot::with_file("single.toml")? })?;
        director.agent.wait_ready(BOOT)?;
        lab.step("booted");
        // Programs come from the slot alone, devices from /dev alone, and no file changes a user.
        let loose = r#"awk '$4 !~ /nosuid/ || ($4 !~ /noexec/ && $2 != "/") ||
            ($4 !~ /nodev/ && $2 !~ "^/dev") || ($2 == "/" && $4 !~ /^ro/)' /proc/mounts"#;
        let loose = director.root(loose)?;
        ensure!(loose.is_empty(), "mounted with too many rights:\n{loose}");
        let id = "cat /proc/sys/kernel/random/boot_id";
        let first = director.root(id)?;
        director.reboot()?;
        director.agent.wait_ready(BOOT)?;
        lab.step("rebooted from inside");
        let second = director.root(id)?;
        director.power_cut()?;
        director.agent.wait_ready(BOOT)?;
        lab.step("back after a power cut");
        let third = director.root(id)?;
        ensure!(first != second && second != third, "{first} {second} {third}");
        director.wait_serving()?;
        let used = "awk '/^MemTotal/ { all = $2 } /^MemAvailable/ { free = $2 } END { print all - free }' /proc/meminfo";
        let used: u64 = director.root(used)?.trim().parse()?;
        lab.step(&format!("serves, with {} MiB of memory in use", used >> 10));
        ensure!(used <= MOST_MEMORY_KIB, "{used} KiB of memory are in use");
        Ok(())
    });
}

#[test]
fn the_image_boots_on_uefi_and_serves() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot { firmware: Firmware::Uefi, ..Boot::with_file("single.toml")? })?;
        lab.start_ftp_servers(&Settings::default())?;
        director.wait_serving()?;
        director.root("test -d /sys/firmware/efi")?;
        every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})
    });
}

#[test]
fn a_pulled_cable_is_seen_inside() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_nothing())?;
        director.agent.wait_ready(BOOT)?;
        director.root("ip link set eth0 up")?;
        for (up, expected) in [(true, "1"), (false, "0"), (true, "1")] {
            director.set_link(Segment::Outside, up)?;
            eventually("the carrier", BOOT, || -> Result {
                let carrier = director.root("cat /sys/class/net/eth0/carrier")?;
                ensure!(carrier.trim() == expected, "carrier is {carrier}, not {expected}");
                Ok(())
            })?;
        }
        Ok(())
    });
}
