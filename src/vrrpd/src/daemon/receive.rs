//! Packets from the raw sockets to their routers.

use vrrp::{Family, Input, Instant, Received};

use super::Daemon;
use crate::log;
use crate::sys::batch::Receiver;

/// Batches read from one socket in one wake-up: a storm on one interface must not keep the others
/// waiting. 256 packets are what 1000 routers at 10 ms send in 2.5 ms.
const MOST_BATCHES: usize = 8;

impl Daemon {
    /// Reads the socket at `place` until it is empty or has had its share.
    pub(crate) fn receive(&mut self, place: usize, now: Instant) {
        // Taken out so that routers may change while packets are walked.
        let mut receiver = std::mem::replace(&mut self.receiver, Receiver::empty());
        for _ in 0..MOST_BATCHES {
            let Some(socket) = self.sockets.get(place).and_then(Option::as_ref) else { break };
            let is_ipv6 = socket.family == Family::Ipv6;
            let (count, has_more) = match receiver.receive(socket) {
                Ok(result) => result,
                Err(error) => {
                    // ENETDOWN and the like: the monitor tells the rest.
                    if self.complaints.take_one(now) {
                        log::warning!("{}: {error}", socket.interface_name);
                    }
                    break;
                }
            };
            for number in 0..count {
                self.deliver(place, &receiver, number, is_ipv6, now);
            }
            if !has_more {
                break;
            }
        }
        self.receiver = receiver;
    }

    fn deliver(&mut self, place: usize, receiver: &Receiver, number: usize, is_ipv6: bool, now: Instant) {
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
        self.input(index, now, Input::Packet(received));
    }
}
