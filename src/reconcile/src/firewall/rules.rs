//! Every rule of the table, one function each; those of `[[egress]]` and `[[allow]]` are in
//! [`super::flows`].
//!
//! The counters are there for `show firewall` and for the drops; the comment names what in the
//! configuration caused the rule. The order within the chains is decided in [`super::build`].

use std::net::IpAddr;

use mark21_config::{PortRange, Prefix};
use nftables::expr::{CTDir, MetaKey};
use nftables::schema::Rule;

use super::expr::*;
use crate::ipvs::{Family, Protocol};

/// Echo requests a second that virtual addresses answer, over all clients.
const PING_RATE: u32 = 50;
/// Echo requests that may come at once before the rate counts.
const PING_BURST: u32 = 100;
/// Where IPVS connection synchronisation listens (`IP_VS_SYNC_PORT`, net/netfilter/ipvs/ip_vs_sync.c).
const SYNC_PORT: u16 = 8848;
/// Where the ssh server listens (RFC 4253 section 4.1).
const SSH_PORT: u16 = 22;
/// Protocol numbers (IANA) of what is named in rules; see [`super::canonical`] for the names.
const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const VRRP: u8 = 112;

/// Why a packet is none of the guard's business.
const NOT_OF_SERVERS: &str = "leaves without a real server's address";

/// A chain to put a rule into; its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    Input,
    Forward,
    Guard,
    Output,
    Postrouting,
    Clamp,
}

impl Chain {
    /// Its name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Guard => "guard",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Clamp => "clamp",
        }
    }
}

/// Which way a packet passes the box itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the box.
    In,
    /// From the box.
    Out,
}

impl Way {
    fn chain(self) -> Chain {
        match self {
            Self::In => Chain::Input,
            Self::Out => Chain::Output,
        }
    }

    fn device(self) -> MetaKey {
        match self {
            Self::In => MetaKey::Iifname,
            Self::Out => MetaKey::Oifname,
        }
    }
}

/// `iifname "lo" accept`
pub(super) fn loopback(way: Way) -> Rule<'static> {
    rule(way.chain(), "loopback", [equals(meta(way.device()), text("lo")), counter(), accept()])
}

/// `counter` at the end of a chain whose policy is to drop.
pub(super) fn dropped(chain: Chain) -> Rule<'static> {
    rule(chain, &format!("dropped-{}", chain.name()), [counter()])
}

/// `meta mark set ip daddr . tcp dport map @marks4`
pub(super) fn mark(family: Family, comment: &str) -> Rule<'static> {
    let key = concat([field(header(family), "daddr"), field("tcp", "dport")]);
    let set = assign(meta(MetaKey::Mark), mapped(key, &per_family("marks", family)));
    rule(Chain::Input, comment, [set])
}

/// `meta mark 21 accept`
pub(super) fn marked(way: Way, marks: &[u32], comment: &str) -> Rule<'static> {
    let marks = any_of(marks.iter().map(|mark| number(*mark)));
    rule(way.chain(), comment, [equals(meta(MetaKey::Mark), marks), counter(), accept()])
}

/// `ct state established,related accept`
pub(super) fn answers(chain: Chain) -> Rule<'static> {
    rule(chain, "answers", [established(), counter(), accept()])
}

/// `meta l4proto { 6, 17 } ct state established,related accept`
pub(super) fn transport_answers() -> Rule<'static> {
    let transport = equals(meta(MetaKey::L4proto), any_of([number(TCP), number(UDP)]));
    rule(Chain::Input, "answers", [transport, established(), counter(), accept()])
}

/// `ip daddr . tcp dport @tcp4 accept`
pub(super) fn service_by_address(
    way: Way,
    protocol: Protocol,
    family: Family,
    comment: &str,
) -> Rule<'static> {
    let key = concat([field(header(family), "daddr"), field(transport(protocol), "dport")]);
    let set = per_family(transport(protocol), family);
    rule(way.chain(), comment, [equals(key, set_named(&set)), counter(), accept()])
}

