//! The objects of one kind on one connection, kept in step with what there is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use zbus::connection::Builder;
use zbus::{Connection, Variant, object_server};

/// A kind of object: what it shows, and how that differs from what it showed.
pub(super) trait Kind: object_server::Interface + From<Shown<Self::Value>> {
    /// What it shows.
    type Value: Clone + PartialEq + Send + Sync + 'static;
    /// Its D-Bus interface.
    const INTERFACE: &'static str;

    /// The properties that changed, by their names.
    fn changes(from: &Self::Value, to: &Self::Value) -> Changes;

    /// Takes the counters of an older value over, so that they do not count as changed.
    fn keep_counters(value: &mut Self::Value, older: &Self::Value);
}

/// Changed properties with their new values.
pub(super) type Changes = HashMap<&'static str, Variant<'static>>;

/// What an object shows, shared with the group that keeps it in step.
#[derive(Debug)]
pub(super) struct Shown<V>(Arc<Mutex<V>>);

impl<V: Clone> Shown<V> {
    /// The value of the moment.
    pub(super) fn get(&self) -> V {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, value: V) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

struct Entry<V> {
    shown: Shown<V>,
    /// As the last signal left it.
    told: V,
}

/// The objects of one kind, by their paths.
pub(super) struct Group<K: Kind>(BTreeMap<String, Entry<K::Value>>);

impl<K: Kind> Default for Group<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Kind> Group<K> {
    /// Adds them to a connection that is being made.
    pub(super) fn serve<'a>(
        &mut self,
        mut builder: Builder<'a>,
        wanted: BTreeMap<String, K::Value>,
    ) -> Builder<'a> {
        for (path, value) in wanted {
            builder = builder.serve_at(path.clone(), self.add(path, value));
        }
        builder
    }

    /// Adds, removes and changes what is to be, and tells the peer.
    pub(super) async fn step(
        &mut self,
        connection: &Connection,
        wanted: BTreeMap<String, K::Value>,
        counters_due: bool,
    ) -> zbus::Result<()> {
        let gone: Vec<String> = self.0.keys().filter(|path| !wanted.contains_key(*path)).cloned().collect();
        for path in gone {
            self.0.remove(&path);
            connection.object_server().remove::<K, _>(path).await?;
        }
        for (path, value) in wanted {
            let Some(entry) = self.0.get_mut(&path) else {
                let object = self.add(path.clone(), value);
                connection.object_server().at(path, object).await?;
                continue;
            };
            entry.shown.set(value.clone());
            let mut tellable = value;
            if !counters_due {
                K::keep_counters(&mut tellable, &entry.told);
            }
            if tellable != entry.told {
                let changes = K::changes(&entry.told, &tellable);
                entry.told = tellable;
                tell(connection, &path, K::INTERFACE, changes).await?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: String, value: K::Value) -> K {
        let shared = Arc::new(Mutex::new(value.clone()));
        self.0.insert(path, Entry { shown: Shown(Arc::clone(&shared)), told: value });
        K::from(Shown(shared))
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
