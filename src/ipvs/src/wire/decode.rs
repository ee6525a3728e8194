//! The attributes of each object to the object. Nothing here trusts a length.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use neli::consts::genl::CtrlAttr;

use super::DecodeError;
use super::walk::attributes;
use crate::constants as k;
use crate::name::NameError;
use crate::{
    Family, Flags, ForwardingMethod, Granularity, Info, Persistence, Protocol, RealServer, RealServerEntry,
    RealServerId, ServiceEntry, ServiceId, Stats, SyncDaemon, SyncRole, Timeouts, Tunnel, TunnelFlags,
    VirtualService,
};

/// Reads the family's number out of the controller's answer.
///
/// # Errors
/// When it is not there.
pub fn decode_family_id(bytes: &[u8]) -> Result<u16, DecodeError> {
    let number = u16::from(CtrlAttr::FamilyId);
    required(number, optional(bytes, number)?.map(|payload| u16_of(number, payload)))
}

/// Reads a service.
///
/// # Errors
/// When the bytes are not what the kernel writes.
pub fn decode_service(bytes: &[u8]) -> Result<ServiceEntry, DecodeError> {
    let service = required(k::IPVS_CMD_ATTR_SERVICE, optional(bytes, k::IPVS_CMD_ATTR_SERVICE)?.map(Ok))?;
    let mut read = ReadService::default();
    for attribute in attributes(service) {
        let (number, payload) = attribute?;
        read.attribute(number, payload)?;
    }
    read.finish()
}

#[derive(Default)]
struct ReadService {
    family: Option<Family>,
    protocol: Option<u16>,
    address: Option<[u8; 16]>,
    port: Option<u16>,
    mark: Option<u32>,
    scheduler: Option<crate::Scheduler>,
    engine: Option<crate::PersistenceEngine>,
    flags: Option<u32>,
    timeout: Option<u32>,
    netmask: Option<[u8; 4]>,
    stats: Option<Stats>,
    stats64: Option<Stats>,
}

