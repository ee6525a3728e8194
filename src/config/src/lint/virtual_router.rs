//! VRRP (RFC 9568).

use core::net::IpAddr;

use super::{Subject, family, is_link_local, pairs};
use crate::finding::Log;
use crate::model::VirtualRouter;

/// A virtual router speaks one family only (RFC 9568 section 5.1).
pub(super) fn mixes_families(subject: &Subject<'_>, log: &mut Log) {
    for (router, raw) in subject.virtual_routers() {
        let Some(first) = router.addresses.first() else { continue };
        let other = router.addresses.iter().zip(&raw.get_ref().addresses);
        if let Some((_, place)) = other.clone().find(|(link, _)| !same_family(link.address, first.address)) {
            log.error(
                place.span(),
                format_args!("the first address is {}; VRRP runs once per family", family(first.address)),
            )
            .mend("write a [[virtual_router]] of its own for the other family; the vrid may be the same");
        }
    }
}

/// IPv6 advertisements come from the first address, which is link-local (RFC 9568 section 5.2.9).
pub(super) fn without_link_local_first(subject: &Subject<'_>, log: &mut Log) {
    for (router, raw) in subject.virtual_routers() {
        let first = router.addresses.first().zip(raw.get_ref().addresses.first());
        if let Some((link, place)) = first
            && link.address.is_ipv6()
            && !is_link_local(link.address)
        {
            log.error(
                place.span(),
                "the first address of an IPv6 virtual router is link-local: hosts use it as their gateway",
            )
            .mend("put one in front that all boxes share, as \"fe80::10/64\"");
        }
    }
}

/// Two virtual routers with one virtual MAC address on one link.
pub(super) fn same_vrid_twice(subject: &Subject<'_>, log: &mut Log) {
    for ((earlier, _), (later, raw)) in pairs(subject.virtual_routers()) {
        let is_same = earlier.vrid == later.vrid
            && earlier.interface == later.interface
            && is_router_ipv6(earlier) == is_router_ipv6(later);
        if is_same {
            log.error(
                raw.get_ref().vrid.span(),
                format_args!(
                    "virtual_router {:?} has this vrid on the same interface and family; each would take the other's \
                     advertisements for its own",
                    earlier.name
                ),
            )
            .mend("choose another vrid, on all boxes");
        }
    }
}

/// An IPv4 advertisement needs a source address. IPv6 has a link-local one on every link.
pub(super) fn without_source_address(subject: &Subject<'_>, log: &mut Log) {
    for (router, raw) in subject.virtual_routers() {
        let interface = subject.config.interface(router.interface);
        let has_ipv4 = interface.addresses.iter().any(|link| link.address.is_ipv4());
        if !is_router_ipv6(router) && !has_ipv4 {
            log.error(
                raw.get_ref().interface.span(),
                format_args!(
                    "interface {:?} has no IPv4 address of its own to send advertisements from",
                    interface.name
                ),
            )
            .mend("give that interface an address, another one on each box");
        }
    }
}

/// A peer of the wrong family, or this box itself.
pub(super) fn peer(subject: &Subject<'_>, log: &mut Log) {
    for (router, raw) in subject.virtual_routers() {
        for (peer, place) in router.peers.iter().zip(&raw.get_ref().peers) {
            if peer.is_ipv6() != is_router_ipv6(router) {
                log.error(
                    place.span(),
                    format_args!("the virtual router's addresses are not {}", family(*peer)),
                )
                .mend("give the other box's address of the same family");
            } else if let Some(owner) = subject.owner_of(*peer) {
                log.error(place.span(), format_args!("it is an address of this box, of {owner}"))
                    .mend("a peer is another box; name that one's own address");
            }
        }
    }
}

fn is_router_ipv6(router: &VirtualRouter) -> bool {
    router.addresses.first().is_some_and(|link| link.address.is_ipv6())
}

fn same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}
