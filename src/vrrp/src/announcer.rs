//! When the neighbours are told where the virtual addresses are: gratuitous ARP and unsolicited
//! neighbour advertisements.
//!
//! One announcer per router says *which* of the router's addresses are due; a [`TokenBucket`] per
//! interface, shared by its routers, says how many may go. The caller sends them.
//!
//! ```text
//!   takeover, carrier    0, 1, 5, 15, 30, 60 s, then every `refresh`
//!   another Active heard 0, 50 ms, 250 ms, then as above: its late announcement is corrected
//! ```

use core::ops::Range;
use core::time::Duration;

use crate::time::Instant;
use crate::token_bucket::TokenBucket;

/// Why the neighbours are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// The router became Active.
    Takeover,
    /// The link came up while the router is Active.
    Carrier,
    /// Another Active was heard: neighbours may believe it.
    Correction,
    /// The configuration of an Active router changed.
    Reconfigured,
}

const TAKEOVER: &[Duration] = &[
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// A false Active announces its addresses 1 ms to 4 ms after its first advertisement, later than
/// the answer that drives it out; so the correction is repeated soon.
const CORRECTION: &[Duration] = &[
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// Corrections that may begin at once, and then one per period: a storm of advertisements must
/// not become a storm of announcements.
const CORRECTION_BURST: u32 = 3;
const CORRECTION_PERIOD: Duration = Duration::from_secs(1);

/// The schedule of one router's announcements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcer {
    refresh: Option<Duration>,
    corrections: TokenBucket,
    run: Option<Run>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    schedule: &'static [Duration],
    started: Instant,
    step: usize,
    /// When the next address is due.
    due: Instant,
    /// Addresses of this round that are done.
    done: usize,
    /// Begin again here after this round, so that a restart cannot starve the last addresses.
    again: Option<(Instant, &'static [Duration])>,
}

impl Announcer {
    /// Idle. `refresh`: how often after the schedule, `None` for never; at least a second.
    pub fn new(refresh: Option<Duration>) -> Announcer {
        Announcer {
            refresh: refresh.map(|refresh| refresh.max(Duration::from_secs(1))),
            corrections: TokenBucket::new(CORRECTION_BURST, CORRECTION_PERIOD),
            run: None,
        }
    }

    /// Begins the schedule for `announcement`, on [`crate::Output::Announce`].
    pub fn start(&mut self, now: Instant, announcement: Announcement) {
        let (schedule, at) = match announcement {
            Announcement::Takeover | Announcement::Carrier | Announcement::Reconfigured => (TAKEOVER, now),
            Announcement::Correction if self.corrections.take_one(now) => (CORRECTION, now),
            Announcement::Correction => (CORRECTION, self.corrections.ready_at(now)),
        };
        match &mut self.run {
            Some(run) if run.done > 0 => run.again = Some((at, schedule)),
            // What was due earlier stays due.
            Some(run) => *run = Run { due: at.min(run.due), ..Run::new(at, schedule) },
            None => self.run = Some(Run::new(at, schedule)),
        }
    }

    /// Forgets all, on [`crate::Output::Release`].
    pub fn stop(&mut self) {
        self.run = None;
    }

    /// When [`Announcer::poll`] has something to say; `None` when idle.
    pub fn deadline(&self) -> Option<Instant> {
        self.run.as_ref().map(|run| run.due)
    }

    /// Which of `count` addresses to announce now, as far as `bucket` lets it. Empty before the
    /// deadline. Each call moves on; call again until it is empty or the deadline lies ahead.
    pub fn poll(&mut self, now: Instant, count: usize, bucket: &mut TokenBucket) -> Range<usize> {
        let Some(run) = &mut self.run else { return 0..0 };
        if now < run.due {
            return 0..0;
        }
        let first = run.done.min(count);
        let wanted = u32::try_from(count - first).unwrap_or(u32::MAX);
        let granted = usize::try_from(bucket.take(now, wanted)).unwrap_or(usize::MAX);
        let end = first.saturating_add(granted).min(count);
        if end < count {
            run.done = end;
            run.due = bucket.ready_at(now);
        } else if !run.finish_round(now, self.refresh) {
            self.run = None;
        }
        first..end
    }
}

impl Run {
    const fn new(at: Instant, schedule: &'static [Duration]) -> Run {
        Run { schedule, started: at, step: 0, due: at, done: 0, again: None }
    }

    /// `false` when there is no next round.
    fn finish_round(&mut self, now: Instant, refresh: Option<Duration>) -> bool {
        if let Some((at, schedule)) = self.again.take() {
            *self = Run::new(at.max(now), schedule);
            return true;
        }
        self.done = 0;
        self.step += 1;
        let next = self.schedule.get(self.step).map(|offset| self.started + *offset);
        match next.or_else(|| refresh.map(|refresh| now + refresh)) {
            Some(due) => self.due = due,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests;
