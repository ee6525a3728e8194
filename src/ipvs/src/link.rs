//! The socket: opened, given timeouts and room, and asked for the family's number.
//!
//! neli makes the socket and the controller's request. Receiving is done here
//! because neli does not tell who sent a message, and any local process may
//! send to a netlink socket: what does not come from port id 0, the kernel, is
//! passed over.

use std::io::{self, Cursor};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use neli::ToBytes;
use neli::consts::genl::{CtrlAttr, CtrlCmd};
use neli::consts::nl::{GenlId, NlmF};
use neli::consts::socket::{Msg, NlFamily};
use neli::genl::{AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, NlattrBuilder, NoUserHeader};
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::socket::NlSocket;
use neli::types::GenlBuffer;
use neli::utils::Groups;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, sockopt};

use crate::constants::{IPVS_GENL_NAME, IPVS_GENL_VERSION};
use crate::error::{LinkError, OpenError};
use crate::wire::{self, Answer};

/// Room for what is received at once. The kernel fills at most 32 KiB of it,
/// and fills that much only when it has seen a larger room before.
const RECEIVE_ROOM: usize = 64 * 1024;

/// What the socket may hold of unread answers; the kernel doubles it.
const SOCKET_ROOM: usize = 1024 * 1024;

/// A netlink socket and the family's number.
pub(crate) struct Link {
    socket: NlSocket,
    family_id: u16,
    sequence: u32,
    timeout: Duration,
    outstanding: usize,
    received: Vec<u8>,
}

impl Link {
    pub(crate) fn open(timeout: Duration) -> Result<Self, OpenError> {
        let mut link = Self::connect(timeout)?;
        link.family_id = link.ask_family_id(IPVS_GENL_NAME)?;
        Ok(link)
    }

    /// A socket that has not asked for the family's number yet.
    fn connect(timeout: Duration) -> Result<Self, LinkError> {
        let socket =
            NlSocket::connect(NlFamily::Generic, None, Groups::empty()).map_err(LinkError::Socket)?;
        let received = vec![0; RECEIVE_ROOM];
        let mut link = Self { socket, family_id: 0, sequence: 0, timeout, outstanding: 1, received };
        link.set_up().map_err(|errno| LinkError::Socket(errno.into()))?;
        Ok(link)
    }

    pub(crate) fn family_id(&self) -> u16 {
        self.family_id
    }

