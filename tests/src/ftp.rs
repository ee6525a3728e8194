//! A raw FTP client that believes every word of the server.
//!
//! lftp and curl mend a wrong address in a PASV reply, so they prove nothing about
//! a director that must rewrite it. This one connects exactly where the reply
//! points, and fails when that is not the address it was told to talk to. Active
//! data connections must come from that address too, from the port below the
//! control port (RFC 959 section 3.2).
//!
//! Everything blocks with a limit. Use it inside a host: `client.enter(|| ..)`.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use socket2::{Domain, Socket, Type};

use crate::content::Hash;
use crate::{Result, eventually};

/// Longest wait for a reply, a connection, or the next bytes of data. A machine in
/// software emulation with a busy host needs seconds, never this.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The four ways to open a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passive, the reply names address and port. IPv4 only.
    Pasv,
    /// Extended passive (RFC 2428), the reply names a port.
    Epsv,
    /// Active, the client names address and port. IPv4 only.
    Port,
    /// Extended active (RFC 2428).
    Eprt,
}

impl Mode {
    /// All that work over IPv4.
    pub const IPV4: [Self; 4] = [Self::Pasv, Self::Epsv, Self::Port, Self::Eprt];
    /// All that work over IPv6.
    pub const IPV6: [Self; 2] = [Self::Epsv, Self::Eprt];

    /// The command that asks for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pasv => "PASV",
            Self::Epsv => "EPSV",
            Self::Port => "PORT",
            Self::Eprt => "EPRT",
        }
    }
}

/// A server's reply: the code and all lines of text.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// The text behind the code, lines separated by `\n`.
    pub text: String,
}

/// A finished transfer, as the client saw it.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Where the reply pointed (passive) or where the data came from (active).
    pub peer: SocketAddr,
    /// Bytes of data.
    pub bytes: usize,
    /// SHA-256 of the data, in hexadecimal.
    pub sha256: String,
    /// From the first command to the last reply.
    pub took: Duration,
}

impl Transfer {
    /// Megabytes (10^6 bytes) a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.took.as_secs_f64().max(1e-6)
    }
}

/// An open data connection.
#[derive(Debug)]
pub struct Data {
    /// The connection.
    pub stream: TcpStream,
    /// Its far end.
    pub peer: SocketAddr,
}

/// A control connection.
#[derive(Debug)]
pub struct Client {
    control: TcpStream,
    unread: Vec<u8>,
    local: IpAddr,
    server: SocketAddr,
}

impl Client {
    /// Connect to `server` from the address `local` and read the greeting.
    ///
    /// # Errors
    /// When nobody answers in time, or not as an FTP server does.
    pub fn connect(local: IpAddr, server: SocketAddr) -> Result<Self> {
        let control = connect(local, server).with_context(|| format!("control connection to {server}"))?;
        let mut client = Self { control, unread: Vec::new(), local, server };
        client.expect(220)?;
        Ok(client)
    }

    /// Connect, log in as anonymous, set binary type.
    ///
    /// # Errors
    /// As [`Client::connect`], and when the server refuses.
    pub fn log_in(local: IpAddr, server: SocketAddr) -> Result<Self> {
        let mut client = Self::connect(local, server)?;
        client.command("USER anonymous", 331)?;
        client.command("PASS lab@example.com", 230)?;
        client.command("TYPE I", 200)?;
        Ok(client)
    }

    /// Send one line and expect a reply with this code.
    ///
    /// # Errors
    /// When the reply is another or none.
    pub fn command(&mut self, line: &str, code: u16) -> Result<Reply> {
        self.send(line)?;
        self.expect(code).with_context(|| line.to_owned())
    }

    /// Download a file.
    ///
    /// # Errors
    /// When any step of it fails.
    pub fn retrieve(&mut self, mode: Mode, path: &str) -> Result<Transfer> {
        let (transfer, _) = self.download(mode, path)?;
        Ok(transfer)
    }

