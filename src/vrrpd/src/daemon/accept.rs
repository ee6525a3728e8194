//! `accept = false`: which addresses the packet filter refuses, and that it goes with the last.

use std::net::IpAddr;

use super::Daemon;
use crate::log;
use crate::netlink::filter::{self, Refused};
use crate::settings::{RouterSettings, Settings};
use crate::store;

impl Daemon {
    /// Makes the filter say what `settings` say, before anybody is Active with them.
    ///
    /// The kernel's packet filter is not touched where nobody asked for one: the run directory
    /// says whether an earlier process did.
    pub(crate) fn refuse_packets(&mut self, settings: &Settings) {
        let refused = refused(&settings.routers);
        if refused == self.refused && !(refused.is_empty() && store::has_filter(&self.directory)) {
            return;
        }
        let noted = store::note_filter(&self.directory, true);
        let written = noted.and_then(|()| filter::replace(&refused));
        let result = match written {
            Ok(()) if refused.is_empty() => store::note_filter(&self.directory, false),
            result => result,
        };
        match result {
            Ok(()) => self.refused = refused,
            Err(error) => log::error!("accept = false: packet filter: {error}"),
        }
    }
}

/// Owners accept what comes for their addresses (RFC 9568 section 6.4.3).
fn refused(routers: &[RouterSettings]) -> Refused {
    let mut refused = Refused::default();
    for router in routers.iter().filter(|router| !router.accepts && router.priority != 255) {
        for address in router.all_addresses() {
            match address.address {
                IpAddr::V4(v4) => refused.v4.push(v4),
                IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                    let device = address.device.as_ref().or(router.virtual_mac.as_ref());
                    refused.link.push((device.unwrap_or(&router.key.interface).clone(), v6));
                }
                IpAddr::V6(v6) => refused.v6.push(v6),
            }
        }
    }
    refused.v4.sort_unstable();
    refused.v6.sort_unstable();
    refused.link.sort_unstable();
    // An element that is there twice is an error.
    refused.v4.dedup();
    refused.v6.dedup();
    refused.link.dedup();
    refused
}
