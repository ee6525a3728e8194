//! Configurations for tests.

use mark21_config::Config;

use crate::{Desired, LinkKind, Machine, Observed, ObservedLink, Overrides, Port};

/// One director, `rewrite`, IPv4: the smallest useful one.
pub(crate) const SMALL: &str = r#"
schema = 1
[system]
hostname = "director-a"
[[interface]]
name = "outside"
device = "eth0"
addresses = ["192.0.2.2/24", "192.0.2.10/24"]
[[interface]]
name = "inside"
device = "eth1"
addresses = ["10.0.0.1/24"]
[[service]]
name = "ftp"
kind = "ftp"
addresses = ["192.0.2.10"]
mark = 21
passive = "rewrite"
passive_ports = "10000-20000"
scheduler = "wlc"
persistence = "10m"
[[service.real_server]]
addresses = ["10.0.0.11"]
weight = 1
[[service.real_server]]
addresses = ["10.0.0.12"]
weight = 1
"#;

/// Something of everything.
pub(crate) const FULL: &str = r#"
schema = 1
[system]
hostname = "director-a"
name_servers = ["192.0.2.53", "2001:db8::53"]
[[interface]]
name = "outside"
mac = "52:54:00:00:00:01"
addresses = ["192.0.2.2/24", "2001:db8::2/64"]
mtu = 1500
mss_clamp = true
[[interface]]
name = "inside"
device = "eth1"
addresses = ["10.0.0.2/24", "fd21::2/64"]
[[interface]]
name = "trunk"
bond = { mode = "802.3ad", devices = ["eth2", "eth3"] }
[[interface]]
name = "admin"
vlan = { interface = "trunk", id = 100 }
addresses = ["10.9.0.2/24"]
[[route]]
to = "default"
via = "192.0.2.254"
[[route]]
to = "203.0.113.0/24"
blackhole = true
[management]
interface = "admin"
allow = ["10.9.0.0/24", "10.10.0.0/16"]
authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPNSMdbyTMJVYhBPKqcXaOX2aObSUVPVEKZlsrkMFIQk"]
[time]
servers = ["192.0.2.123", "192.0.2.124", "2001:db8::123"]
[[syslog]]
address = "10.9.0.5"
[[syslog]]
address = "2001:db8::5"
protocol = "tcp"
port = 6514
[[virtual_router]]
name = "outside"
interface = "outside"
vrid = 50
priority = 200
advertisement_interval = "100ms"
addresses = ["192.0.2.10/24"]
[[virtual_router]]
name = "outside6"
interface = "outside"
vrid = 50
priority = 200
addresses = ["fe80::10/64", "2001:db8::10/64"]
[[virtual_router]]
name = "inside"
interface = "inside"
vrid = 51
priority = 200
addresses = ["10.0.0.1/24"]
peers = ["10.0.0.3"]
[[virtual_router]]
name = "inside6"
interface = "inside"
vrid = 51
priority = 200
addresses = ["fe80::1/64", "fd21::1/64"]
[[sync_group]]
name = "director"
members = ["outside", "outside6", "inside", "inside6"]
[sync]
interface = "inside"
id = 21
peer = "10.0.0.3"
[[egress]]
from = "inside"
protocols = ["udp/53", "udp/123", "tcp/53", "icmp"]
to = ["192.0.2.0/25", "192.0.2.128/25", "198.51.100.7/32"]
snat = "192.0.2.10"
[[egress]]
from = "inside"
protocols = ["udp/53"]
snat = "2001:db8::10"
[[allow]]
from = "admin"
to = "inside"
protocols = ["tcp/22", "icmp"]
[[allow]]
from = "admin"
to = "inside"
sources = ["10.9.0.0/24"]
destinations = ["10.0.0.0/24"]
protocols = ["tcp/8000-8080", "udp/161", "icmp"]
[[service]]
name = "ftp"
kind = "ftp"
addresses = ["192.0.2.10", "2001:db8::10"]
mark = 21
passive = "rewrite"
passive_ports = "10000-20000"
scheduler = "wlc"
persistence = "10m"
[[service.real_server]]
addresses = ["10.0.0.11", "fd21::11"]
weight = 1
[[service.real_server]]
addresses = ["10.0.0.12", "fd21::12"]
weight = 1
[[service]]
name = "ftps"
kind = "ftp"
addresses = ["192.0.2.10", "2001:db8::10"]
port = 2121
mark = 22
passive = "server"
passive_ports = "30000-40000"
active = "masquerade"
scheduler = "wlc"
persistence = "10m"
[[service.real_server]]
addresses = ["10.0.0.11", "fd21::11"]
[[service.real_server]]
addresses = ["10.0.0.13"]
[[service]]
name = "web"
kind = "tcp"
addresses = ["192.0.2.10", "2001:db8::10"]
port = 80
scheduler = "rr"
[[service.real_server]]
addresses = ["10.0.0.21", "fd21::21"]
port = 8080
[[service.real_server]]
addresses = ["10.0.0.22", "fd21::22"]
[[service]]
name = "dns"
kind = "udp"
addresses = ["192.0.2.10"]
port = 53
scheduler = "sh"
[[service.real_server]]
addresses = ["10.0.0.31"]
[[service]]
name = "other"
kind = "mark"
mark = 99
scheduler = "wrr"
[[service.real_server]]
addresses = ["10.0.0.41"]
"#;

/// The configuration of a text that is right.
pub(crate) fn config(text: &str) -> Box<Config> {
    match mark21_config::parse(text) {
        Ok(parsed) => parsed.config,
        Err(findings) => panic!("{findings:?}"),
    }
}

/// A machine with four ports and 256 MB.
pub(crate) fn machine() -> Machine {
    let port = |number: u8| Port {
        device: format!("eth{number}"),
        mac: Some([0x52, 0x54, 0, 0, 0, number + 1]),
        pci: Some(format!("0000:00:0{}.0", number + 3)),
    };
    Machine { memory_bytes: 256 << 20, ports: (0..4).map(port).collect() }
}

/// What a configuration wants on [`machine`].
pub(crate) fn desired(text: &str) -> Desired {
    Desired::from_config(&config(text), &machine(), &Overrides::default())
}

/// A machine that has just started.
pub(crate) fn fresh() -> Observed {
    let link = |device: &str| ObservedLink {
        device: device.into(),
        index: 1,
        up: false,
        mtu: 1500,
        kind: LinkKind::Port,
        master: None,
        group: 0,
    };
    let devices = ["lo", "eth0", "eth1", "eth2", "eth3"];
    Observed { links: devices.map(link).into(), ..Observed::default() }
}
