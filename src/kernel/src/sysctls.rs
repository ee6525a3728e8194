//! Kernel settings by /proc/sys.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use mark21_reconcile::{IPV4_FORWARDING, IPV6_FORWARDING, Sysctl};

use crate::error::ObserveError;

/// The value, without white space at its ends; `None` where there is no such setting.
pub(crate) fn read(path: &str) -> Result<Option<String>, ObserveError> {
    match fs::read_to_string(full(path)) {
        Ok(value) => Ok(Some(value.split_whitespace().collect::<Vec<_>>().join(" "))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ObserveError { what: full(path).display().to_string(), cause: error.into() }),
    }
}

/// The values of those that exist.
pub(crate) fn observe<'a>(
    paths: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>, ObserveError> {
    let mut values = BTreeMap::new();
    for path in paths {
        if let Some(value) = read(path)? {
            values.insert(path.to_owned(), value);
        }
    }
    Ok(values)
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
