//! A configuration that is pasted into the console, and one that is printed to be pasted.
//!
//! ```text
//! -----BEGIN MARK21 CONFIGURATION-----
//! schema = 1
//! -----END MARK21 CONFIGURATION sha256=HEX-----
//! ```
//! The digest is of the lines between, each with a line feed: a serial line that loses a byte
//! is found out. Line ends may come as any of the three that terminals make of them.

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use mark21_config::limits;
use rustix::termios::{InputModes, LocalModes};
use sha2::{Digest, Sha256};

use crate::answer::Failure;
use crate::exit::Code;
use crate::session::Asker;
use crate::terminal::{self, Mode};

const DASHES: &str = "-----";

/// What stands between markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A configuration's text.
    Configuration,
    /// A whole box: see [`backup`](crate::backup).
    Backup,
}

impl Kind {
    fn begin(self) -> &'static str {
        match self {
            Self::Configuration => "-----BEGIN MARK21 CONFIGURATION-----",
            Self::Backup => "-----BEGIN MARK21 BACKUP-----",
        }
    }

    fn end(self) -> &'static str {
        match self {
            Self::Configuration => "-----END MARK21 CONFIGURATION sha256=",
            Self::Backup => "-----END MARK21 BACKUP sha256=",
        }
    }

    /// What to do with a paste of the other kind.
    fn elsewhere(self) -> &'static str {
        match self {
            Self::Configuration => "that is a backup of a whole box: restore takes it",
            Self::Backup => "that is a configuration alone: load takes it",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Configuration => Self::Backup,
            Self::Backup => Self::Configuration,
        }
    }
}
/// A paste that pauses for so long has ended.
const SILENCE: Duration = Duration::from_secs(30);
/// What the markers and carriage returns may add to the longest text.
const AROUND: usize = limits::TEXT_BYTES;

/// A text between its markers.
pub(crate) fn wrap(kind: Kind, text: &str) -> String {
    let body = normal(text);
    format!("{}\n{body}{}{}{DASHES}", kind.begin(), kind.end(), digest(&body))
}

/// Takes a text from standard input: a person is told what to do, a program sends the lines from
/// marker to marker, or a file as it is.
///
/// # Errors
/// It is too long, it was cut off, or its digest is another one.
pub(crate) fn receive(kind: Kind, asker: Asker) -> Result<String, Failure> {
    let bytes = if asker == Asker::Person {
        let what = match kind {
            Kind::Configuration => "Paste what `mark21 backup FILE` prints; Ctrl-C gives up.",
            Kind::Backup => "Paste what `backup` has printed; Ctrl-C gives up.",
        };
        // Who is not there to read it does not paste either.
        drop(writeln!(io::stdout(), "{what}").and_then(|()| io::stdout().flush()));
        paste()?
    } else {
        let end = if terminal::is_port() { End::Marker } else { End::OfFile };
        lines(&mut io::stdin().lock(), end)?
    };
    unwrap(kind, &bytes)
}

/// Where the lines of a program end that begin without a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// At once: a port has no end of file, and all that comes would be swallowed.
    Marker,
    /// With the file.
    OfFile,
}

fn lines(input: &mut impl BufRead, end: End) -> Result<Vec<u8>, Failure> {
    let failure = |error| Failure::new(Code::File, format!("standard input: {error}"), "send it once more");
    let limit = limits::TEXT_BYTES + AROUND;
    let mut all = Vec::new();
    let mut is_marked = false;
    loop {
        let begun = all.len();
        let room = (limit - begun) as u64;
        let length = (&mut *input).take(room).read_until(b'\n', &mut all).map_err(failure)?;
        let line = all.get(begun..).unwrap_or_default();
        is_marked |= starts_with(line, Kind::begin);
        if begun == 0 && !is_marked && end == End::Marker {
            return Err(refused("the line with BEGIN is missing", "send what mark21 backup prints"));
        }
        if length == 0 || (is_marked && starts_with(line, Kind::end)) {
            return Ok(all);
        }
    }
}

/// From the terminal, silently, up to the end marker.
fn paste() -> Result<Vec<u8>, Failure> {
    let without = [LocalModes::ICANON, LocalModes::ECHO, LocalModes::ISIG];
    // The line is told to wait where the reader is slow.
    let _mode = Mode::set(&without, InputModes::IXOFF).map_err(|error| terminal::gone(&error))?;
    let mut all: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    let mut is_too_long = false;
    loop {
        if !terminal::is_readable(SILENCE) {
            return Err(refused("the paste has stopped before its end", "paste it once more"));
        }
        let length = rustix::io::read(rustix::stdio::stdin(), &mut buffer).unwrap_or(0);
        let part = buffer.get(..length).unwrap_or_default();
        if part.is_empty() || part.contains(&3) {
            return Err(terminal::given_up());
        }
        all.extend_from_slice(part);
        let has_ended = ends(&all, length);
        if all.len() > limits::TEXT_BYTES + AROUND {
            // Read on, so that the rest is not taken for commands.
            is_too_long = true;
            all.drain(..all.len() - Kind::Configuration.end().len() - 128);
        }
        match (has_ended, is_too_long) {
            (true, false) => return Ok(all),
            (true, true) => {
                let message = format!("it is longer than {} bytes", limits::TEXT_BYTES);
                return Err(refused(&message, "a configuration is shorter; is it another file?"));
            }
            (false, _) => {}
        }
    }
}

