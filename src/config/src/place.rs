//! From bytes of the text to what a person calls the place: line, column and field.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fields::{self, FieldDoc};
use crate::raw::Span;

/// The longest excerpt of the text in a finding, in characters.
const EXCERPT: usize = 60;

/// A field of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// As a person says it.
    pub(crate) field: String,
    keys: Vec<String>,
    hit: Hit,
}

/// What of the field was meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hit {
    #[default]
    Key,
    Table,
    Value,
}

impl Place {
    /// A field of this table.
    pub(crate) fn child(mut self, key: &str) -> Self {
        self.push_key(key);
        self.hit = Hit::Key;
        self
    }

    /// What stands there, where a value was meant: not a key and not a table's header.
    pub(crate) fn given(&self, text: &str, span: &Span) -> String {
        let excerpt = excerpt(text, span);
        match self.hit {
            Hit::Value => excerpt,
            Hit::Table if excerpt.starts_with('{') => excerpt,
            Hit::Table | Hit::Key => String::new(),
        }
    }

    /// Its own key.
    pub(crate) fn key(&self) -> &str {
        self.keys.last().map_or("", String::as_str)
    }

    /// What the reference says of it.
    pub(crate) fn described(&self) -> Option<&'static FieldDoc> {
        let (name, table) = self.keys.split_last()?;
        fields::field(&table.join("."), name)
    }

    fn push_key(&mut self, key: &str) {
        if !self.field.is_empty() {
            self.field.push_str(" . ");
        }
        // A key that needs quotes in the file keeps them, and its control characters are spelt.
        if key.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character)) {
            self.field.push_str(key);
        } else {
            self.field.push_str(&format!("{key:?}"));
        }
        self.keys.push(key.to_string());
    }
}

/// The innermost field whose key or value holds `span`; none for the top of the file, whose span
/// is empty.
pub(crate) fn find(root: &DeTable<'_>, span: &Span) -> Option<Place> {
    if span.is_empty() {
        return None;
    }
    let mut place = Place::default();
    descend(root, span, &mut place).then_some(place)
}

fn descend(table: &DeTable<'_>, span: &Span, place: &mut Place) -> bool {
    let (field, keys) = (place.field.len(), place.keys.len());
    for (key, value) in table {
        place.push_key(key.get_ref());
        if descend_value(value, span, place) {
            return true;
        }
        if holds(&key.span(), span) {
            place.hit = Hit::Key;
            return true;
        }
        place.field.truncate(field);
        place.keys.truncate(keys);
    }
    false
}

fn descend_value(value: &Spanned<DeValue<'_>>, span: &Span, place: &mut Place) -> bool {
    match value.get_ref() {
        DeValue::Table(table) if descend(table, span, place) => return true,
        DeValue::Array(array) => {
            let length = place.field.len();
            for (index, element) in array.iter().enumerate() {
                place.field.push_str(&call(index, element.get_ref()));
                if descend_value(element, span, place) {
                    return true;
                }
                place.field.truncate(length);
            }
        }
        _ => {}
    }
    let is_here = holds(&value.span(), span);
    if is_here {
        place.hit = if value.get_ref().is_table() { Hit::Table } else { Hit::Value };
    }
    is_here
}

fn call(index: usize, element: &DeValue<'_>) -> String {
    let name =
        element.as_table().and_then(|table| table.get("name")).and_then(|name| name.get_ref().as_str());
    match name {
        Some(name) => format!(" {name:?}"),
        None => format!(" {}", index + 1),
    }
}

fn holds(outer: &Span, inner: &Span) -> bool {
    !outer.is_empty() && outer.start <= inner.start && inner.end <= outer.end
}

/// Line and column from 1, and how many characters of the span are on that line (at least 1).
pub(crate) fn line_and_column(text: &str, span: &Span) -> (usize, usize, usize) {
    let start = floor_boundary(text, span.start);
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = text.get(line_start..start).unwrap_or_default().chars().count() + 1;
    (line, column, first_line(text, span).chars().count().max(1))
}

/// What stands at the span, clipped.
fn excerpt(text: &str, span: &Span) -> String {
    let line = first_line(text, span);
    let clipped = line.len() < span.len() || line.chars().count() > EXCERPT;
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    let mut excerpt: String = line.chars().take(EXCERPT).map(visible).collect();
    if clipped {
        excerpt.push_str("..");
    }
    excerpt
}

fn first_line<'t>(text: &'t str, span: &Span) -> &'t str {
    let start = floor_boundary(text, span.start);
    let end = floor_boundary(text, span.end).max(start);
    let spanned = text.get(start..end).unwrap_or_default();
    spanned.split(['\n', '\r']).next().unwrap_or_default()
}

fn floor_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}
