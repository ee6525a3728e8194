//! Whether the machine let real-time threads run at all: a host that takes a processor away, or
//! somebody else's real-time threads, silence any program, and say nothing about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::processors::hold;
use crate::sockets::check;

/// A thread on every processor that wants to wake up every millisecond, at vrrpd's own priority.
pub(crate) struct Canaries {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Duration>>,
}

const BEAT: Duration = Duration::from_millis(1);
/// As `real_time_priority` is when nobody sets it.
const PRIORITY: libc::c_int = 50;

impl Canaries {
    pub(crate) fn start() -> Canaries {
        let is_over = Arc::new(AtomicBool::new(false));
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..count)
            .map(|processor| {
                let is_over = Arc::clone(&is_over);
                std::thread::spawn(move || watch(processor, &is_over))
            })
            .collect();
        Canaries { is_over, threads }
    }

    /// Ends them. The longest that one had to wait for its processor.
    pub(crate) fn longest_wait(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("it ends")).max().unwrap_or_default()
    }
}

fn watch(processor: usize, is_over: &AtomicBool) -> Duration {
    hold(0, processor).expect("a processor");
    let parameter = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: `parameter` lives through the call; 0 is this thread.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameter) }).expect("real time");
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        std::thread::sleep(BEAT);
        longest = longest.max(begin.elapsed().saturating_sub(BEAT));
    }
    longest
}
