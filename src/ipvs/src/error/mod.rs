//! What can go wrong, by the object it goes wrong with.
//!
//! The kernel answers with a bare number; what it means depends on what was
//! asked. The `of` functions hold that knowledge, without I/O.

#[cfg(test)]
mod tests;
mod text;

use std::io;

use rustix::io::Errno;

use crate::wire::{DecodeError, ValueError};
use crate::{
    Family, InterfaceName, PersistenceEngine, RealServerId, Request, Scheduler, ServiceId, SyncDaemon,
    SyncRole, VirtualService,
};

/// Why the handle could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The kernel has no IPVS: the module `ip_vs` is not loaded, and the kernel
    /// could not load it by itself, for which it wants a working `/sbin/modprobe`.
    FamilyMissing,
    /// The socket could not be made, or the kernel did not answer on it.
    Link(LinkError),
}

/// What went wrong between this program and the kernel, whatever was asked.
///
/// Except after [`LinkError::NotPermitted`] and [`LinkError::Refused`] a
/// conversation was left in the middle: open a new handle.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// The caller is not root of the initial user namespace (`CAP_NET_ADMIN` there).
    NotPermitted,
    /// The socket could not be made or set up.
    Socket(io::Error),
    /// The request could not be sent.
    Send(io::Error),
    /// The answer could not be received.
    Receive(io::Error),
    /// The kernel did not answer within the handle's timeout.
    Timeout,
    /// The kernel had more to say than the socket had room for; something is missing.
    AnswersLost,
    /// A message was longer than any that the kernel makes.
    Oversized {
        /// Its length in bytes.
        length: usize,
    },
    /// An answer that is not what the interface says.
    Decode(DecodeError),
    /// The kernel refused a request that names no object, with this error number.
    Refused(Errno),
}

/// Why something about a virtual service did not happen.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServiceError {
    /// A service with this identity exists already.
    Exists {
        /// The service.
        service: ServiceId,
    },
    /// There is no such service.
    Missing {
        /// The service.
        service: ServiceId,
    },
    /// The kernel neither has the scheduler nor could load its module.
    SchedulerMissing {
        /// The service.
        service: ServiceId,
        /// The scheduler.
        scheduler: Scheduler,
    },
    /// The kernel lacks the scheduler or the persistence engine; it does not say which.
    EngineOrSchedulerMissing {
        /// The service.
        service: ServiceId,
        /// The scheduler.
        scheduler: Scheduler,
        /// The persistence engine.
        engine: PersistenceEngine,
    },
    /// The kernel was built or booted without this family.
    FamilyUnsupported {
        /// The service.
        service: ServiceId,
    },
    /// A value that cannot be sent.
    Value {
        /// The service.
        service: ServiceId,
        /// The value.
        source: ValueError,
    },
    /// The kernel took the request for malformed or its settings for impossible.
    Invalid {
        /// The service.
        service: ServiceId,
    },
    /// The kernel refused for another reason.
    Refused {
        /// The service.
        service: ServiceId,
        /// The kernel's error number.
        errno: Errno,
    },
    /// The request did not reach the kernel, or its answer did not come back.
    Link(LinkError),
}

/// Why something about a real server did not happen.
#[derive(Debug)]
#[non_exhaustive]
pub enum RealServerError {
    /// The service has this real server already.
    Exists {
        /// The service.
        service: ServiceId,
        /// The real server.
        server: RealServerId,
    },
    /// The service has no such real server.
    Missing {
        /// The service.
        service: ServiceId,
        /// The real server.
        server: RealServerId,
    },
    /// There is no such service.
    ServiceMissing {
        /// The service.
        service: ServiceId,
        /// The real server.
        server: RealServerId,
    },
    /// The weight is above `i32::MAX`, or the lower threshold is above the upper one.
    OutOfRange {
        /// The service.
        service: ServiceId,
        /// The real server.
        server: RealServerId,
    },
    /// Service and real server are of different families, which only tunnels
    /// allow, and only while no synchronisation daemon runs.
    MixedFamilies {
        /// The service.
        service: ServiceId,
        /// The real server.
        server: RealServerId,
    },
    /// The address can be no real server's: unspecified, multicast, broadcast or
    /// link-local; or the kernel took the request for malformed.
    Invalid {
        /// The service.
        service: ServiceId,
        /// The real server.
        server: RealServerId,
    },
    /// The kernel was built or booted without this family.
    FamilyUnsupported {
        /// The service.
        service: ServiceId,
        /// The real server.
        server: RealServerId,
    },
    /// The kernel refused for another reason.
    Refused {
        /// The service.
        service: ServiceId,
        /// The real server.
        server: RealServerId,
        /// The kernel's error number.
        errno: Errno,
    },
    /// The request did not reach the kernel, or its answer did not come back.
    Link(LinkError),
}

