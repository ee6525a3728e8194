//! Transitions told to people and programs: log, FIFO, programs, watchers.
//!
//! Names of states are keepalived's here (`MASTER`), so that scripts written for it go on working:
//! the arguments are `INSTANCE|GROUP name state priority`, the FIFO's lines are the same.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use vrrp::{Instant, Membership, Reason, Router, State, Transition};

use super::Daemon;
use super::status;
use crate::helper::Job;
use crate::log;
use crate::settings::{Global, GroupSettings, Programs};
use crate::sys;

/// A sync group.
pub(crate) struct GroupEntry {
    pub(crate) settings: GroupSettings,
    pub(crate) members: Vec<usize>,
    /// The state that was last told.
    pub(crate) told: Option<&'static str>,
}

/// Programs of one router or group run one after the other; groups come after the routers' lanes.
const GROUP_LANES: usize = 1 << 20;

impl Daemon {
    /// Tells of everything that changed since the last flush.
    pub(crate) fn tell_transitions(&mut self, _now: Instant) {
        for (index, transition) in std::mem::take(&mut self.queue.transitions) {
            self.tell_transition(index, transition);
        }
        for group in 0..self.groups.len() {
            self.tell_group(group);
        }
        self.notifier.status(&self.summary());
    }

    fn tell_transition(&mut self, index: usize, transition: Transition) {
        let Some(entry) = self.routers.get_mut(index).and_then(Option::as_mut) else { return };
        entry.last_transition = Some((sys::wall_clock(), transition));
        let Some(router) = &entry.router else { return };
        let priority = router.priority().get();
        let name = entry.settings.name.clone();
        log::notice!(
            "{name}: {} -> {} ({})",
            status::state_name(transition.from),
            status::state_name(transition.to),
            status::reason_name(transition.reason)
        );
        let programs = entry.settings.notify.clone();
        let line = status::transition_line(&entry.settings, transition, priority);
        self.watchers_told(&line);
        let state = keepalived_state(transition);
        self.tell("INSTANCE", &name, state, priority, (&programs, index));
    }

    fn tell_group(&mut self, group: usize) {
        let Some(entry) = self.groups.get(group) else { return };
        let memberships: Vec<_> = entry
            .members
            .iter()
            .filter_map(|index| self.entry(*index)?.router.as_ref().map(Router::membership))
            .collect();
        let state = group_state(&memberships);
        let Some(entry) = self.groups.get_mut(group) else { return };
        if entry.told.replace(state) == Some(state) {
            return;
        }
        let (name, programs) = (entry.settings.name.clone(), entry.settings.notify.clone());
        log::notice!("group {name}: {state}");
        self.tell("GROUP", &name, state, 0, (&programs, GROUP_LANES + group));
    }

    fn tell(&mut self, kind: &str, name: &str, state: &str, priority: u8, whom: (&Programs, usize)) {
        if let Some(fifo) = &mut self.fifo {
            let line = format!("{kind} \"{name}\" {state} {priority}\n");
            // Nobody reads: the line is lost, and the role is not.
            if fifo.write_all(line.as_bytes()).is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
                log::warning!("notify FIFO: {name}'s line is lost");
            }
        }
        let (programs, lane) = whom;
        let own = match state {
            "MASTER" => &programs.active,
            "BACKUP" => &programs.backup,
            "FAULT" => &programs.fault,
            _ => &programs.stop,
        };
        let jobs = [own, &programs.any, &self.global.notify];
        let words = [kind.to_owned(), name.to_owned(), state.to_owned(), priority.to_string()];
        for (number, command) in jobs.into_iter().enumerate() {
            let Some(command) = command else { continue };
            let mut command = command.clone();
            // A program for one state gets its own arguments only, as keepalived has it.
            if number > 0 {
                command.extend(words.iter().cloned());
            }
            let job =
                Job::notify(lane, self.global.notify_timeout, self.global.script_user.as_deref(), command);
            if let Some(helper) = &self.helper
                && let Err(error) = helper.submit(&job)
            {
                log::warning!("{name}: notify program not run: {error}");
            }
        }
    }

    /// Opens the FIFO that `global` names, and makes it if there is none.
    pub(crate) fn open_fifo(&mut self, global: &Global) {
        if global.notify_fifo == self.global.notify_fifo
            && self.fifo.is_some() == global.notify_fifo.is_some()
        {
            return;
        }
        self.fifo = global.notify_fifo.as_ref().and_then(|path| match open_fifo(path) {
            Ok(file) => Some(file),
            Err(error) => {
                log::error!("notify FIFO {path}: {error}");
                None
            }
        });
    }
}

fn open_fifo(path: &str) -> std::io::Result<File> {
    if let Err(error) = sys::make_fifo(path)
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    // For reading too, so that it can be opened before its reader is there.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)?;
    if !file.metadata()?.file_type().is_fifo() {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "is no FIFO"));
    }
    Ok(file)
}

const fn keepalived_state(transition: Transition) -> &'static str {
    match (transition.to, transition.reason) {
        (State::Active, _) => "MASTER",
        (State::Backup, _) => "BACKUP",
        (State::Initialize, Reason::Stopped) => "STOP",
        (State::Initialize, _) => "FAULT",
    }
}

fn group_state(memberships: &[Membership]) -> &'static str {
    let is_active = |membership: &Membership| {
        matches!(membership, Membership::Active | Membership::HandingOver | Membership::Offering)
    };
    if memberships.contains(&Membership::Faulted) {
        "FAULT"
    } else if memberships.iter().all(|membership| *membership == Membership::Stopped) {
        "STOP"
    } else if memberships.iter().all(is_active) {
        "MASTER"
    } else {
        "BACKUP"
    }
}
