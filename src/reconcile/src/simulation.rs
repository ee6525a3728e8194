//! A kernel in memory: takes a plan's changes as the real one would.

use crate::change::{AddressChange, Change, ExtraChange, IpvsChange, LinkChange, ModuleChange, RouteChange};
use crate::links::{ADDRESS_PROTOCOL_STATIC, CREATED_LINK_GROUP, LinkKind};
use crate::observed::{
    Observed, ObservedAddress, ObservedDestination, ObservedLink, ObservedRoute, ObservedService,
};
use crate::plan::Plan;
use crate::sysctls::RESET_WITH_FORWARDING;

/// The state after all changes. Panics at a change that the kernel would refuse.
pub(crate) fn apply_all(plan: &Plan, mut kernel: Observed) -> Observed {
    for change in &plan.changes {
        apply(change, &mut kernel);
    }
    kernel
}

fn apply(change: &Change, kernel: &mut Observed) {
    match change {
        Change::Module(
            ModuleChange::Load(module)
            | ModuleChange::LoadAtStart(module)
            | ModuleChange::Reload { module, .. },
        ) => {
            kernel.modules.insert(module.name.clone(), module.parameters.clone());
        }
        Change::Module(ModuleChange::Unload(name)) => {
            kernel.modules.remove(name);
        }
        Change::Sysctl { sysctl, .. } => {
            let device = sysctl.device();
            let exists = device.is_none_or(|device| kernel.links.iter().any(|link| link.device == device));
            assert!(exists, "no device for {}", sysctl.path);
            kernel.sysctls.insert(sysctl.path.clone(), sysctl.value.clone());
        }
        Change::Firewall { ruleset, .. } => kernel.firewall = Some(ruleset.clone()),
        Change::Extra(ExtraChange::Load { extra, .. }) => kernel.tables.replace(&extra.tables),
        Change::Extra(ExtraChange::Remove(tables)) => {
            for table in tables {
                assert!(kernel.tables.remove(table), "{table} is not there");
            }
        }
        Change::Link(change) => apply_link(change, kernel),
        Change::Address(AddressChange::Add(address)) => {
            assert!(kernel.links.iter().any(|link| link.device == address.device), "no device for {address}");
            let new = ObservedAddress { address: address.clone(), protocol: ADDRESS_PROTOCOL_STATIC };
            assert!(kernel.addresses.iter().all(|there| there.address != *address), "{address} is there");
            kernel.addresses.push(new);
        }
        Change::Address(AddressChange::Remove(address)) => {
            let before = kernel.addresses.len();
            kernel.addresses.retain(|there| there.address != *address);
            assert_eq!(kernel.addresses.len() + 1, before, "{address} is not there");
        }
        Change::Route(RouteChange::Add(route)) => {
            kernel.routes.push(ObservedRoute { route: route.clone() });
        }
        Change::Route(RouteChange::Remove(route)) => kernel.routes.retain(|there| there.route != *route),
        Change::Ipvs(change) => apply_ipvs(change, kernel),
        Change::Forwarding(on) => {
            (kernel.forwarding_v4, kernel.forwarding_v6) = (*on, *on);
            let reset = if *on { "0" } else { "1" };
            kernel.sysctls.insert(RESET_WITH_FORWARDING.to_owned(), reset.to_owned());
        }
    }
}

fn apply_link(change: &LinkChange, kernel: &mut Observed) {
    match change {
        LinkChange::Create(link) => {
            if let LinkKind::Vlan { parent, .. } = &link.kind {
                assert!(kernel.links.iter().any(|below| below.device == *parent), "no {parent}");
            }
            assert!(kernel.links.iter().all(|there| there.device != link.device), "{} is there", link.device);
            let kind = match &link.kind {
                LinkKind::Bond { mode, .. } => LinkKind::Bond { mode: *mode, ports: Vec::new() },
                kind => kind.clone(),
            };
            kernel.links.push(ObservedLink {
                device: link.device.clone(),
                index: 99,
                up: false,
                mtu: 1500,
                kind,
                master: None,
                group: CREATED_LINK_GROUP,
            });
        }
        LinkChange::Delete { device } => delete_link(device, kernel),
        LinkChange::Enslave { device, bond } => link(kernel, device).master = Some(bond.clone()),
        LinkChange::Release { device, .. } => link(kernel, device).master = None,
        LinkChange::SetMtu { device, mtu, .. } => link(kernel, device).mtu = *mtu,
        LinkChange::SetUp { device } => link(kernel, device).up = true,
    }
}

/// What stands on a link goes with it.
fn delete_link(device: &str, kernel: &mut Observed) {
    let above = |link: &ObservedLink| matches!(&link.kind, LinkKind::Vlan { parent, .. } if parent == device);
    let children: Vec<String> =
        kernel.links.iter().filter(|link| above(link)).map(|link| link.device.clone()).collect();
    for child in children {
        delete_link(&child, kernel);
    }
    let before = kernel.links.len();
    kernel.links.retain(|link| link.device != device);
    assert_eq!(kernel.links.len() + 1, before, "{device} is not there");
    kernel.addresses.retain(|there| there.address.device != device);
    for port in kernel.links.iter_mut().filter(|port| port.master.as_deref() == Some(device)) {
        port.master = None;
    }
    let of_device = format!("/conf/{device}/");
    kernel.sysctls.retain(|path, _| !path.contains(&of_device));
}

fn link<'a>(kernel: &'a mut Observed, device: &str) -> &'a mut ObservedLink {
    kernel.links.iter_mut().find(|link| link.device == device).unwrap_or_else(|| panic!("no {device}"))
}

fn apply_ipvs(change: &IpvsChange, kernel: &mut Observed) {
    let tables = &mut kernel.ipvs;
    match change {
        IpvsChange::SetTimeouts(timeouts) => tables.timeouts = Some(*timeouts),
        IpvsChange::AddService { key, settings } => {
            let service = ObservedService { settings: settings.clone(), destinations: [].into() };
            assert!(tables.services.insert(*key, service).is_none(), "{key} is there");
        }
        IpvsChange::EditService { key, settings, .. } => {
            tables.services.get_mut(key).expect("the service").settings = settings.clone();
        }
        IpvsChange::RemoveService { key, .. } => {
            assert!(tables.services.remove(key).is_some(), "{key} is not there");
        }
        IpvsChange::AddDestination { service, key, destination }
        | IpvsChange::EditDestination { service, key, destination, .. } => {
            let new = ObservedDestination {
                destination: *destination,
                active: 0,
                inactive: 0,
                persistent: 0,
                connections: 0,
            };
            let was = tables.services.get_mut(service).expect("the service").destinations.insert(*key, new);
            assert_eq!(was.is_some(), matches!(change, IpvsChange::EditDestination { .. }), "{change}");
        }
        IpvsChange::RemoveDestination { service, key, .. } => {
            let gone = tables.services.get_mut(service).expect("the service").destinations.remove(key);
            assert!(gone.is_some(), "{change}");
        }
        IpvsChange::StartDaemon(daemon) => {
            assert!(tables.daemons.iter().all(|there| there.state != daemon.state), "{change}");
            tables.daemons.push(daemon.clone());
        }
        IpvsChange::StopDaemon(daemon) => tables.daemons.retain(|there| there != daemon),
    }
}
