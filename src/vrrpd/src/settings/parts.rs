//! The smaller parts of a configuration: addresses, peers, what is tracked.

use std::net::IpAddr;
use std::time::Duration;

use toml::de::DeValue;
use vrrp::{Family, Peer, TtlBounds, Vrid, Weight};

use super::reader::{Findings, Item, Reader, as_table, shown};
use super::value;
use super::{FileSettings, ScriptSettings, Tracked, TrackedInterface, VirtualAddress};

/// What the kernel takes for a name.
fn is_interface_name(name: &str) -> bool {
    (1..16).contains(&name.len())
        && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/')
        && name != "."
        && name != ".."
}

pub(super) fn interface_name(reader: &mut Reader<'_>, key: &'static str) -> Option<String> {
    reader.read(key, "the name of an interface, at most 15 characters", |value| {
        value.as_str().filter(|name| is_interface_name(name)).map(str::to_owned)
    })
}

/// A virtual MAC address, on an interface named as keepalived names it or otherwise.
pub(super) enum VirtualMac {
    None,
    Usual,
    Named(String),
}

impl VirtualMac {
    pub(super) fn name(self, family: Family, vrid: Vrid) -> Option<String> {
        match (self, family) {
            (VirtualMac::None, _) => None,
            (VirtualMac::Usual, Family::Ipv4) => Some(format!("vrrp.{vrid}")),
            (VirtualMac::Usual, Family::Ipv6) => Some(format!("vrrp6.{vrid}")),
            (VirtualMac::Named(name), _) => Some(name),
        }
    }
}

pub(super) fn virtual_mac(reader: &mut Reader<'_>) -> Option<VirtualMac> {
    let expected = "true, false, or a name for the interface, at most 15 characters";
    reader.read("virtual_mac", expected, |value| match (value.as_bool(), value.as_str()) {
        (Some(false), _) => Some(VirtualMac::None),
        (Some(true), _) => Some(VirtualMac::Usual),
        (None, Some(name)) if is_interface_name(name) => Some(VirtualMac::Named(name.to_owned())),
        (None, _) => None,
    })
}

pub(super) fn virtual_address<'a>(item: Item<'a>, findings: &'a Findings<'a>) -> Option<VirtualAddress> {
    let takes = "takes an address with its prefix length, such as \"192.0.2.10/24\"";
    if let Some(text) = item.value.as_str() {
        let Some((address, prefix_len)) = value::prefix(text) else {
            findings.add(item.at, format!("a virtual address {takes}, not {text:?}"));
            return None;
        };
        return Some(VirtualAddress { address, prefix_len, device: None, label: None, scope: 0 });
    }
    let mut reader = as_table(item, "a virtual address", findings)?;
    let prefix = reader.read("address", &takes["takes ".len()..], |value| value::prefix(value.as_str()?));
    let prefix = reader.required("address", prefix);
    let device = interface_name(&mut reader, "device");
    let label = reader.read("label", "a text of at most 15 characters", |value| {
        value.as_str().filter(|label| is_interface_name(label)).map(str::to_owned)
    });
    let scope = reader.word("scope", &[("global", 0), ("site", 200), ("link", 253), ("host", 254)]);
    reader.finish();
    let (address, prefix_len) = prefix?;
    Some(VirtualAddress { address, prefix_len, device, label, scope: scope.unwrap_or(0) })
}

pub(super) fn peer<'a>(item: Item<'a>, findings: &'a Findings<'a>) -> Option<Peer> {
    let parse = |value: &DeValue<'_>| value.as_str()?.parse::<IpAddr>().ok();
    if item.value.as_str().is_some() {
        let address = parse(item.value);
        if address.is_none() {
            findings.add(item.at, format!("a peer is an address, not {}", shown(item.value)));
        }
        return address.map(|address| Peer { address, ttl: default_ttl(&address) });
    }
    let mut reader = as_table(item, "a peer", findings)?;
    let address = reader.read("address", "an address", parse);
    let address = reader.required("address", address);
    let least = reader.number("least_ttl", 0..256).and_then(|ttl| u8::try_from(ttl).ok());
    let greatest = reader.number("greatest_ttl", 0..256).and_then(|ttl| u8::try_from(ttl).ok());
    let ttl = match (least, greatest) {
        (None, None) => address.as_ref().map(default_ttl),
        (least, greatest) => TtlBounds::new(least.unwrap_or(0), greatest.unwrap_or(255)),
    };
    if ttl.is_none() && address.is_some() {
        reader.report(reader.place("least_ttl"), "`least_ttl` is above `greatest_ttl`");
    }
    reader.finish();
    Some(Peer { address: address?, ttl: ttl? })
}

