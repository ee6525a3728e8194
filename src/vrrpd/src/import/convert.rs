//! From the tree of keepalived.conf to TOML.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use super::Node;
use super::keywords::{self, Block, Fate};
use crate::settings::duration_text;

/// What all routers inherit.
struct Defaults<'a> {
    globals: Vec<&'a Node>,
    groups: Vec<&'a Node>,
}

impl<'a> Defaults<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        self.globals.iter().rev().find_map(|global| global.value(name))
    }
}

pub(super) fn to_toml(top: &[Node]) -> Result<String, String> {
    let blocks = |name: &str| top.iter().filter(|node| node.name() == name).collect::<Vec<_>>();
    let defaults = Defaults { globals: blocks("global_defs"), groups: blocks("vrrp_sync_group") };
    let mut out = String::from("# From keepalived.conf by vrrpd import.\n");
    global(&mut out, &defaults);
    for node in top {
        match node.name() {
            "global_defs" => {}
            "vrrp_instance" => instance(&mut out, node, &defaults),
            "vrrp_sync_group" => group(&mut out, node),
            "vrrp_script" => script(&mut out, node),
            "vrrp_track_file" | "track_file" => file(&mut out, node),
            name => {
                let line = node.words.join(" ");
                match keywords::find(Block::Top, name) {
                    Some(Fate::Same(_)) => {}
                    Some(Fate::Different(why)) => put(&mut out, format_args!("# {line}: {why}")),
                    Some(Fate::Refused(why)) => comment(&mut out, &format!("{line}: {why}")),
                    None => comment(&mut out, &format!("{line}: not about VRRP, or not there")),
                }
            }
        }
    }
    Ok(out)
}

fn comment(out: &mut String, what: &str) {
    put(out, format_args!("# not carried over: {what}"));
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").unwrap_or_default();
}

/// Comments on the children of `node` that are refused or unknown; those that are different get a
/// comment when `node` would otherwise look as if they had been carried over.
fn comments(out: &mut String, block: Block, node: &Node) {
    for child in &node.children {
        let line = child.words.join(" ");
        match keywords::find(block, child.name()) {
            Some(Fate::Same(_)) => {}
            Some(Fate::Different(why)) => put(out, format_args!("# {line}: {why}")),
            Some(Fate::Refused(why)) => comment(out, &format!("{line}: {why}")),
            None => comment(out, &format!("{line}: keepalived has no such keyword that vrrpd knows of")),
        }
    }
}

fn global(out: &mut String, defaults: &Defaults<'_>) {
    put(out, format_args!("\n[global]"));
    for node in &defaults.globals {
        comments(out, Block::Global, node);
    }
    if let Some(path) = defaults.value("vrrp_notify_fifo").or(defaults.value("notify_fifo")) {
        put(out, format_args!("notify_fifo = {path:?}"));
    }
    if let Some(user) = defaults.value("script_user") {
        put(out, format_args!("script_user = {user:?}"));
    }
    if let Some(priority) = defaults.value("vrrp_rt_priority").and_then(|text| text.parse::<u8>().ok()) {
        put(out, format_args!("real_time_priority = {}", priority.min(99)));
    }
    if let Some(refresh) = seconds(defaults.value("vrrp_garp_master_refresh")) {
        put(out, format_args!("announce_refresh = \"{}\"", duration_text(refresh)));
    }
}

fn instance(out: &mut String, node: &Node, defaults: &Defaults<'_>) {
    put(out, format_args!("\n[[virtual_router]]"));
    comments(out, Block::Instance, node);
    put(out, format_args!("name = {:?}", node.argument()));
    match node.value("interface").or(defaults.value("default_interface")) {
        Some(interface) => put(out, format_args!("interface = {interface:?}")),
        None => comment(out, "there is no `interface`"),
    }
    put(out, format_args!("vrid = {}", node.value("virtual_router_id").unwrap_or("0")));
    put(out, format_args!("priority = {}", node.value("priority").unwrap_or("100")));
    let first = node.child("virtual_ipaddress").and_then(|block| block.children.first());
    let is_ipv6 = first.is_some_and(|first| first.name().contains(':'));
    let version = node.value("version").or(defaults.value("vrrp_version")).unwrap_or("2");
    // keepalived's default is 2, and IPv6 is always 3.
    let version = if is_ipv6 { "3" } else { version };
    put(out, format_args!("version = {version}"));
    let interval = seconds(node.value("advert_int")).unwrap_or(Duration::from_secs(1));
    put(out, format_args!("advertisement_interval = \"{}\"", duration_text(interval)));
    put_addresses(out, node, "virtual_ipaddress", "addresses");
    put_addresses(out, node, "virtual_ipaddress_excluded", "excluded_addresses");
    let preempts = !node.has("nopreempt");
    put(out, format_args!("preempt = {preempts}"));
    if let Some(delay) = seconds(node.value("preempt_delay")).filter(|_| preempts) {
        put(out, format_args!("preempt_delay = \"{}\"", duration_text(delay)));
    }
    if let Some(delay) = seconds(defaults.value("vrrp_startup_delay")) {
        put(out, format_args!("startup_delay = \"{}\"", duration_text(delay)));
    }
    transport(out, node, defaults, is_ipv6);
    if let Some(virtual_mac) = node.child("use_vmac") {
        match virtual_mac.argument() {
            "" => put(out, format_args!("virtual_mac = true")),
            name => put(out, format_args!("virtual_mac = {name:?}")),
        }
        if let Some(mac) = virtual_mac.words.get(2) {
            comment(out, &format!("use_vmac {mac}: the MAC address is the RFC's"));
        }
    }
    if node.has("no_accept") {
        put(out, format_args!("accept = false"));
    }
    authentication(out, node, version);
    tracking(out, node, defaults);
    programs(out, node);
}

