//! The rules of services and of FTP.

use super::{Case, case, check};

#[test]
fn service_addresses_and_ports_that_cannot_work_are_refused() {
    check(SERVICE_ADDRESSES_AND_PORTS);
}

pub(super) const SERVICE_ADDRESSES_AND_PORTS: &[Case] = &[
    case(
        "an address that nobody holds",
        &[("[\"192.0.2.10\", \"2001:db8::10\"]", "[\"192.0.2.12\", \"2001:db8::10\"]")],
        &["error: service \"ftp\" . addresses 1: no interface and no virtual router has it"],
    ),
    case(
        "an address twice in one service",
        &[("[\"192.0.2.10\", \"2001:db8::10\"]", "[\"192.0.2.10\", \"2001:db8::10\", \"192.0.2.10\"]")],
        &["error: service \"ftp\" . addresses 3: the service names it twice"],
    ),
    case(
        "one port of one address in two services",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='tcp'\nport=21\naddresses=['192.0.2.10']\n[[service.real_server]]\naddresses=['10.0.0.11']",
        )],
        &["error: service \"b\" . port: service \"ftp\" has port 21 of 192.0.2.10 already"],
    ),
    case(
        "one port over TCP and UDP is fine",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='udp'\nport=21\naddresses=['192.0.2.10']\n[[service.real_server]]\naddresses=['10.0.0.11']",
        )],
        &[],
    ),
    case(
        "one mark in two services",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='mark'\nmark=21\n[[service.real_server]]\naddresses=['10.0.0.11']",
        )],
        &["error: service \"b\" . mark: service \"ftp\" has mark 21 already"],
    ),
];

#[test]
fn real_servers_that_cannot_work_are_refused() {
    check(REAL_SERVERS);
}

pub(super) const REAL_SERVERS: &[Case] = &[
    case(
        "a service without real servers",
        &[("[[service.real_server]]\naddresses = [\"10.0.0.11\", \"fd21::11\"]", "")],
        &["warning: service \"ftp\": it has no real server"],
    ),
    case(
        "a virtual address without a real server of its family",
        &[("[\"10.0.0.11\", \"fd21::11\"]", "[\"10.0.0.11\"]")],
        &["warning: service \"ftp\" . addresses 2: no real server has an IPv6 address"],
    ),
    case(
        "a real server of a family that the service has no address for",
        &[("[\"192.0.2.10\", \"2001:db8::10\"]", "[\"192.0.2.10\"]")],
        &["error: service \"ftp\" . real_server 1 . addresses 2: the service has no IPv6 address"],
    ),
    case(
        "the same real server twice in one service",
        &[("#server", "[[service.real_server]]\naddresses = ['10.0.0.11']")],
        &["error: service \"ftp\" . real_server 2 . addresses 1: the service has this real server already"],
    ),
    case(
        "the same real server on two ports of a TCP service is fine",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='tcp'\nport=80\naddresses=['192.0.2.10']\n[[service.real_server]]\naddresses=['10.0.0.11']\nport=8080\n[[service.real_server]]\naddresses=['10.0.0.11']\nport=8081",
        )],
        &[],
    ),
    case(
        "a real server that is an interface's address",
        &[("\"10.0.0.11\"", "\"10.0.0.2\"")],
        &[
            "error: service \"ftp\" . real_server 1 . addresses 1: it is an address of this box, of interface \"inside\"",
        ],
    ),
    case(
        "a real server that is a virtual address",
        &[("\"fd21::11\"", "\"2001:db8::10\"")],
        &[
            "error: service \"ftp\" . real_server 1 . addresses 2: it is an address of this box, of virtual_router \"out6\"",
        ],
    ),
    case(
        "a real server outside every network, with NAT",
        &[("\"10.0.0.11\"", "\"10.0.1.11\"")],
        &["error: service \"ftp\" . real_server 1 . addresses 1: it is in no network of this box; with NAT"],
    ),
    case(
        "a real server outside every network, with direct routing",
        &[("\"10.0.0.11\"", "\"10.0.1.11\""), ("#ftp", "passive='server'\nforwarding='direct'")],
        &["error: service \"ftp\" . real_server 1 . addresses 1: it is in no network of this box; direct"],
    ),
    case(
        "a real server among the clients, with NAT",
        &[("\"10.0.0.11\"", "\"192.0.2.11\"")],
        &["warning: service \"ftp\" . real_server 1 . addresses 1: it is in 192.0.2.0/24, as the service is"],
    ),
    case(
        "a real server among the clients is fine with direct routing",
        &[("\"10.0.0.11\"", "\"192.0.2.11\""), ("#ftp", "passive='server'\nforwarding='direct'")],
        &[],
    ),
    case(
        "a real server outside every network is fine with a tunnel",
        &[("\"10.0.0.11\"", "\"10.0.1.11\""), ("#ftp", "passive='server'\nforwarding='tunnel'")],
        &[],
    ),
    case(
        "another port with direct routing",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='tcp'\nport=80\nforwarding='direct'\naddresses=['192.0.2.10']\n[[service.real_server]]\naddresses=['10.0.0.11']\nport=8080",
        )],
        &["error: service \"b\" . real_server 1 . port: with \"direct\" packets keep the port"],
    ),
    case(
        "a link-local real server",
        &[("\"fd21::11\"", "\"fe80::11\"")],
        &["error: service \"ftp\" . real_server 1 . addresses 2: a link-local address"],
    ),
    case(
        "a real server's port in an FTP service",
        &[("#server", "port = 2121")],
        &["error: service \"ftp\" . real_server 1 . port: with a fixed port, data connections"],
    ),
    case(
        "a real server's port in a service by mark",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='mark'\nmark=22\n[[service.real_server]]\naddresses=['10.0.0.11']\nport=80",
        )],
        &["error: service \"b\" . real_server 1 . port: a mark may hold many ports"],
    ),
];

