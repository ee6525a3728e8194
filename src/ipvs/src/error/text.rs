//! The errors in words: the object, what is wrong, and a hint where somebody can act. Causes are left to `source`.

use std::{fmt, io};

use rustix::io::Errno;

use super::{
    ApplyError, LinkError, OpenError, RealServerError, Refusal, RequestError, ServiceError, SyncDaemonError,
    TimeoutsError,
};

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
