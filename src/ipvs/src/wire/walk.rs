//! From message to message and from attribute to attribute. Nothing here trusts a length.

use neli::consts::nl::Nlmsg;
use rustix::io::Errno;

use super::{DecodeError, GENL_HDRLEN, NLA_HDRLEN, NLA_TYPE_MASK, NLMSG_HDRLEN, align};

/// One netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its type: a family's number, or one of netlink's own.
    pub kind: u16,
    /// The sequence number of the request that it answers.
    pub sequence: u32,
    /// What follows netlink's header.
    pub payload: &'a [u8],
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// A part of what was asked.
    Data {
        /// The command in which it is reported.
        command: u8,
        /// Its attributes.
        attributes: &'a [u8],
    },
    /// The request was done.
    Acknowledged,
    /// There is nothing more of what was asked.
    Done,
    /// The request was refused.
    Refused(Errno),
    /// Nothing.
    Nothing,
    /// Answers were lost.
    Overrun,
}

impl<'a> Message<'a> {
    /// Tells what the message says.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn answer(&self) -> Result<Answer<'a>, DecodeError> {
        if self.kind == u16::from(Nlmsg::Error) {
            return Ok(match self.status()? {
                None => Answer::Acknowledged,
                Some(errno) => Answer::Refused(errno),
            });
        }
        if self.kind == u16::from(Nlmsg::Done) {
            return Ok(match self.status() {
                Ok(Some(errno)) => Answer::Refused(errno),
                // Old kernels send no status.
                Ok(None) | Err(_) => Answer::Done,
            });
        }
        if self.kind == u16::from(Nlmsg::Noop) {
            return Ok(Answer::Nothing);
        }
        if self.kind == u16::from(Nlmsg::Overrun) {
            return Ok(Answer::Overrun);
        }
        let command = *self.payload.first().ok_or(DecodeError::Truncated)?;
        let attributes = self.payload.get(GENL_HDRLEN..).ok_or(DecodeError::Truncated)?;
        Ok(Answer::Data { command, attributes })
    }

    /// The number that an error or the end of a dump begins with: 0, or an error number, negative.
    fn status(&self) -> Result<Option<Errno>, DecodeError> {
        let bytes = self.payload.first_chunk::<4>().ok_or(DecodeError::Truncated)?;
        match i32::from_ne_bytes(*bytes) {
            0 => Ok(None),
            // The kernel's own bound, MAX_ERRNO; others make Errno panic.
            number @ -4095..0 => Ok(Some(Errno::from_raw_os_error(-number))),
            number => Err(DecodeError::ErrorNumber(number)),
        }
    }
}

/// Walks what was received at once.
pub fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages { rest: bytes }
}

/// Messages one after another; ends after the first that is cut off.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.rest);
        let length = match number32(bytes, 0).map(usize::try_from) {
            Some(Ok(length)) => length,
            Some(Err(_)) | None => return Some(Err(DecodeError::Truncated)),
        };
        let (Some(kind), Some(sequence), Some(payload)) =
            (number16(bytes, 4), number32(bytes, 8), bytes.get(NLMSG_HDRLEN..length))
        else {
            return Some(Err(DecodeError::Truncated));
        };
        self.rest = bytes.get(align(length)..).unwrap_or_default();
        Some(Ok(Message { kind, sequence, payload }))
    }
}

/// Walks attributes, at the top level or within one.
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

/// Attributes one after another, number and payload; ends after the first that is cut off.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.rest);
        let (Some(length), Some(kind)) = (number16(bytes, 0).map(usize::from), number16(bytes, 2)) else {
            return Some(Err(DecodeError::Truncated));
        };
        let Some(payload) = bytes.get(NLA_HDRLEN..length) else {
            return Some(Err(DecodeError::Truncated));
        };
        self.rest = bytes.get(align(length)..).unwrap_or_default();
        Some(Ok((kind & NLA_TYPE_MASK, payload)))
    }
}

fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}
