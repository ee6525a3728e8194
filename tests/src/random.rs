//! Random choices that can be made again: they follow from `SEED`, which a run prints.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers that follow from a seed (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From `SEED`, or from the clock. Prints the seed.
    #[must_use]
    pub fn seeded() -> Self {
        let given = env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let now =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| u64::from(time.subsec_nanos()));
        // Zero would stay zero.
        let seed = given.unwrap_or_else(now).max(1);
        println!("SEED={seed}");
        Self(seed)
    }

    /// From 0 to 1.
    pub fn fraction(&mut self) -> f64 {
        let [high, ..] = self.next().to_be_bytes();
        f64::from(high) / 255.0
    }

    /// From 0 to `end`, without it; 0 for 0.
    pub fn below(&mut self, end: usize) -> usize {
        let [high, low, ..] = self.next().to_be_bytes();
        usize::from(u16::from_be_bytes([high, low])).checked_rem(end).unwrap_or_default()
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
