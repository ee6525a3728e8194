//! Services with their real servers and checks.

use core::net::IpAddr;
use core::time::Duration;

use super::{Builder, Field, empty, time, value, whole};
use crate::forms::Spelled;
use crate::limits;
use crate::model::{
    ActiveSource, Check, CheckKind, Forwarding, Ftp, Passive, PortRange, RealServer, Scheduler, Service,
    ServiceKind, Table, Tls,
};
use crate::names::{CheckName, KindName};
use crate::raw::{At, Persistence, RawRealServer, RawService, ServiceEntry, Span};

/// The control port of FTP (RFC 959 section 8).
const FTP_PORT: u16 = 21;
/// The mark that gave the project its name.
const FTP_MARK: u32 = 21;
/// Passive ports when none are given: free of registered services, and enough for any server.
const PASSIVE_PORTS: PortRange = PortRange { first: 10_000, last: 20_000 };
/// Persistence of an FTP service: longer than a pause between two transfers.
const FTP_PERSISTENCE: Duration = Duration::from_secs(600);
/// How often a server is asked: two of these and a little is how long a dead one is used.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

type Tables = (Table<Service, { limits::SERVICES }>, Table<RealServer, { limits::REAL_SERVERS }>);

impl Builder<'_, '_> {
    pub(super) fn services(&mut self) -> Option<Tables> {
        let raw = self.raw;
        let entries = raw.services.iter().map(|entry| &*entry.service);
        let mut is_whole = self.fits("services", entries, limits::SERVICES);
        let entries = raw.services.iter().flat_map(|entry| &entry.real_servers);
        is_whole &= self.fits("real servers in all services", entries, limits::REAL_SERVERS);
        let mut services = empty();
        let mut real_servers: Table<RealServer, { limits::REAL_SERVERS }> = empty();
        for entry in raw.services.iter().take(limits::SERVICES) {
            let first = real_servers.len();
            for raw in &entry.real_servers {
                match self.real_server(raw) {
                    Some(server) if is_whole => is_whole &= real_servers.push(server).is_ok(),
                    Some(_) => {}
                    None => is_whole = false,
                }
            }
            let service = self.service(entry).map(|service| Service {
                first_real_server: u16::try_from(first).unwrap_or(u16::MAX),
                real_server_count: u16::try_from(real_servers.len() - first).unwrap_or(u16::MAX),
                ..service
            });
            match service {
                Some(service) => is_whole &= services.push(service).is_ok(),
                None => is_whole = false,
            }
        }
        is_whole.then_some((services, real_servers))
    }

    /// The service, whose real servers stand nowhere yet.
    fn service(&mut self, entry: &ServiceEntry) -> Option<Service> {
        let raw = entry.service.get_ref();
        let kind = raw.kind.get_ref().0;
        let built = self.kind(raw, entry.service.span());
        let addresses = match kind {
            KindName::Mark => self.list("addresses", &raw.addresses),
            KindName::Ftp | KindName::Tcp | KindName::Udp => {
                let field = Field { table: entry.service.span(), name: "addresses", what: "addresses" };
                self.some(field, &raw.addresses)
            }
        };
        let check = self.check(entry);
        let persistence = match raw.persistence.as_ref().map(At::get_ref) {
            Some(Persistence(persistence)) => *persistence,
            None if kind == KindName::Ftp => Some(FTP_PERSISTENCE),
            None => None,
        };
        Some(Service {
            name: raw.name.get_ref().0.clone(),
            kind: built?,
            addresses: addresses?,
            scheduler: value(&raw.scheduler).unwrap_or(Scheduler::Wlc),
            persistence,
            forwarding: value(&raw.forwarding).unwrap_or(Forwarding::Masquerade),
            check: check?,
            first_real_server: 0,
            real_server_count: 0,
        })
    }

    fn kind(&mut self, raw: &RawService, table: Span) -> Option<ServiceKind> {
        let kind = raw.kind.get_ref().0;
        let mut is_whole = self.has_only_its_own(raw, kind);
        let mark = whole(&raw.mark);
        if mark == Some(0) {
            let span = raw.mark.as_ref().map_or(table.clone(), At::span);
            self.log
                .error(span, "mark 0 is what every packet carries that nothing has marked")
                .allowed_by_reference()
                .mend("take a number of its own for each service, as 21");
            is_whole = false;
        }
        let port = whole(&raw.port);
        let built = match kind {
            KindName::Ftp => ServiceKind::Ftp(Ftp {
                port: port.unwrap_or(FTP_PORT),
                mark: mark.unwrap_or(FTP_MARK),
                passive: value(&raw.passive).unwrap_or(Passive::Rewrite),
                passive_ports: value(&raw.passive_ports).unwrap_or(PASSIVE_PORTS),
                active: value(&raw.active).unwrap_or(ActiveSource::Snat),
                tls: value(&raw.tls).unwrap_or(Tls::Off),
            }),
            KindName::Tcp => ServiceKind::Tcp { port: self.needed(port, "port", table)? },
            KindName::Udp => ServiceKind::Udp { port: self.needed(port, "port", table)? },
            KindName::Mark => ServiceKind::Mark { mark: self.needed(mark, "mark", table)? },
        };
        is_whole.then_some(built)
    }

