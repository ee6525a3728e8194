//! vrrpd by itself and in pairs: what it does to the kernel, and what others do to it.
//!
//! Run it inside `tests/enter`; see `lab`.

#[path = "../lab/mod.rs"]
mod lab;

mod accept;
mod addresses;
mod clock;
mod control;
mod crash;
mod groups;
mod hostile;
mod links;
mod neighbours;
mod process;
mod reload;
mod snooping;
mod storm;
mod track;
mod virtual_mac;

/// One IPv4 router at 100 ms.
fn router(priority: u8, more: &str) -> String {
    format!(
        r#"
[[virtual_router]]
name = "v"
interface = "eth0"
vrid = 7
priority = {priority}
advertisement_interval = "100ms"
addresses = ["10.9.0.99/24"]
{more}
"#
    )
}

/// Two routers in a group, on IPv4 and IPv6.
fn group(priority: u8, more: &str) -> String {
    format!(
        r#"
[[virtual_router]]
name = "four"
interface = "eth0"
vrid = 7
priority = {priority}
advertisement_interval = "100ms"
addresses = ["10.9.0.99/24"]
preempt = true

[[virtual_router]]
name = "six"
interface = "eth0"
vrid = 7
priority = {priority}
advertisement_interval = "100ms"
addresses = ["fe80::99/64", "fd09::99/64"]
preempt = true
{more}

[[sync_group]]
name = "both"
members = ["four", "six"]
"#
    )
}
