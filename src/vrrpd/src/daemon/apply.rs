//! A configuration becomes the running one, as a difference.
//!
//! Routers are matched by interface, VRID and family. One that is not mentioned any more resigns;
//! one that did not change is not touched; one that changed keeps its role, its timers and its
//! counters, gets new addresses before it says so and loses old ones after.

use std::collections::BTreeMap;

use vrrp::{Input, Instant};

use super::Daemon;
use super::entry::{self, Entry};
use super::notify::GroupEntry;
use crate::log;
use crate::settings::{GroupSettings, Key, RouterSettings, Settings};
use crate::sys;

impl Daemon {
    /// Reads `text` and applies it.
    ///
    /// # Errors
    /// What is wrong with the text, a line each. Nothing has changed then.
    pub(crate) fn configure(&mut self, text: &str, now: Instant) -> Result<(), String> {
        let settings = Settings::parse(text)
            .map_err(|findings| findings.iter().map(|finding| format!("{finding}\n")).collect::<String>())?;
        if self.helper.is_none() && settings.needs_programs() {
            return Err(String::from(
                "1:1: there are programs to run, and vrrpd was started with --no-programs\n",
            ));
        }
        self.apply(settings, now);
        Ok(())
    }

    /// Applies `settings`.
    pub(crate) fn apply(&mut self, settings: Settings, now: Instant) {
        self.catch_up(now);
        self.note_addresses(&settings);
        self.refuse_packets(&settings);
        self.has_settings = true;
        self.announcements.configure(&settings.global);
        self.open_fifo(&settings.global);
        let has_new_refresh = settings.global.announce_refresh != self.global.announce_refresh;
        self.global = settings.global;
        let mut places: BTreeMap<Key, usize> = BTreeMap::new();
        for (index, entry) in self.routers.iter().enumerate() {
            if let Some(entry) = entry {
                places.insert(entry.settings.key.clone(), index);
            }
        }
        let (mut wanted, mut removed) = (BTreeMap::new(), Vec::new());
        for (number, router) in settings.routers.iter().enumerate() {
            wanted.insert(router.key.clone(), number);
        }
        // Another MAC address is another router to everybody: it begins anew.
        places.retain(|key, index| {
            let old = self.routers.get(*index).and_then(Option::as_ref);
            let new = wanted.get(key).and_then(|number| settings.routers.get(*number));
            let is_same = match (old, new) {
                (Some(old), Some(new)) => old.settings.virtual_mac == new.virtual_mac,
                _ => true,
            };
            if !is_same {
                removed.push(*index);
            }
            is_same
        });
        // A group that is about to change must not act on a member that goes.
        let groups = std::mem::take(&mut self.groups);
        for entry in self.routers.iter_mut().flatten() {
            entry.group = None;
        }
        // First, so that their addresses are free for others.
        for (key, index) in &places {
            if !wanted.contains_key(key) {
                removed.push(*index);
            }
        }
        self.remove(&removed, now);
        self.take_tracked(settings.scripts, settings.files);
        let mut names = BTreeMap::new();
        for router in settings.routers {
            let name = router.name.clone();
            let index = match places.get(&router.key).copied() {
                Some(index) => {
                    self.change(index, router, has_new_refresh, now);
                    index
                }
                None => self.insert(router),
            };
            names.insert(name, index);
        }
        self.take_groups(settings.groups, &groups, &names);
        self.want_virtual_macs();
        // Groups first: a router that starts asks its group.
        for index in names.into_values() {
            self.refresh(index, now);
        }
        for group in 0..self.groups.len() {
            self.queue.look_at_group(group);
        }
        self.settle_all(now);
        self.start_tracking(now);
        sys::trim_memory();
        self.notifier.status(&self.summary());
    }

    fn insert(&mut self, settings: RouterSettings) -> usize {
        let place = self.routers.iter().position(Option::is_none).unwrap_or(self.routers.len());
        if place == self.routers.len() {
            self.routers.push(None);
        }
        if let Some(free) = self.routers.get_mut(place) {
            *free = Some(Entry::new(settings, self.global.announce_refresh));
        }
        place
    }

    fn remove(&mut self, indices: &[usize], now: Instant) {
        for index in indices {
            self.input(*index, now, Input::Shutdown);
        }
        // The advertisements must go while the sockets are there.
        self.settle_all(now);
        for index in indices {
            self.detach(*index);
            self.delete_virtual_mac(*index);
            if let Some(slot) = self.routers.get_mut(*index) {
                *slot = None;
            }
        }
    }

    fn change(&mut self, index: usize, new: RouterSettings, has_new_refresh: bool, now: Instant) {
        let refresh = self.global.announce_refresh;
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        if has_new_refresh {
            // The schedule begins anew with the next announcement.
            let is_running = entry.announcer.deadline().is_some();
            entry.announcer = vrrp::Announcer::new(refresh);
            if is_running {
                self.start_announcing(index, now, vrrp::Announcement::Reconfigured);
            }
        }
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        if entry.settings == new {
            return;
        }
        let is_holding = !entry.held.is_empty();
        let old_group = entry.group_address();
        entry.trackers = entry::trackers(&new, &entry.trackers);
        entry.settings = new;
        entry.forget_encoded();
        let new_group = entry.group_address();
        if let Some(socket) = entry.socket.and_then(|place| self.sockets.get_mut(place)?.as_mut())
            && old_group != new_group
        {
            socket.release(old_group);
            if let Err(error) = socket.need(new_group) {
                log::error!("{}: joining the group: {error}", entry.settings.name);
            }
        }
        let wanted: Vec<_> = entry.settings.all_addresses().cloned().collect();
        if is_holding {
            // An address whose prefix or label changed cannot be there twice: it goes first.
            self.drop_held(index, |held| {
                let same = wanted.iter().find(|address| address.address == held.virtual_address.address);
                same.is_some_and(|same| *same != held.virtual_address)
            });
            for address in &wanted {
                self.hold(index, address);
            }
            self.settle_all(now);
        }
        self.reconfigure(index, now);
        if is_holding {
            self.settle_all(now);
            self.drop_held(index, |held| !wanted.contains(&held.virtual_address));
        }
        self.settle_all(now);
    }

    fn drop_held(&mut self, index: usize, is_unwanted: impl Fn(&entry::Held) -> bool) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let dropped: Vec<_> = entry.held.extract_if(.., |held| is_unwanted(held)).collect();
        for held in dropped {
            self.let_go(index, &held);
        }
    }

    fn reconfigure(&mut self, index: usize, now: Instant) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        let Some(router) = &mut entry.router else { return };
        let source = entry.settings.source.unwrap_or(router.config().primary_address());
        match entry.settings.config(source) {
            Ok(config) => {
                if let Ok(outputs) = router.reconfigure(now, config) {
                    self.perform(index, now, &outputs);
                }
            }
            Err(error) => log::error!("{}: {error}", entry.settings.name),
        }
    }

    fn take_groups(
        &mut self,
        groups: Vec<GroupSettings>,
        old: &[GroupEntry],
        names: &BTreeMap<String, usize>,
    ) {
        for settings in groups {
            let members: Vec<_> =
                settings.members.iter().filter_map(|name| names.get(name).copied()).collect();
            for member in &members {
                if let Some(entry) = self.routers.get_mut(*member).and_then(Option::as_mut) {
                    entry.group = Some(self.groups.len());
                }
            }
            let told =
                old.iter().find(|group| group.settings.name == settings.name).and_then(|group| group.told);
            self.groups.push(GroupEntry { settings, members, told });
        }
    }
}
