//! The disk image boots, again and again, on both kinds of firmware.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::ftp::Mode;
use mark21_lab::process::run;
use mark21_lab::qemu::Firmware;
use mark21_lab::scenario::tests_directory;
use mark21_lab::topology::{Segment, client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, scenario};

/// What the kernel, the file systems in memory and every program need of a small box.
const MOST_MEMORY_KIB: u64 = 64 << 10;

#[test]
fn the_image_boots_on_bios_and_after_reboot_and_power_cut() {
    scenario(|lab| {
        let microcode = microcode(lab)?;
        let firmware = Firmware::Bios;
        let boot = Boot { firmware, microcode: Some(microcode.clone()), ..Boot::with_file("single.toml")? };
        let mut director = lab.boot(&boot)?;
        director.agent.wait_ready(BOOT)?;
        lab.step("booted");
        // Programs come from the slot alone, devices from /dev alone, and no file changes a user.
        let loose = r#"awk '$4 !~ /nosuid/ || ($4 !~ /noexec/ && $2 != "/") ||
            ($4 !~ /nodev/ && $2 !~ "^/dev") || ($2 == "/" && $4 !~ /^ro/)' /proc/mounts"#;
        let loose = director.root(loose)?;
        ensure!(loose.is_empty(), "mounted with too many rights:\n{loose}");
        let random = director.root("cat /proc/sys/kernel/randomize_va_space")?;
        ensure!(random.trim() == "2", "programs start at known addresses: {random}");
        has_got(&mut director, &microcode)?;
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
        let used = director.memory_in_use()?;
        lab.step(&format!("serves, with {} MiB of memory in use", used >> 10));
        ensure!(used <= MOST_MEMORY_KIB, "{used} KiB of memory are in use");
        Ok(())
    });
}

#[test]
fn the_image_boots_on_uefi_and_serves() {
    scenario(|lab| {
        let microcode = microcode(lab)?;
        let firmware = Firmware::Uefi;
        let boot = Boot { firmware, microcode: Some(microcode.clone()), ..Boot::with_file("single.toml")? };
        let mut director = lab.boot(&boot)?;
        lab.start_ftp_servers(&Settings::default())?;
        director.wait_serving()?;
        director.root("test -d /sys/firmware/efi")?;
        has_got(&mut director, &microcode)?;
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

/// The microcode of the image (`MARK21_MICROCODE`); where it has none, as the quick one, a file that
/// is large enough to be seen. An emulated processor takes neither.
fn microcode(lab: &Lab) -> Result<PathBuf> {
    if let Some(named) = env::var_os("MARK21_MICROCODE") {
        return Ok(named.into());
    }
    let firmware = lab.directory.join("firmware");
    for (file, head) in [("intel-ucode/06-0f-02", &[1, 0, 0, 0]), ("amd-ucode/microcode_amd.bin", b"DMA\0")] {
        let path = firmware.join(file);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(path, [head, vec![0; 4 << 20].as_slice()].concat())?;
    }
    let out = lab.directory.join("microcode.img");
    let mut command = Command::new(tests_directory().join("../image/microcode"));
    command.arg("--out").arg(&out).arg(&firmware);
    run(command, ANSWER)?.success().context("image/microcode")?;
    Ok(out)
}

/// The boot loader has handed it over, whole, and its memory was given back.
fn has_got(director: &mut Director, microcode: &Path) -> Result {
    let bytes = fs::metadata(microcode)?.len();
    let said = director.root("dmesg | grep -E 'RAMDISK|Freeing initrd memory'")?;
    let range =
        said.split_once("[mem ").and_then(|(_, range)| range.split_once(']')).context(said.clone())?;
    let (first, last) = range.0.split_once('-').context(said.clone())?;
    let address = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16);
    ensure!(address(last)? - address(first)? + 1 >= bytes, "{bytes} bytes were to be handed over: {said}");
    let freed = said.split_once("Freeing initrd memory: ").and_then(|(_, rest)| rest.split_once('K'));
    let freed: u64 = freed.context(said.clone())?.0.parse()?;
    ensure!(freed >= bytes >> 10, "{bytes} bytes were to be given back: {said}");
    Ok(())
}
