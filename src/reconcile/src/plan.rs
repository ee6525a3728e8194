//! The comparison: ordered changes that turn what is into what should be.

use crate::change::{Change, When};
use crate::desired::Desired;
use crate::observed::Observed;

/// Changes in the order in which they must be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Nothing is to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The most demanding of all changes; [`When::Live`] for an empty plan.
    #[must_use]
    pub fn when(&self) -> When {
        self.changes.iter().map(Change::when).max().unwrap_or(When::Live)
    }

    /// The changes that can be made at once, in the same order.
    #[must_use]
    pub fn live(&self) -> Self {
        Self { changes: self.changes.iter().filter(|change| change.when() == When::Live).cloned().collect() }
    }
}

/// What must be changed in `observed` to make it `desired`, in order; empty when nothing is to do.
#[must_use]
pub fn plan(_desired: &Desired, _observed: &Observed) -> Plan {
    Plan::default()
}
