//! The other end of the control socket: asks, prints what comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use crate::{FAILED, WRONG_CONFIGURATION};

/// Sends `request` and prints the answer as it comes.
pub(crate) fn ask(control: &Path, request: &str) -> ExitCode {
    converse(control, request).unwrap_or_else(|error| {
        eprintln!("vrrpd: {}: {error}", control.display());
        ExitCode::from(FAILED)
    })
}

/// Sends the configuration in `path`.
pub(crate) fn configure(control: &Path, path: &Path) -> ExitCode {
    match std::fs::read_to_string(path) {
        Ok(text) => match ask(control, &format!("configure\n{text}")) {
            status if status == ExitCode::from(FAILED) => ExitCode::from(WRONG_CONFIGURATION),
            status => status,
        },
        Err(error) => {
            eprintln!("vrrpd: {}: {error}", path.display());
            ExitCode::from(FAILED)
        }
    }
}

fn converse(control: &Path, request: &str) -> std::io::Result<ExitCode> {
    let mut stream = UnixStream::connect(control)?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut reader = BufReader::new(stream);
    let mut verdict = String::new();
    reader.read_line(&mut verdict)?;
    if verdict.trim_end() == "ok" {
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            std::io::stdout().write_all(&line)?;
            std::io::stdout().flush()?;
            line.clear();
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = String::new();
    reader.read_to_string(&mut report)?;
    eprint!("{report}");
    Ok(ExitCode::from(FAILED))
}
