//! Writes what the box runs onto another one of its disks: boot area, both slots and the
//! configuration partition, as they are on the disk that it runs from.
//!
//! The first mebibyte, without which nothing starts from a disk, is emptied first and written
//! last. Then all is read back and compared. The disk that the box runs from is refused, and so is
//! whatever is in use.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Advice, Mode, OFlags, fadvise};

use crate::refusal::Refusal;

/// The disks (sysfs).
const BLOCK: &str = "/sys/block";
const SECTOR: u64 = 512;
const PIECE: u64 = 1 << 20;
/// How often a piece is written before the disk, or the source of it, is called restless.
const TRIES: u32 = 3;

/// A disk of the box: its name, bytes, what is on it, and why it is not taken; empty when it is.
pub(crate) type Disk = (String, u64, String, String);

/// All disks.
///
/// # Errors
/// The disk that the box runs from is not known.
pub(crate) fn list() -> Result<Vec<Disk>, Refusal> {
    let own = own().map_err(|error| Refusal::below(format!("the disk that the box runs from: {error}")))?;
    Ok(disks(Path::new(BLOCK), &own))
}

/// Writes the system onto the disk of this name.
///
/// # Errors
/// There is no such disk, it is refused, or it does not take or keep what is written.
pub(crate) fn install(name: &str) -> Result<(), Refusal> {
    let all = list()?;
    let own = own().map_err(Refusal::below)?;
    let refused = |why: String| Refusal::failed(why, "install lists the disks");
    match all.iter().find(|disk| disk.0 == name) {
        None => return Err(refused(format!("there is no disk {name:?}"))),
        Some((.., why)) if !why.is_empty() => return Err(refused(format!("{name}: {why}"))),
        Some(_) => {}
    }
    crate::log::note(format_args!("{name} becomes a copy of {own}"));
    let open = |name: &str, flags| {
        rustix::fs::open(Path::new("/dev").join(name), flags | OFlags::CLOEXEC, Mode::empty())
            .map(File::from)
            .map_err(|error| refused(format!("{name}: {}", io::Error::from(error))))
    };
    let source = open(&own, OFlags::RDONLY)?;
    // O_EXCL of a block device: nobody else has it, no file system either.
    let target = open(name, OFlags::RDWR | OFlags::EXCL)?;
    let bytes = length(Path::new(BLOCK), &own);
    copy(&source, &target, bytes).map_err(|error| refused(format!("{name}: {error}")))?;
    crate::log::note(format_args!("{name} starts this box now, when {own} is taken away"));
    Ok(())
}

/// The name of the disk that the running slot lies on.
fn own() -> io::Result<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    // proc(5): the third field is the device, the fifth the place.
    let device = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').take(5).collect();
        (fields.get(4) == Some(&"/")).then(|| fields.get(2).copied()).flatten()
    });
    let slot = fs::canonicalize(Path::new("/sys/dev/block").join(device.unwrap_or_default()))?;
    let disk = slot.parent().and_then(Path::file_name).filter(|_| slot.join("partition").exists());
    disk.map(|name| name.to_string_lossy().into_owned())
        .ok_or_else(|| io::Error::other("the slot is no partition of a disk"))
}

fn number(path: &Path) -> u64 {
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The partitions of a disk: name, name in the table, first sector, sectors.
fn partitions(disk: &Path) -> Vec<(String, String, u64, u64)> {
    let mut found: Vec<_> = fs::read_dir(disk)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|part| part.join("partition").exists())
        .map(|part| {
            let name = part.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let uevent = fs::read_to_string(part.join("uevent")).unwrap_or_default();
            let label = uevent.lines().find_map(|line| line.strip_prefix("PARTNAME=")).unwrap_or_default();
            (name, label.to_owned(), number(&part.join("start")), number(&part.join("size")))
        })
        .collect();
    found.sort_unstable();
    found
}

/// Bytes of a disk that matter: to the end of its last partition, and a mebibyte for the backup
/// table that image/assemble puts there.
fn length(block: &Path, name: &str) -> u64 {
    let ends = partitions(&block.join(name)).into_iter().map(|(_, _, start, size)| start + size);
    ends.max().unwrap_or(0) * SECTOR + PIECE
}

