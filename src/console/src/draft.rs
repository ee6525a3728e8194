//! The draft: the configuration that is being edited.
//!
//! It lies in a folder of the console's user in /run, so that whoever lost his line takes it up
//! where he was, and it is gone after a start of the box. Beside it lies the digest of what ran
//! when it was begun: a commit then sees whether somebody else was faster.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::answer::Failure;
use crate::exit::Code;

/// Where the console's scripts make a folder for its user.
pub(crate) const FOLDER: &str = "/run/mark21-console";

/// Parts of a restored box, beside the text.
const EXTRA: &str = "draft.nft";
const HOST_KEY: &str = "draft.key";

/// A draft's place; there may be none in it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    folder: PathBuf,
}

/// A draft as it lies there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drafted {
    /// Its text.
    pub(crate) text: String,
    /// The digest of what ran when it was begun; empty when nothing did.
    pub(crate) base: String,
    /// Other nft tables than those that run, of a restored box; empty for none.
    pub(crate) extra: Option<String>,
    /// The host key of a restored box, in hexadecimal.
    pub(crate) host_key: Option<String>,
}

impl Draft {
    /// In the console's own folder, or in the one that `MARK21_DRAFT` names.
    pub(crate) fn of_the_console() -> Self {
        Self::at(std::env::var_os("MARK21_DRAFT").map_or_else(|| PathBuf::from(FOLDER), PathBuf::from))
    }

    /// In this folder.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What lies there.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub(crate) fn read(&self) -> Result<Option<Drafted>, Failure> {
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match fs::read_to_string(self.text_path()) {
            Ok(text) => {
                let base = fs::read_to_string(self.base_path()).unwrap_or_default();
                // They are there after a restore alone.
                let part = |name| fs::read_to_string(self.folder.join(name)).ok();
                Ok(Some(Drafted { text, base, extra: part(EXTRA), host_key: part(HOST_KEY) }))
            }
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(self.failure("read", &error)),
        }
    }

    /// Whether there is one.
    pub(crate) fn exists(&self) -> bool {
        self.text_path().exists()
    }

    /// Puts a draft there; it is whole or not there at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn write(&self, drafted: &Drafted) -> Result<(), Failure> {
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            // The digest first: a text without one would pass for one begun on nothing.
            replace(&self.base_path(), &drafted.base)?;
            for (name, part) in [(EXTRA, &drafted.extra), (HOST_KEY, &drafted.host_key)] {
                match part {
                    Some(text) => replace(&self.folder.join(name), text)?,
                    None => remove(&self.folder.join(name))?,
                }
            }
            replace(&self.text_path(), &drafted.text)
        };
        write().map_err(|error: io::Error| self.failure("kept", &error))
    }

    /// Forgets it; whether there was one.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn discard(&self) -> Result<bool, Failure> {
        let existed = self.exists();
        // The text first: without it there is no draft.
        for path in [self.text_path(), self.folder.join(EXTRA), self.folder.join(HOST_KEY)] {
            remove(&path).map_err(|error| self.failure("removed", &error))?;
        }
        Ok(existed)
    }

    fn text_path(&self) -> PathBuf {
        self.folder.join("draft.toml")
    }

    fn base_path(&self) -> PathBuf {
        self.folder.join("draft.base")
    }

    fn failure(&self, what: &str, error: &io::Error) -> Failure {
        let message = format!("the draft in {} cannot be {what}: {error}", self.folder.display());
        Failure::new(Code::File, message, "it belongs to the user admin; root may use it too")
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let making = path.with_extension("new");
    match fs::remove_file(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&making)?;
    file.write_all(text.as_bytes())?;
    fs::rename(making, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_draft_comes_back_as_it_was_and_is_nobody_elses() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let draft = Draft::at(folder.path().join("console"));
        assert_eq!(draft.read().expect("it reads"), None);
        let extra = Some("table ip own {}\n".to_owned());
        let drafted = Drafted { text: "schema = 1\n".into(), base: "abc".into(), extra, host_key: None };
        draft.write(&drafted).expect("it is written");
        draft.write(&drafted).expect("and written again");
        assert_eq!(draft.read().expect("it reads"), Some(drafted));
        let mode = fs::metadata(draft.text_path()).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(draft.discard().expect("it goes") && !draft.exists());
        assert!(!draft.discard().expect("nothing is left to go"));
    }
}
