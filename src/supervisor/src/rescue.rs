//! What the boot menu asks for, on the kernel's command line: `mark21.rescue=password` forgets the
//! console's passwords, `mark21.rescue=factory-reset` everything.
//!
//! Both are done once for a start of the machine, however often mark21d starts: what was done
//! stands in the run folder. Nothing is written to the disk for a password. Those that were there
//! at the start open nothing until the machine starts anew, so the console asks for another one,
//! and the services go on meanwhile.

use std::fs;
use std::path::Path;

use crate::files;
use crate::load::chain;
use crate::store::Store;

/// The kernel's command line (proc(5)).
pub(crate) const COMMAND_LINE: &str = "/proc/cmdline";
/// The hashes of forgotten passwords, one a line, in the run folder. The console's login looks for
/// it as well, to say why it asks.
const FORGOTTEN: &str = "forgotten";
/// There once everything was forgotten, in the run folder.
const RESET: &str = "factory-reset";
/// The parameter. The dot keeps the kernel from handing it to init.
const PARAMETER: &str = "mark21.rescue=";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rescue {
    /// No password opens that was there at the start.
    ForgetPasswords,
    /// An empty configuration partition.
    FactoryReset,
}

/// What a command line asks for. What is spelled otherwise is nothing.
pub(crate) fn asked(command_line: &str) -> Option<Rescue> {
    let mut words = command_line.split_ascii_whitespace();
    match words.find_map(|word| word.strip_prefix(PARAMETER))? {
        "password" => Some(Rescue::ForgetPasswords),
        "factory-reset" => Some(Rescue::FactoryReset),
        _ => None,
    }
}

/// Empties the partition where that is asked for and not done yet.
///
/// # Errors
/// It could not be emptied; the next start of mark21d tries again.
pub(crate) fn reset(rescue: Option<Rescue>, run: &Path, store: &Store) -> Result<(), String> {
    let done = run.join(RESET);
    if rescue != Some(Rescue::FactoryReset) || done.exists() {
        return Ok(());
    }
    store.clear().map_err(|error| chain(&error))?;
    crate::log::announce(format_args!("factory reset at the boot menu: every configuration is forgotten"));
    fs::write(&done, "").map_err(|error| format!("{}: {error}", done.display()))
}

/// The passwords' hashes that open nothing, out of those that the configurations of this start
/// have. Where they cannot be kept, the next start of mark21d forgets the new one too.
pub(crate) fn forgotten(
    rescue: Option<Rescue>,
    run: &Path,
    known: impl Iterator<Item = String>,
) -> Vec<String> {
    if rescue != Some(Rescue::ForgetPasswords) {
        return Vec::new();
    }
    let path = run.join(FORGOTTEN);
    if let Ok(text) = fs::read_to_string(&path) {
        return text.lines().map(str::to_owned).collect();
    }
    let hashes: Vec<String> = known.collect();
    crate::log::announce(format_args!(
        "the passwords are forgotten at the boot menu: the console asks for a new one"
    ));
    let text: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
    if let Err(error) = files::replace(&path, &text, 0o600) {
        crate::log::error(format_args!("{}: {error}", path.display()));
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Current, Note, Stored};

    #[test]
    fn the_command_line_asks_for_one_thing_or_nothing() {
        let cases = [
            ("root=PARTLABEL=mark21-a ro mark21.rescue=password quiet\n", Some(Rescue::ForgetPasswords)),
            ("mark21.rescue=factory-reset", Some(Rescue::FactoryReset)),
            ("ro quiet", None),
            ("mark21.rescue=", None),
            ("mark21.rescue=everything", None),
            ("xmark21.rescue=password", None),
        ];
        for (line, wanted) in cases {
            assert_eq!(asked(line), wanted, "{line}");
        }
    }

    #[test]
    fn a_factory_reset_is_done_once_for_a_start() {
        let (disk, run) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("another one"));
        let store = Store::new(disk.path());
        let stored = Stored::new(b"schema = 1\n".to_vec(), None);
        let save = || store.save(&stored, &Note::default(), Current::Named).expect("it is saved");
        let count = || store.generations().expect("they can be listed").len();
        save();
        reset(None, run.path(), &store).expect("nothing is asked for");
        assert_eq!(count(), 1);
        reset(Some(Rescue::FactoryReset), run.path(), &store).expect("it can be emptied");
        assert_eq!((count(), store.candidate().expect("it reads")), (0, None));
        save();
        reset(Some(Rescue::FactoryReset), run.path(), &store).expect("it was done before");
        assert_eq!(count(), 1, "what was made since then stays");
    }

    #[test]
    fn only_the_passwords_of_the_start_are_forgotten() {
        let run = tempfile::tempdir().expect("a folder");
        let forget = |known: &str| {
            forgotten(Some(Rescue::ForgetPasswords), run.path(), [known.to_owned()].into_iter())
        };
        assert_eq!(forget("$6$old"), ["$6$old"]);
        assert_eq!(forget("$6$new"), ["$6$old"], "it was done before");
        assert!(forgotten(None, run.path(), ["$6$old".to_owned()].into_iter()).is_empty());
    }
}
