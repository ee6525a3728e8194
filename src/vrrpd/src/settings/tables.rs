//! The tables of the text, one function each, and what must hold between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use vrrp::wire::ChecksumForm;
use vrrp::{
    AddressListPolicy, ChecksumPolicy, ConfigError, Family, Grouping, Peer, Preemption, TtlBounds, Version,
    Vrid, Weight,
};

use super::reader::{Findings, Item, Reader, integer, shown};
use super::value;
use super::{
    FileSettings, Finding, Global, GroupSettings, Key, Octets, Programs, RouterSettings, ScriptSettings,
    Secret, Settings, Tracked, TrackedInterface, VirtualAddress,
};

/// Routers of one daemon: what a 16-bit index holds and more than anyone has.
const MOST_ROUTERS: usize = 4096;

pub(super) fn parse(text: &str) -> Result<Settings, Vec<Finding>> {
    let findings = Findings::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        findings.add(error.span().map_or(0, |span| span.start), error.message().trim_end());
    }
    let settings = {
        let mut top = Reader::new(document.get_ref(), "the file", 0, &findings);
        let settings = read_top(&mut top, &findings);
        top.finish();
        settings
    };
    let list = findings.into_list();
    if list.is_empty() { Ok(settings) } else { Err(list) }
}

fn read_top<'a>(top: &mut Reader<'a>, findings: &'a Findings<'a>) -> Settings {
    let mut settings = Settings::default();
    if let Some(table) = top.item("global").and_then(|item| as_table(item, "[global]", findings)) {
        settings.global = global(table);
    }
    let mut places = BTreeMap::new();
    for reader in tables(top, "virtual_router", "[[virtual_router]]") {
        let at = reader.at();
        if let Some(router) = virtual_router(reader) {
            places.insert(router.name.clone(), at);
            check_unique(&settings.routers, &router, at, findings);
            settings.routers.push(router);
        }
    }
    if settings.routers.len() > MOST_ROUTERS {
        findings.add(0, format!("{} virtual routers, at most {MOST_ROUTERS} fit", settings.routers.len()));
    }
    settings.scripts =
        tables(top, "track_script", "[[track_script]]").into_iter().filter_map(script).collect();
    settings.files = tables(top, "track_file", "[[track_file]]").into_iter().filter_map(file).collect();
    for reader in tables(top, "sync_group", "[[sync_group]]") {
        let at = reader.at();
        if let Some(group) = sync_group(reader) {
            join_group(&mut settings.routers, &group, at, findings);
            settings.groups.push(group);
        }
    }
    check_names(&settings, &places, findings);
    settings
}

fn as_table<'a>(item: Item<'a>, what: &'static str, findings: &'a Findings<'a>) -> Option<Reader<'a>> {
    let table = item.value.as_table();
    if table.is_none() {
        findings.add(item.at, format!("{what} is a table, not {}", shown(item.value)));
    }
    Some(Reader::new(table?, what, item.at, findings))
}

fn tables<'a>(top: &mut Reader<'a>, key: &'static str, what: &'static str) -> Vec<Reader<'a>> {
    top.list(key, |item, findings| as_table(item, what, findings))
}

fn global(mut reader: Reader<'_>) -> Global {
    let default = Global::default();
    let rate = reader.number("announce_rate", 1..1_000_001);
    let burst = reader.number("announce_burst", 1..65_536);
    let refresh = reader.duration("announce_refresh");
    let priority = reader.number("real_time_priority", 0..100);
    let global = Global {
        announce_rate: rate.and_then(|rate| u32::try_from(rate).ok()).unwrap_or(default.announce_rate),
        announce_burst: burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(default.announce_burst),
        announce_refresh: refresh
            .map_or(default.announce_refresh, |refresh| (!refresh.is_zero()).then_some(refresh)),
        real_time_priority: priority
            .and_then(|priority| u8::try_from(priority).ok())
            .unwrap_or(default.real_time_priority),
        lock_memory: reader.flag("lock_memory").unwrap_or(default.lock_memory),
        notify_fifo: reader.string("notify_fifo"),
        notify: reader.command("notify"),
        notify_timeout: reader.duration("notify_timeout").unwrap_or(default.notify_timeout),
        script_user: reader.string("script_user"),
    };
    reader.finish();
    global
}

