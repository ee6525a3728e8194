//! The text before it is TOML: size, encoding, whether it is text at all, and how much of it is worth
//! reading.

use toml_parser::parser::{RecursionGuard, parse_document};
use toml_parser::{ParseError, Source};

use crate::finding::{Findings, Log};
use crate::limits;

/// Deepest nesting that is read, as the `toml` crate has it.
const NESTING: u32 = 80;

/// Refuses what cannot be a configuration, with the place that shows it.
pub(crate) fn check(text: &str) -> Result<(), Findings> {
    let mut log = Log::default();
    if text.len() > limits::TEXT_BYTES {
        log.error(
            0..0,
            format_args!("the text has {} bytes, at most {} fit", text.len(), limits::TEXT_BYTES),
        )
        .mend("this is hardly the file that was meant");
    } else if let Some(nul) = text.find('\0') {
        log.error(nul..nul + 1, "a NUL byte: this is no text")
            .mend("save it as UTF-8 text; some editors write UTF-16");
    } else if text.trim_start_matches('\u{feff}').trim().is_empty() {
        log.error(0..0, "the file is empty").mend("start it with schema = 1");
    } else {
        return Ok(());
    }
    Err(log.finish(text, None))
}

/// The bytes as text.
pub(crate) fn decode(bytes: &[u8]) -> Result<&str, Findings> {
    let error = match core::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let mut log = Log::default();
    if bytes.len() > limits::TEXT_BYTES {
        log.error(
            0..0,
            format_args!("the file has {} bytes, at most {} fit", bytes.len(), limits::TEXT_BYTES),
        )
        .mend("this is hardly the file that was meant");
        return Err(log.finish("", None));
    }
    let (valid, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or_default();
    // The valid part and one character more, so that the finding has a place to stand on.
    let valid = core::str::from_utf8(valid).unwrap_or_default();
    let byte = rest.first().copied().unwrap_or_default();
    log.error(valid.len()..valid.len(), format_args!("the byte 0x{byte:02x} is not UTF-8"))
        .mend("save the file as UTF-8 text");
    Err(log.finish(valid, None))
}

/// The text up to the last syntax error that is printed, and how many there are behind it.
///
/// An error costs the `toml` crate microseconds, and a file of the largest size can have a million of
/// them; here they are only counted. A text with no more than are printed comes back whole.
pub(crate) fn worth_reading(text: &str) -> (&str, usize) {
    let (mut count, mut end) = (0_usize, 0);
    let mut note = |error: ParseError| {
        count += 1;
        if count <= limits::FINDINGS {
            end = end.max(error.unexpected().map_or(0, |span| span.end()));
        }
    };
    let tokens = Source::new(text).lex().into_vec();
    parse_document(&tokens, &mut RecursionGuard::new(&mut (), NESTING), &mut note);
    match count.checked_sub(limits::FINDINGS) {
        None | Some(0) => (text, 0),
        Some(beyond) => (text.get(..end).unwrap_or(text), beyond),
    }
}
