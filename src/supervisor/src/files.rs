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
/// password of the last configuration that was tried: a broken file opens no console. A password
/// whose hash is forgotten opens none either.
///
/// # Errors
/// The host name cannot be set, or the run folder cannot be written.
pub(crate) fn generate(run: &Path, system: Option<&System>, forgotten: &[String]) -> io::Result<()> {
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
        Some(system) => replace(&run.join("shadow"), &shadow(system, forgotten), 0o600),
        None => Ok(()),
    }
}

/// Why the box counts as tainted, a line each, as the console's login notes it.
pub(crate) fn tainted(run: &Path) -> Vec<String> {
    // Without the file nothing has happened.
    fs::read_to_string(run.join("tainted")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// As shadow(5) has it. No password is written as one that nothing matches: the console, which
/// then asks for a new one, is all that opens without.
fn shadow(system: &System, forgotten: &[String]) -> String {
    let known = |hash: &&str| !forgotten.iter().any(|other| other == hash);
    let hash = system.password.as_deref().filter(known).unwrap_or("!");
    format!("root:!::0:99999:7:::\nadmin:{hash}::0:99999:7:::\n")
}

/// A file in the run folder, whole or not there at all.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
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
        assert_eq!(shadow(&system, &[]).lines().nth(1), Some("admin:!::0:99999:7:::"));
        let hash = include_str!("../../console/src/password/openssl.txt").trim();
        let text = format!("schema = 1\n[system]\npassword = \"{hash}\"\n");
        let system = mark21_config::parse(&text).expect("it is good").config.system;
        assert!(shadow(&system, &["$6$other".into()]).contains(hash));
        assert_eq!(shadow(&system, &[hash.into()]).lines().nth(1), Some("admin:!::0:99999:7:::"));
    }
}
