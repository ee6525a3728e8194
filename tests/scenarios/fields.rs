//! Every field of the reference changed by itself, through commit on a running director: it
//! applies live, or is refused before anything has changed, with the reason and the way.

use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::qemu::Wiring;
use mark21_lab::random::Random;
use mark21_lab::scenario::{tests_directory, times};
use mark21_lab::{Boot, Director, Result, eventually, scenario};
use serde_json::Value;

use crate::hostile::fields;

/// What a change must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It runs at once, and is to be seen in the kernel or in a file that a program reads.
    Live,
    /// It runs at once; nothing but a check of the next text depends on it.
    Quiet,
    /// It is refused with these words.
    Refused(&'static str),
}
use End::{Live, Quiet, Refused};

/// What the next start can do and a running box cannot.
const REBOOT: End = Refused("needs reboot");

/// Table and field as in the reference, what stands in [`GOOD`] and what comes instead, the end.
type Row = (&'static str, &'static str, &'static str, &'static str, End);

const ROWS: &[Row] = &[
    ("Top of the file", "schema", "schema = 1", "schema = 2", Refused("schema")),
    ("[system]", "hostname", "\"director\"", "\"renamed\"", Live),
    (
        "[system]",
        "password",
        "[system]",
        "[system]\npassword = \"$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/\"",
        Live,
    ),
    ("[system]", "name_servers", "name_servers = [\"10.21.0.11\"]", "name_servers = [\"10.21.0.12\"]", Live),
    ("[[interface]]", "name", "\"spare\"", "\"unused\"", Live),
    ("[[interface]]", "device", "device = \"eth1\"", "device = \"eth7\"", Refused("eth7")),
    ("[[interface]]", "mac", "device = \"eth1\"", "mac = \"52:54:00:21:01:01\"", Quiet),
    ("[[interface]]", "pci", "device = \"eth1\"", "pci = \"0000:00:10.0\"", Quiet),
    ("[[interface]]", "addresses", "\"10.77.0.2/24\"", "\"10.77.0.3/24\"", Live),
    ("[[interface]]", "mtu", "mtu = 1400", "mtu = 1300", Live),
    ("[[interface]]", "mss_clamp", "mtu = 1400", "mtu = 1400\nmss_clamp = true", Live),
    (
        "[interface.vlan]",
        "interface",
        "interface = \"inside\"\nid = 7",
        "interface = \"outside\"\nid = 7",
        Live,
    ),
    ("[interface.vlan]", "id", "id = 7", "id = 8", Live),
    ("[interface.bond]", "mode", "\"active-backup\"", "\"802.3ad\"", Live),
    ("[interface.bond]", "devices", "devices = [\"eth0\"]", "devices = [\"eth9\"]", Refused("eth9")),
    ("[[route]]", "to", "203.0.113.0/24", "203.0.113.0/25", Live),
    ("[[route]]", "via", "via = \"10.21.0.11\"", "via = \"10.21.0.12\"", Live),
    ("[[route]]", "interface", "via = \"10.21.0.11\"", "via = \"10.21.0.11\"\ninterface = \"inside\"", Quiet),
    ("[[route]]", "blackhole", "via = \"10.21.0.11\"", "blackhole = true", Live),
    ("[[route]]", "source", "via = \"10.21.0.11\"", "via = \"10.21.0.11\"\nsource = \"10.21.0.2\"", Live),
    ("[[route]]", "metric", "via = \"10.21.0.11\"", "via = \"10.21.0.11\"\nmetric = 77", Live),
    ("[[virtual_router]]", "name", "\"back\"", "\"rear\"", Live),
    (
        "[[virtual_router]]",
        "interface",
        "interface = \"spare\"\nvrid = 52",
        "interface = \"tagged\"\nvrid = 52",
        Live,
    ),
    ("[[virtual_router]]", "vrid", "vrid = 51", "vrid = 61", Live),
    ("[[virtual_router]]", "priority", "vrid = 51", "vrid = 51\npriority = 150", Live),
    (
        "[[virtual_router]]",
        "advertisement_interval",
        "vrid = 51",
        "vrid = 51\nadvertisement_interval = \"2s\"",
        Live,
    ),
    ("[[virtual_router]]", "addresses", "\"10.21.0.1/24\"", "\"10.21.0.9/24\"", Live),
    ("[[virtual_router]]", "preempt", "vrid = 51", "vrid = 51\npreempt = true", Live),
    ("[[virtual_router]]", "preempt_delay", "preempt = true", "preempt = true\npreempt_delay = \"5s\"", Live),
    ("[[virtual_router]]", "peers", "vrid = 51", "vrid = 51\npeers = [\"10.21.0.3\"]", Live),
    ("[[sync_group]]", "name", "\"pair\"", "\"both\"", Live),
    ("[[sync_group]]", "members", "members = [\"front\", \"back\"]", "members = [\"front\"]", Live),
    (
        "[sync]",
        "interface",
        "interface = \"inside\"\npeer = \"10.21.0.3\"",
        "interface = \"tagged\"\npeer = \"10.77.0.9\"",
        Live,
    ),
    ("[sync]", "id", "peer = \"10.21.0.3\"", "peer = \"10.21.0.3\"\nid = 22", Live),
    ("[sync]", "peer", "peer = \"10.21.0.3\"", "peer = \"10.21.0.4\"", Live),
    ("[[egress]]", "from", "from = \"inside\"\nprotocols", "from = \"tagged\"\nprotocols", Live),
    ("[[egress]]", "to", "snat", "to = [\"192.0.2.0/24\"]\nsnat", Live),
    ("[[egress]]", "protocols", "\"udp/53\"", "\"udp/54\"", Live),
    ("[[egress]]", "snat", "snat = \"198.51.100.21\"", "snat = \"198.51.100.2\"", Live),
    ("[[allow]]", "from", "from = \"outside\"\nto = \"inside\"", "from = \"tagged\"\nto = \"inside\"", Live),
    ("[[allow]]", "to", "from = \"outside\"\nto = \"inside\"", "from = \"outside\"\nto = \"tagged\"", Live),
    ("[[allow]]", "sources", "[\"192.0.2.128/25\"]", "[\"192.0.2.0/25\"]", Live),
    ("[[allow]]", "destinations", "sources", "destinations = [\"10.21.0.11/32\"]\nsources", Live),
    ("[[allow]]", "protocols", "\"tcp/22\"", "\"tcp/23\"", Live),
    ("[timeouts]", "tcp", "tcp = \"20h\"", "tcp = \"19h\"", Live),
    ("[timeouts]", "tcp_fin", "tcp = \"20h\"", "tcp = \"20h\"\ntcp_fin = \"60s\"", Live),
    ("[timeouts]", "udp", "tcp = \"20h\"", "tcp = \"20h\"\nudp = \"60s\"", Live),
    ("[management]", "interface", "interface = \"inside\"\nallow", "interface = \"tagged\"\nallow", Live),
    ("[management]", "allow", "[\"10.21.0.0/24\"]", "[\"10.21.0.0/25\"]", Live),
    ("[management]", "authorized_keys", "b1hWq8kX", "b1hWq8kY", Live),
    ("[time]", "servers", "servers = [\"10.21.0.11\"]", "servers = [\"10.21.0.12\"]", Live),
    ("[[syslog]]", "address", "address = \"10.21.0.11\"", "address = \"10.21.0.12\"", Live),
    (
        "[[syslog]]",
        "protocol",
        "address = \"10.21.0.11\"",
        "address = \"10.21.0.11\"\nprotocol = \"tcp\"",
        Live,
    ),
    ("[[syslog]]", "port", "address = \"10.21.0.11\"", "address = \"10.21.0.11\"\nport = 1514", Live),
    ("[[service]]", "name", "\"web\"", "\"www\"", Live),
    ("[[service]]", "kind", "kind = \"tcp\"", "kind = \"udp\"", Live),
    ("[[service]]", "addresses", "[\"198.51.100.21\", \"198.51.100.2\"]", "[\"198.51.100.21\"]", Live),
    ("[[service]]", "port", "kind = \"ftp\"", "kind = \"ftp\"\nport = 2121", REBOOT),
    ("[[service]]", "mark", "kind = \"ftp\"", "kind = \"ftp\"\nmark = 22", Live),
    ("[[service]]", "passive", "kind = \"ftp\"", "kind = \"ftp\"\npassive = \"server\"", REBOOT),
    (
        "[[service]]",
        "passive_ports",
        "kind = \"ftp\"",
        "kind = \"ftp\"\npassive_ports = \"30000-30100\"",
        Live,
    ),
    ("[[service]]", "active", "kind = \"ftp\"", "kind = \"ftp\"\nactive = \"masquerade\"", Live),
    ("[[service]]", "tls", "kind = \"ftp\"", "kind = \"ftp\"\ntls = \"allowed\"", Quiet),
    ("[[service]]", "scheduler", "kind = \"ftp\"", "kind = \"ftp\"\nscheduler = \"rr\"", Live),
    ("[[service]]", "persistence", "kind = \"ftp\"", "kind = \"ftp\"\npersistence = \"5m\"", Live),
    ("[[service]]", "forwarding", "kind = \"tcp\"", "kind = \"tcp\"\nforwarding = \"direct\"", Live),
    ("[[service.real_server]]", "addresses", "[\"10.21.0.13\"]", "[\"10.21.0.14\"]", Live),
    ("[[service.real_server]]", "port", "[\"10.21.0.13\"]", "[\"10.21.0.13\"]\nport = 8080", Live),
    ("[[service.real_server]]", "weight", "[\"10.21.0.13\"]", "[\"10.21.0.13\"]\nweight = 9", Live),
    ("[service.check]", "kind", "kind = \"off\"", "kind = \"tcp\"", Quiet),
    ("[service.check]", "port", "kind = \"off\"", "kind = \"tcp\"\nport = 99", Quiet),
    ("[service.check]", "interval", "kind = \"off\"", "kind = \"tcp\"\ninterval = \"9s\"", Quiet),
    ("[service.check]", "timeout", "kind = \"off\"", "kind = \"tcp\"\ntimeout = \"1s\"", Quiet),
    ("[service.check]", "down_after", "kind = \"off\"", "kind = \"tcp\"\ndown_after = 9", Quiet),
    ("[service.check]", "up_after", "kind = \"off\"", "kind = \"tcp\"\nup_after = 9", Quiet),
];

