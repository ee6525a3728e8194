//! The kernel settings of a director, each with its reason.

use mark21_config::Config;

use crate::context::Context;

/// A kernel setting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sysctl {
    /// Path below `/proc/sys`: `net/ipv4/conf/eth0.100/rp_filter`.
    pub path: String,
    /// The value as it reads back.
    pub value: String,
}

impl Sysctl {
    fn new(path: impl Into<String>, value: impl ToString) -> Self {
        Self { path: path.into(), value: value.to_string() }
    }

    /// The name as sysctl(8) writes it: dots between the parts, a dot within a part as slash.
    #[must_use]
    pub fn name(&self) -> String {
        let swap = |c| match c {
            '/' => '.',
            '.' => '/',
            c => c,
        };
        self.path.chars().map(swap).collect()
    }

    /// Whether the kernel's value means this one. IPVS itself writes 2 for 1 into its defences while
    /// memory is scarce (`update_defense_level`, net/netfilter/ipvs/ip_vs_ctl.c).
    pub(crate) fn is(&self, value: &str) -> bool {
        let is_defence = DEFENCES.iter().any(|defence| self.path == *defence);
        self.value == value || (is_defence && self.value == "1" && value == "2")
    }

    /// The device that it belongs to; `all` and `default` are none.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        let mut parts = self.path.split('/');
        let (net, family, conf) = (parts.next(), parts.next(), parts.next());
        let is_conf = net == Some("net") && matches!(family, Some("ipv4" | "ipv6")) && conf == Some("conf");
        let device = parts.next().filter(|_| is_conf)?;
        (device != "all" && device != "default").then_some(device)
    }
}

/// What IPVS does to keep memory free, by itself when it must.
const DEFENCES: [&str; 2] = ["net/ipv4/vs/drop_entry", "net/ipv4/vs/drop_packet"];
/// The least that the kernel's own default keeps free, in pages (`amemthresh`).
const LEAST_FREE: u64 = 1024;
/// Bytes of a page.
const PAGE: u64 = 4096;
/// The switch of IPv4 forwarding.
pub const IPV4_FORWARDING: &str = "net/ipv4/ip_forward";
/// The switch of IPv6 forwarding.
pub const IPV6_FORWARDING: &str = "net/ipv6/conf/all/forwarding";
/// What the kernel sets anew when IPv4 forwarding is switched (`inet_forward_change`).
pub(crate) const RESET_WITH_FORWARDING: &str = "net/ipv4/conf/all/accept_redirects";

/// The settings of a configuration.
pub(crate) fn sysctls(context: &Context<'_>, devices: &[&str]) -> Vec<Sysctl> {
    let mut sysctls = fail_secure();
    sysctls.extend(connection_tracking(context.machine.memory_bytes, context.config));
    if !context.config.services.is_empty() || context.config.sync.is_some() {
        sysctls.extend(ipvs(context.machine.memory_bytes));
    }
    sysctls.extend(devices.iter().flat_map(|device| of_device(device)));
    sysctls
}

/// The settings of any box: nobody outside decides its routes and addresses.
pub(crate) fn fail_secure() -> Vec<Sysctl> {
    let of_family = |family: &'static str, settings: &[(&str, u8)]| {
        let both = |(key, value): &(&str, u8)| {
            ["all", "default"].map(|scope| Sysctl::new(format!("net/{family}/conf/{scope}/{key}"), value))
        };
        settings.iter().flat_map(both).collect::<Vec<_>>()
    };
    let ipv4 = [
        // Strict: a source must be reachable where it comes from. The kernel takes the larger of
        // `all` and the device's.
        ("rp_filter", 1),
        ("accept_redirects", 0),
        ("send_redirects", 0),
        ("accept_source_route", 0),
        // A floating address is answered for on its own link only, and never used as sender there
        // where another one belongs: neighbours would learn it from the wrong box.
        ("arp_ignore", 1),
        ("arp_announce", 2),
        // A removed primary address must not take the virtual ones of its network along.
        ("promote_secondaries", 1),
    ];
    let ipv6 = [("accept_ra", 0), ("autoconf", 0), ("accept_redirects", 0), ("accept_source_route", 0)];
    let mut sysctls = of_family("ipv4", &ipv4);
    sysctls.extend(of_family("ipv6", &ipv6));
    sysctls
}

/// What has no effect, or not enough, for all devices at once: a redirect is sent where `all` or the
/// device says so, and `default` reaches a device that is there already not at all for IPv6.
fn of_device(device: &str) -> Vec<Sysctl> {
    let set = |family: &str, key: &str| Sysctl::new(format!("net/{family}/conf/{device}/{key}"), 0);
    vec![
        set("ipv4", "accept_redirects"),
        set("ipv4", "send_redirects"),
        set("ipv6", "accept_ra"),
        set("ipv6", "autoconf"),
        set("ipv6", "accept_redirects"),
    ]
}

