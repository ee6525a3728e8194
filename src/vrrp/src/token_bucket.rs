//! A bound on how often something is done: so many at once, then one per period.

use core::time::Duration;

use crate::time::Instant;

/// A token bucket that needs no timer: it remembers when it will be full again.
///
/// A period of zero means no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    burst: u32,
    period: Duration,
    full_at: Instant,
}

impl TokenBucket {
    /// Full at first: `burst` tokens at once (at least 1), then one per `period`.
    pub const fn new(burst: u32, period: Duration) -> TokenBucket {
        TokenBucket { burst: if burst == 0 { 1 } else { burst }, period, full_at: Instant::EPOCH }
    }

    /// Takes up to `wanted` tokens and says how many it took.
    pub fn take(&mut self, now: Instant, wanted: u32) -> u32 {
        if self.period.is_zero() {
            return wanted;
        }
        let taken = wanted.min(self.available(now));
        let debt_from = self.full_at.max(now);
        self.full_at = debt_from + self.period.saturating_mul(taken);
        taken
    }

    /// Takes one token if there is one.
    pub fn take_one(&mut self, now: Instant) -> bool {
        self.take(now, 1) == 1
    }

    /// When at least one token will be there; `now` if one is.
    pub fn ready_at(&self, now: Instant) -> Instant {
        // Full minus (burst - 1) periods is the instant at which the first token is whole.
        self.full_at.saturating_sub(self.period.saturating_mul(self.burst - 1)).max(now)
    }

    fn available(&self, now: Instant) -> u32 {
        let debt = self.full_at.saturating_duration_since(now).as_nanos();
        let missing = debt.div_ceil(self.period.as_nanos().max(1));
        self.burst.saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_epoch(Duration::from_millis(millis))
    }

    #[test]
    fn a_burst_is_granted_then_one_per_period() {
        let mut bucket = TokenBucket::new(3, Duration::from_millis(100));
        assert_eq!(bucket.take(at(1000), 5), 3);
        assert_eq!(bucket.take(at(1000), 1), 0);
        assert_eq!(bucket.ready_at(at(1000)), at(1100));
        assert_eq!(bucket.take(at(1099), 1), 0);
        assert_eq!(bucket.take(at(1100), 9), 1);
        assert_eq!(bucket.take(at(1400), 9), 3);
    }

    #[test]
    fn a_period_of_zero_bounds_nothing() {
        let mut bucket = TokenBucket::new(1, Duration::ZERO);
        assert_eq!(bucket.take(at(0), 1_000_000), 1_000_000);
        assert_eq!(bucket.ready_at(at(0)), at(0));
    }

    #[test]
    fn a_million_asks_in_ten_seconds_get_burst_plus_ten_seconds_worth() {
        let mut bucket = TokenBucket::new(4, Duration::from_millis(50));
        let granted: u32 = (0..1_000_000_u64)
            .map(|n| bucket.take(Instant::from_epoch(Duration::from_micros(n * 10)), 1))
            .sum();
        assert_eq!(granted, 4 + 199);
    }
}
