//! Virtual MAC addresses: a macvlan per router that wants one, on the router's interface.
//!
//! It is made with the configuration and holds the addresses of an Active router. Advertisements and
//! announcements leave by the interface below with the virtual MAC address as their source, so
//! nothing waits for the macvlan; and they are heard there, because a macvlan does not hear its own
//! address.
//!
//! A Backup must not take frames to the virtual MAC address (RFC 9568 section 6.4.2): its macvlan has
//! no address and does not forward. Nor may it send from it, or switches would look for the address
//! on its port: see [`forget_groups`]. It stays up: to take one down or to delete it
//! makes the kernel wait for all processors, some 15 to 20 ms on a busy machine, and there may be
//! hundreds. So a router that is configured away leaves its macvlan to the helper.

use std::collections::BTreeMap;
use std::fs;

use vrrp::State;

use super::Daemon;
use super::entry::Entry;
use super::interfaces::Interfaces;
use super::perform::Asked;
use crate::helper::Job;
use crate::log;

/// Only the interface that has an address answers for it, with its own MAC address; and no request
/// names an address of another interface as its sender, or neighbours would learn the wrong MAC.
const ON_INTERFACE: [(&str, u8); 2] = [("arp_ignore", 1), ("arp_announce", 2)];
/// Answers leave by the interface below, where the routes are: loose filtering, which is the
/// greater of this and `all`.
const ON_MACVLAN: [(&str, u8); 3] = [("arp_ignore", 1), ("arp_announce", 2), ("rp_filter", 2)];
/// No addresses but ours.
const ON_MACVLAN_V6: [(&str, u8); 2] = [("addr_gen_mode", 1), ("accept_ra", 0)];

/// How many are switched in one turn of the loop.
const MOST_SWITCHED: usize = 1;

/// What an interface's settings were before, to be put back: by interface, then by path.
#[derive(Debug, Default)]
pub(crate) struct Changed(BTreeMap<String, BTreeMap<String, String>>);

