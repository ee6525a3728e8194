//! A capture of advertisements and ARP on the bridge, with the times at which the kernel saw them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::lab::{Lab, kill};

pub(crate) struct Capture {
    child: Child,
    lines: Receiver<String>,
}

/// How a role went over, in milliseconds.
pub(crate) struct Takeover {
    /// From the last advertisement of 10.9.0.1 to the first of 10.9.0.2.
    pub(crate) gap: f64,
    /// And on to its first gratuitous ARP.
    pub(crate) announced: f64,
    /// The last advertisement had priority 0.
    pub(crate) is_resigned: bool,
}

/// One advertisement of 10.9.0.1 (0) or 10.9.0.2 (1).
pub(crate) struct Seen {
    /// Seconds since 1970.
    pub(crate) at: f64,
    pub(crate) host: usize,
    pub(crate) vrid: u8,
}

impl Capture {
    /// Begins, and returns when packets are seen.
    pub(crate) fn start(lab: &Lab) -> Capture {
        let root = std::env::var_os("MARK21_LAB_ROOT").expect("inside");
        let mut child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", lab.switch()))
            .arg("chroot")
            .arg(root)
            .args(["/usr/bin/tcpdump", "-i", "bridge0", "-tt", "-n", "-l", "--immediate-mode", "-Z", "root"])
            .args(["-B", "16384", "ip proto 112 or arp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump");
        // Its second line says that it listens.
        let mut complaints = BufReader::new(child.stderr.take().expect("piped")).lines();
        let is_listening =
            complaints.by_ref().map_while(Result::ok).any(|line| line.contains("listening on"));
        assert!(is_listening, "tcpdump does not listen");
        std::thread::spawn(move || complaints.for_each(drop));
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Capture { child, lines }
    }

    fn next(&self, deadline: Instant) -> Option<String> {
        self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }

    /// The role goes from the first host to the second.
    pub(crate) fn takeover(&self) -> Option<Takeover> {
        let (mut last, mut first) = (None, None);
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Some(line) = self.next(deadline) {
            let time: f64 = line.split(' ').next()?.parse().ok()?;
            if line.contains("10.9.0.1 > 224.0.0.18") && first.is_none() {
                last = Some((time, line.contains("prio 0,")));
            } else if line.contains("10.9.0.2 > 224.0.0.18") && first.is_none() {
                first = Some(time);
            } else if line.contains("ARP")
                && line.contains("172.16.0.1")
                && let (Some((last, is_resigned)), Some(first)) = (last, first)
            {
                return Some(Takeover {
                    gap: (first - last) * 1e3,
                    announced: (time - first) * 1e3,
                    is_resigned,
                });
            }
        }
        None
    }

    /// The advertisements from now on, for so long.
    pub(crate) fn advertisements(&self, time: Duration) -> Vec<Seen> {
        let deadline = Instant::now() + time;
        let mut seen = Vec::new();
        while let Some(line) = self.next(deadline) {
            seen.extend(advertisement(&line));
        }
        seen
    }

    /// The first advertisement from now on.
    pub(crate) fn first(&self) -> Option<Seen> {
        let deadline = Instant::now() + Duration::from_secs(10);
        std::iter::from_fn(|| self.next(deadline)).find_map(|line| advertisement(&line))
    }
}

fn advertisement(line: &str) -> Option<Seen> {
    let at = line.split(' ').next()?.parse().ok()?;
    let host = ["10.9.0.1 > 224.0.0.18", "10.9.0.2 > 224.0.0.18"].iter().position(|it| line.contains(it))?;
    let vrid = line.split("vrid ").nth(1)?.split(',').next()?.parse().ok()?;
    Some(Seen { at, host, vrid })
}

impl Drop for Capture {
    fn drop(&mut self) {
        kill(self.child.id(), "TERM");
        drop(self.child.wait());
    }
}
