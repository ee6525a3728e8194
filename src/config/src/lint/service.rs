//! Services and the machines that do their work.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use super::{Subject, at, family, is_link_local, pairs};
use crate::finding::Log;
use crate::model::{Forwarding, RealServer, Service, ServiceKind};
use crate::raw::{At, ServiceEntry, Span};

/// Nobody would answer for it.
pub(super) fn address_that_nobody_holds(subject: &Subject<'_>, log: &mut Log) {
    for (service, entry) in subject.services() {
        for (address, place) in service.addresses.iter().zip(&entry.service.get_ref().addresses) {
            if subject.owner_of(*address).is_none() {
                log.error(
                    place.span(),
                    "no interface and no virtual router has it, so nobody would answer for it",
                )
                .mend(
                    "add it to the addresses of a [[virtual_router]], or of an [[interface]] of a single box",
                );
            }
        }
    }
}

/// An address named twice by one service.
pub(super) fn address_twice(subject: &Subject<'_>, log: &mut Log) {
    for (_, entry) in subject.services() {
        let mut known = BTreeSet::new();
        for address in &entry.service.get_ref().addresses {
            if !known.insert(address.get_ref().0) {
                log.error(address.span(), "the service names it twice").mend("leave it out");
            }
        }
    }
}

/// Two services for one protocol, address and port.
pub(super) fn port_twice(subject: &Subject<'_>, log: &mut Log) {
    for ((earlier, _), (later, entry)) in pairs(subject.services()) {
        let (Some(port), Some(shared)) = (endpoint(later), shared_address(earlier, later)) else { continue };
        if endpoint(earlier) == Some(port) {
            log.error(
                at(&entry.service.get_ref().port, entry),
                format_args!("service {:?} has port {} of {shared} already", earlier.name, port.1),
            )
            .mend("choose another port or another address");
        }
    }
}

/// Protocol and port.
fn endpoint(service: &Service) -> Option<(&'static str, u16)> {
    match &service.kind {
        ServiceKind::Ftp(ftp) => Some(("tcp", ftp.port)),
        ServiceKind::Tcp { port } => Some(("tcp", *port)),
        ServiceKind::Udp { port } => Some(("udp", *port)),
        ServiceKind::Mark { .. } => None,
    }
}

/// An address that both services have.
pub(super) fn shared_address(one: &Service, other: &Service) -> Option<IpAddr> {
    one.addresses.iter().find(|address| other.addresses.contains(address)).copied()
}

/// One mark is one IPVS service; two would be balanced as one.
pub(super) fn mark_twice(subject: &Subject<'_>, log: &mut Log) {
    let mut known = BTreeMap::new();
    for (service, entry) in subject.services() {
        let Some(mark) = service.mark() else { continue };
        if let Some(other) = known.insert(mark, &service.name) {
            log.error(
                at(&entry.service.get_ref().mark, entry),
                format_args!("service {other:?} has mark {mark} already; the kernel would take both for one"),
            )
            .mend(format_args!("give this one mark = {}", free_mark(subject)));
        }
    }
}

fn free_mark(subject: &Subject<'_>) -> u32 {
    let highest = subject.services().filter_map(|(service, _)| service.mark()).max();
    highest.and_then(|mark| mark.checked_add(1)).unwrap_or(1)
}

/// A service that refuses every connection.
pub(super) fn without_real_servers(subject: &Subject<'_>, log: &mut Log) {
    for (_, entry) in subject.services() {
        if entry.real_servers.is_empty() {
            log.warning(entry.service.span(), "it has no real server, so every connection is refused")
                .mend("add [[service.real_server]] below it");
        }
    }
}

/// A virtual address that no real server can serve.
pub(super) fn family_without_real_server(subject: &Subject<'_>, log: &mut Log) {
    for (service, entry) in subject.services() {
        let servers = subject.config.real_servers_of(service);
        for (address, place) in service.addresses.iter().zip(&entry.service.get_ref().addresses) {
            let is_served =
                servers.iter().flat_map(RealServer::addresses).any(|own| own.is_ipv4() == address.is_ipv4());
            if !is_served && !servers.is_empty() {
                log.warning(
                    place.span(),
                    format_args!(
                        "no real server has an {} address, so connections to it are refused",
                        family(*address)
                    ),
                )
                .mend("give the real servers an address of that family, or leave this one out");
            }
        }
    }
}

