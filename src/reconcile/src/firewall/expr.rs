//! Words for rules: short constructors over the types of the `nftables` crate, and values in the
//! form in which nft lists them (ranges merged, prefixes without host bits, one element unwrapped).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mark21_config::{PortRange, Prefix};
use nftables::expr::{
    CT, CTDir, Expression, Map, Meta, MetaKey, NamedExpression, Payload, PayloadField,
    Prefix as PrefixExpression, RT, RTKey, Range, SetItem, TcpOption, Verdict,
};
use nftables::stmt::{
    Counter, JumpTarget, Limit, Mangle, Match, NAT, NATFamily, Operator, Statement, VerdictMap,
};

use crate::ipvs::{Family, Protocol};

/// An expression that owns its text.
pub(super) type Expr = Expression<'static>;
/// A statement that owns its text.
pub(super) type Stmt = Statement<'static>;

/// nft's name of the network header: `ip` or `ip6`.
pub(super) fn header(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// nft's name of the transport header.
pub(super) fn transport(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// The name of a set that exists once for each family: `servers` and `4`.
pub(super) fn per_family(name: &str, family: Family) -> String {
    match family {
        Family::V4 => format!("{name}4"),
        Family::V6 => format!("{name}6"),
    }
}

/// `tcp dport`
pub(super) fn field(protocol: &'static str, field: &'static str) -> Expr {
    named(NamedExpression::Payload(Payload::PayloadField(PayloadField {
        protocol: protocol.into(),
        field: field.into(),
    })))
}

/// `meta mark`
pub(super) fn meta(key: MetaKey) -> Expr {
    named(NamedExpression::Meta(Meta { key }))
}

/// `ct state`
pub(super) fn ct(key: &'static str, dir: Option<CTDir>) -> Expr {
    named(NamedExpression::CT(CT { key: key.into(), family: None, dir }))
}

/// `ip daddr . tcp dport`
pub(super) fn concat(parts: impl Into<Vec<Expr>>) -> Expr {
    named(NamedExpression::Concat(parts.into()))
}

/// `tcp option maxseg size`
pub(super) fn tcp_option(name: &'static str, field: &'static str) -> Expr {
    named(NamedExpression::TcpOption(TcpOption { name: name.into(), field: Some(field.into()) }))
}

/// `rt mtu`
pub(super) fn path_mtu() -> Expr {
    named(NamedExpression::RT(RT { key: RTKey::MTU, family: None }))
}

/// `@servers4`
pub(super) fn set_named(name: &str) -> Expr {
    text(format!("@{name}"))
}

/// A word, an address, a device.
pub(super) fn text(value: impl Into<String>) -> Expr {
    Expression::String(value.into().into())
}

/// A number.
pub(super) fn number(value: impl Into<u32>) -> Expr {
    Expression::Number(value.into())
}

/// An address.
pub(super) fn address(value: &IpAddr) -> Expr {
    text(value.to_string())
}

/// `{ a, b }`, or the value itself where there is one only.
pub(super) fn any_of(values: impl IntoIterator<Item = Expr>) -> Expr {
    let mut values: Vec<Expr> = values.into_iter().collect();
    match (values.len(), values.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            values.extend(last);
            named(NamedExpression::Set(values.into_iter().map(SetItem::Element).collect()))
        }
    }
}

/// `{ 20, 21, 10000-20000 }` of any ranges, in any order.
pub(super) fn ports(ranges: &[PortRange]) -> Expr {
    any_of(merge_ports(ranges).iter().map(port_range))
}

/// A port, or a range of them.
pub(super) fn port_range(range: &PortRange) -> Expr {
    if range.first == range.last {
        number(range.first)
    } else {
        between(number(range.first), number(range.last))
    }
}

/// Port ranges in order, those that touch each other as one.
pub(super) fn merge_ports(ranges: &[PortRange]) -> Vec<PortRange> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable_by_key(|range| (range.first, range.last));
    let mut merged: Vec<PortRange> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if u32::from(range.first) <= u32::from(last.last) + 1 => {
                last.last = last.last.max(range.last);
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// `{ 10.0.0.0/24, 192.0.2.1 }` of one family's prefixes, in any order.
pub(super) fn networks(prefixes: &[Prefix]) -> Expr {
    any_of(merge_networks(prefixes).into_iter().map(|(family, first, last)| network(family, first, last)))
}

/// Address ranges in order, those that touch each other as one: what nft does to a set of prefixes.
fn merge_networks(prefixes: &[Prefix]) -> Vec<(Family, u128, u128)> {
    let mut ranges: Vec<(Family, u128, u128)> = prefixes
        .iter()
        .map(|prefix| {
            let family = Family::of(&prefix.address);
            let host_bits = u32::from(family.bits().saturating_sub(prefix.prefix_len));
            let host = u128::MAX.checked_shr(128 - host_bits).unwrap_or(0);
            let first = bits(&prefix.address) & !host;
            (family, first, first | host)
        })
        .collect();
    ranges.sort_unstable();
    let mut merged: Vec<(Family, u128, u128)> = Vec::new();
    for (family, first, last) in ranges {
        match merged.last_mut() {
            Some(range) if range.0 == family && first <= range.2.saturating_add(1) => {
                range.2 = range.2.max(last);
            }
            _ => merged.push((family, first, last)),
        }
    }
    merged
}

/// An address, a prefix, or a range: the first of them that says it.
fn network(family: Family, first: u128, last: u128) -> Expr {
    let text_of = |bits| address(&address_of(family, bits));
    let host = last - first;
    let is_prefix = host & host.wrapping_add(1) == 0 && first & host == 0;
    if first == last {
        text_of(first)
    } else if is_prefix {
        let len = u32::from(family.bits()) - host.count_ones();
        named(NamedExpression::Prefix(PrefixExpression { addr: Box::new(text_of(first)), len }))
    } else {
        between(text_of(first), text_of(last))
    }
}

fn bits(address: &IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(*v4)),
        IpAddr::V6(v6) => u128::from(*v6),
    }
}

