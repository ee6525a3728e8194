//! The firewall: one table of our own, `inet mark21`, replaced whole.

/// A whole table in canonical form: what nft lists after it was sent. Equal means nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {}