/// Why something about a synchronisation daemon did not happen.
#[derive(Debug)]
#[non_exhaustive]
pub enum SyncDaemonError {
    /// A daemon of this role runs already; only one can.
    Running {
        /// Its role.
        role: SyncRole,
    },
    /// No daemon of this role runs.
    NotRunning {
        /// Its role.
        role: SyncRole,
    },
    /// There is no such interface.
    InterfaceMissing {
        /// The daemon's role.
        role: SyncRole,
        /// The interface.
        interface: InterfaceName,
    },
    /// The group is not a multicast address, or some real server is of another
    /// family than its service, which the protocol cannot carry.
    Invalid {
        /// The daemon's role.
        role: SyncRole,
    },
    /// The kernel refused for another reason.
    Refused {
        /// The daemon's role.
        role: SyncRole,
        /// The kernel's error number.
        errno: Errno,
    },
    /// The request did not reach the kernel, or its answer did not come back.
    Link(LinkError),
}

/// Why the timeouts were not set.
#[derive(Debug)]
#[non_exhaustive]
pub enum TimeoutsError {
    /// A timeout that cannot be sent.
    Value(ValueError),
    /// The kernel cannot count that far, or was built without the protocol.
    Invalid,
    /// The kernel refused for another reason, with this error number.
    Refused(Errno),
    /// The request did not reach the kernel, or its answer did not come back.
    Link(LinkError),
}

/// Why one [`Request`] did not happen.
#[derive(Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// A request about a virtual service.
    Service(ServiceError),
    /// A request about a real server.
    RealServer(RealServerError),
    /// A request about a synchronisation daemon.
    SyncDaemon(SyncDaemonError),
    /// A request about the timeouts.
    Timeouts(TimeoutsError),
    /// A request about everything.
    All(LinkError),
}

/// One request of several that did not happen.
#[derive(Debug)]
pub struct Refusal {
    /// Its place in the list that was given, from 0.
    pub index: usize,
    /// Why.
    pub error: RequestError,
}

/// Why not all of several requests happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ApplyError {
    /// The kernel saw all of them, and did all but these, of which there is at least one.
    Refused(Vec<Refusal>),
    /// The link broke.
    Link {
        /// Requests whose outcome is known, from the first on; of the others
        /// any number may have happened: read the tables back.
        answered: usize,
        /// Those of the answered ones that did not happen.
        refused: Vec<Refusal>,
        /// What happened to the link.
        source: LinkError,
    },
}

/// What stands between a request and its being done, before its object is named.
#[derive(Debug)]
pub(crate) enum Failure {
    Value(ValueError),
    Errno(Errno),
    Link(LinkError),
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<Failure> for LinkError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Link(error) => error,
            Failure::Errno(Errno::PERM) => Self::NotPermitted,
            Failure::Errno(errno) => Self::Refused(errno),
            // Only requests that name an object carry values that can be wrong.
            Failure::Value(_) => Self::Refused(Errno::INVAL),
        }
    }
}

impl ServiceError {
    /// Names what the kernel's answer to a request for a service's identity means.
    pub(crate) fn of_id(service: ServiceId, failure: Failure) -> Self {
        match failure {
            Failure::Value(source) => Self::Value { service, source },
            Failure::Link(error) => Self::Link(error),
            Failure::Errno(Errno::PERM) => Self::Link(LinkError::NotPermitted),
            Failure::Errno(Errno::EXIST) => Self::Exists { service },
            Failure::Errno(Errno::SRCH) => Self::Missing { service },
            Failure::Errno(Errno::AFNOSUPPORT) => Self::FamilyUnsupported { service },
            Failure::Errno(Errno::INVAL) => Self::Invalid { service },
            Failure::Errno(errno) => Self::Refused { service, errno },
        }
    }

