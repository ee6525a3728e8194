//! Either program with many routers, and what its processes take.

use crate::lab::{Keepalived, Lab, Vrrpd, ip, output};
use crate::processors::hold;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    Vrrpd,
    Keepalived,
}

pub(crate) enum Running {
    Vrrpd(Vrrpd),
    Keepalived(Keepalived),
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Running::Vrrpd(vrrpd) => vrrpd.pid(),
            Running::Keepalived(keepalived) => keepalived.pid(),
        }
    }

    /// Holds all its processes to one processor.
    pub(crate) fn hold(&self, processor: usize) {
        for pid in family(self.pid()) {
            hold(pid, processor).expect("a processor");
        }
    }

    /// A new configuration, and SIGHUP.
    pub(crate) fn reload(&self, config: &str) {
        match self {
            Running::Vrrpd(vrrpd) => vrrpd.reload(config),
            Running::Keepalived(keepalived) => keepalived.reload(config),
        }
    }

    pub(crate) fn stop(self) {
        match self {
            Running::Vrrpd(vrrpd) => vrrpd.stop(),
            Running::Keepalived(keepalived) => keepalived.stop(),
        }
    }

    pub(crate) fn kill(self) {
        match self {
            Running::Vrrpd(vrrpd) => drop(vrrpd),
            Running::Keepalived(keepalived) => keepalived.kill(),
        }
    }
}

/// What is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) host: usize,
    /// At most 250 on an interface.
    pub(crate) count: usize,
    pub(crate) millis: u64,
    pub(crate) priority: u8,
    /// Memory locked; vrrpd's is anyhow.
    pub(crate) is_locked: bool,
    /// A second address for each.
    pub(crate) is_larger: bool,
}

impl Options {
    /// The first host ranks before the second.
    pub(crate) fn new(host: usize, count: usize, millis: u64) -> Options {
        let priority = if host == 0 { 200 } else { 100 };
        Options { host, count, millis, priority, is_locked: false, is_larger: false }
    }
}

pub(crate) fn config(program: Program, options: &Options) -> String {
    let Options { count, millis, priority, .. } = *options;
    let routers = (0..count).map(|number| (number / 250, number % 250 + 1));
    let addresses = |interface: usize, vrid: usize| {
        let third = [Some(interface), options.is_larger.then_some(interface + 100)];
        third.into_iter().flatten().map(move |third| format!("172.16.{third}.{vrid}/32")).collect::<Vec<_>>()
    };
    match program {
        Program::Vrrpd => routers
            .map(|(interface, vrid)| {
                format!(
                    "[[virtual_router]]\nname = \"v{interface}-{vrid}\"\ninterface = \"eth{interface}\"\n\
                     vrid = {vrid}\npriority = {priority}\nadvertisement_interval = \"{millis}ms\"\n\
                     checksum = \"pseudo-header\"\naddresses = {:?}\n\n",
                    addresses(interface, vrid)
                )
            })
            .collect(),
        Program::Keepalived => {
            let lock = if options.is_locked { "vrrp_no_swap\n" } else { "" };
            let global = format!("global_defs {{\nvrrp_version 3\nvrrp_garp_master_delay 0\n{lock}}}\n");
            // An owner begins as Active.
            let role = if priority == 255 { "state MASTER" } else { "state BACKUP\nnopreempt" };
            let routers = routers.map(|(interface, vrid)| {
                format!(
                    "vrrp_instance v{interface}-{vrid} {{\n{role}\ninterface eth{interface}\n\
                     virtual_router_id {vrid}\npriority {priority}\nadvert_int {}\n\
                     virtual_ipaddress {{\n{}\n}}\n}}\n",
                    f64::from(u32::try_from(millis).expect("short")) / 1000.0,
                    addresses(interface, vrid).join("\n")
                )
            });
            std::iter::once(global).chain(routers).collect()
        }
    }
}

pub(crate) fn start(lab: &Lab, host: usize, program: Program, count: usize, millis: u64) -> Running {
    start_with(lab, program, &Options::new(host, count, millis))
}

pub(crate) fn start_with(lab: &Lab, program: Program, options: &Options) -> Running {
    let config = config(program, options);
    match program {
        Program::Vrrpd => Running::Vrrpd(lab.vrrpd(options.host, &config)),
        Program::Keepalived => Running::Keepalived(lab.keepalived(options.host, &config)),
    }
}

/// More interfaces, each pair on a bridge of its own.
pub(crate) fn add_interfaces(lab: &Lab, count: usize) {
    let switch = lab.switch();
    for number in 1..count {
        ip(&format!("-n {switch} link add bridge{number} type bridge"));
        ip(&format!("-n {switch} link set bridge{number} up"));
        for host in 0..2 {
            let name = lab.host(host);
            let port = format!("p{host}-{number}");
            ip(&format!("-n {switch} link add {port} type veth peer name eth{number} netns {name}"));
            ip(&format!("-n {switch} link set {port} master bridge{number} up"));
            ip(&format!("-n {name} link set eth{number} up"));
            ip(&format!("-n {name} addr add 10.9.{number}.{}/24 dev eth{number}", host + 1));
        }
    }
}

/// Interfaces of the first host that lead nowhere: their driver (ifb) drops what it is given.
pub(crate) fn take_the_wires_off(lab: &Lab, count: usize) {
    let host = lab.host(0);
    ip(&format!("-n {host} link delete eth0"));
    for number in 0..count {
        ip(&format!("-n {host} link add eth{number} type ifb"));
        ip(&format!("-n {host} link set eth{number} up arp on multicast on"));
        ip(&format!("-n {host} addr add 10.9.{number}.1/24 dev eth{number}"));
    }
}

/// The process and its children.
fn family(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children.flat_map(family)).collect()
}

/// Nanoseconds on a CPU.
pub(crate) fn cpu(pid: u32) -> u64 {
    let one = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    family(pid).into_iter().map(one).sum()
}

/// Kilobytes resident and proportional, of the process and its children.
pub(crate) fn memory(pid: u32) -> (u64, u64) {
    let field = |pid: u32, name: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
    };
    let family = family(pid);
    let sum = |name: &str| family.iter().map(|pid| field(*pid, name)).sum();
    (sum("Rss:"), sum("Pss:"))
}

/// Packets that left a host.
pub(crate) fn packets_sent(lab: &Lab, host: usize) -> u64 {
    packets(lab, host, 10)
}

/// Packets that [`take_the_wires_off`]'s interfaces of the first host were given. Such an interface is
/// for what others receive: it calls them so.
pub(crate) fn packets_dropped(lab: &Lab) -> u64 {
    packets(lab, 0, 2)
}

/// The sum of a column of /proc/net/dev.
fn packets(lab: &Lab, host: usize, column: usize) -> u64 {
    let output = lab.command(host, "cat").arg("/proc/net/dev").output().expect("cat");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter(|line| line.trim_start().starts_with("eth"));
    lines.filter_map(|line| line.split_whitespace().nth(column)?.parse::<u64>().ok()).sum()
}

pub(crate) fn addresses_on(lab: &Lab, host: usize) -> usize {
    output(&format!("-n {} -4 addr show", lab.host(host))).matches(" 172.16.").count()
}
