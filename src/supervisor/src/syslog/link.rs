//! One server's socket: a datagram a line (RFC 5426), or a stream with octet counting (RFC 6587
//! section 3.4.1).

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use mark21_config::{SyslogProtocol, SyslogServer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

/// Unacknowledged bytes break a connection after so long.
pub(super) const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// A connection stands within this time, or not.
const CONNECT: Duration = Duration::from_secs(10);
/// After so many datagrams there is a pause: a receiver's buffer holds a few hundred.
const DATAGRAMS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(50);

/// The socket.
#[derive(Debug)]
pub(super) enum Link {
    Udp { socket: UdpSocket, sent: u32 },
    Tcp(TcpStream),
}

impl Link {
    /// # Errors
    /// There is no way there, or nobody listens.
    pub(super) async fn connect(server: &SyslogServer) -> io::Result<Self> {
        let there = SocketAddr::new(server.address, server.port);
        match server.protocol {
            SyslogProtocol::Udp => {
                let any: IpAddr =
                    if there.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let socket = UdpSocket::bind((any, 0)).await?;
                socket.connect(there).await?;
                Ok(Self::Udp { socket, sent: 0 })
            }
            SyslogProtocol::Tcp => {
                let connected = tokio::time::timeout(CONNECT, TcpStream::connect(there)).await;
                let stream = connected.map_err(|_| io::ErrorKind::TimedOut)??;
                let limit = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
                rustix::net::sockopt::set_tcp_user_timeout(&stream, limit)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    /// # Errors
    /// The connection is broken, or the server told that nobody listens.
    pub(super) async fn send(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Udp { socket, sent } => {
                socket.send(line.as_bytes()).await?;
                *sent += 1;
                if sent.is_multiple_of(DATAGRAMS) {
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            }
            Self::Tcp(stream) => stream.write_all(format!("{} {line}", line.len()).as_bytes()).await,
        }
    }

    /// Waits for the end of the connection. A server has nothing to say; what it says is dropped.
    pub(super) async fn closed(&mut self) -> io::Result<Infallible> {
        let mut buffer = [0; 256];
        loop {
            match self {
                Self::Udp { socket, .. } => drop(socket.recv(&mut buffer).await?),
                Self::Tcp(stream) => {
                    stream.readable().await?;
                    match stream.try_read(&mut buffer) {
                        Ok(0) => return Err(io::Error::other("the server has closed the connection")),
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                        Ok(_) | Err(_) => {}
                    }
                }
            }
        }
    }
}
