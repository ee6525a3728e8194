//! Kernel settings by /proc/sys.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use mark21_reconcile::{IPV4_FORWARDING, IPV6_FORWARDING, Sysctl};

use crate::error::ObserveError;

/// The value, without white space at its ends; `None` where there is no such setting.
pub(crate) fn read(path: &str) -> Result<Option<String>, ObserveError> {
    match fs::read_to_string(full(path)) {
        Ok(value) => Ok(Some(words(&value))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ObserveError { what: full(path).display().to_string(), cause: error.into() }),
    }
}

/// Settings that are read again and again, by files that stay open: to find one of them by its path
/// takes ten times as long as to read it.
#[derive(Debug, Default)]
pub(crate) struct Settings(BTreeMap<String, File>);

impl Settings {
    /// The values of those that exist.
    pub(crate) fn observe<'a>(
        &mut self,
        paths: impl Iterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, String>, ObserveError> {
        let mut values = BTreeMap::new();
        for path in paths {
            if let Some(value) = self.read(path)? {
                values.insert(path.to_owned(), value);
            }
        }
        Ok(values)
    }

    /// As [`read`].
    pub(crate) fn read(&mut self, path: &str) -> Result<Option<String>, ObserveError> {
        // A setting that went with its device, and came again with it, is another file.
        if let Some(value) = self.0.get(path).and_then(short) {
            return Ok(Some(value));
        }
        self.0.remove(path);
        let value = read(path)?;
        if value.is_some()
            && let Ok(file) = File::open(full(path))
        {
            self.0.insert(path.to_owned(), file);
        }
        Ok(value)
    }
}

/// The value, if it can be read and is a short one, as numbers are.
fn short(file: &File) -> Option<String> {
    let mut room = [0; 64];
    let length = file.read_at(&mut room, 0).ok().filter(|length| *length < room.len())?;
    std::str::from_utf8(room.get(..length)?).ok().map(words)
}

/// Without white space at its ends, and one space between its words.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sets one.
pub(crate) fn apply(sysctl: &Sysctl) -> io::Result<()> {
    write(&sysctl.path, &sysctl.value)
}

/// Switches forwarding of both families. A kernel without IPv6 has nothing to switch there.
pub(crate) fn forward(on: bool) -> io::Result<()> {
    let value = if on { "1" } else { "0" };
    write(IPV4_FORWARDING, value)?;
    match write(IPV6_FORWARDING, value) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Sets the one of this path.
pub(crate) fn write(path: &str, value: &str) -> io::Result<()> {
    // Opened for writing only: /proc/sys neither creates nor truncates.
    let mut file = fs::OpenOptions::new().write(true).open(full(path))?;
    io::Write::write_all(&mut file, value.as_bytes())
}

fn full(path: &str) -> PathBuf {
    Path::new("/proc/sys").join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_reads_the_same_by_its_path_and_by_its_open_file() {
        let mut settings = Settings::default();
        for path in ["kernel/ostype", "net/ipv4/ip_local_port_range", "kernel/no/such"] {
            let by_path = read(path).expect("readable, or not there");
            for _ in 0..3 {
                assert_eq!(settings.read(path).expect("the same"), by_path, "{path}");
            }
            assert_eq!(settings.0.contains_key(path), by_path.is_some(), "{path}");
        }
    }
}
