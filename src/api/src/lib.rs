//! The D-Bus interface of a Mark21 director, for both of its ends.
//!
//! `mark21d` serves one interface on two transports: peer to peer on [`SOCKET`], and on the
//! system bus. What a call answers, if it is more than a few values, is one JSON document, written
//! once and handed on as it is: the state of thousands of servers as D-Bus values took six times as
//! long. Options are `a{sv}`. Either way a field can be added without a new version of the name; the
//! types are in [`status`].
#![forbid(unsafe_code)]

mod director;
pub mod lines;
pub mod refusal;
pub mod status;
pub mod verdict;

use std::pin::Pin;

use zbus::Connection;
use zbus::connection::Builder;

pub use director::DirectorProxy;

/// The well-known name on the system bus.
pub const BUS_NAME: &str = "org.mark21.Director1";
/// Members of [`BUS_NAME`]'s interface that everybody on the box may call: they change nothing and
/// tell no secret. All others are for root and the group `admin`.
pub const READING: &[&str] = &["Status", "Check", "Plan", "Firewall", "ServerConfig", "Log", "Generations"];
/// The object that stands for the box.
pub const DIRECTOR_PATH: &str = "/org/mark21/Director1";
/// Where the interface is served peer to peer.
pub const SOCKET: &str = "/run/mark21/api.sock";

/// The connection that `builder` describes. Every end is made here: the library's code for it is
/// large, and would be in the file once for each place that waits for it.
///
/// # Errors
/// What the library says: the other end does not answer, or refuses.
pub fn connect(builder: Builder<'static>) -> Pin<Box<dyn Future<Output = zbus::Result<Connection>> + Send>> {
    Box::pin(builder.build())
}
