//! From the configuration and what was observed to the status that people and programs read.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use mark21_api::status::{Interface, Port, RealServer, Service};
use mark21_config::{Config, Ftp, Passive, ServiceKind};
use mark21_reconcile::{
    DestinationKey, Family, Observed, ObservedDestination, ObservedService, Protocol, ServiceKey,
};

use crate::hand::Hand;
use crate::worker::Census;

/// The interfaces with what the kernel has on them.
pub(crate) fn interfaces(config: &Config, census: &Census) -> Vec<Interface> {
    config
        .interfaces
        .iter()
        .map(|interface| {
            let name = interface.name.as_str();
            let device = census.desired.device_of(name);
            let link = census.observed.links.iter().find(|link| Some(link.device.as_str()) == device);
            let addresses = census
                .observed
                .addresses
                .iter()
                .filter(|there| Some(there.address.device.as_str()) == device)
                .map(|there| format!("{}/{}", there.address.address, there.address.prefix_len))
                .collect();
            Interface {
                name: name.to_owned(),
                carrier: link.is_some_and(|link| link.up),
                device: device.map(str::to_owned),
                addresses,
            }
        })
        .collect()
}

/// The services with what IPVS counts, and what stands above the configuration for a while.
pub(crate) fn services(config: &Config, hand: &Hand, census: &Census) -> Vec<Service> {
    config
        .services
        .iter()
        .map(|service| {
            let configured = config.real_servers_of(service).iter();
            let servers = configured.map(|server| (server, false));
            let leaving = hand.leaving(service).map(|server| (server, true));
            let in_the_kernel = in_the_kernel(service, &census.observed);
            let real_servers = servers.chain(leaving).flat_map(|(server, is_leaving)| {
                let by_hand = hand.weight_of(service, server);
                let in_the_kernel = &in_the_kernel;
                addresses_of(service, server).map(move |key| {
                    let seen = destination(in_the_kernel, key);
                    RealServer {
                        address: key.to_string(),
                        weight: seen.map_or(0, |seen| seen.destination.weight),
                        active: seen.map_or(0, |seen| seen.active),
                        inactive: seen.map_or(0, |seen| seen.inactive),
                        persistent: seen.map_or(0, |seen| seen.persistent),
                        connections: seen.map_or(0, |seen| seen.connections),
                        weight_by_hand: by_hand,
                        draining: is_leaving || by_hand == Some(0),
                    }
                })
            });
            Service {
                name: service.name.as_str().to_owned(),
                kind: kind(&service.kind).to_owned(),
                addresses: service.addresses.iter().map(ToString::to_string).collect(),
                mark: service.mark(),
                passive: match &service.kind {
                    ServiceKind::Ftp(ftp) => Some(passive(ftp)),
                    ServiceKind::Tcp { .. } | ServiceKind::Udp { .. } | ServiceKind::Mark { .. } => None,
                },
                real_servers: real_servers.collect(),
            }
        })
        .collect()
}

/// What IPVS has of a server, in each family that it serves.
pub(crate) fn destinations<'a>(
    service: &'a mark21_config::Service,
    server: &mark21_config::RealServer,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a ObservedDestination> {
    let there = in_the_kernel(service, observed);
    addresses_of(service, server).filter_map(move |key| destination(&there, key))
}

fn addresses_of(
    service: &mark21_config::Service,
    server: &mark21_config::RealServer,
) -> impl Iterator<Item = DestinationKey> + use<> {
    let port = destination_port(service, server);
    server.addresses().map(move |address| DestinationKey { address, port })
}

/// A service is one of IPVS for each address, or for each family.
fn in_the_kernel<'a>(
    service: &mark21_config::Service,
    observed: &'a Observed,
) -> Vec<(Family, &'a ObservedService)> {
    let there = |key: ServiceKey| Some((key.family(), observed.ipvs.services.get(&key)?));
    keys(service).into_iter().filter_map(there).collect()
}

fn destination<'a>(
    there: &[(Family, &'a ObservedService)],
    key: DestinationKey,
) -> Option<&'a ObservedDestination> {
    let family = Family::of(&key.address);
    there.iter().filter(|(of, _)| *of == family).find_map(|(_, service)| service.destinations.get(&key))
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
/// The ports below a folder like /sys/class/net: what has hardware behind it.
pub(crate) fn ports(net: &Path) -> Vec<Port> {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let entries = fs::read_dir(net).into_iter().flatten().flatten();
    let hardware = entries.map(|entry| entry.path()).filter(|path| path.join("device").exists());
    let mut ports: Vec<Port> = hardware
        .map(|path| Port {
            device: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            mac: read(path.join("address")),
            carrier: read(path.join("carrier")) == "1",
        })
        .collect();
    ports.sort_unstable_by(|a, b| a.device.cmp(&b.device));
    ports
}