#[test]
fn ftp_recipes_that_cannot_work_are_refused() {
    check(FTP_RECIPES);
}

pub(super) const FTP_RECIPES: &[Case] = &[
    case(
        "both recipes on one control port, on different addresses",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='ftp'\nmark=22\npassive='server'\naddresses=['192.0.2.2']\n[[service.real_server]]\naddresses=['10.0.0.12']",
        )],
        &["error: service \"b\" . passive: service \"ftp\" has passive = \"rewrite\" on control port 21"],
    ),
    case(
        "both recipes on two control ports are fine",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='ftp'\nport=2121\nmark=22\npassive='server'\naddresses=['192.0.2.2']\n[[service.real_server]]\naddresses=['10.0.0.12']",
        )],
        &[],
    ),
    case(
        "more than eight helper ports",
        &[("#ftp", NINE_HELPER_PORTS)],
        &["error: service \"i\" . port: the helper is loaded for 8 control ports already"],
    ),
    case(
        "the helper with direct routing",
        &[("#ftp", "forwarding = 'direct'")],
        &["error: service \"ftp\" . forwarding: the helper rewrites replies that pass the director"],
    ),
    case(
        "the helper with a tunnel",
        &[("#ftp", "forwarding = 'tunnel'")],
        &["error: service \"ftp\" . forwarding: the helper rewrites replies that pass the director"],
    ),
    case(
        "the helper with TLS only",
        &[("#ftp", "tls = 'required'")],
        &["error: service \"ftp\" . tls: the helper cannot read TLS, so no client could use PASV"],
    ),
    case(
        "the helper where TLS is allowed",
        &[("#ftp", "tls = 'allowed'")],
        &["warning: service \"ftp\" . tls: the helper cannot read TLS"],
    ),
    case(
        "servers that announce the address, with TLS only, are fine",
        &[("#ftp", "passive = 'server'\ntls = 'required'")],
        &[],
    ),
    case(
        "masquerading active data that the helper sends from the virtual address",
        &[("#ftp", "active = 'masquerade'")],
        &[
            "warning: service \"ftp\" . active: the helper itself sends active data connections from the virtual",
        ],
    ),
    case(
        "masquerading active data is fine where the servers announce the address",
        &[("#ftp", "passive = 'server'\nactive = 'masquerade'")],
        &[],
    ),
    case(
        "servers that announce the address, without persistence",
        &[("#ftp", "passive = 'server'\npersistence = 'off'")],
        &["error: service \"ftp\" . persistence: only persistence leads"],
    ),
    case(
        "the helper without persistence, with two servers",
        &[
            ("#ftp", "persistence = 'off'"),
            ("#server", "[[service.real_server]]\naddresses = ['10.0.0.12', 'fd21::12']"),
        ],
        &["error: service \"ftp\" . persistence: a client with sessions on two servers that open the same"],
    ),
    case("the helper without persistence is fine with one server", &[("#ftp", "persistence = 'off'")], &[]),
    case(
        "the helper without persistence is fine with one server of each family",
        &[
            ("#ftp", "persistence = 'off'"),
            ("[\"10.0.0.11\", \"fd21::11\"]", "['10.0.0.11']"),
            ("#server", "[[service.real_server]]\naddresses = ['fd21::12']"),
        ],
        &[],
    ),
];