/// `ip daddr . tcp dport @active_replies4 accept`: active data connections of `rewrite` services after
/// a failover, when connection tracking has not seen them yet.
pub(super) fn active_replies(family: Family, comment: &str) -> Rule<'static> {
    let key = concat([field(header(family), "daddr"), field("tcp", "dport")]);
    let set = per_family("active_replies", family);
    rule(Chain::Input, comment, [equals(key, set_named(&set)), counter(), accept()])
}

/// `ip daddr @virtual4 icmp type echo-request limit rate over 50/second burst 100 packets counter drop`
pub(super) fn too_many_pings(family: Family) -> Rule<'static> {
    rule(
        Chain::Input,
        "dropped-ping: faster than virtual addresses answer",
        [
            equals(field(header(family), "daddr"), set_named(&per_family("virtual", family))),
            equals(icmp_type(family), text("echo-request")),
            faster_than(PING_RATE, PING_BURST),
            counter(),
            discard(),
        ],
    )
}

/// `icmp type { destination-unreachable, time-exceeded, parameter-problem, echo-request } accept`
///
/// The errors are for IPVS: it hands them on to the real servers (path MTU).
pub(super) fn icmp_in() -> Rule<'static> {
    let types =
        any_of(["destination-unreachable", "echo-request", "time-exceeded", "parameter-problem"].map(text));
    rule(
        Chain::Input,
        "ping, and errors of connections",
        [equals(icmp_type(Family::V4), types), counter(), accept()],
    )
}

/// `icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem,
/// echo-request, mld-listener-query, nd-neighbor-solicit, nd-neighbor-advert, .. } accept`
///
/// The kernel itself wants hop limit 255 for neighbour discovery (RFC 4861 section 7.1). No router
/// advertisements and no redirects: the configuration says the routes.
pub(super) fn icmpv6_in() -> Rule<'static> {
    let types = [
        "destination-unreachable",
        "packet-too-big",
        "time-exceeded",
        "parameter-problem",
        "echo-request",
        "mld-listener-query",
        "mld-listener-report",
        "mld-listener-done",
        "nd-router-solicit",
        "nd-neighbor-solicit",
        "nd-neighbor-advert",
        "mld2-listener-report",
    ];
    rule(
        Chain::Input,
        "ping, errors of connections, neighbour discovery, MLD",
        [equals(icmp_type(Family::V6), any_of(types.map(text))), counter(), accept()],
    )
}

/// `meta l4proto 2 accept`
pub(super) fn igmp_in() -> Rule<'static> {
    rule(Chain::Input, "IGMP", [equals(meta(MetaKey::L4proto), number(IGMP)), counter(), accept()])
}

/// `meta l4proto { 1, 2, 58 } accept`
pub(super) fn icmp_out() -> Rule<'static> {
    let protocols = any_of([ICMP, IGMP, ICMPV6].map(number));
    rule(
        Chain::Output,
        "ICMP, neighbour discovery, IGMP, MLD",
        [equals(meta(MetaKey::L4proto), protocols), counter(), accept()],
    )
}

/// `iifname "eth0" ip daddr 224.0.0.18 meta l4proto 112 accept`
pub(super) fn vrrp_multicast(way: Way, device: &str, family: Family, comment: &str) -> Rule<'static> {
    // RFC 9568 sections 5.1.1.2 and 5.1.2.2.
    let group = match family {
        Family::V4 => "224.0.0.18",
        Family::V6 => "ff02::12",
    };
    vrrp(way, device, equals(field(header(family), "daddr"), text(group)), comment)
}

/// `iifname "eth0" ip saddr { 192.0.2.3, 192.0.2.4 } meta l4proto 112 accept`
pub(super) fn vrrp_unicast(
    way: Way,
    device: &str,
    family: Family,
    peers: &[IpAddr],
    comment: &str,
) -> Rule<'static> {
    let far = match way {
        Way::In => "saddr",
        Way::Out => "daddr",
    };
    vrrp(way, device, equals(field(header(family), far), any_of(peers.iter().map(address))), comment)
}

fn vrrp(way: Way, device: &str, addresses: Stmt, comment: &str) -> Rule<'static> {
    let protocol = equals(meta(MetaKey::L4proto), number(VRRP));
    rule(
        way.chain(),
        comment,
        [equals(meta(way.device()), text(device)), addresses, protocol, counter(), accept()],
    )
}

