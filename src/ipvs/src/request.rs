//! One change to the kernel's tables, as a value.
//!
//! A plan is a list of these; [`Ipvs::apply`](crate::Ipvs::apply) sends many at once.

use std::fmt;

use crate::{RealServer, RealServerId, ServiceId, SyncDaemon, SyncRole, Timeouts, VirtualService};

/// One change to the kernel's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Adds a virtual service, which must not exist.
    AddService(VirtualService),
    /// Changes all settings of a virtual service; real servers and connections stay.
    SetService(VirtualService),
    /// Deletes a virtual service with its real servers.
    DeleteService(ServiceId),
    /// Adds a real server to a service.
    AddRealServer(ServiceId, RealServer),
    /// Changes all settings of a real server.
    SetRealServer(ServiceId, RealServer),
    /// Deletes a real server from a service.
    DeleteRealServer(ServiceId, RealServerId),
    /// Starts a synchronisation daemon.
    StartSyncDaemon(SyncDaemon),
    /// Stops a synchronisation daemon.
    StopSyncDaemon(SyncRole),
    /// Sets those timeouts that are given.
    SetTimeouts(Timeouts),
    /// Zeroes the counters of a service and of its real servers.
    ZeroService(ServiceId),
    /// Zeroes all counters.
    ZeroAll,
    /// Deletes all virtual services. Timeouts and daemons stay.
    Flush,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => write!(f, "add service {}", service.id),
            Self::SetService(service) => write!(f, "set service {}", service.id),
            Self::DeleteService(id) => write!(f, "delete service {id}"),
            Self::AddRealServer(id, server) => write!(f, "add real server {} to service {id}", server.id),
            Self::SetRealServer(id, server) => write!(f, "set real server {} of service {id}", server.id),
            Self::DeleteRealServer(id, server) => write!(f, "delete real server {server} of service {id}"),
            Self::StartSyncDaemon(daemon) => {
                write!(f, "start the {} sync daemon on {}", daemon.role, daemon.interface)
            }
            Self::StopSyncDaemon(role) => write!(f, "stop the {role} sync daemon"),
            Self::SetTimeouts(_) => f.write_str("set the timeouts"),
            Self::ZeroService(id) => write!(f, "zero the counters of service {id}"),
            Self::ZeroAll => f.write_str("zero all counters"),
            Self::Flush => f.write_str("delete all services"),
        }
    }
}
