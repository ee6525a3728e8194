//! The whole table of states and inputs, and timers worked out by hand.
//!
//! One second, priority 100, version 3 unless a case says otherwise: Skew_Time is
//! (256 - 100) / 256 s = 609.375 ms, Active_Down_Interval 3609.375 ms.

extern crate std;

use core::net::{IpAddr, Ipv4Addr};
use std::format;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::config::Parameters;
use crate::input::{Received, Resignation};
use crate::output::Notice;
use crate::tracking::{Health, Weight};
use crate::wire::{Addresses, Advertisement, Centiseconds, MULTICAST_V4, Path, Protocol, Seconds};
use crate::{Grouping, Vrid};

mod beyond;
mod table;
mod timers;

const ADDRESSES: Addresses<'static> = Addresses::V4(&[[10, 0, 0, 100]]);
/// Own source; [`LESSER`] and [`GREATER`] are the sources of others.
const OWN: u8 = 5;
const LESSER: u8 = 4;
const GREATER: u8 = 6;

fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

/// Microseconds after the epoch.
fn at(micros: u64) -> Instant {
    Instant::from_epoch(Duration::from_micros(micros))
}

fn parameters() -> Parameters<'static> {
    Parameters::new(7, address(OWN), ADDRESSES)
}

fn router(parameters: &Parameters<'_>) -> Router {
    Router::new(Config::new(parameters).expect("right parameters"))
}

/// An advertisement in the octets of the wire.
struct Wire {
    octets: [u8; 64],
    len: usize,
    source: IpAddr,
}

impl Wire {
    fn new(priority: u8, source: u8, protocol: Protocol) -> Wire {
        let header =
            Header { vrid: Vrid::new(7).expect("not zero"), priority: Priority::new(priority), protocol };
        Wire::of(Advertisement { header, addresses: ADDRESSES }, source)
    }

    fn v3(priority: u8, source: u8, centiseconds: u16) -> Wire {
        Wire::new(priority, source, Protocol::V3 { interval: Centiseconds::from_field(centiseconds) })
    }

    fn v2(priority: u8, source: u8, seconds: u8) -> Wire {
        Wire::new(priority, source, Protocol::V2 { interval: Seconds::new(seconds), password: None })
    }

    fn of(advertisement: Advertisement<'_>, source: u8) -> Wire {
        let mut octets = [0; 64];
        let path = Path::new(address(source), IpAddr::V4(MULTICAST_V4)).expect("one family");
        let len = advertisement.emit(&path, ChecksumForm::Plain, &mut octets).expect("fits");
        Wire { octets, len, source: address(source) }
    }

    fn received(&self) -> Received<'_> {
        Received {
            payload: &self.octets[..self.len],
            source: self.source,
            destination: IpAddr::V4(MULTICAST_V4),
            ttl: 255,
            is_on_link: true,
            has_options: false,
        }
    }

    fn input(&self) -> Input<'_> {
        Input::Packet(self.received())
    }
}

/// Outputs in a line that a person can check against the RFC.
fn describe(outputs: &Outputs) -> String {
    let words: Vec<String> = outputs
        .iter()
        .map(|output| match output {
            Output::Advertise(header) => format!("advertise {}", header.priority),
            Output::Acquire => "acquire".into(),
            Output::Release => "release".into(),
            Output::Announce(why) => format!("announce {why:?}"),
            Output::Transition(change) => format!("to {:?} ({:?})", change.to, change.reason),
            Output::Membership => "membership".into(),
            Output::Rejected(reason) => format!("rejected {reason}"),
            Output::Notice(Notice::Conflict { .. }) => "notice conflict".into(),
            Output::Notice(Notice::IntervalBounded { .. }) => "notice interval".into(),
            Output::Notice(Notice::AddressListMismatch { .. }) => "notice addresses".into(),
            Output::Notice(Notice::ResignationUnanswered) => "notice unanswered".into(),
        })
        .collect();
    words.join(", ")
}

/// Performs nothing: for the way to where a test begins.
fn feed(router: &mut Router, micros: u64, input: Input<'_>) -> String {
    describe(&router.handle(at(micros), input))
}

const FAULT: [(Weight, Health); 1] = [(Weight::Fault, Health::Down)];
const PLUS_20: [(Weight, Health); 1] = [(Weight::Points(20), Health::Up)];

fn verdict(objects: &[(Weight, Health)]) -> Verdict {
    Verdict::of(objects.iter().copied())
}
