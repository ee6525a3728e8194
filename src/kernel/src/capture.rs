//! A packet socket: what passes an interface, in both directions, as it is on the wire.
//!
//! This is the one place with `unsafe` code: rustix knows no address of packet(7). Nothing is sent.
#![expect(unsafe_code, reason = "the address of a packet socket is put into its C form here")]

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netdevice, recv, socket_with};

/// `ETH_P_ALL` (linux/if_ether.h).
const EVERY_PROTOCOL: u16 = 3;
/// Length of `struct sockaddr_ll`.
const ADDRESS: SocketAddrLen = 20;

/// A socket that hears one interface.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

/// `struct sockaddr_ll` (packet(7)).
#[repr(C)]
struct LinkAddress {
    family: u16,
    /// In network order.
    protocol: u16,
    index: i32,
    /// Kind of hardware, kind of packet, length and bytes of the address: not needed to listen.
    rest: [u8; 12],
}

// SAFETY: the pointer is to all of a live `struct sockaddr_ll`, and the length is its length.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(std::ptr::from_ref(self).cast(), ADDRESS)
    }
}

impl PacketSocket {
    /// Listens to a device, by the kernel's name.
    ///
    /// # Errors
    /// There is no such device, or the caller lacks `CAP_NET_RAW`.
    pub fn open(device: &str) -> io::Result<Self> {
        // Protocol 0 hears nothing until the interface is chosen.
        let fd = socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        let index = i32::try_from(netdevice::name_to_index(&fd, device)?).map_err(io::Error::other)?;
        let family = AddressFamily::PACKET.as_raw();
        bind(&fd, &LinkAddress { family, protocol: EVERY_PROTOCOL.to_be(), index, rest: [0; 12] })?;
        Ok(Self(fd))
    }

    /// The next frame within this time: its first bytes into `room`; how many those are, and how
    /// many it had.
    ///
    /// # Errors
    /// The device is gone or down.
    pub fn next(&self, room: &mut [u8], within: Duration) -> io::Result<Option<(usize, usize)>> {
        let within = rustix::time::Timespec::try_from(within).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&within)) {
            // A signal of the process, such as a child's end, may reach any thread.
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match recv(&self.0, room, RecvFlags::TRUNC) {
            Ok((kept, length)) => Ok(Some((kept, length))),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_has_the_layout_of_the_kernels() {
        assert_eq!(size_of::<LinkAddress>(), ADDRESS as usize);
        assert_eq!(std::mem::offset_of!(LinkAddress, index), 4);
    }

    #[test]
    fn what_the_box_says_to_itself_is_heard() {
        let socket = match PacketSocket::open("lo") {
            Ok(socket) => socket,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                println!("SKIPPED: no packet sockets here: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("there is a loopback");
        sender.send_to(b"heard by mark21", sender.local_addr().expect("bound")).expect("sent");
        let mut room = [0; 256];
        let heard = (0..100).any(|_| {
            let next = socket.next(&mut room, Duration::from_millis(200)).expect("lo stays");
            next.is_some_and(|(kept, _)| room[..kept].ends_with(b"heard by mark21"))
        });
        assert!(heard);
        assert!(PacketSocket::open("no-such-device").is_err());
    }
}
