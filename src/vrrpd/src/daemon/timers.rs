//! What is due, in one wake-up as much of it as is sensible.

use std::time::Duration;

use vrrp::{Input, Instant, State};

use super::Daemon;
use super::schedule::{Due, Slot, WAKING};
use crate::sys;

/// How much earlier than due an Active router may advertise to go out with others: a sixteenth of
/// its interval, at most this. The next is due on the beat all the same, so nothing adds up; a
/// Backup is never early.
const GREATEST_SLACK: Duration = Duration::from_millis(1);
const SLACK_DIVISOR: u32 = 16;

impl Daemon {
    /// Serves everything that is due at `now`.
    pub(crate) fn serve_timers(&mut self, now: Instant) {
        if self.schedule.wake_up().is_none_or(|wake_up| wake_up > now) {
            return;
        }
        let mut due = std::mem::take(&mut self.due);
        self.schedule.take(now + GREATEST_SLACK, &mut due);
        let mut drained = Vec::new();
        for (at, what) in &due {
            let Some(slot) = self.slot(*what) else { continue };
            if *slot != Some(*at) {
                continue;
            }
            *slot = None;
            match *what {
                Due::Router(index) => self.serve_router(index, now, &mut drained),
                _ if *at > now => self.set_again(*what, *at),
                Due::Announce(index) => self.queue.announce(index),
                Due::Debounce(index) => self.check_trackers(index, now),
                Due::Script(index) => self.run_script(index, now),
                Due::File(index) => self.read_file(index, now),
                Due::Verify => self.verify(now),
                Due::Watchdog => self.schedule_watchdog(),
            }
        }
        self.due = due;
    }

    fn slot(&mut self, due: Due) -> Option<&mut Slot> {
        match due {
            Due::Router(index) => Some(&mut self.routers.get_mut(index)?.as_mut()?.slot),
            Due::Announce(index) => Some(&mut self.routers.get_mut(index)?.as_mut()?.announce_slot),
            Due::Debounce(index) => Some(&mut self.routers.get_mut(index)?.as_mut()?.debounce_slot),
            Due::Script(index) => Some(&mut self.scripts.get_mut(index)?.slot),
            Due::File(index) => Some(&mut self.files.get_mut(index)?.slot),
            Due::Verify => Some(&mut self.verify_slot),
            Due::Watchdog => Some(&mut self.watchdog_slot),
        }
    }

    /// Taken from the heap too early: it goes back.
    fn set_again(&mut self, due: Due, at: Instant) {
        let mut slot = None;
        self.schedule.set(&mut slot, due, Some(at));
        if let Some(place) = self.slot(due) {
            *place = slot;
        }
    }

    fn serve_router(&mut self, index: usize, now: Instant, drained: &mut Vec<usize>) {
        let Some(entry) = self.entry(index) else { return };
        let Some(router) = &entry.router else { return };
        let Some(deadline) = router.deadline() else { return };
        match router.state() {
            State::Active => {
                let slack = (router.active_adver_interval() / SLACK_DIVISOR).min(GREATEST_SLACK);
                if deadline <= now + slack {
                    return self.input(index, now.max(deadline), Input::Timer);
                }
            }
            State::Backup | State::Initialize => {
                if deadline <= now + WAKING {
                    // Only at a takeover: an advertisement that was heard has moved the deadline.
                    if deadline > now {
                        sys::spin_until(deadline);
                        drained.clear();
                    }
                    // A process that was stalled finds the advertisements that came meanwhile.
                    if let Some(socket) = entry.socket
                        && !drained.contains(&socket)
                    {
                        drained.push(socket);
                        self.receive(socket, now);
                    }
                    return self.input(index, now.max(deadline), Input::Timer);
                }
            }
        }
        self.reschedule(index);
    }

    /// Tells the service manager that the loop turns, and when to do so again.
    pub(crate) fn schedule_watchdog(&mut self) {
        let Some(interval) = self.notifier.watchdog_interval() else { return };
        self.notifier.alive();
        self.schedule.set(&mut self.watchdog_slot, Due::Watchdog, Some(self.now + interval));
    }
}
