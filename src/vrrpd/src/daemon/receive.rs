//! Packets from the raw sockets to their routers.

use vrrp::{Family, Input, Instant, Received};

use std::time::Duration;

use super::Daemon;
use crate::log;
use crate::sys;
use crate::sys::batch::Receiver;

/// Batches read from one socket in one wake-up: a storm on one interface must not keep the others
/// waiting. 256 packets are what 1000 routers at 10 ms send in 2.5 ms.
const MOST_BATCHES: usize = 4;

impl Daemon {
    /// Reads the socket at `place` until it is empty or has had its share. Returns how many packets
    /// came.
    pub(crate) fn receive(&mut self, place: usize, now: Instant) -> u32 {
        let mut heard = 0;
        let now = now.max(self.now);
        // Taken out so that routers may change while packets are walked.
        let mut receiver = std::mem::replace(&mut self.receiver, Receiver::empty());
        for _ in 0..MOST_BATCHES {
            let Some(socket) = self.sockets.get(place).and_then(Option::as_ref) else { break };
            let is_ipv6 = socket.family == Family::Ipv6;
            let (count, has_more) = match receiver.receive(socket, is_ipv6) {
                Ok(result) => result,
                Err(error) => {
                    // ENETDOWN and the like: the monitor tells the rest.
                    if self.complaints.take_one(now) {
                        log::warning!("{}: {error}", socket.interface_name);
                    }
                    break;
                }
            };
            let clocks = Clocks { now, stamp: sys::stamp_clock(), read: sys::now() };
            heard += u32::try_from(count).unwrap_or(0);
            for number in 0..count {
                self.deliver(place, &receiver, number, is_ipv6, clocks);
            }
            if !has_more {
                break;
            }
        }
        self.receiver = receiver;
        heard
    }

    fn deliver(&mut self, place: usize, receiver: &Receiver, number: usize, is_ipv6: bool, clocks: Clocks) {
        let Some(packet) = receiver.packet(number, is_ipv6) else { return };
        let Some(socket) = self.sockets.get_mut(place).and_then(Option::as_mut) else { return };
        let Some(index) = socket.router_of(packet.payload) else {
            socket.strays = socket.strays.wrapping_add(1);
            return;
        };
        let interface = self.interfaces.get(socket.interface);
        let received = Received {
            payload: packet.payload,
            source: packet.source,
            destination: packet.destination,
            ttl: packet.ttl,
            is_on_link: interface.is_some_and(|interface| interface.is_on_link(packet.source)),
            has_options: packet.has_options,
        };
        self.input(index, clocks.heard(packet.stamp), Input::Packet(received));
    }
}

/// The clocks when a batch was read.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    /// When the loop woke up.
    now: Instant,
    /// By the clock of the stamps, and at the same moment by ours.
    stamp: Duration,
    read: Instant,
}

/// The oldest stamp that is believed: the time of day may be set at any moment.
const OLDEST: Duration = Duration::from_millis(5);

impl Clocks {
    /// When a packet with this stamp came: a Backup's silence begins when the kernel heard the
    /// other router, not when this process was woken up for it.
    fn heard(&self, stamp: Option<Duration>) -> Instant {
        match stamp.and_then(|stamp| self.stamp.checked_sub(stamp)) {
            Some(age) if age <= OLDEST => self.read.saturating_sub(age),
            Some(_) | None => self.now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_believed_when_it_is_recent_and_not_when_the_time_of_day_was_set() {
        let at = |micros: u64| Instant::from_epoch(Duration::from_micros(micros));
        let day = Duration::from_secs(86_400);
        let clocks = Clocks { now: at(1_000_000), stamp: day, read: at(1_000_050) };
        let cases = [
            ("200 us ago", Some(day - Duration::from_micros(200)), at(999_850)),
            ("a minute ago", Some(day - Duration::from_secs(60)), at(1_000_000)),
            ("to come", Some(day + Duration::from_micros(1)), at(1_000_000)),
            ("never", None, at(1_000_000)),
        ];
        for (name, stamp, expected) in cases {
            assert_eq!(clocks.heard(stamp), expected, "{name}");
        }
    }
}
