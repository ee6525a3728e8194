//! One form for what means the same.
//!
//! nft gives back another text than it took: handles, counters, names for protocol numbers (by
//! `/etc/protocols`), a state list as list or as `{"|": [..]}` by version, elements in an order of
//! its own. Everything here is taken away from both sides before they are compared. Ranges and
//! prefixes are not: those are computed in nft's form, see [`super::expr`].

use serde_json::{Value, json};

/// Protocols that rules name, with their numbers (IANA).
const PROTOCOLS: [(&str, u8); 6] =
    [("icmp", 1), ("igmp", 2), ("tcp", 6), ("udp", 17), ("ipv6-icmp", 58), ("vrrp", 112)];

/// Brings an object of a listing, or one that was computed, into the one form.
pub(super) fn normalise(object: &mut Value) {
    let Some(object) = object.as_object_mut() else { return };
    for (kind, body) in object.iter_mut() {
        let Some(body) = body.as_object_mut() else { continue };
        body.remove("handle");
        match kind.as_str() {
            "set" | "map" => {
                if let Some(flags) = body.get_mut("flags") {
                    as_sorted_list(flags);
                }
                body.entry("elem").and_modify(sort).or_insert_with(|| json!([]));
            }
            "rule" => {
                body.remove("index");
                if let Some(statements) = body.get_mut("expr").and_then(Value::as_array_mut) {
                    statements.iter_mut().for_each(statement);
                }
            }
            _ => {}
        }
    }
}

/// One statement of a rule.
fn statement(statement: &mut Value) {
    let Some((kind, body)) = statement.as_object_mut().and_then(|object| object.iter_mut().next()) else {
        return;
    };
    match kind.as_str() {
        "counter" => *body = Value::Null,
        "limit" => {
            // The kernel's defaults, which nft tells or not by version.
            if let Some(body) = body.as_object_mut() {
                body.entry("burst").or_insert_with(|| json!(5));
                body.remove("rate_unit");
                body.remove("burst_unit");
            }
        }
        "match" => matching(body),
        "vmap" => {
            if let Some(set) = body.pointer_mut("/data/set") {
                sort(set);
            }
        }
        _ => {}
    }
}

/// The right side of a match, by what the left side is.
fn matching(body: &mut Value) {
    let left_is = |pointer: &str, value: &str| body.pointer(pointer).and_then(Value::as_str) == Some(value);
    let is_protocol = left_is("/left/meta/key", "l4proto")
        || left_is("/left/payload/field", "protocol")
        || left_is("/left/payload/field", "nexthdr");
    let is_flags = left_is("/left/ct/key", "state") || left_is("/left/payload/field", "flags");
    let Some(right) = body.get_mut("right") else { return };
    if is_protocol {
        match right.get_mut("set").and_then(Value::as_array_mut) {
            Some(set) => set.iter_mut().for_each(protocol_number),
            None => protocol_number(right),
        }
    }
    if is_flags {
        if let Some(list) = right.get_mut("|") {
            *right = list.take();
        }
        as_sorted_list(right);
    }
    if let Some(set) = right.get_mut("set") {
        sort(set);
    }
}

fn protocol_number(value: &mut Value) {
    let named = value.as_str().and_then(|name| PROTOCOLS.iter().find(|(known, _)| *known == name));
    if let Some((_, number)) = named {
        *value = json!(number);
    }
}

/// A single value as a list of one; a list in order.
fn as_sorted_list(value: &mut Value) {
    if !value.is_array() {
        *value = json!([value.take()]);
    }
    sort(value);
}

fn sort(value: &mut Value) {
    if let Some(list) = value.as_array_mut() {
        list.sort_by_cached_key(Value::to_string);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line is a pair that means the same.
    #[test]
    fn what_means_the_same_becomes_the_same() {
        let state =
            |right: Value| json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": right}});
        let proto = |right: Value| json!({"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": right}});
        let cases = [
            (state(json!(["established", "related"])), state(json!({"|": ["related", "established"]}))),
            (proto(json!({"set": [58, 1]})), proto(json!({"set": ["icmp", "ipv6-icmp"]}))),
            (proto(json!(112)), proto(json!("vrrp"))),
            (json!({"counter": null}), json!({"counter": {"packets": 7, "bytes": 9}})),
            (
                json!({"limit": {"rate": 1, "per": "second"}}),
                json!({"limit": {"rate": 1, "burst": 5, "per": "second"}}),
            ),
        ];
        for (mut here, mut there) in cases {
            statement(&mut here);
            statement(&mut there);
            assert_eq!(here, there);
        }
        let mut here = json!({"set": {"name": "s", "handle": 4, "flags": "interval", "elem": ["b", "a"]}});
        let mut there = json!({"set": {"name": "s", "flags": ["interval"], "elem": ["a", "b"]}});
        normalise(&mut here);
        normalise(&mut there);
        assert_eq!(here, there);
    }
}
