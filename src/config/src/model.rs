//! What a configuration is once it has been read: types that cannot hold a bad value.
//!
//! The tables are flat and of fixed capacity; objects name each other by index, never by text.
//! Everything here was checked by the parser and the linter, so whoever computes from a
//! [`Config`] cannot fail. Nothing here reads text or knows its places.

use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use heapless::{String, Vec};

use crate::limits;

/// A table of a configuration: flat, of fixed capacity, on the heap.
pub type Table<T, const N: usize> = Box<Vec<T, N>>;
/// The name that the operator gave an object: letters, digits, `-`, `_` and `.`.
pub type Name = String<{ limits::NAME_BYTES }>;
/// A kernel device name.
pub type Device = String<{ limits::DEVICE_BYTES }>;

/// A host name: one DNS label.
pub type Hostname = String<{ limits::HOSTNAME_BYTES }>;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[system]`
    pub system: System,
    /// `[[interface]]`
    pub interfaces: Table<Interface, { limits::INTERFACES }>,
    /// `[[route]]`
    pub routes: Table<Route, { limits::ROUTES }>,
    /// `[[virtual_router]]`
    pub virtual_routers: Table<VirtualRouter, { limits::VIRTUAL_ROUTERS }>,
    /// `[[sync_group]]`
    pub sync_groups: Table<SyncGroup, { limits::SYNC_GROUPS }>,
    /// `[sync]`
    pub sync: Option<Sync>,
    /// `[[egress]]`
    pub egress: Table<Egress, { limits::FLOWS }>,
    /// `[[allow]]`
    pub allow: Table<Allow, { limits::FLOWS }>,
    /// `[timeouts]`
    pub timeouts: Timeouts,
    /// `[management]`; `None` is no way in from outside.
    pub management: Option<Management>,
    /// `[time]`
    pub time: Time,
    /// `[[syslog]]`
    pub syslog: Vec<SyslogServer, { limits::SYSLOG_SERVERS }>,
    /// `[[service]]`
    pub services: Table<Service, { limits::SERVICES }>,
    /// `[[service.real_server]]` of all services, those of one service side by side.
    pub real_servers: Table<RealServer, { limits::REAL_SERVERS }>,
}

/// Which entry of [`Config::interfaces`]; made by the parser only, so it always names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceIndex(pub(crate) u16);

impl InterfaceIndex {
    /// The position in [`Config::interfaces`].
    #[must_use]
    pub fn position(self) -> usize {
        usize::from(self.0)
    }
}

/// `[system]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its name.
    pub hostname: Hostname,
    /// The hash of the console's password, as crypt(5) writes SHA-256 and SHA-512 crypt; without
    /// one the console asks for a new password before it opens.
    pub password: Option<String<{ limits::PASSWORD_BYTES }>>,
    /// Resolvers for the box itself.
    pub name_servers: Vec<IpAddr, { limits::SYSTEM_SERVERS }>,
}

/// An address with the prefix length of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkAddress {
    /// The address.
    pub address: IpAddr,
    /// 0-32 for IPv4, 0-128 for IPv6.
    pub prefix_len: u8,
}

/// A network: no bit is set behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// The network's address.
    pub address: IpAddr,
    /// 0-32 for IPv4, 0-128 for IPv6.
    pub prefix_len: u8,
}

/// Ports from `first` to `last`, both included, `first <= last`, `first >= 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

/// `[[interface]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What the rest of the file calls it.
    pub name: Name,
    /// What it stands on.
    pub link: Link,
    /// Static addresses of this box, not the shared ones.
    pub addresses: Vec<LinkAddress, { limits::INTERFACE_ADDRESSES }>,
    /// Bytes; `None` leaves the device's own.
    pub mtu: Option<u16>,
    /// Clamp the MSS of forwarded TCP connections to the path's MTU.
    pub mss_clamp: bool,
}

/// What an interface stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// `device = "eth0"`
    Device(Device),
    /// `mac = "52:54:00:12:34:56"`: the permanent address of the port.
    Mac([u8; 6]),
    /// `pci = "0000:01:00.0"`
    Pci(String<12>),
    /// `vlan = { interface = "..", id = 100 }`
    Vlan {
        /// The interface below; itself no VLAN.
        parent: InterfaceIndex,
        /// 1-4094 (IEEE 802.1Q).
        id: u16,
    },
    /// `bond = { mode = "..", devices = [..] }`
    Bond {
        /// How the ports share the work.
        mode: BondMode,
        /// The ports, by device name.
        devices: Vec<Device, { limits::BOND_PORTS }>,
    },
}

/// Modes of the kernel's bonding driver that a rack has use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BondMode {
    /// LACP.
    Ieee8023ad,
    /// One port works, the others wait.
    ActiveBackup,
}