/// The real servers' addresses with their places.
fn server_addresses<'a>(
    subject: &Subject<'a>,
    service: &'a Service,
    entry: &'a ServiceEntry,
) -> impl Iterator<Item = (&'a RealServer, IpAddr, Span)> + use<'a> {
    let servers = subject.config.real_servers_of(service).iter().zip(&entry.real_servers);
    servers.flat_map(|(server, raw)| {
        let addresses = raw.get_ref().addresses.iter();
        addresses.map(move |address| (server, address.get_ref().0, address.span()))
    })
}

/// IPVS does not translate between families.
pub(super) fn real_server_of_another_family(subject: &Subject<'_>, log: &mut Log) {
    for (service, entry) in subject.services() {
        if matches!(service.kind, ServiceKind::Mark { .. }) {
            continue;
        }
        for (_, address, span) in server_addresses(subject, service, entry) {
            if !service.addresses.iter().any(|own| own.is_ipv4() == address.is_ipv4()) {
                log.error(
                    span,
                    format_args!(
                        "the service has no {} address, so nothing is ever sent there",
                        family(address)
                    ),
                )
                .mend("give the service an address of that family, or leave this one out");
            }
        }
    }
}

/// One machine twice in one service.
pub(super) fn real_server_twice(subject: &Subject<'_>, log: &mut Log) {
    for (service, entry) in subject.services() {
        let mut known = BTreeSet::new();
        for (server, address, span) in server_addresses(subject, service, entry) {
            if !known.insert((address, server.port)) {
                log.error(span, "the service has this real server already")
                    .mend("leave it out; a larger weight gives one server more");
            }
        }
    }
}

/// What the box sends to itself comes back to the same service.
pub(super) fn real_server_is_this_box(subject: &Subject<'_>, log: &mut Log) {
    let own: BTreeMap<_, _> = subject.addresses.iter().map(|own| (own.address, own.owner)).collect();
    for (service, entry) in subject.services() {
        for (_, address, span) in server_addresses(subject, service, entry) {
            if let Some(owner) = own.get(&address) {
                log.error(
                    span,
                    format_args!("it is an address of this box, of {owner}; it would go in circles"),
                )
                .mend("name the machine that does the work");
            }
        }
    }
}

/// With NAT and direct routing a real server stands on a link of the director.
pub(super) fn real_server_outside(subject: &Subject<'_>, log: &mut Log) {
    for (service, entry) in subject.services() {
        let reason = match service.forwarding {
            Forwarding::Masquerade => {
                "it is in no network of this box; with NAT its answers must come back through the director"
            }
            Forwarding::Direct => {
                "it is in no network of this box; direct routing reaches its own links only"
            }
            Forwarding::Tunnel => continue,
        };
        for (_, address, span) in server_addresses(subject, service, entry) {
            if subject.interface_towards(address).is_none() {
                log.error(span, reason)
                    .mend("correct the address, or the prefix length of the inside interface");
            }
        }
    }
}

/// With NAT an answer must pass the director; to a client on its own link a server sends it
/// directly. Told once a service: where one server stands there, all may.
pub(super) fn real_server_among_clients(subject: &Subject<'_>, log: &mut Log) {
    for (service, entry) in subject.services() {
        if service.forwarding != Forwarding::Masquerade {
            continue;
        }
        let both = server_addresses(subject, service, entry).find_map(|(_, address, span)| {
            let mut networks = subject.networks.iter().map(|(_, network)| network);
            let network = networks.find(|network| {
                network.contains(address) && service.addresses.iter().any(|own| network.contains(*own))
            });
            // One of the box itself has a rule of its own.
            network.filter(|_| subject.owner_of(address).is_none()).map(|network| (network, span))
        });
        if let Some((network, span)) = both {
            log.warning(
                span,
                format_args!(
                    "it is in {network}, as the service is; its answers to clients there go past the director, so \
                     their connections hang"
                ),
            )
            .mend("put the real servers on an inside network of their own, or use forwarding = \"direct\"");
        }
    }
}

/// A fixed port would send data connections to the control port.
pub(super) fn real_server_port_in_marked_service(subject: &Subject<'_>, log: &mut Log) {
    for (service, entry) in subject.services() {
        let reason = match service.kind {
            ServiceKind::Ftp(_) => "with a fixed port, data connections would go to that port too",
            ServiceKind::Mark { .. } => "a mark may hold many ports, and all would go to this one",
            ServiceKind::Tcp { .. } | ServiceKind::Udp { .. } => continue,
        };
        for server in &entry.real_servers {
            if let Some(port) = &server.get_ref().port {
                log.error(At::span(port), reason)
                    .mend("leave it out: the servers listen on the port that the clients ask for");
            }
        }
    }
}

/// Only NAT rewrites ports.
pub(super) fn real_server_port_without_nat(subject: &Subject<'_>, log: &mut Log) {
    for (service, entry) in subject.services() {
        let (Forwarding::Direct | Forwarding::Tunnel, Some((_, own))) =
            (service.forwarding, endpoint(service))
        else {
            continue;
        };
        if matches!(service.kind, ServiceKind::Ftp(_)) {
            continue;
        }
        let servers = subject.config.real_servers_of(service).iter().zip(&entry.real_servers);
        for (server, raw) in servers {
            if let (Some(port), Some(place)) = (server.port, &raw.get_ref().port)
                && port != own
            {
                log.error(
                    place.span(),
                    format_args!(
                        "with \"{}\" packets keep the port that the client asked for, {own}",
                        service.forwarding
                    ),
                )
                .mend("leave it out, or use forwarding = \"masquerade\"");
            }
        }
    }
}

/// IPVS knows addresses without their link.
pub(super) fn link_local(subject: &Subject<'_>, log: &mut Log) {
    for (service, entry) in subject.services() {
        let own =
            entry.service.get_ref().addresses.iter().map(|address| (address.get_ref().0, address.span()));
        let servers = server_addresses(subject, service, entry).map(|(_, address, span)| (address, span));
        for (address, span) in own.chain(servers) {
            if is_link_local(address) {
                log.error(
                    span,
                    "a link-local address says nothing without its link, and IPVS knows no links",
                )
                .mend("use an address that is unique over all links, as one of fd00::/8");
            }
        }
    }
}
