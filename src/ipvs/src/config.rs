//! What holds for the whole family: statistics, timeouts, synchronisation daemons, version.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::InterfaceName;

/// Counters of a service or a real server since it was added or zeroed, and rates.
///
/// The kernel brings counters up to date every two seconds: right after
/// traffic they can read 0. "Incoming" is towards the real servers. Before
/// Linux 4.1 all but the bytes have 32 bits and wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets towards the real servers.
    pub incoming_packets: u64,
    /// Packets from the real servers; direct routing and tunnels bypass the director.
    pub outgoing_packets: u64,
    /// Bytes towards the real servers.
    pub incoming_bytes: u64,
    /// Bytes from the real servers.
    pub outgoing_bytes: u64,
    /// Connections a second.
    pub connection_rate: u64,
    /// Packets a second towards the real servers.
    pub incoming_packet_rate: u64,
    /// Packets a second from the real servers.
    pub outgoing_packet_rate: u64,
    /// Bytes a second towards the real servers.
    pub incoming_byte_rate: u64,
    /// Bytes a second from the real servers.
    pub outgoing_byte_rate: u64,
}

/// How long idle connections are kept.
///
/// When they are read, `None` is a protocol that the kernel was built without.
/// When they are set, `None` leaves a timeout as it is. Whole seconds from 1 to
/// [`Timeouts::MAX`]: the kernel takes 0 for "leave it".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// An established TCP connection; the kernel starts with 900 s.
    pub tcp: Option<Duration>,
    /// A TCP connection of which one side sent FIN; the kernel starts with 120 s.
    pub tcp_fin: Option<Duration>,
    /// UDP; the kernel starts with 300 s.
    pub udp: Option<Duration>,
}

impl Timeouts {
    /// The longest timeout, 24 days and 20 hours: what fits into the kernel's
    /// signed 32-bit ticks at 1000 of them a second, the highest rate there is.
    pub const MAX: Duration = Duration::from_secs(2_147_483);
}

/// What a synchronisation daemon does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncRole {
    /// Tells other directors of this one's connections.
    Master,
    /// Takes over what a master tells.
    Backup,
}

impl fmt::Display for SyncRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// A connection synchronisation daemon. One of each role may run, both at the same time.
///
/// When one is started, `None` takes the kernel's default; when read, the
/// kernel (since Linux 4.3) tells what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyncDaemon {
    /// Sends or receives.
    pub role: SyncRole,
    /// The interface that it speaks on. It must be up and, for IPv4, have an address.
    pub interface: InterfaceName,
    /// Directors with the same number hear each other; 0 on a backup hears all.
    pub sync_id: u8,
    /// Bytes of a message; the default follows the interface's MTU (1472 on Ethernet).
    ///
    /// The kernel quietly brings a master's down to what the MTU holds, and a
    /// backup's into 1024 to 65507.
    pub max_message_length: Option<u16>,
    /// Multicast group; the default is 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port; the default is 8848.
    pub port: Option<u16>,
    /// Hops that a message may travel; the default is 1.
    pub ttl: Option<u8>,
}

impl SyncDaemon {
    /// A daemon with the kernel's defaults.
    pub fn new(role: SyncRole, interface: InterfaceName, sync_id: u8) -> Self {
        Self { role, interface, sync_id, max_message_length: None, group: None, port: None, ttl: None }
    }
}

/// What the kernel says of its IPVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Info {
    /// Major, minor and patch number; 1.2.1 since Linux 2.6.
    pub version: (u8, u8, u8),
    /// Buckets of the connection table.
    pub connection_table_size: u32,
}
