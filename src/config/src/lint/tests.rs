//! Every rule on a small file: the case's name says the rule, its edits break it, and nothing else
//! may be found.

use std::string::String;
use std::vec::Vec;

use toml::de::DeTable;

use super::*;
use crate::finding::Findings;
use crate::{build, document, parse};

/// A pair's first director with one FTP service. A line that is only a comment is where a case
/// puts its own.
const BASE: &str = r#"
schema = 1
#top
[[interface]]
name = "outside"
device = "eth0"
addresses = ["192.0.2.2/24", "2001:db8::2/64"]
#outside
[[interface]]
name = "inside"
device = "eth1"
addresses = ["10.0.0.2/24", "fd21::2/64"]
[[virtual_router]]
name = "out4"
interface = "outside"
vrid = 50
addresses = ["192.0.2.10/24"]
#out4
[[virtual_router]]
name = "out6"
interface = "outside"
vrid = 50
addresses = ["fe80::10/64", "2001:db8::10/64"]
[[service]]
name = "ftp"
kind = "ftp"
addresses = ["192.0.2.10", "2001:db8::10"]
#ftp
[[service.real_server]]
addresses = ["10.0.0.11", "fd21::11"]
#server
#end
"#;

#[derive(Clone, Copy)]
struct Case {
    rule: &'static str,
    edits: &'static [(&'static str, &'static str)],
    finds: &'static [&'static str],
}

const fn case(
    rule: &'static str,
    edits: &'static [(&'static str, &'static str)],
    finds: &'static [&'static str],
) -> Case {
    Case { rule, edits, finds }
}

impl Case {
    fn text(&self) -> String {
        let mut text = String::from(BASE);
        for (from, to) in self.edits {
            assert_eq!(text.matches(from).count(), 1, "{}: {from:?} stands in the file once", self.rule);
            text = text.replace(from, to);
        }
        text
    }
}

fn check(cases: &[Case]) {
    for case @ Case { rule, finds, .. } in cases {
        let text = case.text();
        let (findings, is_error) = match parse(&text) {
            Ok(parsed) => (parsed.warnings, false),
            Err(findings) => (findings, true),
        };
        let found: Vec<String> = findings.listed().iter().map(spoken).collect();
        let as_wanted = found.len() == finds.len()
            && found.iter().zip(*finds).all(|(found, wanted)| found.starts_with(wanted));
        assert!(as_wanted, "{rule}:\nwanted {finds:#?}\nfound {found:#?}");
        assert_eq!(is_error, finds.iter().any(|found| found.starts_with("error")), "{rule}");
        every_linter_finding_has_a_mend(rule, &findings);
    }
}

fn spoken(finding: &crate::Finding) -> String {
    std::format!("{}: {}: {}", finding.severity, finding.field, finding.reason)
}

fn every_linter_finding_has_a_mend(rule: &str, findings: &Findings) {
    for finding in findings.listed() {
        assert!(!finding.mend.is_empty(), "{rule}: {finding}");
        assert!(finding.line > 1 && !finding.field.is_empty(), "{rule}: {finding}");
    }
}

#[test]
fn the_base_has_no_finding() {
    check(&[case("a sound file passes", &[], &[])]);
}

#[test]
fn names_and_groups_that_cannot_work_are_refused() {
    check(NAMES_AND_GROUPS);
}

const NAMES_AND_GROUPS: &[Case] = &[
    case(
        "two interfaces with one name",
        &[("name = \"inside\"", "name = \"outside\"")],
        &["error: interface \"outside\" . name: another interface has this name"],
    ),
    case(
        "two virtual routers with one name",
        &[("name = \"out6\"", "name = \"out4\"")],
        &["error: virtual_router \"out4\" . name: another virtual router"],
    ),
    case(
        "two services with one name",
        &[(
            "#end",
            "[[service]]\nname='ftp'\nkind='mark'\nmark=22\n[[service.real_server]]\naddresses=['10.0.0.11']",
        )],
        &["error: service \"ftp\" . name: another service"],
    ),
    case(
        "a virtual router in two groups",
        &[(
            "#end",
            "[[sync_group]]\nname='a'\nmembers=['out4']\n[[sync_group]]\nname='b'\nmembers=['out6','out4']",
        )],
        &["error: sync_group \"b\" . members 2: it is already in sync_group \"a\""],
    ),
    case(
        "a virtual router twice in a group",
        &[("#end", "[[sync_group]]\nname='a'\nmembers=['out4', 'out4']")],
        &["error: sync_group \"a\" . members 2: it is already in sync_group \"a\""],
    ),
];

#[test]
fn links_that_cannot_work_are_refused() {
    check(LINKS);
}

