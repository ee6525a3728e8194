//! The clock: which servers OpenNTPD asks, and whether it follows them.
//!
//! init keeps `/usr/lib/mark21/time` running; that starts ntpd as soon as there is a file of
//! servers here, and waits otherwise. A changed file takes effect by ending that process. ntpd only
//! slews. Until the clock was right for the first time, it is set here, once, by what ntpd has
//! measured: ntpd's own way to set it differs between its versions, and leaves it measuring with
//! what it had heard before.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mark21_api::status::Time;
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, Timespec, clock_settime};
use tokio::process::Command;

/// Between two questions to ntpd.
const LOOK: Duration = Duration::from_secs(5);
/// Seconds that a clock may be off without being set (STEPT of RFC 5905, section 8), and by which the
/// answers of one server may differ.
const STEP: f64 = 0.128;
/// What asks ntpd.
const CONTROL: &str = "/usr/sbin/ntpctl";

/// The handle.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    run: PathBuf,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    is_wanted: bool,
    time: Time,
}

impl Clock {
    /// Starts to look after it; no servers are wanted yet.
    pub(crate) fn start(run: &Path) -> Self {
        let clock = Self { run: run.to_owned(), seen: Arc::default() };
        tokio::spawn(clock.clone().watch());
        clock
    }

    /// Wants these servers asked; none leaves the clock alone.
    pub(crate) fn want(&self, servers: &[IpAddr]) {
        let text: String = servers.iter().map(|server| format!("server {server}\n")).collect();
        self.with(|seen| seen.is_wanted = !servers.is_empty());
        let file = self.run.join("ntpd.conf");
        if fs::read_to_string(&file).unwrap_or_default() == text {
            return;
        }
        let making = file.with_extension("new");
        match fs::write(&making, text).and_then(|()| fs::rename(&making, &file)) {
            Ok(()) => self.start_anew(),
            Err(error) => crate::log::error(format_args!("{}: {error}", file.display())),
        }
    }

    /// What is known; `None` without servers.
    pub(crate) fn seen(&self) -> Option<Time> {
        self.with(|seen| seen.is_wanted.then(|| seen.time.clone()))
    }

