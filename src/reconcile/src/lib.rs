//! What the kernel should hold, what it holds, and the ordered changes between the two.
//!
//! [`Desired::from_config`] computes the whole wanted state of a director from its configuration;
//! [`plan`] compares it with an [`Observed`] state and returns the [`Change`]s in the order in which
//! they must be made, none when nothing is to do. Nothing in a [`Desired`] depends on a VRRP role.
//!
//! This crate is pure: no socket, file, clock or process. Reading the kernel and changing it is the
//! work of `mark21-kernel`.
//!
//! ```text
//! Config + Machine + Overrides -> Desired --+
//!                                           +--> plan --> Plan of Changes
//!                         kernel -> Observed+
//! ```
#![forbid(unsafe_code)]

mod change;
mod context;
mod desired;
pub mod extra;
pub mod firewall;
#[cfg(test)]
mod fixtures;
mod ipvs;
mod links;
mod machine;
mod modules;
mod observed;
mod plan;
#[cfg(test)]
mod simulation;
mod sync;
mod sysctls;

pub use change::{
    AddressChange, Change, Domain, ExtraChange, IpvsChange, LinkChange, ModuleChange, RouteChange, When,
};
pub use desired::Desired;
pub use extra::{Extra, TableName, Tables};
pub use firewall::Ruleset;
pub use ipvs::{
    Daemon, DaemonState, Destination, DestinationKey, Family, ForwardingMethod, Ipvs, Protocol, ServiceKey,
    ServiceSettings, Timeouts, VirtualService,
};
pub use links::{
    ADDRESS_PROTOCOL_STATIC, ADDRESS_PROTOCOL_VRRP, Address, BondMode, CREATED_LINK_GROUP, Link, LinkKind,
    NextHop, ROUTE_PROTOCOL, Route,
};
pub use machine::{Draining, Machine, MissingPort, Overrides, Port};
pub use modules::Module;
pub use observed::{
    Observed, ObservedAddress, ObservedDestination, ObservedIpvs, ObservedLink, ObservedRoute,
    ObservedService,
};
pub use plan::{Plan, plan, reweighing};
pub use sysctls::{IPV4_FORWARDING, IPV6_FORWARDING, Sysctl};
