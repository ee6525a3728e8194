//! The kernel's messages, one record a read (Documentation/ABI/testing/dev-kmsg). The kernel keeps
//! the ring and the reader's place in it.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::net::unix::pipe::Receiver;

/// Longest record with its dictionary (`CONSOLE_EXT_LOG_MAX`, kernel/printk).
const ROOM: usize = 8192;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) number: u64,
    /// Facility and severity as in RFC 5424 section 6.2.1.
    pub(super) priority: u8,
    /// Since the kernel started.
    pub(super) at: Duration,
    pub(super) text: String,
}

/// A reader of the ring.
#[derive(Debug)]
pub(super) struct Kernel {
    /// The one reader of tokio's that takes any file that can be waited for.
    file: Receiver,
    behind: Option<u64>,
}

impl Kernel {
    /// Reads on behind the record with this number; from the oldest one that is kept without.
    ///
    /// # Errors
    /// The kernel hands its messages to nobody.
    pub(super) fn open(behind: Option<u64>) -> io::Result<Self> {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(flags).open("/dev/kmsg")?;
        Ok(Self { file: Receiver::from_file_unchecked(file)?, behind })
    }

    /// The next record; `None` when there is none yet.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let mut buffer = [0; ROOM];
        loop {
            let length = match self.file.try_read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // The next record was overwritten; the kernel has moved on to the oldest one.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => continue,
                Err(error) => return Err(error),
            };
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            if let Some(record) = parse(&text)
                && self.behind.is_none_or(|behind| record.number > behind)
            {
                self.behind = Some(record.number);
                return Ok(Some(record));
            }
        }
    }

    /// Waits for a record.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        self.file.readable().await
    }
}

/// `6,339,5140900,-;text`, and lines of a dictionary behind it.
fn parse(record: &str) -> Option<Record> {
    let (head, text) = record.split_once(';')?;
    let mut fields = head.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    let number = fields.next()?.parse().ok()?;
    let at = Duration::from_micros(fields.next()?.parse().ok()?);
    let text = text.lines().next().unwrap_or_default().to_owned();
    Some(Record { number, priority: u8::try_from(priority).unwrap_or(u8::MAX), at, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_first_line_and_not_its_dictionary() {
        let record = parse("30,339,5140900,-;vrrpd: up; well\n SUBSYSTEM=net\n").expect("a record");
        assert_eq!((record.number, record.priority, record.at.as_millis()), (339, 30, 5140));
        assert_eq!(record.text, "vrrpd: up; well");
        assert_eq!(parse("no record"), None);
    }
}
