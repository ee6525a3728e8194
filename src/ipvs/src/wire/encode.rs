//! Requests and questions to bytes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use neli::consts::nl::{NlmF, Nlmsg};

use super::{GENL_HDRLEN, NLA_F_NESTED, NLA_HDRLEN, NLMSG_HDRLEN, ValueError, align};
use crate::constants as k;
use crate::{
    Family, Flags, ForwardingMethod, Granularity, Persistence, RealServer, RealServerId, Request, ServiceId,
    SyncDaemon, SyncRole, Timeouts, Tunnel, TunnelFlags, VirtualService,
};

/// The part of a message's header that differs from one request to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The number that the controller gave to the family at boot.
    pub family_id: u16,
    /// Comes back in the answer.
    pub sequence: u32,
}

/// Something to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// All services.
    Services,
    /// One service.
    Service(ServiceId),
    /// The real servers of a service. The answer for a service that does not exist is empty.
    RealServers(ServiceId),
    /// The synchronisation daemons.
    SyncDaemons,
    /// The timeouts.
    Timeouts,
    /// Version and size.
    Info,
}

/// Appends a message that asks for a change.
///
/// The kernel answers only when it refuses: append a fence, see [`encode_fence`].
///
/// # Errors
/// When a value cannot be sent. The buffer is then as before.
pub fn encode(header: Header, request: &Request, buffer: &mut Vec<u8>) -> Result<(), ValueError> {
    use Request as R;
    let start = buffer.len();
    let outcome = match request {
        R::AddService(service) => write_service(header, k::IPVS_CMD_NEW_SERVICE, service, buffer),
        R::SetService(service) => write_service(header, k::IPVS_CMD_SET_SERVICE, service, buffer),
        R::DeleteService(id) => {
            write_message(header, k::IPVS_CMD_DEL_SERVICE, REQUEST, buffer, |w| {
                w.nest(k::IPVS_CMD_ATTR_SERVICE, |w| write_service_id(id, w));
            });
            Ok(())
        }
        R::AddRealServer(id, server) => {
            write_real_server(header, k::IPVS_CMD_NEW_DEST, id, server, buffer);
            Ok(())
        }
        R::SetRealServer(id, server) => {
            write_real_server(header, k::IPVS_CMD_SET_DEST, id, server, buffer);
            Ok(())
        }
        R::DeleteRealServer(id, server) => {
            write_message(header, k::IPVS_CMD_DEL_DEST, REQUEST, buffer, |w| {
                w.nest(k::IPVS_CMD_ATTR_SERVICE, |w| write_service_id(id, w));
                w.nest(k::IPVS_CMD_ATTR_DEST, |w| write_real_server_id(server, w));
            });
            Ok(())
        }
        R::StartSyncDaemon(daemon) => {
            write_message(header, k::IPVS_CMD_NEW_DAEMON, REQUEST, buffer, |w| {
                w.nest(k::IPVS_CMD_ATTR_DAEMON, |w| write_sync_daemon(daemon, w));
            });
            Ok(())
        }
        R::StopSyncDaemon(role) => {
            write_message(header, k::IPVS_CMD_DEL_DAEMON, REQUEST, buffer, |w| {
                w.nest(k::IPVS_CMD_ATTR_DAEMON, |w| w.u32(k::IPVS_DAEMON_ATTR_STATE, role_number(*role)));
            });
            Ok(())
        }
        R::SetTimeouts(timeouts) => write_timeouts(header, timeouts, buffer),
        R::ZeroService(id) => {
            write_message(header, k::IPVS_CMD_ZERO, REQUEST, buffer, |w| {
                w.nest(k::IPVS_CMD_ATTR_SERVICE, |w| write_service_id(id, w));
            });
            Ok(())
        }
        R::ZeroAll => {
            write_message(header, k::IPVS_CMD_ZERO, REQUEST, buffer, |_| {});
            Ok(())
        }
        R::Flush => {
            write_message(header, k::IPVS_CMD_FLUSH, REQUEST, buffer, |_| {});
            Ok(())
        }
    };
    if outcome.is_err() {
        buffer.truncate(start);
    }
    outcome
}