impl Daemon {
    /// Notes whose is missing. A router waits for its macvlan before it starts; a macvlan waits for
    /// the end of one that had its name.
    pub(crate) fn want_virtual_macs(&mut self) {
        let interfaces = &self.interfaces;
        let is_missing =
            |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| missing(entry, interfaces).is_some());
        let wanting = self.routers.iter().enumerate().filter(|(_, entry)| is_missing(entry));
        self.queue.missing_macs = wanting.map(|(index, _)| index).collect();
    }

    /// Gives one away to be deleted, or makes one: the kernel takes up to half a millisecond for
    /// that, so packets and timers come in between.
    pub(crate) fn tend_virtual_macs(&mut self) {
        if !self.queue.requests.is_empty() {
            return;
        }
        if let Some((number, name)) = self.queue.old_macs.pop() {
            self.give_away(number, &name);
        } else if let Some(index) = self.queue.missing_macs.pop() {
            self.make_virtual_mac(index);
        }
        self.flush_requests();
    }

    /// To delete one makes the kernel wait for all processors: the helper has the time.
    fn give_away(&mut self, number: u32, name: &str) {
        // From now on it sends nothing, see [`forget_groups`].
        if fs::exists(format!("/proc/sys/net/ipv6/conf/{name}")).unwrap_or(false) {
            write(&format!("ipv6/conf/{name}/disable_ipv6"), 1);
        }
        let job = Job::delete_link(number);
        if self.helper.as_ref().is_none_or(|helper| helper.submit(&job).is_err()) {
            self.queue.requests.delete_link(number);
        }
    }

    /// The helper is gone, with what it was given.
    pub(crate) fn delete_at_last(&mut self) {
        for number in self.interfaces.deleted() {
            self.queue.requests.delete_link(number);
        }
    }

    fn make_virtual_mac(&mut self, index: usize) {
        let Some(entry) = self.entry(index) else { return };
        let Some(lower) = missing(entry, &self.interfaces) else { return };
        let (Some(name), Some(mac)) = (entry.settings.virtual_mac.clone(), entry.settings.mac()) else {
            return;
        };
        let number = self.queue.requests.make_virtual_mac(&name, lower, mac);
        self.queue.asked(number, index, Asked::Link(name));
    }

    /// The settings that it needs, on it and below it, when it is new.
    pub(crate) fn set_up_virtual_mac(&mut self, index: usize) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let there = entry.virtual_mac(&self.interfaces).map(|interface| interface.link.index);
        if entry.virtual_mac_set_up == there {
            return;
        }
        entry.virtual_mac_set_up = there;
        let (Some(name), Some(_)) = (&entry.settings.virtual_mac, there) else { return };
        let lower = entry.settings.key.interface.clone();
        for (setting, value) in ON_MACVLAN {
            write(&format!("ipv4/conf/{name}/{setting}"), value);
        }
        // A kernel without IPv6 has none of these.
        if fs::exists(format!("/proc/sys/net/ipv6/conf/{name}")).unwrap_or(false) {
            for (setting, value) in ON_MACVLAN_V6 {
                write(&format!("ipv6/conf/{name}/{setting}"), value);
            }
            // A box that forwards has made it a member of the routers' group.
            let forwarding = format!("ipv6/conf/{name}/forwarding");
            if read(&forwarding).is_some_and(|value| value != "0") {
                write(&forwarding, 0);
            }
        }
        self.queue.virtual_macs.push(index);
        let before = self.changed.0.entry(lower.clone()).or_default();
        for (setting, value) in ON_INTERFACE {
            let path = format!("ipv4/conf/{lower}/{setting}");
            let Some(old) = read(&path).filter(|old| old.parse().is_ok_and(|old: u8| old < value)) else {
                continue;
            };
            if write(&path, value) {
                before.entry(path).or_insert(old);
            }
        }
    }

    /// It forwards as the interface below does while the router is Active, and not otherwise. After
    /// all that is urgent.
    ///
    /// Some at a time: each takes up to half a millisecond.
    pub(crate) fn switch_virtual_macs(&mut self) {
        let rest = self.queue.virtual_macs.len().min(MOST_SWITCHED);
        let rest = self.queue.virtual_macs.split_off(rest);
        for index in std::mem::replace(&mut self.queue.virtual_macs, rest) {
            let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { continue };
            let has_left_groups = std::mem::take(&mut entry.has_left_groups);
            let Some(interface) = entry.virtual_mac(&self.interfaces) else { continue };
            let name = &interface.link.name;
            let is_active = entry.state() == State::Active;
            // The kernel joins the anycast groups of an IPv6 address when it tells of the address, and
            // when forwarding begins. Both at once, and it would leave only one of them.
            let is_told = |held: &super::entry::Held| {
                self.interfaces.find(held.address.interface, held.address.address).is_some()
            };
            if is_active && !entry.held.iter().all(is_told) {
                continue;
            }
            for family in ["ipv4", "ipv6"] {
                let path = |name: &str| format!("{family}/conf/{name}/forwarding");
                let Some(below) = read(&path(&entry.settings.key.interface)) else { continue };
                write(&path(name), u8::from(is_active && below != "0"));
            }
            if has_left_groups && !is_active {
                forget_groups(name);
            }
        }
    }

    /// It is up as soon as it is there, and again when somebody took it down.
    pub(crate) fn check_virtual_mac(&mut self, index: usize) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let is_below_up = self.interfaces.get(entry.interface).is_some_and(|below| below.link.is_up);
        let Some(interface) = entry.virtual_mac(&self.interfaces) else { return };
        if entry.state() == State::Active && !self.queue.virtual_macs.contains(&index) {
            // Its addresses may all be told of by now.
            self.queue.virtual_macs.push(index);
        }
        if is_below_up && !interface.link.is_up {
            let (number, name) = (interface.link.index, interface.link.name.clone());
            // What it left while it was down is told when it comes up.
            entry.has_left_groups = true;
            self.queue.virtual_macs.push(index);
            let number = self.queue.requests.set_up(number);
            self.queue.asked(number, index, Asked::Link(name));
        }
    }

    /// The router at `index` is no more; its addresses are off.
    pub(crate) fn delete_virtual_mac(&mut self, index: usize) {
        let Some(entry) = self.entry(index) else { return };
        let lower = entry.settings.key.interface.clone();
        if let Some(interface) = entry.virtual_mac(&self.interfaces) {
            let (number, name) = (interface.link.index, interface.link.name.clone());
            self.queue.old_macs.push((number, name));
            self.interfaces.delete(number);
        }
        let has_another = self.routers.iter().enumerate().any(|(other, entry)| {
            let entry = entry.as_ref().map(|entry| &entry.settings);
            let shares = |settings: &&crate::settings::RouterSettings| {
                settings.key.interface == lower && settings.virtual_mac.is_some()
            };
            other != index && entry.as_ref().is_some_and(shares)
        });
        if !has_another && let Some(before) = self.changed.0.remove(&lower) {
            for (path, old) in before {
                // The interface may be gone, and its settings with it.
                drop(fs::write(format!("/proc/sys/net/{path}"), old));
            }
        }
    }

    /// Deletes every macvlan, an earlier process's and our own. One request where that concerns nobody
    /// else: each would make the kernel wait for all processors.
    pub(crate) fn delete_virtual_macs(&mut self) {
        let (ours, others): (Vec<_>, Vec<_>) = self
            .interfaces
            .iter()
            .filter(|interface| interface.link.is_in_group)
            .map(|interface| interface.link.clone())
            .partition(|link| link.virtual_mac_of.is_some());
        // With those that the helper has, or is still to be given.
        self.queue.old_macs.clear();
        let mut numbers: Vec<_> = self.interfaces.deleted().collect();
        for link in ours {
            self.interfaces.delete(link.index);
            numbers.push(link.index);
        }
        if !numbers.is_empty() && others.is_empty() {
            self.queue.requests.delete_group();
            return;
        }
        for number in numbers {
            self.queue.requests.delete_link(number);
        }
    }
}

/// The interface on which `entry` wants a macvlan that is not there.
fn missing(entry: &Entry, interfaces: &Interfaces) -> Option<u32> {
    let name = entry.settings.virtual_mac.as_ref()?;
    let lower = interfaces.by_name(&entry.settings.key.interface)?.link.index;
    let is_missing = interfaces.virtual_mac(&entry.settings, lower).is_none() && !interfaces.is_going(name);
    is_missing.then_some(lower)
}

/// When addresses go, or forwarding, the kernel tells the switches within the next second that it has
/// left their IPv6 groups, by a frame from the virtual MAC address, which is another router's by then.
/// Switching IPv6 off and on again makes it forget that.
fn forget_groups(name: &str) {
    let switch = format!("ipv6/conf/{name}/disable_ipv6");
    if read(&switch).is_some_and(|is_off| is_off == "0") {
        write(&switch, 1);
        write(&switch, 0);
    }
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/sys/net/{path}")).ok()?.trim_end().to_owned())
}

/// `true` when it is so now.
fn write(path: &str, value: u8) -> bool {
    match fs::write(format!("/proc/sys/net/{path}"), value.to_string()) {
        Ok(()) => true,
        Err(error) => {
            log::warning!("net.{} should be {value}: {error}", path.replace('/', "."));
            false
        }
    }
}
