//! Waiting for something to become true, with a bound.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::Result;

/// Shortest pause between two looks, short beside everything that is waited for.
const SHORTEST: Duration = Duration::from_millis(20);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(2);

/// How long to wait until the next look. A look into a director is work for an emulated processor,
/// which has better to do: looks take a quarter of the time at most, and are rarer the longer the wait
/// is.
fn pause(look: Duration, so_far: Duration) -> Duration {
    (3 * look).max(so_far / 20).clamp(SHORTEST, LONGEST)
}

/// Look until `look` finds something, at most for `limit`.
///
/// # Errors
/// When the time is over; the text names `what` and the last reason that `look`
/// gave for not finding it.
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        let begun = Instant::now();
        match look() {
            Ok(found) => return Ok(found),
            Err(reason) if start.elapsed() >= limit => {
                return Err(reason.context(anyhow!("{what}: not within {limit:?}")));
            }
            Err(_) => {
                let so_far = start.elapsed();
                // The last look is at the limit, not behind it.
                thread::sleep(pause(begun.elapsed(), so_far).min(limit.saturating_sub(so_far)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[test]
    fn the_last_reason_is_told_when_the_time_is_over() {
        let mut looks = 0;
        let error = eventually::<()>("the moon", Duration::from_millis(50), || {
            looks += 1;
            Err(anyhow!("look {looks}: clouds"))
        })
        .expect_err("it was never found");
        assert_eq!(error.to_string(), "the moon: not within 50ms");
        assert!(error.root_cause().to_string().ends_with(": clouds"));
    }

    #[test]
    fn what_is_found_is_returned() {
        let mut looks = 0;
        let found = eventually("the third look", Duration::from_secs(5), || {
            looks += 1;
            ensure!(looks == 3, "only look {looks}");
            Ok(looks)
        });
        assert_eq!(found.expect("found"), 3);
    }
}
