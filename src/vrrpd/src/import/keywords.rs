//! Every VRRP keyword of keepalived, and what becomes of it here. The importer asks this table,
//! and the documentation is made of it.

use std::fmt::Write;

/// Where a keyword stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Block {
    /// In no other.
    Top,
    Global,
    Announcing,
    Instance,
    Group,
    Script,
    File,
    Process,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Carried over to this key.
    Same(&'static str),
    /// Not needed, or done otherwise.
    Different(&'static str),
    /// Not there.
    Refused(&'static str),
}

use Block::{Announcing, File, Global, Group, Instance, Process, Script, Top};
use Fate::{Different, Refused, Same};

const GARP: &str = "addresses are announced at 0, 1, 5, 15, 30 and 60 s, then every `announce_refresh`";
const RATE: &str = "`announce_rate` and `announce_burst` bound them per interface";
const MAIL: &str = "no mail is sent; a `notify` program can";
const SNMP: &str = "no SNMP; `vrrpd status --json` has RFC 8347's counters";
const DBUS: &str = "no D-Bus; `vrrpd watch` tells every transition";
const FILTER: &str = "`accept = false` makes an nftables table of its own, `inet vrrpd`";
const ROUTES: &str = "no routes and rules come and go with the role; a `notify` program can set them";
const VMAC: &str = "`virtual_mac` takes a name for each";
const PROCESS: &str = "a `[[track_script]]` with pidof(8) does it";
const BFD: &str = "no BFD";
const SOCKETS: &str = "socket buffers are sized for 1000 routers; an overrun means reading anew";
const ALWAYS: &str = "always so";

const STATIC: &str = "the network's configuration sets what is always there";
const INCLUDE: &str = "import that file too";

/// In the order of keepalived's manual.
pub(super) const KEYWORDS: &[(Block, &str, Fate)] = &[
    (Top, "global_defs", Same("[global]")),
    (Top, "vrrp_instance", Same("[[virtual_router]]")),
    (Top, "vrrp_sync_group", Same("[[sync_group]]")),
    (Top, "vrrp_script", Same("[[track_script]]")),
    (Top, "vrrp_track_file", Same("[[track_file]]")),
    (Top, "track_file", Same("[[track_file]]")),
    (Top, "garp_group", Different(RATE)),
    (Top, "vrrp_track_process", Refused(PROCESS)),
    (Top, "track_process", Refused(PROCESS)),
    (Top, "track_group", Refused(STATIC)),
    (Top, "static_ipaddress", Refused(STATIC)),
    (Top, "static_routes", Refused(STATIC)),
    (Top, "static_rules", Refused(STATIC)),
    (Top, "bfd_instance", Refused(BFD)),
    (Top, "linkbeat_use_polling", Different("the kernel tells of every link")),
    (Top, "include", Different(INCLUDE)),
    (Top, "includer", Different(INCLUDE)),
    (Top, "includem", Different(INCLUDE)),
    (Top, "includew", Different(INCLUDE)),
    (Top, "includeb", Different(INCLUDE)),
    (Top, "includea", Different(INCLUDE)),
    (Global, "router_id", Different("only used in keepalived's mail")),
    (Global, "notification_email", Refused(MAIL)),
    (Global, "notification_email_from", Refused(MAIL)),
    (Global, "smtp_server", Refused(MAIL)),
    (Global, "smtp_helo_name", Refused(MAIL)),
    (Global, "smtp_connect_timeout", Refused(MAIL)),
    (Global, "smtp_alert", Refused(MAIL)),
    (Global, "smtp_alert_vrrp", Refused(MAIL)),
    (Global, "no_email_faults", Refused(MAIL)),
    (Global, "vrrp_version", Same("version")),
    (Global, "vrrp_mcast_group4", Same("multicast_group")),
    (Global, "vrrp_mcast_group6", Same("multicast_group")),
    (Global, "default_interface", Same("interface")),
    (Global, "vrrp_startup_delay", Same("startup_delay")),
    (Global, "vrrp_garp_master_delay", Different(GARP)),
    (Global, "vrrp_garp_master_repeat", Different(GARP)),
    (Global, "vrrp_garp_master_refresh", Same("announce_refresh")),
    (Global, "vrrp_garp_master_refresh_repeat", Different(GARP)),
    (
        Global,
        "vrrp_garp_lower_prio_delay",
        Different("neighbours are corrected at once, then after 50 and 250 ms"),
    ),
    (
        Global,
        "vrrp_garp_lower_prio_repeat",
        Different("neighbours are corrected at once, then after 50 and 250 ms"),
    ),
    (Global, "vrrp_garp_interval", Different(RATE)),
    (Global, "vrrp_gna_interval", Different(RATE)),
    (Global, "vrrp_garp_extra_if", Refused("addresses are announced where they are only")),
    (Global, "vrrp_min_garp", Different(GARP)),
    (
        Global,
        "vrrp_lower_prio_no_advert",
        Different("RFC 9568: a lesser priority is answered at once, at a bounded rate"),
    ),
    (
        Global,
        "vrrp_higher_prio_send_advert",
        Different("one that is outranked is silent, as RFC 9568 has it"),
    ),
    (Global, "vrrp_strict", Different("RFC 9568 is followed where it does no harm; see `vrrpd --check`")),
    (Global, "vrrp_check_unicast_src", Different(ALWAYS)),
    (
        Global,
        "vrrp_skip_check_adv_addr",
        Different("the list is compared by a fingerprint; `address_list` says what follows"),
    ),
    (Global, "vrrp_iptables", Different(FILTER)),
    (Global, "vrrp_ipsets", Different(FILTER)),
    (Global, "vrrp_nftables", Different(FILTER)),
    (Global, "vrrp_nftables_priority", Different(FILTER)),
    (Global, "vrrp_nftables_ifindex", Different(FILTER)),
    (Global, "nftables_counters", Different(FILTER)),
    (Global, "vrrp_priority", Different("`real_time_priority` instead of a nice value")),
    (Global, "vrrp_no_swap", Same("lock_memory")),
    (Global, "vrrp_rt_priority", Same("real_time_priority")),
    (Global, "vrrp_rlimit_rttime", Different("there is no such limit: it would kill a busy daemon")),
    (Global, "vrrp_cpu_affinity", Different("taskset(1) or systemd's CPUAffinity")),
    (Global, "max_auto_priority", Different("real-time priority is on by default")),
    (Global, "min_auto_priority_delay", Different("real-time priority is on by default")),
    (Global, "vrrp_process_name", Different("the process is called vrrpd")),
    (Global, "process_names", Different("the process is called vrrpd")),
    (Global, "vrrp_netlink_cmd_rcv_bufs", Different(SOCKETS)),
    (Global, "vrrp_netlink_cmd_rcv_bufs_force", Different(SOCKETS)),
    (Global, "vrrp_netlink_monitor_rcv_bufs", Different(SOCKETS)),
    (Global, "vrrp_netlink_monitor_rcv_bufs_force", Different(SOCKETS)),
    (Global, "vrrp_rx_bufs_policy", Different(SOCKETS)),
    (Global, "vrrp_rx_bufs_multiplier", Different(SOCKETS)),
    (Global, "vrrp_notify_fifo", Same("notify_fifo")),
    (Global, "vrrp_notify_fifo_script", Refused("a service reads the FIFO; vrrpd starts none")),
    (Global, "notify_fifo", Same("notify_fifo")),
    (Global, "notify_fifo_script", Refused("a service reads the FIFO; vrrpd starts none")),
    (
        Global,
        "fifo_write_vrrp_states_on_reload",
        Refused("a role that did not change is not told again; ask `vrrpd status`"),
    ),
    (Global, "vrrp_notify_priority_changes", Refused("only transitions are told")),
    (Global, "vrrp_owner_ignore_adverts", Refused("RFC 9568 has the greater address win between two owners")),
    (Global, "vrrp_down_timer_adverts", Refused("three, as RFC 9568 has it")),
    (Global, "script_user", Same("script_user")),
    (Global, "enable_script_security", Different("programs are run without a shell, as `script_user`")),
    (Global, "startup_script", Refused("systemd's ExecStartPre")),
    (Global, "startup_script_timeout", Refused("systemd's ExecStartPre")),
    (Global, "shutdown_script", Refused("systemd's ExecStopPost")),
    (Global, "shutdown_script_timeout", Refused("systemd's ExecStopPost")),
    (Global, "dynamic_interfaces", Different(ALWAYS)),
    (Global, "linkbeat_use_polling", Different("the kernel tells of every link")),
    (Global, "linkbeat_interfaces", Different("the kernel tells of every link")),
    (Global, "net_namespace", Different("ip-netns(8) or systemd's NetworkNamespacePath")),
    (Global, "instance", Different("a `--run-directory` for each")),
    (Global, "use_pid_dir", Different("a `--run-directory` for each")),
    (Global, "disable_local_igmp", Refused("groups are joined, so that snooping switches hear of them")),
    (Global, "enable_snmp_vrrp", Refused(SNMP)),
    (Global, "enable_snmp_rfc", Refused(SNMP)),
    (Global, "enable_snmp_rfcv2", Refused(SNMP)),
    (Global, "enable_snmp_rfcv3", Refused(SNMP)),
    (Global, "enable_traps", Refused(SNMP)),
    (Global, "snmp_socket", Refused(SNMP)),
    (Global, "enable_dbus", Refused(DBUS)),
    (Global, "dbus_service_name", Refused(DBUS)),
    (Global, "dbus_no_interface_name", Refused(DBUS)),
    (Global, "vmac_prefix", Refused(VMAC)),
    (Global, "vmac_addr_prefix", Refused(VMAC)),
    (
        Global,
        "reload_check_config",
        Different("a configuration is always checked whole before anything changes"),
    ),
    (Global, "include_check", Different("a configuration is always checked whole before anything changes")),
    (Global, "reload_time_file", Refused("systemd timers do it")),
    (Global, "reload_repeat", Refused("systemd timers do it")),
    (
        Global,
        "config_save_dir",
        Different("the last configuration of a waiting daemon is in the run directory"),
    ),
    (Global, "json_version", Different("`vrrpd status --json` has one format")),
    (Global, "umask", Different("everything that is made is its owner's only")),
    (Global, "random_seed", Different("nothing is random")),
    (Global, "nftables", Different(FILTER)),
    (Global, "nftables_priority", Different(FILTER)),
    (Global, "nftables_ifindex", Different(FILTER)),
    (Global, "namespace_with_ipsets", Different(FILTER)),
    (Global, "log_unknown_vrids", Different("they are counted: `stray_packets` of `vrrpd status --json`")),
    (Global, "child_wait_time", Different("there is one process, and it lets go before it ends")),
    (Global, "data_use_instance", Different("a `--run-directory` for each")),
    (Global, "tmp_config_directory", Different("no file is written for it")),
    (Global, "reload_file", Refused("systemd timers do it")),
    (Global, "process_monitor_rcv_bufs", Refused(PROCESS)),
    (Global, "process_monitor_rcv_bufs_force", Refused(PROCESS)),
    (Global, "lvs_sync_daemon", Refused("vrrpd leaves IPVS alone; a `notify` program can start it")),
    (Announcing, "garp_interval", Different(RATE)),
    (Announcing, "gna_interval", Different(RATE)),
    (Announcing, "interface", Different(RATE)),
    (Announcing, "interfaces", Different(RATE)),
    (Instance, "state", Different("every router begins as Backup, an owner (priority 255) as Active")),
    (Instance, "interface", Same("interface")),
    (Instance, "virtual_router_id", Same("vrid")),
    (Instance, "priority", Same("priority")),
    (Instance, "advert_int", Same("advertisement_interval")),
    (Instance, "version", Same("version")),
    (Instance, "nopreempt", Same("preempt")),
    (Instance, "preempt", Same("preempt")),
    (Instance, "preempt_delay", Same("preempt_delay")),
    (Instance, "authentication", Same("password")),
    (Instance, "auth_type", Different("PASS is `password`; AH is refused, it protects nothing that matters")),
    (Instance, "auth_pass", Same("password")),
    (Instance, "auth_hmac", Refused("keepalived's own trailer is recognised, counted and refused")),
    (Instance, "virtual_ipaddress", Same("addresses")),
    (Instance, "virtual_ipaddress_excluded", Same("excluded_addresses")),
    (Instance, "virtual_routes", Refused(ROUTES)),
    (Instance, "virtual_rules", Refused(ROUTES)),
    (Instance, "promote_secondaries", Different("an address that the kernel removes is put back at once")),
    (Instance, "unicast_src_ip", Same("source")),
    (Instance, "mcast_src_ip", Same("source")),
    (Instance, "mcast_dst_ip", Same("multicast_group")),
    (Instance, "unicast_peer", Same("peers")),
    (
        Instance,
        "unicast_ttl",
        Different("TTL 255 is sent; `least_ttl` and `greatest_ttl` of a peer say what is accepted"),
    ),
    (
        Instance,
        "old_unicast_checksum",
        Different("both forms are accepted, and the peer's is sent: `checksum`"),
    ),
    (Instance, "unicast_fault_no_peer", Different("unicast without a peer is refused")),
    (Instance, "unicast_fault_no_peers", Different("unicast without a peer is refused")),
    (Instance, "check_unicast_src", Different(ALWAYS)),
    (Instance, "track_src_ip", Different("a router without its source address is at fault")),
    (
        Instance,
        "checksum_compatibility",
        Different("both forms are accepted, and the peer's is sent: `checksum`"),
    ),
    (Instance, "track_interface", Same("track_interface")),
    (Instance, "track_script", Same("track_script")),
    (Instance, "track_file", Same("track_file")),
    (Instance, "track_process", Refused(PROCESS)),
    (Instance, "track_bfd", Refused(BFD)),
    (Instance, "dont_track_primary", Refused("a router without a link cannot hear, so it is at fault")),
    (Instance, "notify", Same("notify")),
    (Instance, "notify_master", Same("notify_active")),
    (Instance, "notify_backup", Same("notify_backup")),
    (Instance, "notify_fault", Same("notify_fault")),
    (Instance, "notify_stop", Same("notify_stop")),
    (Instance, "notify_deleted", Different("a router that is removed is told as STOP")),
    (Instance, "notify_master_rx_lower_pri", Refused("conflicts are counted and logged")),
    (Instance, "notify_priority_changes", Refused("only transitions are told")),
    (Instance, "smtp_alert", Refused(MAIL)),
    (Instance, "garp_master_delay", Different(GARP)),
    (Instance, "garp_master_repeat", Different(GARP)),
    (Instance, "garp_master_refresh", Different("`announce_refresh` in [global], for all routers")),
    (Instance, "garp_master_refresh_repeat", Different(GARP)),
    (
        Instance,
        "garp_lower_prio_delay",
        Different("neighbours are corrected at once, then after 50 and 250 ms"),
    ),
    (
        Instance,
        "garp_lower_prio_repeat",
        Different("neighbours are corrected at once, then after 50 and 250 ms"),
    ),
    (Instance, "garp_interval", Different(RATE)),
    (Instance, "gna_interval", Different(RATE)),
    (Instance, "garp_extra_if", Refused("addresses are announced where they are only")),
    (
        Instance,
        "lower_prio_no_advert",
        Different("RFC 9568: a lesser priority is answered at once, at a bounded rate"),
    ),
    (Instance, "higher_prio_send_advert", Different("one that is outranked is silent, as RFC 9568 has it")),
    (Instance, "down_timer_adverts", Refused("three, as RFC 9568 has it")),
    (Instance, "owner_ignore_adverts", Refused("RFC 9568 has the greater address win between two owners")),
    (Instance, "accept", Same("accept")),
    (Instance, "no_accept", Same("accept")),
    (
        Instance,
        "strict_mode",
        Different("RFC 9568 is followed where it does no harm; `accept = false` is asked for by itself"),
    ),
    (
        Instance,
        "skip_check_adv_addr",
        Different("the list is compared by a fingerprint; `address_list` says what follows"),
    ),
    (Instance, "use_vmac", Same("virtual_mac")),
    (Instance, "use_vmac_addr", Refused("an address with a `device` has the MAC address of that device")),
    (
        Instance,
        "vmac_xmit_base",
        Different(
            "advertisements leave by the interface itself, with the virtual MAC address as their source",
        ),
    ),
    (Instance, "use_ipvlan", Refused("no ipvlan; `virtual_mac` makes a macvlan")),
    (Instance, "native_ipv6", Different("the family is that of the addresses")),
    (Instance, "linkbeat_use_polling", Different("the kernel tells of every link")),
    (Instance, "kernel_rx_buf_size", Different(SOCKETS)),
    (Instance, "debug", Different("logged at levels")),
    (Group, "group", Same("members")),
    (Group, "notify", Same("notify")),
    (Group, "notify_master", Same("notify_active")),
    (Group, "notify_backup", Same("notify_backup")),
    (Group, "notify_fault", Same("notify_fault")),
    (Group, "notify_stop", Same("notify_stop")),
    (Group, "notify_priority_changes", Refused("only transitions are told")),
    (Group, "smtp_alert", Refused(MAIL)),
    (Group, "track_interface", Same("track_interface of every member")),
    (Group, "track_script", Same("track_script of every member")),
    (Group, "track_file", Same("track_file of every member")),
    (Group, "track_process", Refused(PROCESS)),
    (Group, "track_bfd", Refused(BFD)),
    (Group, "global_tracking", Different("members may have weights of their own")),
    (Group, "sync_group_tracking_weight", Different("members may have weights of their own")),
    (Script, "script", Same("command")),
    (Script, "interval", Same("interval")),
    (Script, "timeout", Same("timeout")),
    (Script, "weight", Same("weight")),
    (Script, "rise", Same("rise")),
    (Script, "fall", Same("fall")),
    (Script, "init_fail", Same("starts_up")),
    (Script, "user", Different("`script_user` in [global], for all programs")),
    (File, "file", Same("path")),
    (File, "weight", Same("weight")),
    (File, "init_file", Refused("what writes the file makes it")),
    (Process, "process", Refused(PROCESS)),
    (Process, "param_match", Refused(PROCESS)),
    (Process, "full_command", Refused(PROCESS)),
    (Process, "weight", Refused(PROCESS)),
    (Process, "quorum", Refused(PROCESS)),
    (Process, "quorum_max", Refused(PROCESS)),
    (Process, "delay", Refused(PROCESS)),
    (Process, "fork_delay", Refused(PROCESS)),
    (Process, "terminate_delay", Refused(PROCESS)),
];

/// The fate of a keyword; `None` when keepalived has no such keyword that we know of.
pub(super) fn find(block: Block, keyword: &str) -> Option<Fate> {
    KEYWORDS.iter().find(|(place, name, _)| *place == block && *name == keyword).map(|(_, _, fate)| *fate)
}

/// The table as Markdown.
pub(crate) fn table() -> String {
    let mut text = String::from("| where | keyword | in vrrpd | |\n|---|---|---|---|\n");
    for (block, keyword, fate) in KEYWORDS {
        let place = match block {
            Top => "the file",
            Global => "global_defs",
            Announcing => "garp_group",
            Instance => "vrrp_instance",
            Group => "vrrp_sync_group",
            Script => "vrrp_script",
            File => "track_file",
            Process => "vrrp_track_process",
        };
        let (verdict, note) = match fate {
            Same(key) => ("same", format!("`{key}`")),
            Different(why) => ("different", (*why).to_owned()),
            Refused(why) => ("refused", (*why).to_owned()),
        };
        writeln!(text, "| {place} | `{keyword}` | {verdict} | {note} |").unwrap_or_default();
    }
    text
}
