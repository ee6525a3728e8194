//! Virtual MAC addresses: a macvlan per router that wants one, on the router's interface.
//!
//! It is made with the configuration, down as long as the router is not Active (a Backup must not
//! take frames to the virtual MAC address), and holds the addresses. Advertisements and announcements
//! leave by the interface below with the virtual MAC address as their source, so nothing waits for
//! the macvlan; and they are heard there, because a macvlan does not hear its own address.

use std::collections::BTreeMap;
use std::fs;

use vrrp::{Instant, State};

use super::Daemon;
use super::entry::Entry;
use super::interfaces::Interfaces;
use super::perform::Asked;
use crate::log;
use crate::netlink::Event;

/// Only the interface that has an address answers for it, with its own MAC address; and no request
/// names an address of another interface as its sender, or neighbours would learn the wrong MAC.
const ON_INTERFACE: [(&str, u8); 2] = [("arp_ignore", 1), ("arp_announce", 2)];
/// Answers leave by the interface below, where the routes are: loose filtering, which is the
/// greater of this and `all`.
const ON_MACVLAN: [(&str, u8); 3] = [("arp_ignore", 1), ("arp_announce", 2), ("rp_filter", 2)];
/// No addresses but ours.
const ON_MACVLAN_V6: [(&str, u8); 2] = [("addr_gen_mode", 1), ("accept_ra", 0)];

/// What an interface's settings were before, to be put back: by interface, then by path.
#[derive(Debug, Default)]
pub(crate) struct Changed(BTreeMap<String, BTreeMap<String, String>>);

impl Daemon {
    /// Makes what is missing. Links are read anew when something was made.
    pub(crate) fn make_virtual_macs(&mut self, now: Instant) {
        let missing: Vec<_> = self
            .routers
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| Some((index, missing(entry.as_ref()?, &self.interfaces)?)))
            .collect();
        if missing.is_empty() {
            return;
        }
        for (index, lower) in missing {
            let Some(entry) = self.entry(index) else { continue };
            let (Some(name), Some(mac)) = (entry.settings.virtual_mac.clone(), entry.settings.mac()) else {
                continue;
            };
            let number = self.queue.requests.make_virtual_mac(&name, lower, mac);
            self.queue.asked(number, index, Asked::Link(name));
        }
        self.settle_all(now);
        match Interfaces::read(&self.requests) {
            Ok(interfaces) => self.interfaces = interfaces,
            Err(error) => log::error!("netlink: {error}"),
        }
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
        }
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

    /// Takes the macvlan of the router at `index` up before its addresses are put on.
    pub(crate) fn raise_virtual_mac(&mut self, index: usize) {
        self.switch_virtual_mac(index, true);
    }

    /// And down when they are off.
    pub(crate) fn lower_virtual_mac(&mut self, index: usize) {
        self.switch_virtual_mac(index, false);
    }

    fn switch_virtual_mac(&mut self, index: usize, is_up: bool) {
        let Some(entry) = self.entry(index) else { return };
        let Some(interface) = entry.virtual_mac(&self.interfaces) else { return };
        let (number, name) = (interface.link.index, interface.link.name.clone());
        let number = self.queue.requests.set_up(number, is_up);
        self.queue.asked(number, index, Asked::Link(name));
    }

    /// Somebody took it down while the router is Active.
    pub(crate) fn check_virtual_mac(&mut self, index: usize) {
        let Some(entry) = self.entry(index) else { return };
        let is_below_up = self.interfaces.get(entry.interface).is_some_and(|below| below.link.is_up);
        let is_down = entry.virtual_mac(&self.interfaces).is_some_and(|interface| !interface.link.is_up);
        if entry.state() == State::Active && is_below_up && is_down {
            self.raise_virtual_mac(index);
        }
    }

    /// The router at `index` is no more; its addresses are off.
    pub(crate) fn delete_virtual_mac(&mut self, index: usize) {
        let Some(entry) = self.entry(index) else { return };
        let lower = entry.settings.key.interface.clone();
        if let Some(interface) = entry.virtual_mac(&self.interfaces) {
            let number = interface.link.index;
            self.queue.requests.delete_link(number);
            self.interfaces.take(Event::LinkGone { index: number });
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

    /// Deletes every macvlan that an earlier process left behind.
    pub(crate) fn remove_left_virtual_macs(&mut self) {
        let left: Vec<_> =
            self.interfaces.iter().filter(|interface| interface.link.virtual_mac_of.is_some()).collect();
        let left: Vec<_> = left.iter().map(|interface| interface.link.clone()).collect();
        for link in left {
            log::notice!("removing {}, left by an earlier process", link.name);
            self.queue.requests.delete_link(link.index);
            self.interfaces.take(Event::LinkGone { index: link.index });
        }
    }
}

/// The interface on which `entry` wants a macvlan that is not there.
fn missing(entry: &Entry, interfaces: &Interfaces) -> Option<u32> {
    entry.settings.virtual_mac.as_ref()?;
    let lower = interfaces.by_name(&entry.settings.key.interface)?.link.index;
    interfaces.virtual_mac(&entry.settings, lower).is_none().then_some(lower)
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
