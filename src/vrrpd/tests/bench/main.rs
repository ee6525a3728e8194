//! vrrpd beside Debian's keepalived, in the same namespaces, in one run. Prints a table: vrrpd's
//! figure, keepalived's, and their ratio; median (5 % to 95 %). Fails only when vrrpd misses an
//! advertisement or moves a role.
//!
//! `tests/bench-vrrp` builds it for release and runs it; `MARK21_TRIALS` says how many trials (10).

#[path = "../lab/mod.rs"]
mod lab;

mod canary;
mod capture;
mod figures;
mod floor;
mod life;
mod load;
mod processors;
mod running;
mod sockets;
mod takeover;
