//! The configuration partition: the candidate, the generations, and which of them is current.
//!
//! ```text
//! mark21.toml, extra.nft       the candidate: what a person or a commit put there
//! generations/0007/            mark21.toml, extra.nft, meta.json: applied and proven once
//! current                      "0007"
//! note.json                    whose the candidate is, when a commit for the next start made it
//! refused                      a line for each candidate that failed: digest, tab, reason
//! ```
//! The partition is mounted read-only; [`Store`] makes it writable only for the moment of a
//! change. Whatever it writes is complete on the disk under another name before it gets its
//! own, so that a power cut at any instant leaves the old state or the new one, whole. It never
//! reads a configuration's meaning.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

mod disk;
mod host_key;
#[cfg(test)]
mod tests;

use disk::{Window, failed, read_file, remove_file, remove_tree, replace, sync_folder, write_whole};

/// Generations kept; the oldest beyond them goes in the write window of a new one.
const GENERATIONS_KEPT: usize = 32;
/// Refused candidates remembered.
const REFUSALS_KEPT: usize = 16;

/// A configuration as it lies on the partition; it never changes, only another one is made.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    text: Vec<u8>,
    extra: Option<Vec<u8>>,
    /// Of up to two mebibytes, so it is worked out once.
    digest: OnceLock<String>,
}

impl Stored {
    pub(crate) fn new(text: Vec<u8>, extra: Option<Vec<u8>>) -> Self {
        Self { text, extra, digest: OnceLock::new() }
    }

    /// `mark21.toml`
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// `extra.nft`; `None` where there is none.
    pub(crate) fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// SHA-256 over both files in hexadecimal; the text's length keeps them apart.
    pub(crate) fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let mut hash = Sha256::new();
            hash.update((self.text.len() as u64).to_be_bytes());
            hash.update(&self.text);
            if let Some(extra) = &self.extra {
                hash.update(b"extra");
                hash.update(extra);
            }
            crate::hex::write(&hash.finalize())
        })
    }
}

impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, &self.extra) == (&other.text, &other.extra)
    }
}

/// What is known of a generation beside its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Seconds since 1970, by the box's clock.
    pub(crate) time: u64,
    /// Who made it.
    pub(crate) author: String,
    /// Why.
    pub(crate) comment: String,
    /// [`Stored::digest`] of what belongs to it.
    pub(crate) digest: String,
    /// It needed no confirmation, or has one. Only such a one is started with.
    #[serde(default = "is_confirmed")]
    pub(crate) confirmed: bool,
}

fn is_confirmed() -> bool {
    true
}

/// Whose a generation is, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) author: String,
    pub(crate) comment: String,
}

/// A candidate that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) digest: String,
    pub(crate) reason: String,
}

/// Whether a saved generation is the one to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Current {
    /// It is.
    Named,
    /// Not before [`Store::name_current`].
    Later,
}

/// What went wrong with the partition.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// A file could not be read or written.
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// The files of a generation are not those that were saved.
    Damaged { generation: u32 },
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io { what, path, .. } => write!(f, "{what} {}", path.display()),
            Self::Damaged { generation } => write!(f, "generation {generation} is damaged on the disk"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Damaged { .. } => None,
        }
    }
}

/// The partition, by the folder that it is mounted on.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
    is_read_only: bool,
}