/// `[[route]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `"default"` is one of both families' `/0`, by the family of `via`.
    pub to: Prefix,
    /// Where to.
    pub via: NextHop,
    /// Preferred source address.
    pub source: Option<IpAddr>,
    /// Lower wins.
    pub metric: Option<u32>,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// `via = "192.0.2.254"`, with the interface where the gateway is link-local.
    Gateway(IpAddr, Option<InterfaceIndex>),
    /// `interface = ".."` without `via`.
    Interface(InterfaceIndex),
    /// `blackhole = true`
    Blackhole,
}

/// `[[virtual_router]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualRouter {
    /// What the rest of the file calls it.
    pub name: Name,
    /// Where it speaks.
    pub interface: InterfaceIndex,
    /// 1-255 (RFC 9568 section 5.2.3).
    pub vrid: u8,
    /// 1-255; 255 is the address owner (RFC 9568 section 5.2.4).
    pub priority: u8,
    /// 10 ms to 40.95 s, whole centiseconds (RFC 9568 section 5.2.7).
    pub advertisement_interval: Duration,
    /// All of one family; IPv6 starts with a link-local one.
    pub addresses: Vec<LinkAddress, { limits::VIRTUAL_ROUTER_ADDRESSES }>,
    /// Take over from a router with a lower priority.
    pub preempt: bool,
    /// Wait so long before preempting.
    pub preempt_delay: Duration,
    /// Unicast peers; empty means multicast.
    pub peers: Vec<IpAddr, { limits::VIRTUAL_ROUTER_PEERS }>,
}

/// `[[sync_group]]`: virtual routers that are Active or Backup together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroup {
    /// What status calls it.
    pub name: Name,
    /// Positions in [`Config::virtual_routers`].
    pub members: Vec<u16, { limits::SYNC_GROUP_MEMBERS }>,
}

/// `[sync]`: IPVS connection synchronisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Where it speaks.
    pub interface: InterfaceIndex,
    /// 0-255; both boxes the same.
    pub id: u8,
    /// The other box; only from there it is accepted.
    pub peer: IpAddr,
}

/// A transport protocol with a port, as `"udp/53"` or `"tcp/8000-8080"`; or `"icmp"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowProtocol {
    /// TCP to these ports.
    Tcp(PortRange),
    /// UDP to these ports.
    Udp(PortRange),
    /// Echo requests, ICMP and ICMPv6.
    Ping,
}

/// `[[egress]]`: what real servers may open outwards, with their address translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// The interface on whose side the real servers stand.
    pub from: InterfaceIndex,
    /// Where to; empty is anywhere.
    pub to: Vec<Prefix, { limits::PREFIXES }>,
    /// What.
    pub protocols: Vec<FlowProtocol, { limits::FLOW_PROTOCOLS }>,
    /// The source address it leaves with.
    pub snat: IpAddr,
}

/// `[[allow]]`: what is forwarded as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Where it comes in.
    pub from: InterfaceIndex,
    /// Where it goes out.
    pub to: InterfaceIndex,
    /// From which networks; empty is any.
    pub sources: Vec<Prefix, { limits::PREFIXES }>,
    /// To which networks; empty is any.
    pub destinations: Vec<Prefix, { limits::PREFIXES }>,
    /// What.
    pub protocols: Vec<FlowProtocol, { limits::FLOW_PROTOCOLS }>,
}

/// `[timeouts]`: how long IPVS keeps an idle connection. Whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP. Default 24 h: FTP control channels idle while data flows.
    pub tcp: Duration,
    /// TCP after a FIN. Default 120 s.
    pub tcp_fin: Duration,
    /// UDP. Default 300 s.
    pub udp: Duration,
}

/// `[management]`: the way in from outside, by ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// Where it listens, on [`Config::management_addresses`].
    pub interface: InterfaceIndex,
    /// From where it is let in; not empty.
    pub allow: Vec<Prefix, { limits::PREFIXES }>,
    /// Whose holders may log in, as administrators; not empty.
    pub authorized_keys: Table<SshKey, { limits::SSH_KEYS }>,
}

/// A public key as a line of OpenSSH's `authorized_keys`: type, base64, and perhaps a comment.
/// Never options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKey(pub(crate) String<{ limits::SSH_KEY_BYTES }>);

impl SshKey {
    /// The line, without its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `[time]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// NTP servers; empty leaves the clock alone.
    pub servers: Vec<IpAddr, { limits::SYSTEM_SERVERS }>,
}

/// `[[syslog]]`: where log lines go (RFC 5424).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyslogServer {
    /// The server.
    pub address: IpAddr,
    /// How they travel.
    pub protocol: SyslogProtocol,
    /// The server's port.
    pub port: u16,
}

