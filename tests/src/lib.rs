//! The lab: a director as a QEMU machine between real clients and real FTP servers,
//! all in namespaces of one test.
//!
//! ```text
//!   client .101-.104            director (QEMU)            rs1 .11   rs2 .12
//!        |                      |             |               |         |
//!   =====+==== outside =========+             +==== inside ===+=========+===
//!     198.51.100.0/24, 2001:db8:1::/64          10.21.0.0/24, fd21::/64
//! ```
//!
//! A test is a `#[test]` function that calls [`scenario()`], [`two_boxes()`], [`patient()`] or
//! [`alone()`]; it gets a [`Lab`] and asks it for servers ([`Lab::start_ftp_servers`]) and a director
//! ([`Lab::boot`]), or for two ([`pair::boot_pair`]). Everything ends with the test. What it did is
//! kept under `target/lab/<test>`: serial logs, configuration, packet captures.
//!
//! Nothing here sleeps to be in step with something: see [`eventually()`].
#![forbid(unsafe_code)]

pub mod agent;
pub mod capture;
pub mod content;
pub mod demo;
pub mod director;
pub mod disklog;
pub mod eventually;
pub mod ftp;
pub mod lines;
pub mod machine;
pub mod namespace;
pub mod pair;
pub mod prober;
pub mod process;
pub mod qemu;
pub mod random;
pub mod scenario;
pub mod screen;
pub mod tools;
pub mod topology;
pub mod transfers;
pub mod trunk;
pub mod vsftpd;

pub use director::{Boot, Director};
pub use eventually::eventually;
pub use scenario::{alone, patient, scenario, skip, two_boxes};
pub use topology::Lab;

/// What a scenario returns: its failure carries the whole story for a person.
pub type Result<T = (), E = anyhow::Error> = std::result::Result<T, E>;
