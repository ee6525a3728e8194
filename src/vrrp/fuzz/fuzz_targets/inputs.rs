//! See `harness::inputs`.
#![no_main]

#[allow(dead_code, reason = "each target uses its part")]
#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::inputs(data));
