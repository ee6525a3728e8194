//! Where an object stands in the text, for whoever shows what came of it.

use toml::de::{DeTable, DeValue};

use crate::place;

/// A text, read once for any number of questions.
pub struct Whereabouts<'t> {
    text: &'t str,
    root: DeTable<'t>,
}

impl<'t> Whereabouts<'t> {
    /// Reads a text; what is no TOML in it has no place.
    #[must_use]
    pub fn of(text: &'t str) -> Self {
        Self { text, root: DeTable::parse_recoverable(text).0.into_inner() }
    }

    /// The line, from 1, on which an object begins: `service ftp`, `interface outside`, `egress 2`.
    /// An object without a name goes by its number, from 1; a table that is there once by its name
    /// alone. `None` where the text has no such object.
    #[must_use]
    pub fn line(&self, object: &str) -> Option<usize> {
        let (table, which) = object.split_once(' ').unwrap_or((object, ""));
        let value = self.root.get(table)?;
        let entries = match value.get_ref() {
            DeValue::Array(entries) => entries,
            DeValue::Table(_) if which.is_empty() => {
                return Some(place::line_and_column(self.text, &value.span()).0);
            }
            _ => return None,
        };
        let is_it = |entry: &DeValue<'_>, number: usize| match entry.get("name").map(|name| name.get_ref()) {
            Some(DeValue::String(name)) => name == which,
            _ => which.parse() == Ok(number),
        };
        let entry = entries.iter().zip(1..).find(|(entry, number)| is_it(entry.get_ref(), *number))?.0;
        Some(place::line_and_column(self.text, &entry.span()).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "schema = 1\n[[service]]\nname = \"web\"\n\n[[service]]\nname = \"ftp\"\n\
                        [[egress]]\nfrom = \"inside\"\n[[egress]]\nfrom = \"inside\"\n\
                        [time]\nservers = []\n";

    #[test]
    fn a_named_object_is_found_by_its_name_and_another_by_its_number() {
        let there = Whereabouts::of(TEXT);
        assert_eq!(there.line("service ftp"), Some(5));
        assert_eq!(there.line("egress 2"), Some(9));
        assert_eq!(there.line("time"), Some(11));
    }

    #[test]
    fn what_is_not_there_has_no_line() {
        for object in ["service dns", "egress 3", "egress 0", "schema 1", "schema", "service", "loopback", ""]
        {
            assert_eq!(Whereabouts::of(TEXT).line(object), None, "{object}");
        }
    }
}