fn disks(block: &Path, own: &str) -> Vec<Disk> {
    let least = length(block, own);
    let mut found: Vec<Disk> = fs::read_dir(block)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let place = entry.path();
            let bytes = number(&place.join("size")) * SECTOR;
            // What has no device is made by the kernel itself; an empty card reader has no size.
            let is_disk = place.join("device").exists() && bytes > 0;
            if !is_disk || name.starts_with("sr") || name.starts_with("fd") {
                return None;
            }
            let model = fs::read_to_string(place.join("device/model")).unwrap_or_default();
            let parts: Vec<String> = partitions(&place)
                .into_iter()
                .map(|(name, label, _, sectors)| {
                    [name, label, mebibytes(sectors * SECTOR)].join(" ").replace("  ", " ")
                })
                .collect();
            let parts = if parts.is_empty() { "no partitions".to_owned() } else { parts.join(", ") };
            let holds = [model.trim(), &parts].join(": ").trim_start_matches(": ").to_owned();
            let refused = if name == own {
                "the box runs from it".to_owned()
            } else if number(&place.join("ro")) != 0 {
                "it is read-only".to_owned()
            } else if bytes < least {
                format!("it is smaller than {}", mebibytes(least))
            } else {
                String::new()
            };
            Some((name, bytes, holds, refused))
        })
        .collect();
    found.sort_unstable();
    found
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(PIECE))
}

fn copy(source: &File, target: &File, bytes: u64) -> io::Result<()> {
    let mut read = vec![0; 1 << 20];
    let mut kept = read.clone();
    let forget = |disk: &File| fadvise(disk, 0, None, Advice::DontNeed).map_err(io::Error::from);
    // A commit goes past the whole disk's cache.
    forget(source)?;
    target.write_all_at(&kept, 0)?;
    target.sync_data()?;
    let pieces = bytes.div_ceil(PIECE);
    for at in (1..pieces).chain([0]) {
        if at == 0 {
            target.sync_data()?;
        }
        source.read_exact_at(&mut read, at * PIECE)?;
        target.write_all_at(&read, at * PIECE)?;
    }
    target.sync_all()?;
    forget(source)?;
    forget(target)?;
    for at in 0..pieces {
        for tries in 0.. {
            source.read_exact_at(&mut read, at * PIECE)?;
            target.read_exact_at(&mut kept, at * PIECE)?;
            if read == kept {
                break;
            }
            if tries == TRIES {
                return Err(io::Error::other(format!("MiB {at} is not what was written there")));
            }
            // A commit may have come between.
            target.write_all_at(&read, at * PIECE)?;
            target.sync_data()?;
            forget(source)?;
            forget(target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    #[test]
    fn the_own_disk_a_small_one_and_a_locked_one_are_refused_and_told_why() {
        let sys = tempfile::tempdir().expect("a folder");
        let disk = |name: &str, sectors: &str, ro: &str| {
            write(&sys.path().join(name).join("size"), sectors);
            write(&sys.path().join(name).join("ro"), ro);
            write(&sys.path().join(name).join("device/model"), "STICK \n");
        };
        disk("sda", "8000000", "0");
        for (file, text) in [
            ("partition", "5"),
            ("start", "602112"),
            ("size", "32768"),
            ("uevent", "PARTNAME=mark21-config\n"),
        ] {
            write(&sys.path().join("sda/sda5").join(file), text);
        }
        disk("sdb", "636928", "0");
        disk("sdc", "636927", "0");
        disk("sdd", "8000000", "1");
        disk("sde", "0", "0");
        disk("sr0", "8000000", "0");
        write(&sys.path().join("loop0/size"), "8000000");
        let found = disks(sys.path(), "sda");
        let told: Vec<(&str, &str)> =
            found.iter().map(|(name, .., refused)| (name.as_str(), refused.as_str())).collect();
        let wanted = [
            ("sda", "the box runs from it"),
            ("sdb", ""),
            ("sdc", "it is smaller than 311 MiB"),
            ("sdd", "it is read-only"),
        ];
        assert_eq!(told, wanted);
        assert_eq!(found[0].2, "STICK: sda5 mark21-config 16 MiB");
        assert_eq!((found[1].1, found[1].2.as_str()), (636_928 * 512, "STICK: no partitions"));
    }

    #[test]
    fn every_byte_is_copied_and_what_lies_behind_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let [source, target] = ["source", "target"].map(|name| {
            File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(folder.path().join(name))
                .expect("made")
        });
        let bytes: Vec<u8> = (0..3 * PIECE).map(|at| (at / 1000 % 251).to_le_bytes()[0]).collect();
        source.write_all_at(&bytes, 0).expect("written");
        target.write_all_at(&vec![0xa5; 4 << 20], 0).expect("written");
        copy(&source, &target, 3 * PIECE).expect("copied");
        let mut found = vec![0; 4 << 20];
        target.read_exact_at(&mut found, 0).expect("read");
        assert!(found.starts_with(&bytes));
        assert!(found[3 << 20..].iter().all(|byte| *byte == 0xa5));
    }
}
