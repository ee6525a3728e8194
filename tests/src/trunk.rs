//! A switch with VLANs, for a director whose two ports are a bond that carries both segments:
//! the kernel below the lab need not know bonds or tags.
//!
//! ```text
//!   director              switch                     wire
//!   eth0 --- port 0 --+-- VLAN 10, untagged --- outside
//!   eth1 --- port 1 --+-- VLAN 20, untagged --- inside
//! ```
//!
//! QEMU brings each frame as one datagram of a Unix socket, and takes it so.

use std::collections::HashMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;

use crate::Result;
use crate::topology::Segment;

/// How often a thread looks whether it is over.
const TICK: Duration = Duration::from_millis(100);
/// QEMU's longest frame.
const LONGEST: usize = 70_000;
/// IEEE 802.1Q: the tag's type.
const TAGGED: [u8; 2] = [0x81, 0x00];
/// IEEE 802.3, 57B: LACP among the slow protocols, 0x8809.
const LACP: u8 = 1;
/// IEEE 802.1AX, 6.4.2.3: where the actor's and the partner's information is, in a whole frame.
const ACTOR: std::ops::Range<usize> = 18..33;
const PARTNER: std::ops::Range<usize> = 38..53;
/// Of these 15 bytes the last is the state; Synchronization and Collecting in it.
const STATE: usize = 14;
const SYNCHRONIZATION: u8 = 0x08;
const COLLECTING: u8 = 0x10;
/// LACP activity, aggregation, synchronization, collecting, distributing.
const READY: u8 = 0x3d;
const OWN_ADDRESS: [u8; 6] = [0x02, 0x21, 0, 0, 0, 1];

/// What the two ports are for the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Two of their own: what has no known place goes to both.
    Separate,
    /// One, by LACP: each frame goes to one, and to none that the director has not joined.
    Aggregated,
}

/// The switch; it stops when dropped.
#[derive(Debug)]
pub struct Trunk {
    switch: Arc<Switch>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Switch {
    ports: Ports,
    trunks: [Socket; 2],
    outside: Socket,
    inside: Socket,
    /// Behind which port an address was last seen.
    places: Mutex<HashMap<[u8; 6], usize>>,
    is_over: AtomicBool,
}

#[derive(Debug)]
struct Socket {
    own: UnixDatagram,
    /// QEMU's end.
    peer: PathBuf,
    /// The cable is in.
    is_plugged: AtomicBool,
    /// LACP: the director takes frames here.
    is_joined: AtomicBool,
}

/// The tag of a segment's frames between the director and the switch.
#[must_use]
pub fn tag(segment: Segment) -> u16 {
    match segment {
        Segment::Outside => 10,
        Segment::Inside => 20,
    }
}

/// The ends of a cable: the machine's and the switch's.
pub(crate) fn cable(sockets: &Path, name: &str) -> [PathBuf; 2] {
    [sockets.join(format!("{name}.machine")), sockets.join(format!("{name}.switch"))]
}

/// The cables' names: two trunks, and the segments.
pub(crate) const TRUNKS: [&str; 2] = ["trunk-0", "trunk-1"];

impl Trunk {
    /// Start the switch for the machine whose sockets are in `sockets`, which is not running yet.
    ///
    /// # Errors
    /// When a socket cannot be made.
    pub fn start(sockets: &Path, ports: Ports) -> Result<Self> {
        fs::create_dir_all(sockets).with_context(|| format!("{}", sockets.display()))?;
        let socket = |name: &str| Socket::bind(cable(sockets, name));
        let [first, second] = TRUNKS;
        let switch = Arc::new(Switch {
            ports,
            trunks: [socket(first)?, socket(second)?],
            outside: socket(Segment::Outside.name())?,
            inside: socket(Segment::Inside.name())?,
            places: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let of_trunk = |port| {
            let switch = Arc::clone(&switch);
            thread::spawn(move || switch.receive(&switch.trunks[port], |frame| switch.strip_tag(port, frame)))
        };
        let of_segment = |segment| {
            let switch = Arc::clone(&switch);
            thread::spawn(move || {
                switch.receive(switch.access(segment), |frame| switch.add_tag(segment, frame))
            })
        };
        let threads =
            vec![of_trunk(0), of_trunk(1), of_segment(Segment::Outside), of_segment(Segment::Inside)];
        Ok(Self { switch, threads })
    }

    /// Pull or plug the cable of port 0 or 1 at this end; the machine's own is QEMU's.
    pub fn set_port(&self, port: usize, is_plugged: bool) {
        if let Some(socket) = self.switch.trunks.get(port) {
            socket.is_plugged.store(is_plugged, Ordering::Relaxed);
            socket.is_joined.store(false, Ordering::Relaxed);
        }
    }

    /// How many ports the director takes frames from, by LACP.
    #[must_use]
    pub fn joined(&self) -> usize {
        self.switch.trunks.iter().filter(|socket| socket.is_joined.load(Ordering::Relaxed)).count()
    }
}

impl Drop for Trunk {
    fn drop(&mut self) {
        self.switch.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            drop(thread.join());
        }
    }
}

impl Switch {
    fn access(&self, segment: Segment) -> &Socket {
        match segment {
            Segment::Outside => &self.outside,
            Segment::Inside => &self.inside,
        }
    }

