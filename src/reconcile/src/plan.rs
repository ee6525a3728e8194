//! The comparison: ordered changes that turn what is into what should be.

use std::collections::BTreeMap;

use crate::change::{
    AddressChange, Change, ExtraChange, IpvsChange, LinkChange, ModuleChange, RouteChange, When,
};
use crate::desired::Desired;
use crate::extra::Tables;
use crate::ipvs::{ServiceKey, VirtualService};
use crate::links::{
    ADDRESS_PROTOCOL_STATIC, ADDRESS_PROTOCOL_VRRP, Address, CREATED_LINK_GROUP, Link, LinkKind,
};
use crate::observed::{Observed, ObservedAddress, ObservedLink, ObservedService};
use crate::sysctls::RESET_WITH_FORWARDING;

/// Changes in the order in which they must be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Nothing is to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The most demanding of all changes; [`When::Live`] for an empty plan.
    #[must_use]
    pub fn when(&self) -> When {
        self.changes.iter().map(Change::when).max().unwrap_or(When::Live)
    }

    /// The changes that can be made at once, in the same order.
    #[must_use]
    pub fn live(&self) -> Self {
        Self { changes: self.changes.iter().filter(|change| change.when() == When::Live).cloned().collect() }
    }
}

/// What must be changed in `observed` to make it `desired`, in order; empty when nothing is to do.
///
/// The order is that of the boot: nothing is forwarded by a half-configured box. Where forwarding is
/// to end, that comes first. Within a domain, what is new comes before what goes.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Plan {
    let is_forwarding = observed.forwarding_v4 || observed.forwarding_v6;
    let all_forwarding = observed.forwarding_v4 && observed.forwarding_v6;
    let stops = is_forwarding && !desired.forwarding;
    let mut changes = Vec::new();
    changes.extend(stops.then_some(Change::Forwarding(false)));
    changes.extend(modules(desired, observed));
    let (of_devices, global): (Vec<_>, Vec<_>) =
        sysctls(desired, observed, stops).into_iter().partition(is_of_device);
    changes.extend(global);
    changes.extend(firewall(desired, observed));
    changes.extend(strange_tables(desired, observed));
    changes.extend(made_links(desired, observed));
    changes.extend(extra(desired, observed));
    changes.extend(of_devices);
    changes.extend(link_settings(desired, observed));
    changes.extend(addresses(desired, observed));
    changes.extend(routes(desired, observed));
    changes.extend(ipvs(desired, observed).into_iter().map(Change::Ipvs));
    changes.extend((desired.forwarding && !all_forwarding).then_some(Change::Forwarding(true)));
    Plan { changes }
}

fn modules(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let wanted = desired.modules.iter().filter_map(|module| {
        let Some(loaded) = observed.modules.get(&module.name) else {
            let load = if observed.modules_locked { ModuleChange::LoadAtStart } else { ModuleChange::Load };
            return Some(load(module.clone()));
        };
        // A parameter that the kernel does not show is believed.
        let differs = module.parameters.iter().find_map(|(key, value)| {
            let was = loaded.get(key).filter(|was| *was != value)?;
            Some((key.clone(), was.clone()))
        });
        differs.map(|(parameter, was)| ModuleChange::Reload { module: module.clone(), parameter, was })
    });
    let unwanted = desired.unwanted_modules.iter().filter(|name| observed.modules.contains_key(*name));
    let unload = unwanted.cloned().map(ModuleChange::Unload);
    wanted.chain(unload).map(Change::Module).collect()
}

/// `stopping` forwarding lets the kernel reset one of them behind our back.
fn sysctls(desired: &Desired, observed: &Observed, stopping: bool) -> Vec<Change> {
    let wanted = desired.sysctls.iter().filter_map(|sysctl| {
        let goes = sysctl.device().is_some_and(|device| goes_with_link(desired, observed, device));
        let was = observed.sysctls.get(&sysctl.path).filter(|_| !goes).cloned();
        let is_reset = stopping && sysctl.path == RESET_WITH_FORWARDING;
        let is_right = was.as_deref().is_some_and(|was| sysctl.is(was));
        (!is_right || is_reset).then(|| Change::Sysctl { sysctl: sysctl.clone(), was })
    });
    wanted.collect()
}

