//! Why the machine started: what its hardware watchdog remembers of it.

use std::fs;
use std::path::Path;

use mark21_api::status::Reset;

/// Where the first watchdog's driver tells (Documentation/ABI/testing/sysfs-class-watchdog).
pub(crate) const BOOT_STATUS: &str = "/sys/class/watchdog/watchdog0/bootstatus";

/// What each bit means (linux/watchdog.h, `WDIOF_*`); the first that is set is told.
const BITS: [(u32, Reset); 7] = [
    (0x20, Reset::Watchdog),
    (0x01, Reset::Heat),
    (0x02, Reset::Fan),
    (0x10, Reset::Voltage),
    (0x40, Reset::Voltage),
    (0x04, Reset::External),
    (0x08, Reset::External),
];

/// Reads it; without a watchdog nothing is known.
pub(crate) fn read(path: &Path) -> Reset {
    meaning(fs::read_to_string(path).unwrap_or_default().trim())
}

fn meaning(status: &str) -> Reset {
    let status: u32 = status.parse().unwrap_or(0);
    BITS.iter().find(|(bit, _)| status & bit != 0).map_or(Reset::Unknown, |(_, reset)| *reset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_comes_before_what_else_it_saw_and_nothing_is_unknown() {
        let cases =
            [("32", Reset::Watchdog), ("33", Reset::Watchdog), ("1", Reset::Heat), ("0", Reset::Unknown)];
        for (status, wanted) in cases {
            assert_eq!(meaning(status), wanted, "{status}");
        }
        assert_eq!(meaning(""), Reset::Unknown);
    }
}
