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
//! signals. Counters change with every packet, so their signals are bounded in rate.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mark21_api::DIRECTOR_PATH;
use mark21_api::status::Status;
use tokio::sync::broadcast::error::RecvError;
use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::ObjectManager;
use zbus::object_server::SignalEmitter;

use crate::door::Door;
use crate::feed::{Feed, News};
use crate::service::{Caller, Director};

mod group;
mod kinds;

use group::Group;
use kinds::{DirectorState, Interface, RealServer, Server, Service, VirtualRouter};

/// Between two signals of the same counters.
const COUNTERS: Duration = Duration::from_secs(5);

/// Real servers beyond which a connection of the own socket shows none of them: an object costs
/// 5 kB and, emulated, half a millisecond, and a command that asks for status pays for all.
const LARGE_FARM: usize = 256;

/// Which real servers a connection shows as objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Servers {
    /// All: on the system bus, where they are made once.
    #[default]
    All,
    /// None where there are very many: on the own socket, where each command is a connection.
    OfSmallFarms,
}

/// What a connection shows.
#[derive(Default)]
pub(crate) struct Objects {
    director: DirectorState,
    interfaces: Group<Interface>,
    virtual_routers: Group<VirtualRouter>,
    services: Group<Service>,
    servers: Group<RealServer>,
    which: Servers,
    /// When counters were told last.
    counted: Option<Instant>,
}

impl Objects {
    /// Puts the objects of the newest snapshot into a connection that is being made.
    pub(crate) fn serve<'a>(
        builder: Builder<'a>,
        door: &Door,
        caller: Caller,
        which: Servers,
    ) -> (Self, Builder<'a>) {
        let mut objects = Self { which, ..Self::default() };
        let status = door.feed.latest();
        let builder = builder
            .serve_at(DIRECTOR_PATH, Director::new(door.clone(), caller))
            .serve_at(DIRECTOR_PATH, ObjectManager);
        let builder = objects.interfaces.serve(builder, interfaces(&status));
        let builder = objects.virtual_routers.serve(builder, virtual_routers(&status));
        let builder = objects.services.serve(builder, services(&status));
        let builder = objects.servers.serve(builder, shown_servers(&status, which));
        objects.director = DirectorState::of(&status);
        (objects, builder)
    }

    /// Follows the feed until the connection ends.
    pub(crate) async fn show(mut self, connection: &Connection, feed: &Feed) {
        let mut shown = feed.look();
        let mut news = feed.listen();
        loop {
            let told = tokio::select! {
                () = connection.closed() => return,
                changed = shown.changed() => match changed {
                    Ok(()) => {
                        let status = shown.borrow_and_update().clone();
                        self.step(connection, &status).await
                    }
                    Err(_) => return,
                },
                told = news.recv() => match told {
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

    async fn step(&mut self, connection: &Connection, status: &Status) -> zbus::Result<()> {
        let counters_due = self.counted.is_none_or(|counted| counted.elapsed() >= COUNTERS);
        if counters_due {
            self.counted = Some(Instant::now());
        }
        let director = DirectorState::of(status);
        let changes = self.director.changes(&director);
        self.director = director;
        group::tell(connection, DIRECTOR_PATH, "org.mark21.Director1", changes).await?;
        self.interfaces.step(connection, interfaces(status), counters_due).await?;
        self.virtual_routers.step(connection, virtual_routers(status), counters_due).await?;
        self.services.step(connection, services(status), counters_due).await?;
        self.servers.step(connection, shown_servers(status, self.which), counters_due).await
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

fn interfaces(status: &Status) -> BTreeMap<String, mark21_api::status::Interface> {
    let all = status.interfaces.iter();
    all.map(|interface| (path(&["interface", &interface.name]), interface.clone())).collect()
}

fn virtual_routers(status: &Status) -> BTreeMap<String, mark21_api::status::VirtualRouter> {
    let all = status.virtual_routers.iter();
    all.map(|router| (path(&["virtual_router", &router.name]), router.clone())).collect()
}

fn services(status: &Status) -> BTreeMap<String, mark21_api::status::Service> {
    let without_servers = |service: &mark21_api::status::Service| mark21_api::status::Service {
        name: service.name.clone(),
        kind: service.kind.clone(),
        addresses: service.addresses.clone(),
        mark: service.mark,
        passive: service.passive.clone(),
        real_servers: Vec::new(),
    };
    let all = status.services.iter();
    all.map(|service| (path(&["service", &service.name]), without_servers(service))).collect()
}

fn shown_servers(status: &Status, which: Servers) -> BTreeMap<String, Server> {
    let count: usize = status.services.iter().map(|service| service.real_servers.len()).sum();
    if which == Servers::OfSmallFarms && count > LARGE_FARM {
        return BTreeMap::new();
    }
    let all = status
        .services
        .iter()
        .flat_map(|service| service.real_servers.iter().map(move |server| (service.name.as_str(), server)));
    all.map(|(service, server)| {
        let server = Server { service: service.to_owned(), server: server.clone() };
        (path(&["service", service, "server", &server.server.address]), server)
    })
    .collect()
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
