//! VRRP without I/O, clock or heap: RFC 9568 for IPv4 and IPv6, and version 2 (RFC 3768) on the wire.
//!
//! The caller owns the sockets, the clock and the addresses. It makes one [`Router`] per virtual
//! router from a [`Config`], feeds it one [`Input`] at a time, performs every returned [`Output`]
//! in order and sleeps until [`Router::deadline`]:
//!
//! ```text
//!   packets, link, tracking, operator ──> Router::handle(now, input) ──> Outputs
//!   timer at Router::deadline() ────────────────┘                          │ Advertise      -> Advertisement::emit, send
//!                                                                         │ Acquire/Release -> addresses on the interface
//!   Group::of(memberships) ──command──> Router::handle                     │ Announce       -> Announcer::start
//!                                                                         └ Transition, Notice, Rejected -> logs, notify
//! ```
//!
//! - [`wire`] reads and writes advertisements; nothing else knows a raw unit.
//! - [`Router`] is the state machine of RFC 9568 section 6.4.
//! - [`Group`] keeps several routers in one role; [`Verdict`] turns tracked objects into a
//!   priority or a fault; [`Announcer`] and [`TokenBucket`] say when neighbours are told.
//!
//! The crate never reads a clock, draws a random number, logs, allocates or panics on input.
//!
//! A lone router, and the advertisement that it sends when it takes over:
//!
//! ```
//! use std::{net::IpAddr, time::Duration};
//!
//! use vrrp::wire::{Addresses, Advertisement, MAX_LEN, MULTICAST_V4, Path};
//! use vrrp::{Config, Input, Instant, Output, Parameters, Router, State};
//!
//! let own: IpAddr = "192.0.2.2".parse()?;
//! let addresses = Addresses::V4(&[[192, 0, 2, 10]]);
//! let parameters = Parameters { priority: 200, ..Parameters::new(51, own, addresses) };
//! let mut router = Router::new(Config::new(&parameters)?);
//!
//! let start = Instant::from_epoch(Duration::from_secs(1_000));
//! let _ = router.handle(start, Input::Startup);
//! // Three seconds, and 56 / 256 of one.
//! let deadline = router.deadline().expect("a Backup waits");
//! assert_eq!(deadline, start + Duration::from_micros(3_218_750));
//!
//! let mut packet = [0; MAX_LEN];
//! for output in router.handle(deadline, Input::Timer) {
//!     if let Output::Advertise(header) = output {
//!         let path = Path::new(own, MULTICAST_V4.into()).expect("both IPv4");
//!         let advertisement = Advertisement { header, addresses };
//!         let len = advertisement.emit(&path, router.checksum_form(), &mut packet)?;
//!         assert_eq!(packet[..4], [0x31, 51, 200, 1]);
//!         assert_eq!(len, 12);
//!     }
//! }
//! assert_eq!(router.state(), State::Active);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Drain the sockets before a timer is served: a process that was stalled finds the
//! advertisements that arrived meanwhile, and an expired timer that they would have re-armed must
//! not fire first.
#![no_std]
#![forbid(unsafe_code)]

mod announcer;
mod config;
mod group;
mod identity;
mod input;
mod output;
mod router;
mod statistics;
mod time;
mod token_bucket;
mod tracking;
pub mod wire;

pub use announcer::{Announcement, Announcer};
pub use config::{
    AddressListPolicy, ChecksumPolicy, Config, ConfigError, Grouping, MAX_PEERS, Parameters, Peer,
    Preemption, Transport, TtlBounds,
};
pub use group::{Group, Membership};
pub use identity::{Family, Priority, Version, Vrid};
pub use input::{Input, Link, Received, Resignation};
pub use output::{Notice, Output, Outputs, Reason, Transition};
pub use router::{ReconfigureError, Router, State};
pub use statistics::{NewActiveReason, Rejection, Statistics};
pub use time::Instant;
pub use token_bucket::TokenBucket;
pub use tracking::{Health, Verdict, Weight};
