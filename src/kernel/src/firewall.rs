//! Our nft table, by the `nft` program in its JSON form.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::process::{Command, Stdio};

use mark21_reconcile::Ruleset;
use mark21_reconcile::firewall::TABLE;
use nftables::helper::{self, NftablesError};

use crate::error::Cause;

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
    match helper::get_current_ruleset_raw(helper::DEFAULT_NFT, ["list", "table", "inet", TABLE]) {
        Ok(listing) => Ok(Some(listing)),
        // nft has one exit code for everything that is wrong.
        Err(NftablesError::NftFailed { stderr, .. }) if stderr.contains("No such file or directory") => {
            Ok(None)
        }
        Err(error) => Err(cause(error)),
    }
}

/// Our table in its canonical form; `None` where there is none.
pub(crate) fn observe() -> Result<Option<Ruleset>, Cause> {
    let Some(listing) = listing()? else { return Ok(None) };
    Ok(Some(Ruleset::from_listing(&listing)?))
}

/// Replaces our table in one transaction.
pub(crate) fn apply(ruleset: &Ruleset) -> Result<(), Cause> {
    tell(ruleset, &[])
}

/// Asks whether our table would be taken. Changes nothing.
pub(crate) fn check(ruleset: &Ruleset) -> Result<(), Cause> {
    tell(ruleset, &["-c"])
}

/// Asks whether an operator's text in nft syntax would be taken. Changes nothing.
pub(crate) fn check_text(text: &str) -> Result<(), Cause> {
    let mut child = Command::new("nft")
        .args(["-c", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let input = child.stdin.take();
    let sent = input.map_or(Ok(()), |mut input| input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(refusal(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(sent?)
}

fn tell(ruleset: &Ruleset, arguments: &[&str]) -> Result<(), Cause> {
    let transaction = ruleset.transaction();
    let told = helper::apply_ruleset_raw(&transaction, helper::DEFAULT_NFT, arguments.iter().copied());
    told.map(|_| ()).map_err(cause)
}

fn cause(error: NftablesError) -> Cause {
    match error {
        NftablesError::NftFailed { stderr, .. } => refusal(&stderr),
        NftablesError::NftExecution { inner, .. } => inner.into(),
        other => other.into(),
    }
}

/// The first few lines: nft repeats itself for every object of a transaction.
fn refusal(stderr: &str) -> Cause {
    let mut lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.dedup();
    lines.truncate(4);
    Box::new(NftRefusal { words: lines.join("; ") })
}