impl ReadService {
    fn attribute(&mut self, number: u16, payload: &[u8]) -> Result<(), DecodeError> {
        match number {
            k::IPVS_SVC_ATTR_AF => self.family = Some(family_of(number, payload)?),
            k::IPVS_SVC_ATTR_PROTOCOL => self.protocol = Some(u16_of(number, payload)?),
            k::IPVS_SVC_ATTR_ADDR => self.address = Some(sized(number, payload)?),
            k::IPVS_SVC_ATTR_PORT => self.port = Some(be16_of(number, payload)?),
            k::IPVS_SVC_ATTR_FWMARK => self.mark = Some(u32_of(number, payload)?),
            k::IPVS_SVC_ATTR_SCHED_NAME => self.scheduler = Some(name_of(number, payload)?),
            k::IPVS_SVC_ATTR_PE_NAME => self.engine = Some(name_of(number, payload)?),
            k::IPVS_SVC_ATTR_FLAGS => {
                let [a, b, c, d, ..]: [u8; 8] = sized(number, payload)?;
                self.flags = Some(u32::from_ne_bytes([a, b, c, d]));
            }
            k::IPVS_SVC_ATTR_TIMEOUT => self.timeout = Some(u32_of(number, payload)?),
            k::IPVS_SVC_ATTR_NETMASK => self.netmask = Some(sized(number, payload)?),
            k::IPVS_SVC_ATTR_STATS => self.stats = Some(stats_of(payload)?),
            k::IPVS_SVC_ATTR_STATS64 => self.stats64 = Some(stats_of(payload)?),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<ServiceEntry, DecodeError> {
        let family = present(k::IPVS_SVC_ATTR_AF, self.family)?;
        let id = match self.mark.and_then(NonZeroU32::new) {
            Some(mark) => ServiceId::Mark { family, mark },
            None => ServiceId::Address {
                protocol: protocol_of(present(k::IPVS_SVC_ATTR_PROTOCOL, self.protocol)?)?,
                address: address_of(family, present(k::IPVS_SVC_ATTR_ADDR, self.address)?),
                port: present(k::IPVS_SVC_ATTR_PORT, self.port)?,
            },
        };
        let flags = present(k::IPVS_SVC_ATTR_FLAGS, self.flags)?;
        let timeout = present(k::IPVS_SVC_ATTR_TIMEOUT, self.timeout)?;
        let netmask = present(k::IPVS_SVC_ATTR_NETMASK, self.netmask)?;
        let persistence = match flags & k::IP_VS_SVC_F_PERSISTENT {
            0 => None,
            _ => Some(Persistence {
                timeout: Duration::from_secs(timeout.into()),
                granularity: granularity_of(family, netmask)?,
            }),
        };
        let service = VirtualService {
            id,
            scheduler: present(k::IPVS_SVC_ATTR_SCHED_NAME, self.scheduler)?,
            flags: Flags::from_bits_truncate(flags),
            persistence,
            persistence_engine: self.engine,
        };
        Ok(ServiceEntry { service, stats: self.stats64.or(self.stats).unwrap_or_default() })
    }
}

/// Reads a real server of a service of this family.
///
/// # Errors
/// When the bytes are not what the kernel writes.
pub fn decode_real_server(bytes: &[u8], family: Family) -> Result<RealServerEntry, DecodeError> {
    let server = required(k::IPVS_CMD_ATTR_DEST, optional(bytes, k::IPVS_CMD_ATTR_DEST)?.map(Ok))?;
    let mut read = ReadRealServer::default();
    for attribute in attributes(server) {
        let (number, payload) = attribute?;
        read.attribute(number, payload)?;
    }
    read.finish(family)
}

#[derive(Default)]
struct ReadRealServer {
    family: Option<Family>,
    address: Option<[u8; 16]>,
    port: Option<u16>,
    method: Option<u32>,
    weight: Option<u32>,
    upper_threshold: Option<u32>,
    lower_threshold: Option<u32>,
    active: Option<u32>,
    inactive: Option<u32>,
    persistent: Option<u32>,
    tunnel_type: Option<u8>,
    tunnel_port: Option<u16>,
    tunnel_flags: Option<u16>,
    stats: Option<Stats>,
    stats64: Option<Stats>,
}

impl ReadRealServer {
    fn attribute(&mut self, number: u16, payload: &[u8]) -> Result<(), DecodeError> {
        match number {
            // 0 says "as the service".
            k::IPVS_DEST_ATTR_ADDR_FAMILY if u16_of(number, payload)? == 0 => {}
            k::IPVS_DEST_ATTR_ADDR_FAMILY => self.family = Some(family_of(number, payload)?),
            k::IPVS_DEST_ATTR_ADDR => self.address = Some(sized(number, payload)?),
            k::IPVS_DEST_ATTR_PORT => self.port = Some(be16_of(number, payload)?),
            k::IPVS_DEST_ATTR_FWD_METHOD => self.method = Some(u32_of(number, payload)?),
            k::IPVS_DEST_ATTR_WEIGHT => self.weight = Some(u32_of(number, payload)?),
            k::IPVS_DEST_ATTR_U_THRESH => self.upper_threshold = Some(u32_of(number, payload)?),
            k::IPVS_DEST_ATTR_L_THRESH => self.lower_threshold = Some(u32_of(number, payload)?),
            k::IPVS_DEST_ATTR_ACTIVE_CONNS => self.active = Some(u32_of(number, payload)?),
            k::IPVS_DEST_ATTR_INACT_CONNS => self.inactive = Some(u32_of(number, payload)?),
            k::IPVS_DEST_ATTR_PERSIST_CONNS => self.persistent = Some(u32_of(number, payload)?),
            k::IPVS_DEST_ATTR_TUN_TYPE => self.tunnel_type = Some(u8_of(number, payload)?),
            k::IPVS_DEST_ATTR_TUN_PORT => self.tunnel_port = Some(be16_of(number, payload)?),
            k::IPVS_DEST_ATTR_TUN_FLAGS => self.tunnel_flags = Some(u16_of(number, payload)?),
            k::IPVS_DEST_ATTR_STATS => self.stats = Some(stats_of(payload)?),
            k::IPVS_DEST_ATTR_STATS64 => self.stats64 = Some(stats_of(payload)?),
            _ => {}
        }
        Ok(())
    }

    fn finish(self, family: Family) -> Result<RealServerEntry, DecodeError> {
        let method = self.method()?;
        let address =
            address_of(self.family.unwrap_or(family), present(k::IPVS_DEST_ATTR_ADDR, self.address)?);
        let server = RealServer {
            id: RealServerId { address, port: present(k::IPVS_DEST_ATTR_PORT, self.port)? },
            method,
            weight: present(k::IPVS_DEST_ATTR_WEIGHT, self.weight)?,
            upper_threshold: present(k::IPVS_DEST_ATTR_U_THRESH, self.upper_threshold)?,
            lower_threshold: present(k::IPVS_DEST_ATTR_L_THRESH, self.lower_threshold)?,
        };
        Ok(RealServerEntry {
            server,
            active_connections: self.active.unwrap_or_default(),
            inactive_connections: self.inactive.unwrap_or_default(),
            persistent_connections: self.persistent.unwrap_or_default(),
            stats: self.stats64.or(self.stats).unwrap_or_default(),
        })
    }

    fn method(&self) -> Result<ForwardingMethod, DecodeError> {
        let attribute = k::IPVS_DEST_ATTR_FWD_METHOD;
        match present(attribute, self.method)? & k::IP_VS_CONN_F_FWD_MASK {
            k::IP_VS_CONN_F_MASQ => Ok(ForwardingMethod::Masquerade),
            k::IP_VS_CONN_F_LOCALNODE => Ok(ForwardingMethod::LocalNode),
            k::IP_VS_CONN_F_TUNNEL => self.tunnel().map(ForwardingMethod::Tunnel),
            k::IP_VS_CONN_F_DROUTE => Ok(ForwardingMethod::DirectRoute),
            k::IP_VS_CONN_F_BYPASS => Ok(ForwardingMethod::Bypass),
            value => Err(DecodeError::Unknown { attribute, value }),
        }
    }

    fn tunnel(&self) -> Result<Tunnel, DecodeError> {
        let flags = TunnelFlags::from_bits_retain(self.tunnel_flags.unwrap_or_default());
        match self.tunnel_type.unwrap_or(k::IP_VS_CONN_F_TUNNEL_TYPE_IPIP) {
            k::IP_VS_CONN_F_TUNNEL_TYPE_IPIP => Ok(Tunnel::Ipip),
            k::IP_VS_CONN_F_TUNNEL_TYPE_GUE => {
                let port = self.tunnel_port.and_then(NonZeroU16::new);
                Ok(Tunnel::Gue { port: present(k::IPVS_DEST_ATTR_TUN_PORT, port)?, flags })
            }
            k::IP_VS_CONN_F_TUNNEL_TYPE_GRE => Ok(Tunnel::Gre { flags }),
            kind => {
                Err(DecodeError::Unknown { attribute: k::IPVS_DEST_ATTR_TUN_TYPE, value: u32::from(kind) })
            }
        }
    }
}

/// Reads a synchronisation daemon.
///
/// # Errors
/// When the bytes are not what the kernel writes.
pub fn decode_sync_daemon(bytes: &[u8]) -> Result<SyncDaemon, DecodeError> {
    let daemon = required(k::IPVS_CMD_ATTR_DAEMON, optional(bytes, k::IPVS_CMD_ATTR_DAEMON)?.map(Ok))?;
    let (mut role, mut interface, mut sync_id) = (None, None, None);
    let (mut max_message_length, mut group, mut port, mut ttl) = (None, None, None, None);
    for attribute in attributes(daemon) {
        let (number, payload) = attribute?;
        match number {
            k::IPVS_DAEMON_ATTR_STATE => role = Some(role_of(number, payload)?),
            k::IPVS_DAEMON_ATTR_MCAST_IFN => interface = Some(name_of(number, payload)?),
            k::IPVS_DAEMON_ATTR_SYNC_ID => {
                let value = u32_of(number, payload)?;
                let id =
                    u8::try_from(value).map_err(|_| DecodeError::Unknown { attribute: number, value })?;
                sync_id = Some(id);
            }
            k::IPVS_DAEMON_ATTR_SYNC_MAXLEN => max_message_length = Some(u16_of(number, payload)?),
            k::IPVS_DAEMON_ATTR_MCAST_GROUP => {
                group = Some(IpAddr::from(sized::<4>(number, payload)?));
            }
            k::IPVS_DAEMON_ATTR_MCAST_GROUP6 => {
                group = Some(IpAddr::from(sized::<16>(number, payload)?));
            }
            k::IPVS_DAEMON_ATTR_MCAST_PORT => port = Some(u16_of(number, payload)?),
            k::IPVS_DAEMON_ATTR_MCAST_TTL => ttl = Some(u8_of(number, payload)?),
            _ => {}
        }
    }
    Ok(SyncDaemon {
        role: present(k::IPVS_DAEMON_ATTR_STATE, role)?,
        interface: present(k::IPVS_DAEMON_ATTR_MCAST_IFN, interface)?,
        sync_id: present(k::IPVS_DAEMON_ATTR_SYNC_ID, sync_id)?,
        max_message_length,
        group,
        port,
        ttl,
    })
}

/// Reads the timeouts.
///
/// # Errors
/// When the bytes are not what the kernel writes.
pub fn decode_timeouts(bytes: &[u8]) -> Result<Timeouts, DecodeError> {
    let mut timeouts = Timeouts::default();
    for attribute in attributes(bytes) {
        let (number, payload) = attribute?;
        let place = match number {
            k::IPVS_CMD_ATTR_TIMEOUT_TCP => &mut timeouts.tcp,
            k::IPVS_CMD_ATTR_TIMEOUT_TCP_FIN => &mut timeouts.tcp_fin,
            k::IPVS_CMD_ATTR_TIMEOUT_UDP => &mut timeouts.udp,
            _ => continue,
        };
        *place = Some(Duration::from_secs(u32_of(number, payload)?.into()));
    }
    Ok(timeouts)
}

/// Reads version and size.
///
/// # Errors
/// When the bytes are not what the kernel writes.
pub fn decode_info(bytes: &[u8]) -> Result<Info, DecodeError> {
    let version = optional(bytes, k::IPVS_INFO_ATTR_VERSION)?;
    let size = optional(bytes, k::IPVS_INFO_ATTR_CONN_TAB_SIZE)?;
    let version = present(k::IPVS_INFO_ATTR_VERSION, version)?;
    let size = present(k::IPVS_INFO_ATTR_CONN_TAB_SIZE, size)?;
    let [_, major, minor, patch] = u32_of(k::IPVS_INFO_ATTR_VERSION, version)?.to_be_bytes();
    Ok(Info {
        version: (major, minor, patch),
        connection_table_size: u32_of(k::IPVS_INFO_ATTR_CONN_TAB_SIZE, size)?,
    })
}

/// Reads 32-bit and 64-bit statistics alike: the size of each attribute says which it is.
fn stats_of(bytes: &[u8]) -> Result<Stats, DecodeError> {
    let mut stats = Stats::default();
    for attribute in attributes(bytes) {
        let (number, payload) = attribute?;
        let place = match number {
            k::IPVS_STATS_ATTR_CONNS => &mut stats.connections,
            k::IPVS_STATS_ATTR_INPKTS => &mut stats.incoming_packets,
            k::IPVS_STATS_ATTR_OUTPKTS => &mut stats.outgoing_packets,
            k::IPVS_STATS_ATTR_INBYTES => &mut stats.incoming_bytes,
            k::IPVS_STATS_ATTR_OUTBYTES => &mut stats.outgoing_bytes,
            k::IPVS_STATS_ATTR_CPS => &mut stats.connection_rate,
            k::IPVS_STATS_ATTR_INPPS => &mut stats.incoming_packet_rate,
            k::IPVS_STATS_ATTR_OUTPPS => &mut stats.outgoing_packet_rate,
            k::IPVS_STATS_ATTR_INBPS => &mut stats.incoming_byte_rate,
            k::IPVS_STATS_ATTR_OUTBPS => &mut stats.outgoing_byte_rate,
            _ => continue,
        };
        *place = match payload.len() {
            4 => u64::from(u32_of(number, payload)?),
            _ => u64::from_ne_bytes(sized(number, payload)?),
        };
    }
    Ok(stats)
}

/// The last attribute of a number, as the kernel itself takes it.
fn optional(bytes: &[u8], wanted: u16) -> Result<Option<&[u8]>, DecodeError> {
    let mut found = None;
    for attribute in attributes(bytes) {
        let (number, payload) = attribute?;
        if number == wanted {
            found = Some(payload);
        }
    }
    Ok(found)
}

fn required<T>(attribute: u16, value: Option<Result<T, DecodeError>>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { attribute })?
}

fn present<T>(attribute: u16, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { attribute })
}

