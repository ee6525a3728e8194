//! One table of the text: its keys are asked for one by one, and those that nobody asked for are
//! findings.

use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::Finding;
use super::value;

/// Collects what is wrong.
pub(super) struct Findings<'t> {
    text: &'t str,
    list: RefCell<Vec<(usize, String)>>,
}

impl<'t> Findings<'t> {
    pub(super) fn new(text: &'t str) -> Findings<'t> {
        Findings { text, list: RefCell::new(Vec::new()) }
    }

    /// Something is wrong at this octet of the text.
    pub(super) fn add(&self, at: usize, message: impl Into<String>) {
        let finding = (at, message.into());
        let mut list = self.list.borrow_mut();
        if let Err(place) = list.binary_search(&finding) {
            list.insert(place, finding);
        }
    }

    /// In the order of the text.
    pub(super) fn into_list(self) -> Vec<Finding> {
        let list = self.list.into_inner();
        let text = self.text;
        let finding = |(at, message): (usize, String)| {
            let before = text.get(..at.min(text.len())).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
            Finding { line: before.matches('\n').count() + 1, column, message }
        };
        list.into_iter().map(finding).collect()
    }
}

/// A value with its place.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) value: &'a DeValue<'a>,
    pub(super) at: usize,
}

/// A table that is being read.
pub(super) struct Reader<'a> {
    table: &'a DeTable<'a>,
    /// As the text names it: `[global]`.
    what: &'static str,
    at: usize,
    asked: Vec<&'static str>,
    findings: &'a Findings<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        table: &'a DeTable<'a>,
        what: &'static str,
        at: usize,
        findings: &'a Findings<'a>,
    ) -> Reader<'a> {
        Reader { table, what, at, asked: Vec::new(), findings }
    }

    /// Where the table is.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Where the value of `key` is, or the table when it has none.
    pub(super) fn place(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.at, |value| value.span().start)
    }

    pub(super) fn report(&self, at: usize, message: impl Into<String>) {
        self.findings.add(at, message);
    }

    /// A key that may be missing.
    pub(super) fn item(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        Some(Item { value: value.get_ref(), at: value.span().start })
    }

    /// A key that may be missing, read by `read`; `expected` says what it takes.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let item = self.item(key)?;
        let result = read(item.value);
        if result.is_none() {
            self.report(item.at, format!("`{key}` takes {expected}, not {}", shown(item.value)));
        }
        result
    }

    /// A key that must be there.
    pub(super) fn required<T>(&self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && self.table.get(key).is_none() {
            self.report(self.at, format!("{} needs `{key}`", self.what));
        }
        value
    }

    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        self.read(key, "a text that is not empty", |value| {
            value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        })
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, "true or false", |value| value.as_bool())
    }

    pub(super) fn number(&mut self, key: &'static str, range: Range<i64>) -> Option<i64> {
        let expected = format!("a number from {} to {}", range.start, range.end - 1);
        self.read(key, &expected, |value| integer(value).filter(|number| range.contains(number)))
    }

    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.read(key, "a duration such as \"100ms\", \"1s\" or \"2m\"", |value| {
            value::duration(value.as_str()?)
        })
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let list: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.read(key, &list.join(" or "), |value| {
            let given = value.as_str()?;
            words.iter().find(|(word, _)| *word == given).map(|(_, meaning)| *meaning)
        })
    }

    /// A list; each entry is read by `read`, which reports for itself.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(Item<'a>, &'a Findings<'a>) -> Option<T>,
    ) -> Vec<T> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let Some(array) = item.value.as_array() else {
            self.report(item.at, format!("`{key}` takes a list, not {}", shown(item.value)));
            return Vec::new();
        };
        let items = array.iter().map(|value| Item { value: value.get_ref(), at: value.span().start });
        items.filter_map(|item| read(item, self.findings)).collect()
    }

    /// A program with its arguments: a text that is the program, or a list of texts.
    pub(super) fn command(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.read(key, "a program's path, or a list of path and arguments; paths begin with \"/\"", |value| {
            let words: Vec<String> = match (value.as_str(), value.as_array()) {
                (Some(path), _) => vec![path.to_owned()],
                (None, Some(list)) => list
                    .iter()
                    .map(|word| word.get_ref().as_str().map(str::to_owned))
                    .collect::<Option<_>>()?,
                (None, None) => return None,
            };
            let is_path = words.first().is_some_and(|path| path.starts_with('/'));
            let is_clean = words.iter().all(|word| !word.contains('\0'));
            (is_path && is_clean && words.len() <= 32).then_some(words)
        })
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                let allowed = &self.asked;
                self.findings.add(
                    key.span().start,
                    format!("{} has no `{name}`; it takes {}", self.what, allowed.join(", ")),
                );
            }
        }
    }
}

/// A table, or a finding.
pub(super) fn as_table<'a>(
    item: Item<'a>,
    what: &'static str,
    findings: &'a Findings<'a>,
) -> Option<Reader<'a>> {
    let table = item.value.as_table();
    if table.is_none() {
        findings.add(item.at, format!("{what} is a table, not {}", shown(item.value)));
    }
    Some(Reader::new(table?, what, item.at, findings))
}

/// A whole number of any radix.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A value in a message.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => format!("a {}", value.type_str()),
    }
}
