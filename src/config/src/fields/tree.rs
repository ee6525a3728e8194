//! Which tables stand below which, and how each is written.

use alloc::format;
use alloc::string::String;

use super::{TABLES, TableDoc, TableForm};

/// The last key of a path.
#[must_use]
pub(crate) fn key_of(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

impl TableDoc {
    /// The key by which the table above names it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        key_of(self.path)
    }

    /// The line that starts it.
    #[must_use]
    pub fn header(&self) -> String {
        match self.form {
            TableForm::Many { .. } => format!("[[{}]]", self.path),
            TableForm::Top | TableForm::Single | TableForm::Inline => format!("[{}]", self.path),
        }
    }

    /// All keys that it takes: its fields and the tables right below.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.fields.iter().map(|field| field.name).chain(self.below().map(Self::key))
    }

    /// Those below that are part of it as the file is read.
    pub(crate) fn inline_tables(&self) -> impl Iterator<Item = &'static Self> + use<> {
        self.below().filter(|table| table.form == TableForm::Inline)
    }

    /// The tables right below.
    pub fn below(&self) -> impl Iterator<Item = &'static Self> + use<> {
        let path = self.path;
        TABLES.iter().filter(move |table| match table.path.rsplit_once('.') {
            Some((above, _)) => above == path,
            None => path.is_empty() && !table.path.is_empty(),
        })
    }
}
