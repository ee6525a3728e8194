//! Whole sessions through the director, checked: what scenarios and the demo share.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use socket2::SockRef;

use crate::content::{Content, Hash};
use crate::ftp::{Client, Mode, Transfer};
use crate::topology::{client_address, client_address6, virtual_ftp, virtual_ftp6};
use crate::{Lab, Result};

/// One checked transfer.
#[derive(Clone, Debug)]
pub struct Row {
    /// How the data connection was opened.
    pub mode: Mode,
    /// Up, or down?
    pub direction: Direction,
    /// The server that answered, by its own word.
    pub server: String,
    /// What the client saw.
    pub transfer: Transfer,
}

/// Which way the data went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the server.
    Down,
    /// To the server.
    Up,
}

/// In one session, download `big.bin` in each of the modes, and upload `upload` when
/// it is given. Call `done` after each transfer.
///
/// # Errors
/// When a transfer does not end well or what arrived is not what was sent.
pub fn every_mode(
    lab: &Lab,
    (from, to): (IpAddr, SocketAddr),
    modes: &[Mode],
    upload: Option<&Content>,
    mut done: impl FnMut(&Row) + Send,
) -> Result {
    lab.client.enter(|| {
        let mut session = Client::log_in(from, to)?;
        let first = *modes.first().unwrap_or(&Mode::Epsv);
        let name = session.read_text(first, "whoami.txt")?;
        let server = lab.server(&name)?;
        for &mode in modes {
            let transfer = session.retrieve(mode, "big.bin")?;
            let equal = transfer.sha256 == server.content.sha256;
            ensure!(equal, "{} from {name}: {} bytes of other data", mode.name(), transfer.bytes);
            done(&Row { mode, direction: Direction::Down, server: name.clone(), transfer });
            if let Some(upload) = upload {
                let file = format!("{}-{}", mode.name(), from).replace(':', "_");
                let transfer = session.store(mode, &format!("upload/{file}"), &upload.bytes)?;
                ensure!(
                    server.uploaded(&file)? == upload.bytes,
                    "{} to {name}: not what was sent",
                    mode.name()
                );
                done(&Row { mode, direction: Direction::Up, server: name.clone(), transfer });
            }
        }
        session.quit()
    })
}

/// One session with `count` downloads over PASV, or EPSV where there is no PASV, all
/// of which must come from the server of the control connection. Gives its name.
fn many_downloads(lab: &Lab, (from, to): (IpAddr, SocketAddr), count: usize) -> Result<String> {
    let mode = if from.is_ipv4() { Mode::Pasv } else { Mode::Epsv };
    lab.client.enter(|| {
        let mut session = Client::log_in(from, to)?;
        let name = session.read_text(mode, "whoami.txt")?;
        let expected = &lab.server(&name)?.content.sha256;
        for number in 1..=count {
            let transfer = session.retrieve(mode, "big.bin")?;
            ensure!(transfer.sha256 == *expected, "download {number} of {count} from {name}: other data");
        }
        session.quit()?;
        Ok(name)
    })
}

/// A download that was kept slow, and came whole.
#[derive(Clone, Debug)]
pub struct SlowDownload {
    /// How the data connection was opened.
    pub mode: Mode,
    /// The server that answered, by its own word.
    pub server: String,
    /// Bytes of data.
    pub bytes: usize,
    /// How many of them came after `hurry`.
    pub hurried: usize,
    /// The longest time in which no data came.
    pub stall: Duration,
}

/// Download `big.bin` at some 600 kB a second until `hurry`, then as fast as it comes.
///
/// # Errors
/// When it does not end well or what arrived is not what was sent.
pub fn slow_download(
    lab: &Lab,
    (from, to): (IpAddr, SocketAddr),
    mode: Mode,
    hurry: &AtomicBool,
) -> Result<SlowDownload> {
    /// What arrives ahead of the reader: little, so that the connection never rests.
    const AHEAD: usize = 64 << 10;
    const PART: usize = 32 << 10;
    const PAUSE: Duration = Duration::from_millis(50);
    lab.client.enter(|| {
        let mut session = Client::log_in(from, to)?;
        let server = session.read_text(mode, "whoami.txt")?;
        let mut data = session.open(mode, "RETR big.bin")?;
        SockRef::from(&data.stream).set_recv_buffer_size(AHEAD)?;
        let mut hash = Hash::default();
        let mut part = vec![0; PART];
        let (mut bytes, mut hurried, mut stall) = (0, 0, Duration::ZERO);
        loop {
            let start = Instant::now();
            let length = data.stream.read(&mut part);
            let length = length.with_context(|| format!("{} stopped after {bytes} bytes", mode.name()))?;
            stall = stall.max(start.elapsed());
            if length == 0 {
                break;
            }
            bytes += length;
            hash.update(part.get(..length).unwrap_or_default());
            if hurry.load(Ordering::Relaxed) {
                hurried += length;
            } else {
                thread::sleep(PAUSE);
            }
        }
        drop(data);
        session.expect(226).with_context(|| format!("{} after {bytes} bytes", mode.name()))?;
        let expected = &lab.server(&server)?.content.sha256;
        ensure!(hash.finish() == *expected, "{} from {server}: {bytes} bytes of other data", mode.name());
        session.quit()?;
        Ok(SlowDownload { mode, server, bytes, hurried, stall })
    })
}