/// Whether the end marker's line is whole, now that so many bytes have come. Only the tail is
/// looked at: a paste comes in thousands of parts.
fn ends(all: &[u8], come: usize) -> bool {
    let tail = all.get(all.len().saturating_sub(come + 256)..).unwrap_or_default();
    let tail = String::from_utf8_lossy(tail);
    KINDS.iter().any(|kind| tail.rsplit_once(kind.end()).is_some_and(|(_, rest)| rest.contains(['\n', '\r'])))
}

const KINDS: [Kind; 2] = [Kind::Configuration, Kind::Backup];

fn starts_with(line: &[u8], marker: fn(Kind) -> &'static str) -> bool {
    KINDS.iter().any(|kind| line.starts_with(marker(*kind).as_bytes()))
}

/// The text between the markers, when its digest is right; a text without any as it is.
///
/// # Errors
/// It is of the other kind, was cut off, or lost a byte.
pub(crate) fn unwrap(kind: Kind, bytes: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| refused("it is no UTF-8 text", "was a byte lost on the line? paste it once more"))?;
    let text = normal(text);
    if text.contains(&format!("{}\n", kind.other().begin())) {
        return Err(refused("it is of another kind", kind.elsewhere()));
    }
    let Some((_, rest)) = text.split_once(&format!("{}\n", kind.begin())) else {
        return match text.contains(kind.end()) || kind == Kind::Backup {
            true => Err(refused("the line with BEGIN is missing", "paste it from its first line on")),
            false => Ok(text),
        };
    };
    let (body, end) = rest
        .split_once(kind.end())
        .ok_or_else(|| refused("the line with END is missing", "paste it to its last line"))?;
    let said = end.split(DASHES).next().unwrap_or_default();
    let found = digest(body);
    if said != found {
        let message = format!("its digest is {}.., not {}..", start(&found), start(said));
        return Err(refused(&message, "bytes were lost on the line; paste it once more"));
    }
    Ok(body.to_owned())
}

fn start(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn refused(message: &str, hint: &str) -> Failure {
    Failure::new(Code::Refused, format!("the pasted text is not taken: {message}"), hint)
}

/// With line feeds alone, and one at the end.
fn normal(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "schema = 1\n# ü\n";

    #[test]
    fn what_was_wrapped_comes_back_however_lines_end() {
        let wrapped = wrap(Kind::Configuration, TEXT);
        for pasted in [wrapped.clone(), wrapped.replace('\n', "\r"), wrapped.replace('\n', "\r\n") + "\r\n"] {
            assert_eq!(unwrap(Kind::Configuration, pasted.as_bytes()).expect("it is whole"), TEXT);
        }
        assert_eq!(
            unwrap(Kind::Configuration, b"schema = 1").expect("markers are not needed"),
            "schema = 1\n"
        );
    }

    #[test]
    fn a_lost_byte_is_found_out() {
        let wrapped = wrap(Kind::Configuration, TEXT);
        let cases = [
            ("a byte of the text", wrapped.replace("ema", "em"), "digest"),
            ("the first line", wrapped.replace(Kind::Configuration.begin(), ""), "BEGIN"),
            (
                "the last line",
                wrapped.split(Kind::Configuration.end()).next().unwrap_or_default().to_owned(),
                "END",
            ),
        ];
        for (lost, text, wanted) in cases {
            let failure = unwrap(Kind::Configuration, text.as_bytes()).expect_err(lost);
            assert!(failure.message.contains(wanted), "{lost}: {}", failure.message);
        }
        assert!(unwrap(Kind::Configuration, b"\xff\xfe").is_err());
    }

    #[test]
    fn what_stands_behind_the_end_is_the_next_command() {
        let wrapped = wrap(Kind::Configuration, TEXT);
        let mut port = format!("{wrapped}\nstatus\n");
        let mut input = port.as_bytes();
        let taken = lines(&mut input, End::Marker).expect("it is whole");
        assert_eq!(unwrap(Kind::Configuration, &taken).expect("and right"), TEXT);
        assert_eq!(input, b"status\n");
        assert_eq!(lines(&mut TEXT.as_bytes(), End::OfFile).expect("a file"), TEXT.as_bytes());
        port.insert(0, 'x');
        assert!(lines(&mut port.as_bytes(), End::Marker).is_err());
    }

    #[test]
    fn the_end_is_seen_in_parts() {
        let wrapped = wrap(Kind::Configuration, &TEXT.repeat(10_000));
        assert!(!ends(wrapped.as_bytes(), 1), "its line is not whole");
        assert!(ends(format!("{wrapped}\r").as_bytes(), 1));
    }

    #[test]
    fn a_paste_of_the_other_kind_says_who_takes_it() {
        let backup = wrap(Kind::Backup, TEXT);
        assert_eq!(unwrap(Kind::Backup, backup.as_bytes()).expect("it is one"), TEXT);
        let failure = unwrap(Kind::Configuration, backup.as_bytes()).expect_err("load takes none");
        assert!(failure.hint.contains("restore"), "{failure}");
        let failure =
            unwrap(Kind::Backup, wrap(Kind::Configuration, TEXT).as_bytes()).expect_err("nor restore");
        assert!(failure.hint.contains("load"), "{failure}");
        assert!(unwrap(Kind::Backup, TEXT.as_bytes()).is_err(), "without markers nothing says what it is");
    }
}
