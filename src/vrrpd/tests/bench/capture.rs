//! What crosses the bridge of a lab: advertisements and gratuitous ARP, with the kernel's own times.
//!
//! A packet socket of this program in the bridge's namespace, so that nothing between the kernel and
//! the figures is anybody else's.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::sockets::{check, index_of, length, raw_socket_in, set};

/// A capture that runs until it is dropped.
pub(crate) struct Capture {
    events: Receiver<Event>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How a role went over, in milliseconds.
pub(crate) struct Takeover {
    /// From the last advertisement of 10.9.0.1 to the first of 10.9.0.2.
    pub(crate) gap: f64,
    /// And on to its first gratuitous ARP.
    pub(crate) announced: f64,
    /// The last advertisement had priority 0.
    pub(crate) is_resigned: bool,
}

/// One advertisement of 10.9.0.1 (0) or 10.9.0.2 (1).
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// Seconds since 1970.
    pub(crate) at: f64,
    pub(crate) host: usize,
    pub(crate) vrid: u8,
    priority: u8,
}

#[derive(Clone, Copy)]
enum Event {
    Advertisement(Seen),
    /// For 172.16.0.1, at this time.
    Announcement(f64),
}

/// How often the end is looked for.
const LOOK: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 50_000 };
/// Octets of 100,000 advertisements a second that wait for 0.2 s.
const BUFFER: libc::c_int = 32 << 20;

impl Capture {
    /// Begins, and returns when packets are seen.
    pub(crate) fn start(lab: &Lab) -> Capture {
        let path = format!("/run/netns/{}", lab.switch());
        let is_over = Arc::new(AtomicBool::new(false));
        let ((sender, events), (told, ready)) = (channel(), channel());
        let thread = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || match open(&path) {
                Ok(socket) => {
                    told.send(Ok(())).expect("somebody waits");
                    run(&socket, &sender, &is_over);
                }
                Err(error) => told.send(Err(error)).expect("somebody waits"),
            }
        });
        ready.recv().expect("an answer").expect("a packet socket");
        Capture { events, is_over, thread: Some(thread) }
    }

    fn next(&self, deadline: Instant) -> Option<Event> {
        self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }

    /// The role goes from the first host to the second.
    pub(crate) fn takeover(&self) -> Option<Takeover> {
        let (mut last, mut first): (Option<Seen>, Option<Seen>) = (None, None);
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Some(event) = self.next(deadline) {
            match (event, last, first) {
                (Event::Advertisement(seen), _, None) if seen.host == 0 => last = Some(seen),
                (Event::Advertisement(seen), _, None) => first = Some(seen),
                (Event::Announcement(at), Some(last), Some(first)) => {
                    return Some(Takeover {
                        gap: (first.at - last.at) * 1e3,
                        announced: (at - first.at) * 1e3,
                        is_resigned: last.priority == 0,
                    });
                }
                (Event::Advertisement(_), _, Some(_)) | (Event::Announcement(_), _, _) => {}
            }
        }
        None
    }

    /// The advertisements from now on, for so long.
    pub(crate) fn advertisements(&self, time: Duration) -> Vec<Seen> {
        let deadline = Instant::now() + time;
        std::iter::from_fn(|| self.next(deadline)).filter_map(advertisement).collect()
    }

    /// The first advertisement from now on.
    pub(crate) fn first(&self) -> Option<Seen> {
        let deadline = Instant::now() + Duration::from_secs(10);
        std::iter::from_fn(|| self.next(deadline)).find_map(advertisement)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // A panic in it was printed; there is nothing to add.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn advertisement(event: Event) -> Option<Seen> {
    match event {
        Event::Advertisement(seen) => Some(seen),
        Event::Announcement(_) => None,
    }
}

/// A socket that sees everything on bridge0. The calling thread stays in that namespace.
fn open(namespace: &str) -> io::Result<OwnedFd> {
    let protocol = libc::c_int::from(u16::try_from(libc::ETH_P_ALL).expect("16 bits").to_be());
    let socket = raw_socket_in(namespace, libc::AF_PACKET, protocol)?;
    let index = index_of(c"bridge0");
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &BUFFER)?;
    set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1)?;
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &LOOK)?;
    // SAFETY: plain data.
    let mut all: libc::packet_mreq = unsafe { zeroed() };
    (all.mr_ifindex, all.mr_type) = (index, u16::try_from(libc::PACKET_MR_PROMISC).expect("small"));
    set(&socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &all)?;
    // SAFETY: plain data.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).expect("small");
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL).expect("16 bits").to_be();
    address.sll_ifindex = index;
    let pointer = (&raw const address).cast();
    // SAFETY: the address lives through the call and has the length that is told.
    check(unsafe { libc::bind(socket.as_raw_fd(), pointer, length::<libc::sockaddr_ll>()) })?;
    Ok(socket)
}

fn run(socket: &OwnedFd, events: &Sender<Event>, is_over: &AtomicBool) {
    let mut frame = [0_u8; 128];
    let mut control = [0_u64; 16];
    while !is_over.load(Ordering::Relaxed) {
        let mut vector = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
        // SAFETY: plain data.
        let mut header: libc::msghdr = unsafe { zeroed() };
        header.msg_iov = &raw mut vector;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control);
        // SAFETY: the header points to buffers of the lengths that it tells.
        let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) };
        let Ok(len) = usize::try_from(len) else { continue };
        // SAFETY: the kernel has filled the control buffer, and the macros stay within it.
        let at = unsafe {
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            if message.is_null() {
                continue;
            }
            libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned()
        };
        let at = Duration::new(u64::try_from(at.tv_sec).unwrap_or(0), u32::try_from(at.tv_nsec).unwrap_or(0));
        let event = frame.get(..len.min(frame.len())).and_then(|frame| event(frame, at.as_secs_f64()));
        if event.is_some_and(|event| events.send(event).is_err()) {
            return;
        }
    }
}

/// What a frame is, if it is one that counts here.
fn event(frame: &[u8], at: f64) -> Option<Event> {
    match frame.get(12..14)? {
        // IPv4.
        [0x08, 0x00] if frame.get(23) == Some(&112) => {
            let header_len = usize::from(frame.get(14)? & 0x0f) * 4;
            let host = match frame.get(26..30)? {
                [10, 9, 0, 1] => 0,
                [10, 9, 0, 2] => 1,
                _ => return None,
            };
            let vrrp = frame.get(14 + header_len..)?;
            Some(Event::Advertisement(Seen { at, host, vrid: *vrrp.get(1)?, priority: *vrrp.get(2)? }))
        }
        // Sender and target are the address.
        [0x08, 0x06] if frame.get(28..32)? == [172, 16, 0, 1] && frame.get(38..42)? == [172, 16, 0, 1] => {
            Some(Event::Announcement(at))
        }
        _ => None,
    }
}