/// `iifname "eth1" ip saddr 10.0.0.3 ip daddr 224.0.0.81 udp dport 8848 accept`
pub(super) fn sync_in(device: &str, peer: &IpAddr, group: &IpAddr) -> Rule<'static> {
    let family = Family::of(group);
    rule(
        Chain::Input,
        "sync: connections of the peer",
        [
            equals(meta(MetaKey::Iifname), text(device)),
            equals(field(header(family), "saddr"), address(peer)),
            equals(field(header(family), "daddr"), address(group)),
            equals(field("udp", "dport"), number(SYNC_PORT)),
            counter(),
            accept(),
        ],
    )
}

/// `oifname "eth1" ip daddr 224.0.0.81 udp dport 8848 accept`
pub(super) fn sync_out(device: &str, group: &IpAddr) -> Rule<'static> {
    rule(
        Chain::Output,
        "sync: connections for the peer",
        [
            equals(meta(MetaKey::Oifname), text(device)),
            equals(field(header(Family::of(group)), "daddr"), address(group)),
            equals(field("udp", "dport"), number(SYNC_PORT)),
            counter(),
            accept(),
        ],
    )
}

/// `ip daddr @servers4 accept`: what IPVS sends, and health checks.
pub(super) fn to_servers(family: Family) -> Rule<'static> {
    rule(
        Chain::Output,
        "to real servers: balanced connections, health checks",
        [
            equals(field(header(family), "daddr"), set_named(&per_family("servers", family))),
            counter(),
            accept(),
        ],
    )
}

/// `iifname "eth2" ip saddr 10.9.0.0/24 ip daddr { 10.9.0.1 } tcp dport 22 accept`
pub(super) fn management(device: &str, family: Family, from: &[Prefix], to: &[IpAddr]) -> Rule<'static> {
    let mut statements = vec![equals(meta(MetaKey::Iifname), text(device))];
    // A network of everything is no condition, and nft lists none.
    if from.iter().all(|network| network.prefix_len != 0) {
        statements.push(equals(field(header(family), "saddr"), networks(from)));
    }
    statements.extend([
        equals(field(header(family), "daddr"), any_of(to.iter().map(address))),
        equals(field("tcp", "dport"), number(SSH_PORT)),
        counter(),
        accept(),
    ]);
    rule(Chain::Input, "management: ssh", statements)
}

/// `ip daddr { 192.0.2.123 } udp dport 123 accept`: to servers of the box's own.
pub(super) fn ask(protocol: Protocol, servers: &[IpAddr], port: u16, comment: &str) -> Option<Rule<'static>> {
    let family = Family::of(servers.first()?);
    Some(rule(
        Chain::Output,
        comment,
        [
            equals(field(header(family), "daddr"), any_of(servers.iter().map(address))),
            equals(field(transport(protocol), "dport"), number(port)),
            counter(),
            accept(),
        ],
    ))
}

/// `ip saddr vmap { 10.0.0.11 : jump from_ftp, .. }`: to the chain that knows what this real server
/// may send without a connection being known.
pub(super) fn by_server(family: Family, chains: &[(IpAddr, String)]) -> Rule<'static> {
    let targets = chains.iter().map(|(server, chain)| (address(server), chain.clone()));
    rule(Chain::Forward, "from real servers, by server", [dispatch(field(header(family), "saddr"), targets)])
}

/// `tcp sport { 20-21, 10000-20000 } accept` in a chain of [`by_server`]
///
/// Stateless: after a failover connection tracking knows nothing of running transfers.
pub(super) fn from_server(
    chain: &str,
    protocol: Protocol,
    ranges: &[PortRange],
    comment: &str,
) -> Rule<'static> {
    named_rule(
        chain,
        comment,
        [equals(field(transport(protocol), "sport"), ports(ranges)), counter(), accept()],
    )
}

/// `ip saddr @servers4 icmp type { destination-unreachable, .. } accept`
pub(super) fn errors_from_servers(family: Family) -> Rule<'static> {
    let types: &[&str] = match family {
        Family::V4 => &["destination-unreachable", "time-exceeded", "parameter-problem"],
        Family::V6 => &["destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem"],
    };
    rule(
        Chain::Forward,
        "errors of connections, from real servers",
        [
            equals(field(header(family), "saddr"), set_named(&per_family("servers", family))),
            equals(icmp_type(family), any_of(types.iter().map(|name| text(*name)))),
            counter(),
            accept(),
        ],
    )
}

