//! What a machine has written to its disk, in order, as QEMU's `blklogwrites` records it: the
//! format of the kernel's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst).
//!
//! A disk may lose all that it was sent after the last flush, and keep any part of it. So each
//! state that a power cut can leave is a prefix of the epochs between flushes, and any subset of
//! the writes of the epoch that was cut.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::Result;

/// `WRITE_LOG_MAGIC`
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Bytes from the start of the disk.
    pub offset: u64,
    /// What was written; for a discard, zeros.
    pub bytes: Vec<u8>,
}

/// The writes between two flushes, in the order in which they were sent.
pub type Epoch = Vec<Write>;

/// Reads a log; the last epoch may have no flush behind it.
///
/// # Errors
/// When it is no such log.
pub fn read(path: &Path) -> Result<Vec<Epoch>> {
    let mut log = File::open(path).with_context(|| format!("{}", path.display()))?;
    let mut head = [0; 28];
    log.read_exact(&mut head).context("the log's superblock")?;
    ensure!(word(&head, 0)? == MAGIC, "{} is no log of writes", path.display());
    let entries = word(&head, 16)?;
    let unit = u64::from(u32::from_le_bytes(head[24..28].try_into()?));
    let mut at = unit;
    let mut epochs = vec![Epoch::new()];
    for entry in 0..entries {
        let mut head = [0; 32];
        log.seek(SeekFrom::Start(at))?;
        log.read_exact(&mut head).with_context(|| format!("entry {entry} of {entries}"))?;
        let (sector, sectors, flags) = (word(&head, 0)?, word(&head, 8)?, word(&head, 16)?);
        at += unit;
        if flags & FLUSH != 0 {
            epochs.push(Epoch::new());
        }
        if sectors > 0 {
            let mut bytes = vec![0; usize::try_from(sectors * unit)?];
            if flags & DISCARD == 0 {
                log.read_exact_at(&mut bytes, at)?;
                at += sectors * unit;
            }
            let write = Write { offset: sector * unit, bytes };
            epochs.last_mut().context("there is always one")?.push(write);
        }
        if flags & FUA != 0 {
            epochs.push(Epoch::new());
        }
    }
    epochs.retain(|epoch| !epoch.is_empty());
    Ok(epochs)
}

/// Writes what lies in a part of the disk into a file that holds that part alone.
///
/// # Errors
/// When the file cannot be written.
pub fn apply<'a>(
    file: &Path,
    part: std::ops::Range<u64>,
    writes: impl IntoIterator<Item = &'a Write>,
) -> Result {
    let file =
        fs::OpenOptions::new().write(true).open(file).with_context(|| format!("{}", file.display()))?;
    for write in writes {
        if part.contains(&write.offset) {
            file.write_all_at(&write.bytes, write.offset - part.start)?;
        }
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Result<u64> {
    let bytes = bytes.get(at..at + 8).context("the log is cut short")?;
    Ok(u64::from_le_bytes(bytes.try_into()?))
}
