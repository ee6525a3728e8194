//! The terminal underneath: its size, its modes, a question, and long answers page by page.
//!
//! A serial line tells neither its size nor that it has gone away; 24 lines of 80 are what every
//! terminal has, and a probe asks for more.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, Winsize, isatty, tcgetattr,
    tcgetwinsize, tcsetattr, tcsetwinsize,
};

use crate::answer::Failure;
use crate::exit::Code;

/// What is assumed of a terminal that does not tell.
const SIZE: (u16, u16) = (80, 24);
/// Major numbers of pseudo terminals (Documentation/admin-guide/devices.txt).
const PSEUDO_TERMINALS: std::ops::RangeInclusive<u32> = 136..=143;
/// Ctrl-C.
const INTERRUPT: u8 = 3;
/// What a sequence begins with.
const ESCAPE: u8 = 27;
/// Longest line that is read as the answer to a question.
const ANSWER_BYTES: usize = 1024;
/// A terminal answers a probe within this time at 9600 baud.
const PROBE: Duration = Duration::from_millis(300);

/// Whether a person sits at both ends.
pub(crate) fn is_interactive() -> bool {
    isatty(rustix::stdio::stdin()) && isatty(rustix::stdio::stdout())
}

/// Whether standard input is a terminal or a serial port, which has no end of file.
pub(crate) fn is_port() -> bool {
    isatty(rustix::stdio::stdin())
}

/// Whether standard input is a line that somebody has a plug in, and no pseudo terminal as ssh has.
pub(crate) fn is_serial() -> bool {
    let Ok(stat) = rustix::fs::fstat(rustix::stdio::stdin()) else { return false };
    is_port() && !PSEUDO_TERMINALS.contains(&rustix::fs::major(stat.st_rdev))
}

/// Columns and rows.
pub(crate) fn size() -> (u16, u16) {
    match tcgetwinsize(rustix::stdio::stdout()) {
        Ok(size) if size.ws_col != 0 && size.ws_row != 0 => (size.ws_col, size.ws_row),
        Ok(_) | Err(_) => SIZE,
    }
}

/// Asks a terminal on a serial line how large it is, and tells the kernel, from which every
/// program then has it.
pub(crate) fn probe() {
    let known = tcgetwinsize(rustix::stdio::stdout()).is_ok_and(|size| size.ws_col != 0);
    if !known && is_interactive() {
        measure();
    }
}

/// The same of one that may have another size than before.
pub(crate) fn measure() {
    let Ok(_raw) = Mode::set(&[LocalModes::ICANON, LocalModes::ECHO], InputModes::empty()) else { return };
    // Far beyond the corner, where is the cursor, and back to the left edge.
    let asked = io::stdout().write_all(b"\x1b7\x1b[999;999H\x1b[6n\x1b8").and_then(|()| io::stdout().flush());
    let mut answer = Vec::new();
    while asked.is_ok() && answer.len() < 16 && is_readable(PROBE) {
        let mut byte = [0];
        match rustix::io::read(rustix::stdio::stdin(), &mut byte) {
            Ok(1) => answer.push(byte[0]),
            Ok(_) | Err(_) => break,
        }
        if byte[0] == b'R' {
            break;
        }
    }
    let (columns, rows) = cursor_report(&answer).unwrap_or(SIZE);
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // A terminal that cannot be told is taken for one of 24 by 80.
    let _ = tcsetwinsize(rustix::stdio::stdin(), size);
}

/// `ESC [ rows ; columns R` (ECMA-48, CPR); sizes that no terminal has count as none.
fn cursor_report(bytes: &[u8]) -> Option<(u16, u16)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (rows, columns) = text.split_once("\x1b[")?.1.strip_suffix('R')?.split_once(';')?;
    let (columns, rows) = (columns.parse().ok()?, rows.parse().ok()?);
    ((20..=500).contains(&columns) && (5..=200).contains(&rows)).then_some((columns, rows))
}

