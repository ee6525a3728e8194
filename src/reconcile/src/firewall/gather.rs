//! What a configuration's services mean for one family's sets and server chains.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mark21_config::{ActiveSource, Config, Forwarding, Ftp, Passive, PortRange, Service, ServiceKind};

use super::expr::merge_ports;
use crate::context::{Context, server_address};
use crate::ipvs::{Family, Protocol};

/// Longest comment that nft takes is 128 bytes with its NUL; names are at most 32.
const NAMES_IN_A_COMMENT: usize = 2;
/// Source port of active data connections (RFC 959 section 3.2): control port less one. Servers that
/// listen elsewhere often keep 20.
const FTP_DATA: u16 = 20;

/// An address with a port.
type Endpoint = (IpAddr, u16);
/// What one real server may send of its own accord, by position of the service.
type Sends = BTreeMap<(usize, Protocol), Vec<PortRange>>;

/// All that is needed of one family.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) family: Family,
    /// Virtual address, ports, mark.
    pub(super) marks: Vec<(IpAddr, PortRange, u32)>,
    /// Marks of all services by mark, whoever sets them.
    pub(super) all_marks: BTreeSet<u32>,
    pub(super) virtual_addresses: BTreeSet<IpAddr>,
    pub(super) servers: BTreeSet<IpAddr>,
    /// Real server and source port of active data connections, to the virtual address.
    pub(super) active_sources: BTreeMap<Endpoint, IpAddr>,
    pub(super) masqueraded: BTreeSet<Endpoint>,
    /// Virtual address and source port of active data connections that IPVS knows.
    pub(super) active_replies: BTreeSet<Endpoint>,
    pub(super) ftp_names: Vec<String>,
    pub(super) marked_names: Vec<String>,
    tcp: ByAddress,
    udp: ByAddress,
    sends: BTreeMap<IpAddr, Sends>,
    service_names: Vec<String>,
}

/// Services by address of one protocol.
#[derive(Debug, Default)]
struct ByAddress {
    endpoints: BTreeSet<Endpoint>,
    names: Vec<String>,
    /// One of them is forwarded with its virtual address kept.
    direct: bool,
}

impl Gathered {
    pub(super) fn new(context: &Context<'_>, family: Family) -> Self {
        let services = &context.config.services;
        let mut gathered = Self {
            family,
            marks: Vec::new(),
            all_marks: BTreeSet::new(),
            virtual_addresses: BTreeSet::new(),
            servers: BTreeSet::new(),
            active_sources: BTreeMap::new(),
            masqueraded: BTreeSet::new(),
            active_replies: BTreeSet::new(),
            ftp_names: Vec::new(),
            marked_names: Vec::new(),
            tcp: ByAddress::default(),
            udp: ByAddress::default(),
            sends: BTreeMap::new(),
            service_names: services.iter().map(|service| service.name.to_string()).collect(),
        };
        let routers = context.config.virtual_routers.iter().flat_map(|router| &router.addresses);
        gathered.virtual_addresses.extend(routers.map(|a| a.address).filter(|a| Family::of(a) == family));
        for (position, service) in services.iter().enumerate() {
            gathered.service(context, position, service);
        }
        gathered
    }

    /// Virtual addresses and ports of a protocol.
    pub(super) fn endpoints(&self, protocol: Protocol) -> &BTreeSet<Endpoint> {
        &self.by_address(protocol).endpoints
    }

    /// Names of the services by address.
    pub(super) fn address_names(&self, protocol: Protocol) -> &[String] {
        &self.by_address(protocol).names
    }

    /// Whether packets of such a service leave with the virtual address as destination.
    pub(super) fn keeps_address(&self, protocol: Protocol) -> bool {
        self.by_address(protocol).direct
    }

    /// Each real server with the chain that knows what it may send.
    pub(super) fn chains_of_servers(&self) -> Vec<(IpAddr, String)> {
        self.sends.iter().map(|(server, sends)| (*server, self.chain_name(sends))).collect()
    }

    /// The chains of real servers with their content: protocol, source ports, comment.
    pub(super) fn server_chains(&self) -> BTreeMap<String, Vec<(Protocol, Vec<PortRange>, String)>> {
        let content = |sends: &Sends| {
            let rule = |((position, protocol), ranges): (&(usize, Protocol), &Vec<PortRange>)| {
                let cause = format!("service {}: from real servers", self.service_names[*position]);
                (*protocol, ranges.clone(), cause)
            };
            sends.iter().map(rule).collect()
        };
        self.sends.values().map(|sends| (self.chain_name(sends), content(sends))).collect()
    }

    /// `from_ftp`; servers of several services, or with ports of their own, get a chain for each
    /// such combination, named by what is in it, so that the name does not depend on other services.
    fn chain_name(&self, sends: &Sends) -> String {
        let parts = sends.iter().map(|((position, _), ranges)| {
            let name = &self.service_names[*position];
            let ports: Vec<String> = ranges.iter().map(|r| format!("{}-{}", r.first, r.last)).collect();
            (name, ports.join("_"))
        });
        let parts: Vec<_> = parts.collect();
        match &parts[..] {
            [(name, ports)] => format!("from_{name}_{ports}"),
            several => {
                let text: Vec<String> =
                    several.iter().map(|(name, ports)| format!("{name}_{ports}")).collect();
                format!("from_{}_services_{:016x}", several.len(), fnv(&text.join("+")))
            }
        }
    }

