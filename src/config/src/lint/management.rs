//! The way in from outside, and the servers that the box itself asks and tells.

use super::{Subject, family, pairs};
use crate::finding::Log;
use crate::model::Management;
use crate::raw::{At, RawManagement};

fn management<'a>(subject: &Subject<'a>) -> Option<(&'a Management, &'a RawManagement)> {
    Some((subject.config.management.as_ref()?, subject.raw.management.as_ref()?.get_ref()))
}

/// The side of the clients is the outside: nothing of the box itself listens there.
pub(super) fn where_clients_come_in(subject: &Subject<'_>, log: &mut Log) {
    let Some((management, raw)) = management(subject) else { return };
    let address_here = |address| {
        subject.addresses.iter().any(|own| own.interface == management.interface && own.address == address)
    };
    let service = subject
        .config
        .services
        .iter()
        .find(|service| service.addresses.iter().any(|address| address_here(*address)));
    if let Some(service) = service {
        log.error(raw.interface.span(), format_args!("clients of service {:?} come in here", service.name))
            .mend("name another interface; a VLAN of its own will do");
    }
}

/// Shared addresses come and go, and link-local ones need a zone: neither is listened on.
pub(super) fn nowhere_to_listen(subject: &Subject<'_>, log: &mut Log) {
    let Some((_, raw)) = management(subject) else { return };
    if subject.config.management_addresses().next().is_none() {
        log.error(raw.interface.span(), "it has no address of this box alone to listen on")
            .mend("give the interface an address in its addresses");
    }
}

/// Keys protect the way in, but not from a hole in the ssh server.
pub(super) fn allows_everybody(subject: &Subject<'_>, log: &mut Log) {
    let Some((management, raw)) = management(subject) else { return };
    for (network, place) in management.allow.iter().zip(&raw.allow) {
        if network.prefix_len == 0 {
            log.warning(place.span(), "everybody may try to log in").mend("name the engineers' networks");
        }
    }
}

/// A network of a family in which the interface has no address lets nobody in.
pub(super) fn family_without_address(subject: &Subject<'_>, log: &mut Log) {
    let Some((management, raw)) = management(subject) else { return };
    let mut listens = subject.config.management_addresses().peekable();
    if listens.peek().is_none() {
        return;
    }
    let families: alloc::vec::Vec<bool> = listens.map(|address| address.is_ipv4()).collect();
    for (network, place) in management.allow.iter().zip(&raw.allow) {
        if !families.contains(&network.address.is_ipv4()) {
            log.error(
                place.span(),
                format_args!(
                    "the interface has no {} address of its own to listen on",
                    family(network.address)
                ),
            )
            .mend("give the interface one, or leave this network out");
        }
    }
}

/// One key twice is a slip: one of the two was meant to be another.
pub(super) fn key_twice(subject: &Subject<'_>, log: &mut Log) {
    let Some((management, raw)) = management(subject) else { return };
    let keys = management.authorized_keys.iter().zip(&raw.authorized_keys);
    for ((earlier, _), (later, place)) in pairs(keys) {
        let body = |line: &'_ str| line.split(' ').nth(1).map(alloc::string::String::from);
        if body(earlier.as_str()) == body(later.as_str()) {
            log.error(place.span(), "this key is in the list already").mend("write it once");
        }
    }
}

/// Time and logs come from and go to other machines.
pub(super) fn server_is_this_box(subject: &Subject<'_>, log: &mut Log) {
    let times = subject.config.time.servers.iter().zip(subject.raw.time.servers.iter().map(At::span));
    let logs = subject.raw.syslog.iter().map(|entry| entry.get_ref().address.span());
    let logs = subject.config.syslog.iter().map(|server| &server.address).zip(logs);
    for (address, span) in times.chain(logs) {
        if let Some(owner) = subject.owner_of(*address) {
            log.error(span, format_args!("it is an address of this box, of {owner}"))
                .mend("name another machine");
        }
    }
}

/// The same lines twice at one place.
pub(super) fn syslog_server_twice(subject: &Subject<'_>, log: &mut Log) {
    let servers = subject.config.syslog.iter().zip(&subject.raw.syslog);
    for ((earlier, _), (later, raw)) in pairs(servers) {
        if earlier == later {
            log.error(raw.get_ref().address.span(), "another [[syslog]] is the same").mend("write it once");
        }
    }
}
