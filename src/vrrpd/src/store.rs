//! What vrrpd keeps in its run directory: the last accepted configuration, a note of its
//! addresses for kernels before 5.18, which do not say who put an address on, and a note that there
//! is a packet filter.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::sys;

const CONFIGURATION: &str = "configuration.toml";
const NOTE: &str = "addresses";
const LOCK: &str = "lock";
const FILTER: &str = "filter";

/// `IFA_PROTO` is kept since this kernel.
const TAGGING_KERNEL: (u32, u32) = (5, 18);

/// Makes the directory and takes its lock, which lasts as long as the file that is returned.
///
/// # Errors
/// `WouldBlock` when another vrrpd has it.
pub(crate) fn open(directory: &Path) -> io::Result<File> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(directory.join(LOCK))?;
    sys::lock(&lock.as_raw_fd())?;
    Ok(lock)
}

/// Keeps `text` as the last accepted configuration: the old or the new one, whole.
pub(crate) fn keep(directory: &Path, text: &str) -> io::Result<()> {
    write(directory, CONFIGURATION, text)
}

/// The last accepted configuration.
pub(crate) fn kept(directory: &Path) -> Option<String> {
    fs::read_to_string(directory.join(CONFIGURATION)).ok()
}

/// Notes addresses, if the kernel does not tag them.
pub(crate) fn note(directory: &Path, addresses: impl Iterator<Item = IpAddr>) -> io::Result<()> {
    if sys::kernel_is_at_least(TAGGING_KERNEL) {
        return Ok(());
    }
    let text: String = addresses.map(|address| format!("{address}\n")).collect();
    write(directory, NOTE, &text)
}

/// What an earlier process noted.
pub(crate) fn noted(directory: &Path) -> Vec<IpAddr> {
    let text = fs::read_to_string(directory.join(NOTE)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Notes that there is, or is no more, a packet filter of ours.
pub(crate) fn note_filter(directory: &Path, is_there: bool) -> io::Result<()> {
    if is_there { write(directory, FILTER, "") } else { fs::remove_file(directory.join(FILTER)) }
}

/// Whether there is a packet filter of ours, or of an earlier process.
pub(crate) fn has_filter(directory: &Path) -> bool {
    fs::exists(directory.join(FILTER)).unwrap_or(false)
}

fn write(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let part = directory.join(format!("{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&part)?;
    file.write_all(text.as_bytes())?;
    fs::rename(part, directory.join(name))
}