fn sized<const N: usize>(attribute: u16, payload: &[u8]) -> Result<[u8; N], DecodeError> {
    payload.try_into().map_err(|_| DecodeError::Size { attribute, length: payload.len() })
}

fn u8_of(attribute: u16, payload: &[u8]) -> Result<u8, DecodeError> {
    sized(attribute, payload).map(u8::from_ne_bytes)
}

fn u16_of(attribute: u16, payload: &[u8]) -> Result<u16, DecodeError> {
    sized(attribute, payload).map(u16::from_ne_bytes)
}

fn be16_of(attribute: u16, payload: &[u8]) -> Result<u16, DecodeError> {
    sized(attribute, payload).map(u16::from_be_bytes)
}

fn u32_of(attribute: u16, payload: &[u8]) -> Result<u32, DecodeError> {
    sized(attribute, payload).map(u32::from_ne_bytes)
}

/// A string up to its NUL.
fn name_of<T: std::str::FromStr<Err = NameError>>(attribute: u16, payload: &[u8]) -> Result<T, DecodeError> {
    let text = payload.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text).map_err(|_| DecodeError::Name { attribute })?;
    text.parse().map_err(|_| DecodeError::Name { attribute })
}

fn family_of(attribute: u16, payload: &[u8]) -> Result<Family, DecodeError> {
    match u16_of(attribute, payload)? {
        k::AF_INET => Ok(Family::Ipv4),
        k::AF_INET6 => Ok(Family::Ipv6),
        value => Err(DecodeError::Unknown { attribute, value: u32::from(value) }),
    }
}

