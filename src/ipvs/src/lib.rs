//! The kernel's IPVS generic netlink family, typed.
//!
//! Adds, changes, deletes and reads virtual services, real servers, connection
//! synchronisation daemons and timeouts of the Linux Virtual Server. Blocking,
//! without threads; many changes travel in few system calls
//! ([`Ipvs::apply`]).
//!
//! ```no_run
//! use std::time::Duration;
//! use ipvs::{
//!     Family, ForwardingMethod, Ipvs, Persistence, RealServer, RealServerId, Scheduler, ServiceId, VirtualService,
//! };
//!
//! let mut ipvs = Ipvs::open()?;
//! let id = ServiceId::Mark { family: Family::Ipv4, mark: "21".parse()? };
//! ipvs.add_service(&VirtualService {
//!     persistence: Some(Persistence::per_client(Duration::from_secs(600))),
//!     ..VirtualService::new(id, Scheduler::WLC)
//! })?;
//! for host in [11, 12] {
//!     let server = RealServerId::new([10, 0, 0, host], 0);
//!     ipvs.add_real_server(&id, &RealServer::new(server, ForwardingMethod::Masquerade))?;
//! }
//! for entry in ipvs.table()? {
//!     println!("{}: {} connections", entry.service.id, entry.stats.connections);
//!     for server in entry.real_servers {
//!         println!("  {}: {} active", server.server.id, server.active_connections);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the kernel wants
//!
//! The module `ip_vs` must be loaded; this crate does not load it. Every
//! command, reading included, needs `CAP_NET_ADMIN` in the *initial* user
//! namespace: root of a container with a user namespace of its own is refused.
//! Services belong to the network namespace in which the handle was opened.
//!
//! # Without a kernel
//!
//! [`wire`] encodes and decodes without a socket, for tests, fuzzing and other
//! transports; [`constants`] has the kernel's numbers under the kernel's names.

mod batch;
mod config;
pub mod constants;
mod error;
mod handle;
mod link;
mod name;
mod real_server;
mod request;
mod service;
pub mod wire;

pub use config::{Info, Stats, SyncDaemon, SyncRole, Timeouts};
pub use error::{
    ApplyError, LinkError, OpenError, RealServerError, Refusal, RequestError, ServiceError, SyncDaemonError,
    TimeoutsError,
};
pub use handle::Ipvs;
pub use name::{InterfaceName, NameError, PersistenceEngine, Scheduler};
pub use real_server::{ForwardingMethod, RealServer, RealServerEntry, RealServerId, Tunnel, TunnelFlags};
pub use request::Request;
pub use rustix::io::Errno;
pub use service::{
    Family, Flags, Granularity, Persistence, Protocol, ServiceEntry, ServiceId, TableEntry, VirtualService,
};
pub use wire::{DecodeError, ValueError};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