    fn by_address(&self, protocol: Protocol) -> &ByAddress {
        match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
        }
    }

    fn service(&mut self, context: &Context<'_>, position: usize, service: &Service) {
        let family = self.family;
        let addresses = service.addresses.iter().copied();
        let addresses: Vec<IpAddr> = addresses.filter(|address| Family::of(address) == family).collect();
        self.virtual_addresses.extend(&addresses);
        let by_mark_only = matches!(service.kind, ServiceKind::Mark { .. });
        let servers = context.servers(position, service);
        let servers: Vec<_> = servers
            .iter()
            .filter(|_| by_mark_only || !addresses.is_empty())
            .filter_map(|(server, _)| Some((server_address(server, family)?, server.port)))
            .collect();
        self.servers.extend(servers.iter().map(|(server, _)| server));
        let nat = service.forwarding == Forwarding::Masquerade;
        let name = service.name.to_string();
        match &service.kind {
            ServiceKind::Ftp(ftp) if !addresses.is_empty() => {
                self.ftp_names.push(name.clone());
                self.marked_names.push(name);
                self.ftp(ftp, &addresses);
                if nat {
                    for (server, _) in &servers {
                        self.ftp_server(position, ftp, *server, &addresses);
                    }
                }
            }
            ServiceKind::Ftp(_) => {}
            ServiceKind::Mark { mark } => {
                self.all_marks.insert(*mark);
                self.marked_names.push(name);
            }
            ServiceKind::Tcp { port } | ServiceKind::Udp { port } => {
                let tcp = matches!(service.kind, ServiceKind::Tcp { .. });
                let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
                let all = if tcp { &mut self.tcp } else { &mut self.udp };
                all.endpoints.extend(addresses.iter().map(|address| (*address, *port)));
                // In a family without an address of it there is no set for the rule to name.
                if !addresses.is_empty() {
                    all.direct |= service.forwarding == Forwarding::Direct;
                    all.names.push(name);
                }
                for (server, own) in servers.into_iter().filter(|_| nat) {
                    let port = own.unwrap_or(*port);
                    self.may_send(server, (position, protocol), [PortRange { first: port, last: port }]);
                }
            }
        }
    }

    fn ftp(&mut self, ftp: &Ftp, addresses: &[IpAddr]) {
        self.all_marks.insert(ftp.mark);
        let control = PortRange { first: ftp.port, last: ftp.port };
        for address in addresses {
            self.marks.push((*address, control, ftp.mark));
            self.marks.push((*address, ftp.passive_ports, ftp.mark));
            if ftp.passive == Passive::Rewrite {
                let ports = data_ports(ftp.port);
                self.active_replies.extend(ports.into_iter().map(|port| (*address, port)));
            }
        }
    }

    fn ftp_server(&mut self, position: usize, ftp: &Ftp, server: IpAddr, addresses: &[IpAddr]) {
        let data = data_ports(ftp.port);
        let single = |port| PortRange { first: port, last: port };
        let control = [single(ftp.port), ftp.passive_ports];
        let sends = control.into_iter().chain(data.iter().copied().map(single));
        self.may_send(server, (position, Protocol::Tcp), sends);
        for port in data {
            match (ftp.active, addresses.first()) {
                // Of several virtual addresses the first: the connection does not say which one its
                // client knows. The helper does know, for `rewrite` services.
                (ActiveSource::Snat, Some(address)) => {
                    self.active_sources.entry((server, port)).or_insert(*address);
                }
                (ActiveSource::Masquerade, _) => {
                    self.masqueraded.insert((server, port));
                }
                (ActiveSource::Snat, None) => {}
            }
        }
    }

    fn may_send(
        &mut self,
        server: IpAddr,
        of: (usize, Protocol),
        ranges: impl IntoIterator<Item = PortRange>,
    ) {
        let known = self.sends.entry(server).or_default().entry(of).or_default();
        known.extend(ranges);
        *known = merge_ports(known);
    }
}

/// A rule's comment: the services that caused it, and for what.
pub(super) fn cause<'a>(names: impl ExactSizeIterator<Item = &'a String>, what: &str) -> String {
    let count = names.len();
    if count > NAMES_IN_A_COMMENT {
        return format!("{count} services: {what}");
    }
    let names: Vec<&str> = names.map(String::as_str).collect();
    let plural = if count == 1 { "" } else { "s" };
    format!("service{plural} {}: {what}", names.join(", "))
}

/// The source ports of active data connections of all FTP services behind NAT.
pub(super) fn active_ports(config: &Config) -> Vec<PortRange> {
    let behind_nat = config.services.iter().filter(|service| service.forwarding == Forwarding::Masquerade);
    let ports = behind_nat.filter_map(|service| match &service.kind {
        ServiceKind::Ftp(ftp) => Some(data_ports(ftp.port)),
        ServiceKind::Tcp { .. } | ServiceKind::Udp { .. } | ServiceKind::Mark { .. } => None,
    });
    let ports: BTreeSet<u16> = ports.flatten().collect();
    ports.into_iter().map(|port| PortRange { first: port, last: port }).collect()
}

/// The source ports of a server's active data connections.
fn data_ports(control: u16) -> BTreeSet<u16> {
    [FTP_DATA, control.saturating_sub(1).max(1)].into()
}

/// FNV-1a, 64 bits: a name that is the same on every box and in every version.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
