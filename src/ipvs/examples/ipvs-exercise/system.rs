//! SET and GET_CONFIG, GET_INFO, ZERO, and who may ask.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use ipvs::{Ipvs, LinkError, Scheduler, ServiceId, Timeouts, TimeoutsError, ValueError, VirtualService};

use crate::tally::{Tally, refuses};
use crate::{Failed, masquerade};

pub(crate) fn info_and_timeouts(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
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

/// One connection from this machine through a service to itself.
pub(crate) fn statistics(ipvs: &mut Ipvs, tally: &mut Tally) -> Result<(), Failed> {
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
pub(crate) fn privilege(tally: &mut Tally) -> Result<(), Failed> {
    let status =
        Command::new(std::env::current_exe()?).arg("--unprivileged").uid(65_534).gid(65_534).status();
    match status {
        Ok(status) => tally.is("who is not root is told so", status.success()),
        Err(error) => println!("SKIPPED: running as nobody: {error}"),
    }
    Ok(())
}

pub(crate) fn unprivileged() -> ExitCode {
    match Ipvs::open().map(|mut ipvs| ipvs.services()) {
        Ok(Err(LinkError::NotPermitted)) => ExitCode::SUCCESS,
        other => {
            eprintln!("as nobody: {other:?}");
            ExitCode::FAILURE
        }
    }
}
