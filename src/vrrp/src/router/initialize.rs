//! Initialize (RFC 9568 section 6.4.1): not started, or at fault. There is no timer.

use core::time::Duration;

use super::backup::Backup;
use super::{Phase, Router};
use crate::input::Link;
use crate::output::{Outputs, Reason};
use crate::time::Instant;
use crate::tracking::Verdict;

impl Router {
    pub(super) fn startup(&mut self, now: Instant, out: &mut Outputs) {
        self.is_started = true;
        let delay = self.config.startup_delay;
        self.take_part(now, delay, Reason::Started, out);
    }

    pub(super) fn initialize_link(&mut self, now: Instant, link: Link, out: &mut Outputs) {
        self.link = link;
        let delay = self.config.link_up_delay;
        self.take_part(now, delay, Reason::Recovered, out);
    }

    pub(super) fn initialize_tracked(&mut self, now: Instant, verdict: Verdict, out: &mut Outputs) {
        self.verdict = verdict;
        self.take_part(now, Duration::ZERO, Reason::Recovered, out);
    }

    /// Leaves Initialize if nothing forbids it.
    ///
    /// An owner is Active at once, unless a delay says that its link may not forward yet or a
    /// group has to agree. A delay is waited out in Backup, where the first advertisement that is
    /// obeyed proves that the link forwards and ends it.
    fn take_part(&mut self, now: Instant, delay: Duration, reason: Reason, out: &mut Outputs) {
        if !self.is_started || self.has_fault() {
            return;
        }
        let is_owner = self.config.priority.is_owner();
        if is_owner && delay.is_zero() && !self.is_grouped() {
            return self.become_active(now, Reason::Owner, out);
        }
        let interval = self.config.protocol.interval();
        // Written out because the getters speak of the state that the router is still in.
        let wait =
            if is_owner && delay.is_zero() { Duration::ZERO } else { delay + self.active_down_interval() };
        self.active_router = None;
        self.enter(Phase::Backup(Backup::new(now + wait, interval)), reason, out);
    }
}