/// With something in every table. The port `eth0` is wired to nothing.
const GOOD: &str = r#"schema = 1

[system]
hostname = "director"
name_servers = ["10.21.0.11"]

[[interface]]
name = "outside"
device = "eth1"
addresses = ["198.51.100.2/24", "2001:db8:1::2/64"]
mtu = 1400

[[interface]]
name = "inside"
device = "eth2"
addresses = ["10.21.0.2/24", "fd21::2/64"]

[[interface]]
name = "tagged"
addresses = ["10.77.0.2/24"]
[interface.vlan]
interface = "inside"
id = 7

[[interface]]
name = "spare"
addresses = ["10.88.0.2/24"]
[interface.bond]
mode = "active-backup"
devices = ["eth0"]

[[route]]
to = "203.0.113.0/24"
via = "10.21.0.11"

[[virtual_router]]
name = "front"
interface = "outside"
vrid = 50
preempt = true
addresses = ["198.51.100.21/24"]

[[virtual_router]]
name = "back"
interface = "inside"
vrid = 51
addresses = ["10.21.0.1/24"]

[[virtual_router]]
name = "nowhere"
interface = "spare"
vrid = 52
addresses = ["10.88.0.200/24"]

[[sync_group]]
name = "pair"
members = ["front", "back"]

