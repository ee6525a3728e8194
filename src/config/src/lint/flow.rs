//! Connection sync, and what is let through besides services.

use super::{Subject, family};
use crate::finding::Log;

/// The peer must be another box, in reach on that interface.
pub(super) fn sync_peer(subject: &Subject<'_>, log: &mut Log) {
    let (Some(sync), Some(raw)) = (&subject.config.sync, &subject.raw.sync) else { return };
    let span = raw.get_ref().peer.span();
    let name = &subject.config.interface(sync.interface).name;
    if let Some(owner) = subject.owner_of(sync.peer) {
        log.error(span, format_args!("it is an address of this box, of {owner}"))
            .mend("name the other box's own address on that link");
    } else if !subject.is_on_link(sync.interface, sync.peer) {
        log.error(span, format_args!("it is in no network of interface {name:?}, where the sync speaks"))
            .mend("name the other box's own address on that link");
    }
}

/// Sync messages carry no signature: who shares the link can read and forge connections.
pub(super) fn sync_on_an_inside_link(subject: &Subject<'_>, log: &mut Log) {
    let (Some(sync), Some(raw)) = (&subject.config.sync, &subject.raw.sync) else { return };
    let addresses = subject.config.real_servers.iter().flat_map(crate::model::RealServer::addresses);
    if addresses.into_iter().any(|address| subject.is_on_link(sync.interface, address)) {
        log.warning(
            raw.get_ref().interface.span(),
            "real servers stand on this link; sync messages are not signed, so each of them could forge connections",
        )
        .mend("use a link or VLAN between the two boxes alone, where there is one");
    }
}

/// What leaves with a foreign address gets no answer.
pub(super) fn egress_source(subject: &Subject<'_>, log: &mut Log) {
    for (egress, raw) in subject.config.egress.iter().zip(&subject.raw.egress) {
        let raw = raw.get_ref();
        if subject.owner_of(egress.snat).is_none() {
            log.error(raw.snat.span(), "the box never has this address, so no answer would come back")
                .mend("name an address of an [[interface]] or, better, of a [[virtual_router]]");
        }
        for (network, place) in egress.to.iter().zip(&raw.to) {
            if network.address.is_ipv4() != egress.snat.is_ipv4() {
                log.error(
                    place.span(),
                    format_args!("the source address is {}, this network is not", family(egress.snat)),
                )
                .mend("write an [[egress]] of its own for the other family");
            }
        }
    }
}