const LINKS: &[Case] = &[
    case(
        "two interfaces on one device",
        &[("device = \"eth1\"", "device = \"eth0\"")],
        &["error: interface \"inside\" . device: interface \"outside\" stands on the same port"],
    ),
    case(
        "two interfaces on one VLAN",
        &[(
            "#outside",
            "[[interface]]\nname='a'\nvlan={interface='outside',id=5}\n[[interface]]\nname='b'\nvlan={interface='outside',id=5}",
        )],
        &["error: interface \"b\" . vlan: interface \"a\" stands on the same port"],
    ),
    case(
        "two VLANs on one interface are fine",
        &[(
            "#outside",
            "[[interface]]\nname='a'\nvlan={interface='outside',id=5}\n[[interface]]\nname='b'\nvlan={interface='outside',id=6}",
        )],
        &[],
    ),
    case(
        "a VLAN on a VLAN",
        &[(
            "#outside",
            "[[interface]]\nname='a'\nvlan={interface='outside',id=5}\n[[interface]]\nname='b'\nvlan={interface='a',id=6}",
        )],
        &["error: interface \"b\" . vlan . interface: interface \"a\" is a VLAN itself"],
    ),
    case(
        "a bond's port is another interface's device",
        &[("#outside", "[[interface]]\nname='a'\nbond={mode='802.3ad',devices=['eth2','eth1']}")],
        &["error: interface \"a\" . bond . devices 2: interface \"inside\" uses this port"],
    ),
    case(
        "a bond's port is another bond's",
        &[(
            "#outside",
            "[[interface]]\nname='a'\nbond={mode='802.3ad',devices=['eth2','eth3']}\n[[interface]]\nname='b'\nbond={mode='active-backup',devices=['eth3','eth4']}",
        )],
        &["error: interface \"b\" . bond . devices 1: interface \"a\" uses this port"],
    ),
    case(
        "a bond names a port twice",
        &[("#outside", "[[interface]]\nname='a'\nbond={mode='802.3ad',devices=['eth2','eth2']}")],
        &["error: interface \"a\" . bond . devices 2: interface \"a\" uses this port"],
    ),
    case(
        "an MTU too small for IPv6",
        &[("#outside", "mtu = 1279")],
        &["error: interface \"outside\" . mtu: the kernel takes IPv6 off a link with 1279 bytes"],
    ),
    case("the least MTU for IPv6 is fine", &[("#outside", "mtu = 1280")], &[]),
];

#[test]
fn own_addresses_that_cannot_work_are_refused() {
    check(OWN_ADDRESSES);
}

const OWN_ADDRESSES: &[Case] = &[
    case(
        "one address on two interfaces",
        &[("\"10.0.0.2/24\"", "\"10.0.0.2/24\", \"192.0.2.2/24\"")],
        &["error: interface \"inside\" . addresses 2: interface \"outside\" has this address"],
    ),
    case(
        "one address on an interface and in a virtual router",
        &[("[\"192.0.2.10/24\"]", "[\"192.0.2.10/24\", \"192.0.2.2/24\"]")],
        &["error: virtual_router \"out4\" . addresses 2: interface \"outside\" has this address"],
    ),
    case(
        "one address in two virtual routers",
        &[("#out4", "[[virtual_router]]\nname='b'\ninterface='inside'\nvrid=1\naddresses=['192.0.2.10/24']")],
        &["error: virtual_router \"b\" . addresses 1: virtual_router \"out4\" has this address"],
    ),
    case(
        "one link-local address on two links is fine",
        &[("#out4", "[[virtual_router]]\nname='b'\ninterface='inside'\nvrid=1\naddresses=['fe80::10/64']")],
        &[],
    ),
    case(
        "a network for an address",
        &[("\"10.0.0.2/24\"", "\"10.0.0.0/24\"")],
        &["error: interface \"inside\" . addresses 1: it is the network 10.0.0.0/24 itself"],
    ),
];

#[test]
fn virtual_routers_that_cannot_work_are_refused() {
    check(VIRTUAL_ROUTERS);
}

const VIRTUAL_ROUTERS: &[Case] = &[
    case(
        "a virtual router with both families",
        &[("[\"192.0.2.10/24\"]", "[\"192.0.2.10/24\", \"2001:db8::11/64\"]")],
        &["error: virtual_router \"out4\" . addresses 2: the first address is IPv4"],
    ),
    case(
        "an IPv6 virtual router without a link-local address first",
        &[("[\"fe80::10/64\", \"2001:db8::10/64\"]", "[\"2001:db8::10/64\", \"fe80::10/64\"]")],
        &["error: virtual_router \"out6\" . addresses 1: the first address of an IPv6"],
    ),
    case(
        "one vrid twice on one interface and family",
        &[(
            "#out4",
            "[[virtual_router]]\nname='b'\ninterface='outside'\nvrid=50\naddresses=['192.0.2.11/24']",
        )],
        &["error: virtual_router \"b\" . vrid: virtual_router \"out4\" has this vrid"],
    ),
    case(
        "one vrid on two interfaces is fine",
        &[("#out4", "[[virtual_router]]\nname='b'\ninterface='inside'\nvrid=50\naddresses=['10.0.0.1/24']")],
        &[],
    ),
    case(
        "an interface without an IPv4 address to send from",
        &[("addresses = [\"192.0.2.2/24\", \"2001:db8::2/64\"]", "addresses = [\"2001:db8::2/64\"]")],
        &["error: virtual_router \"out4\" . interface: interface \"outside\" has no IPv4 address"],
    ),
    case(
        "a peer of the other family",
        &[("#out4", "peers = ['2001:db8::3']")],
        &["error: virtual_router \"out4\" . peers 1: the virtual router's addresses are not IPv6"],
    ),
    case(
        "a peer that is this box",
        &[("#out4", "peers = ['192.0.2.3', '192.0.2.2']")],
        &["error: virtual_router \"out4\" . peers 2: it is an address of this box"],
    ),
];

