//! All deadlines of the daemon, the earliest first, for one timer.
//!
//! Most deadlines only ever move away: a Backup's with every advertisement that it hears. So a
//! deadline that moved away stays in the heap as it was and is put right when it comes up, and
//! hearing an advertisement costs the heap nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use vrrp::Instant;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The timer of the router at this index.
    Router(usize),
    /// Announcements of the router at this index.
    Announce(usize),
    /// Interfaces that the router at this index tracks.
    Debounce(usize),
    /// The track script at this index.
    Script(usize),
    /// The track file at this index.
    File(usize),
    /// Addresses that others took off are looked at again.
    Verify,
    /// The service manager wants to hear of us.
    Watchdog,
}

/// When something is next in the heap; kept by whom it concerns.
pub(crate) type Slot = Option<Instant>;

/// What waking up takes: 50 us on a busy machine, 150 us on an idle virtual one.
pub(crate) const WAKING: Duration = Duration::from_micros(150);

/// A heap with entries that may be out of date.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<(Instant, Due)>>,
}

impl Schedule {
    /// `due` has this deadline now. `slot` remembers what the heap holds for it.
    pub(crate) fn set(&mut self, slot: &mut Slot, due: Due, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if slot.is_none_or(|scheduled| deadline < scheduled) {
            self.heap.push(Reverse((deadline, due)));
            *slot = Some(deadline);
        }
    }

    /// The earliest deadline.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The instant for which the timer is armed: a router's timer wakes up early enough to be
    /// served on time.
    pub(crate) fn wake_up(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, due))| match due {
            Due::Router(_) => at.saturating_sub(WAKING),
            _ => *at,
        })
    }

    /// Moves everything up to `until` to `due`. Entries out of date come too: compare with the slot.
    pub(crate) fn take(&mut self, until: Instant, due: &mut Vec<(Instant, Due)>) {
        due.clear();
        while let Some(Reverse((at, what))) = self.heap.peek().copied() {
            if at > until {
                break;
            }
            self.heap.pop();
            due.push((at, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_epoch(Duration::from_millis(millis))
    }

    #[test]
    fn a_deadline_that_moves_away_costs_no_entry_and_one_that_comes_nearer_does() {
        let (mut schedule, mut slot, mut due) = (Schedule::default(), None, Vec::new());
        schedule.set(&mut slot, Due::Router(1), Some(at(30)));
        schedule.set(&mut slot, Due::Router(1), Some(at(60)));
        assert_eq!(schedule.heap.len(), 1);
        assert_eq!(schedule.earliest(), Some(at(30)));
        schedule.set(&mut slot, Due::Router(1), Some(at(10)));
        assert_eq!((schedule.heap.len(), slot), (2, Some(at(10))));
        schedule.take(at(10), &mut due);
        assert_eq!(due, [(at(10), Due::Router(1))]);
        schedule.take(at(29), &mut due);
        assert_eq!(due, []);
    }
}