fn ipvs(memory_bytes: u64) -> Vec<Sysctl> {
    let set = |key: &str, value: u64| Sysctl::new(format!("net/ipv4/vs/{key}"), value);
    vec![
        // Entries for balanced connections, so that `established` means them too.
        set("conntrack", 1),
        // A client of a server that is gone gets a reset rather than silence.
        set("expire_nodest_conn", 1),
        // With 1, weight 0 would break the passive connections of running sessions.
        set("expire_quiescent_template", 0),
        // The table of connections has no most. While less than this is free, half-open entries are
        // dropped from it every second, and of new connections the more the less is free, so that in the
        // end none comes in. Running ones stay.
        set("amemthresh", kept_free(memory_bytes)),
        set("drop_entry", 1),
        set("drop_packet", 1),
        // Off: a packet from the middle of an unknown connection would be given to any server, whose
        // reset would end a session that the peer is about to tell us of.
        set("sloppy_tcp", 0),
    ]
}

fn connection_tracking(memory_bytes: u64, config: &Config) -> Vec<Sysctl> {
    let entries = connections(memory_bytes);
    let set = |key: &str, value: u64| Sysctl::new(format!("net/netfilter/{key}"), value);
    // The helper's sequence offsets live here: not shorter than IPVS keeps the connection, nor than
    // the kernel's default of five days.
    let established = config.timeouts.tcp.as_secs().max(432_000);
    vec![
        set("nf_conntrack_buckets", entries / 2),
        set("nf_conntrack_max", entries),
        // Half-open ones are what a flood leaves behind. Two retransmissions fit (1 + 2 + 4 s).
        set("nf_conntrack_tcp_timeout_syn_sent", 30),
        set("nf_conntrack_tcp_timeout_syn_recv", 30),
        set("nf_conntrack_tcp_timeout_established", established),
    ]
}

/// Tracked connections that may be: a sixteenth of the memory at about 512 bytes each with all
/// extensions, between 16384 and 1048576. A multiple of 1024: the kernel rounds the buckets, half as
/// many, to whole pages of 512.
fn connections(memory_bytes: u64) -> u64 {
    let wanted = memory_bytes / 16 / 512;
    (wanted - wanted % 1024).clamp(16_384, 1_048_576)
}

/// Memory that connections must leave free, in pages: as much as connection tracking may take. The
/// kernel's default of 4 MB is too late on any machine.
fn kept_free(memory_bytes: u64) -> u64 {
    // The kernel keeps some for itself: what is left of 256 MB is 256 MB here.
    let memory = memory_bytes.checked_next_power_of_two().unwrap_or(u64::MAX);
    (memory / 16 / PAGE).clamp(LEAST_FREE, i32::MAX.unsigned_abs().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_grow_with_memory() {
        let cases = [(64 << 20, 16_384), (256 << 20, 32_768), (250 << 20, 31_744), (64 << 30, 1_048_576)];
        for (memory, entries) in cases {
            assert_eq!(connections(memory), entries, "{memory} bytes");
        }
    }

    #[test]
    fn what_is_kept_free_grows_with_memory() {
        for (memory, pages) in [
            (32 << 20, 1024),
            (231 << 20, 4096),
            (256 << 20, 4096),
            (64 << 30, 1_048_576),
            (1 << 60, 0x7fff_ffff),
        ] {
            assert_eq!(kept_free(memory), pages, "{memory} bytes");
        }
    }

    #[test]
    fn a_defence_that_has_begun_is_as_it_should_be() {
        let is = |path: &str, value: &str| Sysctl::new(path, 1).is(value);
        assert!(is("net/ipv4/vs/drop_entry", "1") && is("net/ipv4/vs/drop_entry", "2"));
        assert!(is("net/ipv4/vs/drop_packet", "2"));
        assert!(!is("net/ipv4/vs/drop_entry", "0") && !is("net/ipv4/vs/drop_packet", "3"));
        assert!(!is("net/ipv4/vs/conntrack", "2"));
    }

    #[test]
    fn a_device_with_a_dot_keeps_it() {
        let sysctl = Sysctl::new("net/ipv4/conf/eth0.100/rp_filter", 1);
        assert_eq!(sysctl.name(), "net.ipv4.conf.eth0/100.rp_filter");
        assert_eq!(sysctl.device(), Some("eth0.100"));
        assert_eq!(Sysctl::new("net/ipv6/conf/all/forwarding", 1).device(), None);
        assert_eq!(Sysctl::new("net/ipv4/vs/conntrack", 1).device(), None);
    }
}
