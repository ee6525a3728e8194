//! Which kernel modules a configuration needs, in loading order, and with which parameters.

use std::collections::BTreeMap;

/// A kernel module with the parameters that must be given when it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The name with underscores, as in `/sys/module`.
    pub name: String,
    /// Parameters; others keep their defaults.
    pub parameters: BTreeMap<String, String>,
}
