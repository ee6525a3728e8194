//! Which kernel modules a configuration needs, in loading order, and with which parameters.
//!
//! The kernel would load most of them by itself, but only with a working modprobe, and the helper's
//! ports can be given at no other time.

use std::collections::{BTreeMap, BTreeSet};

use mark21_config::{ActiveSource, Config, Link, Passive, Scheduler, ServiceKind};

use crate::context::Context;

/// The FTP helper.
const FTP_HELPER: &str = "ip_vs_ftp";
/// What the table of a fail-secure box needs.
const FIREWALL: [&str; 1] = ["nf_tables"];
/// What any other table needs besides.
const STATEFUL_FIREWALL: [&str; 5] = ["nf_conntrack", "nft_ct", "nft_limit", "nft_chain_nat", "nft_nat"];

/// What an operator's own tables may ask for, and the file system of a stick.
const AT_HAND: [&str; 25] = [
    "nft_masq",
    "nft_redir",
    "nft_reject",
    "nft_reject_inet",
    "nft_reject_ipv4",
    "nft_reject_ipv6",
    "nft_reject_netdev",
    "nft_log",
    "nft_fib",
    "nft_fib_inet",
    "nft_fib_ipv4",
    "nft_fib_ipv6",
    "nft_fib_netdev",
    "nft_hash",
    "nft_numgen",
    "nft_quota",
    "nft_connlimit",
    "nft_objref",
    "nf_conntrack_netlink",
    "nf_log_syslog",
    "nfnetlink_log",
    "nls_ascii",
    "nls_iso8859_1",
    "nls_utf8",
    "macvlan",
];

/// A kernel module with the parameters that must be given when it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The name with underscores, as in `/sys/module`.
    pub name: String,
    /// Parameters; others keep their defaults.
    pub parameters: BTreeMap<String, String>,
}

impl Module {
    /// Devices that lead nowhere; without its parameter it makes one by itself.
    #[must_use]
    pub fn dummy() -> Self {
        Self::with("dummy", "numdummies", 0)
    }

    fn plain(name: impl Into<String>) -> Self {
        Self { name: name.into(), parameters: BTreeMap::new() }
    }

    fn with(name: &str, parameter: &str, value: impl ToString) -> Self {
        let parameters = BTreeMap::from([(parameter.to_owned(), value.to_string())]);
        Self { name: name.to_owned(), parameters }
    }
}

/// The modules of a configuration.
pub(crate) fn modules(context: &Context<'_>) -> Vec<Module> {
    let config = context.config;
    let mut modules = fail_secure();
    modules.extend(STATEFUL_FIREWALL.map(Module::plain));
    let masquerades =
        |kind: &ServiceKind| matches!(kind, ServiceKind::Ftp(ftp) if ftp.active == ActiveSource::Masquerade);
    if config.services.iter().any(|service| masquerades(&service.kind)) {
        modules.push(Module::plain("nft_masq"));
    }
    if config.interfaces.iter().any(|interface| matches!(interface.link, Link::Vlan { .. })) {
        modules.push(Module::plain("8021q"));
    }
    if config.interfaces.iter().any(|interface| matches!(interface.link, Link::Bond { .. })) {
        modules.push(bonding());
    }
    if !config.services.is_empty() || config.sync.is_some() {
        modules.push(ip_vs(context));
    }
    let schedulers: BTreeSet<&str> = config.services.iter().map(|service| service.scheduler.name()).collect();
    modules.extend(schedulers.into_iter().map(scheduler));
    let helped = control_ports(config, Passive::Rewrite);
    if !helped.is_empty() {
        let ports: Vec<String> = helped.iter().map(u16::to_string).collect();
        modules.push(Module::with(FTP_HELPER, "ports", ports.join(",")));
    }
    modules
}

/// What another configuration may ask for while the box runs: all but the FTP helper, whose ports
/// are given when it is loaded, so that this has always been a matter of a restart.
pub(crate) fn reserve(context: &Context<'_>) -> Vec<Module> {
    let mut modules: Vec<Module> = AT_HAND.map(Module::plain).into();
    modules.extend([Module::plain("8021q"), bonding(), Module::dummy(), ip_vs(context)]);
    modules.extend(Scheduler::ALL.iter().map(|known| scheduler(known.name())));
    modules
}

/// Without the bond0 that it makes by itself.
fn bonding() -> Module {
    Module::with("bonding", "max_bonds", 0)
}

fn ip_vs(context: &Context<'_>) -> Module {
    Module::with("ip_vs", "conn_tab_bits", connection_table_bits(context.machine.memory_bytes))
}

fn scheduler(name: &str) -> Module {
    Module::plain(format!("ip_vs_{name}"))
}

/// The helper, where servers announce the address themselves and nobody needs it: it would take their
/// virtual address for the server's, and PASV would hang.
pub(crate) fn unwanted(context: &Context<'_>) -> Vec<String> {
    let rewritten = control_ports(context.config, Passive::Rewrite);
    let announced = control_ports(context.config, Passive::Server);
    let is_unwanted = rewritten.is_empty() && !announced.is_empty();
    is_unwanted.then(|| FTP_HELPER.to_owned()).into_iter().collect()
}

/// The control ports of the FTP services whose passive replies are made so.
fn control_ports(config: &Config, passive: Passive) -> BTreeSet<u16> {
    let ports = config.services.iter().filter_map(|service| match &service.kind {
        ServiceKind::Ftp(ftp) => (ftp.passive == passive).then_some(ftp.port),
        ServiceKind::Tcp { .. } | ServiceKind::Udp { .. } | ServiceKind::Mark { .. } => None,
    });
    ports.collect()
}

/// The modules of a box without a configuration.
pub(crate) fn fail_secure() -> Vec<Module> {
    FIREWALL.map(Module::plain).into()
}

/// Size of the IPVS connection table (`ip_vs_conn_tab_bits`): a bucket takes 8 bytes, a connection
/// about 300. The largest is what the kernels in use take.
fn connection_table_bits(memory_bytes: u64) -> u32 {
    match memory_bytes >> 20 {
        0..=160 => 12,
        161..=640 => 15,
        641..=2560 => 17,
        _ => 20,
    }
}
