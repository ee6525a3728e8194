//! A virtual LAN: routers on segments, with virtual time, loss, delay, duplication, reordering
//! and broken links. Time is in microseconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use vrrp::wire::{Addresses, Advertisement, MULTICAST_V4, Path};
use vrrp::{Config, Group, Input, Instant, Notice, Output, Outputs, Parameters, Received, Router, State};

use crate::rng::Rng;

pub(crate) const ADDRESSES: Addresses<'static> = Addresses::V4(&[[10, 0, 0, 100], [10, 0, 0, 101]]);

/// What happens to packets and timers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Per mille of packets, for each receiver.
    pub(crate) loss: u64,
    /// Per mille of packets, for each receiver.
    pub(crate) duplication: u64,
    /// Least and greatest delay; what arrives out of order was delayed differently.
    pub(crate) delay: (u64, u64),
    /// How late a timer is served at most.
    pub(crate) lateness: u64,
}

impl Weather {
    pub(crate) const CALM: Weather = Weather { loss: 0, duplication: 0, delay: (50, 50), lateness: 0 };
}

/// One router of one box on one segment.
pub(crate) struct Station {
    pub(crate) router: Router,
    pub(crate) host: usize,
    pub(crate) segment: usize,
    pub(crate) is_alive: bool,
    /// Virtual addresses are on the interface.
    holds: bool,
}

pub(crate) struct Lan {
    pub(crate) now: u64,
    pub(crate) stations: Vec<Station>,
    pub(crate) weather: Weather,
    pub(crate) rng: Rng,
    /// Pairs of stations, sender first, that cannot hear each other.
    cut: Vec<(usize, usize)>,
    air: BinaryHeap<Reverse<Flight>>,
    sequence: u64,
    /// Every change of a role: when, who, to what.
    pub(crate) changes: Vec<(u64, usize, State)>,
    pub(crate) conflicts: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    arrival: u64,
    sequence: u64,
    to: usize,
    from: usize,
    payload: Rc<[u8]>,
}

pub(crate) fn at(micros: u64) -> Instant {
    Instant::from_epoch(Duration::from_micros(micros))
}

/// Source of the station: unique on its segment.
pub(crate) fn source(host: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, u8::try_from(host + 1).expect("few hosts")))
}

impl Lan {
    pub(crate) fn new(rng: Rng) -> Lan {
        Lan {
            now: 1_000_000,
            stations: Vec::new(),
            weather: Weather::CALM,
            rng,
            cut: Vec::new(),
            air: BinaryHeap::new(),
            sequence: 0,
            changes: Vec::new(),
            conflicts: 0,
        }
    }

    /// Adds a router, not started.
    pub(crate) fn add(&mut self, host: usize, segment: usize, parameters: &Parameters<'_>) -> usize {
        let router = Router::new(Config::new(parameters).expect("right parameters"));
        self.stations.push(Station { router, host, segment, is_alive: true, holds: false });
        self.stations.len() - 1
    }

    pub(crate) fn input(&mut self, station: usize, input: Input<'_>) {
        if self.stations[station].is_alive {
            let outputs = self.stations[station].router.handle(at(self.now), input);
            self.perform(station, &outputs);
        }
    }

    /// As by SIGKILL or a power cut: nothing more is sent.
    pub(crate) fn kill(&mut self, station: usize) {
        self.stations[station].is_alive = false;
        self.stations[station].holds = false;
    }

    /// Comes back knowing nothing.
    pub(crate) fn restart(&mut self, station: usize) {
        let dead = &mut self.stations[station];
        dead.router = Router::new(dead.router.config().clone());
        dead.is_alive = true;
        dead.holds = false;
        self.input(station, Input::Startup);
    }

    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        self.cut.push((from, to));
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    /// Everything that happens until `until`.
    pub(crate) fn run_until(&mut self, until: u64) {
        while self.step(until) {}
    }

