//! The IPVS tables through the `ipvs` crate: our values to its values and back.

use std::num::NonZeroU32;
use std::time::Duration;

use ipvs::{
    Flags, Granularity, InterfaceName, Ipvs, Persistence, RealServerId, Request, ServiceId, SyncRole,
};
use mark21_reconcile::{
    Change, Daemon, DaemonState, Destination, DestinationKey, Family, ForwardingMethod, IpvsChange,
    ObservedDestination, ObservedIpvs, ObservedService, Protocol, ServiceKey, ServiceSettings, Timeouts,
};

use crate::error::{ApplyError, Cause};

/// `IP_VS_SYNC_GROUP` where the kernel names none.
const DEFAULT_GROUP: std::net::Ipv4Addr = std::net::Ipv4Addr::new(224, 0, 0, 81);

/// What the kernel holds. Services of protocols that Mark21 does not know are passed over.
pub(crate) fn observe(ipvs: &mut Ipvs) -> Result<ObservedIpvs, Cause> {
    let timeouts = ipvs.timeouts()?;
    let mut observed = ObservedIpvs {
        timeouts: Some(Timeouts {
            tcp: seconds(timeouts.tcp.unwrap_or_default()),
            tcp_fin: seconds(timeouts.tcp_fin.unwrap_or_default()),
            udp: seconds(timeouts.udp.unwrap_or_default()),
        }),
        ..ObservedIpvs::default()
    };
    for entry in ipvs.table()? {
        let Some(key) = key_of(&entry.service.id) else { continue };
        let servers = entry.real_servers.iter().map(|entry| {
            let key = DestinationKey { address: entry.server.id.address, port: entry.server.id.port };
            let observed = ObservedDestination {
                destination: Destination {
                    forwarding: method_of(entry.server.method),
                    weight: entry.server.weight,
                },
                active: entry.active_connections,
                inactive: entry.inactive_connections,
                persistent: entry.persistent_connections,
                connections: entry.stats.connections,
            };
            (key, observed)
        });
        let service =
            ObservedService { settings: settings_of(&entry.service, key), destinations: servers.collect() };
        observed.services.insert(key, service);
    }
    observed.daemons = ipvs.sync_daemons()?.iter().map(daemon_of).collect();
    Ok(observed)
}

/// Makes many changes in few system calls. `done` is told each that was made.
pub(crate) fn apply(
    ipvs: &mut Ipvs,
    changes: &[(&Change, &IpvsChange)],
    mut done: impl FnMut(&Change),
) -> Result<(), ApplyError> {
    let failed = |change: &Change, cause: Cause| ApplyError { change: Some(Box::new(change.clone())), cause };
    let mut requests = Vec::with_capacity(changes.len());
    for (change, ipvs_change) in changes {
        requests.push(request(ipvs_change).map_err(|cause| failed(change, cause))?);
    }
    let (refused, broken) = match ipvs.apply(&requests) {
        Ok(()) => (Vec::new(), None),
        Err(ipvs::ApplyError::Refused(refused)) => (refused, None),
        Err(ipvs::ApplyError::Link { answered, refused, source }) => (refused, Some((answered, source))),
        Err(other) => {
            return Err(changes.first().map_or_else(
                || ApplyError { change: None, cause: "nothing was asked".into() },
                |(change, _)| failed(change, other.into()),
            ));
        }
    };
    let answered = broken.as_ref().map_or(changes.len(), |(answered, _)| *answered);
    for (index, (change, _)) in changes.iter().enumerate().take(answered) {
        if !refused.iter().any(|refusal| refusal.index == index) {
            done(change);
        }
    }
    let first = refused.into_iter().min_by_key(|refusal| refusal.index);
    let error = match (first, broken) {
        (Some(refusal), _) => changes.get(refusal.index).map(|(c, _)| failed(c, refusal.error.into())),
        (None, Some((answered, source))) => changes.get(answered).map(|(c, _)| failed(c, source.into())),
        (None, None) => None,
    };
    error.map_or(Ok(()), Err)
}

fn request(change: &IpvsChange) -> Result<Request, Cause> {
    Ok(match change {
        IpvsChange::SetTimeouts(timeouts) => Request::SetTimeouts(ipvs::Timeouts {
            tcp: Some(duration(timeouts.tcp)),
            tcp_fin: Some(duration(timeouts.tcp_fin)),
            udp: Some(duration(timeouts.udp)),
        }),
        IpvsChange::AddService { key, settings } => Request::AddService(service(key, settings)?),
        IpvsChange::EditService { key, settings, .. } => Request::SetService(service(key, settings)?),
        IpvsChange::RemoveService { key, .. } => Request::DeleteService(id(key)?),
        IpvsChange::AddDestination { service, key, destination } => {
            Request::AddRealServer(id(service)?, server(key, destination))
        }
        IpvsChange::EditDestination { service, key, destination, .. } => {
            Request::SetRealServer(id(service)?, server(key, destination))
        }
        IpvsChange::RemoveDestination { service, key, .. } => {
            Request::DeleteRealServer(id(service)?, server_id(key))
        }
        IpvsChange::StartDaemon(daemon) => {
            let interface: InterfaceName = daemon.device.parse()?;
            Request::StartSyncDaemon(ipvs::SyncDaemon {
                group: Some(daemon.group),
                ..ipvs::SyncDaemon::new(role(daemon.state), interface, daemon.id)
            })
        }
        IpvsChange::StopDaemon(daemon) => Request::StopSyncDaemon(role(daemon.state)),
    })
}