    /// The same for a request that carries a service's settings.
    pub(crate) fn of_settings(settings: &VirtualService, failure: Failure) -> Self {
        let (service, scheduler) = (settings.id, settings.scheduler);
        match (failure, settings.persistence_engine) {
            (Failure::Errno(Errno::NOENT), None) => Self::SchedulerMissing { service, scheduler },
            (Failure::Errno(Errno::NOENT), Some(engine)) => {
                Self::EngineOrSchedulerMissing { service, scheduler, engine }
            }
            (failure, _) => Self::of_id(service, failure),
        }
    }
}

impl RealServerError {
    pub(crate) fn of(service: ServiceId, server: RealServerId, failure: Failure) -> Self {
        match failure {
            Failure::Link(error) => Self::Link(error),
            Failure::Errno(Errno::PERM) => Self::Link(LinkError::NotPermitted),
            Failure::Errno(Errno::EXIST) => Self::Exists { service, server },
            Failure::Errno(Errno::NOENT) => Self::Missing { service, server },
            Failure::Errno(Errno::SRCH) => Self::ServiceMissing { service, server },
            Failure::Errno(Errno::RANGE) => Self::OutOfRange { service, server },
            Failure::Errno(Errno::AFNOSUPPORT) => Self::FamilyUnsupported { service, server },
            Failure::Errno(Errno::INVAL) if service.family() != Family::from(server.address) => {
                Self::MixedFamilies { service, server }
            }
            Failure::Errno(Errno::INVAL) | Failure::Value(_) => Self::Invalid { service, server },
            Failure::Errno(errno) => Self::Refused { service, server, errno },
        }
    }
}

impl SyncDaemonError {
    pub(crate) fn of_start(daemon: &SyncDaemon, failure: Failure) -> Self {
        match failure {
            Failure::Errno(Errno::NODEV) => {
                Self::InterfaceMissing { role: daemon.role, interface: daemon.interface }
            }
            failure => Self::of_role(daemon.role, failure),
        }
    }

    pub(crate) fn of_role(role: SyncRole, failure: Failure) -> Self {
        match failure {
            Failure::Link(error) => Self::Link(error),
            Failure::Errno(Errno::PERM) => Self::Link(LinkError::NotPermitted),
            Failure::Errno(Errno::EXIST) => Self::Running { role },
            Failure::Errno(Errno::SRCH) => Self::NotRunning { role },
            Failure::Errno(Errno::INVAL) | Failure::Value(_) => Self::Invalid { role },
            Failure::Errno(errno) => Self::Refused { role, errno },
        }
    }
}

impl TimeoutsError {
    pub(crate) fn of(failure: Failure) -> Self {
        match failure {
            Failure::Value(error) => Self::Value(error),
            Failure::Link(error) => Self::Link(error),
            Failure::Errno(Errno::PERM) => Self::Link(LinkError::NotPermitted),
            Failure::Errno(Errno::INVAL) => Self::Invalid,
            Failure::Errno(errno) => Self::Refused(errno),
        }
    }
}

impl RequestError {
    pub(crate) fn of(request: &Request, failure: Failure) -> Self {
        match request {
            Request::AddService(service) | Request::SetService(service) => {
                Self::Service(ServiceError::of_settings(service, failure))
            }
            Request::DeleteService(id) | Request::ZeroService(id) => {
                Self::Service(ServiceError::of_id(*id, failure))
            }
            Request::AddRealServer(id, server) | Request::SetRealServer(id, server) => {
                Self::RealServer(RealServerError::of(*id, server.id, failure))
            }
            Request::DeleteRealServer(id, server) => {
                Self::RealServer(RealServerError::of(*id, *server, failure))
            }
            Request::StartSyncDaemon(daemon) => Self::SyncDaemon(SyncDaemonError::of_start(daemon, failure)),
            Request::StopSyncDaemon(role) => Self::SyncDaemon(SyncDaemonError::of_role(*role, failure)),
            Request::SetTimeouts(_) => Self::Timeouts(TimeoutsError::of(failure)),
            Request::ZeroAll | Request::Flush => Self::All(failure.into()),
        }
    }
}

impl From<LinkError> for OpenError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}
