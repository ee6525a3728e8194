//! From the configuration and what was observed to the status that people and programs read.

use std::net::IpAddr;

use mark21_api::status::{Interface, RealServer, Service};
use mark21_config::{Config, Ftp, Passive, ServiceKind};
use mark21_reconcile::{DestinationKey, Family, ObservedService, Protocol, ServiceKey};

use crate::worker::Census;

/// The interfaces with what the kernel has on them.
pub(crate) fn interfaces(config: &Config, census: &Census) -> Vec<Interface> {
    config
        .interfaces
        .iter()
        .map(|interface| {
            let name = interface.name.as_str();
            let wanted = census.desired.links.iter().find(|link| link.interface == name);
            let device = wanted.map(|link| link.device.clone());
            let link = census.observed.links.iter().find(|link| Some(&link.device) == device.as_ref());
            let addresses = census
                .observed
                .addresses
                .iter()
                .filter(|there| Some(&there.address.device) == device.as_ref())
                .map(|there| format!("{}/{}", there.address.address, there.address.prefix_len))
                .collect();
            Interface { name: name.to_owned(), carrier: link.is_some_and(|link| link.up), device, addresses }
        })
        .collect()
}

/// The services with what IPVS counts.
pub(crate) fn services(config: &Config, census: &Census) -> Vec<Service> {
    config
        .services
        .iter()
        .map(|service| {
            let there: Vec<(ServiceKey, &ObservedService)> = keys(service)
                .into_iter()
                .filter_map(|key| Some((key, census.observed.ipvs.services.get(&key)?)))
                .collect();
            let mut real_servers = Vec::new();
            for server in config.real_servers_of(service) {
                let addresses = [server.v4.map(IpAddr::V4), server.v6.map(IpAddr::V6)];
                for address in addresses.into_iter().flatten() {
                    let port = destination_port(service, server);
                    let key = DestinationKey { address, port };
                    let seen = there
                        .iter()
                        .filter(|(service, _)| service.family() == Family::of(&address))
                        .find_map(|(_, service)| service.destinations.get(&key));
                    real_servers.push(RealServer {
                        address: key.to_string(),
                        weight: seen.map_or(0, |seen| seen.destination.weight),
                        active: seen.map_or(0, |seen| seen.active),
                        inactive: seen.map_or(0, |seen| seen.inactive),
                        persistent: seen.map_or(0, |seen| seen.persistent),
                    });
                }
            }
            Service {
                name: service.name.as_str().to_owned(),
                kind: kind(&service.kind).to_owned(),
                addresses: service.addresses.iter().map(ToString::to_string).collect(),
                mark: service.mark(),
                passive: match &service.kind {
                    ServiceKind::Ftp(ftp) => Some(passive(ftp)),
                    ServiceKind::Tcp { .. } | ServiceKind::Udp { .. } | ServiceKind::Mark { .. } => None,
                },
                real_servers,
            }
        })
        .collect()
}

fn keys(service: &mark21_config::Service) -> Vec<ServiceKey> {
    let by_address = |protocol, port| {
        let key = |address: &IpAddr| ServiceKey::Address { protocol, address: *address, port };
        service.addresses.iter().map(key).collect()
    };
    match &service.kind {
        ServiceKind::Tcp { port } => by_address(Protocol::Tcp, *port),
        ServiceKind::Udp { port } => by_address(Protocol::Udp, *port),
        ServiceKind::Ftp(Ftp { mark, .. }) | ServiceKind::Mark { mark } => {
            [Family::V4, Family::V6].map(|family| ServiceKey::Mark { family, mark: *mark }).to_vec()
        }
    }
}

fn destination_port(service: &mark21_config::Service, server: &mark21_config::RealServer) -> u16 {
    match service.kind {
        ServiceKind::Tcp { port } | ServiceKind::Udp { port } => server.port.unwrap_or(port),
        ServiceKind::Ftp(_) | ServiceKind::Mark { .. } => 0,
    }
}

fn kind(kind: &ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Ftp(_) => "ftp",
        ServiceKind::Tcp { .. } => "tcp",
        ServiceKind::Udp { .. } => "udp",
        ServiceKind::Mark { .. } => "mark",
    }
}

fn passive(ftp: &Ftp) -> String {
    let ports = ftp.passive_ports;
    match ftp.passive {
        Passive::Rewrite => {
            format!("rewrite, {ports}; no PASV under TLS, none survives a failover")
        }
        Passive::Server => {
            format!("server, {ports}; the servers announce the virtual address")
        }
    }
}
