//! The D-Bus service: who may connect, and the objects that answer.
//!
//! A call that needs the kernel or the running configuration is a [`Request`] to the runtime,
//! which answers on the channel that comes with it. Nothing here decides anything.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mark21_api::dict::{self, Dict};
use mark21_api::status::{Firewall, PlanReport, Status};
use mark21_api::verdict;
use mark21_config::Config;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use zbus::connection::Builder;
use zbus::{Connection, Guid, fdo};

use crate::companion::Companion;

/// Requests that wait for the runtime; a caller beyond them waits for its turn.
const REQUESTS: usize = 16;
/// Connections served at a time; one beyond them waits in the kernel's queue.
const CONNECTIONS: usize = 32;
/// A client that does not finish its handshake in this time is cut off.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Log lines handed out in one call at most.
const LOG_LINES: u32 = 1000;

/// What the runtime is asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// The whole status.
    Status(oneshot::Sender<Status>),
    /// The changes that lead to this configuration, or to the running one.
    Plan(Option<Box<Config>>, oneshot::Sender<Result<PlanReport, String>>),
    /// The firewall's rules with their counters.
    Firewall(oneshot::Sender<Result<Firewall, String>>),
    /// What the FTP servers behind this service must carry, by program.
    ServerConfig(String, oneshot::Sender<Result<HashMap<String, String>, String>>),
}

/// Where requests are put.
pub(crate) type Requests = mpsc::Sender<Request>;

/// A queue of requests with its bound.
pub(crate) fn queue() -> (Requests, mpsc::Receiver<Request>) {
    mpsc::channel(REQUESTS)
}

/// Serves the interface peer to peer on a socket that everybody on the box may open.
///
/// # Errors
/// The socket cannot be made.
pub(crate) fn listen(socket: &Path, requests: Requests, companion: Companion) -> io::Result<()> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666))?;
    tokio::spawn(accept(listener, requests, companion));
    Ok(())
}

async fn accept(listener: UnixListener, requests: Requests, companion: Companion) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let director = Director::new(requests.clone(), companion.clone(), caller(&stream));
                tokio::spawn(async move {
                    let served = tokio::time::timeout(HANDSHAKE, serve(stream, director)).await;
                    if let Ok(Ok(connection)) = served {
                        connection.closed().await;
                    }
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: waiting is all that helps.
                crate::log::error(format_args!("a client could not be let in: {error}"));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve(stream: tokio::net::UnixStream, director: Director) -> zbus::Result<Connection> {
    let stream: UnixStream = stream.into_std().map_err(|error| zbus::Error::InputOutput(Arc::new(error)))?;
    Builder::unix_stream(stream)
        .server(Guid::generate())
        .p2p()
        .serve_at(mark21_api::DIRECTOR_PATH, director)
        .build()
        .await
}

/// By the peer's credentials, which the kernel vouches for (unix(7), SO_PEERCRED).
fn caller(stream: &tokio::net::UnixStream) -> Caller {
    let admins = group_id(&fs::read_to_string("/etc/group").unwrap_or_default(), "admin");
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == 0 || Some(peer.gid()) == admins => Caller::Admin,
        Ok(_) | Err(_) => Caller::Reader,
    }
}

/// The number of a group in the text of /etc/group (group(5)).
fn group_id(text: &str, name: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

/// The box as a whole, as the interface sees it.
pub(crate) struct Director {
    requests: Requests,
    companion: Companion,
    caller: Caller,
}

/// What the caller of a method may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Read.
    Reader,
    /// Read and change: root, the group `admin`, or whom the bus's policy let through.
    Admin,
}

#[zbus::interface(name = "org.mark21.Director1")]
impl Director {
    async fn status(&self) -> fdo::Result<Dict> {
        let (answer, status) = oneshot::channel();
        self.ask(Request::Status(answer)).await?;
        to_dict(&status.await.map_err(|_| stopping())?)
    }

    async fn check(&self, text: &str) -> fdo::Result<Dict> {
        let text = text.to_owned();
        to_dict(&beside(move || verdict::check(text.as_bytes(), "configuration").0).await?)
    }

    async fn plan(&self, text: &str) -> fdo::Result<Dict> {
        let config = if text.is_empty() {
            None
        } else {
            let text = text.to_owned();
            let parsed = beside(move || mark21_config::parse(&text)).await?;
            Some(parsed.map_err(|findings| fdo::Error::InvalidArgs(findings.to_string()))?.config)
        };
        let (answer, plan) = oneshot::channel();
        self.ask(Request::Plan(config, answer)).await?;
        let plan = plan.await.map_err(|_| stopping())?;
        to_dict(&plan.map_err(fdo::Error::Failed)?)
    }

    async fn resign(&self, name: &str) -> fdo::Result<()> {
        self.require_admin()?;
        self.companion.resign(name).await.map_err(|error| fdo::Error::Failed(error.to_string()))
    }

    async fn firewall(&self) -> fdo::Result<Dict> {
        let (answer, rules) = oneshot::channel();
        self.ask(Request::Firewall(answer)).await?;
        to_dict(&rules.await.map_err(|_| stopping())?.map_err(fdo::Error::Failed)?)
    }

    async fn server_config(&self, service: &str) -> fdo::Result<HashMap<String, String>> {
        let (answer, lines) = oneshot::channel();
        self.ask(Request::ServerConfig(service.to_owned(), answer)).await?;
        lines.await.map_err(|_| stopping())?.map_err(fdo::Error::InvalidArgs)
    }

    #[expect(clippy::unused_self, reason = "the interface macro wants a method")]
    fn log(&self, lines: u32) -> Vec<String> {
        crate::log::newest(usize::try_from(lines.min(LOG_LINES)).unwrap_or(usize::MAX))
    }
}

impl Director {
    pub(crate) fn new(requests: Requests, companion: Companion, caller: Caller) -> Self {
        Self { requests, companion, caller }
    }

    fn require_admin(&self) -> fdo::Result<()> {
        match self.caller {
            Caller::Admin => Ok(()),
            Caller::Reader => {
                Err(fdo::Error::AccessDenied("only root and the group admin may do this".into()))
            }
        }
    }

    async fn ask(&self, request: Request) -> fdo::Result<()> {
        self.requests.send(request).await.map_err(|_| stopping())
    }
}

/// Reads a text beside the event loop: a mebibyte of nonsense takes seconds, and the loop has to
/// turn meanwhile. One at a time, whoever asks.
async fn beside<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> fdo::Result<T> {
    static TURN: Semaphore = Semaphore::const_new(1);
    let turn = TURN.acquire().await.map_err(|_| stopping())?;
    let done = tokio::task::spawn_blocking(read).await.map_err(|error| fdo::Error::Failed(error.to_string()));
    drop(turn);
    done
}

fn stopping() -> fdo::Error {
    fdo::Error::Failed("mark21d is stopping".to_owned())
}

fn to_dict<T: serde::Serialize>(value: &T) -> fdo::Result<Dict> {
    dict::to_dict(value).map_err(|error| fdo::Error::Failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let text = "root:x:0:\nadministrators:x:7:\nadmin:x:1000:\n";
        assert_eq!(group_id(text, "admin"), Some(1000));
        assert_eq!(group_id(text, "adm"), None);
        assert_eq!(group_id("admin\nadmin:x:", "admin"), None);
    }
}
