//! The only clock that cannot be set.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the kernel started, suspended time included (`CLOCK_BOOTTIME`).
pub(crate) fn since_kernel_start() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}
