//! The way in from outside: ssh by dropbear, on the management interface's own addresses.
//!
//! mark21d listens itself and starts one dropbear for each connection (its inetd mode), so that
//! nothing listens that mark21d does not know of, and sessions outlive it; one that is not let in
//! any more is ended. A session runs `mark21 ssh-session` as admin, whatever the client asked for.
//! What dropbear tells comes by [`crate::programs`].

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mark21_api::status::{Management, Problem};
use mark21_config::{Config, Prefix};
use rustix::process::Signal;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::load::chain;
use crate::store::Store;

mod files;
mod sessions;

pub(crate) use files::replace_host_key;

const SERVER: &str = "/usr/sbin/dropbear";
/// What every session runs.
const SESSION: &str = "/usr/bin/mark21 ssh-session";
const PORT: u16 = 22;
/// Sessions at a time, those that have not logged in yet included.
const SESSIONS: usize = 16;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 8;
/// Between two tries to listen: an IPv6 address cannot be used before it is known to be unique.
const RETRY: Duration = Duration::from_secs(1);
/// A peer that is silent three times as long is gone (seconds).
const KEEPALIVE: &str = "30";
/// Keys that a client may offer.
const TRIES: &str = "6";
/// What is left to a session that is not let in any more: the answer to the commit that did it.
const PARTING: Duration = Duration::from_secs(2);

/// What is to be listened for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    addresses: Vec<IpAddr>,
    allow: Vec<Prefix>,
    keys: Vec<String>,
}

/// What is wanted of the way in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Way {
    /// Nothing is said yet: nobody is let in, and who is in stays.
    #[default]
    Unknown,
    Shut,
    Open(Wanted),
}

impl Way {
    fn wanted(&self) -> Option<&Wanted> {
        match self {
            Self::Unknown | Self::Shut => None,
            Self::Open(wanted) => Some(wanted),
        }
    }
}

/// The handle.
#[derive(Clone, Debug)]
pub(crate) struct Ssh {
    run: PathBuf,
    store: Store,
    way: watch::Sender<Way>,
    sessions: Arc<Semaphore>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    listens: Vec<SocketAddr>,
    host_key: String,
    /// Why something is not as wanted, by what it concerns.
    problems: Vec<(String, String)>,
}

impl Ssh {
    /// Starts to wait for what is wanted.
    pub(crate) fn start(run: &Path, store: Store) -> Self {
        let (way, changes) = watch::channel(Way::default());
        let sessions = Arc::new(Semaphore::new(SESSIONS));
        let ssh = Self { run: run.to_owned(), store, way, sessions, seen: Arc::default() };
        tokio::spawn(ssh.clone().follow(changes));
        ssh
    }

    /// Wants what `[management]` says.
    pub(crate) fn want(&self, config: Option<&Config>) {
        let management = config.and_then(|config| Some((config, config.management.as_ref()?)));
        let now = management.map_or(Way::Shut, |(config, management)| {
            Way::Open(Wanted {
                addresses: config.management_addresses().collect(),
                allow: management.allow.to_vec(),
                keys: management.authorized_keys.iter().map(|key| key.as_str().to_owned()).collect(),
            })
        });
        self.way.send_if_modified(|way| {
            let is_new = *way != now;
            *way = now;
            is_new
        });
    }

    /// What is the case, and what is wrong with it.
    pub(crate) fn seen(&self) -> (Option<Management>, Vec<Problem>) {
        let is_wanted = self.way.borrow().wanted().is_some();
        let sessions = (SESSIONS - self.sessions.available_permits()) as u64;
        self.with(|seen| {
            let management = is_wanted.then(|| Management {
                listens: seen.listens.iter().map(ToString::to_string).collect(),
                host_key: seen.host_key.clone(),
                sessions,
            });
            let problem = |(what, text): &(String, String)| Problem {
                subject: "management".to_owned(),
                text: format!("{what}: {text}"),
            };
            (management, seen.problems.iter().map(problem).collect())
        })
    }

