//! The numbers of the kernel's `include/uapi/linux/ip_vs.h`, under the kernel's names.
//!
//! The only place in this crate where those spellings occur. Everything here is
//! stable kernel interface: numbers are added, never changed.

/// Name under which the family is registered with the generic netlink controller.
pub const IPVS_GENL_NAME: &str = "IPVS";
/// Version of the family's interface.
pub const IPVS_GENL_VERSION: u8 = 1;

/// Adds a service; also the command in which services are reported.
pub const IPVS_CMD_NEW_SERVICE: u8 = 1;
/// Changes a service.
pub const IPVS_CMD_SET_SERVICE: u8 = 2;
/// Deletes a service and its destinations.
pub const IPVS_CMD_DEL_SERVICE: u8 = 3;
/// Asks for one service, or dumps all.
pub const IPVS_CMD_GET_SERVICE: u8 = 4;
/// Adds a destination; also the command in which destinations are reported.
pub const IPVS_CMD_NEW_DEST: u8 = 5;
/// Changes a destination.
pub const IPVS_CMD_SET_DEST: u8 = 6;
/// Deletes a destination.
pub const IPVS_CMD_DEL_DEST: u8 = 7;
/// Dumps the destinations of one service.
pub const IPVS_CMD_GET_DEST: u8 = 8;
/// Starts a synchronisation daemon; also the command in which they are reported.
pub const IPVS_CMD_NEW_DAEMON: u8 = 9;
/// Stops a synchronisation daemon.
pub const IPVS_CMD_DEL_DAEMON: u8 = 10;
/// Dumps the synchronisation daemons.
pub const IPVS_CMD_GET_DAEMON: u8 = 11;
/// Sets timeouts; also the command in which they are reported.
pub const IPVS_CMD_SET_CONFIG: u8 = 12;
/// Asks for the timeouts.
pub const IPVS_CMD_GET_CONFIG: u8 = 13;
/// Only occurs as the answer to [`IPVS_CMD_GET_INFO`].
pub const IPVS_CMD_SET_INFO: u8 = 14;
/// Asks for the version and the size of the connection table.
pub const IPVS_CMD_GET_INFO: u8 = 15;
/// Zeroes the counters of one service, or all counters.
pub const IPVS_CMD_ZERO: u8 = 16;
/// Deletes all services.
pub const IPVS_CMD_FLUSH: u8 = 17;

/// Top level: a nested service.
pub const IPVS_CMD_ATTR_SERVICE: u16 = 1;
/// Top level: a nested destination.
pub const IPVS_CMD_ATTR_DEST: u16 = 2;
/// Top level: a nested synchronisation daemon.
pub const IPVS_CMD_ATTR_DAEMON: u16 = 3;
/// Top level: u32, seconds.
pub const IPVS_CMD_ATTR_TIMEOUT_TCP: u16 = 4;
/// Top level: u32, seconds.
pub const IPVS_CMD_ATTR_TIMEOUT_TCP_FIN: u16 = 5;
/// Top level: u32, seconds.
pub const IPVS_CMD_ATTR_TIMEOUT_UDP: u16 = 6;

/// u16, `AF_INET` or `AF_INET6`.
pub const IPVS_SVC_ATTR_AF: u16 = 1;
/// u16, a protocol number of IP.
pub const IPVS_SVC_ATTR_PROTOCOL: u16 = 2;
/// 16 bytes, of which an IPv4 address takes the first four.
pub const IPVS_SVC_ATTR_ADDR: u16 = 3;
/// u16 in network byte order.
pub const IPVS_SVC_ATTR_PORT: u16 = 4;
/// u32, in place of protocol, address and port.
pub const IPVS_SVC_ATTR_FWMARK: u16 = 5;
/// NUL-terminated.
pub const IPVS_SVC_ATTR_SCHED_NAME: u16 = 6;
/// Two u32: flags, and which of them are meant.
pub const IPVS_SVC_ATTR_FLAGS: u16 = 7;
/// u32, seconds of persistence.
pub const IPVS_SVC_ATTR_TIMEOUT: u16 = 8;
/// IPv4: netmask in network byte order. IPv6: prefix length as u32 in host byte order.
pub const IPVS_SVC_ATTR_NETMASK: u16 = 9;
/// Nested, 32-bit counters.
pub const IPVS_SVC_ATTR_STATS: u16 = 10;
/// NUL-terminated name of the persistence engine.
pub const IPVS_SVC_ATTR_PE_NAME: u16 = 11;
/// Nested, 64-bit counters (Linux 4.1).
pub const IPVS_SVC_ATTR_STATS64: u16 = 12;

/// 16 bytes, of which an IPv4 address takes the first four.
pub const IPVS_DEST_ATTR_ADDR: u16 = 1;
/// u16 in network byte order.
pub const IPVS_DEST_ATTR_PORT: u16 = 2;
/// u32.
pub const IPVS_DEST_ATTR_FWD_METHOD: u16 = 3;
/// u32, which the kernel takes for a signed number.
pub const IPVS_DEST_ATTR_WEIGHT: u16 = 4;
/// u32.
pub const IPVS_DEST_ATTR_U_THRESH: u16 = 5;
/// u32.
pub const IPVS_DEST_ATTR_L_THRESH: u16 = 6;
/// u32.
pub const IPVS_DEST_ATTR_ACTIVE_CONNS: u16 = 7;
/// u32.
pub const IPVS_DEST_ATTR_INACT_CONNS: u16 = 8;
/// u32.
pub const IPVS_DEST_ATTR_PERSIST_CONNS: u16 = 9;
/// Nested, 32-bit counters.
pub const IPVS_DEST_ATTR_STATS: u16 = 10;
/// u16; absent before Linux 3.18: the service's family.
pub const IPVS_DEST_ATTR_ADDR_FAMILY: u16 = 11;
/// Nested, 64-bit counters (Linux 4.1).
pub const IPVS_DEST_ATTR_STATS64: u16 = 12;
/// u8 (Linux 5.2).
pub const IPVS_DEST_ATTR_TUN_TYPE: u16 = 13;
/// u16 in network byte order (Linux 5.2).
pub const IPVS_DEST_ATTR_TUN_PORT: u16 = 14;
/// u16 (Linux 5.3).
pub const IPVS_DEST_ATTR_TUN_FLAGS: u16 = 15;

