//! A configuration's whole table: which chains, in which order which rules, and what the sets hold.
//!
//! ```text
//! client -> VIP     input (mark) -> IPVS -> output -> real server
//! server -> client  forward -> IPVS puts the VIP in -> guard -> postrouting
//! ```
//! The first rules of each chain are those that the packets of running transfers meet.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mark21_config::{Config, PortRange, SyslogProtocol};
use nftables::schema::{Chain as NfChain, NfListObject, Rule};
use nftables::types::{NfChainPolicy, NfChainType, NfHook};
use serde_json::Value;

use super::flows::{Translated, flows};
use super::gather::{Gathered, active_ports, cause};
use super::rules::{self, Chain, Way};
use super::sets;
use super::{Content, Ruleset};
use crate::context::Context;
use crate::ipvs::{Family, Protocol};
use crate::sync::sync_group;

/// Both families, the more frequent first.
pub(super) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];
/// `NF_IP_PRI_MANGLE` (linux/netfilter_ipv4.h).
const MANGLE: i32 = -150;
/// `NF_IP_PRI_FILTER`
const FILTER: i32 = 0;
/// `NF_IP_PRI_NAT_SRC`; IPVS translates replies just before, at 99.
const SOURCE_NAT: i32 = 100;
/// Behind IPVS and source translation: what passes here leaves as it is.
const GUARD: i32 = 110;

/// The table of a configuration.
pub(crate) fn build(context: &Context<'_>) -> Ruleset {
    let gathered = FAMILIES.map(|family| Gathered::new(context, family));
    let flows = flows(context);
    let mut table = Table::default();
    table.base_chains();
    table.named_sets(&gathered);
    table.input(context, &gathered);
    table.forward(&gathered, &flows);
    table.guard(context, &gathered, &flows);
    table.output(context, &gathered);
    table.postrouting(&gathered, &flows);
    table.clamp(context);
    table.finish()
}

/// Drops everything but what the box says to itself.
pub(crate) fn fail_secure() -> Ruleset {
    let mut table = Table::default();
    table.base_chains();
    table.rules([
        rules::loopback(Way::In),
        rules::dropped(Chain::Input),
        rules::dropped(Chain::Forward),
        rules::loopback(Way::Out),
        rules::dropped(Chain::Output),
    ]);
    table.finish()
}

/// The table while it is built.
#[derive(Default)]
struct Table(Content);

impl Table {
    fn base_chains(&mut self) {
        use NfChainPolicy::{Accept, Drop};
        use NfHook::{Forward, Input, Output, Postrouting};
        self.base(Chain::Input, Input, FILTER, Drop);
        self.base(Chain::Forward, Forward, FILTER, Drop);
        self.base(Chain::Output, Output, FILTER, Drop);
        self.base(Chain::Postrouting, Postrouting, SOURCE_NAT, Accept);
    }

    fn named_sets(&mut self, gathered: &[Gathered; 2]) {
        for of in gathered {
            let family = of.family;
            let virtual_addresses: Vec<_> = of.virtual_addresses.iter().copied().collect();
            let servers: Vec<_> = of.servers.iter().copied().collect();
            let masqueraded: Vec<_> = of.masqueraded.iter().copied().collect();
            let replies: Vec<_> = of.active_replies.iter().copied().collect();
            let sources: Vec<_> = of.active_sources.iter().map(|(key, to)| (*key, *to)).collect();
            let marks: Vec<_> = of.marks.iter().map(|entry| (entry.0, entry.1, entry.2)).collect();
            let named = [
                (!marks.is_empty()).then(|| sets::marks(family, &marks)),
                (!virtual_addresses.is_empty())
                    .then(|| sets::addresses("virtual", family, &virtual_addresses)),
                (!servers.is_empty()).then(|| sets::addresses("servers", family, &servers)),
                (!masqueraded.is_empty()).then(|| sets::endpoints("masquerade", family, &masqueraded)),
                (!replies.is_empty()).then(|| sets::endpoints("active_replies", family, &replies)),
                (!sources.is_empty()).then(|| sets::endpoint_sources("active", family, &sources)),
            ];
            named.into_iter().flatten().for_each(|set| self.add(set));
            for protocol in PROTOCOLS {
                let endpoints: Vec<_> = of.endpoints(protocol).iter().copied().collect();
                if !endpoints.is_empty() {
                    self.add(sets::endpoints(&protocol.to_string(), family, &endpoints));
                }
            }
        }
    }

