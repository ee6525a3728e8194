//! Network links by rtnetlink: read, make, change.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use mark21_reconcile::{BondMode, CREATED_LINK_GROUP, Link, LinkChange, LinkKind, ObservedLink, Port};
use rustix::io::Errno;

use crate::netlink::{
    Body, NLM_F_CREATE, NLM_F_EXCL, Socket, attribute, read_i32, read_text, read_u16, read_u32,
};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
/// Length of `struct ifinfomsg` (linux/rtnetlink.h).
const IFINFOMSG: usize = 16;
const IFF_UP: u32 = 1;
/// linux/if_arp.h
const ARPHRD_ETHER: u16 = 1;
/// linux/if_link.h
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_GROUP: u16 = 27;
const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_BOND_MODE: u16 = 1;
const IFLA_BOND_MIIMON: u16 = 3;
const IFLA_BOND_XMIT_HASH_POLICY: u16 = 14;
/// linux/if_bonding.h
const BOND_MODE_ACTIVEBACKUP: u8 = 1;
const BOND_MODE_8023AD: u8 = 4;
const BOND_XMIT_POLICY_LAYER34: u8 = 1;
/// How often a bond looks at its ports' carrier, in milliseconds.
const BOND_MIIMON_MS: u32 = 100;

/// A link as the kernel tells of it, with references by number.
#[derive(Debug)]
struct Raw {
    index: i32,
    hardware: u16,
    flags: u32,
    name: String,
    mtu: u32,
    group: u32,
    below: Option<i32>,
    master: Option<i32>,
    mac: Option<[u8; 6]>,
    kind: String,
    vlan: Option<u16>,
    bond: Option<u8>,
}

/// All links.
pub(crate) fn observe(socket: &mut Socket) -> io::Result<Vec<ObservedLink>> {
    let links = dump(socket)?;
    let names: BTreeMap<i32, &str> = links.iter().map(|link| (link.index, link.name.as_str())).collect();
    let name_of = |index: Option<i32>| Some((*names.get(&index?)?).to_owned());
    let observed = links.iter().map(|link| ObservedLink {
        device: link.name.clone(),
        index: u32::try_from(link.index).unwrap_or(0),
        up: link.flags & IFF_UP != 0,
        mtu: link.mtu,
        kind: match (link.vlan, name_of(link.below), link.bond) {
            (Some(id), Some(parent), _) => LinkKind::Vlan { parent, id },
            (_, _, Some(BOND_MODE_ACTIVEBACKUP)) => {
                LinkKind::Bond { mode: BondMode::ActiveBackup, ports: Vec::new() }
            }
            (_, _, Some(BOND_MODE_8023AD)) => {
                LinkKind::Bond { mode: BondMode::Ieee8023ad, ports: Vec::new() }
            }
            _ => LinkKind::Port,
        },
        master: name_of(link.master),
        group: link.group,
    });
    Ok(observed.collect())
}

/// The Ethernet ports that are not made of others.
pub(crate) fn ports(socket: &mut Socket) -> io::Result<Vec<Port>> {
    let links = dump(socket)?.into_iter();
    let ports = links.filter(|link| {
        link.hardware == ARPHRD_ETHER && link.vlan.is_none() && link.kind != "bond" && link.kind != "bridge"
    });
    Ok(ports.map(|link| Port { pci: pci_address(&link.name), mac: link.mac, device: link.name }).collect())
}