fn role_of(attribute: u16, payload: &[u8]) -> Result<SyncRole, DecodeError> {
    match u32_of(attribute, payload)? {
        k::IP_VS_STATE_MASTER => Ok(SyncRole::Master),
        k::IP_VS_STATE_BACKUP => Ok(SyncRole::Backup),
        value => Err(DecodeError::Unknown { attribute, value }),
    }
}

fn protocol_of(number: u16) -> Result<Protocol, DecodeError> {
    let unknown = DecodeError::Unknown { attribute: k::IPVS_SVC_ATTR_PROTOCOL, value: u32::from(number) };
    u8::try_from(number).map(Protocol).map_err(|_| unknown)
}

fn address_of(family: Family, room: [u8; 16]) -> IpAddr {
    match family {
        Family::Ipv4 => {
            let [a, b, c, d, ..] = room;
            Ipv4Addr::new(a, b, c, d).into()
        }
        Family::Ipv6 => Ipv6Addr::from(room).into(),
    }
}

fn granularity_of(family: Family, netmask: [u8; 4]) -> Result<Granularity, DecodeError> {
    match family {
        Family::Ipv4 => Ok(Granularity::from_mask(netmask.into())),
        Family::Ipv6 => {
            let value = u32::from_ne_bytes(netmask);
            let unknown = DecodeError::Unknown { attribute: k::IPVS_SVC_ATTR_NETMASK, value };
            let bits = u8::try_from(value).map_err(|_| unknown)?;
            Granularity::from_prefix(family, bits).map_err(|_| unknown)
        }
    }
}
