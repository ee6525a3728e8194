//! What several objects together make wrong: one function per rule, each with the reason and the
//! mend.
//!
//! A rule sees the finished [`Config`] and, at the same positions, the serde mirror that knows the
//! places. It only notes; what is impossible for a single value was refused before.

mod address;
mod flow;
mod ftp;
mod link;
mod management;
mod name;
mod route;
mod service;
mod virtual_router;

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::finding::Log;
use crate::model::{Config, Ftp, Interface, InterfaceIndex, Prefix, Service, ServiceKind, VirtualRouter};
use crate::raw::{At, Raw, RawInterface, RawVirtualRouter, ServiceEntry, Span};

/// Every rule, in the order in which their findings at one place are shown.
const RULES: &[fn(&Subject<'_>, &mut Log)] = &[
    name::twice,
    name::member_of_two_groups,
    link::two_interfaces_on_one_port,
    link::vlan_on_vlan,
    link::bond_port_of_another,
    link::mtu_too_small_for_ipv6,
    address::of_the_network_itself,
    address::twice,
    virtual_router::mixes_families,
    virtual_router::without_link_local_first,
    virtual_router::same_vrid_twice,
    virtual_router::without_source_address,
    virtual_router::peer,
    route::link_local_gateway_without_interface,
    route::gateway_on_no_network,
    route::source_of_another_box,
    route::twice,
    flow::sync_peer,
    flow::sync_on_an_inside_link,
    flow::egress_source,
    management::where_clients_come_in,
    management::nowhere_to_listen,
    management::allows_everybody,
    management::family_without_address,
    management::key_twice,
    management::server_is_this_box,
    management::syslog_server_twice,
    service::address_that_nobody_holds,
    service::address_twice,
    service::port_twice,
    service::mark_twice,
    service::without_real_servers,
    service::family_without_real_server,
    service::real_server_of_another_family,
    service::real_server_twice,
    service::real_server_is_this_box,
    service::real_server_outside,
    service::real_server_among_clients,
    service::real_server_port_in_marked_service,
    service::real_server_port_without_nat,
    service::link_local,
    ftp::both_recipes_on_one_port,
    ftp::too_many_helper_ports,
    ftp::helper_without_masquerading,
    ftp::helper_with_tls,
    ftp::helper_with_active_masquerade,
    ftp::not_persistent,
    ftp::passive_range_below_1024,
    ftp::passive_ranges_overlap,
    ftp::passive_range_holds_a_service,
];

/// Notes what cannot work.
pub(crate) fn check(config: &Config, raw: &Raw, log: &mut Log) {
    let subject = Subject::new(config, raw);
    for rule in RULES {
        rule(&subject, log);
    }
}

/// What the rules look at.
struct Subject<'a> {
    config: &'a Config,
    raw: &'a Raw,
    addresses: Vec<OwnAddress<'a>>,
    networks: Vec<(InterfaceIndex, Prefix)>,
}

/// An address of this box: its own, or a shared one while it is Active.
struct OwnAddress<'a> {
    address: IpAddr,
    interface: InterfaceIndex,
    owner: Owner<'a>,
    span: Span,
}

/// Whose address it is.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Interface(&'a Interface),
    VirtualRouter(&'a VirtualRouter),
}

impl core::fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Interface(interface) => write!(f, "interface {:?}", interface.name),
            Self::VirtualRouter(router) => write!(f, "virtual_router {:?}", router.name),
        }
    }
}

impl<'a> Subject<'a> {
    fn new(config: &'a Config, raw: &'a Raw) -> Self {
        let mut subject = Self { config, raw, addresses: Vec::new(), networks: Vec::new() };
        for (index, interface, raw) in subject.interfaces() {
            let spans = raw.get_ref().addresses.iter().map(At::span);
            let owned = interface.addresses.iter().zip(spans).map(|(link, span)| OwnAddress {
                address: link.address,
                interface: index,
                owner: Owner::Interface(interface),
                span,
            });
            subject.addresses.extend(owned);
        }
        for (router, raw) in subject.virtual_routers() {
            let spans = raw.get_ref().addresses.iter().map(At::span);
            let owned = router.addresses.iter().zip(spans).map(|(link, span)| OwnAddress {
                address: link.address,
                interface: router.interface,
                owner: Owner::VirtualRouter(router),
                span,
            });
            subject.addresses.extend(owned);
        }
        for network in config.networks() {
            if !subject.networks.contains(&network) {
                subject.networks.push(network);
            }
        }
        subject
    }

    fn interfaces(
        &self,
    ) -> impl Iterator<Item = (InterfaceIndex, &'a Interface, &'a At<RawInterface>)> + Clone + use<'a> {
        let indexed = self.config.indexed_interfaces();
        indexed.zip(&self.raw.interfaces).map(|((index, interface), raw)| (index, interface, raw))
    }

    fn virtual_routers(
        &self,
    ) -> impl Iterator<Item = (&'a VirtualRouter, &'a At<RawVirtualRouter>)> + Clone + use<'a> {
        self.config.virtual_routers.iter().zip(&self.raw.virtual_routers)
    }

    fn services(&self) -> impl Iterator<Item = (&'a Service, &'a ServiceEntry)> + Clone + use<'a> {
        self.config.services.iter().zip(&self.raw.services)
    }

    fn ftp_services(
        &self,
    ) -> impl Iterator<Item = (&'a Service, &'a Ftp, &'a ServiceEntry)> + Clone + use<'a> {
        self.services().filter_map(|(service, entry)| match &service.kind {
            ServiceKind::Ftp(ftp) => Some((service, ftp, entry)),
            ServiceKind::Tcp { .. } | ServiceKind::Udp { .. } | ServiceKind::Mark { .. } => None,
        })
    }

    fn owner_of(&self, address: IpAddr) -> Option<Owner<'a>> {
        self.addresses.iter().find(|own| own.address == address).map(|own| own.owner)
    }

    /// The interface whose network holds the address.
    fn interface_towards(&self, address: IpAddr) -> Option<InterfaceIndex> {
        self.networks.iter().find(|(_, network)| network.contains(address)).map(|(index, _)| *index)
    }

    fn is_on_link(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        self.networks.iter().any(|(index, network)| *index == interface && network.contains(address))
    }
}

/// Every two items, the earlier one first.
fn pairs<I: Iterator + Clone>(items: I) -> impl Iterator<Item = (I::Item, I::Item)>
where
    I::Item: Clone,
{
    let earlier = items.clone();
    items.enumerate().flat_map(move |(index, later)| {
        earlier.clone().take(index).map(move |earlier| (earlier, later.clone()))
    })
}

/// The field's own place, or that of the table that leaves it to the default.
fn at<T>(field: &Option<At<T>>, table: &ServiceEntry) -> Span {
    field.as_ref().map_or_else(|| table.service.span(), At::span)
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
