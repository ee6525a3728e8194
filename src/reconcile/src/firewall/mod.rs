//! The firewall: one table of our own, `inet mark21`, computed whole and replaced whole.
//!
//! A [`Ruleset`] holds the table in one canonical form, whether it was computed or listed by nft:
//! without handles and counter values, sets in order, protocols as numbers. So two rulesets are equal
//! exactly when nothing is to do, and no baseline has to be remembered. What nft lists in another
//! form than it was sent is known by the tests, which send every rule to a kernel and list it back.
//!
//! The objects are kept as the text of their JSON, whose keys are in order: a tree of values takes ten
//! times as much, and large tables are held all the time.

mod build;
mod canonical;
mod expr;
mod flows;
mod gather;
#[cfg(test)]
mod kernel_tests;
pub(crate) mod listing;
mod rules;
mod sets;
#[cfg(test)]
mod traversal_tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use nftables::types::NfFamily;
use serde_json::{Value, json};

pub(crate) use build::{build, fail_secure};

/// The table's family in nft.
pub(crate) const FAMILY: NfFamily = NfFamily::INet;
/// The table's name.
pub const TABLE: &str = "mark21";

/// A whole table in canonical form. Equal means nothing to do. A clone shares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset(Arc<Content>);

/// What the table holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// Sets and maps by name.
    sets: BTreeMap<String, Box<str>>,
    /// Chains by name.
    chains: BTreeMap<String, Chain>,
}

/// A chain with its rules in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chain {
    chain: Box<str>,
    rules: Vec<Box<str>>,
}

/// What nft says is not what nft says of a table.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListingError {
    /// Not JSON.
    Json(serde_json::Error),
    /// No list of objects under `nftables`.
    Shape,
}

impl fmt::Display for ListingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json(_) => "nft lists no JSON",
            Self::Shape => "nft lists something that is no list of objects",
        })
    }
}

impl std::error::Error for ListingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            Self::Shape => None,
        }
    }
}

/// One rule as `show firewall` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// The chain.
    pub chain: String,
    /// What in the configuration caused it; empty for a rule without.
    pub cause: String,
    /// Packets and bytes; `None` for a rule that does not count.
    pub counted: Option<(u64, u64)>,
}

impl Ruleset {
    /// Reads what `nft -j list table inet mark21` says.
    ///
    /// # Errors
    /// When it is no such listing.
    pub fn from_listing(listing: &str) -> Result<Self, ListingError> {
        let mut content = Content::default();
        listing::objects(listing, |object| content.add(object))?;
        Ok(content.into())
    }

    /// The rules of a listing with their counters, in the order of the listing.
    ///
    /// # Errors
    /// When it is no such listing.
    pub fn counts(listing: &str) -> Result<Vec<RuleCount>, ListingError> {
        let mut counts = Vec::new();
        listing::objects(listing, |object| counts.extend(object.get("rule").map(rule_count)))?;
        Ok(counts)
    }

    /// What `nft -j -f -` must be told to have exactly this table, in one transaction.
    #[must_use]
    pub fn transaction(&self) -> String {
        let Content { sets, chains } = &*self.0;
        let objects = sets
            .values()
            .chain(chains.values().map(|chain| &chain.chain))
            .chain(chains.values().flat_map(|chain| &chain.rules));
        let table = json!({"table": {"family": "inet", "name": TABLE}});
        let mut text = format!(r#"{{"nftables":[{{"add":{table}}},{{"delete":{table}}},{{"add":{table}}}"#);
        for object in objects {
            text.extend([r#",{"add":"#, object, "}"]);
        }
        text.push_str("]}");
        text
    }

    /// How many rules there are.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.0.chains.values().map(|chain| chain.rules.len()).sum()
    }

    /// What is different in `self` from `was`, in few words.
    #[must_use]
    pub fn difference(&self, was: Option<&Self>) -> String {
        let Some(was) = was else {
            return format!("{} rules in {} chains, none before", self.rule_count(), self.0.chains.len());
        };
        let mut parts = Vec::new();
        let chains = changed(&self.0.chains, &was.0.chains);
        let sets = changed(&self.0.sets, &was.0.sets);
        for (kind, names) in [("chain", chains), ("set", sets)] {
            match &names[..] {
                [] => {}
                [one] => parts.push(format!("{kind} {one}")),
                many => parts.push(format!("{} {kind}s", many.len())),
            }
        }
        format!("{} differ", parts.join(" and "))
    }
}

impl From<Content> for Ruleset {
    fn from(content: Content) -> Self {
        Self(Arc::new(content))
    }
}

impl Content {
    /// Takes one of nft's objects, ours or listed, in the canonical form.
    pub(crate) fn add(&mut self, mut object: Value) {
        canonical::normalise(&mut object);
        let Some((kind, name, chain)) = identity(&object) else { return };
        let text = object.to_string().into_boxed_str();
        match kind.as_str() {
            "set" | "map" => {
                self.sets.insert(name, text);
            }
            "chain" => self.chains.entry(name).or_default().chain = text,
            "rule" => self.chains.entry(chain).or_default().rules.push(text),
            "metainfo" | "table" => {}
            // Anything else in our table is a stranger's; it must make a difference.
            stranger => {
                self.sets.insert(format!("{stranger} {name}"), text);
            }
        }
    }
}

/// The names whose content is not the same in both.
fn changed<'a, T: PartialEq>(here: &'a BTreeMap<String, T>, there: &'a BTreeMap<String, T>) -> Vec<&'a str> {
    let new = here.iter().filter(|(name, content)| there.get(*name) != Some(content));
    let gone = there.iter().filter(|(name, _)| !here.contains_key(*name));
    new.chain(gone).map(|(name, _)| name.as_str()).collect()
}

/// What kind of object it is, its name, and the chain that it belongs to.
fn identity(object: &Value) -> Option<(String, String, String)> {
    let (kind, body) = object.as_object()?.iter().next()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some((kind.clone(), text("name"), text("chain")))
}

fn rule_count(rule: &Value) -> RuleCount {
    let text = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let counter = rule
        .get("expr")
        .and_then(Value::as_array)
        .and_then(|statements| statements.iter().find_map(|statement| statement.get("counter")));
    let number = |counter: &Value, key: &str| counter.get(key).and_then(Value::as_u64).unwrap_or(0);
    RuleCount {
        chain: text("chain"),
        cause: text("comment"),
        counted: counter.map(|counter| (number(counter, "packets"), number(counter, "bytes"))),
    }
}
