//! The crate needs no operating system, no standard library and no allocator.
//!
//! A crate of its own, built here, defines the panic handler and no allocator. Linking the
//! standard library would define the handler twice, linking `alloc` would want an allocator:
//! either way it would not compile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All that the crate may depend on, with the features that it may have.
const DEPENDENCIES: &[&str] = &["byteorder", "hash32", "heapless", "stable_deref_trait", "vrrp"];

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_dependency_tree_is_the_known_one_without_std_or_alloc() {
    let tree =
        cargo(&["tree", "--offline", "-p", "vrrp", "-e", "normal", "--prefix", "none", "-f", "{p}|{f}"]);
    for line in tree.lines() {
        let (package, features) = line.split_once('|').expect("two fields");
        let name = package.split(' ').next().expect("a name");
        assert!(DEPENDENCIES.contains(&name), "{package} is new: does it need an operating system?");
        // `(*)` marks what the tree has shown before.
        let features = features.trim_end_matches(" (*)");
        let is_pure = |feature: &str| feature != "std" && feature != "alloc";
        assert!(features.split(',').all(is_pure), "{package} with {features}");
    }
}

#[test]
fn no_source_file_names_std_or_alloc_outside_its_tests() {
    let mut files = Vec::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut files);
    assert!(files.len() > 15);
    for file in files.iter().filter(|file| !file.to_string_lossy().contains("/tests")) {
        let text = fs::read_to_string(file).expect("a source file");
        let code = text.split("#[cfg(test)]\nmod tests {").next().expect("a first part");
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for word in ["std::", "alloc::", "extern crate", "f32", "f64", "unsafe {"] {
            assert!(!code.contains(word), "{}: {word}", file.display());
        }
    }
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).expect("lib.rs");
    assert!(lib.contains("#![no_std]") && lib.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn it_links_without_the_standard_library_and_without_an_allocator() {
    let probe = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-std-probe");
    fs::create_dir_all(probe.join("src")).expect("a directory");
    let manifest = format!(
        "[package]\nname = \"no-std-probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\ncrate-type = [\"staticlib\"]\n\n\
         [dependencies]\nvrrp = {{ path = {:?} }}\n\n\
         [profile.dev]\npanic = \"abort\"\n\n[workspace]\n",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::write(probe.join("Cargo.toml"), manifest).expect("written");
    fs::write(
        probe.join("src/lib.rs"),
        "#![no_std]\n\
         #[panic_handler]\nfn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }\n\
         pub fn deadline(router: &vrrp::Router) -> Option<vrrp::Instant> { router.deadline() }\n",
    )
    .expect("written");
    // The versions of the workspace, so that nothing has to be looked up.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    if lock.exists() {
        fs::copy(lock, probe.join("Cargo.lock")).expect("copied");
    }
    let target = probe.join("target");
    let (manifest, target) = (probe.join("Cargo.toml"), target.to_string_lossy().into_owned());
    cargo(&["build", "--offline", "--manifest-path", &manifest.to_string_lossy(), "--target-dir", &target]);
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
