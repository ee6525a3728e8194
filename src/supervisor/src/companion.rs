//! vrrpd, the companion that moves the virtual addresses: what it is to do, and what it does.
//!
//! mark21d hands it its configuration over its control socket and watches it there. Nothing on
//! the failover path waits for this: vrrpd keeps its last configuration and goes on alone.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mark21_api::status::VirtualRouter;
use mark21_config::{Config, Spelled};
use mark21_reconcile::Desired;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// Where vrrpd answers.
pub(crate) const SOCKET: &str = "/run/vrrpd/control";
/// Between two tries to reach it: init starts it again within a second.
const RETRY: Duration = Duration::from_secs(1);
/// Longest answer taken: the state of all virtual routers is a tenth of it.
const ANSWER_BYTES: u64 = 1 << 20;

/// How long vrrpd may take to take its configuration: init starts it again within a second.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two tries within that time.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// The handle: what is wanted goes in, what is the case comes out.
#[derive(Clone, Debug)]
pub(crate) struct Companion {
    socket: PathBuf,
    /// What it took last, and takes again when it starts anew.
    wanted: Arc<Mutex<Option<String>>>,
    /// One instruction after the other, in the order in which they come.
    turn: Arc<tokio::sync::Mutex<()>>,
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
}

/// What was heard last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Why it does not do what it should; empty when it does.
    pub(crate) problem: String,
    pub(crate) routers: Vec<VirtualRouter>,
}

impl Companion {
    /// Starts to watch; nothing is wanted yet.
    pub(crate) fn start(socket: &Path) -> Self {
        let companion = Self {
            socket: socket.to_owned(),
            wanted: Arc::default(),
            turn: Arc::default(),
            seen: Arc::default(),
            changed: Arc::default(),
        };
        tokio::spawn(companion.clone().follow());
        companion
    }

