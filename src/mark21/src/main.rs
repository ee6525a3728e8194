//! The multi-call file: `mark21d` when it is called so, `mark21` otherwise.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.first().and_then(|name| Path::new(name).file_name());
    if name.is_some_and(|name| name == "mark21d") {
        mark21_supervisor::main(arguments)
    } else {
        mark21_console::main(arguments)
    }
}
