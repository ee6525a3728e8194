//! IPVS connection synchronisation: a talker and a listener on both boxes, all the time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mark21_config::Sync;

use crate::context::Context;
use crate::ipvs::{Daemon, DaemonState};

/// The two daemons, where the configuration wants them and the port is there.
pub(crate) fn daemons(context: &Context<'_>) -> Vec<Daemon> {
    let sync = context.config.sync.as_ref();
    let device = sync.and_then(|sync| context.device(sync.interface));
    let (Some(sync), Some(device)) = (sync, device) else { return Vec::new() };
    let daemon = |state| Daemon { state, device: device.to_owned(), id: sync.id, group: sync_group(sync) };
    vec![daemon(DaemonState::Master), daemon(DaemonState::Backup)]
}

/// The multicast group: the kernel's own for IPv4 (`IP_VS_SYNC_GROUP`), the same number within the
/// site for IPv6, so that packets come from the address that the peer is known by.
pub(crate) fn sync_group(sync: &Sync) -> IpAddr {
    match sync.peer {
        IpAddr::V4(_) => Ipv4Addr::new(224, 0, 0, 81).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0x81).into(),
    }
}