[sync]
interface = "inside"
peer = "10.21.0.3"

[[egress]]
from = "inside"
protocols = ["udp/53"]
snat = "198.51.100.21"

[[allow]]
from = "outside"
to = "inside"
sources = ["192.0.2.128/25"]
protocols = ["tcp/22"]

[timeouts]
tcp = "20h"

[management]
interface = "inside"
allow = ["10.21.0.0/24"]
authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJf5i1g8MhEWIVzJDhKEMHu3bJ0a1b9y8v8Yb1hWq8kX lab"]

[time]
servers = ["10.21.0.11"]

[[syslog]]
address = "10.21.0.11"

[[service]]
name = "ftp"
kind = "ftp"
addresses = ["198.51.100.21"]

[[service.real_server]]
addresses = ["10.21.0.11"]

[[service]]
name = "web"
kind = "tcp"
port = 80
addresses = ["198.51.100.21", "198.51.100.2"]

[[service.real_server]]
addresses = ["10.21.0.13"]

[service.check]
kind = "off"
"#;

/// One field of so many is changed in `make test`.
const SAMPLED: usize = 4;
/// Until what belongs to no transaction has followed: programs, and servers that leave.
const SETTLED: Duration = Duration::from_secs(40);

#[test]
fn every_field_changed_by_itself_applies_live_or_is_refused_whole() {
    scenario(|lab| {
        let reference = fs::read_to_string(tests_directory().join("../docs/configuration.md"))?;
        for (table, field) in fields(&reference) {
            let is_there = ROWS.iter().any(|row| (row.0, row.1) == (table.as_str(), field.as_str()));
            ensure!(is_there, "no change of {table} {field}");
        }
        let boot = Boot { wiring: Wiring::SpareFirst, ..Boot::with_text(GOOD) };
        let mut director = lab.boot(&boot)?;
        director.wait_serving()?;
        eventually("both virtual routers Active", BOOT, || {
            let routers = director.status()?["virtual_routers"].to_string();
            ensure!(routers.matches("\"active\"").count() >= 2, "{routers}");
            Ok(())
        })?;
        lab.step("serving");
        let (first, step) =
            if times(0, 1) == 1 { (0, 1) } else { (Random::seeded().below(SAMPLED), SAMPLED) };
        let before = settled(&mut director, None)?;
        let mut failed = Vec::new();
        for row in ROWS.iter().skip(first).step_by(step) {
            let (table, field, ..) = row;
            match change(&mut director, row, &before) {
                Ok(how) => lab.step(&format!("{table} {field}: {how}")),
                Err(error) => {
                    lab.step(&format!("{table} {field}: {error:#}"));
                    failed.push(format!("{table} {field}: {error:#}"));
                    // What is left of it would count against the next one.
                    drop(director.port.ask("rollback", ANSWER));
                    drop(settled(&mut director, Some(&before)));
                }
            }
        }
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        Ok(())
    });
}

