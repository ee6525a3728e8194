//! The caller's monotonic clock, as a type that cannot be confused with wall-clock time.

use core::ops::Add;
use core::time::Duration;

/// A point on a clock that never steps, counted from an epoch that the caller chooses
/// (on Linux: `CLOCK_MONOTONIC` or `CLOCK_BOOTTIME`, never `CLOCK_REALTIME`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(Duration);

impl Instant {
    /// The caller's epoch.
    pub const EPOCH: Instant = Instant(Duration::ZERO);

    /// The instant `elapsed` after the epoch.
    pub const fn from_epoch(elapsed: Duration) -> Instant {
        Instant(elapsed)
    }

    /// Time since the epoch.
    pub const fn since_epoch(self) -> Duration {
        self.0
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn saturating_duration_since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant `duration` before `self`; the epoch when there is none.
    pub const fn saturating_sub(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_sub(duration))
    }
}

/// Saturates at the end of time (584 billion years), so that arithmetic cannot panic.
impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(duration))
    }
}
