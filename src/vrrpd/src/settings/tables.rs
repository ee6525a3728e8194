//! The tables of the text, one function each, and what must hold between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use toml::de::DeTable;
use vrrp::wire::ChecksumForm;
use vrrp::{AddressListPolicy, ChecksumPolicy, ConfigError, Family, Grouping, Preemption, Version, Vrid};

use super::parts::{
    VirtualMac, file, interface_name, peer, script, tracked, tracked_interface, virtual_address, virtual_mac,
};
use super::reader::{Findings, Reader, as_table, integer, shown};
use super::{
    Finding, Global, GroupSettings, Key, Octets, Programs, RouterSettings, Secret, Settings, VirtualAddress,
};

/// Routers of one daemon: what a 16-bit index holds and more than anyone has.
const MOST_ROUTERS: usize = 4096;

/// IPv6 addresses of an advertisement that fits in one frame (MTU 1500, 40 octets of IPv6 header,
/// 8 of VRRP): nobody cuts a frame of ours in two.
const MOST_ADDRESSES_V6: usize = (1500 - 40 - 8) / 16;

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
    let accepts = reader.flag("accept").unwrap_or(true);
    let virtual_mac = virtual_mac(&mut reader);
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
        let is_framed = peers.is_empty() && !matches!(virtual_mac, None | Some(VirtualMac::None));
        if is_framed && family == Family::Ipv6 && addresses.len() > MOST_ADDRESSES_V6 {
            reader.report(
                reader.place("addresses"),
                format!(
                    "{} addresses, with `virtual_mac` at most {MOST_ADDRESSES_V6} of IPv6 fit in a frame; \
                     move some to `excluded_addresses`",
                    addresses.len()
                ),
            );
        }
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
            virtual_mac: virtual_mac.and_then(|wanted| wanted.name(family, vrid?)),
            accepts,
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

fn check_unique(routers: &[RouterSettings], router: &RouterSettings, at: usize, findings: &Findings<'_>) {
    for other in routers {
        if let Some(name) = router.virtual_mac.as_ref().filter(|_| other.virtual_mac == router.virtual_mac) {
            findings.add(
                at,
                format!(
                    "virtual routers {:?} and {:?} would both make the interface {name:?}; name one with \
                     `virtual_mac = \"..\"`",
                    other.name, router.name
                ),
            );
        }
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
    let mut scripts = BTreeSet::new();
    let mut files = BTreeSet::new();
    let are_new = settings.scripts.iter().all(|script| scripts.insert(&script.name));
    if !settings.files.iter().all(|file| files.insert(&file.name)) || !are_new {
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