    fn input(&mut self, context: &Context<'_>, gathered: &[Gathered; 2]) {
        self.rule(rules::transport_answers());
        // IPVS comes behind this chain and knows running connections by their addresses and ports: the
        // mark leads new ones to their service.
        for of in gathered.iter().filter(|of| !of.marks.is_empty()) {
            self.rule(rules::mark(of.family, &cause(of.ftp_names.iter(), "control and passive data")));
        }
        self.marked(Way::In, gathered);
        self.rule(rules::loopback(Way::In));
        for of in gathered {
            for protocol in PROTOCOLS.into_iter().filter(|protocol| !of.endpoints(*protocol).is_empty()) {
                let cause = cause(of.address_names(protocol).iter(), "by address");
                self.rule(rules::service_by_address(Way::In, protocol, of.family, &cause));
            }
            if !of.active_replies.is_empty() {
                let cause = cause(of.ftp_names.iter(), "active data");
                self.rule(rules::active_replies(of.family, &cause));
            }
        }
        for of in gathered.iter().filter(|of| !of.virtual_addresses.is_empty()) {
            self.rule(rules::too_many_pings(of.family));
        }
        self.rule(rules::answers(Chain::Input));
        self.rules([rules::icmp_in(), rules::icmpv6_in(), rules::igmp_in()]);
        self.vrrp(context, Way::In);
        if let Some((device, sync)) = context.config.sync.as_ref().and_then(|sync| {
            let device = context.device(sync.interface)?;
            Some((device, sync))
        }) {
            self.rule(rules::sync_in(device, &sync.peer, &sync_group(sync)));
        }
        self.management(context);
        self.rule(rules::dropped(Chain::Input));
    }

    fn forward(&mut self, gathered: &[Gathered; 2], flows: &[Translated]) {
        self.rule(rules::answers(Chain::Forward));
        let mut made = BTreeSet::new();
        for of in gathered {
            let servers = of.chains_of_servers();
            for (chain, content) in of.server_chains() {
                if made.insert(chain.clone()) {
                    self.add(plain_chain(&chain));
                    for (protocol, ranges, cause) in content {
                        self.rule(rules::from_server(&chain, protocol, &ranges, &cause));
                    }
                }
            }
            if !servers.is_empty() {
                self.rule(rules::by_server(of.family, &servers));
            }
        }
        for of in gathered.iter().filter(|of| !of.servers.is_empty()) {
            self.rule(rules::errors_from_servers(of.family));
        }
        for translated in flows {
            self.rule(translated.flow.accepted(Chain::Forward.name()));
        }
        self.rule(rules::dropped(Chain::Forward));
    }

    /// The guard behind IPVS.
    fn guard(&mut self, context: &Context<'_>, gathered: &[Gathered; 2], flows: &[Translated]) {
        if gathered.iter().all(|of| of.servers.is_empty()) {
            return;
        }
        self.base(Chain::Guard, NfHook::Forward, GUARD, NfChainPolicy::Accept);
        for of in gathered {
            let is_empty = of.servers.is_empty();
            let rule = if is_empty { rules::no_servers } else { rules::not_of_servers };
            self.rule(rule(of.family));
        }
        let active: Vec<PortRange> = active_ports(context.config);
        if !active.is_empty() {
            self.rule(rules::active_data(&active));
        }
        if !context.config.allow.is_empty() {
            for of in gathered.iter().filter(|of| !of.servers.is_empty()) {
                self.rule(rules::answers_of_servers(of.family));
            }
        }
        for translated in flows {
            self.rule(translated.flow.accepted(Chain::Guard.name()));
        }
        self.rule(rules::leaked());
    }

    fn output(&mut self, context: &Context<'_>, gathered: &[Gathered; 2]) {
        self.rule(rules::answers(Chain::Output));
        self.marked(Way::Out, gathered);
        self.rule(rules::loopback(Way::Out));
        for of in gathered {
            if !of.servers.is_empty() {
                self.rule(rules::to_servers(of.family));
            }
            for protocol in PROTOCOLS.into_iter().filter(|protocol| of.keeps_address(*protocol)) {
                let cause = cause(of.address_names(protocol).iter(), "by address, direct");
                self.rule(rules::service_by_address(Way::Out, protocol, of.family, &cause));
            }
        }
        self.rule(rules::icmp_out());
        self.vrrp(context, Way::Out);
        if let Some((device, sync)) = context.config.sync.as_ref().and_then(|sync| {
            let device = context.device(sync.interface)?;
            Some((device, sync))
        }) {
            self.rule(rules::sync_out(device, &sync_group(sync)));
        }
        self.own_servers(context.config);
        self.rule(rules::dropped(Chain::Output));
    }

    /// What the box itself asks and tells: resolvers, time, logs.
    fn own_servers(&mut self, config: &Config) {
        for family in FAMILIES {
            let resolvers = of_family(&config.system.name_servers, family);
            let resolve = |protocol| rules::ask(protocol, &resolvers, 53, "system: name_servers");
            self.rules(PROTOCOLS.into_iter().filter_map(resolve));
            let clocks = of_family(&config.time.servers, family);
            self.rules(rules::ask(Protocol::Udp, &clocks, 123, "time: servers"));
        }
        for (server, number) in config.syslog.iter().zip(1..) {
            let protocol = match server.protocol {
                SyslogProtocol::Udp => Protocol::Udp,
                SyslogProtocol::Tcp => Protocol::Tcp,
            };
            self.rules(rules::ask(protocol, &[server.address], server.port, &format!("syslog {number}")));
        }
    }

