//! What interfaces stand on.

use super::{Subject, pairs};
use crate::finding::Log;
use crate::model::Link;
use crate::raw::{At, RawInterface, Span};

/// The least MTU of a link that carries IPv6 (RFC 8200 section 5).
const IPV6_MTU: u16 = 1280;

/// Two interfaces on one port, VLAN or bond: their settings would fight.
pub(super) fn two_interfaces_on_one_port(subject: &Subject<'_>, log: &mut Log) {
    for ((_, earlier, _), (_, later, raw)) in pairs(subject.interfaces()) {
        let is_same = match (&earlier.link, &later.link) {
            // Bonds name ports; those have a rule of their own.
            (Link::Bond { .. }, _) | (_, Link::Bond { .. }) => false,
            (earlier, later) => earlier == later,
        };
        if is_same {
            log.error(
                link_span(raw),
                format_args!(
                    "interface {:?} stands on the same port, their settings would fight",
                    earlier.name
                ),
            )
            .mend("put all addresses into one [[interface]]");
        }
    }
}

/// A VLAN on a VLAN (802.1ad): not supported.
pub(super) fn vlan_on_vlan(subject: &Subject<'_>, log: &mut Log) {
    for (_, interface, raw) in subject.interfaces() {
        let Link::Vlan { parent, .. } = &interface.link else { continue };
        let parent = subject.config.interface(*parent);
        if matches!(parent.link, Link::Vlan { .. }) {
            let span = raw.get_ref().vlan.as_ref().map_or(raw.span(), |vlan| vlan.get_ref().interface.span());
            log.error(
                span,
                format_args!("interface {:?} is a VLAN itself; stacked tags are not supported", parent.name),
            )
            .mend("name the interface below that one");
        }
    }
}

/// A bond's port that another interface or bond names, or the bond itself twice.
pub(super) fn bond_port_of_another(subject: &Subject<'_>, log: &mut Log) {
    for (index, interface, raw) in subject.interfaces() {
        let (Link::Bond { devices, .. }, Some(bond)) = (&interface.link, &raw.get_ref().bond) else {
            continue;
        };
        let ports = devices.iter().zip(&bond.get_ref().devices);
        for (position, (device, raw_device)) in ports.enumerate() {
            let user = subject.interfaces().find(|(other, candidate, _)| match &candidate.link {
                Link::Device(name) => name == device,
                Link::Bond { devices, .. } if *other == index => {
                    devices.iter().take(position).any(|name| name == device)
                }
                // The later bond is the one that is told.
                Link::Bond { devices, .. } => *other < index && devices.contains(device),
                Link::Mac(_) | Link::Pci(_) | Link::Vlan { .. } => false,
            });
            if let Some((_, user, _)) = user {
                log.error(
                    raw_device.span(),
                    format_args!(
                        "interface {:?} uses this port, and a bond needs its ports for itself",
                        user.name
                    ),
                )
                .mend("name the port once");
            }
        }
    }
}

/// An MTU on which IPv6 does not run.
pub(super) fn mtu_too_small_for_ipv6(subject: &Subject<'_>, log: &mut Log) {
    for (index, interface, raw) in subject.interfaces() {
        let Some(mtu) = interface.mtu.filter(|mtu| *mtu < IPV6_MTU) else { continue };
        let has_ipv6 = subject.addresses.iter().any(|own| own.interface == index && own.address.is_ipv6());
        if has_ipv6 {
            let span = raw.get_ref().mtu.as_ref().map_or(raw.span(), At::span);
            log.error(
                span,
                format_args!(
                    "the kernel takes IPv6 off a link with {mtu} bytes, and this one has IPv6 addresses"
                ),
            )
            .allowed("1280-65535")
            .mend("make it 1280 at least (RFC 8200), or take the IPv6 addresses away");
        }
    }
}

fn link_span(raw: &At<RawInterface>) -> Span {
    let table = raw.span();
    let raw = raw.get_ref();
    [
        raw.device.as_ref().map(At::span),
        raw.mac.as_ref().map(At::span),
        raw.pci.as_ref().map(At::span),
        raw.vlan.as_ref().map(At::span),
    ]
    .into_iter()
    .flatten()
    .next()
    .unwrap_or(table)
}