/// `ip saddr != @servers4 accept` behind IPVS: what does not leave with a real server's address is
/// done here. Not counted: each packet to a client passes it.
pub(super) fn not_of_servers(family: Family) -> Rule<'static> {
    let servers = set_named(&per_family("servers", family));
    rule(Chain::Guard, NOT_OF_SERVERS, [differs(field(header(family), "saddr"), servers), accept()])
}

/// `meta nfproto ipv6 accept` behind IPVS: no real server has an address of this family.
pub(super) fn no_servers(family: Family) -> Rule<'static> {
    rule(Chain::Guard, NOT_OF_SERVERS, [of_family(family), accept()])
}

/// `th sport { 20 } accept` behind IPVS: active data, whose source is translated later.
pub(super) fn active_data(active_ports: &[PortRange]) -> Rule<'static> {
    rule(Chain::Guard, "active data", [equals(field("th", "sport"), ports(active_ports)), accept()])
}

/// `ct direction reply ct original ip daddr @servers4 accept`: an answer to whoever called the real
/// server by its own address.
pub(super) fn answers_of_servers(family: Family) -> Rule<'static> {
    let original = match family {
        Family::V4 => "ip daddr",
        Family::V6 => "ip6 daddr",
    };
    rule(
        Chain::Guard,
        "allow: answers",
        [
            equals(ct("direction", None), text("reply")),
            equals(ct(original, Some(CTDir::Original)), set_named(&per_family("servers", family))),
            counter(),
            accept(),
        ],
    )
}

/// `counter drop`: whatever still has a real server's address was not translated by IPVS.
pub(super) fn leaked() -> Rule<'static> {
    rule(Chain::Guard, "dropped-leak: an inside address", [counter(), discard()])
}

/// `snat ip to ip saddr . tcp sport map @active4`
pub(super) fn active_source(family: Family, comment: &str) -> Rule<'static> {
    let key = concat([field(header(family), "saddr"), field("tcp", "sport")]);
    rule(Chain::Postrouting, comment, [snat(family, mapped(key, &per_family("active", family)))])
}

/// `ip saddr . tcp sport @masquerade4 masquerade`
pub(super) fn active_masquerade(family: Family, comment: &str) -> Rule<'static> {
    let key = concat([field(header(family), "saddr"), field("tcp", "sport")]);
    let set = set_named(&per_family("masquerade", family));
    rule(Chain::Postrouting, comment, [equals(key, set), masquerade()])
}

/// `tcp flags syn tcp option maxseg size set rt mtu`
///
/// `rt mtu` is the smaller of both directions' and an option is never raised (net/netfilter/nft_rt.c,
/// nft_exthdr.c), so no device has to be named; IPVS hides on which one a packet came in.
pub(super) fn clamp(comment: &str) -> Rule<'static> {
    let size = assign(tcp_option("maxseg", "size"), path_mtu());
    rule(Chain::Clamp, comment, [has(field("tcp", "flags"), text("syn")), size])
}

/// `icmp type` or `icmpv6 type`
pub(super) fn icmp_type(family: Family) -> Expr {
    match family {
        Family::V4 => field("icmp", "type"),
        Family::V6 => field("icmpv6", "type"),
    }
}

/// `meta nfproto ipv4`
pub(super) fn of_family(family: Family) -> Stmt {
    let name = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    equals(meta(MetaKey::Nfproto), text(name))
}

pub(super) fn rule(chain: Chain, comment: &str, statements: impl Into<Vec<Stmt>>) -> Rule<'static> {
    named_rule(chain.name(), comment, statements)
}

pub(super) fn named_rule(chain: &str, comment: &str, statements: impl Into<Vec<Stmt>>) -> Rule<'static> {
    Rule {
        family: super::FAMILY,
        table: super::TABLE.into(),
        chain: chain.to_owned().into(),
        expr: statements.into().into(),
        handle: None,
        index: None,
        comment: Some(comment.to_owned().into()),
    }
}
