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

/// What the socket may hold of unread answers. A refusal takes less than 1 KiB
/// of the kernel's memory, see [`Link::outstanding`].
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
        let socket =
            NlSocket::connect(NlFamily::Generic, None, Groups::empty()).map_err(LinkError::Socket)?;
        let mut link = Self {
            socket,
            family_id: 0,
            sequence: 0,
            timeout,
            outstanding: 1,
            received: vec![0; RECEIVE_ROOM],
        };
        link.set_up().map_err(|errno| LinkError::Socket(errno.into()))?;
        link.family_id = link.ask_family_id()?;
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
        match self.socket.send(bytes, Msg::empty()) {
            Ok(sent) if sent == bytes.len() => Ok(()),
            Ok(_) => Err(LinkError::Send(io::ErrorKind::WriteZero.into())),
            Err(error) => Err(LinkError::Send(error)),
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
        // A refusal repeats the request: up to 200 bytes, which the kernel rounds
        // up to 512, with another 256 for its own bookkeeping.
        self.outstanding = (sockopt::socket_recv_buffer_size(fd)? / 1024).max(1);
        Ok(())
    }

    fn ask_family_id(&mut self) -> Result<u16, OpenError> {
        let sequence = self.next_sequence();
        self.send(&family_request(sequence)?)?;
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
fn family_request(sequence: u32) -> Result<Vec<u8>, LinkError> {
    let build = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let name = NlattrBuilder::default()
            .nla_type(AttrTypeBuilder::default().nla_type(CtrlAttr::FamilyName).build()?)
            .nla_payload(IPVS_GENL_NAME)
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
