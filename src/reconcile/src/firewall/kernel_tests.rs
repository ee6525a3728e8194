//! Sends rules to a real kernel, in a network namespace of their own, and lists them back.

use std::io::Write;
use std::process::{Command, Stdio};

use mark21_config::{PortRange, Prefix};

use super::flows::{Flow, FlowMatch};
use super::rules::{self, Chain, Way};
use super::*;
use crate::fixtures;
use crate::ipvs::{Family, Protocol};

/// What nft lists after `ruleset` was sent into a fresh network namespace; `None` where this machine
/// has no nft, no nf_tables, or no namespaces.
fn listed(ruleset: &Ruleset) -> Option<String> {
    let script = "nft -j list tables >/dev/null || exit 77; nft -j -f - && nft -j list table inet mark21";
    let flags = if cfg!(target_os = "linux") { "-rn" } else { return None };
    let spawned = Command::new("unshare")
        .args([flags, "sh", "-c", script])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.ok()?;
    let mut input = child.stdin.take().expect("the pipe that was asked for");
    let sent = input.write_all(ruleset.transaction().as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("the child that was started");
    if output.status.code() == Some(77) || sent.is_err() {
        println!("SKIPPED: nft cannot be used here: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("JSON is UTF-8"))
}

/// What was sent is what is listed.
fn assert_canonical(case: &str, ruleset: &Ruleset) {
    let Some(listing) = listed(ruleset) else { return };
    let back = Ruleset::from_listing(&listing).expect("a listing");
    for (name, chain) in &ruleset.0.chains {
        let there = back.0.chains.get(name).unwrap_or_else(|| panic!("{case}: chain {name} is gone"));
        assert_eq!(chain.chain, there.chain, "{case}: chain {name}");
        for (rule, back) in chain.rules.iter().zip(&there.rules) {
            assert_eq!(rule, back, "{case}: chain {name}");
        }
    }
    for (name, set) in &ruleset.0.sets {
        assert_eq!(Some(set), back.0.sets.get(name), "{case}: set {name}");
    }
    assert_eq!(ruleset, &back, "{case}: {}", ruleset.difference(Some(&back)));
}

#[test]
fn tables_of_whole_configurations_come_back_as_sent() {
    assert_canonical("fail-secure", &fail_secure());
    assert_canonical("small", &fixtures::desired(fixtures::SMALL).firewall);
    assert_canonical("full", &fixtures::desired(fixtures::FULL).firewall);
}

#[test]
fn every_rule_comes_back_as_sent() {
    use Family::{V4, V6};
    use Protocol::{Tcp, Udp};
    let ip = |text: &str| text.parse::<std::net::IpAddr>().expect("an address");
    let port = |first, last| PortRange { first, last };
    let net = |address, prefix_len| Prefix { address: ip(address), prefix_len };
    let both = [(V4, ip("10.0.0.11"), ip("192.0.2.10")), (V6, ip("fd21::11"), ip("2001:db8::10"))];
    let mut objects = Vec::new();
    for (family, server, address) in both {
        objects.extend([
            sets::marks(family, &[(address, port(21, 21), 21), (address, port(1024, 65535), 4_294_967_295)]),
            sets::addresses("servers", family, &[server]),
            sets::addresses("virtual", family, &[address]),
            sets::endpoints("tcp", family, &[(address, 80)]),
            sets::endpoints("udp", family, &[(address, 53)]),
            sets::endpoints("active_replies", family, &[(address, 20)]),
            sets::endpoints("masquerade", family, &[(server, 20)]),
            sets::endpoint_sources("active", family, &[((server, 20), address)]),
        ]);
    }
    let mut rules = vec![
        rules::loopback(Way::In),
        rules::loopback(Way::Out),
        rules::marked(Way::In, &[21], "service ftp: by mark"),
        rules::marked(Way::Out, &[300, 21, 4_294_967_295], "services a, b: by mark"),
        rules::transport_answers(),
        rules::answers(Chain::Forward),
        rules::icmp_in(),
        rules::icmpv6_in(),
        rules::igmp_in(),
        rules::icmp_out(),
        rules::sync_in("eth1", &ip("10.0.0.3"), &ip("224.0.0.81")),
        rules::sync_in("eth1", &ip("fd21::3"), &ip("ff05::81")),
        rules::sync_out("eth1", &ip("224.0.0.81")),
        rules::leaked(),
        rules::dropped(Chain::Input),
        rules::from_server("from_ftp", Tcp, &[port(10000, 20000), port(21, 21), port(20, 20)], "service ftp"),
        rules::from_server("from_ftp", Udp, &[port(53, 53)], "service dns"),
        rules::clamp("interface outside: mss_clamp"),
    ];
    for (family, server, address) in both {
        rules.extend([
            rules::mark(family, "service ftp: control and passive data"),
            rules::service_by_address(Way::In, Tcp, family, "service web: by address"),
            rules::service_by_address(Way::Out, Udp, family, "service dns: by address"),
            rules::active_replies(family, "service ftp: active data"),
            rules::too_many_pings(family),
            rules::vrrp_multicast(Way::In, "eth0", family, "virtual_router outside"),
            rules::vrrp_unicast(Way::Out, "eth0", family, &[server], "virtual_router outside"),
            rules::vrrp_unicast(Way::In, "eth0", family, &[address, server], "virtual_router outside"),
            rules::to_servers(family),
            rules::by_server(family, &[(server, "from_ftp".into()), (address, "from_ftp".into())]),
            rules::by_server(family, &[(server, "from_ftp".into())]),
            rules::errors_from_servers(family),
            rules::not_of_servers(family),
            rules::no_servers(family),
            rules::answers_of_servers(family),
            rules::active_source(family, "service ftp: active data"),
            rules::active_masquerade(family, "service ftp: active data"),
        ]);
        let flow = |what, to: Option<&str>, sources: &[Prefix]| Flow {
            from: "eth1".into(),
            to: to.map(str::to_owned),
            family: Some(family),
            sources: sources.to_vec(),
            destinations: Vec::new(),
            what,
            comment: "egress 1 from inside".into(),
        };
        let sources = match family {
            V4 => [net("10.0.1.0", 24), net("10.0.0.0", 24)],
            V6 => [net("fd21::", 64), net("2001:db8::", 48)],
        };
        for what in [
            FlowMatch::Ports(Udp, vec![port(53, 53), port(123, 123)]),
            FlowMatch::Ports(Tcp, vec![port(8000, 8080)]),
            FlowMatch::Ping(family),
        ] {
            for sources in [&[][..], &sources[..1], &sources[..]] {
                let flow = flow(what.clone(), Some("eth0").filter(|_| sources.is_empty()), sources);
                rules.push(flow.accepted("forward"));
                rules.push(flow.translated(&address));
            }
        }
    }
    for (family, net, all) in
        [(V4, net("10.9.0.0", 24), net("0.0.0.0", 0)), (V6, net("fd21:9::", 64), net("::", 0))]
    {
        let here = both
            .iter()
            .find(|(of, _, _)| *of == family)
            .map(|(_, server, _)| *server)
            .expect("both are there");
        for from in [&[net][..], &[all], &[net, all]] {
            rules.push(rules::management("eth2", family, from, &[here]));
        }
        rules.extend(rules::ask(Udp, &[here], 123, "time: servers"));
        rules.extend(rules::ask(Tcp, &[here], 6514, "syslog"));
    }
    let any = Flow {
        from: "eth2".into(),
        to: Some("eth1".into()),
        family: None,
        sources: Vec::new(),
        destinations: Vec::new(),
        what: FlowMatch::Ports(Tcp, vec![port(22, 22)]),
        comment: "allow 1".into(),
    };
    rules.push(any.accepted("forward"));
    rules.push(rules::active_data(&[port(20, 20)]));
    rules.push(rules::active_data(&[port(20, 20), port(2120, 2120)]));
    let names = [Chain::Input, Chain::Forward, Chain::Guard, Chain::Output, Chain::Clamp];
    objects.extend(names.map(|chain| build::plain_chain(chain.name())));
    objects.push(build::plain_chain("from_ftp"));
    let mut content = Content::default();
    objects.iter().for_each(|object| content.add(build::to_value(object)));
    let mut small = fixtures::desired(fixtures::SMALL).firewall.0.chains.clone();
    let base = small.remove("postrouting").expect("a chain").chain;
    content.add(base.parse().expect("JSON"));
    for rule in rules {
        content.add(build::to_value(&nftables::schema::NfListObject::Rule(rule)));
    }
    assert_canonical("all rules", &content.into());
}
