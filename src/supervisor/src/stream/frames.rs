//! Where messages begin and end in one direction of a D-Bus stream (D-Bus Specification, "Message
//! Format" and "Authentication Protocol"). Nothing here reads or writes.

use std::io;

use mark21_api::DIRECTOR_PATH;

/// Longest message of a client: a configuration and an `extra.nft` of a mebibyte each, twice.
/// On the system bus the same holds (`max_message_size` in rootfs/etc/dbus-1/system.conf).
const LONGEST: usize = 4 << 20;
/// Bytes that a client may spend on saying who it is.
const GREETING: usize = 1024;
/// The part of a header that tells the length (`yyyyuua(yv)`, up to the array's length).
const HEAD: usize = 16;
/// Bytes of a header in which a call to the director is looked for; a longer one counts as another.
const FIELDS: usize = 512;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    /// A call with `NO_REPLY_EXPECTED`.
    CallWithoutAnswer,
    /// A return or an error.
    Answer,
    Signal,
    /// What was announced as a call may be for more than the director's own methods.
    Beyond,
}

/// Follows one direction.
#[derive(Debug)]
pub(super) struct Frames {
    state: State,
    longest: usize,
}

#[derive(Debug)]
enum State {
    /// Lines until the one that says BEGIN; `None` for the side that does not say it.
    Greeting {
        line: Vec<u8>,
        spent: usize,
        begins: bool,
    },
    Head(Vec<u8>),
    /// The rest of a call's header, and how long it and the body are.
    Fields {
        seen: Vec<u8>,
        length: usize,
        rest: usize,
    },
    Rest(usize),
}

impl Frames {
    /// What a client sends: its greeting ends with BEGIN.
    pub(super) fn from_client() -> Self {
        let state = State::Greeting { line: Vec::new(), spent: 0, begins: true };
        Self { state, longest: LONGEST }
    }

    /// What we send: our greeting is lines of text, and no message begins like one.
    pub(super) fn from_us() -> Self {
        let state = State::Greeting { line: Vec::new(), spent: 0, begins: false };
        Self { state, longest: usize::MAX }
    }

    /// Whether this side still says who it is.
    pub(super) fn is_greeting(&self) -> bool {
        matches!(self.state, State::Greeting { .. })
    }

    /// Follows the next bytes; tells of every message that begins to be known in them.
    ///
    /// # Errors
    /// A message is too long, is none, or the greeting does not end.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> io::Result<Vec<Kind>> {
        let mut kinds = Vec::new();
        let mut bytes = bytes;
        while let Some((first, behind)) = bytes.split_first() {
            match &mut self.state {
                State::Greeting { line, begins: false, .. } if line.is_empty() && is_endian(*first) => {
                    self.state = State::Head(Vec::with_capacity(HEAD));
                }
                State::Greeting { line, spent, begins } => {
                    bytes = behind;
                    *spent += 1;
                    if *spent > GREETING {
                        return Err(bad("the greeting does not end"));
                    }
                    line.push(*first);
                    if line.ends_with(b"\r\n") {
                        if *begins && line.as_slice() == b"BEGIN\r\n" {
                            self.state = State::Head(Vec::with_capacity(HEAD));
                        } else {
                            line.clear();
                        }
                    }
                }
                State::Head(head) => {
                    let taken = bytes.len().min(HEAD - head.len());
                    let (part, behind) = bytes.split_at(taken);
                    head.extend_from_slice(part);
                    bytes = behind;
                    if let Ok(whole) = <[u8; HEAD]>::try_from(head.as_slice()) {
                        let (kind, fields, rest) = read(&whole)?;
                        if rest > self.longest {
                            return Err(bad("the message is too long"));
                        }
                        kinds.push(kind);
                        self.state = match kind {
                            Kind::Call if fields <= FIELDS => {
                                State::Fields { seen: Vec::with_capacity(fields), length: fields, rest }
                            }
                            Kind::Call => {
                                kinds.push(Kind::Beyond);
                                State::Rest(rest)
                            }
                            _ => State::Rest(rest),
                        };
                        self.finish();
                    }
                }
                State::Fields { seen, length, rest } => {
                    let (part, behind) = bytes.split_at(bytes.len().min(*length - seen.len()));
                    seen.extend_from_slice(part);
                    bytes = behind;
                    if seen.len() == *length {
                        if !is_for_the_director(seen) {
                            kinds.push(Kind::Beyond);
                        }
                        self.state = State::Rest(*rest - *length);
                        self.finish();
                    }
                }
                State::Rest(left) => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    bytes = bytes.get(taken..).unwrap_or_default();
                    self.finish();
                }
            }
        }
        Ok(kinds)
    }

    fn finish(&mut self) {
        if matches!(self.state, State::Rest(0)) {
            self.state = State::Head(Vec::with_capacity(HEAD));
        }
    }
}

