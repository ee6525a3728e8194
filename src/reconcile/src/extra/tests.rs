use super::*;
use crate::change::{Change, ExtraChange};
use crate::fixtures::{SMALL, desired, fresh};
use crate::observed::Observed;
use crate::simulation::apply_all;
use crate::{Desired, Domain, plan};

/// A listing with these tables, each with a rule.
fn listing(names: &[&str]) -> String {
    let tables = names.iter().map(|name| {
        format!(
            r#"{{"table": {{"family": "inet", "name": "{name}", "handle": 1}}}},
            {{"chain": {{"family": "inet", "table": "{name}", "name": "c", "handle": 2}}}},
            {{"rule": {{"family": "inet", "table": "{name}", "chain": "c", "handle": 3, "expr": [
                {{"counter": {{"packets": 7, "bytes": 9}}}}, {{"drop": null}}]}}}}"#
        )
    });
    let head = r#"{"metainfo": {"version": "1"}}"#.to_owned();
    let objects: Vec<String> = std::iter::once(head).chain(tables).collect();
    format!(r#"{{"nftables": [{}]}}"#, objects.join(","))
}

fn tables(names: &[&str]) -> Tables {
    read_listing(&listing(names)).expect("a listing").1
}

fn extra(names: &[&str]) -> Extra {
    Extra { text: names.join(" "), tables: tables(names) }
}

fn table(name: &str) -> TableName {
    TableName { family: "inet".to_owned(), name: name.to_owned() }
}

#[test]
fn our_own_table_is_told_from_all_others() {
    let (ours, others) = read_listing(&listing(&["mark21", "office"])).expect("a listing");
    assert_eq!(ours.map(|ours| ours.rule_count()), Some(1));
    assert_eq!(others.names().collect::<Vec<_>>(), [&table("office")]);
    let (ours, others) = read_listing(r#"{"nftables": []}"#).expect("a listing");
    assert_eq!((ours, others), (None, Tables::default()));
    assert!(read_listing("nonsense").is_err());
    assert!(read_listing("[]").is_err());
}

/// Every line is a pair of objects that mean the same.
#[test]
fn what_packets_and_time_change_makes_no_difference() {
    let head = r#""family": "ip", "table": "t""#;
    let cases = [
        (
            r#"{"rule": {HEAD, "chain": "c", "handle": 3, "expr": [{"counter": {"packets": 0, "bytes": 0}}]}}"#,
            r#"{"rule": {HEAD, "chain": "c", "handle": 9, "expr": [{"counter": {"packets": 7, "bytes": 9}}]}}"#,
        ),
        (
            r#"{"counter": {HEAD, "name": "n", "handle": 3, "packets": 0, "bytes": 0}}"#,
            r#"{"counter": {HEAD, "name": "n", "handle": 3, "packets": 5, "bytes": 6}}"#,
        ),
        (
            r#"{"quota": {HEAD, "name": "n", "bytes": 5, "used": 0, "inv": false}}"#,
            r#"{"quota": {HEAD, "name": "n", "bytes": 5, "used": 4, "inv": false}}"#,
        ),
        (
            r#"{"rule": {HEAD, "chain": "c", "expr": [{"quota": {"val": 5, "val_unit": "bytes", "used": 1}}]}}"#,
            r#"{"rule": {HEAD, "chain": "c", "expr": [{"quota": {"val": 5, "val_unit": "bytes"}}]}}"#,
        ),
        (
            r#"{"set": {HEAD, "name": "s", "flags": ["timeout"], "elem": [{"elem": {"val": "192.0.2.1", "expires": 5}}]}}"#,
            r#"{"set": {HEAD, "name": "s", "flags": ["timeout"]}}"#,
        ),
        (
            r#"{"set": {HEAD, "name": "s", "elem": ["192.0.2.2", "192.0.2.1"]}}"#,
            r#"{"set": {HEAD, "name": "s", "elem": ["192.0.2.1", "192.0.2.2"]}}"#,
        ),
    ];
    let read = |object: &str| {
        let listing = format!(r#"{{"nftables": [{}]}}"#, object.replace("HEAD", head));
        read_listing(&listing).expect("a listing").1
    };
    for (here, there) in cases {
        assert_eq!(read(here), read(there), "{here}");
        assert_eq!(read(here).names().count(), 1);
    }
}

#[test]
fn a_set_that_a_rule_fills_is_compared_without_its_elements() {
    let with = |elements: &str| {
        let objects = format!(
            r#"{{"set": {{"family": "ip", "table": "t", "name": "s", "elem": [{elements}]}}}},
            {{"rule": {{"family": "ip", "table": "t", "chain": "c", "expr": [
                {{"set": {{"op": "add", "elem": {{"payload": {{"protocol": "ip", "field": "saddr"}}}}, "set": "@s"}}}}]}}}}"#
        );
        read_listing(&format!(r#"{{"nftables": [{objects}]}}"#)).expect("a listing").1
    };
    assert_eq!(with(""), with(r#""192.0.2.1""#));
}

#[test]
fn the_order_of_rules_makes_a_difference() {
    let with = |verdicts: [&str; 2]| {
        let rules = verdicts.map(|verdict| {
            format!(
                r#"{{"rule": {{"family": "ip", "table": "t", "chain": "c", "expr": [{{"{verdict}": null}}]}}}}"#
            )
        });
        read_listing(&format!(r#"{{"nftables": [{}]}}"#, rules.join(","))).expect("a listing").1
    };
    assert_ne!(with(["accept", "drop"]), with(["drop", "accept"]));
}

#[test]
fn tables_are_made_mended_and_removed() {
    let with = |names: &[&str]| desired(SMALL).with_extra(Some(extra(names)));
    let cases: [(&str, Desired, &[&str], &[&str]); 6] = [
        ("nothing wanted, nothing there", desired(SMALL), &[], &[]),
        ("a new file", with(&["office"]), &[], &["load extra.nft: table inet office differs"]),
        ("as it should be", with(&["office"]), &["office"], &[]),
        (
            "one of two was deleted",
            with(&["office", "shop"]),
            &["office"],
            &["load extra.nft: table inet shop differs"],
        ),
        ("a stranger's", with(&["office"]), &["office", "other"], &["remove the nft table inet other"]),
        ("no file any more", desired(SMALL), &["office"], &["remove the nft table inet office"]),
    ];
    let built = apply_all(&plan(&desired(SMALL), &fresh()), fresh());
    for (case, wanted, there, expected) in cases {
        let observed = Observed { tables: tables(there), ..built.clone() };
        let steps = plan(&wanted, &observed);
        let words: Vec<String> = steps.changes.iter().map(ToString::to_string).collect();
        assert_eq!(words, expected, "{case}");
        assert!(steps.changes.iter().all(|change| change.domain() == Domain::Firewall), "{case}");
        assert!(plan(&wanted, &apply_all(&steps, observed)).is_empty(), "{case}");
    }
}

#[test]
fn a_closed_box_has_no_tables_of_the_operator_s() {
    let observed = Observed { tables: tables(&["office"]), ..Observed::default() };
    let steps = plan(&Desired::fail_secure(), &observed);
    let removed = Change::Extra(ExtraChange::Remove(vec![table("office")]));
    assert!(steps.changes.contains(&removed), "{steps:?}");
}

#[test]
fn words_know_comments_quotes_and_lines() {
    let text = "table ip t { # include one\n  comment \"include two # \"; include \"three\"\n}\n";
    let found: Vec<_> = words(text).filter(|(_, word)| *word == "include").collect();
    assert_eq!(found, [(2, "include")]);
    assert_eq!(words("a;b\n").collect::<Vec<_>>(), [(1, "a"), (1, "b")]);
    // A quote that is left open swallows the rest, as it does for nft, which refuses it.
    assert_eq!(words("a \"b\nc").count(), 1);
}
