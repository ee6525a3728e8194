//! What can go wrong, by the object it goes wrong with.
//!
//! The kernel answers with a bare number; what it means depends on what was
//! asked. The `refused` functions hold that knowledge, without I/O.

use std::fmt;
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

/// A number of the kernel in the system's words.
fn words(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.raw_os_error())
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FamilyMissing => f.write_str("the kernel has no IPVS; is the module ip_vs loaded?"),
            Self::Link(_) => f.write_str("no link to the kernel's IPVS"),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted => f.write_str("IPVS obeys only root of the initial user namespace"),
            Self::Socket(_) => f.write_str("netlink socket not usable"),
            Self::Send(_) => f.write_str("netlink request not sent"),
            Self::Receive(_) => f.write_str("netlink answer not received"),
            Self::Timeout => f.write_str("the kernel did not answer in time"),
            Self::AnswersLost => f.write_str("the kernel's answers overran the socket's buffer"),
            Self::Oversized { length } => write!(f, "a netlink message of {length} bytes, longer than any"),
            Self::Decode(_) => f.write_str("the kernel's answer is not understood"),
            Self::Refused(errno) => write!(f, "refused by the kernel: {}", words(*errno)),
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { service } => write!(f, "service {service} exists already"),
            Self::Missing { service } => write!(f, "there is no service {service}"),
            Self::SchedulerMissing { service, scheduler } => {
                write!(
                    f,
                    "service {service}: the kernel has no scheduler {scheduler} (module ip_vs_{scheduler})"
                )
            }
            Self::EngineOrSchedulerMissing { service, scheduler, engine } => write!(
                f,
                "service {service}: the kernel lacks scheduler {scheduler} (module ip_vs_{scheduler}) \
                 or persistence engine {engine} (module ip_vs_pe_{engine})"
            ),
            Self::FamilyUnsupported { service } => {
                write!(f, "service {service}: the kernel has no {}", service.family())
            }
            Self::Value { service, .. } => write!(f, "service {service}: impossible setting"),
            Self::Invalid { service } => {
                write!(f, "service {service}: the kernel takes its settings for invalid")
            }
            Self::Refused { service, errno } => {
                write!(f, "service {service}: refused by the kernel: {}", words(*errno))
            }
            Self::Link(_) => f.write_str("no answer about the service"),
        }
    }
}

impl fmt::Display for RealServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { service, server } => {
                write!(f, "service {service} has real server {server} already")
            }
            Self::Missing { service, server } => write!(f, "service {service} has no real server {server}"),
            Self::ServiceMissing { service, server } => {
                write!(f, "real server {server}: there is no service {service}")
            }
            Self::OutOfRange { service, server } => write!(
                f,
                "real server {server} of service {service}: weight above {}, \
                 or lower threshold above the upper one",
                i32::MAX
            ),
            Self::MixedFamilies { service, server } => write!(
                f,
                "real server {server} is of another family than service {service}: \
                 only tunnels can do that, and not while a sync daemon runs"
            ),
            Self::Invalid { service, server } => {
                write!(f, "service {service}: {server} can be no real server's address")
            }
            Self::FamilyUnsupported { service, server } => {
                write!(f, "real server {server} of service {service}: the kernel lacks its family")
            }
            Self::Refused { service, server, errno } => {
                write!(
                    f,
                    "real server {server} of service {service}: refused by the kernel: {}",
                    words(*errno)
                )
            }
            Self::Link(_) => f.write_str("no answer about the real server"),
        }
    }
}

impl fmt::Display for SyncDaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { role } => write!(f, "a {role} sync daemon runs already"),
            Self::NotRunning { role } => write!(f, "no {role} sync daemon runs"),
            Self::InterfaceMissing { role, interface } => {
                write!(f, "{role} sync daemon: there is no interface {interface}")
            }
            Self::Invalid { role } => write!(
                f,
                "{role} sync daemon: the group is no multicast address, \
                 or a real server is of another family than its service"
            ),
            Self::Refused { role, errno } => {
                write!(f, "{role} sync daemon: refused by the kernel: {}", words(*errno))
            }
            Self::Link(_) => f.write_str("no answer about the sync daemon"),
        }
    }
}