    /// The way in from outside: the allowed networks, that interface, the box's own addresses there.
    fn management(&mut self, context: &Context<'_>) {
        let Some(management) = &context.config.management else { return };
        let Some(device) = context.device(management.interface) else { return };
        let listens: Vec<IpAddr> = context.config.management_addresses().collect();
        for family in FAMILIES {
            let to = of_family(&listens, family);
            let from = management.allow.iter().filter(|network| Family::of(&network.address) == family);
            let from: Vec<_> = from.copied().collect();
            if !to.is_empty() && !from.is_empty() {
                self.rule(rules::management(device, family, &from, &to));
            }
        }
    }

    fn postrouting(&mut self, gathered: &[Gathered; 2], flows: &[Translated]) {
        for of in gathered {
            let cause = cause(of.ftp_names.iter(), "active data");
            if !of.active_sources.is_empty() {
                self.rule(rules::active_source(of.family, &cause));
            }
            if !of.masqueraded.is_empty() {
                self.rule(rules::active_masquerade(of.family, &cause));
            }
        }
        for translated in flows {
            if let Some(source) = &translated.source {
                self.rule(translated.flow.translated(source));
            }
        }
    }

    fn clamp(&mut self, context: &Context<'_>) {
        let interfaces = context.config.interfaces.iter().filter(|interface| interface.mss_clamp);
        let names: Vec<&str> = interfaces.map(|interface| interface.name.as_str()).collect();
        let cause = match &names[..] {
            [] => return,
            [one] => format!("interface {one}: mss_clamp"),
            several => format!("{} interfaces: mss_clamp", several.len()),
        };
        self.base(Chain::Clamp, NfHook::Postrouting, MANGLE, NfChainPolicy::Accept);
        self.rule(rules::clamp(&cause));
    }

    fn marked(&mut self, way: Way, gathered: &[Gathered; 2]) {
        let marks: BTreeSet<u32> = gathered.iter().flat_map(|of| &of.all_marks).copied().collect();
        let names: BTreeSet<&String> = gathered.iter().flat_map(|of| &of.marked_names).collect();
        if !marks.is_empty() {
            let marks: Vec<u32> = marks.into_iter().collect();
            let cause = cause(names.into_iter(), "by mark");
            self.rule(rules::marked(way, &marks, &cause));
        }
    }

    /// One rule for each interface and family that has virtual routers; unicast only from their peers.
    fn vrrp(&mut self, context: &Context<'_>, way: Way) {
        let mut made = BTreeSet::new();
        for router in context.config.virtual_routers.iter() {
            let Some(device) = context.device(router.interface) else { continue };
            let Some(first) = router.addresses.first() else { continue };
            let family = Family::of(&first.address);
            let cause = format!("virtual_router {}", router.name);
            if router.peers.is_empty() {
                if made.insert((device, family, Vec::new())) {
                    self.rule(rules::vrrp_multicast(way, device, family, &cause));
                }
            } else {
                let mut peers = router.peers.to_vec();
                peers.sort_unstable();
                if made.insert((device, family, peers.clone())) {
                    self.rule(rules::vrrp_unicast(way, device, family, &peers, &cause));
                }
            }
        }
    }

    fn base(&mut self, chain: Chain, hook: NfHook, priority: i32, policy: NfChainPolicy) {
        let nat = chain == Chain::Postrouting;
        self.add(NfListObject::Chain(NfChain {
            _type: Some(if nat { NfChainType::NAT } else { NfChainType::Filter }),
            hook: Some(hook),
            prio: Some(priority),
            policy: Some(policy),
            ..named_chain(chain.name())
        }));
    }

    fn rule(&mut self, rule: Rule<'static>) {
        self.add(NfListObject::Rule(rule));
    }

    fn rules(&mut self, rules: impl IntoIterator<Item = Rule<'static>>) {
        rules.into_iter().for_each(|rule| self.rule(rule));
    }

    /// Takes the object at once as text: the typed ones are large.
    fn add(&mut self, object: NfListObject<'static>) {
        self.0.add(to_value(&object));
    }

    fn finish(self) -> Ruleset {
        self.0.into()
    }
}

fn of_family(addresses: &[IpAddr], family: Family) -> Vec<IpAddr> {
    addresses.iter().filter(|address| Family::of(address) == family).copied().collect()
}

/// The object as nft takes it.
pub(super) fn to_value(object: &NfListObject<'static>) -> Value {
    serde_json::to_value(object).expect("an nft object is strings, numbers and lists")
}

/// A chain that is jumped to.
pub(super) fn plain_chain(name: &str) -> NfListObject<'static> {
    NfListObject::Chain(named_chain(name))
}

fn named_chain(name: &str) -> NfChain<'static> {
    NfChain {
        family: super::FAMILY,
        table: super::TABLE.into(),
        name: name.to_owned().into(),
        ..NfChain::default()
    }
}