impl Store {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), is_read_only: false }
    }

    /// One that remembers no refusals.
    pub(crate) fn read_only(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), is_read_only: true }
    }

    /// The candidate; `None` when there is no `mark21.toml`.
    pub(crate) fn candidate(&self) -> Result<Option<Stored>, StoreError> {
        read_stored(&self.root)
    }

    /// The number in `current`; `None` when there is none or it is no number.
    pub(crate) fn current(&self) -> Result<Option<u32>, StoreError> {
        let text = read_file(&self.root.join("current"))?.unwrap_or_default();
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()))
    }

    /// The numbers of all whole generations, oldest first.
    pub(crate) fn generations(&self) -> Result<Vec<u32>, StoreError> {
        let folder = self.root.join("generations");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StoreError::Io { what: "list", path: folder, source }),
        };
        let mut numbers: Vec<u32> =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A generation with what is known of it.
    ///
    /// # Errors
    /// Its files cannot be read, or are not what was saved.
    pub(crate) fn generation(&self, number: u32) -> Result<(Stored, Meta), StoreError> {
        let damaged = || StoreError::Damaged { generation: number };
        let folder = self.folder(number);
        let stored = read_stored(&folder)?.ok_or_else(damaged)?;
        let meta = read_file(&folder.join("meta.json"))?.ok_or_else(damaged)?;
        let meta: Meta = serde_json::from_slice(&meta).map_err(|_| damaged())?;
        if meta.digest == stored.digest() { Ok((stored, meta)) } else { Err(damaged()) }
    }

    /// Why this candidate failed before; `None` when it was not tried yet.
    pub(crate) fn refusal(&self, digest: &str) -> Result<Option<Refusal>, StoreError> {
        Ok(self.refusals()?.into_iter().find(|refusal| refusal.digest == digest))
    }

    /// Saves a generation; with `current`, names it the one to boot in the same write window.
    ///
    /// # Errors
    /// The partition cannot be written; then the old state stands.
    pub(crate) fn save(&self, stored: &Stored, note: &Note, current: Current) -> Result<u32, StoreError> {
        let window = Window::open(&self.root)?;
        let mut numbers = self.generations()?;
        let number = numbers.last().map_or(1, |last| last.saturating_add(1));
        let meta = Meta::new(stored, note, current == Current::Named);
        let generations = self.root.join("generations");
        let making = generations.join("new");
        remove_tree(&making)?;
        fs::create_dir_all(&making).map_err(failed("make", &making))?;
        write_whole(&making.join("mark21.toml"), stored.text())?;
        if let Some(extra) = stored.extra() {
            write_whole(&making.join("extra.nft"), extra)?;
        }
        write_whole(&making.join("meta.json"), &meta.to_json())?;
        sync_folder(&making)?;
        let folder = self.folder(number);
        fs::rename(&making, &folder).map_err(failed("name", &folder))?;
        sync_folder(&generations)?;
        sync_folder(&self.root)?;
        if current == Current::Named {
            self.boot_with(&window, number, stored)?;
        }
        numbers.push(number);
        let booted = self.current()?;
        numbers.retain(|kept| Some(*kept) != booted);
        let surplus = numbers.len().saturating_sub(GENERATIONS_KEPT - 1);
        for old in numbers.iter().filter(|old| **old != number).take(surplus) {
            remove_tree(&self.folder(*old))?;
        }
        Ok(number)
    }

    /// Names a saved generation the one to boot.
    ///
    /// # Errors
    /// It is damaged, or the partition cannot be written; then the old state stands.
    pub(crate) fn name_current(&self, number: u32) -> Result<(), StoreError> {
        let (stored, meta) = self.generation(number)?;
        let window = Window::open(&self.root)?;
        let meta = Meta { confirmed: true, ..meta };
        replace(&self.folder(number), "meta.json", &meta.to_json())?;
        self.boot_with(&window, number, &stored)
    }

    /// Puts a candidate there for the next boot to try.
    ///
    /// # Errors
    /// The partition cannot be written; then no candidate or the old one is there, whole.
    pub(crate) fn put_candidate(&self, stored: &Stored, note: &Note) -> Result<(), StoreError> {
        let window = Window::open(&self.root)?;
        self.remove_candidate(&window)?;
        replace(&self.root, "note.json", &Meta::new(stored, note, false).to_json())?;
        self.write_candidate(&window, stored)
    }

    /// Whose this candidate is; `None` when a person put it there by hand.
    pub(crate) fn candidate_note(&self, digest: &str) -> Option<Note> {
        let bytes = read_file(&self.root.join("note.json")).ok()??;
        let meta: Meta = serde_json::from_slice(&bytes).ok()?;
        (meta.digest == digest).then_some(Note { author: meta.author, comment: meta.comment })
    }

    /// Ends what a power cut left half done: without a candidate, the current generation's files
    /// become it; the first generation of all, saved but not named yet, is named.
    ///
    /// # Errors
    /// The partition cannot be read or written.
    pub(crate) fn tidy(&self) -> Result<(), StoreError> {
        match (self.candidate()?, self.current()?) {
            (None, Some(number)) => {
                let (stored, _) = self.generation(number)?;
                self.write_candidate(&Window::open(&self.root)?, &stored)
            }
            (Some(candidate), None) => match self.generations()?.last() {
                Some(last) if self.generation(*last)?.0 == candidate => self.name_current(*last),
                Some(_) | None => Ok(()),
            },
            (Some(_), Some(_)) | (None, None) => Ok(()),
        }
    }

    /// Forgets everything: what is left is an empty partition.
    ///
    /// # Errors
    /// The partition cannot be written.
    pub(crate) fn clear(&self) -> Result<(), StoreError> {
        let window = Window::open(&self.root)?;
        // Without a candidate and without `current`, nothing of the rest counts any more.
        self.remove_candidate(&window)?;
        for entry in fs::read_dir(&self.root).map_err(failed("list", &self.root))? {
            let entry = entry.map_err(failed("list", &self.root))?;
            let path = entry.path();
            if entry.file_name() == "lost+found" {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_tree(&path)?;
            } else {
                remove_file(&path)?;
            }
        }
        sync_folder(&self.root)
    }

    /// The candidate follows what boots: two files cannot be replaced at one instant, so for the
    /// moment there is none, and `current` alone says what boots.
    fn boot_with(&self, window: &Window<'_>, number: u32, stored: &Stored) -> Result<(), StoreError> {
        let is_there = self.candidate()?.as_ref() == Some(stored);
        if !is_there {
            self.remove_candidate(window)?;
        }
        replace(&self.root, "current", format!("{number:04}\n").as_bytes())?;
        if is_there { Ok(()) } else { self.write_candidate(window, stored) }
    }

    fn remove_candidate(&self, _window: &Window<'_>) -> Result<(), StoreError> {
        remove_file(&self.root.join("mark21.toml"))?;
        sync_folder(&self.root)
    }

    fn write_candidate(&self, _window: &Window<'_>, stored: &Stored) -> Result<(), StoreError> {
        match stored.extra() {
            Some(extra) => replace(&self.root, "extra.nft", extra)?,
            None => {
                remove_file(&self.root.join("extra.nft"))?;
                sync_folder(&self.root)?;
            }
        }
        replace(&self.root, "mark21.toml", stored.text())
    }

    /// Remembers a candidate that failed, so that it is not tried again.
    ///
    /// # Errors
    /// The partition cannot be written.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Result<(), StoreError> {
        if self.is_read_only {
            return Ok(());
        }
        let _window = Window::open(&self.root)?;
        let mut refusals = self.refusals()?;
        refusals.retain(|known| known.digest != refusal.digest);
        refusals.push(refusal);
        let surplus = refusals.len().saturating_sub(REFUSALS_KEPT);
        let lines: String = refusals
            .iter()
            .skip(surplus)
            .map(|refusal| format!("{}\t{}\n", refusal.digest, refusal.reason.replace('\n', " ")))
            .collect();
        replace(&self.root, "refused", lines.as_bytes())
    }

    fn refusals(&self) -> Result<Vec<Refusal>, StoreError> {
        let text = read_file(&self.root.join("refused"))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(digest, reason)| Refusal { digest: digest.to_owned(), reason: reason.to_owned() })
            .collect())
    }

    fn folder(&self, number: u32) -> PathBuf {
        self.root.join("generations").join(format!("{number:04}"))
    }
}

impl Meta {
    fn new(stored: &Stored, note: &Note, confirmed: bool) -> Self {
        Self {
            time: seconds_since_1970(),
            author: note.author.clone(),
            comment: note.comment.clone(),
            digest: stored.digest().to_owned(),
            confirmed,
        }
    }

    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a struct of strings has a JSON form")
    }
}

fn read_stored(folder: &Path) -> Result<Option<Stored>, StoreError> {
    let Some(text) = read_file(&folder.join("mark21.toml"))? else { return Ok(None) };
    Ok(Some(Stored::new(text, read_file(&folder.join("extra.nft"))?)))
}

fn seconds_since_1970() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