    /// Download a small file and give its text, trimmed.
    ///
    /// # Errors
    /// When any step of it fails.
    pub fn read_text(&mut self, mode: Mode, path: &str) -> Result<String> {
        let (_, bytes) = self.download(mode, path)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Upload a file.
    ///
    /// # Errors
    /// When any step of it fails.
    pub fn store(&mut self, mode: Mode, path: &str, bytes: &[u8]) -> Result<Transfer> {
        let start = Instant::now();
        let mut data = self.open(mode, &format!("STOR {path}"))?;
        data.stream.write_all(bytes).with_context(|| format!("{} upload", mode.name()))?;
        data.stream.shutdown(Shutdown::Write)?;
        self.expect(226)?;
        let sha256 = crate::content::sha256(bytes);
        Ok(Transfer { peer: data.peer, bytes: bytes.len(), sha256, took: start.elapsed() })
    }

    /// Open a data connection for `verb` (`RETR x`, `STOR x`, `NLST`) and leave the
    /// transfer to the caller, who ends it with [`Client::expect`] 226.
    ///
    /// # Errors
    /// When the data connection does not come, or does not come from where it must.
    pub fn open(&mut self, mode: Mode, verb: &str) -> Result<Data> {
        let opened = match mode {
            Mode::Pasv | Mode::Epsv => self.open_passive(mode, verb),
            Mode::Port | Mode::Eprt => self.open_active(mode, verb),
        };
        opened.with_context(|| format!("{} for {verb}", mode.name()))
    }

    /// Read a reply and expect this code.
    ///
    /// # Errors
    /// When the reply is another or none.
    pub fn expect(&mut self, code: u16) -> Result<Reply> {
        let reply = self.read_reply()?;
        ensure!(reply.code == code, "expected {code}, the server said {} {}", reply.code, reply.text);
        Ok(reply)
    }

    /// Say goodbye.
    ///
    /// # Errors
    /// When the server does not.
    pub fn quit(mut self) -> Result {
        self.command("QUIT", 221)?;
        Ok(())
    }

    fn download(&mut self, mode: Mode, path: &str) -> Result<(Transfer, Vec<u8>)> {
        let start = Instant::now();
        let mut data = self.open(mode, &format!("RETR {path}"))?;
        let mut bytes = Vec::new();
        let end = data.stream.read_to_end(&mut bytes);
        end.with_context(|| format!("{} download stopped after {} bytes", mode.name(), bytes.len()))?;
        let peer = data.peer;
        drop(data);
        self.expect(226)?;
        let took = start.elapsed();
        let mut hash = Hash::default();
        hash.update(&bytes);
        Ok((Transfer { peer, bytes: bytes.len(), sha256: hash.finish(), took }, bytes))
    }

    fn open_passive(&mut self, mode: Mode, verb: &str) -> Result<Data> {
        let peer = if mode == Mode::Pasv {
            pasv_address(&self.command("PASV", 227)?.text)?
        } else {
            SocketAddr::new(self.server.ip(), epsv_port(&self.command("EPSV", 229)?.text)?)
        };
        ensure!(peer.ip() == self.server.ip(), "the reply points to {peer}, not to {}", self.server.ip());
        let stream = connect(self.local, peer).with_context(|| format!("data connection to {peer}"))?;
        self.command(verb, 150)?;
        Ok(Data { stream, peer })
    }

    fn open_active(&mut self, mode: Mode, verb: &str) -> Result<Data> {
        let listener = TcpListener::bind((self.local, 0))?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        self.command(&active_command(mode, local)?, 200)?;
        self.command(verb, 150)?;
        let (stream, peer) = eventually("the server's data connection", PATIENCE, || Ok(listener.accept()?))?;
        stream.set_nonblocking(false)?;
        set_limits(&stream)?;
        let expected = SocketAddr::new(self.server.ip(), self.server.port() - 1);
        ensure!(peer == expected, "data comes from {peer}, not from {expected}");
        Ok(Data { stream, peer })
    }

    fn send(&mut self, line: &str) -> Result {
        self.control.write_all(format!("{line}\r\n").as_bytes()).with_context(|| line.to_owned())
    }

    /// RFC 959 section 4.2: `220-text` ... `220 text`.
    fn read_reply(&mut self) -> Result<Reply> {
        let first = self.read_line()?;
        let code = first.get(..3).and_then(|code| code.parse().ok());
        let code: u16 = code.with_context(|| format!("not a reply: {first:?}"))?;
        let mut text = first.get(4..).unwrap_or_default().to_owned();
        if first.get(3..4) == Some("-") {
            let last = format!("{code} ");
            loop {
                let line = self.read_line()?;
                text.push('\n');
                text.push_str(line.strip_prefix(&last).unwrap_or(&line));
                if line.starts_with(&last) {
                    break;
                }
            }
        }
        Ok(Reply { code, text })
    }

    fn read_line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let mut buffer = [0; 1024];
            match self.control.read(&mut buffer).context("waiting for a reply")? {
                0 => bail!("the server closed the control connection"),
                length => self.unread.extend(buffer.iter().take(length)),
            }
        }
    }
}

/// A TCP connection from `local` to `peer`, with limits on everything.
///
/// # Errors
/// When it is refused, or nobody answers within [`PATIENCE`].
pub fn connect(local: IpAddr, peer: SocketAddr) -> Result<TcpStream> {
    connect_within(local, peer, PATIENCE)
}

/// As [`connect`], with a limit of one's own. The cause tells refusal from silence.
///
/// # Errors
/// When it is refused, or nobody answers in time.
pub fn connect_within(local: IpAddr, peer: SocketAddr, limit: Duration) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(local, 0).into()).with_context(|| format!("source address {local}"))?;
    socket.connect_timeout(&peer.into(), limit)?;
    let stream = TcpStream::from(socket);
    set_limits(&stream)?;
    Ok(stream)
}

fn set_limits(stream: &TcpStream) -> Result {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(())
}

fn active_command(mode: Mode, local: SocketAddr) -> Result<String> {
    let (address, port) = (local.ip(), local.port());
    Ok(match (mode, address) {
        (Mode::Port, IpAddr::V4(v4)) => {
            let [a, b, c, d] = v4.octets();
            let [high, low] = port.to_be_bytes();
            format!("PORT {a},{b},{c},{d},{high},{low}")
        }
        (_, IpAddr::V4(v4)) => format!("EPRT |1|{v4}|{port}|"),
        (Mode::Port, IpAddr::V6(_)) => bail!("PORT knows no IPv6"),
        (_, IpAddr::V6(v6)) => format!("EPRT |2|{v6}|{port}|"),
    })
}

/// `Entering Passive Mode (198,51,100,21,39,16).`
fn pasv_address(text: &str) -> Result<SocketAddr> {
    let inner = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inner, _)| inner);
    let inner = inner.with_context(|| format!("no address in {text:?}"))?;
    let numbers = inner.split(',').map(|number| number.trim().parse()).collect::<Result<Vec<u8>, _>>();
    let numbers = numbers.with_context(|| format!("no address in {text:?}"))?;
    let [a, b, c, d, high, low] = numbers[..] else { bail!("no address in {text:?}") };
    Ok(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
}

/// `Entering Extended Passive Mode (|||10000|)`
fn epsv_port(text: &str) -> Result<u16> {
    let inner = text.split_once("(|||").and_then(|(_, rest)| rest.split_once("|)"));
    let (port, _) = inner.with_context(|| format!("no port in {text:?}"))?;
    port.parse().with_context(|| format!("no port in {text:?}"))
}

#[cfg(test)]
mod tests;