    /// How many requests may be refused at once without an answer being lost.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// A number for the next request; never 0, which the kernel uses for what nobody asked.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.sequence
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), LinkError> {
        loop {
            match self.socket.send(bytes, Msg::empty()) {
                Ok(sent) if sent == bytes.len() => return Ok(()),
                Ok(_) => return Err(LinkError::Send(io::ErrorKind::WriteZero.into())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(LinkError::Timeout),
                Err(error) => return Err(LinkError::Send(error)),
            }
        }
    }

    /// Sends requests with a fence behind them and waits until all are done.
    ///
    /// Tells of each refused one its sequence number and why.
    pub(crate) fn deliver(
        &mut self,
        mut bytes: Vec<u8>,
        mut refused: impl FnMut(u32, Errno),
    ) -> Result<(), LinkError> {
        let fence = self.next_sequence();
        wire::encode_fence(fence, &mut bytes);
        self.send(&bytes)?;
        loop {
            for message in wire::messages(self.receive()?) {
                let message = message.map_err(LinkError::Decode)?;
                match message.answer().map_err(LinkError::Decode)? {
                    Answer::Acknowledged if message.sequence == fence => return Ok(()),
                    Answer::Refused(errno) => refused(message.sequence, errno),
                    Answer::Overrun => return Err(LinkError::AnswersLost),
                    Answer::Acknowledged | Answer::Data { .. } | Answer::Done | Answer::Nothing => {}
                }
            }
        }
    }

    /// Waits for the kernel's next messages.
    pub(crate) fn receive(&mut self) -> Result<&[u8], LinkError> {
        let deadline = Instant::now() + self.timeout;
        let length = loop {
            let fd = borrow(&self.socket);
            match rustix::net::recvfrom(fd, self.received.as_mut_slice(), RecvFlags::TRUNC) {
                Ok((_, length, sender)) => {
                    let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
                    if sender.is_some_and(|sender| sender.pid() == 0) {
                        break length;
                    }
                    // Somebody who is not the kernel must not keep us here either.
                    if Instant::now() >= deadline {
                        return Err(LinkError::Timeout);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(LinkError::Timeout),
                Err(Errno::NOBUFS) => return Err(LinkError::AnswersLost),
                Err(errno) => return Err(LinkError::Receive(errno.into())),
            }
        };
        self.received.get(..length).ok_or(LinkError::Oversized { length })
    }

    fn set_up(&mut self) -> Result<(), Errno> {
        let fd = borrow(&self.socket);
        sockopt::set_socket_timeout(fd, sockopt::Timeout::Recv, Some(self.timeout))?;
        sockopt::set_socket_timeout(fd, sockopt::Timeout::Send, Some(self.timeout))?;
        // Root may go beyond the system's limit; others take what they get.
        if sockopt::set_socket_recv_buffer_size_force(fd, SOCKET_ROOM).is_err() {
            sockopt::set_socket_recv_buffer_size(fd, SOCKET_ROOM)?;
        }
        // A refusal repeats the request: up to 200 bytes, which become 512 or 1024
        // with the kernel's bookkeeping in them, and 256 of it beside them.
        self.outstanding = (sockopt::socket_recv_buffer_size(fd)? / 2048).max(1);
        Ok(())
    }

    fn ask_family_id(&mut self, name: &str) -> Result<u16, OpenError> {
        let sequence = self.next_sequence();
        self.send(&family_request(name, sequence)?)?;
        loop {
            for message in wire::messages(self.receive()?) {
                let message = message.map_err(LinkError::Decode)?;
                if message.sequence != sequence {
                    continue;
                }
                match message.answer().map_err(LinkError::Decode)? {
                    Answer::Data { attributes, .. } => {
                        return Ok(wire::decode_family_id(attributes).map_err(LinkError::Decode)?);
                    }
                    Answer::Refused(Errno::NOENT) => return Err(OpenError::FamilyMissing),
                    Answer::Refused(errno) => return Err(LinkError::Refused(errno).into()),
                    Answer::Overrun => return Err(LinkError::AnswersLost.into()),
                    Answer::Acknowledged | Answer::Done | Answer::Nothing => {}
                }
            }
        }
    }
}

fn borrow(socket: &NlSocket) -> BorrowedFd<'_> {
    // SAFETY: the socket owns this descriptor and closes it when it is dropped,
    // which the borrow of the socket keeps from happening.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}

/// Asks the controller for the family by its name.
fn family_request(name: &str, sequence: u32) -> Result<Vec<u8>, LinkError> {
    let build = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let name = NlattrBuilder::default()
            .nla_type(AttrTypeBuilder::default().nla_type(CtrlAttr::FamilyName).build()?)
            .nla_payload(name)
            .build()?;
        let payload: Genlmsghdr<CtrlCmd, CtrlAttr, NoUserHeader> = GenlmsghdrBuilder::default()
            .cmd(CtrlCmd::Getfamily)
            .version(IPVS_GENL_VERSION)
            .attrs([name].into_iter().collect::<GenlBuffer<_, _>>())
            .build()?;
        let message = NlmsghdrBuilder::default()
            .nl_type(GenlId::Ctrl)
            .nl_flags(NlmF::REQUEST)
            .nl_seq(sequence)
            .nl_payload(NlPayload::Payload(payload))
            .build()?;
        let mut bytes = Cursor::new(Vec::new());
        message.to_bytes(&mut bytes)?;
        Ok(bytes.into_inner())
    };
    build().map_err(|error| LinkError::Send(io::Error::other(error.to_string())))
}

#[cfg(test)]
mod tests {
    use rustix::net::SendFlags;

    use super::*;

    /// The controller's own name and number, which every Linux has.
    const CONTROLLER: (&str, u16) = ("nlctrl", 16);

    #[test]
    fn a_family_is_found_by_its_name() {
        let mut link = Link::connect(Duration::from_secs(5)).expect("a netlink socket");
        assert_eq!(link.ask_family_id(CONTROLLER.0).expect("found"), CONTROLLER.1);
        let missing = link.ask_family_id("no-such-family");
        assert!(matches!(missing, Err(OpenError::FamilyMissing)), "{missing:?}");
    }

    #[test]
    fn what_another_process_sends_is_passed_over() {
        let mut link = Link::connect(Duration::from_secs(5)).expect("a netlink socket");
        let stranger = Link::connect(Duration::from_secs(5)).expect("a netlink socket");
        // A refusal of the request that will be sent next.
        let mut forged = family_request("forged", link.sequence + 1).expect("encoded");
        forged[4..6].copy_from_slice(&2u16.to_ne_bytes());
        forged[16..20].copy_from_slice(&(-1i32).to_ne_bytes());
        let victim = SocketAddrNetlink::new(link.socket.pid().expect("bound"), 0);
        match rustix::net::sendto(borrow(&stranger.socket), &forged, SendFlags::empty(), &victim) {
            Err(Errno::PERM) => return eprintln!("SKIPPED: only root sends to others"),
            sent => assert!(sent.is_ok(), "{sent:?}"),
        }
        assert_eq!(link.ask_family_id(CONTROLLER.0).expect("not the forged refusal"), CONTROLLER.1);
    }

    #[test]
    fn a_fence_is_answered_even_where_no_request_is() {
        let mut link = Link::connect(Duration::from_secs(5)).expect("a netlink socket");
        let mut refused = Vec::new();
        link.deliver(Vec::new(), |sequence, errno| refused.push((sequence, errno))).expect("answered");
        assert_eq!(refused, []);
        let bytes = family_request("no-such-family", 100).expect("encoded");
        link.deliver(bytes, |sequence, errno| refused.push((sequence, errno))).expect("answered");
        assert_eq!(refused, [(100, Errno::NOENT)]);
    }

    #[test]
    fn a_kernel_that_says_nothing_is_waited_for_no_longer_than_the_timeout() {
        let mut link = Link::connect(Duration::from_millis(50)).expect("a netlink socket");
        let begin = Instant::now();
        assert!(matches!(link.receive(), Err(LinkError::Timeout)));
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_timeout_of_0_is_refused() {
        assert!(matches!(Link::connect(Duration::ZERO), Err(LinkError::Socket(_))));
    }

    #[test]
    fn sequence_numbers_wrap_past_0() {
        let mut link = Link::connect(Duration::from_secs(5)).expect("a netlink socket");
        link.sequence = u32::MAX - 1;
        assert_eq!([link.next_sequence(), link.next_sequence()], [u32::MAX, 1]);
    }
}
