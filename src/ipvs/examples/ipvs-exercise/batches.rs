//! Many requests in one call, and how fast that is.

use std::time::{Duration, Instant};

use ipvs::{
    ApplyError, Family, Ipvs, Persistence, RealServer, RealServerError, Refusal, Request, RequestError,
    Scheduler, ServiceError, ServiceId, SyncDaemonError, SyncRole, Timeouts, TimeoutsError, VirtualService,
};

use crate::services::mark;
use crate::tally::Tally;
use crate::{Failed, masquerade};

pub(crate) fn batches(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
    tally.done("no request at all is done", ipvs.apply(&[]).map_err(|e| e.to_string()));
    let id = ServiceId::tcp([192, 0, 2, 1], 80);
    let service = VirtualService::new(id, Scheduler::WLC);
    let bad = VirtualService {
        persistence: Some(Persistence::per_client(Duration::from_millis(1))),
        ..VirtualService::new(ServiceId::tcp([192, 0, 2, 2], 80), Scheduler::WLC)
    };
    let server = masquerade([10, 0, 0, 1], 80);
    let plan = [
        Request::AddService(service),
        Request::AddService(service),
        Request::AddService(bad),
        Request::AddRealServer(id, server),
        Request::AddRealServer(bad.id, server),
        Request::StopSyncDaemon(SyncRole::Master),
        Request::ZeroService(id),
        Request::ZeroAll,
        Request::SetRealServer(id, RealServer { weight: 5, ..server }),
        Request::SetTimeouts(Timeouts { tcp: Some(Duration::ZERO), ..Timeouts::default() }),
    ];
    let refused = refusals(ipvs.apply(&plan))?;
    let places: Vec<_> = refused.iter().map(|refusal| refusal.index).collect();
    tally.is("exactly the bad requests of a batch are refused", places == [1, 2, 4, 5, 9]);
    let named = matches!(
        refused.iter().map(|refusal| &refusal.error).collect::<Vec<_>>().as_slice(),
        [
            RequestError::Service(ServiceError::Exists { .. }),
            RequestError::Service(ServiceError::Value { .. }),
            RequestError::RealServer(RealServerError::ServiceMissing { .. }),
            RequestError::SyncDaemon(SyncDaemonError::NotRunning { .. }),
            RequestError::Timeouts(TimeoutsError::Value(_)),
        ]
    );
    tally.is("each refusal of a batch has its name", named);
    let weights: Vec<_> = ipvs.real_servers(&id)?.iter().map(|entry| entry.server.weight).collect();
    tally.is("the good requests of a batch are done", weights == [5]);
    tally.is(
        "a batch of nothing but bad values is refused",
        refusals(ipvs.apply(&[Request::AddService(bad)]))?.len() == 1,
    );

    let many = vec![Request::AddRealServer(id, server); 5000];
    let refused = refusals(ipvs.apply(&many))?;
    tally.is(
        "5000 refusals at once are all told",
        refused.len() == 5000 && refused.iter().enumerate().all(|(i, refusal)| refusal.index == i),
    );

    // The shortest requests, of which the most fit into one load.
    let many = vec![Request::DeleteService(mark(Family::Ipv4, 4000)?); 5000];
    tally.is("5000 refusals of short requests as well", refusals(ipvs.apply(&many))?.len() == 5000);

    let crowd: Vec<_> = (0..2000u16)
        .map(|n| {
            let [high, low] = n.to_be_bytes();
            Request::AddRealServer(id, masquerade([10, 1, high, low], 80))
        })
        .collect();
    tally.done("2000 real servers can be added at once", ipvs.apply(&crowd).map_err(|e| e.to_string()));
    tally.same("and all of them are read", ipvs.real_servers(&id).map(|all| all.len()), 2001);
    tally.done("Flush is a request too", ipvs.apply(&[Request::Flush]).map_err(|e| e.to_string()));
    tally.same("and nothing is left", ipvs.services().map(|all| all.len()), 0);
    Ok(())
}

fn refusals(outcome: Result<(), ApplyError>) -> Result<Vec<Refusal>, Failed> {
    match outcome {
        Ok(()) => Ok(Vec::new()),
        Err(ApplyError::Refused(refused)) => Ok(refused),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn speed(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
    let plan = large_plan();
    let mut best = [Duration::MAX; 3];
    for _ in 0..3 {
        let begin = Instant::now();
        ipvs.apply(&plan)?;
        let applied = begin.elapsed();
        let begin = Instant::now();
        let table = ipvs.table()?;
        let read = begin.elapsed();
        let servers = table.iter().map(|entry| entry.real_servers.len()).sum();
        tally.same::<_, Failed>(
            "256 services and 4096 real servers are there",
            Ok((table.len(), servers)),
            (256, 4096),
        );
        ipvs.flush()?;
        let begin = Instant::now();
        for request in &plan {
            match request {
                Request::AddService(service) => ipvs.add_service(service)?,
                Request::AddRealServer(id, server) => ipvs.add_real_server(id, server)?,
                _ => {}
            }
        }
        let singly = begin.elapsed();
        ipvs.flush()?;
        for (best, now) in best.iter_mut().zip([applied, read, singly]) {
            *best = now.min(*best);
        }
    }
    let [applied, read, singly] = best;
    println!("        best of 3: applied in {applied:?}, read in {read:?}; one request a call: {singly:?}");
    Ok(())
}

/// 256 services, each with 16 real servers.
pub(crate) fn large_plan() -> Vec<Request> {
    let mut plan = Vec::with_capacity(256 * 17);
    for service in 0..=255 {
        let id = ServiceId::tcp([192, 168, 0, service], 80);
        plan.push(Request::AddService(VirtualService::new(id, Scheduler::WLC)));
        for server in 1..=16 {
            plan.push(Request::AddRealServer(id, masquerade([10, 2, service, server], 80)));
        }
    }
    plan
}
