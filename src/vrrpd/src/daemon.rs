//! The daemon: one process, one epoll loop, one timer, everything in one place.
//!
//! ```text
//!   VRRP sockets ─┐                                     ┌─> advertisements, addresses, announcements
//!   timer ────────┼─> core routers ─> perform ─> settle ┤
//!   netlink, control, helper, signals ┘                 └─> log, notify, watchers
//! ```
//!
//! In one wake-up packets come first, then timers, then everything that can wait. There is no
//! thread, and nothing in the loop waits for anybody.

mod accept;
mod announce;
mod apply;
mod control;
mod entry;
mod frame;
mod interfaces;
mod links;
mod notify;
mod perform;
mod receive;
mod schedule;
mod status;
mod timers;
mod track;
mod transport;
mod virtual_mac;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use vrrp::{Input, Instant, TokenBucket};

use crate::helper::Helper;
use crate::log;
use crate::netlink;
use crate::netlink::filter::Refused;
use crate::sd::Notifier;
use crate::settings::{Global, Settings};
use crate::sys::batch::Receiver;
use crate::sys::{self, Epoll, Signals, Timer, Trigger};
use announce::Announcements;
pub(crate) use control::Control;
use entry::Entry;
use interfaces::Interfaces;
use notify::GroupEntry;
use perform::Queue;
use schedule::{Due, Schedule, Slot};
use track::{Generation, TrackedFile, TrackedScript};
use transport::VrrpSocket;
use virtual_mac::Changed;

/// Tokens of the loop: what has its own, and where ranges begin.
const TIMER: u64 = 0;
const SIGNALS: u64 = 1;
const MONITOR: u64 = 2;
const CONTROL: u64 = 3;
const HELPER: u64 = 4;
const CONNECTIONS: u64 = 1 << 16;
const SOCKETS: u64 = 1 << 32;

/// How long packets may wait when they come thick: a twelfth of the skew time at 10 ms and
/// priority 100 (6.1 ms), and enough to take 50 of 100,000 a second at once.
const MODERATION: Duration = Duration::from_micros(500);

/// What the daemon is started with.
pub(crate) struct Start {
    /// The file to read, and to read again on SIGHUP; `None` to wait on the control socket.
    pub(crate) config: Option<PathBuf>,
    /// Where the control socket, the last configuration and the note of addresses are.
    pub(crate) directory: PathBuf,
    pub(crate) settings: Option<Settings>,
    pub(crate) control: Control,
    pub(crate) helper: Option<Helper>,
    pub(crate) notifier: Notifier,
    /// Addresses that an earlier process noted, for kernels that do not tag them.
    pub(crate) noted: Vec<IpAddr>,
    /// Held as long as the process lives.
    pub(crate) lock: File,
}

/// Everything.
pub(crate) struct Daemon {
    epoll: Epoll,
    timer: Timer,
    signals: Signals,
    monitor: netlink::Socket,
    requests: netlink::Socket,
    netlink_buffer: Vec<u8>,
    interfaces: Interfaces,
    sockets: Vec<Option<VrrpSocket>>,
    receiver: Receiver,
    routers: Vec<Option<Entry>>,
    groups: Vec<GroupEntry>,
    /// Which router holds which address where.
    holders: HashMap<(u32, IpAddr), usize>,
    scripts: Vec<TrackedScript>,
    files: Vec<TrackedFile>,
    generation: Generation,
    global: Global,
    schedule: Schedule,
    /// Room for what is due in one wake-up.
    due: Vec<(Instant, Due)>,
    verify_slot: Slot,
    watchdog_slot: Slot,
    queue: Queue,
    announcements: Announcements,
    /// What the packet filter refuses.
    refused: Refused,
    /// Settings of interfaces that virtual MAC addresses need.
    changed: Changed,
    control: Control,
    helper: Option<Helper>,
    notifier: Notifier,
    fifo: Option<File>,
    config: Option<PathBuf>,
    directory: PathBuf,
    noted: Vec<IpAddr>,
    has_settings: bool,
    /// When the loop last woke up.
    now: Instant,
    started: Instant,
    complaints: TokenBucket,
    /// Packets that the kernel refused to send.
    unsent: u64,
    is_stopping: bool,
    _lock: File,
}