    /// Wants this configuration, and tells whether vrrpd took it. The same one again is no change.
    ///
    /// # Errors
    /// vrrpd refuses it, or is not there for longer than a restart takes; then it keeps the one
    /// that it has. That it is not there is no error where nothing is wanted of it.
    pub(crate) async fn instruct(&self, text: String) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        if lock(&self.wanted).as_ref() == Some(&text) {
            return Ok(());
        }
        let began = Instant::now();
        let order = format!("configure\n{text}");
        loop {
            match ask(&self.socket, &order).await {
                Ok(_) => break,
                Err(error) if is_absent(&error) && text.is_empty() => break,
                Err(error) if !is_absent(&error) || began.elapsed() > PATIENCE => {
                    return Err(error.to_string());
                }
                Err(_) => tokio::time::sleep(TRY_AGAIN).await,
            }
        }
        *lock(&self.wanted) = Some(text);
        Ok(())
    }

    /// What was heard last.
    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Waits until something else is heard.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Hands a virtual router or a sync group over to another box; `all` is all of them.
    ///
    /// # Errors
    /// vrrpd cannot be reached, or knows no such name.
    pub(crate) async fn resign(&self, name: &str) -> io::Result<()> {
        ask(&self.socket, &format!("resign {name}")).await.map(drop)
    }

    async fn follow(self) {
        loop {
            let Err(error) = self.converse().await;
            let is_wanted = lock(&self.wanted).as_ref().is_some_and(|text| !text.is_empty());
            self.note(Seen {
                problem: if is_wanted { error.to_string() } else { String::new() },
                routers: Vec::new(),
            });
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn converse(&self) -> io::Result<std::convert::Infallible> {
        let wanted = lock(&self.wanted).clone();
        if let Some(text) = wanted {
            ask(&self.socket, &format!("configure\n{text}")).await?;
        }
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(b"watch\n").await?;
        stream.shutdown().await?;
        let mut lines = BufReader::new(stream).lines();
        loop {
            lines.next_line().await?.ok_or_else(|| io::Error::other("vrrpd has ended"))?;
            let state: Told = serde_json::from_str(&ask(&self.socket, "status json").await?)?;
            let routers = state.routers.into_iter().map(Into::into).collect();
            self.note(Seen { problem: String::new(), routers });
        }
    }

    fn note(&self, now: Seen) {
        let mut seen = lock(&self.seen);
        for router in &now.routers {
            let was = seen.routers.iter().find(|was| was.name == router.name);
            if was.is_none_or(|was| was.state != router.state) {
                crate::log::note(format_args!("virtual router {} is {}", router.name, router.state));
            }
        }
        if now.problem != seen.problem && !now.problem.is_empty() {
            crate::log::error(format_args!("vrrpd: {}", now.problem));
        }
        let is_news = now != *seen;
        *seen = now;
        if is_news {
            self.changed.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether it does not run, or is about to: its socket is not there or nobody listens.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

async fn ask(socket: &Path, request: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(request.as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES).read_to_string(&mut answer).await?;
    match answer.split_once('\n') {
        Some(("ok", rest)) => Ok(rest.to_owned()),
        Some((_, report)) => Err(io::Error::other(report.trim().to_owned())),
        None => Err(io::Error::other("vrrpd gave no answer")),
    }
}

/// What vrrpd tells of itself, as far as it is wanted here.
#[derive(Deserialize)]
struct Told {
    routers: Vec<ToldRouter>,
}

#[derive(Deserialize)]
struct ToldRouter {
    name: String,
    interface: String,
    vrid: u8,
    state: String,
    effective_priority: u8,
    active_router: Option<String>,
    addresses: Vec<String>,
}

impl From<ToldRouter> for VirtualRouter {
    fn from(told: ToldRouter) -> Self {
        Self {
            name: told.name,
            device: told.interface,
            vrid: told.vrid,
            state: told.state,
            priority: told.effective_priority,
            active_router: told.active_router,
            addresses: told.addresses,
        }
    }
}

/// vrrpd's configuration for ours: empty where there is no virtual router. One whose interface
/// has no port on this machine is left out.
pub(crate) fn configuration(config: &Config, desired: &Desired) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail; names and addresses need no quoting beyond the quotes.
    for router in config.virtual_routers.iter() {
        let interface = config.interface(router.interface).name.as_str();
        let Some(device) = desired.device_of(interface) else { continue };
        let _ = writeln!(text, "[[virtual_router]]\nname = \"{}\"\ninterface = \"{device}\"", router.name);
        let _ = writeln!(text, "vrid = {}\npriority = {}", router.vrid, router.priority);
        let _ = writeln!(text, "advertisement_interval = \"{}\"", Spelled(router.advertisement_interval));
        let _ = writeln!(text, "addresses = [{}]", quoted(router.addresses.iter()));
        let _ = writeln!(text, "preempt = {}", router.preempt);
        if router.preempt && !router.preempt_delay.is_zero() {
            let _ = writeln!(text, "preempt_delay = \"{}\"", Spelled(router.preempt_delay));
        }
        if !router.peers.is_empty() {
            let _ = writeln!(text, "peers = [{}]", quoted(router.peers.iter()));
        }
    }
    if text.is_empty() {
        return text;
    }
    for group in config.sync_groups.iter() {
        let members =
            group.members.iter().filter_map(|member| config.virtual_routers.get(usize::from(*member)));
        let members = quoted(members.map(|router| router.name.as_str()));
        let _ = writeln!(text, "[[sync_group]]\nname = \"{}\"\nmembers = [{members}]", group.name);
    }
    text
}

fn quoted<T: std::fmt::Display>(values: impl Iterator<Item = T>) -> String {
    let values: Vec<String> = values.map(|value| format!("\"{value}\"")).collect();
    values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mark21_reconcile::{Machine, Overrides, Port};

    #[test]
    fn every_virtual_router_and_group_is_handed_on() {
        let text = include_str!("../../config/examples/pair.toml");
        let config = mark21_config::parse(text).expect("the example is good").config;
        let ports = ["eth0", "eth1", "eth2"];
        let ports = ports.map(|device| Port { device: device.to_owned(), mac: None, pci: None });
        let machine = Machine { memory_bytes: 256 << 20, ports: ports.to_vec() };
        let desired = Desired::from_config(&config, &machine, &Overrides::default());
        let handed = configuration(&config, &desired);
        assert_eq!(handed.matches("[[virtual_router]]").count(), config.virtual_routers.len());
        assert_eq!(handed.matches("[[sync_group]]").count(), config.sync_groups.len());
        assert!(handed.contains("interface = \"eth0\""), "{handed}");
    }
}