fn is_endian(byte: u8) -> bool {
    matches!(byte, b'l' | b'B')
}

/// Whether a call's header names the director's path and none of the interfaces that every object has:
/// no field but a path can hold a slash.
fn is_for_the_director(fields: &[u8]) -> bool {
    let holds = |text: &[u8]| fields.windows(text.len()).any(|part| part == text);
    holds(format!("{DIRECTOR_PATH}\0").as_bytes()) && !holds(b"org.freedesktop.DBus.")
}

/// The kind, how many bytes of header fields follow the head, and how many bytes in all.
fn read(head: &[u8; HEAD]) -> io::Result<(Kind, usize, usize)> {
    let [endian, kind, flags, _, b0, b1, b2, b3, _, _, _, _, f0, f1, f2, f3] = *head;
    let number = |bytes| match endian {
        b'B' => u32::from_be_bytes(bytes),
        _ => u32::from_le_bytes(bytes),
    };
    if !is_endian(endian) {
        return Err(bad("no message begins so"));
    }
    let kind = match (kind, flags & 1) {
        (1, 0) => Kind::Call,
        (1, _) => Kind::CallWithoutAnswer,
        (2 | 3, _) => Kind::Answer,
        (4, _) => Kind::Signal,
        _ => return Err(bad("no message is of this type")),
    };
    // Both are 32 bits, so their sum fits.
    let fields = u64::from(number([f0, f1, f2, f3])).next_multiple_of(8);
    let rest = fields + u64::from(number([b0, b1, b2, b3]));
    let bytes = |number| usize::try_from(number).unwrap_or(usize::MAX);
    Ok((kind, bytes(fields), bytes(rest)))
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, flags: u8, fields: u32, body: u32) -> Vec<u8> {
        let mut bytes = vec![b'l', kind, flags, 1];
        bytes.extend(body.to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(fields.to_le_bytes());
        bytes.resize(16 + (fields.next_multiple_of(8) + body) as usize, 0xa5);
        bytes
    }

    #[test]
    fn messages_are_found_however_the_bytes_come() {
        let mut stream = b"\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".to_vec();
        for (kind, flags, fields, body) in [(1, 0, 13, 7), (4, 0, 0, 0), (1, 1, 8, 1), (2, 0, 1, 100)] {
            stream.extend(message(kind, flags, fields, body));
        }
        let wanted = [Kind::Call, Kind::Beyond, Kind::Signal, Kind::CallWithoutAnswer, Kind::Answer];
        for size in [1, 2, 3, 16, 17, 1000] {
            let mut frames = Frames::from_client();
            let found: Vec<Kind> = stream
                .chunks(size)
                .flat_map(|chunk| frames.follow(chunk).expect("it is well-formed"))
                .collect();
            assert_eq!(found, wanted, "in parts of {size}");
        }
    }

    #[test]
    fn a_call_to_the_director_needs_no_other_object() {
        let cases = [
            ("its own method", "/org/mark21/Director1", "org.mark21.Director1", true),
            ("its properties", "/org/mark21/Director1", "org.freedesktop.DBus.Properties", false),
            ("an object below it", "/org/mark21/Director1/service/ftp", "org.mark21.Service1", false),
            ("another", "/", "org.mark21.Director1", false),
        ];
        for (case, path, interface, wanted) in cases {
            assert_eq!(
                is_for_the_director(format!("o\0{path}\0s\0{interface}\0").as_bytes()),
                wanted,
                "{case}"
            );
        }
    }

    #[test]
    fn our_own_side_changes_from_lines_to_messages_by_itself() {
        let mut stream = b"OK 1234deadbeef\r\nAGREE_UNIX_FD\r\n".to_vec();
        stream.extend(message(2, 0, 24, 5_000_000));
        assert_eq!(Frames::from_us().follow(&stream).expect("it is well-formed"), [Kind::Answer]);
    }

    #[test]
    fn what_is_too_long_is_refused_by_its_head() {
        let limit = u32::try_from(LONGEST).expect("it fits");
        let cases = [("a body", 0, limit + 1), ("fields", limit + 8, 0), ("both", u32::MAX, u32::MAX)];
        for (case, fields, body) in cases {
            let mut frames = Frames::from_client();
            frames.follow(b"\0BEGIN\r\nBEGIN\r\n").expect("a greeting");
            let mut head = message(1, 0, 0, 0);
            head[4..8].copy_from_slice(&body.to_le_bytes());
            head[12..16].copy_from_slice(&fields.to_le_bytes());
            assert!(frames.follow(&head).is_err(), "{case}");
        }
    }

    #[test]
    fn a_greeting_without_end_and_a_message_that_is_none_are_refused() {
        assert!(Frames::from_client().follow(&[b'A'; GREETING + 1]).is_err());
        let mut frames = Frames::from_client();
        assert!(frames.follow(b"BEGIN\r\nGET / HTTP/1.1\r\n\r\n").is_err());
    }
}
