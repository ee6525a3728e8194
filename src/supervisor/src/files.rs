//! What of /etc is generated: the host name and the resolvers, in /run, where /etc links to.

use std::fs;
use std::io;
use std::path::Path;

use mark21_config::System;

/// The host name of a box without a good configuration.
const FAIL_SECURE_HOSTNAME: &str = "mark21-failsafe";

/// Writes what follows from `[system]`; without one, the fail-secure state's.
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
    replace(&run.join("hostname"), &format!("{hostname}\n"))?;
    replace(&run.join("resolv.conf"), &resolvers)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let making = path.with_extension("new");
    fs::write(&making, text)?;
    fs::rename(making, path)
}