/// Whether a byte comes within this time.
pub(crate) fn is_readable(within: Duration) -> bool {
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let within = rustix::time::Timespec::try_from(within).ok();
    matches!(poll(&mut fds, within.as_ref()), Ok(1))
}

/// Whether an answer is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    AsTyped,
    Never,
}

/// Other modes of the terminal, until it is dropped.
#[derive(Debug)]
pub(crate) struct Mode {
    before: Termios,
}

impl Mode {
    /// Without some local modes, with some input modes.
    ///
    /// # Errors
    /// Standard input is no terminal.
    pub(crate) fn set(without: &[LocalModes], with: InputModes) -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut modes = before.clone();
        for mode in without {
            modes.local_modes -= *mode;
        }
        modes.input_modes |= with;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &modes)?;
        Ok(Self { before })
    }

    /// For one line, which Ctrl-C ends like Enter and is told from it. `None` where standard
    /// input is no terminal.
    fn of_a_question(answer: Shown) -> Option<Self> {
        let before = tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ISIG;
        modes.local_modes.set(LocalModes::ECHO, answer == Shown::AsTyped);
        modes.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &modes).ok()?;
        Some(Self { before })
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        // A terminal that is gone needs no modes.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Shows no key until it is dropped, not even one that comes before its question.
pub(crate) fn silent() -> Option<Mode> {
    // A line that is no terminal shows nothing anyway.
    Mode::set(&[LocalModes::ECHO], InputModes::empty()).ok()
}

/// What is said when whoever was asked for a configuration gives no answer.
pub(crate) fn given_up() -> Failure {
    Failure::new(Code::Differs, "given up; the draft is as it was", "type the command again to begin anew")
}

/// What is said of a terminal that does not do what terminals do.
pub(crate) fn gone(error: &io::Error) -> Failure {
    Failure::new(Code::Failed, format!("the terminal: {error}"), "plug in again; ssh needs -t for this")
}

/// Asks, and gives the line that is answered.
///
/// # Errors
/// Nobody is there any more.
pub(crate) fn ask(question: &str) -> io::Result<String> {
    let _mode = Mode::of_a_question(Shown::AsTyped);
    print!("{question}");
    io::stdout().flush()?;
    let line = read_line();
    if line.is_err() {
        // No Enter has ended the line of the question.
        println!();
    }
    line
}

/// Asks for what nobody may read over a shoulder.
///
/// # Errors
/// Nobody is there any more.
pub(crate) fn ask_secret(question: &str) -> io::Result<String> {
    // Silent before the question is seen: who is quick would have his first letters shown.
    let silent = Mode::of_a_question(Shown::Never);
    print!("{question}");
    io::stdout().flush()?;
    let line = read_line();
    drop(silent);
    println!();
    line
}

/// A line from the terminal, byte by byte, so that nothing behind it is taken away from whoever
/// reads next.
///
/// # Errors
/// Nobody is there any more.
pub(crate) fn read_line() -> io::Result<String> {
    line_of(&mut stdin())
}

