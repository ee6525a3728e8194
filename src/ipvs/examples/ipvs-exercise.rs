//! Every command of the family against the real kernel, read back, and every named error provoked.
//!
//! ```text
//! ipvs-exercise [INTERFACE]   all of it; INTERFACE is up with an IPv4 address, for the sync daemons
//! ipvs-exercise --load        only adds 256 services of 16 real servers each, for a stopwatch outside
//! ipvs-exercise --dump        only reads everything
//! ```
//!
//! Run it as root on a machine or in a network namespace of its own, with
//! `ip_vs`, `ip_vs_wlc`, `ip_vs_rr` and `ip_vs_sh` loaded: it deletes all
//! services, and refuses to begin when there are some. Ends with
//! `N passed, N failed` and with 1 if something failed; what cannot be tried here says
//! `SKIPPED: why`.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::num::{NonZeroU16, NonZeroU32};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use ipvs::{
    ApplyError, Family, Flags, ForwardingMethod, Granularity, InterfaceName, Ipvs, LinkError, OpenError,
    Persistence, PersistenceEngine, Protocol, RealServer, RealServerError, RealServerId, Refusal, Request,
    RequestError, Scheduler, ServiceError, ServiceId, SyncDaemon, SyncDaemonError, SyncRole, Timeouts,
    TimeoutsError, Tunnel, TunnelFlags, ValueError, VirtualService,
};

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let outcome = match argument.as_deref() {
        Some("--load") => load(),
        Some("--dump") => dump(),
        Some("--unprivileged") => return unprivileged(),
        interface => exercise(interface),
    };
    match outcome {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprint!("ipvs-exercise: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

/// Counts what was as it should be.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    fn is(&mut self, rule: &str, holds: bool) {
        self.report(rule, holds, &"not so");
    }

    fn same<T: PartialEq + Debug, E: Debug>(&mut self, rule: &str, got: Result<T, E>, expected: T) {
        let holds = matches!(&got, Ok(got) if *got == expected);
        self.report(rule, holds, &format!("got {got:?}, expected {expected:?}"));
    }

    fn done<E: Debug>(&mut self, rule: &str, got: Result<(), E>) {
        self.same(rule, got, ());
    }

    fn report(&mut self, rule: &str, holds: bool, otherwise: &dyn std::fmt::Display) {
        if holds {
            self.passed += 1;
            println!("ok      {rule}");
        } else {
            self.failed += 1;
            println!("FAILED  {rule}: {otherwise}");
        }
    }
}

/// Counts whether a result is an error of this name.
macro_rules! refuses {
    ($tally:expr, $rule:expr, $result:expr, $pattern:pat $(if $guard:expr)?) => {{
        let result = $result;
        let holds = matches!(&result, Err($pattern) $(if $guard)?);
        $tally.report($rule, holds, &format!("got {result:?}"));
    }};
}

fn exercise(interface: Option<&str>) -> Result<usize, Failed> {
    let mut ipvs = match Ipvs::open() {
        Ok(ipvs) => ipvs,
        Err(OpenError::FamilyMissing) => return Err("ip_vs is not loaded".into()),
        Err(error) => return Err(error.into()),
    };
    if !ipvs.services()?.is_empty() {
        return Err("there are services here, which this would delete".into());
    }
    let mut tally = Tally::default();
    info_and_timeouts(&mut ipvs, &mut tally)?;
    services(&mut ipvs, &mut tally)?;
    service_errors(&mut ipvs, &mut tally)?;
    real_servers(&mut ipvs, &mut tally)?;
    real_server_errors(&mut ipvs, &mut tally)?;
    batches(&mut ipvs, &mut tally)?;
    match interface {
        Some(interface) => sync_daemons(&mut ipvs, &mut tally, interface.parse()?)?,
        None => println!("SKIPPED: sync daemons, as no interface was named"),
    }
    statistics(&mut ipvs, &mut tally)?;
    privilege(&mut tally)?;
    speed(&mut ipvs, &mut tally)?;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(tally.failed)
}

fn mark(family: Family, mark: u32) -> Result<ServiceId, Failed> {
    Ok(ServiceId::Mark { family, mark: NonZeroU32::new(mark).ok_or("mark 0")? })
}

fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

fn masquerade(address: impl Into<IpAddr>, port: u16) -> RealServer {
    RealServer::new(RealServerId::new(address, port), ForwardingMethod::Masquerade)
}

