//! The log's way out: RFC 5424 over UDP and TCP, mark21d's lines and the kernel's.
//!
//! Nothing is queued here. Each server has a position in the supervisor's ring and one in the
//! kernel's; both rings are bounded, and what they lose is lost to a server that was away for too
//! long. When a connection breaks, the position goes back to what was surely delivered, so that
//! lines may come twice, with the same `sequenceId`, but are not lost on the way.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mark21_api::status;
use mark21_config::SyslogServer;
use tokio::task::JoinHandle;

use crate::time::Clock;

mod kernel;
mod line;
mod link;
mod position;

use kernel::Kernel;
use line::Stamp;
use link::Link;
use position::Positions;

/// Lines taken out of a ring at once.
const BATCH: usize = 64;
/// Between two tries to reach a server; doubled up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Everything that goes to servers.
#[derive(Debug)]
pub(crate) struct Syslog {
    clock: Clock,
    senders: HashMap<SyslogServer, Sender>,
    wanted: Vec<SyslogServer>,
}

/// One server.
#[derive(Debug)]
struct Sender {
    task: JoinHandle<()>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    reached: bool,
    sent: u64,
    problem: String,
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Syslog {
    /// With nobody to tell yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, senders: HashMap::new(), wanted: Vec::new() }
    }

    /// Wants these servers told. One that is told already goes on where it is.
    pub(crate) fn want(&mut self, servers: &[SyslogServer]) {
        if self.wanted == servers {
            return;
        }
        self.wanted = servers.to_vec();
        self.senders.retain(|server, _| servers.contains(server));
        for server in servers {
            self.senders.entry(*server).or_insert_with(|| {
                let seen = Arc::new(Mutex::new(Seen::default()));
                let task = tokio::spawn(send(*server, self.clock.clone(), Arc::clone(&seen)));
                Sender { task, seen }
            });
        }
    }

    /// What is the case, in the order of the configuration.
    pub(crate) fn seen(&self) -> Vec<status::SyslogServer> {
        let told = self.wanted.iter().filter_map(|server| Some((server, self.senders.get(server)?)));
        told.map(|(server, sender)| {
            let seen = sender.seen.lock().unwrap_or_else(PoisonError::into_inner);
            status::SyslogServer {
                server: name(server),
                reached: seen.reached,
                sent: seen.sent,
                problem: seen.problem.clone(),
            }
        })
        .collect()
    }
}

fn name(server: &SyslogServer) -> String {
    format!("{} {}", server.protocol, SocketAddr::new(server.address, server.port))
}

async fn send(server: SyslogServer, clock: Clock, seen: Arc<Mutex<Seen>>) {
    let mut positions = Positions::default();
    let mut pause = PAUSES.0;
    loop {
        let before = positions.now();
        let Err(error) = deliver(&server, &clock, &mut positions, &seen).await;
        let is_news = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let is_news = seen.reached || seen.problem.is_empty();
            seen.reached = false;
            seen.problem = error.to_string();
            is_news
        };
        if is_news {
            crate::log::note(format_args!("syslog {}: {error}", name(&server)));
        }
        // A connection that carried something was a good one.
        let has_moved = positions.now() != before;
        pause = if has_moved { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
        positions.go_back();
        tokio::time::sleep(pause).await;
    }
}

/// Connects and sends line after line until something breaks.
async fn deliver(
    server: &SyslogServer,
    clock: &Clock,
    positions: &mut Positions,
    seen: &Mutex<Seen>,
) -> io::Result<Infallible> {
    let mut news = crate::log::watch();
    let mut link = Link::connect(server).await?;
    let mut kernel = Kernel::open(positions.now().kernel)?;
    let with = |look: &dyn Fn(&mut Seen)| look(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
    with(&|seen| {
        seen.reached = true;
        seen.problem.clear();
    });
    loop {
        news.borrow_and_update();
        let stamp = Stamp::now(clock.seen().is_some_and(|time| time.synchronised));
        let own = crate::log::behind(positions.now().own, BATCH);
        for entry in &own {
            link.send(&line::own(entry, &stamp)).await?;
            positions.sent_own(entry.number);
        }
        let mut records = 0;
        while records < BATCH
            && let Some(record) = kernel.next()?
        {
            link.send(&line::kernel(&record, &stamp)).await?;
            positions.sent_kernel(record.number);
            records += 1;
        }
        let sent = (own.len() + records) as u64;
        with(&|seen| seen.sent += sent);
        if sent == 0 {
            tokio::select! {
                changed = news.changed() => changed.map_err(io::Error::other)?,
                ready = kernel.readable() => ready?,
                Err(error) = link.closed() => return Err(error),
            }
        }
    }
}
