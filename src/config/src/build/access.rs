//! The box's own dealings with the outside: management, time, logs.

use alloc::boxed::Box;

use heapless::Vec;

use super::{Builder, Field, value, whole};
use crate::limits;
use crate::model::{Management, SyslogProtocol, SyslogServer, Time};
use crate::raw::{At, RawManagement};

/// Where syslog servers listen (RFC 5426 section 3.3); for TCP it is the custom.
const SYSLOG_PORT: u16 = 514;

impl Builder<'_, '_> {
    pub(super) fn management(&mut self, entry: &At<RawManagement>) -> Option<Management> {
        let raw = entry.get_ref();
        let interface = self.interface_named(&raw.interface);
        let field = Field { table: entry.span(), name: "allow", what: "networks" };
        let allow = self.some(field, &raw.allow);
        let field = Field { table: entry.span(), name: "authorized_keys", what: "keys" };
        let authorized_keys = self.some(field, &raw.authorized_keys).map(Box::new);
        Some(Management { interface: interface?, allow: allow?, authorized_keys: authorized_keys? })
    }

    pub(super) fn time(&mut self) -> Option<Time> {
        Some(Time { servers: self.list("time servers", &self.raw.time.servers)? })
    }

    pub(super) fn syslog(&mut self) -> Option<Vec<SyslogServer, { limits::SYSLOG_SERVERS }>> {
        let raw = &self.raw.syslog;
        let server = |entry: &At<crate::raw::RawSyslog>| {
            let raw = entry.get_ref();
            SyslogServer {
                address: raw.address.get_ref().0,
                protocol: value(&raw.protocol).unwrap_or(SyslogProtocol::Udp),
                port: whole(&raw.port).unwrap_or(SYSLOG_PORT),
            }
        };
        self.fits("syslog servers", raw, limits::SYSLOG_SERVERS).then(|| raw.iter().map(server).collect())
    }
}
