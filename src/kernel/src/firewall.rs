//! Our nft table, by the `nft` program in its JSON form.
//!
//! Run from here and not through the `nftables` crate's helper: that one leaves what nft complains of
//! on our own standard error, and needs a `/dev/stdin`.

use std::error::Error;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use mark21_reconcile::Ruleset;
use mark21_reconcile::firewall::TABLE;

use crate::error::Cause;

/// What `-` means to nft is `/dev/stdin`, which a small system may not have.
const STANDARD_INPUT: &str = "/proc/self/fd/0";

/// nft did not take what it was told. Its own words are the only account that there is.
#[derive(Debug)]
pub struct NftRefusal {
    /// What nft wrote on its standard error, without empty lines.
    pub words: String,
}

impl fmt::Display for NftRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nft: {}", self.words)
    }
}

impl Error for NftRefusal {}

/// The JSON listing of our table; `None` where there is none.
pub(crate) fn listing() -> Result<Option<String>, Cause> {
    match nft(&["-j", "list", "table", "inet", TABLE], None) {
        Ok(listing) => Ok(Some(listing)),
        // nft has one exit code for everything that is wrong.
        Err(NftError::Refused(NftRefusal { words })) if words.contains("No such file or directory") => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Our table in its canonical form; `None` where there is none.
pub(crate) fn observe() -> Result<Option<Ruleset>, Cause> {
    let Some(listing) = listing()? else { return Ok(None) };
    Ok(Some(Ruleset::from_listing(&listing)?))
}

/// Replaces our table in one transaction.
pub(crate) fn apply(ruleset: &Ruleset) -> Result<(), Cause> {
    nft(&["-j", "-f", STANDARD_INPUT], Some(&ruleset.transaction()))?;
    Ok(())
}

/// Asks whether our table would be taken. Changes nothing.
pub(crate) fn check(ruleset: &Ruleset) -> Result<(), Cause> {
    nft(&["-c", "-j", "-f", STANDARD_INPUT], Some(&ruleset.transaction()))?;
    Ok(())
}

/// Asks whether an operator's text in nft syntax would be taken. Changes nothing.
pub(crate) fn check_text(text: &str) -> Result<(), Cause> {
    nft(&["-c", "-f", STANDARD_INPUT], Some(text))?;
    Ok(())
}

/// Why nft did not do what it was told.
enum NftError {
    Run(std::io::Error),
    Refused(NftRefusal),
}

impl From<NftError> for Cause {
    fn from(error: NftError) -> Self {
        match error {
            NftError::Run(error) => error.into(),
            NftError::Refused(refusal) => refusal.into(),
        }
    }
}

/// Runs nft; its standard output. It reads all of its input before it writes, so neither waits for the
/// other.
fn nft(arguments: &[&str], input: Option<&str>) -> Result<String, NftError> {
    let run = || {
        let mut child = Command::new("nft")
            .args(arguments)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some((mut pipe, input)) = child.stdin.take().zip(input) {
            match pipe.write_all(input.as_bytes()) {
                // It has given up early, and says why.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        child.wait_with_output()
    };
    let output = run().map_err(NftError::Run)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(NftError::Refused(refusal(&String::from_utf8_lossy(&output.stderr))))
    }
}

/// The first few lines: nft repeats itself for every object of a transaction.
fn refusal(stderr: &str) -> NftRefusal {
    let mut lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.dedup();
    lines.truncate(4);
    NftRefusal { words: lines.join("; ") }
}
