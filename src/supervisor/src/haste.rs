//! While the box comes up, what carries the service goes before the consoles and the bus, which
//! start at the same time and have nothing to show yet.

use std::fs;

use rustix::process::{Pid, setpriority_process};

/// Nice values (setpriority(2)): smaller goes first.
const HASTE: i32 = -10;
const USUAL: i32 = 0;

/// Threads and programs that are started from now on go first too.
pub(crate) fn begin() {
    // A box that does not let it takes a little longer, that is all.
    setpriority_process(None, HASTE).unwrap_or_default();
}

/// All threads are as any other again, and so is what they start.
pub(crate) fn end() {
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let number = thread.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(thread) = number.and_then(Pid::from_raw) {
            // One that has just ended needs nothing.
            setpriority_process(Some(thread), USUAL).unwrap_or_default();
        }
    }
}
