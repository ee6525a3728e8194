//! Addresses of the box itself.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use super::{Owner, Subject, is_link_local};
use crate::finding::Log;
use crate::model::LinkAddress;

/// The network's own address or its broadcast address, usually a network written for an address.
pub(super) fn of_the_network_itself(subject: &Subject<'_>, log: &mut Log) {
    let interfaces = subject.raw.interfaces.iter().map(|entry| &entry.get_ref().addresses);
    let routers = subject.raw.virtual_routers.iter().map(|entry| &entry.get_ref().addresses);
    for address in interfaces.chain(routers).flatten() {
        let link = address.get_ref().0;
        if is_network_or_broadcast(&link) {
            log.error(
                address.span(),
                format_args!(
                    "it is the network {} itself or its broadcast address, no machine can have it",
                    link.network()
                ),
            )
            .mend("give the box's own address in that network");
        }
    }
}

fn is_network_or_broadcast(link: &LinkAddress) -> bool {
    let IpAddr::V4(v4) = link.address else { return false };
    // /31 and /32 have neither (RFC 3021).
    let hosts = u32::MAX.checked_shr(u32::from(link.prefix_len)).unwrap_or(0);
    let host = v4.to_bits() & hosts;
    link.prefix_len < 31 && (host == 0 || host == hosts)
}

/// One address in two places of this box. Link-local ones may repeat on another link.
pub(super) fn twice(subject: &Subject<'_>, log: &mut Log) {
    let mut known: BTreeMap<_, Owner<'_>> = BTreeMap::new();
    for own in &subject.addresses {
        let link = is_link_local(own.address).then_some(own.interface);
        let Some(first) = known.insert((own.address, link), own.owner) else { continue };
        let draft = log.error(own.span.clone(), format_args!("{first} has this address already"));
        match (first, own.owner) {
            (Owner::Interface(_), Owner::VirtualRouter(_)) => draft.mend(
                "a shared address belongs to the virtual router alone: take it from the interface, and give the \
                 box an address of its own",
            ),
            _ => draft.mend("write it once"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::Form;

    #[test]
    fn a_network_and_a_broadcast_address_are_told_from_a_host() {
        let cases = [
            ("192.0.2.0/24", true),
            ("192.0.2.255/24", true),
            ("192.0.2.1/24", false),
            ("192.0.2.0/31", false),
            ("192.0.2.255/32", false),
            ("10.0.1.0/16", false),
            ("2001:db8::/64", false),
        ];
        for (text, wanted) in cases {
            let link = LinkAddress::read(text).expect("a link address");
            assert_eq!(is_network_or_broadcast(&link), wanted, "{text}");
        }
    }
}
