//! A line as RFC 5424 wants it. Nothing here sends.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::kernel::Record;
use crate::log::Entry;

/// Bytes that every receiver should take (RFC 5424 section 6.1).
const LONGEST: usize = 2048;
/// Facility `daemon` (RFC 5424 section 6.2.1), shifted to its place.
const DAEMON: u8 = 3 << 3;

/// What all lines of one moment share.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    /// When the kernel started, since 1970, by the clock of now.
    kernel_start: Duration,
    hostname: String,
    is_synchronised: bool,
}

impl Stamp {
    /// By the box's clock and name of now.
    pub(super) fn now(is_synchronised: bool) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            kernel_start: since_1970.saturating_sub(crate::clock::since_kernel_start()),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            is_synchronised,
        }
    }

    fn line(
        &self,
        priority: u8,
        at: Duration,
        (program, pid): (&str, &str),
        number: u64,
        text: &str,
    ) -> String {
        let mut line = format!(
            "<{priority}>1 {} {} ",
            humantime::format_rfc3339_micros(UNIX_EPOCH + self.kernel_start + at),
            self.hostname
        );
        // Writing into a String cannot fail. The number starts at 1 and wraps (section 7.3.1).
        let _ = write!(
            line,
            "{program} {pid} - [timeQuality tzKnown=\"1\" isSynced=\"{}\"][meta sequenceId=\"{}\"] ",
            u8::from(self.is_synchronised),
            number % 2_147_483_647 + 1
        );
        let visible = |character: char| if character.is_control() { ' ' } else { character };
        line.extend(text.chars().map(visible));
        let mut end = LONGEST.min(line.len());
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line
    }
}

/// A line of the supervisor.
pub(super) fn own(entry: &Entry, stamp: &Stamp) -> String {
    let pid = std::process::id().to_string();
    stamp.line(DAEMON | entry.severity, entry.at, ("mark21d", &pid), entry.number, &entry.text)
}

/// A record of the kernel's ring, or of a program that writes there, such as vrrpd.
pub(super) fn kernel(record: &Record, stamp: &Stamp) -> String {
    let (program, text) = match record.text.split_once(": ") {
        Some((program, text)) if record.priority >= 8 && is_name(program) => (program, text),
        _ if record.priority >= 8 => ("-", record.text.as_str()),
        _ => ("kernel", record.text.as_str()),
    };
    stamp.line(record.priority, record.at, (program, "-"), record.number, text)
}

fn is_name(text: &str) -> bool {
    (1..=48).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            kernel_start: Duration::from_secs(1_795_378_500),
            hostname: "director-a".into(),
            is_synchronised: true,
        }
    }

    #[test]
    fn a_line_has_every_field_of_the_standard() {
        let entry =
            Entry { number: 1, at: Duration::from_millis(14_250), severity: 3, text: "a\tb\u{1b}".into() };
        let line = own(&entry, &stamp());
        let pid = std::process::id();
        let wanted = format!(
            "<27>1 2026-11-22T20:15:14.250000Z director-a mark21d {pid} - [timeQuality tzKnown=\"1\" \
             isSynced=\"1\"][meta sequenceId=\"2\"] a b "
        );
        assert_eq!(line, wanted);
    }

    #[test]
    fn the_kernel_is_told_from_a_program_that_writes_to_its_ring() {
        let record =
            |priority, text: &str| Record { number: 0, priority, at: Duration::ZERO, text: text.into() };
        let cases = [
            (record(6, "eth0: link up"), " kernel - - ", "] eth0: link up"),
            (record(14, "vrrpd: is active"), " vrrpd - - ", "] is active"),
            (record(14, "two words: x"), " - - - ", "] two words: x"),
        ];
        for (record, program, text) in cases {
            let line = kernel(&record, &stamp());
            assert!(line.contains(program) && line.ends_with(text), "{line}");
        }
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters() {
        let entry = Entry { number: 1, at: Duration::ZERO, severity: 6, text: "é".repeat(3000) };
        let line = own(&entry, &stamp());
        assert!(line.len() <= LONGEST && line.len() > LONGEST - 2, "{}", line.len());
    }
}