fn change(director: &mut Director, row: &Row, before: &str) -> Result<String> {
    let (_, _, old, new, end) = row;
    ensure!(GOOD.contains(old), "there is no {old:?}");
    director.write("/run/new.toml", &GOOD.replace(old, new))?;
    let plan = director.port.ask("plan /run/new.toml", ANSWER)?;
    let steps = plan["result"]["changes"].as_array().map_or(&[][..], Vec::as_slice);
    let fixed = steps.iter().find(|step| step["when"] != "live");
    let answer = director.port.ask("commit --confirm 10m /run/new.toml", ANSWER)?;
    let taken = answer["ok"] == Value::Bool(true);
    // What the plan says is what the commit does.
    ensure!(!taken || fixed.is_none(), "taken, and planned was {plan}");
    if let Refused(why) = end {
        ensure!(!taken, "it was taken: {answer}");
        ensure!(answer.to_string().contains(why), "no {why:?} in {answer}");
        if let Some(step) = fixed {
            ensure!(answer.to_string().contains("reboot"), "{step} is refused without a way: {answer}");
        }
        let after = settled(director, Some(before))?;
        ensure!(after == before, "refused, and yet {}", difference(before, &after));
        return Ok(format!("refused: {}", answer["error"]["message"]));
    }
    ensure!(taken, "refused: {answer}");
    // Not whole yet as verify has it: what boots is another one until it is confirmed.
    let rest = director.port.ask("verify", ANSWER)?["result"]["changes"].clone();
    ensure!(rest == Value::Array(Vec::new()), "applied, and still to do: {rest}");
    let during = footprint(director)?;
    let is_seen = during != before || !steps.is_empty();
    ensure!(is_seen || *end == Quiet, "it is to be seen nowhere");
    ensure!(!is_seen || *end == Live, "more than nothing has changed: {}", difference(before, &during));
    director.port.command("rollback", ANSWER)?;
    let after = settled(director, Some(before))?;
    ensure!(after == before, "taken back, and yet {}", difference(before, &after));
    Ok(format!("live, {} steps", steps.len()))
}

/// What stands when everything has settled; like `wanted`, where it comes to that.
fn settled(director: &mut Director, wanted: Option<&str>) -> Result<String> {
    let settled = eventually("all as it was", SETTLED, || {
        let now = footprint(director)?;
        let wanted = wanted.map_or_else(|| footprint(director), |wanted| Ok(wanted.to_owned()))?;
        ensure!(now == wanted, "{}", difference(&wanted, &now));
        Ok(now)
    });
    settled.context("what stands does not settle")
}

/// The kernel's side, and what programs read.
fn footprint(director: &mut Director) -> Result<String> {
    director.root(
        "nft -s list ruleset; ip -o address | grep -v fe80: | sed 's/ *valid_lft.*//; s/ tentative//; s/^[0-9]*: //' | sort; \
         ip -o -d link | sed 's/ state [A-Z]*//; s/qdisc.*//; s/^[0-9]*: //' | sort; ip route | sort; cat /proc/net/ip_vs; \
         ls /sys/class/net; cat /sys/module/ip_vs_ftp/parameters/ports; \
         cat /sys/class/net/*/bonding/mode; hostname; \
         cd /run/mark21; cat resolv.conf shadow ntpd.conf admin/.ssh/authorized_keys; \
         cat /run/vrrpd/*.toml; mark21 --json status | tr ',{' '\\n\\n' | grep '\"name\":\\|\"server\":'",
    )
}

fn difference(before: &str, after: &str) -> String {
    let lines = |of: &str, without: &str| -> Vec<String> {
        of.lines().filter(|line| !without.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    format!("gone {:#?}, new {:#?}", lines(before, after), lines(after, before))
}