impl fmt::Display for TimeoutsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("impossible timeout"),
            Self::Invalid => f.write_str("the kernel takes the timeouts for invalid"),
            Self::Refused(errno) => write!(f, "timeouts: refused by the kernel: {}", words(*errno)),
            Self::Link(_) => f.write_str("no answer about the timeouts"),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::RealServer(error) => error.fmt(f),
            Self::SyncDaemon(error) => error.fmt(f),
            Self::Timeouts(error) => error.fmt(f),
            Self::All(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}: {}", self.index, self.error)
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => match refused.as_slice() {
                [only] => only.fmt(f),
                [first, rest @ ..] => write!(f, "{first} (and {} more)", rest.len()),
                [] => f.write_str("no request refused"),
            },
            Self::Link { answered, refused, .. } => {
                write!(f, "the link broke after {answered} requests, {} of them refused", refused.len())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::FamilyMissing => None,
            Self::Link(error) => Some(error),
        }
    }
}

impl std::error::Error for LinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket(error) | Self::Send(error) | Self::Receive(error) => Some(error),
            Self::Decode(error) => Some(error),
            Self::NotPermitted
            | Self::Timeout
            | Self::AnswersLost
            | Self::Oversized { .. }
            | Self::Refused(_) => None,
        }
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Value { source, .. } => Some(source),
            Self::Link(error) => Some(error),
            _ => None,
        }
    }
}

impl std::error::Error for RealServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Link(error) => Some(error),
            _ => None,
        }
    }
}

impl std::error::Error for SyncDaemonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Link(error) => Some(error),
            _ => None,
        }
    }
}

impl std::error::Error for TimeoutsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Value(error) => Some(error),
            Self::Link(error) => Some(error),
            Self::Invalid | Self::Refused(_) => None,
        }
    }
}

impl std::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Service(error) => error.source(),
            Self::RealServer(error) => error.source(),
            Self::SyncDaemon(error) => error.source(),
            Self::Timeouts(error) => error.source(),
            Self::All(error) => error.source(),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl std::error::Error for ApplyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(refused) => refused.first().and_then(|first| first.error.source()),
            Self::Link { source, .. } => Some(source),
        }
    }
}