    fn receive(&self, socket: &Socket, handle: impl Fn(&[u8])) {
        let mut buffer = vec![0; LONGEST];
        while !self.is_over.load(Ordering::Relaxed) {
            // A timeout, or QEMU that is not there yet.
            let Ok(length) = socket.own.recv(&mut buffer) else { continue };
            if socket.is_plugged.load(Ordering::Relaxed) {
                handle(buffer.get(..length).unwrap_or_default());
            }
        }
    }

    fn strip_tag(&self, port: usize, frame: &[u8]) {
        let Some((addresses, rest)) = frame.split_at_checked(12) else { return };
        if let Some(source) = addresses.last_chunk::<6>() {
            self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(*source, port);
        }
        match rest {
            [0x88, 0x09, LACP, ..] if self.ports == Ports::Aggregated => self.answer(port, frame),
            [0x81, 0x00, high, low, untagged @ ..] => {
                let number = u16::from_be_bytes([high & 0x0f, *low]);
                let to = [Segment::Outside, Segment::Inside].into_iter().find(|one| tag(*one) == number);
                if let Some(segment) = to {
                    self.access(segment).send(&[addresses, untagged].concat());
                }
            }
            // Untagged: no network of this switch.
            _ => {}
        }
    }

    fn add_tag(&self, segment: Segment, frame: &[u8]) {
        let Some((addresses, untagged)) = frame.split_at_checked(12) else { return };
        let with_tag = [addresses, &TAGGED, &tag(segment).to_be_bytes(), untagged].concat();
        let place = addresses
            .first_chunk::<6>()
            .and_then(|to| self.places.lock().unwrap_or_else(PoisonError::into_inner).get(to).copied());
        let usable = |socket: &&Socket| {
            socket.is_plugged.load(Ordering::Relaxed)
                && (self.ports == Ports::Separate || socket.is_joined.load(Ordering::Relaxed))
        };
        let known = place.and_then(|port| self.trunks.get(port)).filter(usable);
        let many = if self.ports == Ports::Separate { self.trunks.len() } else { 1 };
        match known {
            Some(socket) => socket.send(&with_tag),
            None => self.trunks.iter().filter(usable).take(many).for_each(|socket| socket.send(&with_tag)),
        }
    }

    /// To each LACPDU one of our own, that agrees (IEEE 802.1AX, 6.4).
    fn answer(&self, port: usize, frame: &[u8]) {
        let (Some(theirs), Some(socket)) = (frame.get(ACTOR), self.trunks.get(port)) else { return };
        let mut answer = frame.to_vec();
        let state = theirs.get(STATE).copied().unwrap_or_default();
        let joined = SYNCHRONIZATION | COLLECTING;
        socket.is_joined.store(state & joined == joined, Ordering::Relaxed);
        let number = u8::try_from(port + 1).unwrap_or_default();
        // System priority, system, key, port priority, port, state.
        let own = [&[0xff, 0xff], &OWN_ADDRESS[..], &[0, 1, 0, 0xff, 0, number, READY]].concat();
        for (range, information) in [(ACTOR, &*own), (PARTNER, theirs), (6..12, &OWN_ADDRESS)] {
            if let Some(place) = answer.get_mut(range) {
                place.copy_from_slice(information);
            }
        }
        socket.send(&answer);
    }
}

impl Socket {
    fn bind([peer, own]: [PathBuf; 2]) -> Result<Self> {
        let socket = UnixDatagram::bind(&own).with_context(|| format!("{}", own.display()))?;
        socket.set_read_timeout(Some(TICK))?;
        socket.set_write_timeout(Some(TICK))?;
        let (is_plugged, is_joined) = (AtomicBool::new(true), AtomicBool::new(false));
        Ok(Self { own: socket, peer, is_plugged, is_joined })
    }

    fn send(&self, frame: &[u8]) {
        // One that is lost is lost, as on a wire.
        drop(self.own.send_to(frame, &self.peer));
    }
}