/// Upload `content` at some 2 MB a second until `hurry`, then as fast as it goes; gives the
/// number of bytes that were sent after it.
///
/// # Errors
/// When it does not end well or what arrived is not what was sent.
pub fn slow_upload(
    lab: &Lab,
    (from, to): (IpAddr, SocketAddr),
    mode: Mode,
    content: &Content,
    hurry: &AtomicBool,
) -> Result<usize> {
    const PART: usize = 100_000;
    const PAUSE: Duration = Duration::from_millis(50);
    let file = format!("slow-{}-{from}", mode.name()).replace(':', "_");
    lab.client.enter(|| {
        let mut session = Client::log_in(from, to)?;
        let server = session.read_text(mode, "whoami.txt")?;
        let mut data = session.open(mode, &format!("STOR upload/{file}"))?;
        // Little ahead of the writer, so that the connection never rests.
        SockRef::from(&data.stream).set_send_buffer_size(PART)?;
        let mut hurried = 0;
        for part in content.bytes.chunks(PART) {
            data.stream.write_all(part).with_context(|| format!("{} from {from}", mode.name()))?;
            if hurry.load(Ordering::Relaxed) {
                hurried += part.len();
            } else {
                thread::sleep(PAUSE);
            }
        }
        data.stream.shutdown(Shutdown::Write)?;
        session.expect(226).with_context(|| format!("{} from {from}", mode.name()))?;
        let arrived = lab.server(&server)?.uploaded(&file)?;
        ensure!(arrived == content.bytes, "{} from {from} to {server}: not what was sent", mode.name());
        session.quit()?;
        Ok(hurried)
    })
}

/// Whether a small file comes over PASV.
#[must_use]
pub fn passive_works(lab: &Lab) -> bool {
    let read = lab.client.enter(|| {
        let mut session = Client::log_in(client_address(1), virtual_ftp())?;
        session.read_text(Mode::Pasv, "whoami.txt")
    });
    read.is_ok()
}

/// All four clients at once, over IPv4 and then IPv6, as [`many_downloads`]. Both servers
/// must have had something to do.
///
/// # Errors
/// When a transfer does not end well, another server's data came, or one server was idle.
pub fn four_clients_at_once(lab: &Lab) -> Result {
    let sessions = |number: u8| {
        let v4 = many_downloads(lab, (client_address(number), virtual_ftp()), 50)?;
        let v6 = many_downloads(lab, (client_address6(number), virtual_ftp6()), 10)?;
        Ok([v4, v6])
    };
    let servers: Result<Vec<_>> = thread::scope(|scope| {
        let threads: Vec<_> = (1..=4).map(|number| scope.spawn(move || sessions(number))).collect();
        threads.into_iter().map(|one| one.join().map_err(|_| anyhow!("a client panicked"))?).collect()
    });
    let servers = servers?;
    println!("          {servers:?}");
    let used: BTreeSet<_> = servers.iter().flatten().collect();
    ensure!(used.len() == 2, "only {used:?} had anything to do");
    Ok(())
}

/// Upload `content`, look at what the server got, and download it again.
///
/// # Errors
/// When a transfer does not end well or what arrived is not what was sent.
pub fn there_and_back(
    lab: &Lab,
    (from, to): (IpAddr, SocketAddr),
    mode: Mode,
    content: &Content,
) -> Result<[Transfer; 2]> {
    const FILE: &str = "there-and-back";
    lab.client.enter(|| {
        let mut session = Client::log_in(from, to)?;
        let server = lab.server(&session.read_text(mode, "whoami.txt")?)?;
        let up = session.store(mode, &format!("upload/{FILE}"), &content.bytes)?;
        ensure!(
            server.uploaded(FILE)? == content.bytes,
            "{} to {}: not what was sent",
            mode.name(),
            server.name
        );
        let down = session.retrieve(mode, &format!("upload/{FILE}"))?;
        ensure!(down.sha256 == content.sha256, "{} from {}: other data", mode.name(), server.name);
        session.quit()?;
        Ok([up, down])
    })
}