/// Makes one change.
pub(crate) fn apply(socket: &mut Socket, change: &LinkChange) -> io::Result<()> {
    match change {
        LinkChange::Create(link) => create(socket, link),
        LinkChange::Delete { device } => match index(socket, device) {
            Ok(index) => socket.change(RTM_DELLINK, 0, &Body::new(header(index, 0, 0))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        },
        LinkChange::Enslave { device, bond } => {
            let (port, bond) = (index(socket, device)?, index(socket, bond)?);
            // The driver takes a port only while it is down, and sets it up itself.
            socket.change(RTM_NEWLINK, 0, &Body::new(header(port, 0, IFF_UP)))?;
            socket.change(
                RTM_NEWLINK,
                0,
                &Body::new(header(port, 0, 0)).with(IFLA_MASTER, &bond.to_ne_bytes()),
            )
        }
        LinkChange::Release { device, .. } => {
            let port = index(socket, device)?;
            socket.change(RTM_NEWLINK, 0, &Body::new(header(port, 0, 0)).with_u32(IFLA_MASTER, 0))
        }
        LinkChange::SetMtu { device, mtu, .. } => {
            let index = index(socket, device)?;
            socket.change(RTM_NEWLINK, 0, &Body::new(header(index, 0, 0)).with_u32(IFLA_MTU, *mtu))
        }
        LinkChange::SetUp { device } => {
            let index = index(socket, device)?;
            socket.change(RTM_NEWLINK, 0, &Body::new(header(index, IFF_UP, IFF_UP)))
        }
    }
}

/// The kernel's number of a device.
pub(crate) fn index(socket: &mut Socket, device: &str) -> io::Result<i32> {
    let links = dump(socket)?;
    let link = links.iter().find(|link| link.name == device);
    link.map(|link| link.index).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The devices' names by the kernel's numbers.
pub(crate) fn names(socket: &mut Socket) -> io::Result<BTreeMap<u32, String>> {
    let links = dump(socket)?.into_iter();
    Ok(links.filter_map(|link| Some((u32::try_from(link.index).ok()?, link.name))).collect())
}

/// Makes a device that leads nowhere, of the first kind that this kernel has.
pub(crate) fn create_stand_in(socket: &mut Socket, device: &str) -> io::Result<()> {
    let mut create = |kind: &str| {
        let info = Body::default().with_text(IFLA_INFO_KIND, kind);
        let body = Body::new(header(0, 0, 0)).with_text(IFLA_IFNAME, device);
        let body = body.with_nested(IFLA_LINKINFO, info);
        socket.change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body)
    };
    match create("dummy") {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => create("veth"),
        created => created,
    }
}

fn create(socket: &mut Socket, link: &Link) -> io::Result<()> {
    let info = |kind: &str, data: Body| {
        Body::default().with_text(IFLA_INFO_KIND, kind).with_nested(IFLA_INFO_DATA, data)
    };
    let body = Body::new(header(0, 0, 0))
        .with_text(IFLA_IFNAME, &link.device)
        .with_u32(IFLA_GROUP, CREATED_LINK_GROUP);
    let body = match &link.kind {
        LinkKind::Port => return Err(io::ErrorKind::NotFound.into()),
        LinkKind::Vlan { parent, id } => {
            let parent = index(socket, parent)?;
            let data = Body::default().with(IFLA_VLAN_ID, &id.to_ne_bytes());
            body.with(IFLA_LINK, &parent.to_ne_bytes()).with_nested(IFLA_LINKINFO, info("vlan", data))
        }
        LinkKind::Bond { mode, .. } => {
            let mode = match mode {
                BondMode::ActiveBackup => BOND_MODE_ACTIVEBACKUP,
                BondMode::Ieee8023ad => BOND_MODE_8023AD,
            };
            let mut data = Body::default().with(IFLA_BOND_MODE, &[mode]);
            data = data.with_u32(IFLA_BOND_MIIMON, BOND_MIIMON_MS);
            if mode == BOND_MODE_8023AD {
                data = data.with(IFLA_BOND_XMIT_HASH_POLICY, &[BOND_XMIT_POLICY_LAYER34]);
            }
            body.with_nested(IFLA_LINKINFO, info("bond", data))
        }
    };
    socket.change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body)
}

fn dump(socket: &mut Socket) -> io::Result<Vec<Raw>> {
    socket.dump(RTM_GETLINK, &Body::new(header(0, 0, 0)), |links: &mut Vec<Raw>, kind, body| {
        if kind == RTM_NEWLINK {
            links.extend(parse(body));
        }
    })
}

fn parse(body: &[u8]) -> Option<Raw> {
    let attributes = body.get(IFINFOMSG..)?;
    let of = |kind| attribute(attributes, kind);
    let info = of(IFLA_LINKINFO).unwrap_or_default();
    let kind = attribute(info, IFLA_INFO_KIND).and_then(read_text).unwrap_or_default();
    let data = attribute(info, IFLA_INFO_DATA).unwrap_or_default();
    let mac = of(IFLA_PERM_ADDRESS).or(of(IFLA_ADDRESS));
    Some(Raw {
        hardware: read_u16(body.get(2..)?)?,
        index: read_i32(body.get(4..)?)?,
        flags: read_u32(body.get(8..)?)?,
        name: of(IFLA_IFNAME).and_then(read_text)?,
        mtu: of(IFLA_MTU).and_then(read_u32).unwrap_or(0),
        group: of(IFLA_GROUP).and_then(read_u32).unwrap_or(0),
        below: of(IFLA_LINK).and_then(read_i32),
        master: of(IFLA_MASTER).and_then(read_i32),
        mac: mac.and_then(|mac| mac.try_into().ok()),
        vlan: attribute(data, IFLA_VLAN_ID).filter(|_| kind == "vlan").and_then(read_u16),
        bond: attribute(data, IFLA_BOND_MODE).filter(|_| kind == "bond").and_then(|v| v.first().copied()),
        kind,
    })
}

/// `struct ifinfomsg`
fn header(index: i32, flags: u32, change: u32) -> Vec<u8> {
    let mut header = vec![0; 4];
    header.extend(index.to_ne_bytes());
    header.extend(flags.to_ne_bytes());
    header.extend(change.to_ne_bytes());
    header
}

/// The PCI address on the way to a device: `0000:01:00.0`. Virtio devices stand below theirs.
fn pci_address(device: &str) -> Option<String> {
    let path = Path::new("/sys/class/net").join(device).join("device").canonicalize().ok()?;
    let mut parts = path.iter().filter_map(|part| part.to_str());
    parts.rfind(|part| is_pci_address(part)).map(str::to_owned)
}

fn is_pci_address(part: &str) -> bool {
    let shape = part.bytes().map(|byte| if byte.is_ascii_hexdigit() { b'0' } else { byte });
    shape.eq(*b"0000:00:00.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pci_address_is_told_from_other_names() {
        assert!(is_pci_address("0000:01:00.0"));
        assert!(is_pci_address("0001:ff:1f.7"));
        assert!(!is_pci_address("pci0000:00"));
        assert!(!is_pci_address("virtio0"));
    }
}
