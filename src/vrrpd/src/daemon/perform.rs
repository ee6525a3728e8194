//! From an input to what the core wants done, and from there to the kernel.
//!
//! ```text
//!   input ──> Router::handle ──> Queue ──flush──> advertisements ─> addresses ─> late advertisements ─> announcements
//! ```
//!
//! What comes of one wake-up is collected and goes out together: 250 routers that fail over in one
//! moment take a few system calls. An advertisement that must not come before its addresses (a
//! hand-over) is late. Lines, programs and watchers come after all of that.

use std::collections::HashMap;
use std::net::IpAddr;

use vrrp::{Announcement, Group, Input, Instant, Notice, Output, Outputs, Router, Transition};

use super::Daemon;
use super::schedule::Due;
use crate::log;
use crate::netlink::Requests;
use crate::sys::batch::{self, Outgoing, Sent};

/// What waits for the next flush.
#[derive(Default)]
pub(crate) struct Queue {
    early: Vec<usize>,
    late: Vec<usize>,
    pub(crate) requests: Requests,
    /// What a request was about, and for which router.
    numbers: HashMap<u32, (usize, Asked)>,
    announcing: Vec<usize>,
    /// Routers whose macvlans, if they have one, are to be switched.
    pub(crate) virtual_macs: Vec<usize>,
    /// Routers whose macvlans are to be made.
    pub(crate) missing_macs: Vec<usize>,
    /// Macvlans that are to be deleted: numbers and names.
    pub(crate) old_macs: Vec<(u32, String)>,
    /// Groups to be looked at.
    groups: Vec<usize>,
    pub(crate) transitions: Vec<(usize, Transition)>,
}

/// What the kernel was asked to do something about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A virtual address.
    Address(IpAddr),
    /// The macvlan of this name.
    Link(String),
}

impl Queue {
    /// Nothing waits for the next turn of the loop.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
            && self.virtual_macs.is_empty()
            && self.missing_macs.is_empty()
            && self.old_macs.is_empty()
    }

    /// A request with this number was queued for the router at `index`.
    pub(crate) fn asked(&mut self, number: u32, index: usize, what: Asked) {
        self.numbers.insert(number, (index, what));
    }

    pub(crate) fn announce(&mut self, index: usize) {
        if !self.announcing.contains(&index) {
            self.announcing.push(index);
        }
    }

    pub(crate) fn look_at_group(&mut self, group: usize) {
        if !self.groups.contains(&group) {
            self.groups.push(group);
        }
    }
}

/// Rounds in which a group's members are told what to do. Two settle any group; more would be two
/// members that contradict each other, which the next timer finds again.
const GROUP_ROUNDS: usize = 16;

impl Daemon {
    /// Feeds one input to the router at `index`.
    pub(crate) fn input(&mut self, index: usize, now: Instant, input: Input<'_>) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let Some(router) = &mut entry.router else { return };
        let outputs = router.handle(now, input);
        self.perform(index, now, &outputs);
    }

    /// Queues what the core wants done.
    pub(crate) fn perform(&mut self, index: usize, now: Instant, outputs: &Outputs) {
        let mut has_acquired = false;
        for output in outputs {
            match *output {
                Output::Advertise(header) => {
                    if self.entry(index).is_some_and(|entry| entry.is_queued) {
                        self.flush_advertisements();
                    }
                    let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
                    match entry.encode(header) {
                        Ok(()) if has_acquired => self.queue.late.push(index),
                        Ok(()) => self.queue.early.push(index),
                        Err(error) => log::error!("{}: advertisement: {error}", entry.settings.name),
                    }
                    entry.is_queued = true;
                }
                Output::Acquire => {
                    has_acquired = true;
                    self.acquire(index);
                }
                Output::Release => {
                    self.release(index);
                    self.queue.virtual_macs.push(index);
                }
                Output::Announce(announcement) => self.start_announcing(index, now, announcement),
                Output::Transition(transition) => self.queue.transitions.push((index, transition)),
                Output::Membership => {
                    if let Some(group) = self.entry(index).and_then(|entry| entry.group) {
                        self.queue.look_at_group(group);
                    }
                }
                Output::Rejected(rejection) => {
                    self.complain(index, now, format_args!("refused an advertisement: {rejection}"));
                }
                Output::Notice(notice) => self.notice(index, now, notice),
            }
        }
        self.reschedule(index);
    }

