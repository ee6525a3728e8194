//! How far a server has come, and how far back it is set when its connection breaks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What was sent longer ago over a connection that stood has arrived: TCP breaks a connection
/// whose bytes are not acknowledged for [`super::link::UNACKNOWLEDGED`], which is shorter.
const SURE: Duration = Duration::from_secs(30);
/// Between two marks.
const STEP: Duration = Duration::from_secs(1);

/// The last numbers that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Of the supervisor's ring.
    pub(super) own: u64,
    /// Of the kernel's; `None` before the first.
    pub(super) kernel: Option<u64>,
}

/// Where it stands, with where it stood.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions {
    now: Position,
    /// Where it stood at each moment, oldest first; at most one mark a second and [`SURE`] long.
    marks: VecDeque<(Instant, Position)>,
    sure: Position,
}

impl Positions {
    pub(super) fn now(&self) -> Position {
        self.now
    }

    pub(super) fn sent_own(&mut self, number: u64) {
        self.mark(Instant::now());
        self.now.own = number;
    }

    pub(super) fn sent_kernel(&mut self, number: u64) {
        self.mark(Instant::now());
        self.now.kernel = Some(number);
    }

    /// The connection broke: what was not surely delivered is sent again.
    pub(super) fn go_back(&mut self) {
        self.settle(Instant::now());
        self.marks.clear();
        self.now = self.sure;
    }

    /// Keeps where it stood before what is sent now.
    fn mark(&mut self, now: Instant) {
        self.settle(now);
        if self.marks.back().is_none_or(|(at, _)| now.duration_since(*at) >= STEP) {
            self.marks.push_back((now, self.now));
        }
    }

    /// Forgets the marks that are old enough to be sure.
    fn settle(&mut self, now: Instant) {
        while let Some((at, position)) = self.marks.front()
            && now.duration_since(*at) >= SURE
        {
            self.sure = *position;
            self.marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(positions: &mut Positions, now: Instant, own: u64) {
        positions.mark(now);
        positions.now.own = own;
    }

    #[test]
    fn a_broken_connection_goes_back_to_what_is_sure_and_not_to_the_start() {
        let begun =
            Instant::now().checked_sub(Duration::from_secs(100)).expect("the machine runs for longer");
        let mut positions = Positions::default();
        for second in 0..100 {
            at(&mut positions, begun + Duration::from_secs(second), second + 1);
        }
        positions.go_back();
        let back = positions.now().own;
        assert!((65..=72).contains(&back), "{back}");
        // A server that does not come back loses nothing more.
        positions.sent_own(back + 1);
        positions.go_back();
        assert_eq!(positions.now().own, back);
    }

    #[test]
    fn a_first_connection_that_breaks_begins_anew() {
        let mut positions = Positions::default();
        positions.sent_own(7);
        positions.sent_kernel(9);
        positions.go_back();
        assert_eq!(positions.now(), Position::default());
    }
}
