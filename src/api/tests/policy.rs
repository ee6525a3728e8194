//! The bus's policy files, read as the bus reads them: an allow list, and every rule names whom it
//! opens (keepalived's CVE-2021-44225 was an `allow` without a destination).

use std::collections::{BTreeMap, BTreeSet};

use mark21_api::{BUS_NAME, READING};

const POLICY: &str = include_str!("../../../rootfs/etc/dbus-1/system.d/org.mark21.Director1.conf");
const BUS: &str = include_str!("../../../rootfs/etc/dbus-1/system.conf");

type Attributes = BTreeMap<String, String>;

/// A rule with the policy that it stands in.
#[derive(Debug)]
struct Rule {
    whose: String,
    element: String,
    attributes: Attributes,
}

impl Rule {
    fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// All rules of a file. Anything that this does not understand is a failure.
fn rules(text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut whose = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = &comment[comment.find("-->").expect("a comment ends")..];
            continue;
        }
        let end = rest.find('>').expect("a tag ends");
        let (tag, behind) = rest.split_at(end);
        rest = behind;
        let tag = tag.trim_end_matches('/');
        let element = tag.split_whitespace().next().unwrap_or_default();
        let attributes = attributes(&tag[element.len()..]);
        match element {
            "policy" => {
                let (key, value) = attributes.first_key_value().expect("a policy says for whom");
                whose = format!("{key}={value}");
            }
            "/policy" => whose.clear(),
            "allow" | "deny" => {
                assert!(!whose.is_empty(), "<{tag}> stands in no policy");
                rules.push(Rule { whose: whose.clone(), element: element.to_owned(), attributes });
            }
            _ => assert!(whose.is_empty(), "<{tag}> stands in a policy"),
        }
    }
    rules
}

fn attributes(text: &str) -> Attributes {
    let mut parts = text.split('"');
    let mut all = Attributes::new();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        all.insert(key.trim().trim_end_matches('=').to_owned(), value.to_owned());
    }
    all
}

#[test]
fn every_rule_names_whom_it_opens() {
    for rule in rules(POLICY) {
        assert_eq!(rule.element, "allow", "the list allows, the bus denies the rest: {rule:?}");
        if rule.whose == "user=root" && rule.attributes.len() == 1 {
            // What mark21d itself needs: its name, and signals to whoever listens.
            let (key, value) = rule.attributes.first_key_value().expect("one");
            let own = [("own", BUS_NAME), ("send_type", "signal")];
            assert!(own.contains(&(key, value)), "{rule:?}");
            continue;
        }
        assert_eq!(rule.get("send_destination"), BUS_NAME, "{rule:?}");
        assert!(!rule.get("send_interface").is_empty(), "{rule:?}");
        for key in rule.attributes.keys() {
            assert!(
                ["send_destination", "send_interface", "send_member"].contains(&key.as_str()),
                "{rule:?}"
            );
        }
    }
}

#[test]
fn everybody_may_call_the_reading_members_and_no_other() {
    let rules = rules(POLICY);
    let open = |interface: &str| -> BTreeSet<&str> {
        let default = rules.iter().filter(|rule| rule.whose == "context=default");
        default
            .filter(|rule| rule.get("send_interface") == interface)
            .map(|rule| rule.get("send_member"))
            .collect()
    };
    assert_eq!(open(BUS_NAME), READING.iter().copied().collect());
    assert_eq!(open("org.freedesktop.DBus.Properties"), BTreeSet::from(["Get", "GetAll"]));
    let standard = [
        BUS_NAME,
        "org.freedesktop.DBus.Properties",
        "org.freedesktop.DBus.ObjectManager",
        "org.freedesktop.DBus.Introspectable",
        "org.freedesktop.DBus.Peer",
    ];
    let named: BTreeSet<&str> = rules.iter().map(|rule| rule.get("send_interface")).collect();
    assert!(named.iter().all(|name| name.is_empty() || standard.contains(name)), "{named:?}");
}

#[test]
fn whoever_may_change_is_root_or_an_administrator() {
    let whole: BTreeSet<String> = rules(POLICY)
        .into_iter()
        .filter(|rule| rule.get("send_interface") == BUS_NAME && rule.get("send_member").is_empty())
        .map(|rule| rule.whose)
        .collect();
    assert_eq!(whole, BTreeSet::from(["group=admin".to_owned(), "user=root".to_owned()]));
}

#[test]
fn the_bus_denies_what_no_list_allows() {
    let rules = rules(BUS);
    let denies = |key: &str, value: &str| {
        rules.iter().any(|rule| {
            rule.element == "deny"
                && rule.whose == "context=default"
                && rule.get(key) == value
                && rule.attributes.len() == 1
        })
    };
    assert!(denies("own", "*") && denies("send_type", "method_call") && denies("send_type", "signal"));
    for rule in rules.iter().filter(|rule| rule.element == "allow") {
        let opens = rule.attributes.keys().any(|key| key.starts_with("send_"))
            && rule.get("send_requested_reply").is_empty();
        assert!(!opens || rule.get("send_destination") == "org.freedesktop.DBus", "{rule:?}");
    }
}
