//! Seeded runs: a small generator, and a runner that names the seed of a run that fails.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// 0..bound; 0 when the bound is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// Both ends included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(crate) fn octet(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).expect("small"))).expect("below a length")
    }

    /// True in `per_mille` of 1000 cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}

/// Runs `run` with `count` different seeds (`TIMES` in the environment: so many times as many), or
/// with the one of `SEED`. A failure prints the seed that brings it back.
pub(crate) fn runs(count: u64, run: impl Fn(&mut Rng)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("SEED") {
        return run(&mut Rng::new(seed));
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let mut seeds = Rng::new(u64::from(since.subsec_nanos()) ^ since.as_secs() << 30);
    for _ in 0..count * number("TIMES").unwrap_or(1) {
        let seed = seeds.next();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut Rng::new(seed))));
        if let Err(panic) = outcome {
            eprintln!("failed with SEED={seed}");
            resume_unwind(panic);
        }
    }
}
