//! The tree of objects on one connection: the director, and below it an object for each
//! interface, virtual router, service and real server, with typed properties.
//!
//! ```text
//! /org/mark21/Director1                                object manager, the director
//!                      /interface/outside              org.mark21.Interface1
//!                      /virtual_router/outside6        org.mark21.VirtualRouter1
//!                      /service/ftp                    org.mark21.Service1
//!                      /service/ftp/server/10_2e0_2e0_2e11   org.mark21.RealServer1
//! ```
//! [`Objects::show`] follows the feed: objects come and go, changed properties and news become
//! signals. Counters change with every packet, so their signals are bounded in rate. A connection
//! keeps no copy of what it shows: all look into the same snapshots.
//!
//! Every command is a connection of its own, and asks the director alone. So what is below it is made
//! for who asks for it ([`Wish`]): hundreds of objects take longer than the command.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mark21_api::DIRECTOR_PATH;
use mark21_api::status::Status;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::ObjectManager;
use zbus::object_server::SignalEmitter;

use crate::door::Door;
use crate::feed::{Feed, News};
use crate::service::{Caller, Director};
use crate::stream::Wish;

mod group;
mod kinds;

use group::{Group, Step};
pub(crate) use kinds::problems;
use kinds::{Interface, RealServer, Service, VirtualRouter, director_changes};

/// Between two signals of the same counters.
const COUNTERS: Duration = Duration::from_secs(5);

/// What a connection shows.
pub(crate) struct Objects {
    feed: Feed,
    snapshots: watch::Receiver<Arc<Status>>,
    news: broadcast::Receiver<News>,
    /// What the last step has shown.
    shown: Arc<Status>,
    /// When counters were told last, and which.
    counted: Option<(Instant, Arc<Status>)>,
    /// Whether there is more than the director.
    is_whole: bool,
    interfaces: Group<Interface>,
    virtual_routers: Group<VirtualRouter>,
    services: Group<Service>,
    servers: Group<RealServer>,
}

impl Objects {
    /// Puts the director into a connection that is being made.
    pub(crate) fn serve<'a>(builder: Builder<'a>, door: &Door, caller: Caller) -> (Self, Builder<'a>) {
        let feed = door.feed.clone();
        let (mut snapshots, news) = (feed.look(), feed.listen());
        let shown = Arc::clone(&snapshots.borrow_and_update());
        let objects = Self {
            snapshots,
            news,
            shown,
            counted: None,
            is_whole: false,
            interfaces: Group::default(),
            virtual_routers: Group::default(),
            services: Group::default(),
            servers: Group::default(),
            feed,
        };
        (objects, builder.serve_at(DIRECTOR_PATH, Director::new(door.clone(), caller)))
    }

    /// Makes the objects below the director.
    pub(crate) async fn complete(&mut self, connection: &Connection) -> zbus::Result<()> {
        self.is_whole = true;
        connection.object_server().at(DIRECTOR_PATH, ObjectManager).await?;
        let now = Arc::clone(&self.shown);
        self.step_below(connection, Step { before: &now, now: &now, counted: None }).await
    }

    /// Follows the feed until the connection ends; with a wish, completes the tree when it comes.
    pub(crate) async fn show(mut self, connection: &Connection, mut wish: Option<Wish>) {
        loop {
            let wished = async {
                match &mut wish {
                    Some(wish) => wish.await,
                    None => std::future::pending().await,
                }
            };
            let told = tokio::select! {
                () = connection.closed() => return,
                asked = wished => {
                    wish = None;
                    let made = self.complete(connection).await;
                    // Whoever asked waits for this, or has gone away.
                    drop(asked.map(|asked| asked.send(())));
                    made
                }
                changed = self.snapshots.changed() => match changed {
                    Ok(()) => self.step(connection).await,
                    Err(_) => return,
                },
                told = self.news.recv() => match told {
                    Ok(told) => tell(connection, told).await,
                    // Some are lost; the state itself is in the properties.
                    Err(RecvError::Lagged(_)) => Ok(()),
                    Err(RecvError::Closed) => return,
                },
            };
            if told.is_err() {
                // The peer is gone, or takes nothing: it is let go.
                return;
            }
        }
    }

    async fn step(&mut self, connection: &Connection) -> zbus::Result<()> {
        let now = Arc::clone(&self.snapshots.borrow_and_update());
        let before = std::mem::replace(&mut self.shown, Arc::clone(&now));
        let is_due = self.counted.as_ref().is_none_or(|(told, _)| told.elapsed() >= COUNTERS);
        let counted = is_due.then(|| {
            let counted = self.counted.replace((Instant::now(), Arc::clone(&now)));
            counted.map_or_else(|| Arc::clone(&before), |(_, counted)| counted)
        });
        let changes = director_changes(&before, &now);
        group::tell(connection, DIRECTOR_PATH, "org.mark21.Director1", changes).await?;
        if !self.is_whole {
            return Ok(());
        }
        self.step_below(connection, Step { before: &before, now: &now, counted: counted.as_deref() }).await
    }

    async fn step_below(&mut self, connection: &Connection, step: Step<'_>) -> zbus::Result<()> {
        self.interfaces.step(connection, &self.feed, step).await?;
        self.virtual_routers.step(connection, &self.feed, step).await?;
        self.services.step(connection, &self.feed, step).await?;
        self.servers.step(connection, &self.feed, step).await
    }
}

async fn tell(connection: &Connection, news: News) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, DIRECTOR_PATH)?;
    match news {
        News::RollbackAnnounced { generation, seconds } => {
            Director::rollback_announced(&emitter, generation, seconds).await
        }
        News::RolledBack { from, to, reason } => Director::rolled_back(&emitter, from, to, &reason).await,
        News::Committed { generation, author } => Director::committed(&emitter, generation, &author).await,
    }
}

/// Below the director. What a path may not hold is written as `_` and two hexadecimal digits, as
/// sd-bus does it (sd_bus_path_encode(3)).
fn path(parts: &[&str]) -> String {
    let mut path = DIRECTOR_PATH.to_owned();
    for part in parts {
        path.push('/');
        let is_fixed = matches!(*part, "interface" | "virtual_router" | "service" | "server");
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || (is_fixed && byte == b'_') {
                path.push(char::from(byte));
            } else {
                path.push_str(&format!("_{byte:02x}"));
            }
        }
    }
    path
}

#[cfg(test)]
mod tests;