    async fn follow(self, mut changes: watch::Receiver<Way>) {
        loop {
            let way = changes.borrow_and_update().clone();
            // Nobody is let in meanwhile: these came by what was wanted before.
            let earlier = sessions::servers(Path::new("/proc"));
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                ((), ()) = async { tokio::join!(self.serve(way.wanted()), part(&way, &earlier)) } => {}
            }
            self.with(|seen| {
                seen.listens.clear();
                seen.problems.clear();
            });
        }
    }

    /// Listens until dropped.
    async fn serve(&self, wanted: Option<&Wanted>) {
        let keys: &[String] = wanted.map_or(&[], |wanted| &wanted.keys);
        // Also where nothing is wanted: then no key opens anything.
        let stored = files::write_keys(&self.run, keys);
        self.tell("keys", stored.map_err(|error| error.to_string()));
        let Some(wanted) = wanted else { return std::future::pending().await };
        let host_key = self.host_key().await;
        let mut listeners = JoinSet::new();
        for address in wanted.addresses.iter().copied() {
            let (ssh, allow, host_key) = (self.clone(), wanted.allow.clone(), host_key.clone());
            listeners.spawn(async move { ssh.listen(address, &allow, &host_key).await });
        }
        while listeners.join_next().await.is_some() {}
        std::future::pending().await
    }

    /// The host key's file, made where there is none.
    async fn host_key(&self) -> PathBuf {
        loop {
            match files::host_key(&self.run, &self.store).await {
                Ok(key) => {
                    self.with(|seen| seen.host_key = key.public);
                    self.tell("host key", key.kept.map_err(|error| chain(&error)));
                    return key.path;
                }
                Err(error) => self.tell("host key", Err(error.to_string())),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn listen(&self, address: IpAddr, allow: &[Prefix], host_key: &Path) {
        let here = SocketAddr::new(address, PORT);
        let listener = loop {
            match bind(here) {
                Ok(listener) => break listener,
                Err(error) => self.tell(&here.to_string(), Err(error.to_string())),
            }
            tokio::time::sleep(RETRY).await;
        };
        self.tell(&here.to_string(), Ok(()));
        self.with(|seen| {
            seen.listens.push(here);
            seen.listens.sort_unstable();
        });
        crate::log::note(format_args!("ssh listens on {here}"));
        loop {
            match listener.accept().await {
                // The firewall has looked at this too; neither relies on the other.
                Ok((stream, peer)) if allow.iter().any(|network| network.contains(peer.ip())) => {
                    self.admit(stream, peer, host_key);
                }
                Ok((_, peer)) => crate::log::note(format_args!("ssh: {peer} is in no allowed network")),
                Err(error) => {
                    crate::log::error(format_args!("ssh on {here}: {error}"));
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, host_key: &Path) {
        let Ok(place) = Arc::clone(&self.sessions).try_acquire_owned() else {
            crate::log::note(format_args!("ssh: {peer} is one too many, there are {SESSIONS} sessions"));
            return;
        };
        match spawn(stream, host_key) {
            Ok(mut child) => {
                tokio::spawn(async move {
                    if let Err(error) = child.wait().await {
                        crate::log::error(format_args!("ssh: {peer}: {error}"));
                    }
                    drop(place);
                });
            }
            Err(error) => crate::log::error(format_args!("ssh: {SERVER}: {error}")),
        }
    }

    /// Notes a problem, or that there is none any more.
    fn tell(&self, what: &str, now: Result<(), String>) {
        let is_new = self.with(|seen| {
            let known = seen.problems.iter().position(|(known, _)| known == what);
            match (&now, known) {
                (Ok(()), Some(position)) => drop(seen.problems.remove(position)),
                (Ok(()), None) => {}
                (Err(text), Some(position)) => {
                    if let Some(problem) = seen.problems.get_mut(position) {
                        problem.1.clone_from(text);
                    }
                }
                (Err(text), None) => seen.problems.push((what.to_owned(), text.clone())),
            }
            known.is_none()
        });
        if let (true, Err(text)) = (is_new, now) {
            crate::log::note(format_args!("management: {what}: {text}"));
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends those earlier sessions that are not let in any more, first as they may end by themselves.
async fn part(way: &Way, earlier: &HashSet<i32>) {
    if *way == Way::Unknown {
        return;
    }
    for signal in [Signal::TERM, Signal::KILL] {
        tokio::time::sleep(PARTING).await;
        let (wanted, earlier) = (way.wanted().cloned(), earlier.clone());
        let ending = move || sessions::end(Path::new("/proc"), &earlier, wanted.as_ref(), signal);
        match tokio::task::spawn_blocking(ending).await {
            Ok(ended) => {
                for peer in ended {
                    crate::log::note(format_args!("ssh: the session of {peer} is let in no more and ends"));
                }
            }
            Err(error) => crate::log::error(format_args!("ssh: sessions: {error}")),
        }
    }
}

fn bind(here: SocketAddr) -> io::Result<TcpListener> {
    let socket = if here.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Sessions of before keep the port in use.
    socket.set_reuseaddr(true)?;
    socket.bind(here)?;
    socket.listen(BACKLOG)
}

/// No passwords, no root, no forwarding; only the group admin, only the session.
fn spawn(stream: TcpStream, host_key: &Path) -> io::Result<Child> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Command::new(SERVER)
        .args(["-i", "-m", "-s", "-w", "-j", "-k", "-G", "admin"])
        .args(["-K", KEEPALIVE, "-T", TRIES, "-c", SESSION, "-r"])
        .arg(host_key)
        .env_clear()
        .env("PATH", "/usr/bin:/usr/sbin")
        .current_dir("/")
        .stdin(std::os::fd::OwnedFd::from(stream))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
