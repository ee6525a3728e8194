//! Links and addresses as they come and go: what they make of the routers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vrrp::{Announcement, Family, Health, Input, Instant, Link, Router, State, Verdict};

use super::schedule::Due;
use super::transport::VrrpSocket;
use super::{Daemon, SOCKETS};
use crate::log;
use crate::netlink::{self, Event, Read};
use crate::settings::VirtualAddress;
use crate::sys::Trigger;

/// Datagrams read from the monitor in one wake-up; the rest waits for the next, behind packets and
/// timers.
const MOST_READS: usize = 64;

/// When addresses that could not be put back at once are looked at again.
const VERIFY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

impl Daemon {
    /// Takes all that the monitor has: what our own requests did is known then.
    pub(crate) fn catch_up(&mut self, now: Instant) {
        // Others' changes need not end.
        for _ in 0..MOST_READS {
            if self.read_monitor(now) == Read::Empty {
                return;
            }
        }
    }

    /// Takes what the monitor has, up to a bound. `Empty` when that was all.
    pub(crate) fn read_monitor(&mut self, now: Instant) -> Read {
        let mut changed = BTreeSet::new();
        let mut gone = Vec::new();
        let mut came_to = Read::More;
        for _ in 0..MOST_READS {
            let interfaces = &mut self.interfaces;
            let result = self.monitor.read(&mut self.netlink_buffer, |event| {
                if let Event::AddressGone(address) = &event {
                    gone.push((address.address.interface, address.address.address));
                }
                changed.insert(interfaces.take(event));
            });
            match result {
                Ok(Read::More | Read::Done) => {}
                Ok(Read::Empty) => {
                    came_to = Read::Empty;
                    break;
                }
                Ok(Read::Overrun) => {
                    log::notice!("netlink: messages were lost, reading everything anew");
                    self.read_everything(now);
                    return Read::Overrun;
                }
                Err(error) => {
                    log::error!("netlink: {error}");
                    break;
                }
            }
        }
        if came_to == Read::Empty {
            self.want_virtual_macs();
        }
        // Links first: an interface that went down has lost its addresses by itself.
        self.refresh_interfaces(&changed, now);
        for place in gone {
            self.put_back(place, now);
        }
        came_to
    }

    /// Links and addresses from a dump, then everything that hangs on them.
    pub(crate) fn read_everything(&mut self, now: Instant) {
        match super::interfaces::Interfaces::read(&self.requests) {
            Ok(interfaces) => {
                let before = std::mem::replace(&mut self.interfaces, interfaces);
                for number in before.deleted() {
                    if self.interfaces.get(number).is_some() {
                        self.interfaces.delete(number);
                    }
                }
            }
            Err(error) => {
                log::error!("netlink: {error}");
                return;
            }
        }
        self.want_virtual_macs();
        for index in 0..self.routers.len() {
            self.refresh(index, now);
        }
        self.verify(now);
    }

    /// Puts back every address that should be there and is not.
    pub(crate) fn verify(&mut self, now: Instant) {
        let missing: Vec<_> = self
            .holders
            .keys()
            .filter(|(interface, address)| self.interfaces.find(*interface, *address).is_none())
            .copied()
            .collect();
        for place in missing {
            self.put_back(place, now);
        }
    }

    /// An address is gone: if a router holds it, somebody else took it off.
    fn put_back(&mut self, place: (u32, IpAddr), now: Instant) {
        let Some(index) = self.holders.get(&place).copied() else { return };
        // Gone and added again since: this was our own removal, told late.
        if self.interfaces.find(place.0, place.1).is_some() {
            return;
        }
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        if self.interfaces.get(place.0).is_none() {
            return;
        }
        if !entry.put_back.take_one(now) {
            self.schedule.set(&mut self.verify_slot, Due::Verify, Some(now + VERIFY_AFTER));
            return;
        }
        let is_place = |held: &&super::entry::Held| (held.address.interface, held.address.address) == place;
        let Some(held) = entry.held.iter().find(is_place) else { return };
        log::warning!("{}: {} was removed by others, putting it back", entry.settings.name, place.1);
        self.queue.requests.add(&held.address);
        entry.addresses_put_back += 1;
        self.start_announcing(index, now, Announcement::Reconfigured);
    }

    /// Everybody once, however many interfaces changed: a thousand macvlans do so at a takeover.
    fn refresh_interfaces(&mut self, changed: &BTreeSet<u32>, now: Instant) {
        let there = changed.iter().filter_map(|number| self.interfaces.get(*number));
        let names: BTreeSet<String> = there.map(|interface| interface.link.name.clone()).collect();
        let is_one_gone = names.len() < changed.len();
        for index in 0..self.routers.len() {
            let Some(entry) = self.entry(index) else { continue };
            let is_named = |name: &String| names.contains(name);
            let settings = &entry.settings;
            let is_concerned = changed.contains(&entry.interface)
                || is_named(&settings.key.interface)
                || settings.virtual_mac.as_ref().is_some_and(is_named)
                || settings.all_addresses().any(|address| address.device.as_ref().is_some_and(is_named))
                || entry.trackers.iter().any(|tracker| is_named(&tracker.settings.interface))
                || entry.held.iter().any(|held| changed.contains(&held.address.interface))
                || (is_one_gone && !entry.trackers.is_empty());
            if is_concerned {
                self.refresh(index, now);
            }
        }
    }

