//! From the serde mirror to the [`Config`]: defaults, names to indices, which fields go together,
//! and what fits.
//!
//! Everything that is wrong is noted, not only the first; what makes sense only over several
//! objects is the linter's.

mod access;
mod network;
mod service;

use alloc::boxed::Box;

use heapless::Vec;

use crate::finding::Log;
use crate::model::{Config, InterfaceIndex, Name, System, Table, Timeouts};
use crate::raw::{At, List, Maybe, MaybeTime, MaybeWhole, Raw, Span, Spelling, Time, Whole};
use crate::suggest;

use core::time::Duration;

/// Builds the configuration, or notes why not.
pub(crate) fn config(raw: &Raw, log: &mut Log) -> Option<Box<Config>> {
    let mut builder = Builder { raw, log };
    let system = builder.system();
    let interfaces = builder.table("interfaces", &raw.interfaces, Builder::interface);
    let routes = builder.table("routes", &raw.routes, Builder::route);
    let virtual_routers = builder.table("virtual routers", &raw.virtual_routers, Builder::virtual_router);
    let sync_groups = builder.table("sync groups", &raw.sync_groups, Builder::sync_group);
    let sync = raw.sync.as_ref().map(|sync| builder.sync(sync.get_ref()));
    let egress = builder.table("egress entries", &raw.egress, Builder::egress);
    let allow = builder.table("allow entries", &raw.allow, Builder::allow);
    let timeouts = builder.timeouts();
    let management = raw.management.as_ref().map(|management| builder.management(management));
    let time = builder.time();
    let syslog = builder.syslog();
    let (services, real_servers) = builder.services()?;
    Some(Box::new(Config {
        system: system?,
        interfaces: interfaces?,
        routes: routes?,
        virtual_routers: virtual_routers?,
        sync_groups: sync_groups?,
        sync: match sync {
            Some(sync) => Some(sync?),
            None => None,
        },
        egress: egress?,
        allow: allow?,
        timeouts,
        management: match management {
            Some(management) => Some(management?),
            None => None,
        },
        time: time?,
        syslog: syslog?,
        services,
        real_servers,
    }))
}

/// An empty table, on the heap.
#[inline(never)]
fn empty<T, const N: usize>() -> Table<T, N> {
    Box::default()
}

struct Builder<'r, 'l> {
    raw: &'r Raw,
    log: &'l mut Log,
}

impl Builder<'_, '_> {
    fn system(&mut self) -> Option<System> {
        let raw = &self.raw.system;
        let hostname = match &raw.hostname {
            Some(hostname) => hostname.get_ref().0.clone(),
            None => heapless::String::try_from("mark21").ok()?,
        };
        let password = raw.password.as_ref().map(|password| password.get_ref().0.clone());
        Some(System { hostname, password, name_servers: self.list("name servers", &raw.name_servers)? })
    }

    fn timeouts(&self) -> Timeouts {
        let raw = &self.raw.timeouts;
        Timeouts {
            tcp: time(&raw.tcp).unwrap_or(Duration::from_secs(24 * 3600)),
            tcp_fin: time(&raw.tcp_fin).unwrap_or(Duration::from_secs(120)),
            udp: time(&raw.udp).unwrap_or(Duration::from_secs(300)),
        }
    }

    /// Builds every entry of a table and notes when they are too many.
    fn table<R, T, const N: usize>(
        &mut self,
        what: &str,
        raw: &[At<R>],
        build: fn(&mut Self, &At<R>) -> Option<T>,
    ) -> Option<Table<T, N>> {
        let mut table = empty();
        let mut is_whole = self.fits(what, raw, N);
        for entry in raw.iter().take(N) {
            match build(self, entry) {
                Some(built) => is_whole &= table.push(built).is_ok(),
                None => is_whole = false,
            }
        }
        is_whole.then_some(table)
    }

    /// A list of values that has a capacity.
    fn list<T: Clone, const N: usize>(&mut self, what: &str, raw: &List<T>) -> Option<Vec<T, N>> {
        self.fits(what, raw, N).then(|| raw.iter().map(|value| value.get_ref().0.clone()).collect())
    }

    /// Like [`Builder::list`], of a list that may not be empty.
    fn some<T: Clone, const N: usize>(&mut self, field: Field<'_>, raw: &List<T>) -> Option<Vec<T, N>> {
        if raw.is_empty() {
            self.log.error(field.table, "it needs at least one").missing(field.name);
            return None;
        }
        self.list(field.what, raw)
    }

    /// Notes the first entry that does not fit; whether all do.
    fn fits<'e, T: 'e>(
        &mut self,
        what: &str,
        entries: impl IntoIterator<Item = &'e At<T>>,
        limit: usize,
    ) -> bool {
        let mut entries = entries.into_iter();
        let Some(first_over) = entries.nth(limit) else { return true };
        let count = limit + 1 + entries.count();
        self.log
            .error(first_over.span(), format_args!("there are {count} {what}, at most {limit} fit"))
            .mend(format_args!("this is number {}; leave out {}", limit + 1, count - limit));
        false
    }

    /// The interface of that name.
    fn interface_named(&mut self, name: &At<Spelling<Name>>) -> Option<InterfaceIndex> {
        let names = self.raw.interfaces.iter().map(|entry| &entry.get_ref().name.get_ref().0);
        position("interface", name, names, self.log).map(InterfaceIndex)
    }

    /// The interface of that name, if there is a name; `None` when it is dangling.
    fn maybe_interface(&mut self, name: &Maybe<Name>) -> Option<Option<InterfaceIndex>> {
        match name {
            Some(name) => self.interface_named(name).map(Some),
            None => Some(None),
        }
    }
}

/// A field for a finding: the table that has it, its key, and what its elements are.
struct Field<'w> {
    table: Span,
    name: &'static str,
    what: &'w str,
}

/// Where an object of that name stands; notes when there is none.
fn position<'n>(
    what: &str,
    name: &At<Spelling<Name>>,
    known: impl Iterator<Item = &'n Name> + Clone,
    log: &mut Log,
) -> Option<u16> {
    let wanted = &name.get_ref().0;
    let found = known.clone().position(|known| known == wanted).and_then(|found| u16::try_from(found).ok());
    if found.is_none() {
        let draft = log.error(name.span(), format_args!("there is no {what} {wanted:?}"));
        match suggest::nearest(wanted, known.clone().map(|name| name.as_str())) {
            Some(near) => draft.mend(format_args!("did you mean {near:?}?")),
            None => draft.mend(format_args!("give one of the [[{}]] this name", what.replace(' ', "_"))),
        };
    }
    found
}

fn whole<T: Copy, const MIN: u64, const MAX: u64>(raw: &MaybeWhole<T, MIN, MAX>) -> Option<T> {
    raw.as_ref().map(|value| {
        let Whole(value) = *value.get_ref();
        value
    })
}

fn time<const MIN: u64, const MAX: u64, const STEP: u64>(
    raw: &MaybeTime<MIN, MAX, STEP>,
) -> Option<Duration> {
    raw.as_ref().map(|value| {
        let Time(duration) = *value.get_ref();
        duration
    })
}

fn value<T: Copy>(raw: &Maybe<T>) -> Option<T> {
    raw.as_ref().map(|value| value.get_ref().0)
}

#[cfg(test)]
mod tests;