#[test]
fn routes_and_flows_that_cannot_work_are_refused() {
    check(ROUTES_AND_FLOWS);
}

const ROUTES_AND_FLOWS: &[Case] = &[
    case(
        "a gateway in no network",
        &[("#end", "[[route]]\nto='default'\nvia='192.0.3.254'")],
        &["error: route 1 . via: it is in no network of this box"],
    ),
    case(
        "a gateway in another interface's network",
        &[("#end", "[[route]]\nto='default'\nvia='192.0.2.254'\ninterface='inside'")],
        &["error: route 1 . via: it is in no network of interface \"inside\""],
    ),
    case(
        "a gateway that is this box",
        &[("#end", "[[route]]\nto='default'\nvia='192.0.2.2'")],
        &["error: route 1 . via: it is an address of this box, of interface \"outside\""],
    ),
    case(
        "a link-local gateway without interface",
        &[("#end", "[[route]]\nto='default'\nvia='fe80::1'")],
        &["error: route 1 . via: every link has link-local addresses"],
    ),
    case(
        "a link-local gateway with interface is fine",
        &[("#end", "[[route]]\nto='default'\nvia='fe80::1'\ninterface='outside'")],
        &[],
    ),
    case(
        "a source that moves",
        &[("#end", "[[route]]\nto='default'\nvia='192.0.2.254'\nsource='192.0.2.10'")],
        &["error: route 1 . source: it is no address that this box always has"],
    ),
    case(
        "two routes to one network",
        &[("#end", "[[route]]\nto='default'\nvia='192.0.2.254'\n[[route]]\nto='0.0.0.0/0'\nblackhole=true")],
        &["error: route 2 . to: another route leads to 0.0.0.0/0"],
    ),
    case(
        "two routes with different metrics are fine",
        &[(
            "#end",
            "[[route]]\nto='default'\nvia='192.0.2.254'\n[[route]]\nto='0.0.0.0/0'\nmetric=9\nblackhole=true",
        )],
        &[],
    ),
    case(
        "a sync peer that is this box",
        &[("#end", "[sync]\ninterface='outside'\npeer='192.0.2.2'")],
        &["error: sync . peer: it is an address of this box"],
    ),
    case(
        "a sync peer on another link",
        &[("#end", "[sync]\ninterface='outside'\npeer='10.0.0.3'")],
        &["error: sync . peer: it is in no network of interface \"outside\""],
    ),
    case(
        "the sync link is an inside link",
        &[("#end", "[sync]\ninterface='inside'\npeer='10.0.0.3'")],
        &["warning: sync . interface: real servers stand on this link"],
    ),
    case(
        "an egress source that nobody holds",
        &[("#end", "[[egress]]\nfrom='inside'\nprotocols=['udp/53']\nsnat='192.0.2.11'")],
        &["error: egress 1 . snat: the box never has this address"],
    ),
    case(
        "an egress network of another family",
        &[(
            "#end",
            "[[egress]]\nfrom='inside'\nto=['192.0.2.0/24','::/0']\nprotocols=['icmp']\nsnat='192.0.2.10'",
        )],
        &["error: egress 1 . to 2: the source address is IPv4"],
    ),
];

mod management;
mod services;

#[test]
fn every_rule_has_a_case_that_it_speaks_in() {
    let tables = [
        NAMES_AND_GROUPS,
        LINKS,
        OWN_ADDRESSES,
        VIRTUAL_ROUTERS,
        ROUTES_AND_FLOWS,
        management::MANAGEMENT_TIME_AND_LOGS,
        services::SERVICE_ADDRESSES_AND_PORTS,
        services::REAL_SERVERS,
        services::FTP_RECIPES,
        services::PASSIVE_RANGES,
    ];
    let mut silent: Vec<usize> = (0..RULES.len()).collect();
    for case in tables.concat() {
        let text = case.text();
        let root = DeTable::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", case.rule));
        let mut log = Log::default();
        let raw = document::read(root.get_ref(), &mut log);
        let config =
            build::config(&raw, &mut log).unwrap_or_else(|| panic!("{}: not a configuration", case.rule));
        let subject = Subject::new(&config, &raw);
        silent.retain(|rule| {
            let mut log = Log::default();
            RULES[*rule](&subject, &mut log);
            log.finish(&text, None).is_empty()
        });
    }
    assert!(silent.is_empty(), "rules without a case, by position: {silent:?}");
}
