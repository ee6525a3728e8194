//! The client's end of the director object.

use std::collections::HashMap;

use crate::dict::Dict;

/// The box as a whole.
#[zbus::proxy(interface = "org.mark21.Director1", default_path = "/org/mark21/Director1")]
pub trait Director {
    /// Everything that the box knows of itself, as one consistent snapshot: see
    /// [`Status`](crate::status::Status).
    fn status(&self) -> zbus::Result<Dict>;

    /// Reads a configuration text and tells what is wrong with it, changing nothing: see
    /// [`Verdict`](crate::status::Verdict).
    fn check(&self, text: &str) -> zbus::Result<Dict>;

    /// What applying this text would change, changing nothing: see
    /// [`PlanReport`](crate::status::PlanReport). An empty text stands for the running
    /// configuration.
    fn plan(&self, text: &str) -> zbus::Result<Dict>;

    /// The firewall's rules with their counters and causes: see
    /// [`Firewall`](crate::status::Firewall).
    fn firewall(&self) -> zbus::Result<Dict>;

    /// What the FTP servers behind a service must carry: the lines for each server program, by
    /// the program's name.
    fn server_config(&self, service: &str) -> zbus::Result<HashMap<String, String>>;

    /// Hands virtual routers over to the other box: one by its name, a sync group by its name,
    /// or `all`. Only for administrators.
    fn resign(&self, name: &str) -> zbus::Result<()>;

    /// The newest lines of the supervisor's log, oldest first.
    fn log(&self, lines: u32) -> zbus::Result<Vec<String>>;
}
