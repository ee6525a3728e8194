//! What is wrong with a file, where, and what to do about it.
//!
//! A [`Log`] gathers [`Draft`]s while the file is read; [`Findings`] are what the caller gets:
//! sorted by place, named by field, at most [`limits::FINDINGS`] of them, the rest counted.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use toml::de::DeTable;

use crate::fields::TableDoc;
use crate::limits;
use crate::place::{self, Place};
use crate::raw::Span;
use crate::suggest;

/// Whether a file with this finding can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but not without a cost that is named.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters on that line; at least 1.
    pub length: usize,
    /// The field as a person says it: `service "ftp" . real_server 2 . weight`. Empty when the
    /// finding is about the text as such.
    pub field: String,
    /// What stands there; empty when that is no help.
    pub given: String,
    /// What may stand there; empty when that is not the point.
    pub allowed: String,
    /// What is wrong, and why.
    pub reason: String,
    /// How to mend it; empty when the reason says it.
    pub mend: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}: ", self.line, self.column, self.severity)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.reason)?;
        match (self.given.as_str(), self.allowed.as_str()) {
            ("", "") => {}
            (given, "") => write!(f, " (given: {given})")?,
            ("", allowed) => write!(f, " (allowed: {allowed})")?,
            (given, allowed) => write!(f, " (given: {given}; allowed: {allowed})")?,
        }
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        Ok(())
    }
}

/// All that was found in one file, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    listed: Vec<Finding>,
    omitted: usize,
}

impl Findings {
    /// The first [`limits::FINDINGS`]; errors before warnings where not all fit.
    #[must_use]
    pub fn listed(&self) -> &[Finding] {
        &self.listed
    }

    /// How many more there are.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.listed.iter().enumerate() {
            if index != 0 {
                f.write_str("\n")?;
            }
            write!(f, "{finding}")?;
        }
        if self.omitted != 0 {
            write!(f, "\nand {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl core::error::Error for Findings {}

/// A finding whose place is still bytes.
#[derive(Debug)]
pub(crate) struct Draft {
    severity: Severity,
    span: Span,
    missing: Option<&'static str>,
    reason: String,
    allowed: Allowed,
    mend: Mend,
}

#[derive(Debug)]
enum Mend {
    Nothing,
    /// The word of the field's reference that is nearest to the one given.
    NearestWord,
    /// The key that is nearest to the one given.
    NearestKey(&'static TableDoc),
    This(String),
}

#[derive(Debug)]
enum Allowed {
    Nothing,
    OfField,
    KeysOf(&'static TableDoc),
    These(String),
}

impl Draft {
    /// How to mend it.
    pub(crate) fn mend(&mut self, mend: impl fmt::Display) -> &mut Self {
        self.mend = Mend::This(mend.to_string());
        self
    }

    /// How to mend it is a word that the reference says of the field.
    pub(crate) fn mend_by_nearest_word(&mut self) -> &mut Self {
        self.mend = Mend::NearestWord;
        self
    }

    /// What may stand there.
    pub(crate) fn allowed(&mut self, allowed: impl fmt::Display) -> &mut Self {
        self.allowed = Allowed::These(allowed.to_string());
        self
    }

    /// What may stand there is what the reference says of the field.
    pub(crate) fn allowed_by_reference(&mut self) -> &mut Self {
        self.allowed = Allowed::OfField;
        self
    }

    /// It is a key that the table does not take.
    pub(crate) fn unknown_key(&mut self, table: &'static TableDoc) -> &mut Self {
        self.allowed = Allowed::KeysOf(table);
        self.mend = Mend::NearestKey(table);
        self
    }

    /// It is about a field of the table at that place which is not there.
    pub(crate) fn missing(&mut self, field: &'static str) -> &mut Self {
        self.missing = Some(field);
        self.allowed_by_reference()
    }

    fn finish(self, text: &str, root: Option<&DeTable<'_>>) -> Finding {
        let place = root.and_then(|root| place::find(root, &self.span)).unwrap_or_default();
        let place = match self.missing {
            Some(field) => place.child(field),
            None => place,
        };
        let (line, column, length) = place::line_and_column(text, &self.span);
        let allowed = match self.allowed {
            Allowed::Nothing => String::new(),
            Allowed::OfField => place.described().map(|field| field.values.into()).unwrap_or_default(),
            Allowed::KeysOf(table) => table.keys().collect::<Vec<_>>().join(", "),
            Allowed::These(text) => text,
        };
        let given = place.given(text, &self.span);
        let mend = match (self.mend, place.described()) {
            (Mend::This(mend), _) => mend,
            (Mend::NearestWord, Some(field)) => nearest_word(&given, field.values),
            (Mend::NearestKey(table), _) => nearest_key(place.key(), table),
            (Mend::NearestWord, None) | (Mend::Nothing, _) => String::new(),
        };
        let Place { field, .. } = place;
        Finding {
            severity: self.severity,
            line,
            column,
            length,
            field,
            given,
            allowed,
            reason: self.reason,
            mend,
        }
    }
}

/// The words of the reference stand in double quotes.
fn nearest_word(given: &str, values: &str) -> String {
    let words = values.split('"').skip(1).step_by(2);
    match suggest::nearest(given.trim_matches(['"', '\'']), words) {
        Some(word) => format!("did you mean \"{word}\"?"),
        None => String::new(),
    }
}

fn nearest_key(given: &str, table: &TableDoc) -> String {
    match suggest::nearest(given, table.keys()) {
        Some(key) => format!("did you mean {key}?"),
        None => String::new(),
    }
}

/// Findings in the making.
#[derive(Debug, Default)]
pub(crate) struct Log {
    drafts: Vec<Draft>,
    left_out: usize,
}

impl Log {
    /// Notes what makes the file unusable.
    pub(crate) fn error(&mut self, span: Span, reason: impl fmt::Display) -> &mut Draft {
        self.note(Severity::Error, span, reason)
    }

    /// Notes what the operator should know.
    pub(crate) fn warning(&mut self, span: Span, reason: impl fmt::Display) -> &mut Draft {
        self.note(Severity::Warning, span, reason)
    }

    /// Counts findings that nobody noted.
    pub(crate) fn leave_out(&mut self, count: usize) {
        self.left_out += count;
    }

    /// Whether the file is unusable.
    pub(crate) fn has_errors(&self) -> bool {
        self.drafts.iter().any(|draft| draft.severity == Severity::Error)
    }

    /// Gives every finding its line and its field.
    pub(crate) fn finish(mut self, text: &str, root: Option<&DeTable<'_>>) -> Findings {
        let omitted = self.drafts.len().saturating_sub(limits::FINDINGS);
        if omitted != 0 {
            self.drafts.sort_by_key(|draft| (draft.severity, draft.span.start));
            self.drafts.truncate(limits::FINDINGS);
        }
        self.drafts.sort_by_key(|draft| draft.span.start);
        let listed = self.drafts.into_iter().map(|draft| draft.finish(text, root)).collect();
        Findings { listed, omitted: omitted + self.left_out }
    }

    fn note(&mut self, severity: Severity, span: Span, reason: impl fmt::Display) -> &mut Draft {
        let draft = Draft {
            severity,
            span,
            missing: None,
            reason: reason.to_string(),
            allowed: Allowed::Nothing,
            mend: Mend::Nothing,
        };
        let index = self.drafts.len();
        self.drafts.push(draft);
        &mut self.drafts[index]
    }
}
