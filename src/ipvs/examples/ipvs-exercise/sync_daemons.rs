//! NEW, DEL and GET_DAEMON.

use std::time::Instant;

use ipvs::{
    ForwardingMethod, InterfaceName, Ipvs, RealServer, RealServerError, Request, Scheduler, ServiceId,
    SyncDaemon, SyncDaemonError, SyncRole, Tunnel, VirtualService,
};

use crate::tally::{Tally, refuses};
use crate::{Failed, masquerade, v6};

pub(crate) fn sync_daemons(
    ipvs: &mut Ipvs,
    tally: &mut Tally,
    interface: InterfaceName,
) -> Result<(), Failed> {
    let master = SyncDaemon::new(SyncRole::Master, interface, 21);
    let backup = SyncDaemon {
        max_message_length: Some(1200),
        group: Some([239, 1, 2, 3].into()),
        port: Some(9000),
        ttl: Some(3),
        ..SyncDaemon::new(SyncRole::Backup, interface, 255)
    };
    tally.done("a master can be started", ipvs.start_sync_daemon(&master));
    let read = ipvs.sync_daemons()?;
    println!("        {read:?}");
    tally.is(
        "a master reads with the kernel's defaults",
        matches!(read.as_slice(), [only]
        if only.role == SyncRole::Master && only.interface == interface && only.sync_id == 21
            && only.port == Some(8848) && only.ttl == Some(1)
            && only.group == Some([224, 0, 0, 81].into())),
    );
    refuses!(
        tally,
        "a second master",
        ipvs.start_sync_daemon(&master),
        SyncDaemonError::Running { role: SyncRole::Master }
    );
    tally.done("a backup can run beside it", ipvs.start_sync_daemon(&backup));
    tally.same(
        "a backup reads as it was started",
        ipvs.sync_daemons().map(|all| all.get(1).copied()),
        Some(backup),
    );

    ipvs.stop_sync_daemon(SyncRole::Backup)?;
    for (given, taken) in [(1000, 1024), (u16::MAX, 65_507)] {
        let odd = SyncDaemon { max_message_length: Some(given), ..backup };
        ipvs.start_sync_daemon(&odd)?;
        let got = ipvs.sync_daemons().map(|all| all.get(1).and_then(|daemon| daemon.max_message_length));
        tally.same(&format!("a backup's messages of {given} bytes become {taken}"), got, Some(taken));
        ipvs.stop_sync_daemon(SyncRole::Backup)?;
    }
    ipvs.start_sync_daemon(&SyncDaemon {
        group: Some([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81].into()),
        ..backup
    })?;
    let group = ipvs.sync_daemons()?.get(1).and_then(|daemon| daemon.group);
    tally.is(
        "an IPv6 group is taken",
        group == Some([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81].into()),
    );

    ipvs.stop_sync_daemon(SyncRole::Backup)?;

    // The kernel stops a thread that has not run yet with EINTR, which netlink does not answer.
    let flips = [Request::StartSyncDaemon(backup), Request::StopSyncDaemon(SyncRole::Backup)].repeat(20);
    let begin = Instant::now();
    tally.done(
        "a daemon can be stopped as soon as it is started",
        ipvs.apply(&flips).map_err(|e| e.to_string()),
    );
    tally.is("and that takes no timeout", begin.elapsed() < Ipvs::TIMEOUT);
    ipvs.start_sync_daemon(&backup)?;

    let id = ServiceId::tcp([192, 0, 2, 1], 80);
    ipvs.add_service(&VirtualService::new(id, Scheduler::WLC))?;
    let mixed = RealServer { method: ForwardingMethod::Tunnel(Tunnel::Ipip), ..masquerade(v6(1), 80) };
    refuses!(
        tally,
        "mixed families while a daemon runs",
        ipvs.add_real_server(&id, &mixed),
        RealServerError::MixedFamilies { .. }
    );
    for role in [SyncRole::Master, SyncRole::Backup] {
        tally.done("a daemon can be stopped", ipvs.stop_sync_daemon(role));
        refuses!(tally, "stopping what does not run", ipvs.stop_sync_daemon(role),
            SyncDaemonError::NotRunning { role: named } if *named == role);
    }
    tally.same("no daemon is left", ipvs.sync_daemons(), Vec::new());
    ipvs.add_real_server(&id, &mixed)?;
    refuses!(
        tally,
        "a daemon while families are mixed",
        ipvs.start_sync_daemon(&master),
        SyncDaemonError::Invalid { .. }
    );
    ipvs.flush()?;
    let nowhere = InterfaceName::new("nosuchif")?;
    refuses!(tally, "a daemon on no interface",
        ipvs.start_sync_daemon(&SyncDaemon { interface: nowhere, ..master }),
        SyncDaemonError::InterfaceMissing { interface, .. } if *interface == nowhere);
    refuses!(
        tally,
        "a group that is no multicast address",
        ipvs.start_sync_daemon(&SyncDaemon { group: Some([10, 0, 0, 1].into()), ..master }),
        SyncDaemonError::Invalid { .. }
    );
    Ok(())
}