fn virtual_router(mut reader: Reader<'_>) -> Option<RouterSettings> {
    let name = reader.string("name");
    let name = reader.required("name", name);
    let interface = interface_name(&mut reader, "interface");
    let interface = reader.required("interface", interface);
    let vrid = reader.number("vrid", 1..256).and_then(|vrid| Vrid::new(u8::try_from(vrid).ok()?));
    let vrid = reader.required("vrid", vrid);
    let version = reader.read("version", "2 or 3", |value| match integer(value)? {
        2 => Some(Version::V2),
        3 => Some(Version::V3),
        _ => None,
    });
    let priority = reader.number("priority", 1..256).and_then(|priority| u8::try_from(priority).ok());
    let interval = reader.duration("advertisement_interval").unwrap_or(Duration::from_secs(1));
    let least = reader.duration("least_interval");
    let greatest = reader.duration("greatest_interval");
    let addresses = reader.list("addresses", virtual_address);
    let excluded = reader.list("excluded_addresses", virtual_address);
    let preempt = reader.flag("preempt").unwrap_or(false);
    let preempt_delay = reader.duration("preempt_delay");
    if preempt_delay.is_some() && !preempt {
        reader.report(reader.place("preempt_delay"), "`preempt_delay` needs `preempt = true`");
    }
    let startup_delay = reader.duration("startup_delay").unwrap_or_default();
    let link_up_delay = reader.duration("link_up_delay").unwrap_or_default();
    let peers = reader.list("peers", peer);
    let source = reader.read("source", "an address", |value| value.as_str()?.parse::<IpAddr>().ok());
    let group =
        reader.read("multicast_group", "a multicast address", |value| value.as_str()?.parse::<IpAddr>().ok());
    if group.is_some() && !peers.is_empty() {
        reader.report(reader.place("multicast_group"), "`multicast_group` and `peers` exclude each other");
    }
    let checksum = reader.word(
        "checksum",
        &[
            ("follow-peer", ChecksumPolicy::FollowPeer),
            ("plain", ChecksumPolicy::Always(ChecksumForm::Plain)),
            ("pseudo-header", ChecksumPolicy::Always(ChecksumForm::PseudoHeader)),
        ],
    );
    let address_list = reader
        .word("address_list", &[("count", AddressListPolicy::Count), ("refuse", AddressListPolicy::Refuse)]);
    let password = reader.string("password").map(Secret);
    if reader.flag("accept") == Some(false) {
        reader.report(
            reader.place("accept"),
            "`accept = false` takes a packet filter, which vrrpd does not write; leave it out and drop \
             packets to the addresses with nftables",
        );
    }
    let track_interfaces = reader.list("track_interface", tracked_interface);
    let track_scripts = reader.list("track_script", tracked);
    let track_files = reader.list("track_file", tracked);
    let notify = programs(&mut reader);

    let first = addresses.first().map(|first: &VirtualAddress| first.address);
    if first.is_none() && reader.place("addresses") == reader.at() {
        reader.report(reader.at(), "[[virtual_router]] needs `addresses`");
    }
    let router = (|| {
        let family = Family::of(&first?);
        let octets = octets(&addresses, family);
        if octets.as_addresses().len() != addresses.len() {
            reader.report(
                reader.place("addresses"),
                "addresses are of two families: make two virtual routers of them, or move some to \
                 `excluded_addresses`",
            );
            return None;
        }
        Some(RouterSettings {
            name: name?,
            key: Key { interface: interface?, vrid: vrid?, family },
            version: version.unwrap_or(Version::V3),
            priority: priority.unwrap_or(100),
            interval,
            interval_bounds: interval_bounds(interval, least, greatest),
            addresses,
            excluded,
            octets,
            preemption: if preempt {
                Preemption::On { delay: preempt_delay.unwrap_or_default() }
            } else {
                Preemption::Off
            },
            startup_delay,
            link_up_delay,
            peers,
            source,
            multicast_group: group,
            checksum: checksum.unwrap_or(ChecksumPolicy::FollowPeer),
            address_list: address_list.unwrap_or(AddressListPolicy::Count),
            password,
            grouping: Grouping::Alone,
            track_interfaces,
            track_scripts,
            track_files,
            notify,
        })
    })();
    if let Some(router) = &router {
        check_config(&reader, router);
    }
    reader.finish();
    router
}

/// What the core has to say, at the key that it is about.
fn check_config(reader: &Reader<'_>, router: &RouterSettings) {
    // The interface's address is not known yet; one of the right kind stands in for it.
    let stand_in = match router.key.family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
    };
    let source = router.source.unwrap_or(stand_in);
    if Family::of(&source) != router.key.family {
        reader.report(reader.place("source"), "`source` is of another family than the addresses");
        return;
    }
    let Err(error) = router.config(source) else { return };
    let key = match error {
        ConfigError::VridZero => "vrid",
        ConfigError::PriorityZero => "priority",
        ConfigError::Interval { .. } => "advertisement_interval",
        ConfigError::IntervalBounds => "least_interval",
        ConfigError::VersionFamily => "version",
        ConfigError::PrimaryAddress => "source",
        ConfigError::NoAddresses
        | ConfigError::TooManyAddresses { .. }
        | ConfigError::AddressFamily
        | ConfigError::Address { .. }
        | ConfigError::DuplicateAddress { .. } => "addresses",
        ConfigError::MulticastGroup => "multicast_group",
        ConfigError::NoPeers | ConfigError::TooManyPeers { .. } | ConfigError::Peer { .. } => "peers",
        ConfigError::PasswordVersion | ConfigError::PasswordTooLong { .. } => "password",
        ConfigError::DelayTooLong => "startup_delay",
    };
    reader.report(reader.place(key), error.to_string());
}

