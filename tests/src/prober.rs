//! How long an address is out of reach, as a client sees it: ICMP echo all the time.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use crate::namespace::Namespace;
use crate::{Result, eventually};

/// Between two requests. A director answers 50 a second at a virtual address; this stays
/// below that. It is also how exact the figures are.
pub const EVERY: Duration = Duration::from_millis(25);

/// Longest wait for the first answer, of an address that is there.
const FIRST: Duration = Duration::from_secs(10);

/// Shortest wait for a reply.
const LEAST_WAIT: Duration = Duration::from_millis(1);

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// Asks until dropped.
#[derive(Debug)]
pub struct Prober {
    replies: Arc<Mutex<Vec<Instant>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    /// Ask `address` from `host`; returns with the first answer.
    ///
    /// # Errors
    /// When the socket cannot be made, or no answer comes.
    pub fn start(host: &Namespace, address: Ipv4Addr) -> Result<Self> {
        let socket = host.enter(|| {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
            socket.connect(&SocketAddr::from((address, 0)).into())?;
            Ok(socket)
        });
        let socket = socket.with_context(|| format!("prober of {address}"))?;
        let replies = Arc::<Mutex<Vec<Instant>>>::default();
        let is_over = Arc::<AtomicBool>::default();
        let thread = thread::spawn({
            let (replies, is_over) = (Arc::clone(&replies), Arc::clone(&is_over));
            move || ask(socket, &replies, &is_over)
        });
        let prober = Self { replies, is_over, thread: Some(thread) };
        eventually(&format!("an answer of {address}"), FIRST, || {
            ensure!(!prober.replies().is_empty(), "none yet");
            Ok(())
        })?;
        Ok(prober)
    }

    /// The longest time without a reply that ended after `since`, or lasts still.
    #[must_use]
    pub fn longest_gap(&self, since: Instant) -> Duration {
        let mut replies = self.replies();
        replies.push(Instant::now());
        longest_gap(&replies, since)
    }

    fn replies(&self) -> Vec<Instant> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // A panic in it was printed; there is nothing to add.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn longest_gap(replies: &[Instant], since: Instant) -> Duration {
    let gaps = replies.windows(2).filter_map(|pair| match pair {
        [before, after] if *after >= since => Some(after.duration_since(*before)),
        _ => None,
    });
    gaps.max().unwrap_or_default()
}

fn ask(mut socket: Socket, replies: &Mutex<Vec<Instant>>, is_over: &AtomicBool) {
    let [high, low] = u16::try_from(process::id() % 0xffff).unwrap_or_default().to_be_bytes();
    let mut buffer = [0; 128];
    let mut next = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        // Nobody there, or nobody at that hardware address: both are what is measured.
        drop(socket.send(&request([high, low])));
        next = (next + EVERY).max(Instant::now());
        while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            // Less than a microsecond would be taken for no limit at all.
            drop(socket.set_read_timeout(Some(left.max(LEAST_WAIT))));
            let length = socket.read(&mut buffer).unwrap_or_default();
            if is_reply(buffer.get(..length).unwrap_or_default(), [high, low]) {
                replies.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            }
        }
    }
}

/// RFC 792: type, code, checksum, identifier, sequence number (always 0 here).
fn request([high, low]: [u8; 2]) -> [u8; 8] {
    let sum = u32::from(u16::from_be_bytes([ECHO_REQUEST, 0])) + u32::from(u16::from_be_bytes([high, low]));
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(u16::MAX);
    let [check_high, check_low] = (!folded).to_be_bytes();
    [ECHO_REQUEST, 0, check_high, check_low, high, low, 0, 0]
}

/// `packet` begins with its IPv4 header, whose length is in its first byte.
fn is_reply(packet: &[u8], identifier: [u8; 2]) -> bool {
    let Some(first) = packet.first() else { return false };
    let icmp = packet.get(usize::from(first & 0x0f) * 4..).unwrap_or_default();
    icmp.first() == Some(&ECHO_REPLY) && icmp.get(4..6) == Some(&identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_is_among_those_that_end_after_the_event() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let replies = [at(0), at(500), at(520), at(820), at(840)];
        assert_eq!(longest_gap(&replies, at(530)), Duration::from_millis(300));
        assert_eq!(longest_gap(&replies, at(0)), Duration::from_millis(500));
        assert_eq!(longest_gap(&replies, at(900)), Duration::ZERO);
    }

    #[test]
    fn a_request_sums_up_and_its_echo_is_known_again() {
        // 0x0800 + 0x1234 = 0x1a34, complement 0xe5cb.
        assert_eq!(request([0x12, 0x34]), [8, 0, 0xe5, 0xcb, 0x12, 0x34, 0, 0]);
        let mut packet = vec![0x45; 20];
        packet.extend([0, 0, 0, 0, 0x12, 0x34, 0, 0]);
        assert!(is_reply(&packet, [0x12, 0x34]));
        assert!(!is_reply(&packet, [0x12, 0x35]));
        assert!(!is_reply(&packet[..22], [0x12, 0x34]));
        assert!(!is_reply(&[], [0x12, 0x34]));
    }
}