    async fn watch(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.with(|seen| seen.is_wanted) {
                continue;
            }
            let text = ask().await;
            let now = match &text {
                Ok(text) => read(text),
                Err(error) => Time { synchronised: false, detail: error.to_string() },
            };
            let was = self.with(|seen| std::mem::replace(&mut seen.time, now.clone()));
            match (was.synchronised, now.synchronised) {
                (false, true) => crate::log::note(format_args!("the clock is right: {}", now.detail)),
                (true, false) => crate::log::note(format_args!("the clock is on its own: {}", now.detail)),
                (true, true) | (false, false) => {}
            }
            let mark = self.run.join("time.set");
            if !mark.exists()
                && (self.set_once(&now, &text.unwrap_or_default()) || now.synchronised)
                // From here on it is only slewed.
                && let Err(error) = fs::write(&mark, "")
            {
                crate::log::error(format_args!("{}: {error}", mark.display()));
            }
        }
    }

    /// Sets a clock that is off by more than ntpd mends soon, and has ntpd measure anew. Whether it
    /// was off.
    fn set_once(&self, now: &Time, text: &str) -> bool {
        let Some(off) = offset(text).filter(|off| !now.synchronised && off.abs() > STEP) else {
            return false;
        };
        let how = format!("{:.1} s {}", off.abs(), if off > 0.0 { "behind" } else { "ahead" });
        match set(off) {
            Ok(()) => crate::log::note(format_args!("the clock is set: it was {how}")),
            Err(error) => {
                crate::log::error(format_args!("the clock is {how} and could not be set: {error}"));
            }
        }
        self.start_anew();
        true
    }

    /// Ends what init then starts again.
    fn start_anew(&self) {
        let text = fs::read_to_string(self.run.join("time.pid")).unwrap_or_default();
        let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else { return };
        // A number that has been given to another process since is not ended.
        let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_pid())).unwrap_or_default();
        if !["ntpd", "sleep", "time", "sh"].contains(&name.trim()) {
            return;
        }
        match kill_process(pid, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => crate::log::error(format_args!("ntpd could not be ended: {error}")),
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks ntpd how it is.
async fn ask() -> io::Result<String> {
    let mut command = Command::new(CONTROL);
    command.args(["-s", "all"]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output =
        tokio::time::timeout(LOOK, command.output()).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Seconds from this clock to that of the servers, by the median of the valid ones: each has a line
/// that ends in `offset delay jitter`, such as `0.051ms 0.347ms 0.012ms`.
fn offset(text: &str) -> Option<f64> {
    let mut offsets: Vec<f64> = text
        .lines()
        .filter_map(|line| {
            let mut figures =
                line.split_whitespace().filter_map(|word| word.strip_suffix("ms")?.parse::<f64>().ok());
            let (offset, _delay, jitter) = (figures.next()?, figures.next()?, figures.next()?);
            (jitter.abs() < STEP * 1000.0).then_some(offset / 1000.0)
        })
        .collect();
    offsets.sort_by(f64::total_cmp);
    offsets.get(offsets.len() / 2).copied()
}

/// Sets the clock forward by so many seconds, or back.
fn set(by: f64) -> io::Result<()> {
    let range = || io::Error::new(io::ErrorKind::InvalidData, "no such time");
    let distance = Duration::try_from_secs_f64(by.abs()).map_err(|_| range())?;
    let now = SystemTime::now();
    let right = if by < 0.0 { now.checked_sub(distance) } else { now.checked_add(distance) };
    let right = right.and_then(|right| right.duration_since(UNIX_EPOCH).ok()).ok_or_else(range)?;
    let seconds = i64::try_from(right.as_secs()).map_err(|_| range())?;
    let time = Timespec { tv_sec: seconds, tv_nsec: right.subsec_nanos().into() };
    Ok(clock_settime(ClockId::Realtime, time)?)
}

/// `1/1 peers valid, clock synced, stratum 3`
fn read(text: &str) -> Time {
    let line = text.lines().next().unwrap_or_default().trim();
    let detail = if line.is_empty() { "ntpd does not answer" } else { line };
    Time { synchronised: line.split(", ").any(|part| part == "clock synced"), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synced_clock_is_told_from_one_that_is_not() {
        let cases = [
            ("1/1 peers valid, clock synced, stratum 3\n", true),
            ("1/1 peers valid, clock unsynced, clock offset is 3ms\n", false),
            ("0/2 peers valid, clock unsynced", false),
            ("", false),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text).synchronised, wanted, "{text:?}");
        }
    }

    #[test]
    fn the_median_of_the_valid_servers_is_the_offset() {
        let head = "2/3 peers valid, clock unsynced, clock offset is 12.000ms\n\n\
                    peer\n   wt tl st  next  poll          offset       delay      jitter\n";
        let not_valid = "10.21.0.9\n    1  2  -    1s    5s             ---- peer not valid ----\n";
        let line = |offset: &str, jitter: &str| {
            format!("10.21.0.50\n    1  6  3    4s    7s  {offset}ms     0.347ms     {jitter}ms\n")
        };
        let behind = "218034451123.117";
        let cases = [
            (String::new(), None),
            (head.to_owned() + not_valid, None),
            (head.to_owned() + &line(behind, "0.012"), Some(218_034_451.123_117)),
            (head.to_owned() + &line("-70000.000", "0.012") + not_valid, Some(-70.0)),
            (head.to_owned() + &line(behind, "77086216.012"), None),
            (
                head.to_owned() + &line("9.000", "1.0") + &line("7.000", "1.0") + &line(behind, "1.0"),
                Some(0.009),
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(offset(&text), wanted, "{text}");
        }
    }
}
