use super::*;

const ROUTER: &str =
    "[[virtual_router]]\nname = \"a\"\ninterface = \"eth0\"\nvrid = 5\naddresses = [\"10.0.0.1/24\"]\n";

fn findings(text: &str) -> Vec<String> {
    Settings::parse(text).expect_err(text).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_not_said_has_the_rfcs_defaults_without_preemption() {
    let settings = Settings::parse(ROUTER).expect("right");
    let router = &settings.routers[0];
    assert_eq!((router.version, router.priority), (Version::V3, 100));
    assert_eq!(router.interval, Duration::from_secs(1));
    assert_eq!(router.preemption, Preemption::Off);
    assert_eq!(router.checksum, ChecksumPolicy::FollowPeer);
    assert_eq!(settings.global, Global::default());
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place_and_what_is_allowed() {
    let cases = [
        ("x = 1\n", "1:1: the file has no `x`; it takes global, virtual_router,"),
        ("[global]\nannounce_rate = 0\n", "2:17: `announce_rate` takes a number from 1 to 1000000, not 0"),
        ("[global]\nnotify = \"relative\"\n", "2:10: `notify` takes a program's path"),
        ("[[virtual_router]]\nname = \"a\"\n", "1:1: [[virtual_router]] needs `interface`"),
        ("[[virtual_router]]\nname = \"a\"\n", "1:1: [[virtual_router]] needs `addresses`"),
        (&format!("{ROUTER}vrid = 6\n"), "6:1: duplicate key"),
        (&format!("{ROUTER}version = 4\n"), "6:11: `version` takes 2 or 3, not 4"),
        (
            &format!("{ROUTER}advertisement_interval = \"15ms\"\n"),
            "6:26: version 3 takes an interval of 10 ms",
        ),
        (&format!("{ROUTER}advertisement_interval = 1\n"), "6:26: `advertisement_interval` takes a duration"),
        (&format!("{ROUTER}version = 2\nadvertisement_interval = \"100ms\"\n"), "7:26: version 2 takes"),
        (&format!("{ROUTER}password = \"x\"\n"), "6:12: version 3 has no password"),
        (&format!("{ROUTER}preempt_delay = \"1s\"\n"), "6:17: `preempt_delay` needs `preempt = true`"),
        (&format!("{ROUTER}source = \"fe80::1\"\n"), "6:10: `source` is of another family"),
        (&format!("{ROUTER}peers = [\"fe80::1\"]\n"), "6:9: peer 1 is no unicast address"),
        (&format!("{ROUTER}accept = \"no\"\n"), "6:10: `accept` takes true or false"),
        (&format!("{ROUTER}virtual_mac = \"a/b\"\n"), "6:15: `virtual_mac` takes true, false, or a name"),
        (
            &format!(
                "{0}virtual_mac = true\n{1}virtual_mac = true\n",
                ROUTER,
                ROUTER.replace("\"a\"", "\"b\"").replace("eth0", "eth1")
            ),
            "7:1: virtual routers \"a\" and \"b\" would both make the interface \"vrrp.5\"",
        ),
        (&format!("{ROUTER}track_script = [\"x\"]\n"), "1:1: no [[track_script]] is named \"x\""),
        (&format!("{ROUTER}{ROUTER}"), "6:1: there are two virtual routers named \"a\""),
        (
            &format!("{ROUTER}{}", ROUTER.replace("\"a\"", "\"b\"")),
            "6:1: virtual routers \"a\" and \"b\" are both VRID 5",
        ),
        (
            &format!("{ROUTER}[[sync_group]]\nname = \"g\"\nmembers = [\"z\"]\n"),
            "6:1: group \"g\": no virtual router",
        ),
        (
            &ROUTER.replace("\"10.0.0.1/24\"", "\"10.0.0.1/24\", \"fe80::1/64\""),
            "5:13: addresses are of two families",
        ),
        (&ROUTER.replace("10.0.0.1/24", "10.0.0.1/64"), "5:14: a virtual address takes an address"),
        (&ROUTER.replace("vrid = 5", "vrid = 256"), "4:8: `vrid` takes a number from 1 to 255, not 256"),
        (&ROUTER.replace("eth0", "a-name-that-is-too-long"), "3:13: `interface` takes the name"),
    ];
    for (text, expected) in cases {
        let found = findings(text);
        assert!(found.iter().any(|finding| finding.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn all_findings_are_told_at_once_in_the_order_of_the_text() {
    let found =
        findings(&format!("[global]\nnonsense = 1\n{}", ROUTER.replace("vrid = 5", "vrid = 0\nwhat = 2")));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(
        found[0].starts_with("2:1:") && found[1].starts_with("6:8:") && found[2].starts_with("7:1:"),
        "{found:#?}"
    );
}

#[test]
fn the_table_forms_say_more_than_the_short_ones() {
    let settings = Settings::parse(
        r#"
[[virtual_router]]
name = "a"
interface = "eth0"
vrid = 5
addresses = ["10.0.0.1/24", { address = "10.0.0.2", device = "eth1", label = "eth1:x", scope = "link" }]
peers = ["10.0.0.3", { address = "10.1.0.3", least_ttl = 250 }]
track_interface = ["eth1", { interface = "eth2", weight = -20, down_delay = "2s" }]
"#,
    )
    .expect("right");
    let router = &settings.routers[0];
    let second = &router.addresses[1];
    assert_eq!((second.prefix_len, second.scope, second.device.as_deref()), (32, 253, Some("eth1")));
    assert!(!router.peers[0].ttl.contains(254) && router.peers[1].ttl.contains(250));
    assert_eq!(router.track_interfaces[0].weight, Weight::Fault);
    assert_eq!(router.track_interfaces[1].weight, Weight::Points(-20));
}

#[test]
fn a_password_is_shown_in_no_dump() {
    let text = format!("{ROUTER}version = 2\npassword = \"geheim\"\n");
    let settings = Settings::parse(&text).expect("right");
    assert!(!format!("{settings:?}").contains("geheim"));
}