fn is_of_device(change: &Change) -> bool {
    matches!(change, Change::Sysctl { sysctl, .. } if sysctl.device().is_some())
}

fn firewall(desired: &Desired, observed: &Observed) -> Option<Change> {
    let was = observed.firewall.as_ref();
    (was != Some(&desired.firewall)).then(|| Change::Firewall {
        ruleset: desired.firewall.clone(),
        difference: desired.firewall.difference(was),
    })
}

/// Removes the tables that are neither ours nor the operator's.
fn strange_tables(desired: &Desired, observed: &Observed) -> Option<Change> {
    let nothing = Tables::default();
    let wanted = desired.extra.as_ref().map_or(&nothing, |extra| &extra.tables);
    let strangers = wanted.strangers(&observed.tables);
    (!strangers.is_empty()).then_some(Change::Extra(ExtraChange::Remove(strangers)))
}

/// The operator's tables: they may name a VLAN or a bond, so those stand by then, but are not up.
fn extra(desired: &Desired, observed: &Observed) -> Option<Change> {
    let extra = desired.extra.as_ref()?;
    let differing: Vec<_> = extra.tables.differing(&observed.tables).into_iter().cloned().collect();
    (!differing.is_empty()).then(|| Change::Extra(ExtraChange::Load { extra: extra.clone(), differing }))
}

/// Makes VLANs and bonds, and removes those of an earlier configuration.
fn made_links(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    let is_made = |link: &&ObservedLink| link.group == CREATED_LINK_GROUP;
    for link in observed.links.iter().filter(is_made) {
        let stays = desired.links.iter().any(|wanted| is_same_link(wanted, link));
        // A VLAN goes with its parent.
        let parent_goes = |link: &ObservedLink| match &link.kind {
            LinkKind::Vlan { parent, .. } => observed.links.iter().any(|below| {
                below.device == *parent
                    && below.group == CREATED_LINK_GROUP
                    && !desired.links.iter().any(|wanted| is_same_link(wanted, below))
            }),
            LinkKind::Port | LinkKind::Bond { .. } => false,
        };
        if !stays && !parent_goes(link) {
            changes.push(LinkChange::Delete { device: link.device.clone() });
        }
    }
    for link in &desired.links {
        let is_port = link.kind == LinkKind::Port;
        let remade = is_remade(link, desired, observed);
        if !is_port && remade {
            // A stranger's device with our name is in the way.
            let in_the_way = found(observed, &link.device).filter(|link| link.group != CREATED_LINK_GROUP);
            changes.extend(in_the_way.map(|link| LinkChange::Delete { device: link.device.clone() }));
            changes.push(LinkChange::Create(link.clone()));
        }
        if let LinkKind::Bond { ports, .. } = &link.kind {
            let bond = || link.device.clone();
            for port in ports {
                let master = found(observed, port).and_then(|port| port.master.as_deref());
                if remade || master != Some(link.device.as_str()) {
                    changes.push(LinkChange::Enslave { device: port.clone(), bond: bond() });
                }
            }
            let strangers = observed.links.iter().filter(|port| {
                !remade && port.master.as_ref() == Some(&link.device) && !ports.contains(&port.device)
            });
            changes.extend(
                strangers.map(|port| LinkChange::Release { device: port.device.clone(), bond: bond() }),
            );
        }
    }
    changes.into_iter().map(Change::Link).collect()
}

/// Whether the link does not stand yet, or goes with its parent and must be made again.
fn is_remade(link: &Link, desired: &Desired, observed: &Observed) -> bool {
    let stands = found(observed, &link.device).is_some_and(|there| is_same_link(link, there));
    let parent_is_remade = match &link.kind {
        LinkKind::Vlan { parent, .. } => {
            let below = desired.links.iter().find(|below| below.device == *parent);
            below.is_some_and(|below| below.kind != LinkKind::Port && is_remade(below, desired, observed))
        }
        LinkKind::Port | LinkKind::Bond { .. } => false,
    };
    !stands || parent_is_remade
}

