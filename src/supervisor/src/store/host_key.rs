//! The ssh server's host key: made once, kept beside the configuration.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::{Store, StoreError, Window, failed, read_file, sync_folder, write_whole};

impl Store {
    /// Where it lies. The folder is root's alone.
    pub(crate) fn host_key(&self) -> PathBuf {
        self.root.join("ssh").join("host_ed25519")
    }

    /// Its bytes; `None` where there is none.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub(crate) fn read_host_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        read_file(&self.host_key())
    }

    /// Keeps a new one.
    ///
    /// # Errors
    /// The partition cannot be written; then the old state stands.
    pub(crate) fn keep_host_key(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let _window = Window::open(&self.root)?;
        let path = self.host_key();
        let folder = self.root.join("ssh");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed("make", &folder))?;
        let making = path.with_extension("new");
        write_whole(&making, bytes)?;
        fs::rename(&making, &path).map_err(failed("name", &path))?;
        sync_folder(&folder)?;
        sync_folder(&self.root)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_host_key_is_kept_where_root_alone_can_go() {
        let disk = tempfile::tempdir().expect("a folder");
        let store = Store::new(disk.path());
        store.keep_host_key(b"one").expect("the folder can be written");
        store.keep_host_key(b"two").expect("and again");
        assert_eq!(store.read_host_key().expect("it reads"), Some(b"two".to_vec()));
        let folder = fs::metadata(disk.path().join("ssh")).expect("the folder is there");
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }
}