    fn needed<T>(&mut self, value: Option<T>, field: &'static str, table: Span) -> Option<T> {
        if value.is_none() {
            self.log.error(table, "it is missing; this kind of service needs it").missing(field);
        }
        value
    }

    /// Notes the fields that only another kind of service has; whether there is none.
    fn has_only_its_own(&mut self, raw: &RawService, kind: KindName) -> bool {
        let (is_ftp, is_mark) = (kind == KindName::Ftp, kind == KindName::Mark);
        let fields = [
            (raw.port.as_ref().map(At::span), !is_mark),
            (raw.mark.as_ref().map(At::span), is_ftp || is_mark),
            (raw.passive.as_ref().map(At::span), is_ftp),
            (raw.passive_ports.as_ref().map(At::span), is_ftp),
            (raw.active.as_ref().map(At::span), is_ftp),
            (raw.tls.as_ref().map(At::span), is_ftp),
            (raw.addresses.first().map(At::span), !is_mark),
        ];
        let mut is_whole = true;
        for span in fields.into_iter().filter_map(|(span, belongs)| span.filter(|_| !belongs)) {
            self.log
                .error(span, format_args!("a service of kind {:?} has no such field", kind.name()))
                .mend("leave it out, or choose another kind");
            is_whole = false;
        }
        is_whole
    }

    fn real_server(&mut self, entry: &At<RawRealServer>) -> Option<RealServer> {
        let raw = entry.get_ref();
        if raw.addresses.is_empty() {
            self.log.error(entry.span(), "it needs at least one").missing("addresses");
            return None;
        }
        let mut server = RealServer {
            v4: None,
            v6: None,
            port: whole(&raw.port),
            weight: whole(&raw.weight).unwrap_or(1),
        };
        let mut is_whole = true;
        for address in &raw.addresses {
            let is_second = match address.get_ref().0 {
                IpAddr::V4(v4) => server.v4.replace(v4).is_some(),
                IpAddr::V6(v6) => server.v6.replace(v6).is_some(),
            };
            if is_second {
                self.log
                    .error(address.span(), "a real server has one address of each family")
                    .mend("write a [[service.real_server]] of its own for it");
                is_whole = false;
            }
        }
        is_whole.then_some(server)
    }

    /// The check of a service: `Some(None)` where there is none, `None` where it is wrong.
    fn check(&mut self, entry: &ServiceEntry) -> Option<Option<Check>> {
        let kind = entry.service.get_ref().kind.get_ref().0;
        let Some(raw) = &entry.check else {
            let kind = match kind {
                KindName::Ftp => Some(CheckKind::Ftp),
                KindName::Tcp => Some(CheckKind::Tcp),
                KindName::Udp | KindName::Mark => None,
            };
            return Some(kind.map(Check::of));
        };
        let (table, raw) = (raw.span(), raw.get_ref());
        let check_kind = match raw.kind.get_ref().0 {
            CheckName::Ftp => CheckKind::Ftp,
            CheckName::Tcp => CheckKind::Tcp,
            CheckName::Off => return Some(None),
        };
        let port = whole(&raw.port);
        if matches!(kind, KindName::Udp | KindName::Mark) {
            self.needed(port, "port", table)?;
        }
        let interval = time(&raw.interval).unwrap_or(CHECK_INTERVAL);
        let timeout = time(&raw.timeout).unwrap_or(CHECK_INTERVAL.min(interval));
        if timeout > interval {
            let span = raw.timeout.as_ref().map_or(0..0, At::span);
            self.log
                .error(
                    span,
                    format_args!("the next attempt starts after {}, before this one ends", Spelled(interval)),
                )
                .allowed_by_reference()
                .mend("make the interval longer or the timeout shorter");
            return None;
        }
        Some(Some(Check {
            port,
            interval,
            timeout,
            down_after: whole(&raw.down_after).unwrap_or(Check::DOWN_AFTER),
            up_after: whole(&raw.up_after).unwrap_or(Check::UP_AFTER),
            ..Check::of(check_kind)
        }))
    }
}

impl Check {
    const DOWN_AFTER: u8 = 3;
    const UP_AFTER: u8 = 2;

    const fn of(kind: CheckKind) -> Self {
        Self {
            kind,
            port: None,
            interval: CHECK_INTERVAL,
            timeout: CHECK_INTERVAL,
            down_after: Self::DOWN_AFTER,
            up_after: Self::UP_AFTER,
        }
    }
}