/// Whether a device's addresses and settings are lost because it is made anew.
fn goes_with_link(desired: &Desired, observed: &Observed, device: &str) -> bool {
    let link = desired.links.iter().find(|link| link.device == device);
    link.is_some_and(|link| link.kind != LinkKind::Port && is_remade(link, desired, observed))
}

/// Whether `there` is what `wanted` asks for, but for its settings and ports.
fn is_same_link(wanted: &Link, there: &ObservedLink) -> bool {
    let same_kind = match (&wanted.kind, &there.kind) {
        (LinkKind::Port, _) => true,
        (LinkKind::Bond { mode, .. }, LinkKind::Bond { mode: there, .. }) => mode == there,
        (wanted @ LinkKind::Vlan { .. }, there) => wanted == there,
        (LinkKind::Bond { .. }, LinkKind::Port | LinkKind::Vlan { .. }) => false,
    };
    same_kind && wanted.device == there.device
}

/// The largest packet and the switch of every link, the loopback device first.
fn link_settings(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let loopback = found(observed, "lo").filter(|lo| !lo.up);
    let mut changes: Vec<LinkChange> =
        loopback.map(|lo| LinkChange::SetUp { device: lo.device.clone() }).into_iter().collect();
    for link in &desired.links {
        let there =
            found(observed, &link.device).filter(|there| !goes_with_link(desired, observed, &there.device));
        if let Some(mtu) = link.mtu.filter(|mtu| there.is_none_or(|there| there.mtu != *mtu)) {
            let was = there.map(|there| there.mtu);
            changes.push(LinkChange::SetMtu { device: link.device.clone(), mtu, was });
        }
        if there.is_none_or(|there| !there.up) {
            changes.push(LinkChange::SetUp { device: link.device.clone() });
        }
    }
    changes.into_iter().map(Change::Link).collect()
}

fn found<'a>(observed: &'a Observed, device: &str) -> Option<&'a ObservedLink> {
    observed.links.iter().find(|link| link.device == device)
}

/// New addresses come first: routes and sessions of the network stay.
fn addresses(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let went = |address: &Address| goes_with_link(desired, observed, &address.device);
    let is_there = |wanted: &Address| observed.addresses.iter().any(|there| there.address == *wanted);
    let missing = desired.addresses.iter().filter(|wanted| !is_there(wanted) || went(wanted));
    let unwanted = observed.addresses.iter().filter(|there| {
        !desired.addresses.contains(&there.address)
            && is_ours_to_remove(desired, observed, there)
            && !went(&there.address)
    });
    let add = missing.map(|address| AddressChange::Add(address.clone()));
    let remove = unwanted.map(|there| AddressChange::Remove(there.address.clone()));
    add.chain(remove).map(Change::Address).collect()
}

/// Static addresses are ours wherever they are; on a configured link everybody's, but for the virtual
/// ones, which vrrpd alone moves, and the kernel's own link-local ones.
fn is_ours_to_remove(desired: &Desired, observed: &Observed, there: &ObservedAddress) -> bool {
    let address = &there.address;
    let still_there = |device: &str| {
        let made = found(observed, device).is_some_and(|link| link.group == CREATED_LINK_GROUP);
        !made || desired.links.iter().any(|link| link.device == device)
    };
    match there.protocol {
        ADDRESS_PROTOCOL_VRRP => false,
        ADDRESS_PROTOCOL_STATIC => still_there(&address.device),
        _ => {
            let is_link_local = match address.address {
                std::net::IpAddr::V4(_) => false,
                std::net::IpAddr::V6(v6) => v6.is_unicast_link_local(),
            };
            !is_link_local && desired.links.iter().any(|link| link.device == address.device)
        }
    }
}