/// Appends a message that asks for something.
pub fn encode_question(header: Header, question: &Question, buffer: &mut Vec<u8>) {
    let dump = NlmF::REQUEST | NlmF::DUMP;
    match question {
        Question::Services => write_message(header, k::IPVS_CMD_GET_SERVICE, dump, buffer, |_| {}),
        Question::Service(id) => write_message(header, k::IPVS_CMD_GET_SERVICE, REQUEST, buffer, |w| {
            w.nest(k::IPVS_CMD_ATTR_SERVICE, |w| write_service_id(id, w));
        }),
        Question::RealServers(id) => write_message(header, k::IPVS_CMD_GET_DEST, dump, buffer, |w| {
            w.nest(k::IPVS_CMD_ATTR_SERVICE, |w| write_service_id(id, w));
        }),
        Question::SyncDaemons => write_message(header, k::IPVS_CMD_GET_DAEMON, dump, buffer, |_| {}),
        Question::Timeouts => write_message(header, k::IPVS_CMD_GET_CONFIG, REQUEST, buffer, |_| {}),
        Question::Info => write_message(header, k::IPVS_CMD_GET_INFO, REQUEST, buffer, |_| {}),
    }
}

/// Appends a message that does nothing and that the kernel acknowledges.
///
/// The kernel does the messages of one `sendmsg` in order, and says nothing of
/// those that succeed: when the fence is acknowledged, every message before it
/// is done or was refused. Asking for each message's own acknowledgement would
/// not do: stopping a synchronisation daemon whose thread has not run yet ends
/// with `EINTR` in the kernel, and netlink answers that with silence.
pub fn encode_fence(sequence: u32, buffer: &mut Vec<u8>) {
    buffer.extend(16u32.to_ne_bytes());
    buffer.extend(u16::from(Nlmsg::Noop).to_ne_bytes());
    buffer.extend((NlmF::REQUEST | NlmF::ACK).bits().to_ne_bytes());
    buffer.extend(sequence.to_ne_bytes());
    buffer.extend([0; 4]);
}

const REQUEST: NlmF = NlmF::REQUEST;