fn transport(out: &mut String, node: &Node, defaults: &Defaults<'_>, is_ipv6: bool) {
    if let Some(source) = node.value("unicast_src_ip").or(node.value("mcast_src_ip")) {
        put(out, format_args!("source = {source:?}"));
    }
    let peers: Vec<_> = node.child("unicast_peer").map_or(&[][..], |peers| &peers.children).iter().collect();
    if !peers.is_empty() {
        let peers: Vec<_> = peers.into_iter().map(peer).collect();
        put(out, format_args!("peers = [{}]", peers.join(", ")));
        return;
    }
    let name = if is_ipv6 { "vrrp_mcast_group6" } else { "vrrp_mcast_group4" };
    if let Some(group) = node.value("mcast_dst_ip").or(defaults.value(name)) {
        put(out, format_args!("multicast_group = {group:?}"));
    }
}

fn peer(node: &Node) -> String {
    let option = |name: &str| {
        let mut words = node.words.iter().skip_while(|word| *word != name);
        words.nth(1).and_then(|value| value.parse::<u8>().ok())
    };
    let (least, greatest) = (option("min_ttl"), option("max_ttl"));
    if least.is_none() && greatest.is_none() {
        return format!("{:?}", node.name());
    }
    let least = least.map_or(String::new(), |ttl| format!(", least_ttl = {ttl}"));
    let greatest = greatest.map_or(String::new(), |ttl| format!(", greatest_ttl = {ttl}"));
    format!("{{ address = {:?}{least}{greatest} }}", node.name())
}

fn authentication(out: &mut String, node: &Node, version: &str) {
    let Some(authentication) = node.child("authentication") else { return };
    match (authentication.value("auth_type"), authentication.value("auth_pass")) {
        (Some("PASS"), Some(_)) if version != "2" => {
            comment(out, "auth_pass: version 3 has no password");
        }
        (Some("PASS"), Some(password)) => {
            let cut: String = password.chars().take(8).collect();
            if cut != password {
                put(out, format_args!("# keepalived uses eight octets of the password"));
            }
            put(out, format_args!("password = {cut:?}"));
        }
        (kind, _) => comment(out, &format!("auth_type {}: not supported", kind.unwrap_or("?"))),
    }
}

fn put_addresses(out: &mut String, node: &Node, name: &str, key: &str) {
    let Some(block) = node.child(name) else { return };
    put(out, format_args!("{key} = ["));
    for entry in &block.children {
        let address = entry.name();
        let is_address = address.split('/').next().is_some_and(|text| text.parse::<IpAddr>().is_ok());
        if !is_address {
            comment(out, &entry.words.join(" "));
            continue;
        }
        let (mut fields, mut rest) = (String::new(), Vec::new());
        let mut words = entry.arguments().iter();
        while let Some(word) = words.next() {
            match (word.as_str(), words.next()) {
                ("dev", Some(device)) => write!(fields, ", device = {device:?}").unwrap_or_default(),
                ("label", Some(label)) => write!(fields, ", label = {label:?}").unwrap_or_default(),
                ("scope", Some(scope)) => write!(fields, ", scope = {scope:?}").unwrap_or_default(),
                (word, value) => rest.push(format!("{word} {}", value.map_or("", String::as_str))),
            }
        }
        if !rest.is_empty() {
            comment(out, &format!("{address}: {}", rest.join(" ")));
        }
        if fields.is_empty() {
            put(out, format_args!("    {address:?},"));
        } else {
            put(out, format_args!("    {{ address = {address:?}{fields} }},"));
        }
    }
    put(out, format_args!("]"));
}

