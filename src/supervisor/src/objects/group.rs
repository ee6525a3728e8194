//! The objects of one kind on one connection, kept in step with what there is. An object holds
//! its name alone: what it shows is looked up in the newest snapshot when somebody asks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mark21_api::status::Status;
use zbus::{Connection, Variant, object_server};

use crate::feed::Feed;

/// A kind of object: what it shows, and how that differs from what it showed.
pub(super) trait Kind: object_server::Interface + From<Shown<Self>> {
    /// What tells one from another.
    type Name: Clone + Ord + Send + Sync + 'static;
    /// What it shows.
    type Value: Default + PartialEq + 'static;
    /// Its D-Bus interface.
    const INTERFACE: &'static str;

    /// All that a snapshot has.
    fn all(status: &Status) -> BTreeMap<Self::Name, &Self::Value>;

    /// Whether two snapshots share all of them, so that there is nothing to compare.
    fn are_shared(_one: &Status, _other: &Status) -> bool {
        false
    }

    /// One of them.
    fn find<'a>(status: &'a Status, name: &Self::Name) -> Option<&'a Self::Value>;

    /// Where it is in the tree.
    fn path(name: &Self::Name) -> String;

    /// The properties that changed, by their names; counters are not among them.
    fn changes(from: &Self::Value, to: &Self::Value) -> Changes;

    /// The counters that changed.
    fn counters(_from: &Self::Value, _to: &Self::Value) -> Changes {
        Changes::new()
    }
}

/// Changed properties with their new values.
pub(super) type Changes = HashMap<&'static str, Variant<'static>>;

/// What an object shows.
#[derive(Debug)]
pub(super) struct Shown<K: Kind> {
    feed: Feed,
    pub(super) name: K::Name,
}

impl<K: Kind> Shown<K> {
    /// A look at the value of the moment; one that has just gone shows nothing.
    pub(super) fn look<T>(&self, read: impl FnOnce(&K::Value) -> T) -> T {
        let latest = self.feed.latest();
        match K::find(&latest, &self.name) {
            Some(value) => read(value),
            None => read(&K::Value::default()),
        }
    }
}

/// The snapshots between which a step is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) before: &'a Status,
    pub(super) now: &'a Status,
    /// When counters were told last; `None` where it is not yet time to tell them again.
    pub(super) counted: Option<&'a Status>,
}

/// The objects of one kind, by their names.
pub(super) struct Group<K: Kind>(BTreeSet<K::Name>);

impl<K: Kind> Default for Group<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Kind> Group<K> {
    /// Adds, removes and changes what is to be, and tells the peer.
    pub(super) async fn step(
        &mut self,
        connection: &Connection,
        feed: &Feed,
        step: Step<'_>,
    ) -> zbus::Result<()> {
        let are_shared = |other| K::are_shared(other, step.now);
        if !self.0.is_empty() && are_shared(step.before) && step.counted.is_none_or(are_shared) {
            return Ok(());
        }
        let now = K::all(step.now);
        for gone in self.0.extract_if(.., |name| !now.contains_key(name)) {
            connection.object_server().remove::<K, _>(K::path(&gone)).await?;
        }
        let (before, counted) = (K::all(step.before), step.counted.map(K::all));
        for (name, value) in now {
            if !self.0.contains(&name) {
                let path = K::path(&name);
                connection.object_server().at(path, self.add(feed, name)).await?;
                continue;
            }
            let differs = |old: &&&K::Value| **old != value;
            let mut changes =
                before.get(&name).filter(differs).map_or_else(Changes::new, |old| K::changes(old, value));
            let counted = counted.as_ref().and_then(|counted| counted.get(&name));
            if let Some(old) = counted.filter(differs) {
                changes.extend(K::counters(old, value));
            }
            if !changes.is_empty() {
                tell(connection, &K::path(&name), K::INTERFACE, changes).await?;
            }
        }
        Ok(())
    }

    fn add(&mut self, feed: &Feed, name: K::Name) -> K {
        self.0.insert(name.clone());
        K::from(Shown { feed: feed.clone(), name })
    }
}

/// Emits `PropertiesChanged` (D-Bus Specification, Standard Interfaces), if anything changed.
pub(super) async fn tell(
    connection: &Connection,
    path: &str,
    interface: &str,
    changes: Changes,
) -> zbus::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let invalidated: &[&str] = &[];
    let nobody = None::<&str>;
    let properties = "org.freedesktop.DBus.Properties";
    let body = (interface, changes, invalidated);
    connection.emit_signal(nobody, path, properties, "PropertiesChanged", &body).await
}
