//! Checks a configuration file, without mark21d: the parser is the same.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mark21_config::{Findings, limits};
use serde_json::{Value, json};

use crate::answer::{Answer, Failure};
use crate::exit::Code;

/// Checks a file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn file(path: &Path) -> Result<Answer, Failure> {
    let bytes = read(path)?;
    let name = path.display().to_string();
    Ok(match mark21_config::parse_bytes(&bytes) {
        Ok(parsed) => {
            let text = match parsed.warnings.is_empty() {
                true => format!("{name}: good"),
                false => shown(&parsed.warnings, &bytes, &name),
            };
            Answer { text, value: value(true, &parsed.warnings), code: Code::Done }
        }
        Err(findings) => Answer {
            text: shown(&findings, &bytes, &name),
            value: value(false, &findings),
            code: Code::Refused,
        },
    })
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

/// Refuses a file with errors.
///
/// # Errors
/// It has some; they are shown.
pub(crate) fn refuse_errors(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path.display().to_string();
    match mark21_config::parse_bytes(bytes) {
        Ok(_) => Ok(()),
        Err(findings) => Err(Failure::new(
            Code::Refused,
            format!("{name} is refused\n{}", shown(&findings, bytes, &name)),
            "",
        )),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    // One byte more than is legal, so that the parser still sees that it is too long.
    let limit = limits::TEXT_BYTES as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| Failure::new(Code::File, format!("{}: {error}", path.display()), ""))?;
    Ok(bytes)
}

fn shown(findings: &Findings, bytes: &[u8], name: &str) -> String {
    findings.render(&String::from_utf8_lossy(bytes), name).to_string().trim_end().to_owned()
}

fn value(accepted: bool, findings: &Findings) -> Value {
    let listed: Vec<Value> = findings
        .listed()
        .iter()
        .map(|finding| {
            json!({
                "severity": finding.severity.to_string(),
                "line": finding.line,
                "column": finding.column,
                "field": finding.field,
                "given": finding.given,
                "allowed": finding.allowed,
                "reason": finding.reason,
                "mend": finding.mend,
            })
        })
        .collect();
    json!({ "accepted": accepted, "findings": listed, "unlisted": findings.omitted() })
}