fn info_and_timeouts(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
    let info = ipvs.info()?;
    println!("        IPVS {:?}, {} buckets", info.version, info.connection_table_size);
    tally.is("the version is 1.2.1", info.version == (1, 2, 1));
    tally.is(
        "the connection table has a power of two of buckets",
        info.connection_table_size.is_power_of_two(),
    );

    let seconds = |n| Some(Duration::from_secs(n));
    let before = ipvs.timeouts()?;
    let all = Timeouts { tcp: seconds(86_400), tcp_fin: seconds(121), udp: seconds(301) };
    tally.done("all timeouts can be set", ipvs.set_timeouts(&all));
    tally.same("timeouts read as they were set", ipvs.timeouts(), all);
    tally.done(
        "one timeout can be set by itself",
        ipvs.set_timeouts(&Timeouts { udp: seconds(77), ..Timeouts::default() }),
    );
    tally.same("the other timeouts stay", ipvs.timeouts(), Timeouts { udp: seconds(77), ..all });
    tally.done("no timeout at all changes nothing", ipvs.set_timeouts(&Timeouts::default()));
    let longest = Timeouts { tcp: Some(Timeouts::MAX), ..Timeouts::default() };
    tally.done("the longest timeout is taken", ipvs.set_timeouts(&longest));
    tally.same("the longest timeout is kept", ipvs.timeouts().map(|t| t.tcp), longest.tcp);
    refuses!(
        tally,
        "a timeout of 0 is refused",
        ipvs.set_timeouts(&Timeouts { tcp: Some(Duration::ZERO), ..Timeouts::default() }),
        TimeoutsError::Value(ValueError::ZeroTimeout)
    );
    refuses!(
        tally,
        "a timeout of 1.5 s is refused",
        ipvs.set_timeouts(&Timeouts { udp: Some(Duration::from_millis(1500)), ..Timeouts::default() }),
        TimeoutsError::Value(ValueError::NotWholeSeconds(_))
    );
    tally.done("the timeouts of before can be set", ipvs.set_timeouts(&before));
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

fn services(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
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

fn service_errors(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
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

fn real_servers(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
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

fn real_server_errors(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
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

fn batches(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
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

fn sync_daemons(ipvs: &mut Ipvs, tally: &mut Tally, interface: InterfaceName) -> Result<(), Failed> {
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

/// One connection from this machine through a service to itself.
fn statistics(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let id = ServiceId::tcp(Ipv4Addr::LOCALHOST, 8021);
    ipvs.add_service(&VirtualService::new(id, Scheduler::RR))?;
    ipvs.add_real_server(&id, &masquerade(Ipv4Addr::LOCALHOST, port))?;
    let mut client = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, 8021).into(), Duration::from_secs(5))?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"hello")?;
    let mut hello = [0; 5];
    server.read_exact(&mut hello)?;
    tally.is("a connection goes through", &hello == b"hello");
    tally.same(
        "an open connection is active",
        ipvs.real_servers(&id).map(|all| all.iter().map(|e| e.active_connections).sum::<u32>()),
        1,
    );
    // The kernel sums its counters up every two seconds.
    let deadline = Instant::now() + Duration::from_secs(10);
    let stats = loop {
        let stats = ipvs.service(&id)?.stats;
        if stats.connections > 0 || Instant::now() > deadline {
            break stats;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    println!("        {stats:?}");
    tally.is("the service counted one connection", stats.connections == 1);
    tally.is("and its packets and bytes", stats.incoming_packets > 2 && stats.incoming_bytes > 100);
    tally.same(
        "and so did the real server",
        ipvs.table()
            .map(|t| t.iter().flat_map(|e| &e.real_servers).map(|s| s.stats.connections).sum::<u64>()),
        1,
    );
    tally.done("a service's counters can be zeroed", ipvs.zero_service(&id));
    tally.same("and read 0 then", ipvs.service(&id).map(|entry| entry.stats.connections), 0);
    tally.done("all counters can be zeroed", ipvs.zero_all());
    ipvs.flush()?;
    Ok(())
}

/// Runs this program again as nobody.
fn privilege(tally: &mut Tally) -> Result<(), Failed> {
    let status =
        Command::new(std::env::current_exe()?).arg("--unprivileged").uid(65_534).gid(65_534).status();
    match status {
        Ok(status) => tally.is("who is not root is told so", status.success()),
        Err(error) => println!("SKIPPED: running as nobody: {error}"),
    }
    Ok(())
}

fn unprivileged() -> ExitCode {
    match Ipvs::open().map(|mut ipvs| ipvs.services()) {
        Ok(Err(LinkError::NotPermitted)) => ExitCode::SUCCESS,
        other => {
            eprintln!("as nobody: {other:?}");
            ExitCode::FAILURE
        }
    }
}

/// 256 services, each with 16 real servers.
fn large_plan() -> Vec<Request> {
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

fn speed(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
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

fn load() -> Result<usize, Failed> {
    Ipvs::open()?.apply(&large_plan())?;
    Ok(0)
}

fn dump() -> Result<usize, Failed> {
    let table = Ipvs::open()?.table()?;
    for entry in &table {
        println!("{} {} real servers", entry.service.id, entry.real_servers.len());
    }
    Ok(0)
}