fn id(key: &ServiceKey) -> Result<ServiceId, Cause> {
    Ok(match *key {
        ServiceKey::Mark { family, mark } => ServiceId::Mark {
            family: family_to(family),
            mark: NonZeroU32::new(mark).ok_or("mark 0 is no mark")?,
        },
        ServiceKey::Address { protocol: Protocol::Tcp, address, port } => ServiceId::tcp(address, port),
        ServiceKey::Address { protocol: Protocol::Udp, address, port } => ServiceId::udp(address, port),
    })
}

fn key_of(id: &ServiceId) -> Option<ServiceKey> {
    Some(match *id {
        ServiceId::Mark { family, mark } => ServiceKey::Mark { family: family_of(family), mark: mark.get() },
        ServiceId::Address { protocol, address, port } => {
            let protocol = match protocol {
                ipvs::Protocol::TCP => Protocol::Tcp,
                ipvs::Protocol::UDP => Protocol::Udp,
                _ => return None,
            };
            ServiceKey::Address { protocol, address, port }
        }
    })
}

fn service(key: &ServiceKey, settings: &ServiceSettings) -> Result<ipvs::VirtualService, Cause> {
    let granularity = Granularity::from_prefix(family_to(key.family()), settings.persistence_prefix)?;
    let persistence = |timeout| Persistence { timeout: duration(timeout), granularity };
    Ok(ipvs::VirtualService {
        persistence: settings.persistence.map(persistence),
        ..ipvs::VirtualService::new(id(key)?, settings.scheduler.parse()?)
    })
}

fn settings_of(service: &ipvs::VirtualService, key: ServiceKey) -> ServiceSettings {
    let whole = key.family().bits();
    let prefix = match service.persistence.map(|persistence| persistence.granularity) {
        None | Some(Granularity::Client) => whole,
        Some(Granularity::Prefix(bits)) => bits,
        // No prefix at all: never what is wanted.
        Some(Granularity::Mask(_)) => u8::MAX,
    };
    // A flag that nobody here sets makes it another scheduler than the wanted one.
    let foreign = if service.flags == Flags::empty() { "" } else { " with flags" };
    ServiceSettings {
        scheduler: format!("{}{foreign}", service.scheduler),
        persistence: service.persistence.map(|persistence| seconds(persistence.timeout)),
        persistence_prefix: prefix,
    }
}

fn server(key: &DestinationKey, destination: &Destination) -> ipvs::RealServer {
    let mut server = ipvs::RealServer::new(server_id(key), method_to(destination.forwarding));
    server.weight = destination.weight;
    server
}

fn server_id(key: &DestinationKey) -> RealServerId {
    RealServerId::new(key.address, key.port)
}

fn method_to(method: ForwardingMethod) -> ipvs::ForwardingMethod {
    match method {
        ForwardingMethod::Masquerade => ipvs::ForwardingMethod::Masquerade,
        ForwardingMethod::Local => ipvs::ForwardingMethod::LocalNode,
        ForwardingMethod::Tunnel => ipvs::ForwardingMethod::Tunnel(ipvs::Tunnel::Ipip),
        ForwardingMethod::Direct => ipvs::ForwardingMethod::DirectRoute,
        ForwardingMethod::Bypass => ipvs::ForwardingMethod::Bypass,
    }
}

fn method_of(method: ipvs::ForwardingMethod) -> ForwardingMethod {
    match method {
        ipvs::ForwardingMethod::Masquerade => ForwardingMethod::Masquerade,
        ipvs::ForwardingMethod::LocalNode => ForwardingMethod::Local,
        ipvs::ForwardingMethod::Tunnel(_) => ForwardingMethod::Tunnel,
        ipvs::ForwardingMethod::DirectRoute => ForwardingMethod::Direct,
        ipvs::ForwardingMethod::Bypass => ForwardingMethod::Bypass,
    }
}

fn daemon_of(daemon: &ipvs::SyncDaemon) -> Daemon {
    Daemon {
        state: match daemon.role {
            SyncRole::Master => DaemonState::Master,
            SyncRole::Backup => DaemonState::Backup,
        },
        device: daemon.interface.to_string(),
        id: daemon.sync_id,
        group: daemon.group.unwrap_or(DEFAULT_GROUP.into()),
    }
}

fn role(state: DaemonState) -> SyncRole {
    match state {
        DaemonState::Master => SyncRole::Master,
        DaemonState::Backup => SyncRole::Backup,
    }
}

fn family_to(family: Family) -> ipvs::Family {
    match family {
        Family::V4 => ipvs::Family::Ipv4,
        Family::V6 => ipvs::Family::Ipv6,
    }
}

fn family_of(family: ipvs::Family) -> Family {
    match family {
        ipvs::Family::Ipv4 => Family::V4,
        ipvs::Family::Ipv6 => Family::V6,
    }
}

fn duration(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Whole seconds: the kernel keeps no others.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
