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
