//! One echo request and its answer, by the kernel's ping sockets (icmp(7)): they need no more than a
//! group that `net.ipv4.ping_group_range` names, and the kernel fills in identifier and checksum.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};

/// What a request carries behind its header, as ping does.
const PAYLOAD: usize = 56;

/// Sends the request of this number and waits for its answer; `None` when none comes in time.
///
/// # Errors
/// There is no way to the host, or the caller's group may not ask.
pub(crate) async fn ask(host: IpAddr, number: u16, patience: Duration) -> io::Result<Option<Duration>> {
    let (family, protocol) = match host {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, Some(protocol))?;
    connect(&socket, &SocketAddr::new(host, 0))?;
    // The standard library's name for a socket of datagrams; nothing of UDP is in it.
    let socket = tokio::net::UdpSocket::from_std(UdpSocket::from(socket))?;
    let begun = Instant::now();
    // A neighbour that is known not to answer is told of here.
    if socket.send(&request(host, number)).await.is_err() {
        tokio::time::sleep(patience).await;
        return Ok(None);
    }
    let answer = async {
        let mut room = [0; 256];
        while let Ok(length) = socket.recv(&mut room).await {
            if is_answer(room.get(..length).unwrap_or_default(), host, number) {
                return;
            }
        }
        // What fails once is no answer.
        std::future::pending::<()>().await;
    };
    Ok(tokio::time::timeout(patience, answer).await.ok().map(|()| begun.elapsed()))
}

/// RFC 792, RFC 4443 section 4.1.
fn request(host: IpAddr, number: u16) -> Vec<u8> {
    let mut bytes = vec![if host.is_ipv4() { 8 } else { 128 }, 0, 0, 0, 0, 0];
    bytes.extend(number.to_be_bytes());
    bytes.resize(bytes.len() + PAYLOAD, b'.');
    bytes
}

fn is_answer(bytes: &[u8], host: IpAddr, number: u16) -> bool {
    bytes.first() == Some(&if host.is_ipv4() { 0 } else { 129 })
        && bytes.get(6..8) == Some(&number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_the_request_counts() {
        for (host, reply) in [("192.0.2.1", 0), ("2001:db8::1", 129)] {
            let host: IpAddr = host.parse().expect("an address");
            let mut bytes = request(host, 258);
            assert_eq!(bytes.get(6..8), Some(&[1, 2][..]));
            assert!(!is_answer(&bytes, host, 258), "its own request");
            if let Some(kind) = bytes.first_mut() {
                *kind = reply;
            }
            assert!(is_answer(&bytes, host, 258) && !is_answer(&bytes, host, 259));
            assert!(!(0..8).any(|length| is_answer(bytes.get(..length).unwrap_or_default(), host, 258)));
        }
    }
}
