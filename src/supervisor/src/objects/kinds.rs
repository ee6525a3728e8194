//! The kinds of objects, with their properties.

use std::collections::BTreeMap;
use std::sync::Arc;

use mark21_api::status::{self, Status};
use zbus::{Variant, interface};

use super::group::{Changes, Kind, Shown};
use super::path;

/// Real servers beyond which none is an object: each costs a connection 5 kB and, emulated, half a
/// millisecond, and every command is a connection. [`Service`] tells of all.
const LARGE_FARM: usize = 256;

/// A real server as a property of its service: address, weight, weight by hand, draining, active and
/// inactive connections, persistent clients.
type Row = (String, u32, i32, bool, u32, u32, u32);

/// Puts a property among the changes when it differs.
macro_rules! changes {
    ($from:expr, $to:expr, $($name:literal => $value:expr),+ $(,)?) => {{
        let mut changes = Changes::new();
        $(
            let value = $value;
            let (before, after) = (value($from), value($to));
            if before != after {
                changes.insert($name, Variant::from(after));
            }
        )+
        changes
    }};
}

/// The director's own properties, as far as they change.
pub(super) fn director_changes(from: &Status, to: &Status) -> Changes {
    changes!(from, to,
        "State" => |v: &Status| v.state.word(),
        "Hostname" => |v: &Status| v.hostname.clone(),
        "Generation" => |v: &Status| v.configuration.generation.unwrap_or_default(),
        "GenerationAtBoot" => |v: &Status| v.configuration.at_boot.unwrap_or_default(),
        "Unconfirmed" => |v: &Status| v.configuration.unconfirmed.map_or(0, |waiting| waiting.generation),
        "Problems" => |v: &Status| problems(v),
    )
}

/// What is wrong, each with its subject.
pub(crate) fn problems(status: &Status) -> Vec<(String, String)> {
    let all = status.problems.iter();
    all.map(|problem| (problem.subject.clone(), problem.text.clone())).collect()
}

/// An interface of the configuration.
pub(super) struct Interface(Shown<Self>);

#[interface(name = "org.mark21.Interface1")]
impl Interface {
    /// The configuration's name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.0.name.clone()
    }

    /// The kernel's name; empty when no device matches.
    #[zbus(property)]
    fn device(&self) -> String {
        self.0.look(|shown| shown.device.clone().unwrap_or_default())
    }

    /// Whether it is up and has a carrier.
    #[zbus(property)]
    fn carrier(&self) -> bool {
        self.0.look(|shown| shown.carrier)
    }

    /// What the kernel has on it, with prefix lengths.
    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        self.0.look(|shown| shown.addresses.clone())
    }
}

impl Kind for Interface {
    type Name = String;
    type Value = status::Interface;
    const INTERFACE: &'static str = "org.mark21.Interface1";

    fn all(status: &Status) -> BTreeMap<String, &Self::Value> {
        status.interfaces.iter().map(|one| (one.name.clone(), one)).collect()
    }

    fn find<'a>(status: &'a Status, name: &String) -> Option<&'a Self::Value> {
        status.interfaces.iter().find(|one| one.name == *name)
    }

    fn path(name: &String) -> String {
        path(&["interface", name])
    }

    fn changes(from: &Self::Value, to: &Self::Value) -> Changes {
        changes!(from, to,
            "Device" => |v: &Self::Value| v.device.clone().unwrap_or_default(),
            "Carrier" => |v: &Self::Value| v.carrier,
            "Addresses" => |v: &Self::Value| v.addresses.clone(),
        )
    }
}

/// A virtual router, as vrrpd tells of it.
pub(super) struct VirtualRouter(Shown<Self>);

#[interface(name = "org.mark21.VirtualRouter1")]
impl VirtualRouter {
    /// The configuration's name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.0.name.clone()
    }

    /// The kernel's name of its interface.
    #[zbus(property)]
    fn device(&self) -> String {
        self.0.look(|shown| shown.device.clone())
    }

    /// 1-255.
    #[zbus(property)]
    fn vrid(&self) -> u8 {
        self.0.look(|shown| shown.vrid)
    }

    /// `initialize`, `backup` or `active` (RFC 9568 section 6.4).
    #[zbus(property)]
    fn state(&self) -> String {
        self.0.look(|shown| shown.state.clone())
    }

    /// The priority that it advertises now.
    #[zbus(property)]
    fn priority(&self) -> u8 {
        self.0.look(|shown| shown.priority)
    }

    /// The Active router that it hears, or itself; empty when there is none.
    #[zbus(property)]
    fn active_router(&self) -> String {
        self.0.look(|shown| shown.active_router.clone().unwrap_or_default())
    }

    /// The virtual addresses.
    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        self.0.look(|shown| shown.addresses.clone())
    }
}

