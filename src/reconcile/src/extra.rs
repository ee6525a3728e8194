//! The operator's own nft tables, from the file `extra.nft`.
//!
//! What the file means is not parsed: a kernel is asked. Its text is loaded beside our own table in an
//! empty network namespace, and what nft lists there is what must be there for ever: [`Extra`].
//! A director is an appliance, so any table that is neither ours nor listed there is a stranger's, or
//! one of an earlier file, and goes.
//!
//! Equal means nothing to do: [`Tables`] are without handles, counters, and whatever packets put into
//! a set, and without an order where order has no meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::firewall::{Content, ListingError, Ruleset, TABLE, listing};

#[cfg(test)]
mod tests;

/// What an operator's file asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The file, in nft's syntax.
    pub text: String,
    /// The tables that it makes.
    pub tables: Tables,
}

/// An nft table: names are unique within a family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// `ip`, `ip6`, `inet`, `arp`, `bridge` or `netdev`.
    pub family: String,
    /// The name in the family.
    pub name: String,
}

/// All nft tables but ours, in canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables(BTreeMap<TableName, Vec<Value>>);

impl Tables {
    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &TableName> {
        self.0.keys()
    }

    /// The names here whose tables `there` has not, or not so.
    pub(crate) fn differing<'a>(&'a self, there: &Self) -> Vec<&'a TableName> {
        self.0
            .iter()
            .filter(|(name, table)| there.0.get(*name) != Some(table))
            .map(|(name, _)| name)
            .collect()
    }

    /// The names in `there` that are not here.
    pub(crate) fn strangers(&self, there: &Self) -> Vec<TableName> {
        there.names().filter(|name| !self.0.contains_key(*name)).cloned().collect()
    }

    /// Takes these tables over from `other`.
    #[cfg(test)]
    pub(crate) fn replace(&mut self, other: &Self) {
        self.0.extend(other.0.clone());
    }

    /// Loses this table.
    #[cfg(test)]
    pub(crate) fn remove(&mut self, name: &TableName) -> bool {
        self.0.remove(name).is_some()
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.name)
    }
}

/// Reads what `nft -j list ruleset` says: our own table, if it is there, and all others.
///
/// # Errors
/// When it is no such listing.
pub fn read_listing(listing: &str) -> Result<(Option<Ruleset>, Tables), ListingError> {
    let (mut ours, mut others) = (Content::default(), BTreeMap::<TableName, Vec<Value>>::new());
    let mut is_there = false;
    listing::objects(listing, |object| {
        let Some((kind, table)) = table_of(&object) else { return };
        if table.family == "inet" && table.name == TABLE {
            is_there |= kind == "table";
            ours.add(object);
        } else {
            others.entry(table).or_default().push(object);
        }
    })?;
    others.values_mut().for_each(|objects| canonical(objects));
    Ok((is_there.then(|| ours.into()), Tables(others)))
}

/// The statements of the file by line, without comments and quoted text: what is told of a refusal
/// names its line by them.
pub fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut quoted = false;
    text.lines().zip(1..).flat_map(move |(line, number)| {
        let mut bare = Vec::new();
        for (position, part) in line.split('"').enumerate() {
            quoted ^= position > 0;
            if quoted {
                continue;
            }
            let (code, comment) =
                part.split_once('#').map_or((part, None), |(code, rest)| (code, Some(rest)));
            let words =
                code.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_-./".contains(letter)));
            bare.extend(words.filter(|word| !word.is_empty()).map(|word| (number, word)));
            if comment.is_some() {
                break;
            }
        }
        bare
    })
}

/// The kind of an object and the table that it belongs to.
fn table_of(object: &Value) -> Option<(&str, TableName)> {
    let (kind, body) = object.as_object()?.iter().next()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = if kind == "table" { text("name") } else { text("table") };
    Some((kind, TableName { family: text("family")?, name: name? }))
}

/// Brings a table's objects into the one form.
fn canonical(objects: &mut [Value]) {
    let filled = filled_by_packets(objects);
    for object in objects.iter_mut() {
        for (kind, body) in object.as_object_mut().into_iter().flatten() {
            let Some(body) = body.as_object_mut() else { continue };
            body.remove("handle");
            body.remove("index");
            let is_filled =
                body.get("name").and_then(Value::as_str).is_some_and(|name| filled.contains(name));
            match kind.as_str() {
                "set" | "map" if is_filled => drop(body.remove("elem")),
                "counter" => body.retain(|key, _| !matches!(key.as_str(), "packets" | "bytes")),
                "quota" => drop(body.remove("used")),
                _ => {}
            }
            body.values_mut().for_each(settle);
            body.iter_mut().for_each(|(key, value)| sort(key, value));
        }
    }
    // Rules have an order, within their chain; nothing else has.
    objects.sort_by_cached_key(|object| match object.get("rule").and_then(|rule| rule.get("chain")) {
        Some(chain) => format!("~rule {chain}"),
        None => object.to_string(),
    });
}

/// The sets and maps whose elements come and go by themselves.
fn filled_by_packets(objects: &[Value]) -> BTreeSet<String> {
    let mut filled = BTreeSet::new();
    for (kind, body) in objects.iter().filter_map(|object| object.as_object()?.iter().next()) {
        if let ("set" | "map", Some(name)) = (kind.as_str(), body.get("name").and_then(Value::as_str)) {
            let flags = body.get("flags").map(ToString::to_string).unwrap_or_default();
            let is_so =
                flags.contains("dynamic") || flags.contains("timeout") || body.get("timeout").is_some();
            filled.extend(is_so.then(|| name.to_owned()));
        }
        let statements = body.get("expr").and_then(Value::as_array).into_iter().flatten();
        let updates =
            statements.filter_map(|statement| statement.get("set").or_else(|| statement.get("map")));
        let names = updates.filter_map(|update| update.get("set").or_else(|| update.get("map"))?.as_str());
        filled.extend(names.map(|name| name.trim_start_matches('@').to_owned()));
    }
    filled
}

/// Takes away what packets and time change, all the way down.
fn settle(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(settle),
        Value::Object(fields) => {
            fields.remove("expires");
            for (key, value) in fields.iter_mut() {
                match (key.as_str(), value.as_object_mut()) {
                    ("counter", Some(counter)) if counter.contains_key("packets") => *value = Value::Null,
                    ("last", Some(_)) => *value = Value::Null,
                    ("quota", Some(quota)) => drop(quota.remove("used")),
                    _ => {}
                }
                settle(value);
                sort(key, value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Lists that have no order.
fn sort(key: &str, value: &mut Value) {
    if let ("set" | "elem" | "flags", Some(list)) = (key, value.as_array_mut()) {
        list.sort_by_cached_key(Value::to_string);
    }
}