/// Appends attributes to a message.
struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn bytes(&mut self, attribute: u16, payload: &[u8]) {
        self.buffer.extend(attribute_length(payload.len()).to_ne_bytes());
        self.buffer.extend(attribute.to_ne_bytes());
        self.buffer.extend(payload);
        self.buffer.resize(align(self.buffer.len()), 0);
    }

    fn nest(&mut self, attribute: u16, content: impl FnOnce(&mut Writer<'_>)) {
        let start = self.buffer.len();
        self.buffer.extend([0; 2]);
        self.buffer.extend((attribute | NLA_F_NESTED).to_ne_bytes());
        content(&mut Writer { buffer: self.buffer });
        let length = attribute_length(self.buffer.len() - start - NLA_HDRLEN);
        self.buffer[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn u8(&mut self, attribute: u16, value: u8) {
        self.bytes(attribute, &[value]);
    }

    fn u16(&mut self, attribute: u16, value: u16) {
        self.bytes(attribute, &value.to_ne_bytes());
    }

    fn u32(&mut self, attribute: u16, value: u32) {
        self.bytes(attribute, &value.to_ne_bytes());
    }

    /// A port as it stands in a packet.
    fn be16(&mut self, attribute: u16, value: u16) {
        self.bytes(attribute, &value.to_be_bytes());
    }

    /// An address in the room of an IPv6 one, as `union nf_inet_addr` has it.
    fn address(&mut self, attribute: u16, address: IpAddr) {
        let room = match address {
            IpAddr::V4(address) => {
                let mut room = [0; 16];
                room[..4].copy_from_slice(&address.octets());
                room
            }
            IpAddr::V6(address) => address.octets(),
        };
        self.bytes(attribute, &room);
    }

    fn string(&mut self, attribute: u16, text: &str) {
        let mut room = Vec::with_capacity(text.len() + 1);
        room.extend(text.as_bytes());
        room.push(0);
        self.bytes(attribute, &room);
    }
}

fn attribute_length(payload: usize) -> u16 {
    u16::try_from(NLA_HDRLEN + payload).expect("no attribute of this family has more than 300 bytes")
}

/// Writes both headers, the content, and then the length into the first header.
fn write_message(
    header: Header,
    command: u8,
    flags: NlmF,
    buffer: &mut Vec<u8>,
    content: impl FnOnce(&mut Writer<'_>),
) {
    let start = buffer.len();
    buffer.extend([0; 4]);
    buffer.extend(header.family_id.to_ne_bytes());
    buffer.extend(flags.bits().to_ne_bytes());
    buffer.extend(header.sequence.to_ne_bytes());
    // The kernel knows whose socket it is.
    buffer.extend([0; 4]);
    buffer.extend([command, k::IPVS_GENL_VERSION, 0, 0]);
    debug_assert_eq!(buffer.len() - start, NLMSG_HDRLEN + GENL_HDRLEN);
    content(&mut Writer { buffer });
    let length = u32::try_from(buffer.len() - start).expect("a message has a few hundred bytes");
    buffer[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

fn write_service(
    header: Header,
    command: u8,
    service: &VirtualService,
    buffer: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let timeout = match service.persistence {
        None => 0,
        Some(persistence) => seconds(persistence.timeout, Persistence::MAX_TIMEOUT)?,
    };
    let granularity = service.persistence.map(|p| p.granularity).unwrap_or_default();
    let netmask = netmask(service.id.family(), granularity)?;
    write_message(header, command, REQUEST, buffer, |w| {
        w.nest(k::IPVS_CMD_ATTR_SERVICE, |w| {
            write_service_id(&service.id, w);
            w.string(k::IPVS_SVC_ATTR_SCHED_NAME, service.scheduler.as_str());
            if let Some(engine) = service.persistence_engine {
                w.string(k::IPVS_SVC_ATTR_PE_NAME, engine.as_str());
            }
            w.bytes(k::IPVS_SVC_ATTR_FLAGS, &service_flags(service));
            w.u32(k::IPVS_SVC_ATTR_TIMEOUT, timeout);
            w.bytes(k::IPVS_SVC_ATTR_NETMASK, &netmask);
        });
    });
    Ok(())
}

/// Flags and mask. The mask is full because settings are always complete; were
/// it left out the kernel would read a mask of 0 and change nothing, which
/// loses "persistent" on a new service.
fn service_flags(service: &VirtualService) -> [u8; 8] {
    let mut flags = service.flags.intersection(Flags::all()).bits();
    if service.persistence.is_some() {
        flags |= k::IP_VS_SVC_F_PERSISTENT;
    }
    let mut bytes = [0xff; 8];
    bytes[..4].copy_from_slice(&flags.to_ne_bytes());
    bytes
}

fn netmask(family: Family, granularity: Granularity) -> Result<[u8; 4], ValueError> {
    match (family, granularity) {
        (Family::Ipv4, Granularity::Client) => Ok([0xff; 4]),
        (Family::Ipv4, Granularity::Prefix(0)) => Ok([0; 4]),
        (Family::Ipv4, Granularity::Prefix(prefix @ 1..=32)) => {
            Ok((u32::MAX << (32 - u32::from(prefix))).to_be_bytes())
        }
        (Family::Ipv4, Granularity::Mask(mask)) => Ok(Ipv4Addr::octets(&mask)),
        (Family::Ipv6, Granularity::Client) => Ok(128u32.to_ne_bytes()),
        (Family::Ipv6, Granularity::Prefix(prefix @ 1..=128)) => Ok(u32::from(prefix).to_ne_bytes()),
        (Family::Ipv6, Granularity::Mask(_)) => Err(ValueError::MaskForIpv6),
        (_, Granularity::Prefix(given)) => Err(ValueError::Prefix { given, family }),
    }
}

fn write_service_id(id: &ServiceId, w: &mut Writer<'_>) {
    w.u16(k::IPVS_SVC_ATTR_AF, family_number(id.family()));
    match *id {
        ServiceId::Mark { mark, .. } => w.u32(k::IPVS_SVC_ATTR_FWMARK, mark.get()),
        ServiceId::Address { protocol, address, port } => {
            w.u16(k::IPVS_SVC_ATTR_PROTOCOL, u16::from(protocol.0));
            w.address(k::IPVS_SVC_ATTR_ADDR, address);
            w.be16(k::IPVS_SVC_ATTR_PORT, port);
        }
    }
}

fn write_real_server(
    header: Header,
    command: u8,
    service: &ServiceId,
    server: &RealServer,
    buffer: &mut Vec<u8>,
) {
    write_message(header, command, REQUEST, buffer, |w| {
        w.nest(k::IPVS_CMD_ATTR_SERVICE, |w| write_service_id(service, w));
        w.nest(k::IPVS_CMD_ATTR_DEST, |w| {
            write_real_server_id(&server.id, w);
            write_forwarding_method(server.method, w);
            w.u32(k::IPVS_DEST_ATTR_WEIGHT, server.weight);
            w.u32(k::IPVS_DEST_ATTR_U_THRESH, server.upper_threshold);
            w.u32(k::IPVS_DEST_ATTR_L_THRESH, server.lower_threshold);
        });
    });
}

fn write_real_server_id(id: &RealServerId, w: &mut Writer<'_>) {
    w.u16(k::IPVS_DEST_ATTR_ADDR_FAMILY, family_number(id.address.into()));
    w.address(k::IPVS_DEST_ATTR_ADDR, id.address);
    w.be16(k::IPVS_DEST_ATTR_PORT, id.port);
}

fn write_forwarding_method(method: ForwardingMethod, w: &mut Writer<'_>) {
    let number = match method {
        ForwardingMethod::Masquerade => k::IP_VS_CONN_F_MASQ,
        ForwardingMethod::LocalNode => k::IP_VS_CONN_F_LOCALNODE,
        ForwardingMethod::Tunnel(_) => k::IP_VS_CONN_F_TUNNEL,
        ForwardingMethod::DirectRoute => k::IP_VS_CONN_F_DROUTE,
        ForwardingMethod::Bypass => k::IP_VS_CONN_F_BYPASS,
    };
    w.u32(k::IPVS_DEST_ATTR_FWD_METHOD, number);
    let (kind, port, flags) = match method {
        ForwardingMethod::Tunnel(Tunnel::Gue { port, flags }) => {
            (k::IP_VS_CONN_F_TUNNEL_TYPE_GUE, port.get(), flags)
        }
        ForwardingMethod::Tunnel(Tunnel::Gre { flags }) => (k::IP_VS_CONN_F_TUNNEL_TYPE_GRE, 0, flags),
        // What the kernel takes when nothing is said, and what old kernels know.
        ForwardingMethod::Tunnel(Tunnel::Ipip)
        | ForwardingMethod::Masquerade
        | ForwardingMethod::LocalNode
        | ForwardingMethod::DirectRoute
        | ForwardingMethod::Bypass => (k::IP_VS_CONN_F_TUNNEL_TYPE_IPIP, 0, TunnelFlags::empty()),
    };
    if kind != k::IP_VS_CONN_F_TUNNEL_TYPE_IPIP {
        w.u8(k::IPVS_DEST_ATTR_TUN_TYPE, kind);
        w.be16(k::IPVS_DEST_ATTR_TUN_PORT, port);
        w.u16(k::IPVS_DEST_ATTR_TUN_FLAGS, flags.bits());
    }
}

fn write_sync_daemon(daemon: &SyncDaemon, w: &mut Writer<'_>) {
    w.u32(k::IPVS_DAEMON_ATTR_STATE, role_number(daemon.role));
    w.string(k::IPVS_DAEMON_ATTR_MCAST_IFN, daemon.interface.as_str());
    w.u32(k::IPVS_DAEMON_ATTR_SYNC_ID, u32::from(daemon.sync_id));
    if let Some(length) = daemon.max_message_length {
        w.u16(k::IPVS_DAEMON_ATTR_SYNC_MAXLEN, length);
    }
    match daemon.group {
        None => {}
        Some(IpAddr::V4(group)) => w.bytes(k::IPVS_DAEMON_ATTR_MCAST_GROUP, &group.octets()),
        Some(IpAddr::V6(group)) => w.bytes(k::IPVS_DAEMON_ATTR_MCAST_GROUP6, &group.octets()),
    }
    if let Some(port) = daemon.port {
        w.u16(k::IPVS_DAEMON_ATTR_MCAST_PORT, port);
    }
    if let Some(ttl) = daemon.ttl {
        w.u8(k::IPVS_DAEMON_ATTR_MCAST_TTL, ttl);
    }
}

fn write_timeouts(header: Header, timeouts: &Timeouts, buffer: &mut Vec<u8>) -> Result<(), ValueError> {
    let mut given = Vec::with_capacity(3);
    for (attribute, timeout) in [
        (k::IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp),
        (k::IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        (k::IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp),
    ] {
        match timeout {
            None => {}
            Some(Duration::ZERO) => return Err(ValueError::ZeroTimeout),
            Some(timeout) => given.push((attribute, seconds(timeout, Timeouts::MAX)?)),
        }
    }
    write_message(header, k::IPVS_CMD_SET_CONFIG, REQUEST, buffer, |w| {
        for (attribute, seconds) in given {
            w.u32(attribute, seconds);
        }
    });
    Ok(())
}

fn seconds(given: Duration, max: Duration) -> Result<u32, ValueError> {
    if given.subsec_nanos() != 0 {
        return Err(ValueError::NotWholeSeconds(given));
    }
    match u32::try_from(given.as_secs()) {
        Ok(seconds) if given <= max => Ok(seconds),
        Ok(_) | Err(_) => Err(ValueError::TooLong { given, max }),
    }
}

fn family_number(family: Family) -> u16 {
    match family {
        Family::Ipv4 => k::AF_INET,
        Family::Ipv6 => k::AF_INET6,
    }
}

fn role_number(role: SyncRole) -> u32 {
    match role {
        SyncRole::Master => k::IP_VS_STATE_MASTER,
        SyncRole::Backup => k::IP_VS_STATE_BACKUP,
    }
}
