//! Leaves what only unwinding needs out of the file that ships: a panic ends the process there.
//!
//! The compiler cannot be told so for one profile by Cargo's own file, so the linker is told.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=no-unwinding.ld");
    let is = |variable, value: &str| env::var(variable).is_ok_and(|own| own == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        let script = format!("{}/no-unwinding.ld", env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
        // The last one keeps the relocations of a position-independent program as bits (RELR; glibc from
        // 2.36 on, musl from 1.2.4 on, read them).
        for argument in ["-T", &script, "--no-eh-frame-hdr", "-z", "pack-relative-relocs"] {
            println!("cargo::rustc-link-arg-bins=-Wl,{argument}");
        }
    }
}