/// keepalived sends IPv6 unicast with the system's hop limit, which is 64.
const fn default_ttl(address: &IpAddr) -> TtlBounds {
    match address {
        IpAddr::V4(_) => TtlBounds::ON_LINK,
        IpAddr::V6(_) => TtlBounds::KEEPALIVED_IPV6,
    }
}

/// 0 is a fault, like keepalived's missing weight.
fn weight(reader: &mut Reader<'_>) -> Option<Weight> {
    let number = reader.number("weight", -254..255)?;
    Some(match i16::try_from(number) {
        Ok(0) | Err(_) => Weight::Fault,
        Ok(points) => Weight::Points(points),
    })
}

pub(super) fn tracked_interface<'a>(item: Item<'a>, findings: &'a Findings<'a>) -> Option<TrackedInterface> {
    let (zero, weight_default) = (Duration::ZERO, Weight::Fault);
    if let Some(name) = item.value.as_str().filter(|name| is_interface_name(name)) {
        let interface = name.to_owned();
        return Some(TrackedInterface {
            interface,
            weight: weight_default,
            up_delay: zero,
            down_delay: zero,
        });
    }
    let mut reader = as_table(item, "a tracked interface", findings)?;
    let interface = interface_name(&mut reader, "interface");
    let interface = reader.required("interface", interface);
    let weight = weight(&mut reader).unwrap_or(weight_default);
    let up_delay = reader.duration("up_delay").unwrap_or_default();
    let down_delay = reader.duration("down_delay").unwrap_or_default();
    reader.finish();
    Some(TrackedInterface { interface: interface?, weight, up_delay, down_delay })
}

pub(super) fn tracked<'a>(item: Item<'a>, findings: &'a Findings<'a>) -> Option<Tracked> {
    if let Some(name) = item.value.as_str() {
        return Some(Tracked { name: name.to_owned(), weight: None });
    }
    let mut reader = as_table(item, "a tracked object", findings)?;
    let name = reader.string("name");
    let name = reader.required("name", name);
    let weight = weight(&mut reader);
    reader.finish();
    Some(Tracked { name: name?, weight })
}

pub(super) fn script(mut reader: Reader<'_>) -> Option<ScriptSettings> {
    let name = reader.string("name");
    let name = reader.required("name", name);
    let command = reader.command("command");
    let command = reader.required("command", command);
    let interval = reader.duration("interval").unwrap_or(Duration::from_secs(1));
    let settings = ScriptSettings {
        name: name.unwrap_or_default(),
        command: command.unwrap_or_default(),
        interval: at_least(&reader, "interval", interval),
        timeout: reader.duration("timeout").unwrap_or(interval),
        rise: reader.number("rise", 1..1001).and_then(|rise| u32::try_from(rise).ok()).unwrap_or(1),
        fall: reader.number("fall", 1..1001).and_then(|fall| u32::try_from(fall).ok()).unwrap_or(1),
        weight: weight(&mut reader).unwrap_or(Weight::Fault),
        starts_up: reader.flag("starts_up").unwrap_or(true),
    };
    reader.finish();
    (!settings.name.is_empty() && !settings.command.is_empty()).then_some(settings)
}

pub(super) fn file(mut reader: Reader<'_>) -> Option<FileSettings> {
    let name = reader.string("name");
    let name = reader.required("name", name);
    let path = reader.read("path", "a path that begins with \"/\"", |value| {
        value.as_str().filter(|path| path.starts_with('/')).map(str::to_owned)
    });
    let path = reader.required("path", path);
    let interval = reader.duration("interval").unwrap_or(Duration::from_secs(1));
    let interval = at_least(&reader, "interval", interval);
    let weight = weight(&mut reader).unwrap_or(Weight::Fault);
    reader.finish();
    Some(FileSettings { name: name?, path: path?, interval, weight })
}

fn at_least(reader: &Reader<'_>, key: &str, interval: Duration) -> Duration {
    let least = Duration::from_millis(100);
    if interval < least {
        reader.report(reader.place(key), format!("`{key}` is at least 100ms"));
    }
    interval.max(least)
}
