//! A USB stick with FAT: read from and written to when an operator asks, and at no other time.
//!
//! It is mounted for that moment, in a folder that is root's alone, without programs, devices or
//! changes of user. The disk that the box runs from is never taken for one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::refusal::Refusal;

/// How long a stick that was just plugged in may take to be there.
const PATIENCE: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(200);
/// Longest file read: a backup holds two texts of the longest kind.
const MOST_BYTES: usize = 4 * mark21_config::limits::TEXT_BYTES;
/// Longest file name.
const MOST_LETTERS: usize = 64;
/// What brings a stick up; what is in the kernel already, or not there at all, does no harm.
const MODULES: [&str; 9] =
    ["xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd", "usb_storage", "uas", "sd_mod", "vfat", "nls_cp437"];
/// The block devices (sysfs).
const BLOCK: &str = "/sys/class/block";
/// Partitions of a Mark21 disk are named so.
const OURS: &str = "PARTNAME=mark21-";

/// The file's text.
///
/// # Errors
/// There is no stick, no such file, or it is no text of a bearable length.
pub(crate) fn read(run: &Path, name: &str) -> Result<String, Refusal> {
    let name = checked(name)?;
    with_stick(run, MountFlags::RDONLY, |folder| {
        let file = File::open(folder.join(name))?;
        let mut text = Vec::new();
        file.take(MOST_BYTES as u64 + 1).read_to_end(&mut text)?;
        if text.len() > MOST_BYTES {
            return Err(io::Error::other(format!("it is longer than {} MiB", MOST_BYTES >> 20)));
        }
        String::from_utf8(text).map_err(|_| io::Error::other("it is no UTF-8 text"))
    })
    .map_err(|error| at(name, &error))
}

/// Writes a file, or another one in its place.
///
/// # Errors
/// There is no stick, or it is full or locked.
pub(crate) fn write(run: &Path, name: &str, text: &str) -> Result<(), Refusal> {
    let name = checked(name)?;
    with_stick(run, MountFlags::empty(), |folder| {
        let mut file = File::create(folder.join(name))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
    .map_err(|error| at(name, &error))
}

/// The names of the files in its top folder.
///
/// # Errors
/// There is no stick.
pub(crate) fn list(run: &Path) -> Result<Vec<String>, Refusal> {
    with_stick(run, MountFlags::RDONLY, |folder| {
        let mut names: Vec<String> = fs::read_dir(folder)?
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| checked(name).is_ok())
            .take(100)
            .collect();
        names.sort_unstable();
        Ok(names)
    })
    .map_err(|error| at("the stick", &error))
}

/// Letters, digits, dots, dashes: no path, nothing hidden.
fn checked(name: &str) -> Result<&str, Refusal> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    match name.len() <= MOST_LETTERS
        && !name.starts_with('.')
        && !name.is_empty()
        && name.chars().all(is_plain)
    {
        true => Ok(name),
        false => Err(Refusal::wrong(
            format!("{name:?} is no name on a stick"),
            format!("it has at most {MOST_LETTERS} letters, digits, dots and dashes, and no folder"),
        )),
    }
}

fn at(name: &str, error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        None if error.kind() == io::ErrorKind::NotFound => {
            Refusal::failed(error.to_string(), "plug one in, and try once more")
        }
        _ => Refusal::failed(format!("{name}: {error}"), "load --usb lists what is on the stick"),
    }
}

fn with_stick<T>(run: &Path, flags: MountFlags, work: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = run.join("stick");
    match std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    load_drivers();
    let begun = Instant::now();
    loop {
        for device in sticks(Path::new(BLOCK)) {
            let flags = flags | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            if mount(&device, &folder, "vfat", flags, None).is_ok() {
                let done = work(&folder);
                // The work is done either way, and what was written is told as written only now.
                let released = unmount(&folder, UnmountFlags::empty()).map_err(io::Error::from);
                return done.and_then(|done| released.map(|()| done));
            }
        }
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no USB stick with a FAT file system is there",
            ));
        }
        thread::sleep(LOOK);
    }
}

/// Loads what brings a stick up, where it can still be loaded.
pub(crate) fn load_drivers() {
    let mut command = Command::new("/sbin/modprobe");
    command
        .arg("-abq")
        .args(MODULES)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(error) = command.status() {
        crate::log::error(format_args!("modprobe: {error}"));
    }
}

/// Block devices behind USB that are not the box's own disk; partitions first.
fn sticks(block: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(bool, PathBuf)> = Vec::new();
    for entry in fs::read_dir(block).into_iter().flatten().flatten() {
        let Ok(place) = entry.path().canonicalize() else { continue };
        if !place.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb")) {
            continue;
        }
        let is_partition = place.join("partition").exists();
        let disk = if is_partition { place.parent().unwrap_or(&place) } else { &place };
        if !is_ours(disk) {
            found.push((!is_partition, Path::new("/dev").join(entry.file_name())));
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, device)| device).collect()
}

fn is_ours(disk: &Path) -> bool {
    let partitions = fs::read_dir(disk).into_iter().flatten().flatten();
    partitions
        .filter_map(|entry| fs::read_to_string(entry.path().join("uevent")).ok())
        .any(|text| text.lines().any(|line| line.starts_with(OURS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for good in ["mark21.toml", "director-a.m21", "A_1"] {
            assert_eq!(checked(good), Ok(good));
        }
        for wrong in ["", ".", "..", ".hidden", "a/b", "../etc/shadow", "a b", &"x".repeat(65)] {
            assert!(checked(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_what_is_behind_usb_and_not_our_own_is_a_stick() {
        let sys = tempfile::tempdir().expect("a folder");
        let block = sys.path().join("block");
        fs::create_dir(&block).expect("made");
        let disk = |place: &str, name: &str, partition: &str, uevent: &str| {
            let disk = sys.path().join(place).join(name);
            let part = disk.join(partition);
            fs::create_dir_all(&part).expect("made");
            fs::write(part.join("partition"), "1").expect("written");
            fs::write(part.join("uevent"), uevent).expect("written");
            std::os::unix::fs::symlink(&disk, block.join(name)).expect("linked");
            std::os::unix::fs::symlink(&part, block.join(partition)).expect("linked");
        };
        disk("pci/usb1/1-1", "sda", "sda1", "DEVTYPE=partition\n");
        disk("pci/usb1/1-2", "sdb", "sdb1", "PARTNAME=mark21-a\n");
        disk("pci/ata1", "sdc", "sdc1", "");
        let wanted: Vec<PathBuf> = ["/dev/sda1", "/dev/sda"].map(PathBuf::from).into();
        assert_eq!(sticks(&block), wanted);
    }
}
