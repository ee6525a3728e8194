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

mod batches;
mod real_servers;
mod services;
mod sync_daemons;
mod system;
mod tally;

use std::net::{IpAddr, Ipv6Addr};
use std::process::ExitCode;

use ipvs::{ForwardingMethod, Ipvs, OpenError, RealServer, RealServerId};

use tally::Tally;

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let outcome = match argument.as_deref() {
        Some("--load") => load(),
        Some("--dump") => dump(),
        Some("--unprivileged") => return system::unprivileged(),
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
    system::info_and_timeouts(&mut ipvs, &mut tally)?;
    services::services(&mut ipvs, &mut tally)?;
    services::service_errors(&mut ipvs, &mut tally)?;
    real_servers::real_servers(&mut ipvs, &mut tally)?;
    real_servers::real_server_errors(&mut ipvs, &mut tally)?;
    batches::batches(&mut ipvs, &mut tally)?;
    match interface {
        Some(interface) => sync_daemons::sync_daemons(&mut ipvs, &mut tally, interface.parse()?)?,
        None => println!("SKIPPED: sync daemons, as no interface was named"),
    }
    system::statistics(&mut ipvs, &mut tally)?;
    system::privilege(&mut tally)?;
    batches::speed(&mut ipvs, &mut tally)?;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(tally.failed)
}

fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

fn masquerade(address: impl Into<IpAddr>, port: u16) -> RealServer {
    RealServer::new(RealServerId::new(address, port), ForwardingMethod::Masquerade)
}

fn load() -> Result<usize, Failed> {
    Ipvs::open()?.apply(&batches::large_plan())?;
    Ok(0)
}

fn dump() -> Result<usize, Failed> {
    let table = Ipvs::open()?.table()?;
    for entry in &table {
        println!("{} {} real servers", entry.service.id, entry.real_servers.len());
    }
    Ok(0)
}
