//! Checks a configuration text, without mark21d: the parser is the same.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mark21_api::status::Verdict;
use mark21_api::verdict;
use mark21_config::limits;

use crate::answer::{Answer, Failure, value};
use crate::exit::Code;

/// Checks a file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn file(path: &Path) -> Result<Answer, Failure> {
    Ok(text(&read(path)?, &path.display().to_string()))
}

/// Checks a text, which is called `name`.
pub(crate) fn text(bytes: &[u8], name: &str) -> Answer {
    let (verdict, _) = verdict::check(bytes, name);
    let text = match verdict.findings.is_empty() {
        true => format!("{name}: good"),
        false => verdict.rendered.trim_end().to_owned(),
    };
    let code = if verdict.accepted { Code::Done } else { Code::Refused };
    Answer { text, value: value(&verdict), code }
}

/// A file's text.
///
/// # Errors
/// It cannot be read, or is no text.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|_| {
        Failure::new(Code::Refused, format!("{} is no UTF-8 text", path.display()), "run check on it")
    })
}

/// Refuses a text with errors.
///
/// # Errors
/// It has some; they are shown.
pub(crate) fn refuse_errors(name: &str, text: &str) -> Result<(), Failure> {
    let (Verdict { accepted, rendered, .. }, _) = verdict::check(text.as_bytes(), name);
    match accepted {
        true => Ok(()),
        false => Err(Failure::new(
            Code::Refused,
            format!("{name} is refused\n{}", rendered.trim_end()),
            "mend it and try once more; nothing has changed",
        )),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    // One byte more than is legal, so that the parser still sees that it is too long.
    let limit = limits::TEXT_BYTES as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(|error| {
        let hint = "name a file of this box; load takes a paste as well, or with --usb a stick";
        Failure::new(Code::File, format!("{}: {error}", path.display()), hint)
    })?;
    Ok(bytes)
}