    /// Brings the router at `index` in line with its interface: number, link, source address,
    /// socket; makes the router when it can speak, and tells it what changed.
    pub(crate) fn refresh(&mut self, index: usize, now: Instant) {
        self.check_trackers(index, now);
        let Some(entry) = self.routers.get(index).and_then(Option::as_ref) else { return };
        let settings = &entry.settings;
        let interface = self.interfaces.by_name(&settings.key.interface);
        let number = interface.map_or(0, |interface| interface.link.index);
        let source = self.source_of(entry, interface);
        let has_virtual_mac =
            settings.virtual_mac.is_none() || self.interfaces.virtual_mac(settings, number).is_some();
        let is_up = interface.is_some_and(|interface| interface.link.is_up);
        let is_up = is_up && source.is_some() && has_virtual_mac;
        let mac = interface.and_then(|interface| interface.link.mac);
        if number != entry.interface {
            self.move_to(index, number, now);
        }
        self.set_up_virtual_mac(index);
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        if entry.interface_mac != mac {
            entry.interface_mac = mac;
            entry.forget_encoded();
        }
        for held in entry.held.iter_mut().filter(|held| held.address.interface == number) {
            held.placed.mac = mac;
        }
        let link = if is_up && entry.socket.is_some() { Link::Up } else { Link::Down };
        match (&entry.router, source) {
            // That its macvlan comes is no recovered link: it starts with it.
            (None, Some(source)) if has_virtual_mac => self.start(index, source, link, now),
            (None, _) => {}
            (Some(router), Some(source)) if router.config().primary_address() != source => {
                self.change_source(index, source, now);
                self.tell_link(index, link, now);
            }
            (Some(_), _) => self.tell_link(index, link, now),
        }
        self.follow_devices(index, now);
        self.check_virtual_mac(index);
    }

