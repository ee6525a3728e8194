//! The named sets and maps of the table: they let one rule serve any number of services.

use std::collections::HashSet;
use std::net::IpAddr;

use mark21_config::PortRange;
use nftables::expr::Expression;
use nftables::schema::{Map, NfListObject, Set, SetFlag, SetType, SetTypeValue};

use super::expr::{Expr, address, concat, number, per_family, port_range};
use crate::ipvs::Family;

/// `set servers4 { type ipv4_addr; size 2; }`
///
/// With a size it is a table that never grows, which is the fastest kind of set
/// (`nft_set_hash_fast_type`, net/netfilter/nft_set_hash.c): the guard looks into it for each packet
/// to a client.
pub(super) fn addresses(name: &str, family: Family, elements: &[IpAddr]) -> NfListObject<'static> {
    NfListObject::Set(Box::new(Set {
        set_type: SetTypeValue::Single(address_type(family)),
        size: u32::try_from(elements.len()).ok(),
        ..set(name, family, elements.iter().map(address).collect())
    }))
}

/// `set tcp4 { type ipv4_addr . inet_service; }`
pub(super) fn endpoints(name: &str, family: Family, elements: &[(IpAddr, u16)]) -> NfListObject<'static> {
    let elements = elements.iter().map(|(host, port)| concat([address(host), number(*port)])).collect();
    NfListObject::Set(Box::new(Set { set_type: endpoint_type(family), ..set(name, family, elements) }))
}

/// `map active4 { type ipv4_addr . inet_service : ipv4_addr; }`
pub(super) fn endpoint_sources(
    name: &str,
    family: Family,
    elements: &[((IpAddr, u16), IpAddr)],
) -> NfListObject<'static> {
    let elements = elements
        .iter()
        .map(|((host, port), to)| pair(concat([address(host), number(*port)]), address(to)))
        .collect();
    NfListObject::Map(Box::new(Map {
        map: SetTypeValue::Single(address_type(family)),
        ..map(name, family, elements)
    }))
}

/// `map marks4 { type ipv4_addr . inet_service : mark; flags interval; }`
pub(super) fn marks(family: Family, elements: &[(IpAddr, PortRange, u32)]) -> NfListObject<'static> {
    let elements = elements
        .iter()
        .map(|(host, ports, mark)| pair(concat([address(host), port_range(ports)]), number(*mark)))
        .collect();
    NfListObject::Map(Box::new(Map {
        map: SetTypeValue::Single(SetType::Mark),
        flags: Some(HashSet::from([SetFlag::Interval])),
        ..map("marks", family, elements)
    }))
}

fn set(name: &str, family: Family, elements: Vec<Expr>) -> Set<'static> {
    Set {
        family: super::FAMILY,
        table: super::TABLE.into(),
        name: per_family(name, family).into(),
        elem: Some(elements.into()),
        ..Set::default()
    }
}

fn map(name: &str, family: Family, elements: Vec<Expr>) -> Map<'static> {
    Map {
        family: super::FAMILY,
        table: super::TABLE.into(),
        name: per_family(name, family).into(),
        set_type: endpoint_type(family),
        elem: Some(elements.into()),
        ..Map::default()
    }
}

fn pair(key: Expr, value: Expr) -> Expr {
    Expression::List(vec![key, value])
}

fn endpoint_type(family: Family) -> SetTypeValue<'static> {
    SetTypeValue::Concatenated(vec![address_type(family), SetType::InetService].into())
}

fn address_type(family: Family) -> SetType {
    match family {
        Family::V4 => SetType::Ipv4Addr,
        Family::V6 => SetType::Ipv6Addr,
    }
}
