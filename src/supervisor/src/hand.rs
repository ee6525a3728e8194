//! What stands above the configuration for a while: weights set by an operator's hand, and
//! servers that have left the configuration but still carry sessions.
//!
//! It is kept by names and addresses, so that it outlives a change of the configuration; what no
//! longer fits is forgotten. Nothing of it survives a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use mark21_config::{Config, RealServer, Service};
use mark21_reconcile::{Draining, Observed, Overrides};

use crate::refusal::Refusal;
use crate::report;

/// A real server, as an operator names it: by its address, and its port where that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerName {
    address: IpAddr,
    port: Option<u16>,
}

impl ServerName {
    /// Whether a server with these addresses and this port is meant.
    pub(crate) fn is(self, mut addresses: impl Iterator<Item = IpAddr>, port: Option<u16>) -> bool {
        addresses.any(|address| address == self.address) && self.port.is_none_or(|named| port == Some(named))
    }
}

impl std::fmt::Display for ServerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            None => write!(f, "{}", self.address),
            Some(port) => write!(f, "{}", SocketAddr::new(self.address, port)),
        }
    }
}

impl std::str::FromStr for ServerName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if let Ok(address) = text.parse() {
            return Ok(Self { address, port: None });
        }
        let whole: SocketAddr = text.parse().map_err(|_| {
            let next = "as in 10.0.0.11, or 10.0.0.11:21; show services lists them";
            Refusal::wrong(format!("{text:?} is no address of a real server"), next)
        })?;
        Ok(Self { address: whole.ip(), port: Some(whole.port()) })
    }
}

/// By what a server is known across configurations.
type Key = (String, Vec<IpAddr>, Option<u16>);

/// The operator's hand, and what is leaving.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hand {
    weights: BTreeMap<Key, u16>,
    leaving: Vec<(String, RealServer)>,
}

impl Hand {
    /// Sets a weight, or with `None` gives the configuration's back; whether that is another than before.
    ///
    /// # Errors
    /// There is no such service or server in this configuration.
    pub(crate) fn set(
        &mut self,
        config: &Config,
        service: &str,
        server: ServerName,
        weight: Option<u16>,
    ) -> Result<bool, Refusal> {
        let (service, server) = find(config, service, server)?;
        let before = match weight {
            Some(weight) => self.weights.insert(key(service, server), weight),
            None => self.weights.remove(&key(service, server)),
        };
        Ok(before != weight)
    }

    /// What it comes to with this configuration.
    pub(crate) fn overrides(&self, config: &Config) -> Overrides {
        let mut overrides = Overrides::default();
        for (position, service) in config.services.iter().enumerate() {
            for (number, server) in config.real_servers_of(service).iter().enumerate() {
                if let Some(weight) = self.weights.get(&key(service, server)) {
                    overrides.weights.insert((position, number), *weight);
                }
            }
            let leaving = self.leaving.iter().filter(|(name, _)| *name == service.name.as_str());
            overrides
                .draining
                .extend(leaving.map(|(_, server)| Draining { service: position, server: *server }));
        }
        overrides
    }

    /// Takes note of the servers that one configuration has and the next one has not.
    pub(crate) fn leave(&mut self, from: &Config, to: &Config) {
        for service in from.services.iter() {
            let Some(kept) = to.services.iter().find(|kept| kept.name == service.name) else { continue };
            let stays: BTreeSet<Key> =
                to.real_servers_of(kept).iter().map(|server| key(kept, server)).collect();
            let gone = from.real_servers_of(service).iter();
            let gone = gone.filter(|server| !stays.contains(&key(service, server)));
            self.leaving.extend(gone.map(|server| (service.name.as_str().to_owned(), *server)));
        }
        let is_there = |name: &str, server: &RealServer| {
            let service = to.services.iter().find(|service| service.name.as_str() == name);
            service.is_some_and(|service| {
                to.real_servers_of(service).iter().any(|kept| key(service, kept) == key(service, server))
            })
        };
        self.leaving.retain(|(name, server)| !is_there(name, server));
        self.weights.retain(|(name, addresses, port), _| {
            to.services.iter().filter(|service| service.name.as_str() == name).any(|service| {
                to.real_servers_of(service)
                    .iter()
                    .any(|server| server.addresses().eq(addresses.iter().copied()) && server.port == *port)
            })
        });
    }

    /// Lets those go whose last session has ended; tells whether there were any.
    pub(crate) fn release(&mut self, config: &Config, observed: &Observed) -> bool {
        let before = self.leaving.len();
        self.leaving.retain(|(name, server)| {
            let Some(service) = config.services.iter().find(|service| service.name.as_str() == name) else {
                return false;
            };
            report::destinations(service, server, observed).any(|seen| seen.active + seen.inactive > 0)
        });
        self.leaving.len() < before
    }

    /// What an operator has set for a server; `None` when nothing.
    pub(crate) fn weight_of(&self, service: &Service, server: &RealServer) -> Option<u16> {
        self.weights.get(&key(service, server)).copied()
    }

    /// The servers that are leaving a service.
    pub(crate) fn leaving<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a RealServer> {
        let name = service.name.as_str();
        self.leaving.iter().filter(move |(of, _)| of == name).map(|(_, server)| server)
    }
}

/// A service by its name.
///
/// # Errors
/// There is none.
pub(crate) fn find_service<'a>(config: &'a Config, name: &str) -> Result<&'a Service, Refusal> {
    config.services.iter().find(|service| service.name.as_str() == name).ok_or_else(|| {
        let known: Vec<String> = config.services.iter().map(|service| service.name.to_string()).collect();
        Refusal::unknown("service", format_args!("{name:?}"), &known)
    })
}

/// The server that an operator names.
///
/// # Errors
/// There is none, or more than one.
pub(crate) fn find<'a>(
    config: &'a Config,
    service: &str,
    server: ServerName,
) -> Result<(&'a Service, &'a RealServer), Refusal> {
    let found = find_service(config, service)?;
    let servers = config.real_servers_of(found);
    let mut matching = servers.iter().filter(|known| server.is(known.addresses(), known.port));
    match (matching.next(), matching.next()) {
        (Some(server), None) => Ok((found, server)),
        (Some(first), Some(_)) => {
            let port = first.port.unwrap_or_default();
            let next = format!("name the port too, as in {}", SocketAddr::new(server.address, port));
            Err(Refusal::wrong(format!("{} is several servers of service {service:?}", server.address), next))
        }
        (None, _) => {
            let known: Vec<String> = servers
                .iter()
                .flat_map(|known| known.addresses().map(|address| spelled(address, known.port)))
                .collect();
            let what = format!("server {server} in service");
            Err(Refusal::unknown(&what, format_args!("{service:?}"), &known))
        }
    }
}

/// A server as it is named, with its port where it has one of its own.
fn spelled(address: IpAddr, port: Option<u16>) -> String {
    ServerName { address, port }.to_string()
}

fn key(service: &Service, server: &RealServer) -> Key {
    (service.name.as_str().to_owned(), server.addresses().collect(), server.port)
}
