//! Where an object stands in the text, for whoever shows what came of it.

use toml::de::{DeTable, DeValue};

use crate::place;

/// The line, from 1, on which an object begins: `service ftp`, `interface outside`, `egress 2`.
/// An object without a name goes by its number, from 1; a table that is there once by its name
/// alone. `None` where the text has no such object.
#[must_use]
pub fn line_of(text: &str, object: &str) -> Option<usize> {
    let (table, which) = object.split_once(' ').unwrap_or((object, ""));
    let (root, _) = DeTable::parse_recoverable(text);
    let value = root.get_ref().get(table)?;
    let entries = match value.get_ref() {
        DeValue::Array(entries) => entries,
        DeValue::Table(_) if which.is_empty() => {
            return Some(place::line_and_column(text, &value.span()).0);
        }
        _ => return None,
    };
    let is_it = |entry: &DeValue<'_>, number: usize| match entry.get("name").map(|name| name.get_ref()) {
        Some(DeValue::String(name)) => name == which,
        _ => which.parse() == Ok(number),
    };
    let entry = entries.iter().zip(1..).find(|(entry, number)| is_it(entry.get_ref(), *number))?.0;
    Some(place::line_and_column(text, &entry.span()).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "schema = 1\n[[service]]\nname = \"web\"\n\n[[service]]\nname = \"ftp\"\n\
                        [[egress]]\nfrom = \"inside\"\n[[egress]]\nfrom = \"inside\"\n\
                        [time]\nservers = []\n";

    #[test]
    fn a_named_object_is_found_by_its_name_and_another_by_its_number() {
        assert_eq!(line_of(TEXT, "service ftp"), Some(5));
        assert_eq!(line_of(TEXT, "egress 2"), Some(9));
        assert_eq!(line_of(TEXT, "time"), Some(11));
    }

    #[test]
    fn what_is_not_there_has_no_line() {
        for object in ["service dns", "egress 3", "egress 0", "schema 1", "schema", "service", "loopback", ""]
        {
            assert_eq!(line_of(TEXT, object), None, "{object}");
        }
    }
}