fn routes(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let missing =
        desired.routes.iter().filter(|wanted| !observed.routes.iter().any(|there| there.satisfies(wanted)));
    let unwanted =
        observed.routes.iter().filter(|there| !desired.routes.iter().any(|wanted| there.satisfies(wanted)));
    // The kernel takes no second route of the same destination and metric: the old one goes first.
    let remove = unwanted.map(|there| RouteChange::Remove(there.route.clone()));
    remove.chain(missing.cloned().map(RouteChange::Add)).map(Change::Route).collect()
}

fn ipvs(desired: &Desired, observed: &Observed) -> Vec<IpvsChange> {
    let (wanted, there) = (&desired.ipvs, &observed.ipvs);
    let mut changes = Vec::new();
    let timeouts = wanted.timeouts.filter(|timeouts| there.timeouts != Some(*timeouts));
    changes.extend(timeouts.map(IpvsChange::SetTimeouts));
    for (key, service) in &wanted.services {
        match there.services.get(key) {
            Some(existing) => changes.extend(same_service(*key, service, existing)),
            None => changes.extend(new_service(*key, service)),
        }
    }
    for (key, service) in &there.services {
        if !wanted.services.contains_key(key) {
            let connections = service.destinations.values().map(|server| server.connections());
            let connections = connections.fold(0, u32::saturating_add);
            changes.push(IpvsChange::RemoveService { key: *key, connections });
        }
    }
    let gone = there.daemons.iter().filter(|daemon| !wanted.daemons.contains(daemon));
    changes.extend(gone.cloned().map(IpvsChange::StopDaemon));
    let new = wanted.daemons.iter().filter(|daemon| !there.daemons.contains(daemon));
    changes.extend(new.cloned().map(IpvsChange::StartDaemon));
    changes
}

fn new_service(key: ServiceKey, service: &VirtualService) -> impl Iterator<Item = IpvsChange> {
    let add = IpvsChange::AddService { key, settings: service.settings.clone() };
    let servers = service.destinations.iter().map(move |(server, destination)| IpvsChange::AddDestination {
        service: key,
        key: *server,
        destination: *destination,
    });
    std::iter::once(add).chain(servers)
}

/// What makes the weights of `before` those of `after`, where nothing else differs.
#[must_use]
pub fn reweighing(before: &Desired, after: &Desired) -> Plan {
    let services = after.ipvs.services.iter().zip(before.ipvs.services.values());
    let changes = services.flat_map(|((service, wanted), was)| {
        let servers = wanted.destinations.iter().zip(was.destinations.values());
        servers.filter(|((_, destination), was)| destination != was).map(|((key, destination), was)| {
            let (service, key, destination, was) = (*service, *key, *destination, *was);
            Change::Ipvs(IpvsChange::EditDestination { service, key, destination, was })
        })
    });
    Plan { changes: changes.collect() }
}

fn same_service(key: ServiceKey, wanted: &VirtualService, there: &ObservedService) -> Vec<IpvsChange> {
    let mut changes = Vec::new();
    if wanted.settings != there.settings {
        let (settings, was) = (wanted.settings.clone(), there.settings.clone());
        changes.push(IpvsChange::EditService { key, settings, was });
    }
    for (server, destination) in &wanted.destinations {
        let (service, key, destination) = (key, *server, *destination);
        match there.destinations.get(server).map(|there| there.destination) {
            None => changes.push(IpvsChange::AddDestination { service, key, destination }),
            Some(was) if was != destination => {
                changes.push(IpvsChange::EditDestination { service, key, destination, was });
            }
            Some(_) => {}
        }
    }
    let gone: BTreeMap<_, _> = there
        .destinations
        .iter()
        .filter(|(server, _)| !wanted.destinations.contains_key(*server))
        .map(|(server, there)| (*server, there.connections()))
        .collect();
    let remove = gone.into_iter().map(|(server, connections)| IpvsChange::RemoveDestination {
        service: key,
        key: server,
        connections,
    });
    changes.extend(remove);
    changes
}

#[cfg(test)]
mod tests;
