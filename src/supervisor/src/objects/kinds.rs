//! The kinds of objects, with their properties.

use mark21_api::status;
use zbus::{Variant, interface};

use super::group::{Changes, Kind, Shown};

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DirectorState {
    state: String,
    hostname: String,
    generation: u32,
    generation_at_boot: u32,
    unconfirmed: u32,
    problems: Vec<(String, String)>,
}

impl DirectorState {
    pub(super) fn of(status: &status::Status) -> Self {
        let configuration = &status.configuration;
        let problems = status.problems.iter();
        Self {
            state: status.state.word().to_owned(),
            hostname: status.hostname.clone(),
            generation: configuration.generation.unwrap_or_default(),
            generation_at_boot: configuration.at_boot.unwrap_or_default(),
            unconfirmed: configuration.unconfirmed.map_or(0, |waiting| waiting.generation),
            problems: problems.map(|problem| (problem.subject.clone(), problem.text.clone())).collect(),
        }
    }

    pub(super) fn changes(&self, to: &Self) -> Changes {
        changes!(self, to,
            "State" => |v: &Self| v.state.clone(),
            "Hostname" => |v: &Self| v.hostname.clone(),
            "Generation" => |v: &Self| v.generation,
            "GenerationAtBoot" => |v: &Self| v.generation_at_boot,
            "Unconfirmed" => |v: &Self| v.unconfirmed,
            "Problems" => |v: &Self| v.problems.clone(),
        )
    }
}

/// An interface of the configuration.
pub(super) struct Interface(Shown<status::Interface>);

#[interface(name = "org.mark21.Interface1")]
impl Interface {
    /// The configuration's name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.0.get().name
    }

    /// The kernel's name; empty when no device matches.
    #[zbus(property)]
    fn device(&self) -> String {
        self.0.get().device.unwrap_or_default()
    }

    /// Whether it is up and has a carrier.
    #[zbus(property)]
    fn carrier(&self) -> bool {
        self.0.get().carrier
    }

    /// What the kernel has on it, with prefix lengths.
    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        self.0.get().addresses
    }
}

impl Kind for Interface {
    type Value = status::Interface;
    const INTERFACE: &'static str = "org.mark21.Interface1";

    fn changes(from: &Self::Value, to: &Self::Value) -> Changes {
        changes!(from, to,
            "Device" => |v: &Self::Value| v.device.clone().unwrap_or_default(),
            "Carrier" => |v: &Self::Value| v.carrier,
            "Addresses" => |v: &Self::Value| v.addresses.clone(),
        )
    }

    fn keep_counters(_value: &mut Self::Value, _older: &Self::Value) {}
}

/// A virtual router, as vrrpd tells of it.
pub(super) struct VirtualRouter(Shown<status::VirtualRouter>);

#[interface(name = "org.mark21.VirtualRouter1")]
impl VirtualRouter {
    /// The configuration's name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.0.get().name
    }

    /// The kernel's name of its interface.
    #[zbus(property)]
    fn device(&self) -> String {
        self.0.get().device
    }

    /// 1-255.
    #[zbus(property)]
    fn vrid(&self) -> u8 {
        self.0.get().vrid
    }

    /// `initialize`, `backup` or `active` (RFC 9568 section 6.4).
    #[zbus(property)]
    fn state(&self) -> String {
        self.0.get().state
    }

    /// The priority that it advertises now.
    #[zbus(property)]
    fn priority(&self) -> u8 {
        self.0.get().priority
    }

    /// The Active router that it hears, or itself; empty when there is none.
    #[zbus(property)]
    fn active_router(&self) -> String {
        self.0.get().active_router.unwrap_or_default()
    }

    /// The virtual addresses.
    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        self.0.get().addresses
    }
}

impl Kind for VirtualRouter {
    type Value = status::VirtualRouter;
    const INTERFACE: &'static str = "org.mark21.VirtualRouter1";

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

    fn keep_counters(_value: &mut Self::Value, _older: &Self::Value) {}
}

/// A service; its servers are objects of their own.
pub(super) struct Service(Shown<status::Service>);