impl Kind for VirtualRouter {
    type Name = String;
    type Value = status::VirtualRouter;
    const INTERFACE: &'static str = "org.mark21.VirtualRouter1";

    fn all(status: &Status) -> BTreeMap<String, &Self::Value> {
        status.virtual_routers.iter().map(|one| (one.name.clone(), one)).collect()
    }

    fn find<'a>(status: &'a Status, name: &String) -> Option<&'a Self::Value> {
        status.virtual_routers.iter().find(|one| one.name == *name)
    }

    fn path(name: &String) -> String {
        path(&["virtual_router", name])
    }

    fn changes(from: &Self::Value, to: &Self::Value) -> Changes {
        changes!(from, to,
            "Device" => |v: &Self::Value| v.device.clone(),
            "Vrid" => |v: &Self::Value| v.vrid,
            "State" => |v: &Self::Value| v.state.clone(),
            "Priority" => |v: &Self::Value| v.priority,
            "ActiveRouter" => |v: &Self::Value| v.active_router.clone().unwrap_or_default(),
            "Addresses" => |v: &Self::Value| v.addresses.clone(),
        )
    }
}

/// A service; its servers are objects of their own where they are not very many.
pub(super) struct Service(Shown<Self>);

#[interface(name = "org.mark21.Service1")]
impl Service {
    /// The configuration's name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.0.name.clone()
    }

    /// `ftp`, `tcp`, `udp` or `mark`.
    #[zbus(property)]
    fn kind(&self) -> String {
        self.0.look(|shown| shown.kind.clone())
    }

    /// The virtual addresses.
    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        self.0.look(|shown| shown.addresses.clone())
    }

    /// The firewall mark; 0 where it has none.
    #[zbus(property)]
    fn mark(&self) -> u32 {
        self.0.look(|shown| shown.mark.unwrap_or_default())
    }

    /// How FTP's passive replies come to name the virtual address; empty for other kinds.
    #[zbus(property)]
    fn passive(&self) -> String {
        self.0.look(|shown| shown.passive.clone().unwrap_or_default())
    }

    /// Its real servers, also where they are too many to be objects: address, weight, weight by
    /// hand, draining, active and inactive connections, persistent clients.
    #[zbus(property)]
    fn real_servers(&self) -> Vec<Row> {
        self.0.look(rows)
    }
}

impl Kind for Service {
    type Name = String;
    type Value = status::Service;
    const INTERFACE: &'static str = "org.mark21.Service1";

    fn all(status: &Status) -> BTreeMap<String, &Self::Value> {
        status.services.iter().map(|one| (one.name.clone(), one)).collect()
    }

    fn are_shared(one: &Status, other: &Status) -> bool {
        Arc::ptr_eq(&one.services, &other.services)
    }

    fn find<'a>(status: &'a Status, name: &String) -> Option<&'a Self::Value> {
        status.services.iter().find(|one| one.name == *name)
    }

    fn path(name: &String) -> String {
        path(&["service", name])
    }

    fn changes(from: &Self::Value, to: &Self::Value) -> Changes {
        let mut changes = changes!(from, to,
            "Kind" => |v: &Self::Value| v.kind.clone(),
            "Addresses" => |v: &Self::Value| v.addresses.clone(),
            "Mark" => |v: &Self::Value| v.mark.unwrap_or_default(),
            "Passive" => |v: &Self::Value| v.passive.clone().unwrap_or_default(),
        );
        let without_counters = |v: &Self::Value| -> Vec<Row> {
            rows(v).into_iter().map(|row| (row.0, row.1, row.2, row.3, 0, 0, 0)).collect()
        };
        if without_counters(from) != without_counters(to) {
            changes.insert("RealServers", Variant::from(rows(to)));
        }
        changes
    }

    fn counters(from: &Self::Value, to: &Self::Value) -> Changes {
        changes!(from, to, "RealServers" => rows)
    }
}