    /// Addresses on devices of their own: forgotten when the device goes, put on when it comes.
    fn follow_devices(&mut self, index: usize, now: Instant) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        if entry.state() != State::Active {
            return;
        }
        let interfaces = &self.interfaces;
        let gone = entry.held.extract_if(.., |held| interfaces.get(held.address.interface).is_none());
        for held in gone {
            self.holders.remove(&(held.address.interface, held.address.address));
        }
        let is_missing = |wanted: &&VirtualAddress| {
            let is_held = entry.held.iter().any(|held| held.virtual_address == **wanted);
            !is_held && entry.place(wanted, interfaces).is_some()
        };
        let missing: Vec<_> = entry.settings.all_addresses().filter(is_missing).cloned().collect();
        for virtual_address in &missing {
            self.hold(index, virtual_address);
        }
        if !missing.is_empty() {
            self.start_announcing(index, now, Announcement::Reconfigured);
        }
    }

    fn source_of(
        &self,
        entry: &super::entry::Entry,
        interface: Option<&super::interfaces::Interface>,
    ) -> Option<IpAddr> {
        let settings = &entry.settings;
        if let Some(source) = settings.source {
            return self.interfaces.iter().any(|interface| interface.has(source)).then_some(source);
        }
        // Global peers are not reached from a link-local address.
        let is_global = settings.key.family == Family::Ipv6
            && settings.peers.first().is_some_and(|peer| match peer.address {
                IpAddr::V4(_) => false,
                IpAddr::V6(address) => !address.is_unicast_link_local(),
            });
        interface?.primary(settings.key.family, is_global, |address| {
            settings.all_addresses().any(|virtual_address| virtual_address.address == *address)
        })
    }

    /// The interface is there, gone, or another one of the same name.
    fn move_to(&mut self, index: usize, number: u32, now: Instant) {
        self.tell_link(index, Link::Down, now);
        self.detach(index);
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        entry.interface = number;
        entry.forget_encoded();
        if number != 0 {
            self.attach(index);
        }
    }

    pub(crate) fn attach(&mut self, index: usize) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let key = &entry.settings.key;
        let is_it = |socket: &VrrpSocket| socket.interface == entry.interface && socket.family == key.family;
        let place = self.sockets.iter().position(|socket| socket.as_ref().is_some_and(is_it));
        let place = match place {
            Some(place) => place,
            None => {
                let opened = VrrpSocket::open(&key.interface, entry.interface, key.family);
                let socket = match opened {
                    Ok(socket) => socket,
                    Err(error) => {
                        log::error!("{}: socket on {}: {error}", entry.settings.name, key.interface);
                        return;
                    }
                };
                let place = self.sockets.iter().position(Option::is_none).unwrap_or(self.sockets.len());
                let token = SOCKETS + u64::try_from(place).unwrap_or(0);
                if let Err(error) = self.epoll.add(&socket, token, Trigger::Level) {
                    log::error!("epoll: {error}");
                    return;
                }
                if place == self.sockets.len() {
                    self.sockets.push(None);
                }
                if let Some(free) = self.sockets.get_mut(place) {
                    *free = Some(socket);
                }
                place
            }
        };
        let group = entry.group_address();
        if let Some(socket) = self.sockets.get_mut(place).and_then(Option::as_mut) {
            if let Err(error) = socket.attach(key.vrid, index, group) {
                log::error!("{}: joining the group on {}: {error}", entry.settings.name, key.interface);
            }
            entry.socket = Some(place);
        }
    }

    pub(crate) fn detach(&mut self, index: usize) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let Some(place) = entry.socket.take() else { return };
        let group = entry.group_address();
        if let Some(slot) = self.sockets.get_mut(place)
            && slot.as_mut().is_some_and(|socket| socket.detach(entry.settings.key.vrid, group))
        {
            *slot = None;
        }
    }

    fn start(&mut self, index: usize, source: IpAddr, link: Link, now: Instant) {
        let verdict = self.verdict_of(index);
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let config = match entry.settings.config(source) {
            Ok(config) => config,
            Err(error) => {
                log::error!("{}: {error}", entry.settings.name);
                return;
            }
        };
        entry.router = Some(Router::new(config));
        (entry.link, entry.verdict) = (link, verdict);
        self.input(index, now, Input::Link(link));
        if verdict != Verdict::CLEAR {
            self.input(index, now, Input::Tracked(verdict));
        }
        self.input(index, now, Input::Startup);
    }

    fn change_source(&mut self, index: usize, source: IpAddr, now: Instant) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        log::notice!("{}: speaks from {source} now", entry.settings.name);
        entry.forget_encoded();
        let (Ok(config), Some(router)) = (entry.settings.config(source), &mut entry.router) else { return };
        if let Ok(outputs) = router.reconfigure(now, config) {
            self.perform(index, now, &outputs);
        }
    }

    fn tell_link(&mut self, index: usize, link: Link, now: Instant) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        if entry.link == link || entry.router.is_none() {
            return;
        }
        entry.link = link;
        if link == Link::Up
            && let Some(socket) = entry.socket.and_then(|place| self.sockets.get(place)?.as_ref())
            && let Err(error) = socket.rejoin()
        {
            log::warning!("{}: joining the group anew: {error}", entry.settings.name);
        }
        self.input(index, now, Input::Link(link));
    }

    /// Looks at the interfaces that the router at `index` tracks, after their delays.
    pub(crate) fn check_trackers(&mut self, index: usize, now: Instant) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let mut earliest = None;
        for tracker in &mut entry.trackers {
            let interface = self.interfaces.by_name(&tracker.settings.interface);
            let is_up = interface.is_some_and(|interface| interface.link.is_up);
            let health = if is_up { Health::Up } else { Health::Down };
            if health == tracker.health {
                tracker.differs_since = None;
                continue;
            }
            let delay = if is_up { tracker.settings.up_delay } else { tracker.settings.down_delay };
            let at = *tracker.differs_since.get_or_insert(now) + delay;
            if at <= now {
                (tracker.health, tracker.differs_since) = (health, None);
            } else {
                earliest = Some(earliest.map_or(at, |earliest: Instant| earliest.min(at)));
            }
        }
        self.schedule.set(&mut entry.debounce_slot, Due::Debounce(index), earliest);
        self.tell_verdict(index, now);
    }

    /// Tells the router what its tracked objects amount to, when that changed.
    pub(crate) fn tell_verdict(&mut self, index: usize, now: Instant) {
        let verdict = self.verdict_of(index);
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        if entry.router.is_some() && entry.verdict != verdict {
            entry.verdict = verdict;
            self.input(index, now, Input::Tracked(verdict));
        }
    }

    /// Takes off every address that an earlier process left behind.
    pub(crate) fn remove_leftovers(&mut self) {
        let leftovers: Vec<_> = self
            .interfaces
            .iter()
            .flat_map(|interface| &interface.addresses)
            .filter(|known| {
                let place = (known.address.interface, known.address.address);
                let is_ours = known.protocol == netlink::PROTOCOL || self.noted.contains(&place.1);
                is_ours && !self.holders.contains_key(&place)
            })
            .cloned()
            .collect();
        for known in leftovers {
            log::notice!("removing {}, left by an earlier process", known.address.address);
            self.queue.requests.remove(&known.address);
            self.interfaces.take(Event::AddressGone(known));
        }
    }
}
