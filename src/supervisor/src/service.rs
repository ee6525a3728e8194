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
use mark21_api::status::{Finding, Firewall, PlanReport, Status, Verdict};
use mark21_config::Config;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use zbus::connection::Builder;
use zbus::{Connection, Guid, fdo};

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
pub(crate) fn listen(socket: &Path, requests: Requests) -> io::Result<()> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666))?;
    tokio::spawn(accept(listener, requests));
    Ok(())
}

async fn accept(listener: UnixListener, requests: Requests) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let requests = requests.clone();
                tokio::spawn(async move {
                    let served = tokio::time::timeout(HANDSHAKE, serve(stream, requests)).await;
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

async fn serve(stream: tokio::net::UnixStream, requests: Requests) -> zbus::Result<Connection> {
    let stream: UnixStream = stream.into_std().map_err(|error| zbus::Error::InputOutput(Arc::new(error)))?;
    Builder::unix_stream(stream)
        .server(Guid::generate())
        .p2p()
        .serve_at(mark21_api::DIRECTOR_PATH, Director::new(requests))
        .build()
        .await
}

/// The box as a whole, as the interface sees it.
pub(crate) struct Director {
    requests: Requests,
}

#[zbus::interface(name = "org.mark21.Director1")]
impl Director {
    async fn status(&self) -> fdo::Result<Dict> {
        let (answer, status) = oneshot::channel();
        self.ask(Request::Status(answer)).await?;
        to_dict(&status.await.map_err(|_| stopping())?)
    }

    #[expect(clippy::unused_self, reason = "the interface macro wants a method")]
    fn check(&self, text: &str) -> fdo::Result<Dict> {
        to_dict(&check(text))
    }

    async fn plan(&self, text: &str) -> fdo::Result<Dict> {
        let config = if text.is_empty() {
            None
        } else {
            let parsed = mark21_config::parse(text);
            Some(parsed.map_err(|findings| fdo::Error::InvalidArgs(findings.to_string()))?.config)
        };
        let (answer, plan) = oneshot::channel();
        self.ask(Request::Plan(config, answer)).await?;
        let plan = plan.await.map_err(|_| stopping())?;
        to_dict(&plan.map_err(fdo::Error::Failed)?)
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
    pub(crate) fn new(requests: Requests) -> Self {
        Self { requests }
    }

    async fn ask(&self, request: Request) -> fdo::Result<()> {
        self.requests.send(request).await.map_err(|_| stopping())
    }
}

fn stopping() -> fdo::Error {
    fdo::Error::Failed("mark21d is stopping".to_owned())
}

fn to_dict<T: serde::Serialize>(value: &T) -> fdo::Result<Dict> {
    dict::to_dict(value).map_err(|error| fdo::Error::Failed(error.to_string()))
}

fn check(text: &str) -> Verdict {
    let (accepted, findings) = match mark21_config::parse(text) {
        Ok(parsed) => (true, parsed.warnings),
        Err(findings) => (false, findings),
    };
    let listed = findings.listed().iter().map(|finding| Finding {
        severity: finding.severity.to_string(),
        line: finding.line as u64,
        column: finding.column as u64,
        field: finding.field.clone(),
        given: finding.given.clone(),
        allowed: finding.allowed.clone(),
        reason: finding.reason.clone(),
        mend: finding.mend.clone(),
    });
    Verdict {
        accepted,
        findings: listed.collect(),
        unlisted: findings.omitted() as u64,
        rendered: findings.render(text, "configuration").to_string(),
    }
}
