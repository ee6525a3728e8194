//! What one object alone makes wrong, what is left to defaults, and what no longer fits.

use std::format;
use std::string::String;
use std::time::Duration;
use std::vec::Vec;

use crate::model::*;
use crate::{Parsed, parse};

const HEAD: &str = r#"
schema = 1
[[interface]]
name = "inside"
device = "eth0"
addresses = ["10.0.0.2/24"]
"#;

fn parsed(text: &str) -> Parsed {
    parse(text).unwrap_or_else(|findings| panic!("{}", findings.render(text, "case.toml")))
}

fn found(rest: &str) -> Vec<String> {
    match parse(&format!("{HEAD}{rest}")) {
        Ok(_) => Vec::new(),
        Err(findings) => {
            findings.listed().iter().map(|finding| format!("{}: {}", finding.field, finding.reason)).collect()
        }
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let parsed = parsed(&format!(
        "{HEAD}[[service]]\nname='f'\nkind='ftp'\naddresses=['10.0.0.2']\n[[service.real_server]]\naddresses=['10.0.0.3']\n\
         [[service]]\nname='t'\nkind='tcp'\nport=80\naddresses=['10.0.0.2']\n[[service.real_server]]\naddresses=['10.0.0.4']\n\
         [[service]]\nname='u'\nkind='udp'\nport=53\naddresses=['10.0.0.2']\n[[service.real_server]]\naddresses=['10.0.0.5']"
    ));
    let config = &parsed.config;
    assert_eq!(config.system.hostname, "mark21");
    let timeouts = [config.timeouts.tcp, config.timeouts.tcp_fin, config.timeouts.udp];
    assert_eq!(timeouts, [86_400, 120, 300].map(Duration::from_secs));

    let [ftp, tcp, udp] = &config.services[..] else { panic!("three services") };
    let wanted = Ftp {
        port: 21,
        mark: 21,
        passive: Passive::Rewrite,
        passive_ports: PortRange { first: 10_000, last: 20_000 },
        active: ActiveSource::Snat,
        tls: Tls::Off,
    };
    assert_eq!(ftp.kind, ServiceKind::Ftp(wanted));
    assert_eq!((ftp.scheduler, ftp.forwarding), (Scheduler::Wlc, Forwarding::Masquerade));
    assert_eq!(ftp.persistence, Some(Duration::from_secs(600)));
    assert_eq!(tcp.persistence, None);
    assert_eq!(
        ftp.check.map(|check| (check.kind, check.interval)),
        Some((CheckKind::Ftp, Duration::from_secs(2)))
    );
    assert_eq!(tcp.check.map(|check| check.kind), Some(CheckKind::Tcp));
    assert_eq!(udp.check, None);

    let servers: Vec<_> = config.services.iter().map(|service| config.real_servers_of(service)).collect();
    let [[first], [second], [third]] = servers[..] else { panic!("one real server each") };
    assert_eq!([first, second, third].map(|server| (server.weight, server.port)), [(1, None); 3]);
    assert_eq!(second.v4, Some([10, 0, 0, 4].into()));
    assert_eq!((config.check_port(ftp, first), config.check_port(tcp, second)), (Some(21), Some(80)));
    assert_eq!(config.inside_of([10, 0, 0, 3].into()).map(InterfaceIndex::position), Some(0));
    assert_eq!(config.inside_of([10, 0, 1, 3].into()), None);
}

#[test]
fn what_does_not_go_together_is_refused_at_its_place() {
    let ftp = "[[service]]\nname='f'\nkind='ftp'\naddresses=['10.0.0.2']\n";
    let cases = [
        (
            "nothing under an interface",
            "[[interface]]\nname='a'".into(),
            "interface \"a\": nothing says which port",
        ),
        (
            "two things under an interface",
            "[[interface]]\nname='a'\ndevice='eth1'\npci='0000:01:00.0'".into(),
            "interface \"a\" . pci: it stands on two things",
        ),
        (
            "an empty bond",
            "[[interface]]\nname='a'\nbond={mode='802.3ad',devices=[]}".into(),
            "interface \"a\" . bond . devices: it needs at least one",
        ),
        (
            "a dangling interface",
            "[[allow]]\nfrom='insight'\nto='inside'\nprotocols=['icmp']".into(),
            "allow 1 . from: there is no interface \"insight\"",
        ),
        (
            "a dangling VLAN",
            "[[interface]]\nname='a'\nvlan={interface='b',id=1}".into(),
            "interface \"a\" . vlan . interface: there is no interface \"b\"",
        ),
        (
            "a dangling member",
            "[[sync_group]]\nname='g'\nmembers=['x']".into(),
            "sync_group \"g\" . members 1: there is no virtual router \"x\"",
        ),
        (
            "a dangling sync link",
            "[sync]\ninterface='x'\npeer='10.0.0.3'".into(),
            "sync . interface: there is no interface \"x\"",
        ),
        (
            "a dangling egress",
            "[[egress]]\nfrom='x'\nprotocols=['icmp']\nsnat='10.0.0.2'".into(),
            "egress 1 . from: there is no interface \"x\"",
        ),
        (
            "an empty sync group",
            "[[sync_group]]\nname='g'\nmembers=[]".into(),
            "sync_group \"g\" . members: it needs at least one",
        ),
        ("a route to nowhere", "[[route]]\nto='default'".into(), "route 1: it leads nowhere"),
        (
            "a black hole with a gateway",
            "[[route]]\nto='default'\nvia='10.0.0.3'\nblackhole=true".into(),
            "route 1 . blackhole: a blackhole has neither",
        ),
        (
            "a default of no family",
            "[[route]]\nto='default'\nblackhole=true".into(),
            "route 1 . to: nothing says of which family",
        ),
        (
            "a gateway of another family",
            "[[route]]\nto='::/0'\nvia='10.0.0.3'".into(),
            "route 1 . via: it is not of the family of ::/0",
        ),
        (
            "a TCP service without port",
            "[[service]]\nname='t'\nkind='tcp'\naddresses=['10.0.0.2']".into(),
            "service \"t\" . port: it is missing",
        ),
        (
            "a service by mark without mark",
            "[[service]]\nname='m'\nkind='mark'".into(),
            "service \"m\" . mark: it is missing",
        ),
        (
            "a service by mark with a port",
            "[[service]]\nname='m'\nkind='mark'\nmark=5\nport=80".into(),
            "service \"m\" . port: a service of kind \"mark\" has no such field",
        ),
        (
            "a UDP service with a passive range",
            "[[service]]\nname='u'\nkind='udp'\nport=53\naddresses=['10.0.0.2']\npassive_ports='2000'".into(),
            "service \"u\" . passive_ports: a service of kind \"udp\" has no such field",
        ),
        (
            "an FTP service without addresses",
            "[[service]]\nname='f'\nkind='ftp'".into(),
            "service \"f\" . addresses: it needs at least one",
        ),
        ("mark 0", format!("{ftp}mark=0"), "service \"f\" . mark: mark 0 is what every packet carries"),
        (
            "a real server without addresses",
            format!("{ftp}[[service.real_server]]\naddresses=[]"),
            "service \"f\" . real_server 1 . addresses: it needs at least one",
        ),
        (
            "a real server with two addresses of a family",
            format!("{ftp}[[service.real_server]]\naddresses=['10.0.0.3','10.0.0.4']"),
            "service \"f\" . real_server 1 . addresses 2: a real server has one address of each family",
        ),
        (
            "a check of a mark without port",
            "[[service]]\nname='m'\nkind='mark'\nmark=5\n[service.check]\nkind='tcp'".into(),
            "service \"m\" . check . port: it is missing",
        ),
        (
            "a check that outlasts its interval",
            format!("{ftp}[service.check]\nkind='tcp'\ninterval='1s'\ntimeout='2s'"),
            "service \"f\" . check . timeout: the next attempt starts after 1s",
        ),
    ];
    for (rule, rest, wanted) in cases {
        let rest: String = rest;
        let found = found(&rest);
        assert!(
            found.len() == 1 && found[0].starts_with(wanted),
            "{rule}: wanted {wanted:?}, found {found:#?}"
        );
    }
}

#[test]
fn a_dangling_name_comes_with_the_one_that_was_meant() {
    let text = format!("{HEAD}[sync]\ninterface='insied'\npeer='10.0.0.3'");
    let Err(findings) = parse(&text) else { panic!("it was read") };
    assert_eq!(findings.listed()[0].mend, "did you mean \"inside\"?");
}

#[test]
fn what_does_not_fit_is_named_with_its_number_and_its_limit() {
    let many = |count: usize, entry: fn(usize) -> String| (0..count).map(entry).collect::<String>();
    let list = |count: usize| (0..count).map(|n| format!("'10.0.{n}.9/24',")).collect::<String>();
    let cases = [
        (
            "interfaces",
            many(16, |n| format!("[[interface]]\nname='i{n}'\ndevice='d{n}'\n")),
            "interface \"i15\": there are 17 interfaces, at most 16 fit",
        ),
        (
            "routes",
            many(257, |n| format!("[[route]]\nto='10.1.{}.{}/32'\nblackhole=true\n", n / 256, n % 256)),
            "route 257: there are 257 routes, at most 256 fit",
        ),
        (
            "addresses",
            format!("[[interface]]\nname='a'\ndevice='b'\naddresses=[{}]", list(18)),
            "interface \"a\" . addresses 17: there are 18 addresses, at most 16 fit",
        ),
        (
            "bond ports",
            "[[interface]]\nname='a'\nbond={mode='802.3ad',devices=['1','2','3','4','5','6','7','8','9']}"
                .into(),
            "interface \"a\" . bond . devices 9: there are 9 ports in the bond, at most 8 fit",
        ),
        (
            "services",
            many(257, |n| {
                format!("[[service]]\nname='s{n}'\nkind='tcp'\nport={}\naddresses=['10.0.0.2']\n", n + 1)
            }),
            "service \"s256\": there are 257 services, at most 256 fit",
        ),
        (
            "name servers",
            "[system]\nname_servers=['10.0.0.1','10.0.0.2','10.0.0.3','10.0.0.4','10.0.0.5']".into(),
            "system . name_servers 5: there are 5 name servers, at most 4 fit",
        ),
    ];
    for (rule, rest, wanted) in cases {
        assert_eq!(found(&rest), [wanted], "{rule}");
    }
}

#[test]
fn real_servers_are_counted_over_all_services() {
    let mut rest = String::new();
    for service in 0..2 {
        rest += &format!(
            "[[service]]\nname='s{service}'\nkind='tcp'\nport={}\naddresses=['10.0.0.2']\n",
            service + 1
        );
        for server in 0..2049 {
            rest += &format!("[[service.real_server]]\naddresses=['10.0.0.3']\nport={}\n", server + 1);
        }
    }
    let wanted =
        "service \"s1\" . real_server 2048: there are 4098 real servers in all services, at most 4096 fit";
    assert_eq!(found(&rest), [wanted]);
}
