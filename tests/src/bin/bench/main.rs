//! `make bench`: how fast and how small, beside what people use today, in one run on one
//! machine.
//!
//! ```text
//! bench [NAME..]     tables, changes, memory, boot, rules, ftp, console; all without a name.
//!                    And image, of an image that ships
//! ```
//!
//! Pairs are interleaved, so that a busy host disturbs both alike; a ratio is that of two
//! neighbours. It prints figures and asserts none of them.

mod boot;
mod changes;
mod console;
mod figures;
mod ftp;
mod image;
mod memory;
mod rules;
mod tables;
mod traversed;

use std::env;
use std::process::ExitCode;

use anyhow::bail;
use mark21_lab::scenario::{enter_lab, target_directory};
use mark21_lab::{Lab, Result};

/// What to measure, in a lab of its own.
type Bench = fn(&mut Lab) -> Result;

const ALL: [(&str, Bench); 8] = [
    ("tables", tables::bench),
    ("changes", changes::bench),
    ("memory", memory::bench),
    ("boot", boot::bench),
    ("rules", traversed::bench),
    ("ftp", ftp::bench),
    ("console", console::bench),
    (IMAGE, image::bench),
];
/// Only when it is asked for.
const IMAGE: &str = "image";

fn main() -> ExitCode {
    let done = match enter_lab() {
        Ok(None) => measure().map(|()| 0),
        Ok(Some(code)) => Ok(code),
        Err(error) => Err(error),
    };
    match done {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result {
    let names: Vec<String> = env::args().skip(1).collect();
    if let Some(unknown) = names.iter().find(|name| ALL.iter().all(|(known, _)| known != name)) {
        bail!("{unknown}: there are tables, changes, memory, boot, rules, ftp, console and image");
    }
    for (name, bench) in ALL {
        if names.is_empty() && name != IMAGE || names.iter().any(|wanted| wanted == name) {
            println!("## {name}");
            bench(&mut Lab::create(&target_directory().join("lab/bench").join(name))?)?;
            println!();
        }
    }
    Ok(())
}
