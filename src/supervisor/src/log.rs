//! The supervisor's log: a bounded ring in memory; what is wrong goes to standard error too.
//!
//! Standard error is the console, where an operator types, and the journal where systemd is the
//! parent. Nothing is written to a disk.

use std::collections::VecDeque;
use std::fmt::Arguments;
use std::io::IsTerminal;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mark21_api::lines::{COLUMNS, fold_lines};
use tokio::sync::watch;

/// Lines kept; at 100 bytes a line that is 200 kB.
const LINES_KEPT: usize = 2000;
/// Severities of RFC 5424 section 6.2.1.
const ERROR: u8 = 3;
const INFORMATIONAL: u8 = 6;

static RING: Mutex<VecDeque<Entry>> = Mutex::new(VecDeque::new());
/// The number of the newest entry.
static NEWEST: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// From 1, without gaps.
    pub(crate) number: u64,
    /// When, since the kernel started.
    pub(crate) at: Duration,
    /// Of RFC 5424 section 6.2.1.
    pub(crate) severity: u8,
    pub(crate) text: String,
}

/// Something that an operator wants to know later.
pub(crate) fn note(text: Arguments<'_>) {
    keep(format_args!("{text}"));
}

/// Something that an operator at the console must hear of now.
pub(crate) fn announce(text: Arguments<'_>) {
    say(format_args!("mark21d: {text}"));
    keep(format_args!("{text}"));
}

/// Something that is wrong.
pub(crate) fn error(text: Arguments<'_>) {
    say(format_args!("mark21d: error: {text}"));
    keep_as(ERROR, format_args!("error: {text}"));
}

/// The newest `count` lines, oldest first; each starts with the seconds since the kernel started.
pub(crate) fn newest(count: usize) -> Vec<String> {
    let ring = ring();
    let line = |entry: &Entry| format!("{:>10.3} {}", entry.at.as_secs_f64(), entry.text);
    ring.iter().skip(ring.len().saturating_sub(count)).map(line).collect()
}

/// The oldest `most` entries behind the one with this number that are still kept.
pub(crate) fn behind(number: u64, most: usize) -> Vec<Entry> {
    let ring = ring();
    let from = ring.partition_point(|entry| entry.number <= number);
    ring.iter().skip(from).take(most).cloned().collect()
}

/// Tells when there is a newer entry.
pub(crate) fn watch() -> watch::Receiver<u64> {
    NEWEST.subscribe()
}

/// A journal breaks lines as its reader wants them; a serial line is as narrow as it is.
fn say(text: Arguments<'_>) {
    let text = text.to_string();
    let is_narrow = std::io::stderr().is_terminal();
    eprintln!("{}", if is_narrow { fold_lines(&text, COLUMNS) } else { text });
}

fn keep(text: Arguments<'_>) {
    keep_as(INFORMATIONAL, text);
}

fn keep_as(severity: u8, text: Arguments<'_>) {
    let at = crate::clock::since_kernel_start();
    let mut ring = ring();
    let number = ring.back().map_or(1, |newest| newest.number + 1);
    if ring.len() == LINES_KEPT {
        ring.pop_front();
    }
    ring.push_back(Entry { number, at, severity, text: text.to_string() });
    drop(ring);
    NEWEST.send_replace(number);
}

fn ring() -> MutexGuard<'static, VecDeque<Entry>> {
    RING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_numbered_without_gaps_and_found_by_their_number() {
        let before = *watch().borrow();
        (0..3).for_each(|n| note(format_args!("line {n}")));
        // Other tests may log at the same time.
        let numbers: Vec<u64> = behind(before, 3).iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [before + 1, before + 2, before + 3]);
    }
}
