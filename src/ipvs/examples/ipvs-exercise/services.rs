//! NEW, SET, DEL and GET_SERVICE, and FLUSH.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use ipvs::{
    Family, Flags, Granularity, Ipvs, Persistence, PersistenceEngine, Protocol, Scheduler, ServiceError,
    ServiceId, VirtualService,
};

use crate::tally::{Tally, refuses};
use crate::{Failed, v6};

pub(crate) fn services(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
    let samples = samples()?;
    for sample in &samples {
        tally.done(&format!("{} can be added", sample.id), ipvs.add_service(sample));
        let got = ipvs.service(&sample.id).map(|entry| entry.service);
        tally.same(&format!("{} reads as it was added", sample.id), got, *sample);
    }
    let mut dumped: Vec<_> = ipvs.services()?.into_iter().map(|entry| entry.service).collect();
    dumped.sort_by_key(|service| service.id);
    let mut expected = samples.clone();
    expected.sort_by_key(|service| service.id);
    tally.is("a dump has exactly what was added", dumped == expected);

    let id = mark(Family::Ipv4, 21)?;
    let plain = VirtualService::new(id, Scheduler::RR);
    let again = VirtualService {
        persistence: Some(Persistence {
            timeout: Duration::from_secs(5),
            granularity: Granularity::Prefix(16),
        }),
        flags: Flags::SCHEDULER_3,
        ..plain
    };
    for (rule, setting) in [
        ("persistence and flags can be taken away", plain),
        ("and be given again, with another netmask", again),
        ("setting the same again changes nothing", again),
    ] {
        tally.done(rule, ipvs.set_service(&setting));
        tally.same("what was set is read", ipvs.service(&id).map(|entry| entry.service), setting);
    }
    tally.done("a service can be deleted", ipvs.delete_service(&id));
    refuses!(tally, "and is gone", ipvs.service(&id), ServiceError::Missing { service } if *service == id);
    let other = mark(Family::Ipv6, 21)?;
    tally.is("the same mark's other family stays", ipvs.service(&other).is_ok());
    tally.done("everything can be deleted", ipvs.flush());
    tally.same("and nothing is left", ipvs.services().map(|services| services.len()), 0);
    tally.done("deleting everything of nothing is no error", ipvs.flush());

    let sip = VirtualService {
        persistence: Some(Persistence::per_client(Duration::from_secs(60))),
        persistence_engine: Some(PersistenceEngine::new("sip")?),
        ..VirtualService::new(ServiceId::udp([192, 0, 2, 9], 5060), Scheduler::RR)
    };
    match ipvs.add_service(&sip) {
        Err(ServiceError::EngineOrSchedulerMissing { .. }) => println!("SKIPPED: engine sip is not loaded"),
        added => {
            tally.done("a persistence engine is taken", added);
            tally.same("a persistence engine is read", ipvs.service(&sip.id).map(|e| e.service), sip);
            let without = VirtualService { persistence_engine: None, ..sip };
            tally.done("a persistence engine can be taken away", ipvs.set_service(&without));
            tally.same("and is gone then", ipvs.service(&sip.id).map(|e| e.service), without);
        }
    }
    ipvs.flush()?;
    Ok(())
}