fn address_of(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX)).into(),
        Family::V6 => Ipv6Addr::from(bits).into(),
    }
}

fn between(first: Expr, last: Expr) -> Expr {
    Expression::Range(Box::new(Range { range: [first, last] }))
}

fn named(expression: NamedExpression<'static>) -> Expr {
    Expression::Named(expression)
}

/// `left right`
pub(super) fn equals(left: Expr, right: Expr) -> Stmt {
    Statement::Match(Match { left, right, op: Operator::EQ })
}

/// `left != right`
pub(super) fn differs(left: Expr, right: Expr) -> Stmt {
    Statement::Match(Match { left, right, op: Operator::NEQ })
}

/// `tcp flags syn`, `ct state established,related`: one of these bits is set.
pub(super) fn has(left: Expr, right: Expr) -> Stmt {
    Statement::Match(Match { left, right, op: Operator::IN })
}

/// `ct state established,related`
pub(super) fn established() -> Stmt {
    has(ct("state", None), Expression::List(vec![text("established"), text("related")]))
}

/// `limit rate over 50/second burst 100 packets`
pub(super) fn faster_than(per_second: u32, burst: u32) -> Stmt {
    Statement::Limit(Limit {
        rate: per_second,
        rate_unit: None,
        per: Some("second".into()),
        burst: Some(burst),
        burst_unit: None,
        inv: Some(true),
    })
}

/// `counter`
pub(super) fn counter() -> Stmt {
    Statement::Counter(Counter::Anonymous(None))
}

/// `accept`
pub(super) fn accept() -> Stmt {
    Statement::Accept(None)
}

/// `drop`
pub(super) fn discard() -> Stmt {
    Statement::Drop(None)
}

/// `key set value`
pub(super) fn assign(key: Expr, value: Expr) -> Stmt {
    Statement::Mangle(Mangle { key, value })
}

/// `key map @name`
pub(super) fn mapped(key: Expr, map: &str) -> Expr {
    named(NamedExpression::Map(Box::new(Map { key, data: set_named(map) })))
}

/// `key vmap { value : jump chain, .. }`
pub(super) fn dispatch(key: Expr, targets: impl IntoIterator<Item = (Expr, String)>) -> Stmt {
    let items = targets
        .into_iter()
        .map(|(value, chain)| {
            SetItem::Mapping(value, Expression::Verdict(Verdict::Jump(JumpTarget { target: chain.into() })))
        })
        .collect();
    Statement::VerdictMap(VerdictMap { key, data: named(NamedExpression::Set(items)) })
}

/// `snat ip to value`
pub(super) fn snat(family: Family, to: Expr) -> Stmt {
    let family = match family {
        Family::V4 => NATFamily::IP,
        Family::V6 => NATFamily::IP6,
    };
    Statement::SNAT(Some(NAT { addr: Some(to), family: Some(family), port: None, flags: None }))
}

/// `masquerade`
pub(super) fn masquerade() -> Stmt {
    Statement::Masquerade(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str, prefix_len: u8) -> Prefix {
        Prefix { address: address.parse().expect("an address"), prefix_len }
    }

    #[test]
    fn ports_that_touch_become_one_range() {
        let range = |first, last| PortRange { first, last };
        let merged = merge_ports(&[range(21, 21), range(10000, 20000), range(20, 20), range(65535, 65535)]);
        assert_eq!(merged, [range(20, 21), range(10000, 20000), range(65535, 65535)]);
    }

    #[test]
    fn networks_that_touch_become_one_prefix_or_a_range() {
        let v4 = |a: u32, b: u32| (Family::V4, u128::from(a), u128::from(b));
        assert_eq!(
            merge_networks(&[prefix("10.0.1.0", 24), prefix("10.0.0.0", 24), prefix("0.0.0.0", 32)]),
            [v4(0, 0), v4(0x0a00_0000, 0x0a00_01ff)]
        );
        let json = |e: &Expr| serde_json::to_string(e).expect("plain data");
        assert_eq!(
            json(&networks(&[prefix("10.0.1.0", 24), prefix("10.0.0.0", 24)])),
            r#"{"prefix":{"addr":"10.0.0.0","len":23}}"#
        );
        assert_eq!(
            json(&networks(&[prefix("10.0.1.0", 24), prefix("10.0.2.0", 24)])),
            r#"{"range":["10.0.1.0","10.0.2.255"]}"#
        );
        assert_eq!(json(&networks(&[prefix("::", 0)])), r#"{"prefix":{"addr":"::","len":0}}"#);
    }
}
