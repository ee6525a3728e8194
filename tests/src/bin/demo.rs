//! `make demo`: see [`mark21_lab::demo`].

use std::process::ExitCode;

use mark21_lab::demo::show;
use mark21_lab::scenario::{enter_lab, target_directory};
use mark21_lab::{Lab, Result};

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<i32> {
    if let Some(code) = enter_lab()? {
        return Ok(code);
    }
    show(&mut Lab::create(&target_directory().join("lab/demo"))?)?;
    Ok(0)
}
