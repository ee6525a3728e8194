//! NEW, SET, DEL and GET_DEST.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use ipvs::{
    Family, ForwardingMethod, Ipvs, RealServer, RealServerError, Scheduler, ServiceId, Tunnel, TunnelFlags,
    VirtualService,
};

use crate::services::mark;
use crate::tally::{Tally, refuses};
use crate::{Failed, masquerade, v6};

pub(crate) fn real_servers(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
    let four = mark(Family::Ipv4, 21)?;
    let six = ServiceId::tcp(v6(1), 80);
    for id in [four, six] {
        ipvs.add_service(&VirtualService::new(id, Scheduler::WLC))?;
    }
    let port = NonZeroU16::new(6080).ok_or("port 0")?;
    let gue = Tunnel::Gue { port, flags: TunnelFlags::REMOTE_CHECKSUM };
    let by = |host, method| RealServer { method, ..masquerade([10, 0, 0, host], 0) };
    let samples = [
        (four, masquerade([10, 0, 0, 1], 0)),
        (four, RealServer { weight: 0, ..masquerade([10, 0, 0, 1], 21) }),
        (
            four,
            RealServer {
                weight: 65_535,
                upper_threshold: 100,
                lower_threshold: 100,
                ..masquerade([10, 0, 0, 2], 0)
            },
        ),
        (four, by(3, ForwardingMethod::DirectRoute)),
        (four, by(4, ForwardingMethod::LocalNode)),
        (four, by(5, ForwardingMethod::Bypass)),
        (four, by(6, ForwardingMethod::Tunnel(Tunnel::Ipip))),
        (four, by(7, ForwardingMethod::Tunnel(gue))),
        (four, by(8, ForwardingMethod::Tunnel(Tunnel::Gre { flags: TunnelFlags::CHECKSUM }))),
        (four, RealServer { method: ForwardingMethod::Tunnel(Tunnel::Ipip), ..masquerade(v6(9), 0) }),
        (six, masquerade(v6(11), 8080)),
        (six, RealServer { weight: i32::MAX.unsigned_abs(), ..masquerade(v6(12), 8080) }),
    ];
    for (id, sample) in &samples {
        tally.done(&format!("{} can be added to {id}", sample.id), ipvs.add_real_server(id, sample));
        let got = ipvs.real_servers(id).map(|all| all.first().map(|entry| entry.server));
        tally.same(&format!("{} is the first then, as it was added", sample.id), got, Some(*sample));
    }
    let table = ipvs.table()?;
    let mut seen: Vec<_> = table
        .iter()
        .flat_map(|entry| entry.real_servers.iter().map(|server| (entry.service.id, server.server)))
        .collect();
    let mut expected = samples.to_vec();
    seen.sort_by_key(|(id, server)| (*id, server.id));
    expected.sort_by_key(|(id, server)| (*id, server.id));
    tally.is("the table has exactly what was added", seen == expected);

    let changed = RealServer {
        weight: 7,
        lower_threshold: 1,
        upper_threshold: 9,
        ..by(7, ForwardingMethod::DirectRoute)
    };
    tally.done("all of a real server can be set", ipvs.set_real_server(&four, &changed));
    let ipip = by(8, ForwardingMethod::Tunnel(Tunnel::Ipip));
    tally.done("another kind of tunnel can be set", ipvs.set_real_server(&four, &ipip));
    let servers = ipvs.real_servers(&four)?;
    for wanted in [changed, ipip] {
        tally.is("what was set is read", servers.iter().any(|entry| entry.server == wanted));
    }
    tally.done("a real server can be deleted", ipvs.delete_real_server(&four, &changed.id));
    tally.same("and one is missing then", ipvs.real_servers(&four).map(|all| all.len()), servers.len() - 1);
    let (_, mixed) = samples[9];
    tally.done("one of another family can be deleted", ipvs.delete_real_server(&four, &mixed.id));
    tally.done("a deleted one can be added again", ipvs.add_real_server(&four, &changed));
    tally.done("a service with real servers can be deleted", ipvs.delete_service(&four));
    ipvs.flush()?;
    Ok(())
}

pub(crate) fn real_server_errors(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
    let id = ServiceId::tcp([192, 0, 2, 1], 80);
    let missing = mark(Family::Ipv4, 99)?;
    ipvs.add_service(&VirtualService::new(id, Scheduler::WLC))?;
    let server = masquerade([10, 0, 0, 1], 80);
    ipvs.add_real_server(&id, &server)?;
    let other = masquerade([10, 0, 0, 2], 80);
    refuses!(tally, "adding twice", ipvs.add_real_server(&id, &server),
        RealServerError::Exists { service, server: named } if (*service, *named) == (id, server.id));
    refuses!(tally, "setting what is not there", ipvs.set_real_server(&id, &other),
        RealServerError::Missing { server, .. } if *server == other.id);
    refuses!(
        tally,
        "deleting what is not there",
        ipvs.delete_real_server(&id, &other.id),
        RealServerError::Missing { .. }
    );
    refuses!(tally, "adding to no service", ipvs.add_real_server(&missing, &server),
        RealServerError::ServiceMissing { service, .. } if *service == missing);
    refuses!(
        tally,
        "setting in no service",
        ipvs.set_real_server(&missing, &server),
        RealServerError::ServiceMissing { .. }
    );
    refuses!(
        tally,
        "deleting from no service",
        ipvs.delete_real_server(&missing, &server.id),
        RealServerError::ServiceMissing { .. }
    );
    let heavy = RealServer { weight: 1 << 31, ..other };
    refuses!(
        tally,
        "a weight that the kernel reads as negative",
        ipvs.add_real_server(&id, &heavy),
        RealServerError::OutOfRange { .. }
    );
    let crossed = RealServer { lower_threshold: 2, upper_threshold: 1, ..server };
    refuses!(
        tally,
        "a lower threshold above the upper one",
        ipvs.set_real_server(&id, &crossed),
        RealServerError::OutOfRange { .. }
    );
    refuses!(
        tally,
        "an IPv6 server behind IPv4 translation",
        ipvs.add_real_server(&id, &masquerade(v6(1), 80)),
        RealServerError::MixedFamilies { .. }
    );
    for address in [Ipv4Addr::new(224, 0, 0, 1), Ipv4Addr::BROADCAST] {
        refuses!(
            tally,
            &format!("{address} as a real server"),
            ipvs.add_real_server(&id, &masquerade(address, 80)),
            RealServerError::Invalid { .. }
        );
    }
    tally.same(
        "refusals change nothing",
        ipvs.real_servers(&id).map(|all| all.iter().map(|e| e.server).collect::<Vec<_>>()),
        vec![server],
    );
    ipvs.flush()?;
    Ok(())
}
