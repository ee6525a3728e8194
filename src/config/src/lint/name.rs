//! Names that mean two things.

use alloc::collections::{BTreeMap, BTreeSet};

use super::Subject;
use crate::finding::Log;
use crate::model::Name;
use crate::raw::{At, Spelling};

/// Two objects of one table under one name.
pub(super) fn twice(subject: &Subject<'_>, log: &mut Log) {
    let raw = subject.raw;
    each_once("interface", raw.interfaces.iter().map(|entry| &entry.get_ref().name), log);
    each_once("virtual router", raw.virtual_routers.iter().map(|entry| &entry.get_ref().name), log);
    each_once("sync group", raw.sync_groups.iter().map(|entry| &entry.get_ref().name), log);
    each_once("service", raw.services.iter().map(|entry| &entry.service.get_ref().name), log);
}

fn each_once<'n>(what: &str, names: impl Iterator<Item = &'n At<Spelling<Name>>>, log: &mut Log) {
    let mut known = BTreeSet::new();
    for name in names {
        if !known.insert(&name.get_ref().0) {
            log.error(
                name.span(),
                format_args!("another {what} has this name, nobody could tell them apart"),
            )
            .mend("rename one of them");
        }
    }
}

/// A virtual router in two groups, or twice in one: it could not follow both.
pub(super) fn member_of_two_groups(subject: &Subject<'_>, log: &mut Log) {
    let mut group_of: BTreeMap<u16, &Name> = BTreeMap::new();
    for (group, raw) in subject.config.sync_groups.iter().zip(&subject.raw.sync_groups) {
        for (member, raw) in group.members.iter().zip(&raw.get_ref().members) {
            if let Some(other) = group_of.insert(*member, &group.name) {
                log.error(
                    raw.span(),
                    format_args!("it is already in sync_group {other:?} and cannot follow both"),
                )
                .mend("leave it in one group, once");
            }
        }
    }
}