impl Daemon {
    /// Opens what takes privileges, reads the network and takes the first configuration.
    pub(crate) fn new(start: Start) -> io::Result<Daemon> {
        let now = sys::now();
        let epoll = Epoll::new()?;
        let timer = Timer::new()?;
        let signals = Signals::new(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP])?;
        let monitor = netlink::Socket::monitor()?;
        epoll.add(&timer, TIMER, Trigger::Edge)?;
        epoll.add(&signals, SIGNALS, Trigger::Level)?;
        epoll.add(&monitor, MONITOR, Trigger::Level)?;
        epoll.add(start.control.listener(), CONTROL, Trigger::Level)?;
        if let Some(helper) = &start.helper {
            epoll.add(helper, HELPER, Trigger::Level)?;
        }
        let requests = netlink::Socket::requests()?;
        let interfaces = Interfaces::read(&requests)?;
        let mut daemon = Daemon {
            epoll,
            timer,
            signals,
            monitor,
            requests,
            netlink_buffer: Vec::new(),
            interfaces,
            sockets: Vec::new(),
            receiver: Receiver::new(),
            routers: Vec::new(),
            groups: Vec::new(),
            holders: HashMap::new(),
            scripts: Vec::new(),
            files: Vec::new(),
            generation: Generation::default(),
            global: Global::default(),
            schedule: Schedule::default(),
            due: Vec::new(),
            verify_slot: None,
            watchdog_slot: None,
            queue: Queue::default(),
            announcements: Announcements::new()?,
            refused: Refused::default(),
            changed: Changed::default(),
            control: start.control,
            helper: start.helper,
            notifier: start.notifier,
            fifo: None,
            config: start.config,
            directory: start.directory,
            noted: start.noted,
            has_settings: false,
            now,
            started: now,
            complaints: TokenBucket::new(5, Duration::from_secs(10)),
            unsent: 0,
            is_stopping: false,
            _lock: start.lock,
        };
        daemon.announcements.configure(&daemon.global);
        daemon.remove_leftovers();
        daemon.delete_virtual_macs();
        match start.settings {
            Some(settings) => daemon.apply(settings, now),
            None => daemon.refuse_packets(&Settings::default()),
        }
        daemon.settle_all(now);
        Ok(daemon)
    }

    /// Runs until SIGTERM.
    pub(crate) fn run(mut self) -> io::Result<()> {
        self.notifier.ready(&self.summary());
        self.schedule_watchdog();
        let mut tokens = Vec::new();
        let mut last_heard = self.now;
        while !self.is_stopping {
            let is_done = self.queue.is_empty();
            self.timer.arm(if is_done { self.schedule.wake_up() } else { Some(self.now) })?;
            self.epoll.wait(&mut tokens)?;
            self.now = sys::now();
            let now = self.now;
            // Packets first.
            let mut heard = 0;
            for token in &tokens {
                if let Some(place) = token.checked_sub(SOCKETS) {
                    heard += self.receive(usize::try_from(place).unwrap_or(usize::MAX), now);
                }
            }
            let has_only_heard = tokens.iter().all(|token| *token >= SOCKETS);
            if tokens.contains(&TIMER) {
                self.timer.expired();
            }
            self.serve_timers(now);
            // A takeover was served on time, which is later than the wake-up.
            self.now = sys::now();
            let now = self.now;
            self.settle(now);
            for token in tokens.iter().filter(|token| (MONITOR..SOCKETS).contains(*token)) {
                match *token {
                    MONITOR => drop(self.read_monitor(now)),
                    CONTROL => self.accept(),
                    HELPER => self.read_helper(now),
                    connection => self.serve_connection(connection, now),
                }
                self.settle(now);
            }
            if tokens.contains(&SIGNALS) {
                self.read_signals(now);
            }
            self.tend_virtual_macs();
            if has_only_heard {
                self.moderate(heard, last_heard);
                last_heard = now;
            }
        }
        Ok(())
    }

    /// When advertisements come thick, so many since `last_heard` that two more are to be expected,
    /// waits a moment, so that one wake-up takes many of them. No deadline is missed for it.
    fn moderate(&self, heard: u32, last_heard: Instant) {
        let until = self.now + MODERATION;
        let is_thick = self.now.saturating_duration_since(last_heard) < MODERATION * heard / 2;
        if is_thick && self.schedule.earliest().is_none_or(|earliest| earliest > until) {
            sys::sleep_until(until);
        }
    }

    fn entry(&self, index: usize) -> Option<&Entry> {
        self.routers.get(index)?.as_ref()
    }

    fn read_signals(&mut self, now: Instant) {
        while let Some(signal) = self.signals.next() {
            match signal {
                libc::SIGHUP => self.reload(now),
                _ => self.stop(now),
            }
        }
    }

    /// Resigns with priority 0 and lets go of everything.
    fn stop(&mut self, now: Instant) {
        log::info!("stopping");
        self.notifier.stopping();
        self.catch_up(now);
        for index in 0..self.routers.len() {
            self.input(index, now, Input::Shutdown);
        }
        self.settle_all(now);
        self.delete_virtual_macs();
        for index in 0..self.routers.len() {
            self.delete_virtual_mac(index);
            if let Some(slot) = self.routers.get_mut(index) {
                *slot = None;
            }
        }
        self.settle_all(now);
        self.refuse_packets(&Settings::default());
        self.is_stopping = true;
    }

    fn reload(&mut self, now: Instant) {
        let Some(path) = self.config.clone() else {
            log::notice!("SIGHUP: the configuration comes by the control socket, nothing is read");
            return;
        };
        self.notifier.reloading();
        let read = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()));
        match read.and_then(|text| self.configure(&text, now)) {
            Ok(()) => log::notice!("{} is read", path.display()),
            Err(report) => {
                for line in report.lines() {
                    log::error!("{}:{line}", path.display());
                }
                log::error!("the running configuration stays");
            }
        }
        self.notifier.ready(&self.summary());
    }
}
