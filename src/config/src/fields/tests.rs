//! The reference and the serde mirror say the same.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::*;
use crate::raw;

/// The keys that the derived `Deserialize` of `T` takes.
pub(crate) fn keys_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    match T::deserialize(KeyCatcher) {
        Err(Keys(keys)) => keys,
        Ok(_) => &[],
    }
}

struct KeyCatcher;

#[derive(Debug)]
struct Keys(&'static [&'static str]);

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Keys {}

impl Error for Keys {
    fn custom<M: fmt::Display>(_: M) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for KeyCatcher {
    type Error = Keys;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Keys> {
        Err(Keys(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Keys> {
        Err(Keys(fields))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[test]
fn the_reference_names_the_keys_that_serde_takes() {
    let mirrors = raw::mirrors();
    assert_eq!(mirrors.len(), TABLES.len());
    for (path, keys) in mirrors {
        let table = table(path).unwrap_or_else(|| panic!("[{path}] is not in the reference"));
        // A table inside a table has its own entry.
        let mut mirrored: Vec<_> =
            keys.iter().filter(|key| crate::fields::table(&format!("{path}.{key}")).is_none()).collect();
        let mut described: Vec<_> = table.fields.iter().map(|field| &field.name).collect();
        mirrored.sort();
        described.sort();
        assert_eq!(mirrored, described, "[{path}]");
    }
}

#[test]
fn a_fields_shape_follows_from_its_values() {
    let cases = [
        ("system", "hostname", Shape::Text, 0),
        ("system", "name_servers", Shape::List, 0),
        ("interface", "mss_clamp", Shape::Bare, 2),
        ("interface.bond", "devices", Shape::List, 0),
        ("sync_group", "members", Shape::List, 0),
        ("egress", "protocols", Shape::List, 0),
        ("service", "kind", Shape::Text, 4),
        ("service", "port", Shape::Bare, 0),
        ("service", "scheduler", Shape::Text, 9),
        ("service", "persistence", Shape::Text, 0),
        ("service", "passive_ports", Shape::Text, 0),
        ("service.real_server", "addresses", Shape::List, 0),
        ("service.real_server", "weight", Shape::Bare, 0),
        ("timeouts", "tcp", Shape::Text, 0),
    ];
    for (table, name, shape, words) in cases {
        let found = field(table, name).map(|field| (field.shape(), field.words().count()));
        assert_eq!(found, Some((shape, words)), "{table}.{name}");
    }
}

#[test]
fn the_reference_page_is_the_field_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, reference()).expect("docs/ is there and can be written");
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(page == reference(), "docs/configuration.md is not of this table; run the test with UPDATE=1");
}

#[test]
fn words_of_the_reference_are_the_words_that_are_read() {
    use crate::model::{ActiveSource, BondMode, Forwarding, Passive, Scheduler, SyslogProtocol, Tls};
    use crate::names::{CheckName, KindName};

    fn quoted<T: fmt::Display>(all: &[T]) -> String {
        all.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
    }
    let cases = [
        ("service", "kind", quoted(KindName::ALL)),
        ("service", "passive", quoted(Passive::ALL)),
        ("service", "active", quoted(ActiveSource::ALL)),
        ("service", "tls", quoted(Tls::ALL)),
        ("service", "scheduler", quoted(Scheduler::ALL)),
        ("service", "forwarding", quoted(Forwarding::ALL)),
        ("service.check", "kind", quoted(CheckName::ALL)),
        ("syslog", "protocol", quoted(SyslogProtocol::ALL)),
        ("interface.bond", "mode", quoted(BondMode::ALL)),
    ];
    for (table, name, words) in cases {
        assert_eq!(field(table, name).map(|field| field.values), Some(words.as_str()), "{table}.{name}");
    }
}
