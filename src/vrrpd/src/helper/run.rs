//! The helper's own loop: a queue, programs that run, their timeouts, interfaces to delete.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::job::{Job, Kind, Reply};
use crate::netlink::{self, Requests};
use crate::sys::{self, Signals, socket};

/// Programs at once. A failover of 250 routers with a program each must not fork 250 at once.
const MOST_RUNNING: usize = 32;
/// Jobs that wait. The oldest goes when there are more: the newest state is what counts.
const MOST_WAITING: usize = 4096;
/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(1);
/// When to look again while programs run, besides on SIGCHLD.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

struct Running {
    job: Job,
    child: Child,
    deadline: Instant,
    is_terminated: bool,
}

struct Loop {
    fd: OwnedFd,
    waiting: VecDeque<Job>,
    running: Vec<Running>,
    /// Interfaces to delete, one in a turn: the kernel takes some 20 ms for each.
    links: VecDeque<u32>,
    is_open: bool,
}

/// Runs until vrrpd is gone and everything is done. Returns the exit status.
pub(super) fn run(fd: OwnedFd) -> i32 {
    sys::set_process_name(c"vrrpd-helper");
    // Programs must not speak to the service manager for vrrpd.
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        sys::forget_variable(name);
    }
    // A service manager ends the whole group of processes: programs of the last transition are
    // still to be run then, and end by their own timeouts.
    let Ok(signals) = Signals::new(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP]) else {
        return 1;
    };
    sys::memory::forget_code();
    let (waiting, links) = (VecDeque::new(), VecDeque::new());
    let mut state = Loop { fd, waiting, running: Vec::new(), links, is_open: true };
    while state.is_open || !state.waiting.is_empty() || !state.running.is_empty() {
        let fds = [signals.as_raw_fd(), state.fd.as_raw_fd()];
        let fds = if state.is_open { &fds[..] } else { &fds[..1] };
        let timeout = match (state.links.is_empty(), state.running.is_empty()) {
            (false, _) => Some(Duration::ZERO),
            (true, false) => Some(state.next_deadline()),
            (true, true) => None,
        };
        if sys::wait_readable(fds, timeout).is_err() {
            return 1;
        }
        while signals.next().is_some() {}
        state.receive();
        state.reap();
        state.start();
        state.delete_link();
    }
    0
}

impl Loop {
    fn next_deadline(&self) -> Duration {
        let now = Instant::now();
        let earliest =
            self.running.iter().map(|running| running.deadline.saturating_duration_since(now)).min();
        earliest.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT) + Duration::from_millis(1)
    }

    fn receive(&mut self) {
        while self.is_open {
            match socket::receive_whole(&self.fd) {
                Ok(octets) if octets.is_empty() => self.is_open = false,
                Ok(octets) => self.take(&octets),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(_) => self.is_open = false,
            }
        }
        // vrrpd itself sees to what is left, or its successor does.
        self.links.clear();
    }

    fn take(&mut self, octets: &[u8]) {
        let Some(job) = Job::decode(octets) else { return };
        if job.kind == Kind::Read {
            let path = job.words.first().map_or("", String::as_str);
            self.reply(&Reply::File { id: job.id, value: read_number(path) });
            return;
        }
        if job.kind == Kind::DeleteLink {
            self.links.extend(job.words.first().and_then(|number| number.parse::<u32>().ok()));
            return;
        }
        if self.waiting.len() >= MOST_WAITING
            && let Some(lost) = self.waiting.pop_front()
        {
            self.fail(&lost, "not run, too many are waiting");
        }
        self.waiting.push_back(job);
    }

    fn delete_link(&mut self) {
        let Some(number) = self.links.pop_front() else { return };
        let mut requests = Requests::default();
        requests.delete_link(number);
        let deleted = netlink::Socket::requests().and_then(|socket| socket.submit(&mut requests));
        let error = match deleted {
            Ok(refusals) => refusals.first().map(|refusal| std::io::Error::from_raw_os_error(refusal.error)),
            Err(error) => Some(error),
        };
        // Somebody else was quicker, or the interface below it went.
        if let Some(error) = error.filter(|error| error.raw_os_error() != Some(libc::ENODEV)) {
            self.reply(&Reply::Notify { text: format!("deleting interface {number}: {error}") });
        }
    }

    /// Starts what may run: the first of each lane, as long as there is room.
    fn start(&mut self) {
        let mut busy: Vec<u64> = self.running.iter().map(|running| running.job.lane).collect();
        let mut rest = VecDeque::new();
        for job in std::mem::take(&mut self.waiting) {
            if self.running.len() >= MOST_RUNNING || busy.contains(&job.lane) {
                // What comes later in this lane waits for it.
                busy.push(job.lane);
                rest.push_back(job);
                continue;
            }
            busy.push(job.lane);
            match spawn(&job) {
                Ok(child) => {
                    let deadline = Instant::now() + job.timeout;
                    self.running.push(Running { job, child, deadline, is_terminated: false });
                }
                Err(error) => self.fail(&job, &error.to_string()),
            }
        }
        self.waiting = rest;
    }

    fn reap(&mut self) {
        let now = Instant::now();
        for mut running in std::mem::take(&mut self.running) {
            match running.child.try_wait() {
                Ok(None) => {
                    running.enforce(now);
                    self.running.push(running);
                }
                Ok(Some(status)) if running.is_terminated => {
                    self.fail(&running.job, &format!("took too long ({status})"));
                }
                Ok(Some(status)) => self.finish(&running.job, status.success(), &status.to_string()),
                Err(error) => self.fail(&running.job, &error.to_string()),
            }
        }
    }

    fn finish(&self, job: &Job, is_success: bool, status: &str) {
        match job.kind {
            Kind::Script => self.reply(&Reply::Script { id: job.id, is_success }),
            Kind::Notify if !is_success => self.fail(job, status),
            Kind::Notify | Kind::Read | Kind::DeleteLink => {}
        }
    }

    fn fail(&self, job: &Job, why: &str) {
        if job.kind == Kind::Script {
            self.reply(&Reply::Script { id: job.id, is_success: false });
            return;
        }
        let program = job.words.first().map_or("", String::as_str);
        self.reply(&Reply::Notify { text: format!("{program}: {why}") });
    }

    fn reply(&self, reply: &Reply) {
        let octets = reply.encode();
        // A script whose result does not get through stays "running" for the daemon; the socket
        // holds some hundred replies, and the daemon reads them at every wake-up.
        drop(socket::send(&self.fd, octets.get(..4000).unwrap_or(&octets)));
    }
}

impl Running {
    fn enforce(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        let signal = if self.is_terminated { libc::SIGKILL } else { libc::SIGTERM };
        sys::kill_group(self.child.id(), signal);
        self.is_terminated = true;
        self.deadline = now + GRACE;
    }
}

fn spawn(job: &Job) -> std::io::Result<Child> {
    let (program, arguments) = job.words.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).process_group(0).current_dir("/");
    if !job.user.is_empty() {
        let (user, group) = find_user(&job.user)
            .ok_or_else(|| std::io::Error::other(format!("there is no user {:?}", job.user)))?;
        command.gid(group).uid(user);
    }
    command.spawn()
}

/// From /etc/passwd, where service users are.
fn find_user(name: &str) -> Option<(u32, u32)> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

fn read_number(path: &str) -> Option<i32> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