pub(crate) fn service_errors(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
    let here = VirtualService::new(ServiceId::tcp([192, 0, 2, 1], 80), Scheduler::WLC);
    let nowhere = VirtualService::new(ServiceId::tcp(v6(1), 81), Scheduler::WLC);
    let odd = Scheduler::new("nosuchthing")?;
    ipvs.add_service(&here)?;
    refuses!(tally, "adding twice", ipvs.add_service(&here),
        ServiceError::Exists { service } if *service == here.id);
    refuses!(tally, "setting what is not there", ipvs.set_service(&nowhere),
        ServiceError::Missing { service } if *service == nowhere.id);
    refuses!(
        tally,
        "deleting what is not there",
        ipvs.delete_service(&nowhere.id),
        ServiceError::Missing { .. }
    );
    refuses!(tally, "reading what is not there", ipvs.service(&nowhere.id), ServiceError::Missing { .. });
    refuses!(
        tally,
        "zeroing what is not there",
        ipvs.zero_service(&nowhere.id),
        ServiceError::Missing { .. }
    );
    refuses!(
        tally,
        "real servers of what is not there",
        ipvs.real_servers(&nowhere.id),
        ServiceError::Missing { .. }
    );
    refuses!(tally, "adding with an unknown scheduler",
        ipvs.add_service(&VirtualService { scheduler: odd, ..nowhere }),
        ServiceError::SchedulerMissing { scheduler, .. } if *scheduler == odd);
    refuses!(
        tally,
        "setting an unknown scheduler",
        ipvs.set_service(&VirtualService { scheduler: odd, ..here }),
        ServiceError::SchedulerMissing { .. }
    );
    let engine = PersistenceEngine::new("nosuchthing")?;
    refuses!(tally, "adding with an unknown persistence engine",
        ipvs.add_service(&VirtualService { persistence_engine: Some(engine), ..nowhere }),
        ServiceError::EngineOrSchedulerMissing { engine: named, .. } if *named == engine);
    for (rule, service, timeout, granularity) in [
        ("33 bits of IPv4", here, 1000, Granularity::Prefix(33)),
        ("0 bits of IPv6", nowhere, 1000, Granularity::Prefix(0)),
        ("a mask for IPv6", nowhere, 1000, Granularity::Mask(Ipv4Addr::BROADCAST)),
        ("parts of a second", here, 1, Granularity::Client),
        ("50 days", here, 50 * 86_400_000, Granularity::Client),
    ] {
        let persistence = Some(Persistence { timeout: Duration::from_millis(timeout), granularity });
        refuses!(
            tally,
            rule,
            ipvs.set_service(&VirtualService { persistence, ..service }),
            ServiceError::Value { .. }
        );
    }
    tally.same("a refused setting changes nothing", ipvs.service(&here.id).map(|e| e.service), here);
    ipvs.flush()?;
    Ok(())
}

/// One service of each kind.
fn samples() -> Result<Vec<VirtualService>, Failed> {
    let persistent = |granularity| Some(Persistence { timeout: Duration::from_secs(600), granularity });
    let plain = |id| VirtualService::new(id, Scheduler::WLC);
    let sctp = ServiceId::Address { protocol: Protocol::SCTP, address: [192, 0, 2, 1].into(), port: 5000 };
    Ok(vec![
        VirtualService { persistence: persistent(Granularity::Client), ..plain(mark(Family::Ipv4, 21)?) },
        VirtualService { persistence: persistent(Granularity::Prefix(64)), ..plain(mark(Family::Ipv6, 21)?) },
        plain(mark(Family::Ipv4, u32::MAX)?),
        plain(ServiceId::tcp([192, 0, 2, 1], 80)),
        VirtualService { scheduler: Scheduler::RR, ..plain(ServiceId::tcp(v6(1), 80)) },
        VirtualService { flags: Flags::ONE_PACKET, ..plain(ServiceId::udp([192, 0, 2, 1], 53)) },
        VirtualService {
            scheduler: Scheduler::SH,
            flags: Flags::SCHEDULER_1 | Flags::SCHEDULER_2,
            ..plain(ServiceId::udp(v6(1), 53))
        },
        plain(sctp),
        VirtualService {
            persistence: persistent(Granularity::Prefix(24)),
            ..plain(ServiceId::tcp([192, 0, 2, 2], 80))
        },
        VirtualService {
            persistence: persistent(Granularity::Prefix(0)),
            ..plain(ServiceId::tcp([192, 0, 2, 3], 80))
        },
        VirtualService {
            persistence: persistent(Granularity::Mask(Ipv4Addr::new(255, 0, 255, 0))),
            ..plain(ServiceId::tcp([192, 0, 2, 4], 80))
        },
        VirtualService {
            persistence: Some(Persistence::per_client(Persistence::MAX_TIMEOUT)),
            ..plain(ServiceId::tcp([192, 0, 2, 5], 0))
        },
        VirtualService { scheduler: Scheduler::NONE, ..plain(ServiceId::tcp([192, 0, 2, 6], 80)) },
    ])
}

pub(crate) fn mark(family: Family, mark: u32) -> Result<ServiceId, Failed> {
    Ok(ServiceId::Mark { family, mark: NonZeroU32::new(mark).ok_or("mark 0")? })
}
