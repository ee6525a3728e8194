//! Text to a configuration that cannot hold a bad value, or findings that name their places.
//!
//! ```text
//! text -> source -> TOML tables -> raw (serde) -> build -> Config -> lint -> Parsed
//!           |            |             |            |                  |
//!           +------------+-------------+------------+------------------+--> Findings
//! ```
//! Each step reports all that it finds, and the next one starts only when it found no error.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod build;
mod document;
pub mod fields;
mod finding;
mod forms;
pub mod limits;
mod lint;
mod lookup;
mod model;
mod names;
mod place;
mod raw;
mod render;
mod source;
mod suggest;

use alloc::boxed::Box;

use toml::de::DeTable;

pub use finding::{Finding, Findings, Severity};
pub use forms::{Form, FormError, Spelled};
pub use model::*;
pub use whereabouts::Whereabouts;

/// A configuration that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The configuration.
    pub config: Box<Config>,
    /// What the operator should know of it; no errors.
    pub warnings: Findings,
}

/// Reads a configuration file.
///
/// # Errors
/// All that is wrong with the text: syntax, or else types and names, or else what cannot work.
pub fn parse(text: &str) -> Result<Parsed, Findings> {
    source::check(text)?;
    let (worth_reading, beyond) = source::worth_reading(text);
    let (root, errors) = DeTable::parse_recoverable(worth_reading);
    let root = root.get_ref();
    let mut log = finding::Log::default();
    for error in &errors {
        log.error(error.span().unwrap_or(0..0), error.message());
    }
    if log.has_errors() || beyond != 0 {
        log.leave_out(beyond);
        return Err(log.finish(text, None));
    }
    let raw = document::read(root, &mut log);
    let config = if log.has_errors() { None } else { build::config(&raw, &mut log) };
    if let Some(config) = &config
        && !log.has_errors()
    {
        lint::check(config, &raw, &mut log);
    }
    let findings = |log: finding::Log| log.finish(text, Some(root));
    match config {
        Some(config) if !log.has_errors() => Ok(Parsed { config, warnings: findings(log) }),
        _ => Err(findings(log)),
    }
}

/// Like [`parse`], of bytes that may not be text.
///
/// # Errors
/// As [`parse`]; and where the bytes are not UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Parsed, Findings> {
    parse(source::decode(bytes)?)
}

#[cfg(test)]
mod tests;
mod whereabouts;
