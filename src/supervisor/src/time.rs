//! The clock: which servers OpenNTPD asks, and whether it follows them.
//!
//! init keeps `/usr/lib/mark21/time` running; that starts ntpd as soon as there is a file of
//! servers here, and waits otherwise. A changed file takes effect by ending that process. The clock
//! may be set at once until it was right for the first time; from then on it is only slewed.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mark21_api::status::Time;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

/// Between two questions to ntpd.
const LOOK: Duration = Duration::from_secs(5);
/// ntpd gives up setting the clock at its start after 15 s, and takes minutes to call a clock
/// right that was set. One that was never right for so long gets a new start.
const PATIENCE: Duration = Duration::from_secs(360);
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
        let mut unset_since = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.with(|seen| seen.is_wanted) {
                unset_since = Instant::now();
                continue;
            }
            let now =
                ask().await.unwrap_or_else(|error| Time { synchronised: false, detail: error.to_string() });
            let was = self.with(|seen| std::mem::replace(&mut seen.time, now.clone()));
            match (was.synchronised, now.synchronised) {
                (false, true) => crate::log::note(format_args!("the clock is right: {}", now.detail)),
                (true, false) => crate::log::note(format_args!("the clock is on its own: {}", now.detail)),
                (true, true) | (false, false) => {}
            }
            let mark = self.run.join("time.set");
            if now.synchronised {
                // From here on ntpd is started without the right to set the clock.
                if let (false, Err(error)) = (mark.exists(), fs::write(&mark, "")) {
                    crate::log::error(format_args!("{}: {error}", mark.display()));
                }
            } else if !mark.exists() && unset_since.elapsed() > PATIENCE {
                unset_since = Instant::now();
                self.start_anew();
            }
        }
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
async fn ask() -> io::Result<Time> {
    let mut command = Command::new(CONTROL);
    command.args(["-s", "status"]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output =
        tokio::time::timeout(LOOK, command.output()).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(read(&String::from_utf8_lossy(&output.stdout)))
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
}