#[test]
fn passive_ranges_that_cannot_work_are_refused() {
    check(PASSIVE_RANGES);
}

pub(super) const PASSIVE_RANGES: &[Case] = &[
    case(
        "a passive range below 1024",
        &[("#ftp", "passive_ports = '1023-2000'")],
        &["error: service \"ftp\" . passive_ports: ports below 1024"],
    ),
    case(
        "overlapping passive ranges on a shared address",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='ftp'\nport=2121\nmark=22\npassive_ports='20000-20100'\naddresses=['192.0.2.10']\n[[service.real_server]]\naddresses=['10.0.0.12']",
        )],
        &[
            "error: service \"b\" . passive_ports: service \"ftp\" has passive ports 10000-20000 on 192.0.2.10 too",
        ],
    ),
    case(
        "equal passive ranges on different addresses are fine",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='ftp'\nport=2121\nmark=22\naddresses=['192.0.2.2']\n[[service.real_server]]\naddresses=['10.0.0.12']",
        )],
        &[],
    ),
    case(
        "a passive range that holds another service's port",
        &[(
            "#end",
            "[[service]]\nname='b'\nkind='tcp'\nport=15000\naddresses=['2001:db8::10']\n[[service.real_server]]\naddresses=['fd21::12']",
        )],
        &["error: service \"ftp\": 10000-20000 holds port 15000 of service \"b\" on 2001:db8::10"],
    ),
    case(
        "a passive range that holds the control port",
        &[("#ftp", "port = 2121\npassive_ports = '2000-3000'")],
        &["error: service \"ftp\" . passive_ports: 2000-3000 holds port 2121 of service \"ftp\""],
    ),
];

/// With the base's own service before them: nine control ports.
const NINE_HELPER_PORTS: &str = r#"
[[service.real_server]]
addresses = ["10.0.0.20", "fd21::20"]
[[service]]
name = "b"
kind = "ftp"
port = 2102
mark = 2
passive_ports = "30200-30299"
addresses = ["192.0.2.10", "2001:db8::10"]
[[service.real_server]]
addresses = ["10.0.0.20", "fd21::20"]
[[service]]
name = "c"
kind = "ftp"
port = 2103
mark = 3
passive_ports = "30300-30399"
addresses = ["192.0.2.10", "2001:db8::10"]
[[service.real_server]]
addresses = ["10.0.0.20", "fd21::20"]
[[service]]
name = "d"
kind = "ftp"
port = 2104
mark = 4
passive_ports = "30400-30499"
addresses = ["192.0.2.10", "2001:db8::10"]
[[service.real_server]]
addresses = ["10.0.0.20", "fd21::20"]
[[service]]
name = "e"
kind = "ftp"
port = 2105
mark = 5
passive_ports = "30500-30599"
addresses = ["192.0.2.10", "2001:db8::10"]
[[service.real_server]]
addresses = ["10.0.0.20", "fd21::20"]
[[service]]
name = "f"
kind = "ftp"
port = 2106
mark = 6
passive_ports = "30600-30699"
addresses = ["192.0.2.10", "2001:db8::10"]
[[service.real_server]]
addresses = ["10.0.0.20", "fd21::20"]
[[service]]
name = "g"
kind = "ftp"
port = 2107
mark = 7
passive_ports = "30700-30799"
addresses = ["192.0.2.10", "2001:db8::10"]
[[service.real_server]]
addresses = ["10.0.0.20", "fd21::20"]
[[service]]
name = "h"
kind = "ftp"
port = 2108
mark = 8
passive_ports = "30800-30899"
addresses = ["192.0.2.10", "2001:db8::10"]
[[service.real_server]]
addresses = ["10.0.0.20", "fd21::20"]
[[service]]
name = "i"
kind = "ftp"
port = 2109
mark = 9
passive_ports = "30900-30999"
addresses = ["192.0.2.10", "2001:db8::10"]
"#;
