use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::change::Domain;
use crate::fixtures::{FULL, SMALL, config, desired, fresh, machine};
use crate::ipvs::{
    Daemon, DaemonState, Destination, DestinationKey, Family, ForwardingMethod, ServiceSettings, Timeouts,
};
use crate::links::{BondMode, NextHop, Route};
use crate::machine::{Draining, Overrides};
use crate::modules::Module;
use crate::simulation::apply_all;
use crate::sysctls::Sysctl;

fn words(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn other_weights_change_nothing_but_ipvs() {
    for text in [SMALL, FULL] {
        let (before, mut after) = (config(text), config(text));
        let last = after.real_servers.iter_mut().last().expect("there are servers");
        last.weight = 77;
        let overrides = Overrides { weights: [((0, 0), 5)].into(), ..Overrides::default() };
        let whole = Desired::from_config(&after, &machine(), &overrides);
        assert_eq!(desired(text).with_weights(&after, &machine(), &overrides), whole);
        assert_ne!(desired(text).ipvs, whole.ipvs);
        assert!(before.is_same_but_for_weights(&after));
        after.real_servers.iter_mut().last().expect("there are servers").port = Some(1);
        assert!(!before.is_same_but_for_weights(&after));
    }
}

#[test]
fn a_box_is_set_up_in_the_order_of_the_boot() {
    for text in [SMALL, FULL] {
        let plan = plan(&desired(text), &fresh());
        let domain = |wanted| move |change: &Change| change.domain() == wanted;
        let last = |wanted| plan.changes.iter().rposition(domain(wanted));
        let first = |wanted| plan.changes.iter().position(domain(wanted));
        assert!(last(Domain::Modules) < first(Domain::Firewall));
        let up = |change: &Change| matches!(change, Change::Link(LinkChange::SetUp { .. }));
        assert!(first(Domain::Firewall) < plan.changes.iter().position(up));
        assert!(last(Domain::Links) < first(Domain::Addresses));
        assert!(last(Domain::Addresses) < first(Domain::Ipvs));
        assert_eq!(plan.changes.last(), Some(&Change::Forwarding(true)));
        assert_eq!(plan.when(), When::Live);
        let done = apply_all(&plan, fresh());
        assert_eq!(words(&super::plan(&desired(text), &done)), Vec::<String>::new());
    }
}

#[test]
fn a_change_fits_a_line_of_an_operator_s_screen() {
    let built = apply_all(&plan(&desired(FULL), &fresh()), fresh());
    for plan in [plan(&desired(FULL), &fresh()), plan(&Desired::fail_secure(), &built)] {
        for line in words(&plan) {
            assert!(line.len() <= 100 && !line.is_empty(), "{line}");
        }
    }
}

#[test]
fn a_box_without_configuration_stops_forwarding_first() {
    let built = apply_all(&plan(&desired(FULL), &fresh()), fresh());
    let secure = Desired::fail_secure();
    let to_secure = plan(&secure, &built);
    assert_eq!(to_secure.changes.first(), Some(&Change::Forwarding(false)));
    let done = apply_all(&to_secure, built);
    assert!(plan(&secure, &done).is_empty());
    assert!(done.addresses.is_empty() && done.routes.is_empty() && done.ipvs.services.is_empty());
}

#[test]
fn a_weight_is_changed_by_one_request_and_nothing_else() {
    let built = apply_all(&plan(&desired(SMALL), &fresh()), fresh());
    let overrides = Overrides { weights: [((0, 1), 0)].into(), ..Overrides::default() };
    let wanted = Desired::from_config(&config(SMALL), &machine(), &overrides);
    assert_eq!(words(&plan(&wanted, &built)), ["set weight of 10.0.0.12 in mark 21 IPv4 to 0 (was 1)"]);
}

#[test]
fn a_server_that_drains_keeps_its_rules_and_gets_no_more_sessions() {
    let whole = config(SMALL);
    let built = apply_all(&plan(&desired(SMALL), &fresh()), fresh());
    let without = SMALL.rsplit_once("[[service.real_server]]").expect("two servers").0;
    let service = &whole.services[0];
    let server = whole.real_servers_of(service)[1];
    let overrides = Overrides { draining: vec![Draining { service: 0, server }], ..Overrides::default() };
    let draining = Desired::from_config(&config(without), &machine(), &overrides);
    assert_eq!(draining.firewall, desired(SMALL).firewall);
    assert_eq!(words(&plan(&draining, &built)), ["set weight of 10.0.0.12 in mark 21 IPv4 to 0 (was 1)"]);
    let gone = plan(&desired(without), &built);
    assert_eq!(gone.when(), When::Live, "it has no connections");
}

#[test]
fn a_server_with_connections_waits_for_the_drain() {
    let mut built = apply_all(&plan(&desired(SMALL), &fresh()), fresh());
    for server in built.ipvs.services.values_mut().flat_map(|service| service.destinations.values_mut()) {
        server.active = 3;
    }
    let without = SMALL.rsplit_once("[[service.real_server]]").expect("two servers").0;
    let plan = plan(&desired(without), &built);
    assert_eq!(plan.when(), When::AfterDrain);
    assert!(words(&plan).contains(&"remove server 10.0.0.12 from mark 21 IPv4 (cuts 3 connections)".into()));
    assert!(plan.live().changes.iter().all(|change| change.domain() == Domain::Firewall));
}

#[test]
fn other_helper_ports_need_a_reboot() {
    let mut built = apply_all(&plan(&desired(SMALL), &fresh()), fresh());
    built.modules.insert("ip_vs_ftp".into(), [("ports".to_owned(), "21,2121".to_owned())].into());
    let repair = plan(&desired(SMALL), &built);
    assert_eq!(words(&repair), ["reload module ip_vs_ftp with ports=21 (is 21,2121)"]);
    assert_eq!(repair.when(), When::NeedsReboot);
    let by_server = desired(&SMALL.replace("\"rewrite\"", "\"server\""));
    assert!(words(&plan(&by_server, &built)).contains(&"unload module ip_vs_ftp".into()));
}

#[test]
fn a_kernel_that_takes_no_more_modules_lets_a_new_one_wait_for_a_reboot() {
    let mut built = apply_all(&plan(&desired(SMALL), &fresh()), fresh());
    built.modules.remove("ip_vs_ftp");
    assert_eq!(plan(&desired(SMALL), &built).when(), When::Live);
    built.modules_locked = true;
    let waits = plan(&desired(SMALL), &built);
    assert_eq!(words(&waits), ["load module ip_vs_ftp ports=21"]);
    assert_eq!(waits.when(), When::NeedsReboot);
}

#[test]
fn every_scheduler_is_there_before_the_kernel_takes_no_more_modules_and_the_helper_is_not() {
    let reserve = desired(SMALL).reserve;
    for scheduler in mark21_config::Scheduler::ALL {
        let name = format!("ip_vs_{}", scheduler.name());
        assert!(reserve.iter().any(|module| module.name == name), "{name}");
    }
    assert!(reserve.iter().all(|module| module.name != "ip_vs_ftp"));
}

#[test]
fn only_foreign_addresses_are_removed() {
    let mut built = apply_all(&plan(&desired(SMALL), &fresh()), fresh());
    let address = |text: &str, prefix_len, device: &str| Address {
        device: device.into(),
        address: text.parse().expect("an address"),
        prefix_len,
    };
    let kept = [
        (address("192.0.2.99", 24, "eth0"), ADDRESS_PROTOCOL_VRRP),
        (address("fe80::1", 64, "eth0"), 3),
        (address("127.0.0.1", 8, "lo"), 0),
        (address("172.16.0.1", 24, "eth3"), 0),
    ];
    let removed = [(address("192.0.2.98", 24, "eth0"), 0), (address("172.16.0.2", 24, "eth3"), 21)];
    let all = kept.into_iter().chain(removed);
    built.addresses.extend(all.map(|(address, protocol)| ObservedAddress { address, protocol }));
    assert_eq!(
        words(&plan(&desired(SMALL), &built)),
        ["remove address 192.0.2.98/24 on eth0", "remove address 172.16.0.2/24 on eth3"]
    );
}

#[test]
fn a_missing_port_leaves_its_interface_out() {
    let mut machine = machine();
    machine.ports.retain(|port| port.device != "eth0");
    let wanted = Desired::from_config(&config(SMALL), &machine, &Overrides::default());
    assert_eq!(wanted.missing[0].to_string(), "interface outside: no port with device eth0");
    assert!(wanted.addresses.iter().all(|address| address.device == "eth1"));
}

/// Found by the property below: only what differed before was set on the new device.
#[test]
fn the_settings_of_a_device_that_is_made_anew_are_set_again() {
    let built = apply_all(&plan(&desired(FULL), &fresh()), fresh());
    let other = desired(&FULL.replace("802.3ad", "active-backup"));
    let repair = plan(&other, &built);
    assert!(words(&repair).contains(&"set net.ipv6.conf.bond0/100.accept_ra to 0".into()));
    assert!(plan(&other, &apply_all(&repair, built)).is_empty());
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

prop_compose! {
    fn any_links()(
        ports in subsequence(vec!["eth0", "eth1"], 0..=2),
        bond in proptest::option::of((select(vec![BondMode::ActiveBackup, BondMode::Ieee8023ad]),
            subsequence(vec!["eth2", "eth3"], 1..=2))),
        vlan in proptest::option::of(1u16..3),
        mtu in proptest::option::of(select(vec![1400u32, 1500])),
    ) -> Vec<Link> {
        let link = |device: &str, kind| Link { device: device.into(), interface: "x".into(), kind, mtu };
        let mut links: Vec<Link> = ports.iter().map(|port| link(port, LinkKind::Port)).collect();
        if let Some((mode, ports)) = bond {
            let ports = ports.iter().map(ToString::to_string).collect();
            links.push(link("bond0", LinkKind::Bond { mode, ports }));
        }
        if let (Some(id), Some(parent)) = (vlan, links.last().map(|link| link.device.clone())) {
            links.push(link("tagged", LinkKind::Vlan { parent, id }));
        }
        links
    }
}

prop_compose! {
    fn any_service()(
        scheduler in select(vec!["rr", "wlc"]),
        persistence in proptest::option::of(1u32..3),
        servers in proptest::collection::btree_map(0u8..4, (0u32..3, any::<bool>()), 0..4),
    ) -> VirtualService {
        let destination = |(host, (weight, nat)): (u8, (u32, bool))| {
            let forwarding = if nat { ForwardingMethod::Masquerade } else { ForwardingMethod::Direct };
            let key = DestinationKey { address: [10, 0, 0, host].into(), port: 0 };
            (key, Destination { forwarding, weight })
        };
        VirtualService {
            settings: ServiceSettings { scheduler: scheduler.into(), persistence, persistence_prefix: 32 },
            destinations: servers.into_iter().map(destination).collect(),
        }
    }
}

prop_compose! {
    fn any_desired()(
        links in any_links(),
        modules in subsequence(vec!["ip_vs", "ip_vs_ftp", "nf_tables"], 0..=3),
        ports in select(vec!["21", "21,2121"]),
        sysctl in 0u8..2,
        firewall in select(vec![desired(SMALL).firewall, Desired::fail_secure().firewall]),
        hosts in subsequence((1u8..5).collect::<Vec<_>>(), 0..4),
        routes in subsequence((1u8..5).collect::<Vec<_>>(), 0..4),
        services in proptest::collection::btree_map(1u32..4, any_service(), 0..3),
        sync in proptest::option::of(0u8..2),
        forwarding in any::<bool>(),
    ) -> Desired {
        let devices: Vec<String> = links.iter().map(|link| link.device.clone()).collect();
        let parameters = |name: &str| match name {
            "ip_vs_ftp" => [("ports".to_owned(), ports.to_owned())].into(),
            _ => [].into(),
        };
        let mut sysctls = vec![
            Sysctl { path: RESET_WITH_FORWARDING.into(), value: "0".into() },
            Sysctl { path: "net/ipv4/vs/conntrack".into(), value: sysctl.to_string() },
        ];
        sysctls.extend(devices.iter().map(|device| Sysctl {
            path: format!("net/ipv6/conf/{device}/accept_ra"),
            value: "0".into(),
        }));
        let address = |host: &u8| Some(Address {
            device: devices.get(usize::from(*host) % devices.len().max(1))?.clone(),
            address: [192, 0, 2, *host].into(),
            prefix_len: 24,
        });
        let route = |net: &u8| Route {
            to: [198, 51, *net, 0].into(),
            prefix_len: 24,
            via: if net.is_multiple_of(2) { NextHop::Blackhole } else { NextHop::Gateway(ip("192.0.2.254"), None) },
            source: None,
            metric: u32::from(sysctl),
        };
        let daemon = |id| Daemon {
            state: DaemonState::Master, device: "eth0".into(), id, group: ip("224.0.0.81"),
        };
        let key = |mark| ServiceKey::Mark { family: Family::V4, mark };
        Desired {
            extra: None,
            modules: modules.iter()
                .map(|name| Module { name: (*name).into(), parameters: parameters(name) })
                .collect(),
            reserve: Vec::new(),
            unwanted_modules: if modules.contains(&"ip_vs_ftp") { vec![] } else { vec!["ip_vs_ftp".into()] },
            sysctls,
            firewall,
            addresses: hosts.iter().filter_map(address).collect(),
            routes: routes.iter().map(route).collect(),
            ipvs: crate::Ipvs {
                timeouts: Some(Timeouts { tcp: 900, tcp_fin: 120, udp: u32::from(sysctl) }),
                services: services.into_iter().map(|(mark, service)| (key(mark), service)).collect(),
                daemons: sync.map(daemon).into_iter().collect(),
            },
            forwarding,
            missing: Vec::new(),
            links,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// From any state that an earlier configuration left, with strangers' addresses, links and routes
    /// in it: one plan is enough.
    #[test]
    fn what_was_planned_and_made_leaves_nothing_to_do(
        before in any_desired(),
        wanted in any_desired(),
        foreign in proptest::collection::vec((0usize..5, 1u8..8, select(vec![0u8, 3, 21, 112])), 0..4),
        stranger in any::<bool>(),
        down in any::<bool>(),
    ) {
        let mut state = apply_all(&plan(&before, &fresh()), fresh());
        for (device, host, protocol) in foreign {
            let device = state.links[device % state.links.len()].device.clone();
            let address = Address { device, address: [192, 0, 2, host].into(), prefix_len: 24 };
            if state.addresses.iter().all(|there| there.address != address) {
                state.addresses.push(ObservedAddress { address, protocol });
            }
        }
        if stranger && state.links.iter().all(|link| link.device != "bond0") {
            state.links.push(ObservedLink { device: "bond0".into(), ..fresh().links[1].clone() });
        }
        if down {
            state.links[1].up = false;
            state.forwarding_v6 = false;
        }
        let virtual_before = state.addresses.iter().filter(|there| there.protocol == 112).count();
        let first = plan(&wanted, &state);
        let made = apply_all(&first, state.clone());
        prop_assert_eq!(words(&plan(&wanted, &made)), Vec::<String>::new(), "after {:#?}", words(&first));
        let kept = made.addresses.iter().filter(|there| there.protocol == 112).count();
        let lost_with_a_link = state.links.iter().any(|link| {
            link.group == CREATED_LINK_GROUP || link.device == "bond0"
        });
        prop_assert!(kept == virtual_before || lost_with_a_link);
    }
}