/// A line without the sequences in it: arrows, and the answer to [`probe`] of a terminal behind a
/// slow line.
fn line_of(input: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        if input.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match byte[0] {
            b'\n' | b'\r' => break,
            INTERRUPT => return Err(io::ErrorKind::Interrupted.into()),
            ESCAPE => skip_sequence(input)?,
            byte @ (b'\t' | b' '..) if line.len() < ANSWER_BYTES => line.push(byte),
            // A control letter is no part of an answer: nobody sees that it is in a password.
            _ => {}
        }
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// The rest of `ESC [ parameters letter`, or of `ESC` and one letter (ECMA-48 section 5).
fn skip_sequence(input: &mut impl Read) -> io::Result<()> {
    let mut byte = [0];
    input.read_exact(&mut byte)?;
    if !matches!(byte[0], b'[' | b'O') {
        return Ok(());
    }
    loop {
        input.read_exact(&mut byte)?;
        match byte[0] {
            b'\n' | b'\r' | INTERRUPT => return Err(io::ErrorKind::Interrupted.into()),
            0x40..0x7f => return Ok(()),
            _ => {}
        }
    }
}

/// Standard input without a buffer.
fn stdin() -> impl Read {
    struct Bare(BorrowedFd<'static>);
    impl Read for Bare {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            Ok(rustix::io::read(self.0, bytes)?)
        }
    }
    Bare(rustix::stdio::stdin())
}

/// Prints a text; a long one page by page, with a key between two pages.
///
/// # Errors
/// Nobody is there any more.
pub(crate) fn page(text: &str) -> io::Result<()> {
    let (columns, rows) = size();
    let rows = usize::from(rows).saturating_sub(1).max(1);
    let mut out = io::stdout();
    paged(text, (columns.into(), rows), &mut out, key)?;
    out.flush()
}

/// A line that wraps counts as often as it does.
fn paged(
    text: &str,
    (columns, rows): (usize, usize),
    out: &mut impl Write,
    mut key: impl FnMut() -> io::Result<u8>,
) -> io::Result<()> {
    let mut room = rows;
    for (number, line) in text.lines().enumerate() {
        let height = line.chars().count().div_ceil(columns).max(1);
        if height > room && number != 0 {
            write!(out, "-- more: space for the next page, Enter for a line, q to end --")?;
            out.flush()?;
            let key = key()?;
            write!(out, "\r\x1b[K")?;
            room = match key {
                b'q' | b'Q' | INTERRUPT | ESCAPE => return Ok(()),
                b'\r' | b'\n' => height,
                _ => rows,
            };
        }
        writeln!(out, "{line}")?;
        room = room.saturating_sub(height);
    }
    Ok(())
}

fn key() -> io::Result<u8> {
    let _mode = Mode::set(&[LocalModes::ICANON, LocalModes::ECHO, LocalModes::ISIG], InputModes::empty())?;
    let mut byte = [0];
    match stdin().read(&mut byte)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(byte[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_as_many_rows_as_the_terminal_and_enter_is_a_line() {
        let text = "1\n2\n3\nlong line\n5";
        let shown = |size: (usize, usize), keys: &[u8]| {
            let mut out = Vec::new();
            let mut keys = keys.iter();
            paged(text, size, &mut out, || Ok(*keys.next().expect("no more keys are wanted")))
                .expect("shown");
            let out = String::from_utf8(out).expect("text");
            out.lines()
                .map(|line| line.rsplit("\x1b[K").next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        let all = ["1", "2", "3", "long line", "5"];
        assert_eq!(shown((80, 23), b""), all);
        assert_eq!(shown((80, 2), b"  "), all);
        assert_eq!(shown((80, 2), b"\r\r "), all);
        assert_eq!(shown((5, 2), b"   "), all, "the long line is two rows");
        assert_eq!(shown((80, 2), b" q"), ["1", "2", "3", "long line", ""]);
        assert_eq!(shown((80, 2), b"\x03"), ["1", "2", ""]);
    }

    #[test]
    fn the_late_answer_of_a_slow_terminal_is_no_part_of_a_password() {
        for typed in ["\x1b[24;80Rsecret\r", "se\x1b[Acr\x1bOBet\n", "sec\x0cret\n", "secret\x1b[1;5C\n"] {
            assert_eq!(line_of(&mut typed.as_bytes()).expect("a line"), "secret", "{typed:?}");
        }
        assert!(line_of(&mut &b"cut \x1b[2"[..]).is_err());
    }

    #[test]
    fn a_terminal_tells_its_size_or_none() {
        assert_eq!(cursor_report(b"\x1b[50;132R"), Some((132, 50)));
        assert_eq!(cursor_report(b"noise\x1b[24;80R"), Some((80, 24)));
        for wrong in [&b""[..], b"\x1b[R", b"\x1b[0;0R", b"\x1b[24;80", b"\x1b[9;99999R", b"\xff\x1b["] {
            assert_eq!(cursor_report(wrong), None, "{wrong:?}");
        }
    }
}
