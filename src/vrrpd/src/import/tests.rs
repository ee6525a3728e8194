use super::*;
use crate::settings::Settings;

const EXAMPLE: &str = include_str!("example.conf");

#[test]
fn an_example_with_everything_becomes_a_configuration_that_is_right() {
    let toml = convert::to_toml(&parse(EXAMPLE).expect("a tree")).expect("TOML");
    let settings = Settings::parse(&toml).unwrap_or_else(|findings| panic!("{findings:?}\n{toml}"));
    assert_eq!(settings.routers.len(), 3);
    assert_eq!(settings.groups.len(), 1);
    assert_eq!(settings.groups[0].members, ["outside", "inside"]);
    let outside = &settings.routers[0];
    assert_eq!(outside.addresses.len(), 2);
    assert_eq!(outside.addresses[1].device.as_deref(), Some("eth2"));
    assert_eq!(outside.version, vrrp::Version::V2, "a colon in a label is no IPv6");
    assert!(outside.password.is_some());
    assert_eq!(outside.preemption, vrrp::Preemption::Off);
    assert_eq!(outside.track_scripts.len(), 1, "the group's script is the member's");
    assert_eq!(settings.routers[2].version, vrrp::Version::V3);
    assert_eq!(settings.routers[2].peers.len(), 2);
    assert_eq!(settings.routers[2].virtual_mac.as_deref(), Some("vrrp-six"));
    assert!(!settings.routers[2].accepts && settings.routers[0].accepts);
    for refused in ["virtual_routes", "smtp_alert", "virtual_server", "no_such_keyword"] {
        assert!(toml.contains(&format!("# not carried over: {refused}")), "{refused}\n{toml}");
    }
}

#[test]
fn braces_quotes_and_comments_are_read_as_keepalived_reads_them() {
    let nodes = parse("a { b \"c d\" e # f\n g{h} ! i\n}").expect("a tree");
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].children[0].words, ["b", "c d", "e"]);
    assert_eq!(nodes[0].children[1].children[0].words, ["h"]);
    assert!(parse("a {").is_err());
    assert!(parse("}").is_err());
}

#[test]
fn no_keyword_is_listed_twice_and_none_that_is_widely_used_is_refused() {
    let mut seen = std::collections::BTreeSet::new();
    for (block, keyword, _) in keywords::KEYWORDS {
        assert!(seen.insert((*block, *keyword)), "{keyword}");
    }
    // What the facts of the field call widely used, wherever it stands.
    let used: [(keywords::Block, &[&str]); 6] = [
        (
            keywords::Block::Top,
            &["vrrp_instance", "vrrp_sync_group", "vrrp_script", "garp_group", "include", "global_defs"],
        ),
        (
            keywords::Block::Global,
            &[
                "vrrp_version",
                "vrrp_garp_master_delay",
                "vrrp_garp_master_repeat",
                "vrrp_garp_master_refresh",
                "vrrp_garp_master_refresh_repeat",
                "vrrp_garp_lower_prio_delay",
                "vrrp_garp_lower_prio_repeat",
                "vrrp_garp_interval",
                "vrrp_gna_interval",
                "vrrp_check_unicast_src",
                "vrrp_notify_fifo",
                "notify_fifo",
                "script_user",
                "enable_script_security",
                "reload_check_config",
            ],
        ),
        (keywords::Block::Announcing, &["garp_interval", "gna_interval", "interface", "interfaces"]),
        (
            keywords::Block::Instance,
            &[
                "state",
                "interface",
                "virtual_router_id",
                "priority",
                "advert_int",
                "version",
                "preempt",
                "nopreempt",
                "preempt_delay",
                "virtual_ipaddress",
                "virtual_ipaddress_excluded",
                "authentication",
                "auth_type",
                "auth_pass",
                "unicast_peer",
                "unicast_src_ip",
                "unicast_ttl",
                "check_unicast_src",
                "use_vmac",
                "vmac_xmit_base",
                "garp_master_delay",
                "garp_master_repeat",
                "garp_master_refresh",
                "garp_master_refresh_repeat",
                "garp_lower_prio_delay",
                "garp_lower_prio_repeat",
                "garp_interval",
                "gna_interval",
                "track_interface",
                "track_script",
                "notify",
                "notify_master",
                "notify_backup",
                "notify_fault",
                "notify_stop",
            ],
        ),
        (
            keywords::Block::Group,
            &["group", "notify", "notify_master", "notify_backup", "notify_fault", "track_script"],
        ),
        (
            keywords::Block::Script,
            &["script", "interval", "timeout", "weight", "rise", "fall", "user", "init_fail"],
        ),
    ];
    for (block, keyword) in
        used.iter().flat_map(|(block, names)| names.iter().map(move |name| (*block, *name)))
    {
        let fate = keywords::find(block, keyword);
        assert!(!matches!(fate, None | Some(keywords::Fate::Refused(_))), "{keyword}");
    }
}

/// `UPDATE=1 cargo test -p vrrpd` writes it.
#[test]
fn the_documentation_has_the_table_of_keywords() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vrrpd-keepalived.md");
    let text = std::fs::read_to_string(path).expect("the page");
    let start = "<!-- keywords: made by UPDATE=1 cargo test -p vrrpd -->\n";
    let (before, _) = text.split_once(start).expect("the place of the table");
    let wanted = format!("{before}{start}{}", keyword_table());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &wanted).expect("written");
        return;
    }
    assert!(text == wanted, "docs/vrrpd-keepalived.md is out of date: UPDATE=1 cargo test -p vrrpd");
}
