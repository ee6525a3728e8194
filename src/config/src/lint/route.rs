//! Static routes.

use super::{Subject, is_link_local, pairs};
use crate::finding::Log;
use crate::model::{NextHop, Route};
use crate::raw::{At, RawRoute};

fn routes<'a>(
    subject: &Subject<'a>,
) -> impl Iterator<Item = (&'a Route, &'a At<RawRoute>)> + Clone + use<'a> {
    subject.config.routes.iter().zip(&subject.raw.routes)
}

/// Every link has the link-local network, so the gateway alone does not say which.
pub(super) fn link_local_gateway_without_interface(subject: &Subject<'_>, log: &mut Log) {
    for (route, raw) in routes(subject) {
        if let NextHop::Gateway(gateway, None) = route.via
            && gateway.is_ipv6()
            && is_link_local(gateway)
            && let Some(via) = &raw.get_ref().via
        {
            log.error(
                via.span(),
                "every link has link-local addresses, so the gateway alone does not say which link",
            )
            .mend("add interface = \"NAME\"");
        }
    }
}

/// The kernel refuses a gateway that it cannot reach directly.
pub(super) fn gateway_on_no_network(subject: &Subject<'_>, log: &mut Log) {
    for (route, raw) in routes(subject) {
        let (NextHop::Gateway(gateway, interface), Some(via)) = (route.via, &raw.get_ref().via) else {
            continue;
        };
        if gateway.is_ipv6() && is_link_local(gateway) {
            continue;
        }
        if let Some(owner) = subject.owner_of(gateway) {
            log.error(via.span(), format_args!("it is an address of this box, of {owner}"))
                .mend("name the next router");
            continue;
        }
        match interface {
            Some(interface) if !subject.is_on_link(interface, gateway) => {
                let name = &subject.config.interface(interface).name;
                log.error(
                    via.span(),
                    format_args!("it is in no network of interface {name:?}, so it cannot be reached"),
                )
                .mend("correct the gateway, or the interface, or the prefix length of its address");
            }
            None if subject.interface_towards(gateway).is_none() => {
                log.error(via.span(), "it is in no network of this box, so it cannot be reached")
                    .mend("correct the gateway, or the prefix length of an interface's address");
            }
            Some(_) | None => {}
        }
    }
}

/// The kernel refuses a source that the box does not have. A shared one it has only while Active,
/// and nothing in a route may depend on that.
pub(super) fn source_of_another_box(subject: &Subject<'_>, log: &mut Log) {
    for (route, raw) in routes(subject) {
        let (Some(source), Some(place)) = (route.source, &raw.get_ref().source) else { continue };
        let is_own = subject
            .interfaces()
            .any(|(_, interface, _)| interface.addresses.iter().any(|link| link.address == source));
        if !is_own {
            log.error(place.span(), "it is no address that this box always has")
                .mend("name an address of an [[interface]]");
        }
    }
}

/// One destination with one metric leads one way.
pub(super) fn twice(subject: &Subject<'_>, log: &mut Log) {
    for ((earlier, _), (later, raw)) in pairs(routes(subject)) {
        if earlier.to == later.to && earlier.metric == later.metric {
            log.error(
                raw.get_ref().to.span(),
                format_args!("another route leads to {} with the same metric", later.to),
            )
            .mend("leave one out, or give them different metrics");
        }
    }
}