fn interval_bounds(
    interval: Duration,
    least: Option<Duration>,
    greatest: Option<Duration>,
) -> Option<(Duration, Duration)> {
    let shortest = Duration::from_millis(10);
    let longest = Duration::from_millis(40_950);
    match (least, greatest) {
        (None, None) => None,
        _ => Some((
            least.unwrap_or((interval / 4).max(shortest)),
            greatest.unwrap_or((interval * 4).min(longest)),
        )),
    }
}

fn octets(addresses: &[VirtualAddress], family: Family) -> Octets {
    match family {
        Family::Ipv4 => Octets::V4(
            addresses
                .iter()
                .filter_map(|address| match address.address {
                    IpAddr::V4(v4) => Some(v4.octets()),
                    IpAddr::V6(_) => None,
                })
                .collect(),
        ),
        Family::Ipv6 => Octets::V6(
            addresses
                .iter()
                .filter_map(|address| match address.address {
                    IpAddr::V6(v6) => Some(v6.octets()),
                    IpAddr::V4(_) => None,
                })
                .collect(),
        ),
    }
}

/// What the kernel takes for a name.
fn is_interface_name(name: &str) -> bool {
    (1..16).contains(&name.len())
        && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/')
        && name != "."
        && name != ".."
}

fn interface_name(reader: &mut Reader<'_>, key: &'static str) -> Option<String> {
    reader.read(key, "the name of an interface, at most 15 characters", |value| {
        value.as_str().filter(|name| is_interface_name(name)).map(str::to_owned)
    })
}

fn virtual_address<'a>(item: Item<'a>, findings: &'a Findings<'a>) -> Option<VirtualAddress> {
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

fn peer<'a>(item: Item<'a>, findings: &'a Findings<'a>) -> Option<Peer> {
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

fn tracked_interface<'a>(item: Item<'a>, findings: &'a Findings<'a>) -> Option<TrackedInterface> {
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

fn tracked<'a>(item: Item<'a>, findings: &'a Findings<'a>) -> Option<Tracked> {
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

fn programs(reader: &mut Reader<'_>) -> Programs {
    Programs {
        any: reader.command("notify"),
        active: reader.command("notify_active"),
        backup: reader.command("notify_backup"),
        fault: reader.command("notify_fault"),
        stop: reader.command("notify_stop"),
    }
}

fn sync_group(mut reader: Reader<'_>) -> Option<GroupSettings> {
    let name = reader.string("name");
    let name = reader.required("name", name);
    let members = reader.list("members", |item, findings| {
        let member = item.value.as_str().map(str::to_owned);
        if member.is_none() {
            findings.add(item.at, format!("a member is a virtual router's name, not {}", shown(item.value)));
        }
        member
    });
    if members.is_empty() {
        reader.report(reader.place("members"), "[[sync_group]] needs `members`, names of virtual routers");
    }
    let notify = programs(&mut reader);
    reader.finish();
    Some(GroupSettings { name: name?, members, notify })
}

fn script(mut reader: Reader<'_>) -> Option<ScriptSettings> {
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

fn file(mut reader: Reader<'_>) -> Option<FileSettings> {
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

fn check_unique(routers: &[RouterSettings], router: &RouterSettings, at: usize, findings: &Findings<'_>) {
    for other in routers {
        if other.name == router.name {
            findings.add(at, format!("there are two virtual routers named {:?}", router.name));
        }
        if other.key == router.key {
            let Key { interface, vrid, .. } = &router.key;
            findings.add(
                at,
                format!(
                    "virtual routers {:?} and {:?} are both VRID {vrid} on {interface:?} in one family",
                    other.name, router.name
                ),
            );
        }
    }
}

fn join_group(routers: &mut [RouterSettings], group: &GroupSettings, at: usize, findings: &Findings<'_>) {
    for member in &group.members {
        match routers.iter_mut().find(|router| router.name == *member) {
            None => {
                findings.add(at, format!("group {:?}: no virtual router is named {member:?}", group.name))
            }
            Some(router) if router.grouping == Grouping::Grouped => {
                findings.add(at, format!("virtual router {member:?} is in two groups, or twice in one"));
            }
            Some(router) => router.grouping = Grouping::Grouped,
        }
    }
}

fn check_names(settings: &Settings, places: &BTreeMap<String, usize>, findings: &Findings<'_>) {
    let scripts: BTreeSet<_> = settings.scripts.iter().map(|script| &script.name).collect();
    let files: BTreeSet<_> = settings.files.iter().map(|file| &file.name).collect();
    if scripts.len() < settings.scripts.len() || files.len() < settings.files.len() {
        findings.add(0, "two track scripts, or two track files, have the same name");
    }
    for router in &settings.routers {
        let at = places.get(&router.name).copied().unwrap_or(0);
        for script in router.track_scripts.iter().filter(|tracked| !scripts.contains(&tracked.name)) {
            findings.add(at, format!("no [[track_script]] is named {:?}", script.name));
        }
        for file in router.track_files.iter().filter(|tracked| !files.contains(&tracked.name)) {
            findings.add(at, format!("no [[track_file]] is named {:?}", file.name));
        }
    }
}
