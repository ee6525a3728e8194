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
    interfaces: Group<Interface>,
    virtual_routers: Group<VirtualRouter>,
    services: Group<Service>,
    servers: Group<RealServer>,
}

impl Objects {
    /// Puts the objects of the newest snapshot into a connection that is being made.
    pub(crate) fn serve<'a>(builder: Builder<'a>, door: &Door, caller: Caller) -> (Self, Builder<'a>) {
        let feed = door.feed.clone();
        let (mut snapshots, news) = (feed.look(), feed.listen());
        let shown = Arc::clone(&snapshots.borrow_and_update());
        let mut objects = Self {
            snapshots,
            news,
            shown: Arc::clone(&shown),
            counted: None,
            interfaces: Group::default(),
            virtual_routers: Group::default(),
            services: Group::default(),
            servers: Group::default(),
            feed,
        };
        let feed = &door.feed;
        let builder = builder
            .serve_at(DIRECTOR_PATH, Director::new(door.clone(), caller))
            .serve_at(DIRECTOR_PATH, ObjectManager);
        let builder = objects.interfaces.serve(builder, feed, &shown);
        let builder = objects.virtual_routers.serve(builder, feed, &shown);
        let builder = objects.services.serve(builder, feed, &shown);
        let builder = objects.servers.serve(builder, feed, &shown);
        (objects, builder)
    }

    /// Follows the feed until the connection ends.
    pub(crate) async fn show(mut self, connection: &Connection) {
        loop {
            let told = tokio::select! {
                () = connection.closed() => return,
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
        let step = Step { before: &before, now: &now, counted: counted.as_deref() };
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
