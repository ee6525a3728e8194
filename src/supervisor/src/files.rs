//! What of /etc is generated: the host name, the resolvers and the password, in /run, where /etc
//! links to.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mark21_config::System;

/// The host name of a box without a good configuration.
const FAIL_SECURE_HOSTNAME: &str = "mark21-failsafe";

/// Writes what follows from `[system]`; without one, the fail-secure state's. That keeps the
/// password of the last configuration that was tried: a broken file opens no console.
///
/// # Errors
/// The host name cannot be set, or the run folder cannot be written.
pub(crate) fn generate(run: &Path, system: Option<&System>) -> io::Result<()> {
    let hostname = system.map_or(FAIL_SECURE_HOSTNAME, |system| system.hostname.as_str());
    rustix::system::sethostname(hostname.as_bytes())?;
    let resolvers: String = system
        .into_iter()
        .flat_map(|system| &system.name_servers)
        .map(|server| format!("nameserver {server}\n"))
        .collect();
    replace(&run.join("hostname"), &format!("{hostname}\n"), 0o644)?;
    replace(&run.join("resolv.conf"), &resolvers, 0o644)?;
    match system {
        Some(system) => replace(&run.join("shadow"), &shadow(system), 0o600),
        None => Ok(()),
    }
}

/// As shadow(5) has it. No password is written as one that nothing matches: the console, which
/// then asks for a new one, is all that opens without.
fn shadow(system: &System) -> String {
    let hash = system.password.as_deref().unwrap_or("!");
    format!("root:!::0:99999:7:::\nadmin:{hash}::0:99999:7:::\n")
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let making = path.with_extension("new");
    match fs::remove_file(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&making)?;
    file.write_all(text.as_bytes())?;
    fs::rename(making, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_password_nothing_matches() {
        let system = mark21_config::parse("schema = 1\n").expect("it is good").config.system;
        assert_eq!(shadow(&system).lines().nth(1), Some("admin:!::0:99999:7:::"));
    }
}
