//! How many may be connected to the interface's own socket: over all, and of one user, so that
//! nobody on the box keeps the others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections of all users but root.
const ALL: usize = 32;
/// Connections of one user. An administrator has a console, the machine port, and ssh sessions.
const OF_ONE: usize = 20;
/// Connections of one user without the right to change anything.
const OF_A_READER: usize = 4;

/// Who is connected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crowd {
    counts: Arc<Mutex<HashMap<u32, usize>>>,
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Crowd,
    uid: u32,
}

impl Crowd {
    /// A place for a user; `None` where there is none. Root always has one.
    pub(crate) fn admit(&self, uid: u32, may_change: bool) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_all: usize = counts.iter().filter(|(uid, _)| **uid != 0).map(|(_, count)| count).sum();
        let of_one = counts.get(&uid).copied().unwrap_or(0);
        let limit = if may_change { OF_ONE } else { OF_A_READER };
        if uid != 0 && (of_all >= ALL || of_one >= limit) {
            return None;
        }
        *counts.entry(uid).or_default() += 1;
        Some(Place { crowd: self.clone(), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_takes_no_place_of_another() {
        let crowd = Crowd::default();
        let mut reader: Vec<Place> = (0..OF_A_READER).filter_map(|_| crowd.admit(65534, false)).collect();
        assert_eq!(reader.len(), OF_A_READER);
        assert!(crowd.admit(65534, false).is_none());
        let admin: Vec<Place> = (0..OF_ONE).filter_map(|_| crowd.admit(1000, true)).collect();
        assert_eq!(admin.len(), OF_ONE);
        assert!(crowd.admit(1000, true).is_none());
        reader.pop();
        assert!(crowd.admit(65534, false).is_some(), "a place that was left is free");
        let root: Vec<Place> = (0..2 * ALL).filter_map(|_| crowd.admit(0, true)).collect();
        assert_eq!(root.len(), 2 * ALL);
    }
}
