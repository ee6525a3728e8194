//! Whole files: the examples, the largest, the broken, and any bytes at all.

mod hostile;
mod large;
mod types;

use super::*;

const SINGLE: &str = include_str!("../examples/single.toml");
const PAIR: &str = include_str!("../examples/pair.toml");

#[test]
fn the_examples_parse_without_a_finding() {
    for (name, text) in [("single.toml", SINGLE), ("pair.toml", PAIR)] {
        match parse(text) {
            Ok(parsed) => assert!(parsed.warnings.is_empty(), "{name}:\n{}", parsed.warnings),
            Err(findings) => panic!("{name}:\n{findings}"),
        }
    }
}

#[test]
fn sync_on_the_inside_link_is_the_only_warning_of_an_everyday_pair() {
    let text = include_str!("tests/everyday.toml");
    let Parsed { config, warnings } = parse(text).unwrap_or_else(|findings| panic!("{findings}"));
    let fields: Vec<_> = warnings.listed().iter().map(|finding| finding.field.as_str()).collect();
    assert_eq!(fields, ["sync . interface"]);
    assert_eq!(config.virtual_routers[0].advertisement_interval.as_millis(), 100);
    assert_eq!(config.egress[0].protocols[1].to_string(), "udp/123");
}

#[test]
fn every_kind_of_link_route_and_service_is_read() {
    let text = "schema = 1
        interface = [
            { name = 'a', mac = '52:54:00:12:34:56', addresses = ['10.0.0.1/24', 'fd21::1/64'], mtu = 9000 },
            { name = 'b', pci = '0000:01:00.0', addresses = ['192.0.2.1/31', 'fd22::1/64'], mss_clamp = true },
            { name = 'c', bond = { mode = 'active-backup', devices = ['eth0', 'eth1'] } },
            { name = 'd', vlan = { interface = 'c', id = 4094 } },
        ]
        route = [
            { to = 'default', via = '192.0.2.0', source = '192.0.2.1', metric = 4294967295 },
            { to = 'default', via = 'fe80::1', interface = 'd' },
            { to = '10.9.0.0/16', interface = 'a' },
            { to = '10.0.0.0/8', blackhole = true },
        ]
        service = [
            { name = 'f', kind = 'ftp', addresses = ['192.0.2.1'], port = 2121, mark = 4294967295, active = 'masquerade',
              passive = 'server', passive_ports = '1024', tls = 'required', scheduler = 'mh', persistence = '744h',
              forwarding = 'direct', real_server = [{ addresses = ['10.0.0.2'], weight = 65535 }],
              check = { kind = 'tcp', port = 65535, interval = '1h', timeout = '60s', down_after = 10, up_after = 1 } },
            { name = 'm', kind = 'mark', mark = 5, real_server = [{ addresses = ['fd21::2', '10.0.0.2'] }] },
            { name = 'u', kind = 'udp', port = 53, addresses = ['fd22::1'], scheduler = 'sh',
              real_server = [{ addresses = ['fd21::2'], port = 5353 }] },
        ]
        [timeouts]
        tcp = '744h'
        tcp_fin = '1s'";
    let Parsed { config, warnings } = parse(text).unwrap_or_else(|findings| panic!("{findings}"));
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(config.interfaces[0].link, Link::Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    assert!(matches!(&config.interfaces[1].link, Link::Pci(pci) if pci == "0000:01:00.0"));
    assert!(
        matches!(&config.interfaces[2].link, Link::Bond { mode: BondMode::ActiveBackup, devices } if devices.len() == 2)
    );
    assert!(matches!(&config.interfaces[3].link, Link::Vlan { parent, id: 4094 } if parent.position() == 2));
    assert_eq!(config.routes[3].via, NextHop::Blackhole);
    assert_eq!(
        config.services.iter().map(Service::mark).collect::<Vec<_>>(),
        [Some(u32::MAX), Some(5), None]
    );
    assert_eq!(
        config.services[0].check.map(|check| (check.interval.as_secs(), check.down_after)),
        Some((3600, 10))
    );
    let both = config.real_servers_of(&config.services[1])[0].addresses().map(|address| address.is_ipv6());
    assert_eq!(both.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn tables_may_be_written_in_one_line() {
    let text = "schema = 1
        interface = [{ name = 'inside', device = 'eth0', addresses = ['10.0.0.1/24'] }]
        [[service]]
        name = 'web'
        kind = 'tcp'
        port = 80
        addresses = ['10.0.0.1']
        check = { kind = 'off' }
        real_server = [{ addresses = ['10.0.0.2'] }, { addresses = ['10.0.0.3'], weight = 2 }]";
    let Parsed { config, .. } = parse(text).unwrap_or_else(|findings| panic!("{findings}"));
    let weights: Vec<_> =
        config.real_servers_of(&config.services[0]).iter().map(|server| server.weight).collect();
    assert_eq!(weights, [1, 2]);
    assert_eq!(config.services[0].check, None);
}

#[test]
fn warnings_do_not_refuse_a_file() {
    let text = SINGLE.replace("kind = \"ftp\" ", "tls = \"allowed\"\nkind = \"ftp\" ");
    let Ok(Parsed { config, warnings }) = parse(&text) else { panic!("it was refused") };
    assert_eq!(config.services.len(), 1);
    assert_eq!(warnings.listed().len(), 1);
    assert_eq!(warnings.listed()[0].severity, Severity::Warning);
}

#[test]
fn a_pair_keeps_everything_that_its_file_says() {
    let Ok(Parsed { config, .. }) = parse(PAIR) else { panic!("it was refused") };
    let names: Vec<_> = config.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    assert_eq!(names, ["outside", "inside", "sync"]);
    let parent = match config.interfaces[2].link {
        Link::Vlan { parent, id: 21 } => config.interface(parent).name.as_str(),
        ref other => panic!("{other:?}"),
    };
    assert_eq!(parent, "inside");
    assert_eq!(config.routes[0].to, Prefix::default_of([0, 0, 0, 0].into()));
    assert!(matches!(config.routes[1].via, NextHop::Gateway(_, Some(outside)) if outside.position() == 0));
    assert_eq!(config.sync_groups[0].members, [0, 1, 2, 3]);
    assert_eq!(config.virtual_routers[3].addresses[0].to_string(), "fe80::1/64");
    assert_eq!(config.sync.as_ref().map(|sync| sync.id), Some(21));
    assert_eq!(config.services[1].name, "web");
    assert_eq!(config.real_servers_of(&config.services[1])[0].port, Some(8080));
    let inside = config.inside_of([10, 0, 0, 11].into()).map(|index| config.interface(index).name.as_str());
    assert_eq!(inside, Some("inside"));
}

#[test]
fn findings_come_in_the_order_of_the_file_and_beyond_fifty_they_are_counted() {
    let mut text = String::from(SINGLE);
    for line in 0..60 {
        text.push_str(&format!("unknown{line} = 1\n"));
    }
    let Err(findings) = parse(&text) else { panic!("it was read") };
    assert_eq!((findings.listed().len(), findings.omitted()), (50, 10));
    let lines: Vec<_> = findings.listed().iter().map(|finding| finding.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
