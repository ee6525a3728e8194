//! The nft tables, by the `nft` program in its JSON form.
//!
//! Run from here and not through the `nftables` crate's helper: that one leaves what nft complains of
//! on our own standard error, and needs a `/dev/stdin`.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mark21_reconcile::extra::read_listing;
use mark21_reconcile::firewall::TABLE;
use mark21_reconcile::{Ruleset, Tables};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::Cause;
use crate::netlink::{Body, Socket, attribute};

/// `NFNL_SUBSYS_NFTABLES` (linux/netfilter/nfnetlink.h) and `NFT_MSG_GETGEN`
/// (linux/netfilter/nf_tables.h).
const GET_GENERATION: u16 = 10 << 8 | 16;
const NFTA_GEN_ID: u16 = 1;
/// `struct nfgenmsg`: no family, version 0.
const NFGENMSG: [u8; 4] = [0; 4];

/// What `-` means to nft is `/dev/stdin`, which a small system may not have.
pub(crate) const STANDARD_INPUT: &str = "/proc/self/fd/0";
/// How long nft may take: the largest legal table takes a twentieth of it. An operator's file could
/// tell it to wait for ever, as with `monitor`.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Our table, `None` where there is none, and all others, in their canonical form.
pub(crate) fn observe() -> Result<(Option<Ruleset>, Tables), Cause> {
    Ok(read_listing(&nft(&["-j", "list", "ruleset"], None)?)?)
}

/// The number of the tables' generation: each transaction makes another one.
pub(crate) fn generation(nft: &mut Socket) -> io::Result<u32> {
    nft.ask(GET_GENERATION, &Body::new(NFGENMSG), |body| {
        let number = attribute(body.get(NFGENMSG.len()..)?, NFTA_GEN_ID)?;
        Some(u32::from_be_bytes(*number.first_chunk()?))
    })
}

/// Replaces our table in one transaction.
pub(crate) fn apply(ruleset: &Ruleset) -> Result<(), Cause> {
    nft(&["-j", "-f", STANDARD_INPUT], Some(&ruleset.transaction()))?;
    Ok(())
}

/// Why nft did not do what it was told.
#[derive(Debug)]
pub(crate) enum NftError {
    Run(io::Error),
    Refused(NftRefusal),
    TimedOut,
}

impl fmt::Display for NftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(_) => f.write_str("run nft"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::TimedOut => write!(f, "nft was not done after {} s and was ended", PATIENCE.as_secs()),
        }
    }
}

impl Error for NftError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Run(error) => Some(error),
            Self::Refused(_) | Self::TimedOut => None,
        }
    }
}

/// Runs nft; its standard output. It reads and writes files in memory, so there is no pipe to fill
/// up, and its end is all that is waited for.
pub(crate) fn nft(arguments: &[&str], input: Option<&str>) -> Result<String, NftError> {
    let run = || {
        let (mut output, mut errors) = (memory(c"nft-output")?, memory(c"nft-errors")?);
        let stdin = match input {
            Some(text) => {
                let mut file = memory(c"nft-input")?;
                file.write_all(text.as_bytes())?;
                file.rewind()?;
                Stdio::from(file)
            }
            None => Stdio::null(),
        };
        let (stdout, stderr) = (output.try_clone()?, errors.try_clone()?);
        let mut child =
            Command::new("nft").args(arguments).stdin(stdin).stdout(stdout).stderr(stderr).spawn()?;
        let status = wait(&mut child, PATIENCE)?;
        Ok((status, text_of(&mut output)?, text_of(&mut errors)?))
    };
    match run().map_err(NftError::Run)? {
        (None, ..) => Err(NftError::TimedOut),
        (Some(status), output, _) if status.success() => Ok(output),
        (Some(_), _, errors) => Err(NftError::Refused(refusal(&errors))),
    }
}

/// How it ended; `None` when it had to be ended.
fn wait(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + patience;
    let ended = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&left)) {
            Ok(0) => {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            Ok(_) => return child.wait().map(Some),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn memory(name: &std::ffi::CStr) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

fn text_of(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    // Almost always it is UTF-8, and a listing may have megabytes: no second copy then.
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The first few lines, without the marks below them: nft repeats itself for every object of a
/// transaction.
fn refusal(stderr: &str) -> NftRefusal {
    let is_mark = |line: &&str| line.chars().all(|letter| "^~ ".contains(letter));
    let mut lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !is_mark(line)).collect();
    lines.dedup();
    lines.truncate(3);
    NftRefusal { words: lines.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let mut child = Command::new("sleep").arg("600").spawn().expect("sleep is everywhere");
        assert_eq!(wait(&mut child, Duration::from_millis(20)).expect("it is ours to wait for"), None);
        let mut child = Command::new("true").spawn().expect("true is everywhere");
        let status = wait(&mut child, Duration::from_secs(60)).expect("it is ours to wait for");
        assert!(status.is_some_and(|status| status.success()));
    }

    #[test]
    fn nft_s_words_come_without_its_marks() {
        let words = refusal("f:1:2-3: Error: syntax error\nnonsense\n^^~~\n\n").words;
        assert_eq!(words, "f:1:2-3: Error: syntax error; nonsense");
    }
}
