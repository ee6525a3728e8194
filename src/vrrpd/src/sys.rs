//! The system calls that vrrpd makes, each as a function that a caller cannot misuse.
//!
//! In go Rust values, out come `io::Result`s and owned descriptors. Nothing here decides
//! anything, and nothing else but `sys` and `sandbox` holds `unsafe`.

pub(crate) mod batch;
pub(crate) mod memory;
pub(crate) mod privilege;
pub(crate) mod socket;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use vrrp::Instant;

/// Turns the -1 of a system call into the error that it set.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for calls that return a length.
pub(crate) fn check_len(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Takes ownership of a descriptor that a system call just made.
pub(crate) fn own(result: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the call succeeded, so `fd` is open and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `size_of` in the type that socket calls take.
pub(crate) const fn size<T>() -> libc::socklen_t {
    const { assert!(size_of::<T>() < 65_536) }
    #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
    let size = size_of::<T>() as libc::socklen_t;
    size
}

/// A value of all zeros of a plain C type.
///
/// # Safety
/// All zeros must be a valid `T`.
pub(crate) const unsafe fn zeroed<T>() -> T {
    // SAFETY: the caller promises it.
    unsafe { std::mem::zeroed() }
}

/// CLOCK_MONOTONIC: never steps, whatever is done to the time of day.
pub(crate) fn now() -> Instant {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Instant::from_epoch(duration_of(time))
}

/// The time of day as the kernel stamps packets with it. Only differences of a moment are used.
pub(crate) fn stamp_clock() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as in `now`.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    duration_of(time)
}

/// A time of the kernel's, zero when it is negative.
fn duration_of(time: libc::timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Sleeps until `instant` of [`now`]'s clock, or a signal.
pub(crate) fn sleep_until(instant: Instant) {
    let since = instant.since_epoch();
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(since.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(since.subsec_nanos()),
    };
    // SAFETY: `time` lives through the call; the rest is not asked for.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const time,
            std::ptr::null_mut(),
        )
    };
}

/// Keeps the processor until `instant`. For waits that are shorter than waking up takes.
pub(crate) fn spin_until(instant: Instant) {
    while now() < instant {
        std::hint::spin_loop();
    }
}

/// Gives memory that is not used back to the system, after a large configuration was read.
pub(crate) fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Seconds since 1970, for people to read; nothing is computed from it.
pub(crate) fn wall_clock() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// The one timer: an edge-triggered `timerfd`, so that its expiry needs no read.
pub(crate) struct Timer {
    fd: OwnedFd,
    armed: Option<Instant>,
}

impl Timer {
    /// Disarmed.
    pub(crate) fn new() -> io::Result<Timer> {
        // SAFETY: no pointers are passed.
        let fd = own(unsafe {
            libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK)
        })?;
        Ok(Timer { fd, armed: None })
    }

    /// Expires at `deadline`. No system call when it is already set so.
    pub(crate) fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if self.armed == deadline {
            return Ok(());
        }
        // SAFETY: an itimerspec of zeros disarms.
        let mut spec: libc::itimerspec = unsafe { zeroed() };
        if let Some(deadline) = deadline {
            let since = deadline.since_epoch();
            spec.it_value.tv_sec = libc::time_t::try_from(since.as_secs()).unwrap_or(libc::time_t::MAX);
            // Zero would disarm.
            spec.it_value.tv_nsec = libc::c_long::from(since.subsec_nanos().max(1));
        }
        // SAFETY: `spec` lives through the call; the old value is not asked for.
        check(unsafe {
            libc::timerfd_settime(
                self.fd.as_raw_fd(),
                libc::TFD_TIMER_ABSTIME,
                &raw const spec,
                std::ptr::null_mut(),
            )
        })?;
        self.armed = deadline;
        Ok(())
    }

    /// It has expired: arming it for the same instant takes a system call again.
    pub(crate) fn expired(&mut self) {
        self.armed = None;
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// What the loop waits on.
pub(crate) struct Epoll {
    fd: OwnedFd,
}

/// How a descriptor is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// While there is something to read.
    Level,
    /// When something came.
    Edge,
    /// While it can be written to, or read from.
    Write,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers are passed.
        Ok(Epoll { fd: own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })? })
    }

    /// Events of `fd` come with `token`. Closing `fd` ends it.
    pub(crate) fn add(&self, fd: &impl AsRawFd, token: u64, trigger: Trigger) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, trigger)
    }

    /// Another trigger for a descriptor that is there.
    pub(crate) fn modify(&self, fd: &impl AsRawFd, token: u64, trigger: Trigger) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, trigger)
    }

    fn control(&self, how: libc::c_int, fd: &impl AsRawFd, token: u64, trigger: Trigger) -> io::Result<()> {
        let events = match trigger {
            Trigger::Level => libc::EPOLLIN,
            Trigger::Edge => libc::EPOLLIN | libc::EPOLLET,
            Trigger::Write => libc::EPOLLIN | libc::EPOLLOUT,
        };
        let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: token };
        // SAFETY: `event` lives through the call.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), how, fd.as_raw_fd(), &raw mut event) })?;
        Ok(())
    }

    /// Waits for events and calls `each` with the token of every one. A signal is no event.
    pub(crate) fn wait(&self, tokens: &mut Vec<u64>) -> io::Result<()> {
        const MOST: usize = 64;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; MOST];
        tokens.clear();
        // SAFETY: the array has room for the 64 events that are asked for.
        let result = check(unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), 64, -1) });
        let count = match result {
            Ok(count) => usize::try_from(count).unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        tokens.extend(events.iter().take(count).map(|event| event.u64));
        Ok(())
    }
}