#[interface(name = "org.mark21.Service1")]
impl Service {
    /// The configuration's name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.0.get().name
    }

    /// `ftp`, `tcp`, `udp` or `mark`.
    #[zbus(property)]
    fn kind(&self) -> String {
        self.0.get().kind
    }

    /// The virtual addresses.
    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        self.0.get().addresses
    }

    /// The firewall mark; 0 where it has none.
    #[zbus(property)]
    fn mark(&self) -> u32 {
        self.0.get().mark.unwrap_or_default()
    }

    /// How FTP's passive replies come to name the virtual address; empty for other kinds.
    #[zbus(property)]
    fn passive(&self) -> String {
        self.0.get().passive.unwrap_or_default()
    }
}

impl Kind for Service {
    type Value = status::Service;
    const INTERFACE: &'static str = "org.mark21.Service1";

    fn changes(from: &Self::Value, to: &Self::Value) -> Changes {
        changes!(from, to,
            "Kind" => |v: &Self::Value| v.kind.clone(),
            "Addresses" => |v: &Self::Value| v.addresses.clone(),
            "Mark" => |v: &Self::Value| v.mark.unwrap_or_default(),
            "Passive" => |v: &Self::Value| v.passive.clone().unwrap_or_default(),
        )
    }

    fn keep_counters(_value: &mut Self::Value, _older: &Self::Value) {}
}

/// A real server with the name of its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) service: String,
    pub(super) server: status::RealServer,
}

/// A real server in one family.
pub(super) struct RealServer(Shown<Server>);

#[interface(name = "org.mark21.RealServer1")]
impl RealServer {
    /// The name of its service.
    #[zbus(property(emits_changed_signal = "const"))]
    fn service(&self) -> String {
        self.0.get().service
    }

    /// The address, with the port where it has one.
    #[zbus(property(emits_changed_signal = "const"))]
    fn address(&self) -> String {
        self.0.get().server.address
    }

    /// The weight that the kernel has, 0-65535.
    #[zbus(property)]
    fn weight(&self) -> u32 {
        self.0.get().server.weight
    }

    /// The weight that an operator has set for the moment; -1 for none.
    #[zbus(property)]
    fn weight_by_hand(&self) -> i32 {
        self.0.get().server.weight_by_hand.map_or(-1, i32::from)
    }

    /// It takes no new connections, and those that it has go on.
    #[zbus(property)]
    fn draining(&self) -> bool {
        self.0.get().server.draining
    }

    /// Established connections.
    #[zbus(property)]
    fn active_connections(&self) -> u32 {
        self.0.get().server.active
    }

    /// Connections that are being opened or closed.
    #[zbus(property)]
    fn inactive_connections(&self) -> u32 {
        self.0.get().server.inactive
    }

    /// Clients that are bound to it.
    #[zbus(property)]
    fn persistent_clients(&self) -> u32 {
        self.0.get().server.persistent
    }
}

impl Kind for RealServer {
    type Value = Server;
    const INTERFACE: &'static str = "org.mark21.RealServer1";

    fn changes(from: &Self::Value, to: &Self::Value) -> Changes {
        changes!(&from.server, &to.server,
            "Weight" => |v: &status::RealServer| v.weight,
            "WeightByHand" => |v: &status::RealServer| v.weight_by_hand.map_or(-1, i32::from),
            "Draining" => |v: &status::RealServer| v.draining,
            "ActiveConnections" => |v: &status::RealServer| v.active,
            "InactiveConnections" => |v: &status::RealServer| v.inactive,
            "PersistentClients" => |v: &status::RealServer| v.persistent,
        )
    }

    fn keep_counters(value: &mut Self::Value, older: &Self::Value) {
        value.server.active = older.server.active;
        value.server.inactive = older.server.inactive;
        value.server.persistent = older.server.persistent;
    }
}

/// Each kind is made of what it shows.
macro_rules! from_shown {
    ($($kind:ident: $value:ty),+ $(,)?) => {$(
        impl From<Shown<$value>> for $kind {
            fn from(shown: Shown<$value>) -> Self {
                Self(shown)
            }
        }
    )+};
}

from_shown!(
    Interface: status::Interface,
    VirtualRouter: status::VirtualRouter,
    Service: status::Service,
    RealServer: Server,
);
