//! The supervisor's log: a bounded ring in memory; what is wrong goes to standard error too.
//!
//! Standard error is the console, where an operator types, and the journal where systemd is the
//! parent. Nothing is written to a disk.

use std::collections::VecDeque;
use std::fmt::Arguments;
use std::sync::Mutex;

/// Lines kept; at 100 bytes a line that is 200 kB.
const LINES_KEPT: usize = 2000;

static RING: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Something that an operator wants to know later.
pub(crate) fn note(text: Arguments<'_>) {
    keep(format_args!("{text}"));
}

/// Something that an operator at the console must hear of now.
pub(crate) fn announce(text: Arguments<'_>) {
    eprintln!("mark21d: {text}");
    keep(format_args!("{text}"));
}

/// Something that is wrong.
pub(crate) fn error(text: Arguments<'_>) {
    eprintln!("mark21d: error: {text}");
    keep(format_args!("error: {text}"));
}

/// The newest `count` lines, oldest first; each starts with the seconds since the kernel started.
pub(crate) fn newest(count: usize) -> Vec<String> {
    let ring = RING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ring.iter().skip(ring.len().saturating_sub(count)).cloned().collect()
}

fn keep(text: Arguments<'_>) {
    let since_boot = crate::clock::since_kernel_start();
    let line = format!("{:>10.3} {text}", since_boot.as_secs_f64());
    let mut ring = RING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if ring.len() == LINES_KEPT {
        ring.pop_front();
    }
    ring.push_back(line);
}