/// How log lines travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyslogProtocol {
    /// One datagram a line (RFC 5426).
    Udp,
    /// A stream with octet counting (RFC 6587 section 3.4.1).
    Tcp,
}

/// `[[service]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What the rest of the file calls it.
    pub name: Name,
    /// What it balances, with what only that kind has.
    pub kind: ServiceKind,
    /// Virtual addresses; all may be of one family. Empty for `kind = "mark"`.
    pub addresses: Vec<IpAddr, { limits::SERVICE_ADDRESSES }>,
    /// How a server is chosen.
    pub scheduler: Scheduler,
    /// Whole seconds; `None` is not persistent.
    pub persistence: Option<Duration>,
    /// How packets reach the servers.
    pub forwarding: Forwarding,
    /// How its real servers are checked; `None` keeps their weights as they are written.
    pub check: Option<Check>,
    pub(crate) first_real_server: u16,
    pub(crate) real_server_count: u16,
}

impl Service {
    /// The firewall mark by which IPVS knows it; `None` for a service by address.
    #[must_use]
    pub fn mark(&self) -> Option<u32> {
        match &self.kind {
            ServiceKind::Ftp(ftp) => Some(ftp.mark),
            ServiceKind::Mark { mark } => Some(*mark),
            ServiceKind::Tcp { .. } | ServiceKind::Udp { .. } => None,
        }
    }
}

/// What a service balances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// `kind = "ftp"`: control and data connections under one mark.
    Ftp(Ftp),
    /// `kind = "tcp"`
    Tcp {
        /// The virtual port.
        port: u16,
    },
    /// `kind = "udp"`
    Udp {
        /// The virtual port.
        port: u16,
    },
    /// `kind = "mark"`: whatever the operator's `extra.nft` marks so.
    Mark {
        /// Not 0.
        mark: u32,
    },
}

/// What only an FTP service has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ftp {
    /// The control port.
    pub port: u16,
    /// Not 0.
    pub mark: u32,
    /// Who puts the virtual address into the passive reply.
    pub passive: Passive,
    /// Where passive data connections go.
    pub passive_ports: PortRange,
    /// How the servers' active data connections are translated.
    pub active: ActiveSource,
    /// What the servers do about TLS.
    pub tls: Tls,
}

/// Who puts the virtual address into the reply to PASV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passive {
    /// `ip_vs_ftp`, on the director.
    Rewrite,
    /// The FTP server itself.
    Server,
}

/// The source address of active data connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveSource {
    /// The virtual address: what clients and their firewalls expect.
    Snat,
    /// The director's own address on the way out, as the older manuals have it.
    Masquerade,
}

/// What the FTP servers do about TLS (RFC 4217).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Off,
    /// Explicit TLS where the client asks.
    Allowed,
    /// Explicit TLS always.
    Required,
}

/// `IPVS_FWD_METHOD` of a service's real servers (linux/ip_vs.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// NAT: replies come back through the director.
    Masquerade,
    /// Direct routing.
    Direct,
    /// IP in IP.
    Tunnel,
}

/// Schedulers that the image ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections.
    Wlc,
    /// Source hashing.
    Sh,
    /// Destination hashing.
    Dh,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// Maglev hashing.
    Mh,
}

/// `[[service.real_server]]`: one machine, with an address in each family that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Its IPv4 address. At least one of the two is there.
    pub v4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub v6: Option<Ipv6Addr>,
    /// The port on the server; `None` is the one that the client asked for. Always `None`
    /// in a service by mark.
    pub port: Option<u16>,
    /// 0-65535; 0 takes no new connections.
    pub weight: u16,
}

impl RealServer {
    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        self.v4.map(IpAddr::V4).into_iter().chain(self.v6.map(IpAddr::V6))
    }
}

/// `[service.check]`: how one real server is asked whether it works, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What counts as an answer.
    pub kind: CheckKind,
    /// The port that is asked; `None` is the one that the service's traffic goes to on that
    /// server ([`Config::check_port`]).
    pub port: Option<u16>,
    /// From the start of one attempt to the start of the next. 100 ms to 1 h.
    pub interval: Duration,
    /// How long one attempt may take; not longer than `interval`. 100 ms to 1 min.
    pub timeout: Duration,
    /// So many failures in a row take a server out. 1-10.
    pub down_after: u8,
    /// So many successes in a row bring it back. 1-10.
    pub up_after: u8,
}

/// What a health check takes for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// The greeting `220` on the control port (RFC 959 section 5.4).
    Ftp,
    /// An accepted connection.
    Tcp,
}