/// Signals as something to read.
pub(crate) struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks `signals` and opens the descriptor. SIGPIPE is Rust's to ignore.
    pub(crate) fn new(signals: &[libc::c_int]) -> io::Result<Signals> {
        // SAFETY: the set is made by sigemptyset before it is used; all pointers live.
        unsafe {
            let mut set: libc::sigset_t = zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, *signal);
            }
            check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
            Ok(Signals {
                fd: own(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?,
            })
        }
    }

    /// The next signal; `None` when there is none.
    pub(crate) fn next(&self) -> Option<libc::c_int> {
        // SAFETY: plain data.
        let mut info: libc::signalfd_siginfo = unsafe { zeroed() };
        let len = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `info` has `len` octets.
        let read = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut info).cast(), len) };
        (check_len(read).ok()? == len).then(|| info.ssi_signo.cast_signed())
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Whether a write of a short line would go through at once.
pub(crate) fn is_writable(fd: &impl AsRawFd) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd is passed and one announced.
    let count = unsafe { libc::poll(&raw mut poll, 1, 0) };
    count == 1 && poll.revents & libc::POLLOUT != 0
}

/// Takes a lock on a file for this process, without waiting.
pub(crate) fn lock(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })?;
    Ok(())
}

/// Makes a FIFO that only its owner may use.
pub(crate) fn make_fifo(path: &str) -> io::Result<()> {
    let path = CString::new(path).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `path` ends with a zero.
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o600) })?;
    Ok(())
}

/// The user as whom this process acts.
pub(crate) fn own_user() -> libc::uid_t {
    // SAFETY: cannot fail, takes nothing.
    unsafe { libc::geteuid() }
}

/// What a fork returned.
pub(crate) enum Forked {
    /// In the new process.
    Child,
    /// In the old one.
    Parent,
}

/// Forks. The caller has one thread.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: the process has one thread, so no lock can be left taken in the child.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Forked::Child),
        _ => Ok(Forked::Parent),
    }
}

/// Takes a variable out of the environment. The caller has one thread.
pub(crate) fn forget_variable(name: &str) {
    // SAFETY: the process has one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::remove_var(name) };
}

/// Names the process, for ps(1).
pub(crate) fn set_process_name(name: &CStr) {
    // SAFETY: `name` ends with a zero; longer ones are cut.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Signals a whole process group.
pub(crate) fn kill_group(group: u32, signal: libc::c_int) {
    if let Ok(group) = libc::pid_t::try_from(group)
        && group > 1
    {
        // SAFETY: no pointers are passed; a group that is gone is an error that changes nothing.
        unsafe { libc::kill(-group, signal) };
    }
}

/// Waits until one of `fds` can be read, at most `timeout`.
pub(crate) fn wait_readable(fds: &[RawFd], timeout: Option<Duration>) -> io::Result<()> {
    let mut polls: Vec<_> =
        fds.iter().map(|fd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 }).collect();
    let millis = timeout.map_or(-1, |timeout| libc::c_int::try_from(timeout.as_millis()).unwrap_or(1000));
    let count = libc::nfds_t::try_from(polls.len()).unwrap_or(0);
    // SAFETY: `polls` has `count` entries.
    match check(unsafe { libc::poll(polls.as_mut_ptr(), count, millis) }) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        Err(_) | Ok(_) => Ok(()),
    }
}

/// Whether the running kernel is at least this version.
pub(crate) fn kernel_is_at_least(least: (u32, u32)) -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .is_ok_and(|release| release_is_at_least(&release, least))
}

fn release_is_at_least(release: &str, least: (u32, u32)) -> bool {
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse::<u32>().unwrap_or(0));
    let major = numbers.next().unwrap_or(0);
    let minor = numbers.next().unwrap_or(0);
    (major, minor) >= least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_release_is_compared_by_its_numbers() {
        let cases = [
            ("5.18.0-1-amd64", true),
            ("5.17.11", false),
            ("6.1.0", true),
            ("4.19.0", false),
            ("10.0", true),
            ("", false),
        ];
        for (release, expected) in cases {
            assert_eq!(release_is_at_least(release, (5, 18)), expected, "{release}");
        }
    }

    #[test]
    fn a_timer_that_is_armed_for_the_past_expires_at_once() {
        let mut timer = Timer::new().expect("a timer");
        let epoll = Epoll::new().expect("an epoll");
        epoll.add(&timer, 7, Trigger::Edge).expect("added");
        timer.arm(Some(now())).expect("armed");
        let mut tokens = Vec::new();
        epoll.wait(&mut tokens).expect("an event");
        assert_eq!(tokens, [7]);
    }
}