impl From<LinkError> for OpenError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::{ForwardingMethod, RealServer, Timeouts};

    /// What each of the kernel's numbers means for each kind of request, in words.
    #[test]
    fn a_refusal_names_its_object() {
        let service = VirtualService::new(ServiceId::tcp([192, 0, 2, 10], 21), Scheduler::WLC);
        let engine = VirtualService {
            persistence_engine: Some(PersistenceEngine::new("sip").expect("short")),
            ..service
        };
        let server = RealServer::new(RealServerId::new([10, 0, 0, 11], 21), ForwardingMethod::Masquerade);
        let six = RealServer { id: RealServerId::new([0x20; 16], 21), ..server };
        let daemon = SyncDaemon::new(SyncRole::Master, InterfaceName::new("eth1").expect("short"), 1);
        let id = service.id;
        for (request, errno, words) in [
            (Request::AddService(service), Errno::EXIST, "service tcp 192.0.2.10:21 exists already"),
            (Request::SetService(service), Errno::SRCH, "there is no service tcp 192.0.2.10:21"),
            (
                Request::AddService(service),
                Errno::NOENT,
                "service tcp 192.0.2.10:21: the kernel has no scheduler wlc (module ip_vs_wlc)",
            ),
            (
                Request::SetService(engine),
                Errno::NOENT,
                "service tcp 192.0.2.10:21: the kernel lacks scheduler wlc (module ip_vs_wlc) \
                 or persistence engine sip (module ip_vs_pe_sip)",
            ),
            (
                Request::AddService(service),
                Errno::INVAL,
                "service tcp 192.0.2.10:21: the kernel takes its settings for invalid",
            ),
            (
                Request::AddService(service),
                Errno::AFNOSUPPORT,
                "service tcp 192.0.2.10:21: the kernel has no IPv4",
            ),
            (
                Request::AddService(service),
                Errno::NOMEM,
                "service tcp 192.0.2.10:21: refused by the kernel: Cannot allocate memory (os error 12)",
            ),
            (Request::DeleteService(id), Errno::SRCH, "there is no service tcp 192.0.2.10:21"),
            (Request::ZeroService(id), Errno::SRCH, "there is no service tcp 192.0.2.10:21"),
            (
                Request::AddRealServer(id, server),
                Errno::EXIST,
                "service tcp 192.0.2.10:21 has real server 10.0.0.11:21 already",
            ),
            (
                Request::SetRealServer(id, server),
                Errno::NOENT,
                "service tcp 192.0.2.10:21 has no real server 10.0.0.11:21",
            ),
            (
                Request::DeleteRealServer(id, server.id),
                Errno::SRCH,
                "real server 10.0.0.11:21: there is no service tcp 192.0.2.10:21",
            ),
            (
                Request::AddRealServer(id, server),
                Errno::RANGE,
                "real server 10.0.0.11:21 of service tcp 192.0.2.10:21: weight above 2147483647, \
                 or lower threshold above the upper one",
            ),
            (
                Request::AddRealServer(id, server),
                Errno::INVAL,
                "service tcp 192.0.2.10:21: 10.0.0.11:21 can be no real server's address",
            ),
            (
                Request::AddRealServer(id, six),
                Errno::INVAL,
                "real server [2020:2020:2020:2020:2020:2020:2020:2020]:21 is of another family than \
                 service tcp 192.0.2.10:21: only tunnels can do that, and not while a sync daemon runs",
            ),
            (Request::StartSyncDaemon(daemon), Errno::EXIST, "a master sync daemon runs already"),
            (
                Request::StartSyncDaemon(daemon),
                Errno::NODEV,
                "master sync daemon: there is no interface eth1",
            ),
            (Request::StopSyncDaemon(SyncRole::Backup), Errno::SRCH, "no backup sync daemon runs"),
            (
                Request::SetTimeouts(Timeouts::default()),
                Errno::INVAL,
                "the kernel takes the timeouts for invalid",
            ),
            (Request::Flush, Errno::BUSY, "refused by the kernel: Device or resource busy (os error 16)"),
            (Request::ZeroAll, Errno::PERM, "IPVS obeys only root of the initial user namespace"),
        ] {
            let error = RequestError::of(&request, Failure::Errno(errno));
            assert_eq!(error.to_string(), words, "{request}");
        }
    }

    #[test]
    fn a_lack_of_rights_is_the_links_error_whatever_was_asked() {
        let id = ServiceId::tcp([192, 0, 2, 10], 21);
        for request in [
            Request::DeleteService(id),
            Request::DeleteRealServer(id, RealServerId::new([10, 0, 0, 11], 21)),
            Request::StopSyncDaemon(SyncRole::Master),
            Request::SetTimeouts(Timeouts::default()),
        ] {
            let error = RequestError::of(&request, Failure::Errno(Errno::PERM));
            let cause = error.source().and_then(|cause| cause.downcast_ref::<LinkError>());
            assert!(matches!(cause, Some(LinkError::NotPermitted)), "{request}: {error:?}");
        }
    }

    #[test]
    fn a_text_does_not_repeat_its_cause() {
        let service = ServiceId::tcp([192, 0, 2, 10], 21);
        let error = ServiceError::of_id(service, Failure::Value(ValueError::MaskForIpv6));
        assert_eq!(error.to_string(), "service tcp 192.0.2.10:21: impossible setting");
        let cause = error.source().map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("IPv6 takes a prefix length, not a mask"));
    }
}
