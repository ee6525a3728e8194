//! Questions to a whole configuration: what belongs to what, and on which side an address is.

use core::net::IpAddr;

use crate::model::{Config, Interface, InterfaceIndex, Prefix, RealServer, Service, ServiceKind};

impl Config {
    /// The real servers of one service, in the order of the file.
    #[must_use]
    pub fn real_servers_of(&self, service: &Service) -> &[RealServer] {
        let first = usize::from(service.first_real_server);
        let end = first + usize::from(service.real_server_count);
        self.real_servers.get(first..end).unwrap_or_default()
    }

    /// Whether weights of real servers are all that differs, if anything does.
    #[must_use]
    pub fn is_same_but_for_weights(&self, other: &Self) -> bool {
        let Self {
            system,
            interfaces,
            routes,
            virtual_routers,
            sync_groups,
            sync,
            egress,
            allow,
            timeouts,
            management,
            time,
            syslog,
            services,
            real_servers,
        } = self;
        let same_server =
            |here: &RealServer, there: &RealServer| RealServer { weight: there.weight, ..*here } == *there;
        *system == other.system
            && *interfaces == other.interfaces
            && *routes == other.routes
            && *virtual_routers == other.virtual_routers
            && *sync_groups == other.sync_groups
            && *sync == other.sync
            && *egress == other.egress
            && *allow == other.allow
            && *timeouts == other.timeouts
            && *management == other.management
            && *time == other.time
            && *syslog == other.syslog
            && *services == other.services
            && real_servers.len() == other.real_servers.len()
            && real_servers
                .iter()
                .zip(other.real_servers.iter())
                .all(|(here, there)| same_server(here, there))
    }

    /// The interface that `index` names.
    #[must_use]
    pub fn interface(&self, index: InterfaceIndex) -> &Interface {
        &self.interfaces[usize::from(index.0)]
    }

    /// All interfaces with the index that names each.
    pub fn indexed_interfaces(&self) -> impl Iterator<Item = (InterfaceIndex, &Interface)> + Clone {
        (0u16..).map(InterfaceIndex).zip(self.interfaces.iter())
    }

    /// On which interface's side an address is: the one with the longest static or virtual
    /// prefix that holds it.
    #[must_use]
    pub fn inside_of(&self, address: IpAddr) -> Option<InterfaceIndex> {
        self.networks()
            .filter(|(_, network)| network.contains(address))
            .max_by_key(|(_, network)| network.prefix_len)
            .map(|(index, _)| index)
    }

    /// The networks that the box stands in: of static addresses, then of virtual ones. One
    /// network may be named more than once.
    pub fn networks(&self) -> impl Iterator<Item = (InterfaceIndex, Prefix)> {
        let fixed = self.indexed_interfaces().flat_map(|(index, interface)| {
            interface.addresses.iter().map(move |address| (index, address.network()))
        });
        let shared = self.virtual_routers.iter().flat_map(|router| {
            router.addresses.iter().map(move |address| (router.interface, address.network()))
        });
        fixed.chain(shared)
    }

    /// Where `[management]` listens: the addresses that this box always has on that interface,
    /// less those that a service or the link alone gives a meaning to.
    pub fn management_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let interface = self.management.as_ref().map(|management| self.interface(management.interface));
        let own = interface.into_iter().flat_map(|interface| &interface.addresses);
        own.map(|link| link.address).filter(|address| {
            let is_link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            !is_link_local && !self.services.iter().any(|service| service.addresses.contains(address))
        })
    }

    /// The port on which `server` is asked whether it works.
    ///
    /// `None` only without a check: the parser wants a port where a service has none.
    #[must_use]
    pub fn check_port(&self, service: &Service, server: &RealServer) -> Option<u16> {
        let check = service.check.as_ref()?;
        check.port.or(server.port).or(match &service.kind {
            ServiceKind::Ftp(ftp) => Some(ftp.port),
            ServiceKind::Tcp { port } | ServiceKind::Udp { port } => Some(*port),
            ServiceKind::Mark { .. } => None,
        })
    }
}
