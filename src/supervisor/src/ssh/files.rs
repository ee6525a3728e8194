//! What dropbear reads: the host key, and the keys that may log in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use crate::store::{Store, StoreError};

const KEY_TOOL: &str = "/usr/bin/dropbearkey";
/// Below mark21d's run folder; also in rootfs/etc/passwd.
const HOME: &str = "admin";
/// Before each key, in case dropbear's options are once not enough.
const RESTRICTIONS: &str = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding";

/// The host key.
pub(super) struct HostKey {
    pub(super) path: PathBuf,
    /// `ssh-ed25519 AAAA..`
    pub(super) public: String,
    /// Whether it will be the same after the next start.
    pub(super) kept: Result<(), StoreError>,
}

/// Lets these keys in, and no others. Instead of its comment, each has its [`key_id`], which the
/// ssh server tells what it starts (`SSH_PUBKEYINFO`).
pub(super) fn write_keys(run: &Path, keys: &[String]) -> io::Result<()> {
    let folder = run.join(HOME).join(".ssh");
    fs::create_dir_all(&folder)?;
    let line = |key: &String| format!("{RESTRICTIONS} {} {}\n", without_comment(key), key_id(key));
    let text: String = keys.iter().map(line).collect();
    let making = folder.join("new");
    fs::write(&making, text)?;
    fs::rename(making, folder.join("authorized_keys"))
}

/// What tells one key from another, whatever its comment: SHA-256 in hexadecimal, because the ssh
/// server passes on letters and digits.
pub(super) fn key_id(key: &str) -> String {
    Sha256::digest(without_comment(key)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Type and base64 of a line of `authorized_keys`.
fn without_comment(key: &str) -> &str {
    let end = key.match_indices(' ').nth(1).map_or(key.len(), |(at, _)| at);
    key.get(..end).unwrap_or(key)
}

/// The kept host key, or a new one.
pub(super) async fn host_key(run: &Path, store: &Store) -> io::Result<HostKey> {
    let path = store.host_key();
    if let Ok(public) = public_part(&path).await {
        return Ok(HostKey { path, public, kept: Ok(()) });
    }
    let folder = run.join("ssh");
    let making = folder.join("host_ed25519");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&folder)?;
    tool(&["-t", "ed25519"], &making).await?;
    let public = public_part(&making).await?;
    let bytes = fs::read(&making)?;
    let keeper = store.clone();
    let kept = tokio::task::spawn_blocking(move || keeper.keep_host_key(&bytes)).await?;
    crate::log::note(format_args!("ssh: a new host key: {public}"));
    if kept.is_ok() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(HostKey { path: if kept.is_ok() { path } else { making }, public, kept })
}

/// Takes the place of the kept host key with one that another box had.
///
/// # Errors
/// It is none, or it could not be kept.
pub(crate) async fn replace_host_key(run: &Path, store: &Store, bytes: Vec<u8>) -> io::Result<()> {
    // Where only root looks, until it is known to be one.
    let folder = run.join("ssh-tried");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&folder)?;
    let file = folder.join("host_ed25519");
    fs::write(&file, &bytes)?;
    let public = public_part(&file).await;
    fs::remove_dir_all(&folder)?;
    let public = public?;
    let keeper = store.clone();
    let kept = tokio::task::spawn_blocking(move || keeper.keep_host_key(&bytes)).await?;
    kept.map_err(|error| io::Error::other(crate::load::chain(&error)))?;
    crate::log::note(format_args!("ssh: a host key was restored: {public}"));
    Ok(())
}

async fn public_part(path: &Path) -> io::Result<String> {
    let text = tool(&["-y"], path).await?;
    let line = text.lines().find(|line| line.starts_with("ssh-"));
    let key: Vec<&str> = line.unwrap_or_default().split(' ').take(2).collect();
    if key.len() == 2 { Ok(key.join(" ")) } else { Err(io::Error::other("no public key was told")) }
}

async fn tool(arguments: &[&str], file: &Path) -> io::Result<String> {
    let mut command = Command::new(KEY_TOOL);
    command.args(arguments).arg("-f").arg(file).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| io::Error::other(format!("{KEY_TOOL}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_taken_away_opens_nothing() {
        let run = tempfile::tempdir().expect("a folder");
        let file = run.path().join("admin/.ssh/authorized_keys");
        write_keys(run.path(), &["ssh-ed25519 A a".to_owned(), "ssh-rsa B".to_owned()]).expect("written");
        let text = fs::read_to_string(&file).expect("it is there");
        assert!(
            text.lines().all(|line| line.starts_with(RESTRICTIONS)) && text.lines().count() == 2,
            "{text}"
        );
        assert!(text.contains(&format!(" ssh-ed25519 A {}\n", key_id("ssh-ed25519 A"))), "{text}");
        write_keys(run.path(), &[]).expect("written");
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "");
    }
}