    /// Puts the router's deadline on the schedule.
    pub(crate) fn reschedule(&mut self, index: usize) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let deadline = entry.router.as_ref().and_then(Router::deadline);
        self.schedule.set(&mut entry.slot, Due::Router(index), deadline);
    }

    fn acquire(&mut self, index: usize) {
        let Some(entry) = self.entry(index) else { return };
        let wanted: Vec<_> = entry.settings.all_addresses().cloned().collect();
        for virtual_address in wanted {
            self.hold(index, &virtual_address);
        }
    }

    /// Puts one address on, and remembers it.
    pub(crate) fn hold(&mut self, index: usize, virtual_address: &crate::settings::VirtualAddress) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        if entry.held.iter().any(|held| held.virtual_address == *virtual_address) {
            return;
        }
        let Some(held) = entry.place(virtual_address, &self.interfaces) else {
            let device = virtual_address.device.as_ref().unwrap_or(&entry.settings.key.interface);
            log::warning!("{}: {} has no interface {device}", entry.settings.name, virtual_address.address);
            return;
        };
        let number = self.queue.requests.add(&held.address);
        self.queue.asked(number, index, Asked::Address(held.address.address));
        self.holders.insert((held.address.interface, held.address.address), index);
        entry.held.push(held);
    }

    fn release(&mut self, index: usize) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        entry.announcer.stop();
        entry.has_left_groups = true;
        for held in std::mem::take(&mut entry.held) {
            self.let_go(index, &held);
        }
    }

    /// Takes one address off, unless another router has it by now.
    pub(crate) fn let_go(&mut self, index: usize, held: &super::entry::Held) {
        let place = (held.address.interface, held.address.address);
        if self.holders.get(&place) != Some(&index) {
            return;
        }
        self.holders.remove(&place);
        if !held.is_foreign {
            self.queue.requests.remove(&held.address);
        }
    }

    pub(crate) fn start_announcing(&mut self, index: usize, now: Instant, announcement: Announcement) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        entry.announcer.start(now, announcement);
        self.queue.announce(index);
    }

    /// [`Daemon::settle`] until nothing is left: where what follows must find it done.
    pub(crate) fn settle_all(&mut self, now: Instant) {
        self.settle(now);
        while !self.queue.requests.is_empty() {
            self.settle(now);
        }
    }

    /// Lets the groups decide, then sends: all advertisements, and addresses as many as do not keep
    /// the other routers waiting.
    pub(crate) fn settle(&mut self, now: Instant) {
        for _ in 0..GROUP_ROUNDS {
            let Some(group) = self.queue.groups.pop() else { break };
            self.command_group(group, now);
        }
        self.flush_advertisements();
        self.flush_requests();
        if !self.queue.requests.is_empty() {
            // The loop comes back at once, after packets and timers.
            return;
        }
        let late = std::mem::take(&mut self.queue.late);
        self.queue.late = self.send_advertisements(late);
        if !self.queue.announcing.is_empty() {
            for index in std::mem::take(&mut self.queue.announcing) {
                self.announce(index, now);
            }
            let sent = self.announcements.flush();
            self.complain_of_sending("announcements", sent, now);
        }
        self.switch_virtual_macs();
        if !self.queue.transitions.is_empty() {
            self.tell_transitions(now);
        }
    }

    fn command_group(&mut self, group: usize, now: Instant) {
        let Some(members) = self.groups.get(group).map(|group| group.members.clone()) else { return };
        let membership = |daemon: &Daemon, index: usize| {
            daemon
                .entry(index)
                .and_then(|entry| entry.router.as_ref())
                .map_or(vrrp::Membership::Stopped, Router::membership)
        };
        let whole = Group::of(members.iter().map(|index| membership(self, *index)));
        for index in members {
            if let Some(command) = whole.command(membership(self, index)) {
                self.input(index, now, command);
            }
        }
    }

    fn flush_advertisements(&mut self) {
        let early = std::mem::take(&mut self.queue.early);
        self.queue.early = self.send_advertisements(early);
    }

    /// Sends and returns the list, empty, to be filled again.
    fn send_advertisements(&mut self, mut list: Vec<usize>) -> Vec<usize> {
        if list.is_empty() {
            return list;
        }
        // Frames of all interfaces go by the packet socket, packets by their interface's.
        let socket_of = |index: &usize| {
            let entry = self.routers.get(*index)?.as_ref()?;
            let socket = entry.socket?;
            Some((!entry.encoded().is_framed()).then_some(socket))
        };
        list.sort_unstable_by_key(socket_of);
        let mut total = Sent::default();
        for chunk in list.chunk_by(|a, b| socket_of(a) == socket_of(b)) {
            let Some(socket) = chunk.first().and_then(socket_of) else { continue };
            let packets = chunk
                .iter()
                .filter_map(|index| self.routers.get(*index)?.as_ref())
                .flat_map(|entry| entry.encoded().packets());
            let packets = packets.map(|packet: Outgoing<'_>| packet);
            let sent = match socket.map(|socket| self.sockets.get(socket).and_then(Option::as_ref)) {
                None => batch::send(self.announcements.socket(), packets),
                Some(Some(socket)) => batch::send(socket, packets),
                Some(None) => continue,
            };
            total.sent += sent.sent;
            total.refused += sent.refused;
            total.error = sent.error.or(total.error);
        }
        for index in list.drain(..) {
            if let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) {
                entry.is_queued = false;
            }
        }
        self.complain_of_sending("advertisements", total, self.now);
        list
    }

    pub(crate) fn flush_requests(&mut self) {
        if self.queue.requests.is_empty() {
            return;
        }
        match self.requests.submit(&mut self.queue.requests) {
            Ok(refusals) => {
                for refusal in refusals {
                    match self.queue.numbers.remove(&refusal.sequence) {
                        Some((index, Asked::Address(address))) => self.refused(index, address, refusal.error),
                        Some((index, Asked::Link(name))) => {
                            let error = std::io::Error::from_raw_os_error(refusal.error);
                            self.complain(index, self.now, format_args!("interface {name}: {error}"));
                        }
                        None => {}
                    }
                }
            }
            Err(error) => log::error!("netlink: {error}"),
        }
        if self.queue.requests.is_empty() {
            self.queue.numbers.clear();
        }
    }

    fn refused(&mut self, index: usize, address: IpAddr, error: i32) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let Some(held) = entry.held.iter_mut().find(|held| held.address.address == address) else { return };
        if error == libc::EEXIST {
            let known = self.interfaces.find(held.address.interface, address);
            held.is_foreign = known.is_some_and(|known| known.protocol != crate::netlink::PROTOCOL);
            if held.is_foreign {
                log::notice!(
                    "{}: {address} is on the interface already and stays there",
                    entry.settings.name
                );
            }
            return;
        }
        let error = std::io::Error::from_raw_os_error(error);
        log::error!("{}: address {address}: {error}", entry.settings.name);
    }

    /// Sends the announcements of the router at `index` that are due.
    pub(crate) fn announce(&mut self, index: usize, now: Instant) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let count = entry.held.len();
        loop {
            let bucket = self.announcements.bucket(entry.interface);
            let due = entry.announcer.poll(now, count, bucket);
            if due.is_empty() {
                break;
            }
            for held in entry.held.get(due).unwrap_or_default() {
                self.announcements.push(&held.placed);
            }
        }
        let deadline = entry.announcer.deadline();
        self.schedule.set(&mut entry.announce_slot, Due::Announce(index), deadline);
    }

    fn notice(&mut self, index: usize, now: Instant, notice: Notice) {
        match notice {
            Notice::AddressListMismatch { source } => {
                self.complain(index, now, format_args!("{source} advertises other addresses"));
            }
            Notice::IntervalBounded { source } => {
                self.complain(
                    index,
                    now,
                    format_args!("{source} advertises an interval that is out of bounds"),
                );
            }
            Notice::Conflict { source } => {
                self.complain(index, now, format_args!("{source} is Active too"));
            }
            Notice::ResignationUnanswered => {
                self.complain(index, now, format_args!("nobody took the role; keeping it"));
            }
        }
    }

    /// A line about what others do, at a bounded rate.
    pub(crate) fn complain(&mut self, index: usize, now: Instant, what: std::fmt::Arguments<'_>) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        if entry.complaints.take_one(now) {
            log::warning!("{}: {what}", entry.settings.name);
        }
    }

    fn complain_of_sending(&mut self, what: &str, sent: Sent, now: Instant) {
        self.unsent = self.unsent.wrapping_add(u64::try_from(sent.refused).unwrap_or(0));
        if let (Some(error), true) = (sent.error, sent.refused > 0)
            && self.complaints.take_one(now)
        {
            let error = std::io::Error::from_raw_os_error(error);
            log::warning!("{what}: {} not sent: {error}", sent.refused);
        }
    }
}