fn rows(service: &status::Service) -> Vec<Row> {
    let row = |one: &status::RealServer| {
        let by_hand = one.weight_by_hand.map_or(-1, i32::from);
        let counters = (one.active, one.inactive, one.persistent);
        (one.address.clone(), one.weight, by_hand, one.draining, counters.0, counters.1, counters.2)
    };
    service.real_servers.iter().map(row).collect()
}

/// A real server in one family.
pub(super) struct RealServer(Shown<Self>);

#[interface(name = "org.mark21.RealServer1")]
impl RealServer {
    /// The name of its service.
    #[zbus(property(emits_changed_signal = "const"))]
    fn service(&self) -> String {
        self.0.name.0.clone()
    }

    /// The address, with the port where it has one.
    #[zbus(property(emits_changed_signal = "const"))]
    fn address(&self) -> String {
        self.0.name.1.clone()
    }

    /// The weight that the kernel has, 0-65535.
    #[zbus(property)]
    fn weight(&self) -> u32 {
        self.0.look(|shown| shown.weight)
    }

    /// The weight that an operator has set for the moment; -1 for none.
    #[zbus(property)]
    fn weight_by_hand(&self) -> i32 {
        self.0.look(|shown| shown.weight_by_hand.map_or(-1, i32::from))
    }

    /// It takes no new connections, and those that it has go on.
    #[zbus(property)]
    fn draining(&self) -> bool {
        self.0.look(|shown| shown.draining)
    }

    /// Established connections.
    #[zbus(property)]
    fn active_connections(&self) -> u32 {
        self.0.look(|shown| shown.active)
    }

    /// Connections that are being opened or closed.
    #[zbus(property)]
    fn inactive_connections(&self) -> u32 {
        self.0.look(|shown| shown.inactive)
    }

    /// Clients that are bound to it.
    #[zbus(property)]
    fn persistent_clients(&self) -> u32 {
        self.0.look(|shown| shown.persistent)
    }
}

impl Kind for RealServer {
    /// Service and address.
    type Name = (String, String);
    type Value = status::RealServer;
    const INTERFACE: &'static str = "org.mark21.RealServer1";

    fn all(status: &Status) -> BTreeMap<Self::Name, &Self::Value> {
        let count: usize = status.services.iter().map(|service| service.real_servers.len()).sum();
        let shown = status.services.iter().filter(|_| count <= LARGE_FARM);
        let servers = shown.flat_map(|service| service.real_servers.iter().map(move |one| (service, one)));
        servers.map(|(service, one)| ((service.name.clone(), one.address.clone()), one)).collect()
    }

    fn are_shared(one: &Status, other: &Status) -> bool {
        Arc::ptr_eq(&one.services, &other.services)
    }

    fn find<'a>(status: &'a Status, (service, address): &Self::Name) -> Option<&'a Self::Value> {
        let service = status.services.iter().find(|one| one.name == *service)?;
        service.real_servers.iter().find(|one| one.address == *address)
    }

    fn path((service, address): &Self::Name) -> String {
        path(&["service", service, "server", address])
    }

    fn changes(from: &Self::Value, to: &Self::Value) -> Changes {
        changes!(from, to,
            "Weight" => |v: &Self::Value| v.weight,
            "WeightByHand" => |v: &Self::Value| v.weight_by_hand.map_or(-1, i32::from),
            "Draining" => |v: &Self::Value| v.draining,
        )
    }

    fn counters(from: &Self::Value, to: &Self::Value) -> Changes {
        changes!(from, to,
            "ActiveConnections" => |v: &Self::Value| v.active,
            "InactiveConnections" => |v: &Self::Value| v.inactive,
            "PersistentClients" => |v: &Self::Value| v.persistent,
        )
    }
}

/// Each kind is made of what it shows.
macro_rules! from_shown {
    ($($kind:ident),+ $(,)?) => {$(
        impl From<Shown<Self>> for $kind {
            fn from(shown: Shown<Self>) -> Self {
                Self(shown)
            }
        }
    )+};
}

from_shown!(Interface, VirtualRouter, Service, RealServer);
