//! Files on a partition that is read-only but for moments: whole or not at all, and on the disk
//! before anything is said of them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::mount::MountFlags;

use super::StoreError;

/// Bytes read of any file here: one more than the longest legal text, so that a longer one is
/// still seen to be too long.
const READ_LIMIT: u64 = mark21_config::limits::TEXT_BYTES as u64 + 1;

/// The moment in which the partition is writable; it ends when this is dropped.
pub(super) struct Window<'a> {
    /// `None` where the folder was writable before, as on a developer's machine.
    remounted: Option<&'a Path>,
    /// One at a time: the end of one would cut another one's writing off.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

/// How the partition is mounted in either case.
const MOUNT: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

impl<'a> Window<'a> {
    pub(super) fn open(root: &'a Path) -> Result<Self, StoreError> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let state = rustix::fs::statvfs(root).map_err(io::Error::from).map_err(failed("look at", root))?;
        if !state.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Ok(Self { remounted: None, _turn: turn });
        }
        rustix::mount::mount_remount(root, MOUNT, c"")
            .map_err(io::Error::from)
            .map_err(failed("make writable", root))?;
        Ok(Self { remounted: Some(root), _turn: turn })
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

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}

/// The file's first [`READ_LIMIT`] bytes; `None` when there is no such file. Follows no link.
pub(super) fn read_file(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
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

pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o640))
        .map(File::from)
        .map_err(io::Error::from)
        .map_err(failed("make", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))
}

/// The file is whole under another name before it gets its own.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let making = folder.join(format!(".{name}.new"));
    let path = folder.join(name);
    write_whole(&making, bytes)?;
    fs::rename(&making, &path).map_err(failed("name", &path))?;
    sync_folder(folder)
}

pub(super) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
}

pub(super) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}