/// u32, [`IP_VS_STATE_MASTER`] or [`IP_VS_STATE_BACKUP`].
pub const IPVS_DAEMON_ATTR_STATE: u16 = 1;
/// NUL-terminated.
pub const IPVS_DAEMON_ATTR_MCAST_IFN: u16 = 2;
/// u32, of which the protocol carries eight bits.
pub const IPVS_DAEMON_ATTR_SYNC_ID: u16 = 3;
/// u16, bytes.
pub const IPVS_DAEMON_ATTR_SYNC_MAXLEN: u16 = 4;
/// 4 bytes in network byte order.
pub const IPVS_DAEMON_ATTR_MCAST_GROUP: u16 = 5;
/// 16 bytes in network byte order.
pub const IPVS_DAEMON_ATTR_MCAST_GROUP6: u16 = 6;
/// u16 in *host* byte order, unlike every other port of the family.
pub const IPVS_DAEMON_ATTR_MCAST_PORT: u16 = 7;
/// u8.
pub const IPVS_DAEMON_ATTR_MCAST_TTL: u16 = 8;

/// Connections scheduled.
pub const IPVS_STATS_ATTR_CONNS: u16 = 1;
/// Packets towards the real server.
pub const IPVS_STATS_ATTR_INPKTS: u16 = 2;
/// Packets from the real server.
pub const IPVS_STATS_ATTR_OUTPKTS: u16 = 3;
/// Bytes towards the real server: 64 bits in both kinds of statistics.
pub const IPVS_STATS_ATTR_INBYTES: u16 = 4;
/// Bytes from the real server: 64 bits in both kinds of statistics.
pub const IPVS_STATS_ATTR_OUTBYTES: u16 = 5;
/// Connections a second.
pub const IPVS_STATS_ATTR_CPS: u16 = 6;
/// Packets a second towards the real server.
pub const IPVS_STATS_ATTR_INPPS: u16 = 7;
/// Packets a second from the real server.
pub const IPVS_STATS_ATTR_OUTPPS: u16 = 8;
/// Bytes a second towards the real server.
pub const IPVS_STATS_ATTR_INBPS: u16 = 9;
/// Bytes a second from the real server.
pub const IPVS_STATS_ATTR_OUTBPS: u16 = 10;
/// Empty, for alignment.
pub const IPVS_STATS_ATTR_PAD: u16 = 11;

/// u32, in a numbering of its own at the top level.
pub const IPVS_INFO_ATTR_VERSION: u16 = 1;
/// u32, in a numbering of its own at the top level.
pub const IPVS_INFO_ATTR_CONN_TAB_SIZE: u16 = 2;

/// The service is persistent.
pub const IP_VS_SVC_F_PERSISTENT: u32 = 0x0001;
/// The service stands in the kernel's hash table; the kernel's own business.
pub const IP_VS_SVC_F_HASHED: u32 = 0x0002;
/// One-packet scheduling.
pub const IP_VS_SVC_F_ONEPACKET: u32 = 0x0004;
/// First flag of the scheduler.
pub const IP_VS_SVC_F_SCHED1: u32 = 0x0008;
/// Second flag of the scheduler.
pub const IP_VS_SVC_F_SCHED2: u32 = 0x0010;
/// Third flag of the scheduler.
pub const IP_VS_SVC_F_SCHED3: u32 = 0x0020;

/// Bits that hold the forwarding method.
pub const IP_VS_CONN_F_FWD_MASK: u32 = 0x0007;
/// Network address translation.
pub const IP_VS_CONN_F_MASQ: u32 = 0;
/// Delivery on the director itself.
pub const IP_VS_CONN_F_LOCALNODE: u32 = 1;
/// Tunnelling.
pub const IP_VS_CONN_F_TUNNEL: u32 = 2;
/// Direct routing.
pub const IP_VS_CONN_F_DROUTE: u32 = 3;
/// Bypass of a cache.
pub const IP_VS_CONN_F_BYPASS: u32 = 4;

/// IP in IP.
pub const IP_VS_CONN_F_TUNNEL_TYPE_IPIP: u8 = 0;
/// Generic UDP encapsulation.
pub const IP_VS_CONN_F_TUNNEL_TYPE_GUE: u8 = 1;
/// Generic routing encapsulation.
pub const IP_VS_CONN_F_TUNNEL_TYPE_GRE: u8 = 2;
/// The outer header carries a checksum.
pub const IP_VS_TUNNEL_ENCAP_FLAG_CSUM: u16 = 1;
/// Remote checksum offload.
pub const IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM: u16 = 2;

/// Role of a synchronisation daemon: sends.
pub const IP_VS_STATE_MASTER: u32 = 1;
/// Role of a synchronisation daemon: receives.
pub const IP_VS_STATE_BACKUP: u32 = 2;

/// Room of a scheduler's name, with its NUL.
pub const IP_VS_SCHEDNAME_MAXLEN: usize = 16;

/// `AF_INET` on Linux.
pub const AF_INET: u16 = 2;
/// `AF_INET6` on Linux.
pub const AF_INET6: u16 = 10;
