//! The way to mark21d: peer to peer, so that it works without the bus, or over the bus.

use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::time::Duration;

use mark21_api::{DirectorProxy, refusal};
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};
use zbus::connection::Builder;

use crate::answer::Failure;
use crate::exit::Code;

/// mark21d answers within milliseconds; a plan of the largest configuration takes seconds on
/// the slowest machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Whoever listens but does not greet within this is as good as away: mark21d that is just starting.
const GREETING: Duration = Duration::from_secs(10);

/// Which way to mark21d.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Via {
    /// Peer to peer on its own socket: works without a bus.
    Socket,
    /// The system bus.
    Bus,
}

/// A connection to mark21d.
///
/// Boxed: the compiler otherwise writes all of it into each of the many commands that wait for it.
pub(crate) fn director(via: Via) -> Pin<Box<dyn Future<Output = Result<DirectorProxy<'static>, Failure>>>> {
    Box::pin(connect(via))
}

async fn connect(via: Via) -> Result<DirectorProxy<'static>, Failure> {
    let place = match via {
        Via::Socket => mark21_api::SOCKET,
        Via::Bus => "the system bus",
    };
    let unreachable = |cause: &dyn std::fmt::Display| {
        Failure::new(
            Code::Unreachable,
            format!("mark21d cannot be reached on {place}: {cause}"),
            "on a director init starts it by itself; try once more in a few seconds",
        )
    };
    let builder = match via {
        Via::Socket => {
            let stream = UnixStream::connect(mark21_api::SOCKET).map_err(|error| unreachable(&error))?;
            Builder::unix_stream(stream).p2p()
        }
        Via::Bus => Builder::system(),
    };
    let connecting = mark21_api::connect(builder.method_timeout(ANSWER_TIMEOUT));
    let greeted = tokio::time::timeout(GREETING, connecting).await;
    let connection =
        greeted.map_err(|_| unreachable(&"it does not greet"))?.map_err(|error| unreachable(&error))?;
    DirectorProxy::new(&connection, mark21_api::BUS_NAME).await.map_err(|error| unreachable(&error))
}

/// From now on Ctrl-C ends what waits for it, and never the program; in the programs that it starts
/// it does what it does by itself.
///
/// # Errors
/// The kernel takes no handler.
pub(crate) fn heed_interrupts() -> io::Result<()> {
    wait_for(async { signal(SignalKind::interrupt()).map(drop) })
}

/// Waits for an answer outside of an event loop.
pub(crate) fn wait_for<F: Future>(answer: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop of one thread needs no more than a few descriptors")
        .block_on(answer)
}

/// The answer of a call as the type that it carries.
pub(crate) fn take<T: DeserializeOwned>(answer: zbus::Result<String>) -> Result<T, Failure> {
    read(&answer.map_err(|error| called(&error))?)
}

/// A document that mark21d has answered with.
pub(crate) fn read<T: DeserializeOwned>(document: &str) -> Result<T, Failure> {
    serde_json::from_str(document).map_err(|error| {
        Failure::new(
            Code::Failed,
            format!("mark21d answered with something else: {error}"),
            "mark21 and mark21d are of different versions; reboot the box",
        )
    })
}

/// What a failed call says.
pub(crate) fn called(error: &zbus::Error) -> Failure {
    let text = match error {
        zbus::Error::MethodError(_, Some(text), _) => text.clone(),
        other => other.to_string(),
    };
    // The standard errors' names say nothing to a person.
    let text = match text.split_once(": ") {
        Some((name, text)) if name.starts_with("org.freedesktop.DBus.Error.") => text.to_owned(),
        Some(_) | None => text,
    };
    let (message, hint) = refusal::read(&text);
    Failure::new(Code::Failed, message, hint.unwrap_or("status and log tell more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_without_the_name_of_its_error() {
        let error = zbus::Error::from(zbus::fdo::Error::InvalidArgs("nothing: no such device".into()));
        assert_eq!(called(&error).message, "nothing: no such device");
    }

    #[test]
    fn what_there_is_instead_is_what_to_do_next() {
        let text = refusal::written("there is no service \"web\"", "known are: ftp, mail");
        let failure = called(&zbus::Error::from(zbus::fdo::Error::InvalidArgs(text)));
        assert_eq!(failure.message, "there is no service \"web\"");
        assert_eq!(failure.hint, "known are: ftp, mail");
    }
}
