//! One line per event to standard error, with systemd's priority prefix, never waiting.
//!
//! A pipe or a terminal that nobody reads must not hold up a failover, so a line that cannot be
//! written at once is dropped and counted.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// sd-daemon(3)'s levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
}

static DROPPED: AtomicU64 = AtomicU64::new(0);
static HAS_PREFIX: AtomicBool = AtomicBool::new(false);

/// Prefixes are for systemd, which sets `JOURNAL_STREAM`, or on demand.
pub(crate) fn begin(wants_prefix: bool) {
    let is_wanted = wants_prefix || std::env::var_os("JOURNAL_STREAM").is_some();
    HAS_PREFIX.store(is_wanted, Ordering::Relaxed);
}

/// Lines that were dropped.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Writes a line.
pub(crate) fn write(level: Level, line: fmt::Arguments<'_>) {
    let stderr = std::io::stderr();
    let prefix =
        if HAS_PREFIX.load(Ordering::Relaxed) { format!("<{}>", level as u8) } else { String::new() };
    let mut text = format!("{prefix}{line}");
    // A message is one line, whatever it quotes.
    text.retain(|c| c != '\n' && c != '\r');
    text.push('\n');
    // Lines are far below PIPE_BUF, which is what "writable" promises.
    if !crate::sys::is_writable(&stderr) || stderr.lock().write_all(text.as_bytes()).is_err() {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

macro_rules! error { ($($part:tt)*) => { $crate::log::write($crate::log::Level::Error, format_args!($($part)*)) } }
macro_rules! warning { ($($part:tt)*) => { $crate::log::write($crate::log::Level::Warning, format_args!($($part)*)) } }
macro_rules! notice { ($($part:tt)*) => { $crate::log::write($crate::log::Level::Notice, format_args!($($part)*)) } }
macro_rules! info { ($($part:tt)*) => { $crate::log::write($crate::log::Level::Info, format_args!($($part)*)) } }
pub(crate) use {error, info, notice, warning};
