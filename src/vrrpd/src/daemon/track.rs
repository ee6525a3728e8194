//! Track scripts and track files: run and read by the helper, judged here.

use vrrp::{Health, Instant, Verdict, Weight};

use super::Daemon;
use super::schedule::{Due, Slot};
use crate::helper::{Job, Reply};
use crate::log;
use crate::settings::{FileSettings, ScriptSettings};

/// A script and what it said.
pub(crate) struct TrackedScript {
    pub(crate) settings: ScriptSettings,
    pub(crate) health: Health,
    /// Results in a row that differ from `health`.
    differing: u32,
    is_running: bool,
    pub(crate) slot: Slot,
}

/// A file and the number in it.
pub(crate) struct TrackedFile {
    pub(crate) settings: FileSettings,
    /// `None`: no file, or no number in it. 0 before it was first read.
    pub(crate) value: Option<i32>,
    is_running: bool,
    pub(crate) slot: Slot,
}

/// Counts configurations, so that a result of an earlier one's script is not taken for another's.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Generation(u32);

impl Generation {
    fn id(self, index: usize) -> u64 {
        u64::from(self.0) << 32 | u64::from(u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn index(self, id: u64) -> Option<usize> {
        if id >> 32 != u64::from(self.0) {
            return None;
        }
        usize::try_from(id & u64::from(u32::MAX)).ok()
    }
}

impl TrackedScript {
    fn new(settings: ScriptSettings) -> TrackedScript {
        let health = if settings.starts_up { Health::Up } else { Health::Down };
        TrackedScript { settings, health, differing: 0, is_running: false, slot: None }
    }

    /// Takes a result; `true` when the health changed.
    fn take(&mut self, result: Health) -> bool {
        if result == self.health {
            self.differing = 0;
            return false;
        }
        self.differing += 1;
        let needed = match result {
            Health::Up => self.settings.rise,
            Health::Down => self.settings.fall,
        };
        let is_changed = self.differing >= needed;
        if is_changed {
            (self.health, self.differing) = (result, 0);
        }
        is_changed
    }
}

impl TrackedFile {
    /// What the file amounts to with `weight`.
    fn judge(&self, weight: Weight) -> (Weight, Health) {
        match (weight, self.value) {
            (Weight::Fault, Some(0..)) => (Weight::Fault, Health::Up),
            (Weight::Fault, Some(_) | None) => (Weight::Fault, Health::Down),
            (Weight::Points(_), None) => (Weight::Points(0), Health::Up),
            (Weight::Points(points), Some(value)) => {
                let product = i32::from(points).saturating_mul(value).clamp(-254, 254);
                let health = if product < 0 { Health::Down } else { Health::Up };
                (Weight::Points(i16::try_from(product).unwrap_or(0)), health)
            }
        }
    }
}

impl Daemon {
    /// Takes new scripts and files; those that did not change keep what they said.
    pub(crate) fn take_tracked(&mut self, scripts: Vec<ScriptSettings>, files: Vec<FileSettings>) {
        self.generation.0 = self.generation.0.wrapping_add(1);
        let mut old = std::mem::take(&mut self.scripts);
        self.scripts = scripts
            .into_iter()
            .map(|settings| {
                let place = old.iter().position(|known| known.settings.name == settings.name);
                match place.map(|place| old.swap_remove(place)) {
                    Some(known) if known.settings.command == settings.command => {
                        TrackedScript { settings, slot: None, is_running: false, ..known }
                    }
                    Some(_) | None => TrackedScript::new(settings),
                }
            })
            .collect();
        let mut old = std::mem::take(&mut self.files);
        self.files = files
            .into_iter()
            .map(|settings| {
                let place = old.iter().position(|known| known.settings.path == settings.path);
                let value = place.map_or(Some(0), |place| old.swap_remove(place).value);
                TrackedFile { settings, value, is_running: false, slot: None }
            })
            .collect();
    }

    /// Runs every script and reads every file now, and then at their intervals.
    pub(crate) fn start_tracking(&mut self, now: Instant) {
        for index in 0..self.scripts.len() {
            self.run_script(index, now);
        }
        for index in 0..self.files.len() {
            self.read_file(index, now);
        }
    }

    pub(crate) fn run_script(&mut self, index: usize, now: Instant) {
        let Some(script) = self.scripts.get_mut(index) else { return };
        self.schedule.set(&mut script.slot, Due::Script(index), Some(now + script.settings.interval));
        // The helper ends it at its timeout and says so.
        if script.is_running {
            return;
        }
        let user = self.global.script_user.as_deref();
        let job = Job::script(
            self.generation.id(index),
            script.settings.timeout,
            user,
            script.settings.command.clone(),
        );
        match self.helper.as_ref().map(|helper| helper.submit(&job)) {
            Some(Ok(())) => script.is_running = true,
            Some(Err(error)) => log::warning!("track script {}: not run: {error}", script.settings.name),
            None => {}
        }
    }

    pub(crate) fn read_file(&mut self, index: usize, now: Instant) {
        let Some(file) = self.files.get_mut(index) else { return };
        self.schedule.set(&mut file.slot, Due::File(index), Some(now + file.settings.interval));
        if file.is_running {
            return;
        }
        match self
            .helper
            .as_ref()
            .map(|helper| helper.submit(&Job::read(self.generation.id(index), &file.settings.path)))
        {
            Some(Ok(())) => file.is_running = true,
            Some(Err(error)) => log::warning!("track file {}: not read: {error}", file.settings.name),
            None => {}
        }
    }

    /// Takes what the helper reports.
    pub(crate) fn read_helper(&mut self, now: Instant) {
        let Some(helper) = &self.helper else { return };
        let replies = match helper.replies() {
            Ok(replies) => replies,
            Err(error) => {
                log::error!("the helper is gone ({error}); no program is run any more");
                self.helper = None;
                self.delete_at_last();
                return;
            }
        };
        let mut is_changed = false;
        for reply in replies {
            is_changed |= match reply {
                Reply::Script { id, is_success } => self.take_script(id, is_success),
                Reply::File { id, value } => self.take_file(id, value),
                Reply::Notify { text } => {
                    log::warning!("{text}");
                    false
                }
            };
        }
        if is_changed {
            for index in 0..self.routers.len() {
                self.tell_verdict(index, now);
            }
        }
    }

    fn take_script(&mut self, id: u64, is_success: bool) -> bool {
        let Some(script) = self.generation.index(id).and_then(|index| self.scripts.get_mut(index)) else {
            return false;
        };
        script.is_running = false;
        let is_changed = script.take(if is_success { Health::Up } else { Health::Down });
        if is_changed {
            let health = if is_success { "up" } else { "down" };
            log::notice!("track script {}: {health}", script.settings.name);
        }
        is_changed
    }

    fn take_file(&mut self, id: u64, value: Option<i32>) -> bool {
        let Some(file) = self.generation.index(id).and_then(|index| self.files.get_mut(index)) else {
            return false;
        };
        file.is_running = false;
        std::mem::replace(&mut file.value, value) != value
    }

    /// The sum of all that the router at `index` tracks.
    pub(crate) fn verdict_of(&self, index: usize) -> Verdict {
        let Some(entry) = self.entry(index) else { return Verdict::CLEAR };
        let scripts = entry.settings.track_scripts.iter().filter_map(|tracked| {
            let script = self.scripts.iter().find(|script| script.settings.name == tracked.name)?;
            Some((tracked.weight.unwrap_or(script.settings.weight), script.health))
        });
        let files = entry.settings.track_files.iter().filter_map(|tracked| {
            let file = self.files.iter().find(|file| file.settings.name == tracked.name)?;
            Some(file.judge(tracked.weight.unwrap_or(file.settings.weight)))
        });
        Verdict::of(entry.tracked_interfaces().chain(scripts).chain(files))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_script_changes_after_as_many_results_as_configured() {
        let settings = ScriptSettings {
            name: String::from("check"),
            command: vec![String::from("/bin/true")],
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            weight: Weight::Fault,
            starts_up: true,
        };
        let mut script = TrackedScript::new(settings);
        let (up, down) = (Health::Up, Health::Down);
        let results = [down, down, up, down, down, down, up, down, up, up];
        let changes: Vec<_> = results.into_iter().map(|result| script.take(result)).collect();
        assert_eq!(changes, [false, false, false, false, false, true, false, false, false, true]);
    }

    #[test]
    fn a_file_weighs_its_number_or_is_a_fault() {
        let file = |value| TrackedFile {
            settings: FileSettings {
                name: String::from("load"),
                path: String::from("/run/load"),
                interval: Duration::from_secs(1),
                weight: Weight::Fault,
            },
            value,
            is_running: false,
            slot: None,
        };
        let cases = [
            (Some(3), Weight::Points(-10), -30, false),
            (Some(-3), Weight::Points(-10), 30, false),
            (Some(1000), Weight::Points(1), 254, false),
            (None, Weight::Points(1), 0, false),
            (Some(0), Weight::Fault, 0, false),
            (Some(-1), Weight::Fault, 0, true),
            (None, Weight::Fault, 0, true),
        ];
        for (value, weight, points, is_fault) in cases {
            let verdict = Verdict::of([file(value).judge(weight)]);
            assert_eq!((verdict.points(), verdict.is_fault()), (points, is_fault), "{value:?} {weight:?}");
        }
    }
}