    /// The next thing that happens; `false` when it is `until` first.
    pub(crate) fn step(&mut self, until: u64) -> bool {
        let arrival = self.air.peek().map(|Reverse(flight)| flight.arrival);
        let timer = self.next_timer();
        let next = arrival.into_iter().chain(timer.map(|(due, _)| due)).min();
        let Some(due) = next.filter(|due| *due <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(due);
        match timer {
            // Packets come first, as the crate asks of its caller.
            Some((_, station)) if arrival.is_none_or(|arrival| arrival > due) => {
                self.input(station, Input::Timer);
            }
            Some(_) | None => self.deliver(),
        }
        self.check();
        true
    }

    /// Stations of a segment that are Active.
    pub(crate) fn actives(&self, segment: usize) -> Vec<usize> {
        let is_active = |station: &Station| {
            station.is_alive && station.segment == segment && station.router.state() == State::Active
        };
        (0..self.stations.len()).filter(|index| is_active(&self.stations[*index])).collect()
    }

    fn next_timer(&self) -> Option<(u64, usize)> {
        let due = |(index, station): (usize, &Station)| {
            let deadline = station.router.deadline().filter(|_| station.is_alive)?;
            // Rounded up, because an early timer does nothing.
            let deadline = u64::try_from(deadline.since_epoch().as_nanos().div_ceil(1000)).expect("soon");
            // The same deadline is as late as it was when asked before.
            let salt = u64::try_from(index).expect("few");
            let late = Rng::new(deadline ^ salt << 48).below(self.weather.lateness + 1);
            Some((deadline + late, index))
        };
        self.stations.iter().enumerate().filter_map(due).min()
    }

    fn deliver(&mut self) {
        let Some(Reverse(flight)) = self.air.pop() else { return };
        let received = Received {
            payload: &flight.payload,
            source: source(self.stations[flight.from].host),
            destination: IpAddr::V4(MULTICAST_V4),
            ttl: 255,
            is_on_link: true,
            has_options: false,
        };
        self.input(flight.to, Input::Packet(received));
    }

    fn perform(&mut self, station: usize, outputs: &Outputs) {
        self.perform_alone(station, outputs);
        if outputs.iter().any(|output| *output == Output::Membership) {
            self.coordinate(self.stations[station].host);
        }
    }

    fn perform_alone(&mut self, station: usize, outputs: &Outputs) {
        for output in outputs {
            match output {
                Output::Advertise(header) => {
                    self.send(station, &Advertisement { header: *header, addresses: ADDRESSES });
                }
                Output::Acquire => {
                    assert!(!self.stations[station].holds, "acquired twice");
                    self.stations[station].holds = true;
                }
                Output::Release => {
                    assert!(self.stations[station].holds, "released twice");
                    self.stations[station].holds = false;
                }
                Output::Transition(change) => self.changes.push((self.now, station, change.to)),
                Output::Notice(Notice::Conflict { .. }) => self.conflicts += 1,
                Output::Announce(_) | Output::Membership | Output::Notice(_) => {}
                Output::Rejected(reason) => panic!("{reason} between honest routers"),
            }
        }
    }

    fn send(&mut self, from: usize, advertisement: &Advertisement<'_>) {
        let Station { host, segment, .. } = self.stations[from];
        let path = Path::new(source(host), IpAddr::V4(MULTICAST_V4)).expect("one family");
        let mut buffer = [0; 64];
        let form = self.stations[from].router.checksum_form();
        let len = advertisement.emit(&path, form, &mut buffer).expect("fits");
        let payload: Rc<[u8]> = buffer[..len].into();
        for to in 0..self.stations.len() {
            if to == from || self.stations[to].segment != segment || self.cut.contains(&(from, to)) {
                continue;
            }
            let copies = if self.rng.chance(self.weather.loss) {
                0
            } else if self.rng.chance(self.weather.duplication) {
                2
            } else {
                1
            };
            for _ in 0..copies {
                let (least, greatest) = self.weather.delay;
                let arrival = self.now + self.rng.between(least, greatest);
                self.sequence += 1;
                let flight =
                    Flight { arrival, sequence: self.sequence, to, from, payload: Rc::clone(&payload) };
                self.air.push(Reverse(flight));
            }
        }
    }

    /// What the daemon does with a host's group, if it has one.
    fn coordinate(&mut self, host: usize) {
        for round in 0.. {
            assert!(round < 10, "a group that never comes to rest");
            let members: Vec<usize> =
                (0..self.stations.len()).filter(|index| self.stations[*index].host == host).collect();
            if members.len() < 2 {
                return;
            }
            let group = Group::of(members.iter().map(|index| self.stations[*index].router.membership()));
            let mut is_at_rest = true;
            for member in members {
                if let Some(command) = group.command(self.stations[member].router.membership()) {
                    is_at_rest = false;
                    let outputs = self.stations[member].router.handle(at(self.now), command);
                    self.perform_alone(member, &outputs);
                }
            }
            if is_at_rest {
                return;
            }
        }
    }

    fn check(&self) {
        for station in self.stations.iter().filter(|station| station.is_alive) {
            let state = station.router.state();
            assert_eq!(station.holds, state == State::Active, "addresses are where the Active router is");
            assert_eq!(station.router.deadline().is_some(), state != State::Initialize, "a deadline");
        }
    }
}
