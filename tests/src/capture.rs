//! Packet captures of the two segments, always running.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::namespace::Namespace;
use crate::process::{Background, run};
use crate::topology::{Segment, into_file};
use crate::{Result, eventually};

/// Enough for all headers and an FTP command; data is not kept.
const SNAPLEN: &str = "160";
/// tcpdump hands packets over within a second; reading an old file takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// A tcpdump that writes into a file.
#[derive(Debug)]
pub struct Capture {
    segment: Segment,
    file: PathBuf,
    _tcpdump: Background,
}

impl Capture {
    /// Capture `segment` into `directory`, until dropped.
    ///
    /// # Errors
    /// When tcpdump does not start to write.
    pub fn start(wire: &Namespace, segment: Segment, directory: &Path) -> Result<Self> {
        let name = segment.name();
        let file = directory.join(format!("{name}.pcap"));
        let mut command = wire.lab_command("tcpdump");
        command.args(["-i", name, "-s", SNAPLEN, "-U", "-Z", "root", "-w", "-"]);
        into_file(&mut command, &file)?;
        let log = File::create(directory.join(format!("{name}.tcpdump.log")))?;
        command.stderr(log);
        let mut tcpdump = Background::spawn("tcpdump", command)?;
        // The file's header comes when the interface is open.
        eventually("the start of tcpdump", LIMIT, || {
            tcpdump.ensure_running()?;
            ensure!(file.metadata()?.len() > 0, "{} is empty", file.display());
            Ok(())
        })?;
        Ok(Self { segment, file, _tcpdump: tcpdump })
    }

    /// What is captured.
    #[must_use]
    pub fn segment(&self) -> Segment {
        self.segment
    }

    /// Return when everything that was sent before is in the file: a datagram that
    /// `host` on this segment sends now is there.
    ///
    /// # Errors
    /// When it does not arrive in the file.
    pub fn synchronise(&self, host: &Namespace) -> Result {
        let (local, all): (IpAddr, IpAddr) = match self.segment {
            Segment::Outside => ([198, 51, 100, 101].into(), [198, 51, 100, 255].into()),
            Segment::Inside => ([10, 21, 0, 11].into(), [10, 21, 0, 255].into()),
        };
        let length = self.file.metadata()?.len();
        let marker = format!("mark21-lab {length}");
        host.enter(|| {
            let socket = UdpSocket::bind((local, 0))?;
            socket.set_broadcast(true)?;
            socket.send_to(marker.as_bytes(), (all, 9))?;
            Ok(())
        })?;
        eventually("a marker in the capture", LIMIT, || {
            let mut bytes = Vec::new();
            let mut file = File::open(&self.file)?;
            file.seek(SeekFrom::Start(length))?;
            file.read_to_end(&mut bytes)?;
            let found = bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
            ensure!(found, "{} has {} bytes more and no marker", self.file.display(), bytes.len());
            Ok(())
        })
    }

    /// The packets that match, one a line, as tcpdump prints them.
    ///
    /// # Errors
    /// When the filter is wrong or the file cannot be read.
    pub fn matching(&self, wire: &Namespace, filter: &str) -> Result<Vec<String>> {
        // The file is outside the lab root: take a copy inside.
        let copy = crate::scenario::lab_root().join("tmp").join(format!("{}.pcap", self.segment.name()));
        fs::copy(&self.file, &copy).with_context(|| format!("{}", copy.display()))?;
        let mut command = wire.lab_command("tcpdump");
        command.args(["-nn", "-r"]).arg(format!("/tmp/{}.pcap", self.segment.name())).arg(filter);
        let finished = run(command, LIMIT)?;
        fs::remove_file(&copy)?;
        // The last packet may be half written: tcpdump says so and is right so far.
        ensure!(finished.status.success() || finished.stderr.contains("truncated"), "{}", finished.stderr);
        Ok(finished.text().lines().map(str::to_owned).collect())
    }
}
