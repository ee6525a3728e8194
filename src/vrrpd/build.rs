//! Leaves what only unwinding needs out of a file that ships, of vrrpd and of mark21: a panic ends
//! the process there.
//!
//! The compiler cannot be told so for one profile by Cargo's own file, so the linker is told.

use std::path::PathBuf;
use std::{env, fs};

/// Tables that a panic would unwind the stack by, a tenth of the file. Read by lld and by GNU ld.
const NO_UNWINDING: &str = "SECTIONS
{
  /DISCARD/ : { *(.eh_frame) *(.eh_frame_hdr) *(.gcc_except_table .gcc_except_table.*) }
}
INSERT AFTER .text;
";

fn main() {
    println!("cargo::rerun-if-env-changed=PROFILE");
    let is = |variable, value: &str| env::var(variable).is_ok_and(|own| own == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        let script = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("no-unwinding.ld");
        fs::write(&script, NO_UNWINDING).expect("Cargo's folder for what is generated can be written");
        // Relocations of a position-independent program are kept as bits (RELR; glibc from 2.36 on, musl
        // from 1.2.4 on, read them). Stripped here as well: Cargo forgets that where a program has an
        // override in its profile.
        let script = script.to_string_lossy();
        for argument in ["-T", &script, "--no-eh-frame-hdr", "-z", "pack-relative-relocs", "--strip-all"] {
            println!("cargo::rustc-link-arg-bins=-Wl,{argument}");
        }
        // Functions of the same code are kept once: the address of a function means nothing in Rust.
        // lld alone can do it, which Rust links this one target with (x86_64-unknown-linux-gnu), unless
        // it is told of another linker, as by Buildroot; there the flags name lld.
        let is_default = is("CARGO_CFG_TARGET_ARCH", "x86_64")
            && is("CARGO_CFG_TARGET_ENV", "gnu")
            && env::var_os("RUSTC_LINKER").is_none();
        let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
        let is_lld = is_default || flags.contains("-fuse-ld=lld");
        if is("CARGO_PKG_NAME", "mark21") && is_lld {
            println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        }
    }
}
