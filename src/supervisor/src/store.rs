//! The configuration partition: the candidate, the generations, and which of them is current.
//!
//! ```text
//! mark21.toml, extra.nft       the candidate: what a person puts there
//! generations/0007/            mark21.toml, extra.nft, meta.json: applied and proven once
//! current                      "0007"
//! refused                      a line for each candidate that failed: digest, tab, reason
//! ```
//! The partition is mounted read-only; [`Store`] makes it writable only for the moment of a
//! change. Whatever it writes is complete on the disk under another name before it gets its
//! own, so that a power cut at any instant leaves the old state or the new one, whole. It never
//! reads a configuration's meaning.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::mount::MountFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

#[cfg(test)]
mod tests;

/// Generations kept; the oldest beyond them goes in the write window of a new one.
const GENERATIONS_KEPT: usize = 32;
/// Refused candidates remembered.
const REFUSALS_KEPT: usize = 16;
/// Bytes read of any file here: one more than the longest legal text, so that a longer one is
/// still seen to be too long.
const READ_LIMIT: u64 = mark21_config::limits::TEXT_BYTES as u64 + 1;

/// A configuration as it lies on the partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// `mark21.toml`
    pub(crate) text: Vec<u8>,
    /// `extra.nft`
    pub(crate) extra: Option<Vec<u8>>,
}

impl Stored {
    /// SHA-256 over both files in hexadecimal; the text's length keeps them apart.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.text.len() as u64).to_be_bytes());
        hash.update(&self.text);
        if let Some(extra) = &self.extra {
            hash.update(b"extra");
            hash.update(extra);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
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
}

/// A candidate that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) digest: String,
    pub(crate) reason: String,
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
}

impl Store {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
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

    /// Saves a generation and names it current, in one write window.
    ///
    /// # Errors
    /// The partition cannot be written; then the old state stands.
    pub(crate) fn save(&self, stored: &Stored, author: &str, comment: &str) -> Result<u32, StoreError> {
        let _window = Window::open(&self.root)?;
        let mut numbers = self.generations()?;
        let number = numbers.last().map_or(1, |last| last.saturating_add(1));
        let meta = Meta {
            time: seconds_since_1970(),
            author: author.to_owned(),
            comment: comment.to_owned(),
            digest: stored.digest(),
        };
        let generations = self.root.join("generations");
        let making = generations.join("new");
        remove_tree(&making)?;
        fs::create_dir_all(&making).map_err(failed("make", &making))?;
        write_whole(&making.join("mark21.toml"), &stored.text)?;
        if let Some(extra) = &stored.extra {
            write_whole(&making.join("extra.nft"), extra)?;
        }
        let meta = serde_json::to_vec_pretty(&meta).expect("a struct of strings has a JSON form");
        write_whole(&making.join("meta.json"), &meta)?;
        sync_folder(&making)?;
        let folder = self.folder(number);
        fs::rename(&making, &folder).map_err(failed("name", &folder))?;
        sync_folder(&generations)?;
        sync_folder(&self.root)?;
        self.replace("current", format!("{number:04}\n").as_bytes())?;
        numbers.push(number);
        let surplus = numbers.len().saturating_sub(GENERATIONS_KEPT);
        for old in numbers.iter().take(surplus) {
            remove_tree(&self.folder(*old))?;
        }
        Ok(number)
    }

    /// Remembers a candidate that failed, so that it is not tried again.
    ///
    /// # Errors
    /// The partition cannot be written.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Result<(), StoreError> {
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
        self.replace("refused", lines.as_bytes())
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

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let making = self.root.join(format!(".{name}.new"));
        let path = self.root.join(name);
        write_whole(&making, bytes)?;
        fs::rename(&making, &path).map_err(failed("name", &path))?;
        sync_folder(&self.root)
    }
}

/// The moment in which the partition is writable; it ends when this is dropped.
struct Window<'a> {
    /// `None` where the folder was writable before, as on a developer's machine.
    remounted: Option<&'a Path>,
}

/// How the partition is mounted in either case.
const MOUNT: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

impl<'a> Window<'a> {
    fn open(root: &'a Path) -> Result<Self, StoreError> {
        let state = rustix::fs::statvfs(root).map_err(io::Error::from).map_err(failed("look at", root))?;
        if !state.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Ok(Self { remounted: None });
        }
        rustix::mount::mount_remount(root, MOUNT, c"")
            .map_err(io::Error::from)
            .map_err(failed("make writable", root))?;
        Ok(Self { remounted: Some(root) })
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        if let Some(root) = self.remounted
            && let Err(error) = rustix::mount::mount_remount(root, MOUNT | MountFlags::RDONLY, c"")
        {
            crate::log::error(format_args!("{} stays writable: {error}", root.display()));
        }
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}

fn read_stored(folder: &Path) -> Result<Option<Stored>, StoreError> {
    let Some(text) = read_file(&folder.join("mark21.toml"))? else { return Ok(None) };
    Ok(Some(Stored { text, extra: read_file(&folder.join("extra.nft"))? }))
}

/// The file's first [`READ_LIMIT`] bytes; `None` when there is no such file. Follows no link.
fn read_file(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed("open", path)(error.into())),
    };
    let mut bytes = Vec::new();
    file.take(READ_LIMIT).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some(bytes))
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o640))
        .map(File::from)
        .map_err(io::Error::from)
        .map_err(failed("make", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
}

fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn seconds_since_1970() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