/// What the instance tracks, and its group with it.
fn tracking(out: &mut String, node: &Node, defaults: &Defaults<'_>) {
    let is_member = |group: &&&Node| {
        let members = group.child("group").map_or(&[][..], |members| &members.children);
        members.iter().any(|member| member.words.iter().any(|word| word == node.argument()))
    };
    let group = defaults.groups.iter().find(is_member);
    for (name, key) in [("track_interface", "interface"), ("track_script", "name"), ("track_file", "name")] {
        let sources = [Some(node), group.copied()];
        let entries: Vec<_> = sources
            .into_iter()
            .flatten()
            .filter_map(|source| source.child(name))
            .flat_map(|block| &block.children)
            .map(|entry| tracked(entry, key))
            .collect();
        if !entries.is_empty() {
            put(out, format_args!("{name} = [{}]", entries.join(", ")));
        }
    }
}

fn tracked(entry: &Node, key: &str) -> String {
    let mut words = entry.words.iter().skip_while(|word| *word != "weight");
    let weight = words.nth(1).and_then(|weight| weight.parse::<i32>().ok()).filter(|weight| *weight != 0);
    match weight {
        Some(weight) => format!("{{ {key} = {:?}, weight = {weight} }}", entry.name()),
        None => format!("{:?}", entry.name()),
    }
}

fn programs(out: &mut String, node: &Node) {
    for (name, key) in [
        ("notify", "notify"),
        ("notify_master", "notify_active"),
        ("notify_backup", "notify_backup"),
        ("notify_fault", "notify_fault"),
        ("notify_stop", "notify_stop"),
    ] {
        if let Some(program) = node.child(name) {
            put_command(out, key, program.arguments());
        }
    }
}

/// keepalived splits one text at blanks; a user and a group may follow it.
fn put_command(out: &mut String, key: &str, arguments: &[String]) {
    let Some(first) = arguments.first() else { return };
    let words: Vec<_> = first.split_ascii_whitespace().collect();
    if !words.first().is_some_and(|path| path.starts_with('/')) {
        comment(out, &format!("{key} {first}: programs are named by their whole path"));
        return;
    }
    let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    put(out, format_args!("{key} = [{}]", words.join(", ")));
    if arguments.len() > 1 {
        let user = arguments.get(1..).unwrap_or_default().join(" ");
        comment(out, &format!("user {user}: `script_user` in [global] is for all programs"));
    }
}

fn group(out: &mut String, node: &Node) {
    put(out, format_args!("\n[[sync_group]]"));
    comments(out, Block::Group, node);
    put(out, format_args!("name = {:?}", node.argument()));
    let members = node.child("group").map_or(&[][..], |members| &members.children);
    let members: Vec<_> =
        members.iter().flat_map(|member| &member.words).map(|word| format!("{word:?}")).collect();
    put(out, format_args!("members = [{}]", members.join(", ")));
    programs(out, node);
}

fn script(out: &mut String, node: &Node) {
    put(out, format_args!("\n[[track_script]]"));
    comments(out, Block::Script, node);
    put(out, format_args!("name = {:?}", node.argument()));
    if let Some(command) = node.child("script") {
        put_command(out, "command", command.arguments().get(..1).unwrap_or_default());
    }
    for name in ["interval", "timeout"] {
        if let Some(duration) = seconds(node.value(name)) {
            put(out, format_args!("{name} = \"{}\"", duration_text(duration)));
        }
    }
    for name in ["rise", "fall"] {
        if let Some(count) = node.value(name) {
            put(out, format_args!("{name} = {count}"));
        }
    }
    weight(out, node);
    if node.has("init_fail") {
        put(out, format_args!("starts_up = false"));
    }
}

fn file(out: &mut String, node: &Node) {
    put(out, format_args!("\n[[track_file]]"));
    comments(out, Block::File, node);
    put(out, format_args!("name = {:?}", node.argument()));
    put(out, format_args!("path = {:?}", node.value("file").unwrap_or("/")));
    // keepalived's default for files is 1.
    if node.has("weight") {
        weight(out, node);
    } else {
        put(out, format_args!("weight = 1"));
    }
}

fn weight(out: &mut String, node: &Node) {
    let Some(weight) = node.child("weight") else { return };
    put(out, format_args!("weight = {}", weight.argument()));
    if weight.arguments().iter().any(|word| word == "reverse") {
        comment(out, "weight reverse: negate the script's result");
    }
}

/// keepalived's decimal seconds.
fn seconds(text: Option<&str>) -> Option<Duration> {
    let (whole, fraction) = text.map(|text| text.split_once('.').unwrap_or((text, "")))?;
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(Duration::from_secs(whole.parse().ok()?) + Duration::from_micros(digits.parse().ok()?))
}
