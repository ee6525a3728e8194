//! Every capacity of a configuration, and why it is that large.
//!
//! A table that overflows is reported with its place and the limit named here.

/// Longest configuration text in bytes. The largest legal one (4096 real servers with two
/// addresses and a comment each) is about half of it; more is a wrong file, not a large one.
pub const TEXT_BYTES: usize = 1 << 20;
/// Longest name of an object and longest device name that is not a kernel one.
pub const NAME_BYTES: usize = 32;
/// Longest host name: one DNS label (RFC 1123 section 2.1).
pub const HOSTNAME_BYTES: usize = 63;
/// Longest password hash: SHA-512 crypt with seven digits of rounds and 16 of salt has 121.
pub const PASSWORD_BYTES: usize = 128;
/// Most rounds of a password hash: a second or two on the slowest machine, whose console would
/// be shut by more.
pub const PASSWORD_ROUNDS: u32 = 1_000_000;
/// Longest kernel device name: IFNAMSIZ less its NUL (linux/if.h).
pub const DEVICE_BYTES: usize = 15;
/// Interfaces: what a router board has ports, with VLANs on top.
pub const INTERFACES: usize = 16;
/// Static addresses on one interface.
pub const INTERFACE_ADDRESSES: usize = 16;
/// Ports in one bond: LACP's own practical limit of active links is eight.
pub const BOND_PORTS: usize = 8;
/// Static routes.
pub const ROUTES: usize = 256;
/// Virtual routers over all interfaces and both families.
pub const VIRTUAL_ROUTERS: usize = 64;
/// Addresses of one virtual router. RFC 9568 section 5.2.5 allows 255; 32 of IPv6 fill half an
/// Ethernet frame, and an appliance with more uses several virtual routers.
pub const VIRTUAL_ROUTER_ADDRESSES: usize = 32;
/// Unicast peers of one virtual router.
pub const VIRTUAL_ROUTER_PEERS: usize = 4;
/// Sync groups.
pub const SYNC_GROUPS: usize = 16;
/// Members of one sync group: all virtual routers may be in one.
pub const SYNC_GROUP_MEMBERS: usize = VIRTUAL_ROUTERS;
/// `[[egress]]` and `[[allow]]` entries, each.
pub const FLOWS: usize = 64;
/// Protocols named by one flow.
pub const FLOW_PROTOCOLS: usize = 16;
/// Prefixes named by one flow or by `[management]`.
pub const PREFIXES: usize = 16;
/// Services.
pub const SERVICES: usize = 256;
/// Virtual addresses of one service: two families, and a second provider's.
pub const SERVICE_ADDRESSES: usize = 4;
/// Real servers over all services.
pub const REAL_SERVERS: usize = 4096;
/// Control ports that `ip_vs_ftp` takes (`IP_VS_APP_MAX_PORTS`, net/ip_vs.h).
pub const HELPER_PORTS: usize = 8;
/// Name servers, NTP servers and syslog servers, each.
pub const SYSTEM_SERVERS: usize = 4;
/// Syslog servers.
pub const SYSLOG_SERVERS: usize = 2;
/// Keys that may log in over ssh.
pub const SSH_KEYS: usize = 16;
/// Longest line of an ssh key: RSA with 4096 bits has 720 bytes of base64, a comment follows.
pub const SSH_KEY_BYTES: usize = 1024;
/// Findings printed for one file; the rest are counted.
pub const FINDINGS: usize = 50;
