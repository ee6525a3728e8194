//! The crate and all below it do without the standard library.
//!
//! A program that has its own panic handler is checked against it. With `std` anywhere in its
//! dependency graph there would be two handlers, which the compiler refuses (E0152).

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const MANIFEST: &str = r#"
[package]
name = "NAME"
version = "0.0.0"
edition = "2024"

[lib]
path = "lib.rs"

[dependencies]
mark21-config = { path = "PATH" }

[workspace]
"#;

const PROGRAM: &str = r#"
#![no_std]
use mark21_config::Parsed;
pub fn read(text: &str) -> Option<Parsed> {
    mark21_config::parse(text).ok()
}
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
"#;

#[test]
fn the_crate_builds_where_std_would_be_refused() {
    let output = check("proof", PROGRAM);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_check_does_refuse_std() {
    let output = check("counter-proof", &PROGRAM.replace("#![no_std]", "#![no_std]\nextern crate std;"));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && message.contains("E0152"), "{message}");
}

/// `cargo check` of a package that depends on this crate and consists of `program`.
fn check(name: &str, program: &str) -> Output {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&package).expect("the package's folder");
    let manifest = MANIFEST.replace("NAME", name).replace("PATH", here.to_str().expect("the path is text"));
    write(&package.join("Cargo.toml"), &manifest);
    write(&package.join("lib.rs"), program);
    // The same versions as everywhere in the workspace.
    let lock = fs::read_to_string(here.join("../../Cargo.lock")).expect("the workspace's lock file");
    write(&package.join("Cargo.lock"), &lock);
    Command::new(env!("CARGO"))
        .args(["check", "--offline", "--quiet", "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("target"))
        .output()
        .expect("cargo runs")
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the package's folder can be written");
}
