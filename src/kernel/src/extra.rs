//! The operator's own nft tables: tried out in an empty network namespace, then loaded.
//!
//! Whether a file may be taken is seen by its effect: our own table is loaded, then the file; what nft
//! lists then must hold our table as before. Nothing of it touches the box. Only `include` is refused
//! by its name: what a file means must be in it, or it would not belong to its generation.

use std::error::Error;
use std::fmt;
use std::io;
use std::thread;

use mark21_reconcile::extra::{read_listing, words};
use mark21_reconcile::firewall::{ListingError, TABLE};
use mark21_reconcile::{Extra, ExtraChange, Module, ModuleChange, Ruleset, TableName};
use rustix::thread::UnshareFlags;

use crate::error::Cause;
use crate::firewall::{NftError, NftRefusal, STANDARD_INPUT, nft};
use crate::links;
use crate::modules::Modules;
use crate::netlink::Socket;

/// What the operator calls the file.
const FILE: &str = "extra.nft";

/// Why a file is not taken.
#[derive(Debug)]
pub enum ExtraError {
    /// It is at fault; the text names the line where there is one.
    Refused(String),
    /// It could not be tried out.
    Untried(Cause),
}

impl fmt::Display for ExtraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => f.write_str(reason),
            Self::Untried(_) => write!(f, "{FILE}: it could not be tried out"),
        }
    }
}

impl Error for ExtraError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Untried(cause) => Some(&**cause),
        }
    }
}

impl From<io::Error> for ExtraError {
    fn from(error: io::Error) -> Self {
        Self::Untried(error.into())
    }
}

impl From<NftError> for ExtraError {
    fn from(error: NftError) -> Self {
        Self::Untried(error.into())
    }
}

impl From<ListingError> for ExtraError {
    fn from(error: ListingError) -> Self {
        Self::Untried(error.into())
    }
}

/// Tries a file out beside `ruleset`, on a box with these network devices.
pub(crate) fn check(
    modules: &Modules,
    ruleset: &Ruleset,
    text: &str,
    devices: &[String],
) -> Result<Extra, ExtraError> {
    if let Some((line, _)) = words(text).find(|(_, word)| *word == "include") {
        return Err(ExtraError::Refused(format!("{FILE}:{line}: it may not include other files")));
    }
    if text.contains('\0') {
        return Err(ExtraError::Refused(format!("{FILE}: it is no text")));
    }
    // A rule may be about a device by its number, which must be there when the rule is loaded.
    let named: Vec<&String> = devices.iter().filter(|device| text.contains(device.as_str())).collect();
    if !named.is_empty() {
        match modules.apply(&ModuleChange::Load(Module::dummy())) {
            // It may be built in, or another kind may do.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            loaded => loaded?,
        }
    }
    let outcome = thread::scope(|scope| {
        thread::Builder::new()
            .name("extra".to_owned())
            .spawn_scoped(scope, || try_out(ruleset, text, &named))
            .map(thread::ScopedJoinHandle::join)
    });
    outcome?.unwrap_or_else(|_| Err(ExtraError::Untried("the thread that tries it out has panicked".into())))
}

/// Makes one change.
pub(crate) fn apply(change: &ExtraChange) -> Result<(), Cause> {
    match change {
        ExtraChange::Load { extra, .. } => {
            // On one line: nft's words still name the file's own lines.
            let anew = |table: &TableName| format!("add table {table}; delete table {table}; ");
            let text: String = extra.tables.names().map(anew).collect();
            Ok(load(&(text + &extra.text))?)
        }
        ExtraChange::Remove(tables) => {
            // By nft's JSON: in its syntax not every name can be said.
            let remove = |TableName { family, name }: &TableName| serde_json::json!({"delete": {"table": {"family": family, "name": name}}});
            let commands: Vec<_> = tables.iter().map(remove).collect();
            let text = serde_json::json!({ "nftables": commands }).to_string();
            nft(&["-j", "-f", STANDARD_INPUT], Some(&text))?;
            Ok(())
        }
    }
}

/// In a thread of its own, whose network namespace ends with it.
fn try_out(ruleset: &Ruleset, text: &str, devices: &[&String]) -> Result<Extra, ExtraError> {
    #[expect(deprecated, reason = "a new network namespace touches no descriptor, and needs no unsafe code")]
    rustix::thread::unshare(UnshareFlags::NEWNET).map_err(io::Error::from)?;
    if !devices.is_empty() {
        let mut socket = Socket::open(None)?;
        devices.iter().try_for_each(|device| links::create_stand_in(&mut socket, device))?;
    }
    nft(&["-j", "-f", STANDARD_INPUT], Some(&ruleset.transaction()))?;
    load(text)?;
    let (ours, tables) = read_listing(&nft(&["-j", "list", "ruleset"], None)?)?;
    if ours.as_ref() == Some(ruleset) {
        return Ok(Extra { text: text.to_owned(), tables });
    }
    let is_cause = |(_, word): &(usize, &str)| *word == TABLE || *word == "flush";
    let place =
        words(text).find(is_cause).map_or_else(|| FILE.to_owned(), |(line, _)| format!("{FILE}:{line}"));
    let what = if ours.is_none() { "removes" } else { "changes" };
    Err(ExtraError::Refused(format!(
        "{place}: it {what} Mark21's own table inet {TABLE}, which no file may touch"
    )))
}

/// Loads a text in nft's syntax. What nft says of it names it as the operator does.
fn load(text: &str) -> Result<(), ExtraError> {
    nft(&["-f", STANDARD_INPUT], Some(text)).map(drop).map_err(|error| match error {
        NftError::Refused(NftRefusal { words }) => ExtraError::Refused(words.replace(STANDARD_INPUT, FILE)),
        NftError::TimedOut => ExtraError::Refused(format!("{FILE}: {error}")),
        NftError::Run(error) => ExtraError::Untried(error.into()),
    })
}
