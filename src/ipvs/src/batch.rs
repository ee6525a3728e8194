//! Many requests in few system calls.
//!
//! The kernel does all messages of one `sendmsg` in order before that returns,
//! and answers a refused one whether it was asked to or not. So none of them
//! asks for an acknowledgement, and a fence behind them does (see
//! [`wire::encode_fence`]). A load of 500 requests that all succeed costs one
//! send and one receive.

use crate::Request;
use crate::error::{ApplyError, Failure, LinkError, Refusal, RequestError};
use crate::link::Link;
use crate::wire::{self, Header};

/// Bytes in one `sendmsg`. More saves nothing, and the kernel copies a load into one piece of memory.
const LOAD: usize = 64 * 1024;

/// Bytes of the fence.
const FENCE: usize = 16;

pub(crate) fn apply(link: &mut Link, requests: &[Request]) -> Result<(), ApplyError> {
    let mut refused = Vec::new();
    let mut next = 0;
    while next < requests.len() {
        let load = Load::fill(link, requests, next, &mut refused);
        let answered = next;
        next = load.end;
        if let Err(source) = load.exchange(link, requests, &mut refused) {
            refused.retain(|refusal: &Refusal| refusal.index < answered);
            return Err(ApplyError::Link { answered, refused, source });
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    refused.sort_by_key(|refusal| refusal.index);
    Err(ApplyError::Refused(refused))
}

/// What goes out at once.
struct Load {
    bytes: Vec<u8>,
    /// For each message its sequence number and the place of its request.
    sent: Vec<(u32, usize)>,
    /// The place of the first request that is not in it.
    end: usize,
}

impl Load {
    fn fill(link: &mut Link, requests: &[Request], from: usize, refused: &mut Vec<Refusal>) -> Self {
        let mut load = Self { bytes: Vec::with_capacity(LOAD), sent: Vec::new(), end: requests.len() };
        for (index, request) in requests.iter().enumerate().skip(from) {
            let start = load.bytes.len();
            let header = Header { family_id: link.family_id(), sequence: link.next_sequence() };
            if let Err(value) = wire::encode(header, request, &mut load.bytes) {
                let error = RequestError::of(request, Failure::Value(value));
                refused.push(Refusal { index, error });
                continue;
            }
            if load.bytes.len() > LOAD - FENCE || load.sent.len() >= link.outstanding() {
                load.bytes.truncate(start);
                load.end = index;
                break;
            }
            load.sent.push((header.sequence, index));
        }
        load
    }

    fn exchange(
        self,
        link: &mut Link,
        requests: &[Request],
        refused: &mut Vec<Refusal>,
    ) -> Result<(), LinkError> {
        if self.sent.is_empty() {
            return Ok(());
        }
        link.deliver(self.bytes, |sequence, errno| {
            let sent = self.sent.iter().find(|(sent, _)| *sent == sequence);
            let Some(&(_, index)) = sent else { return };
            if let Some(request) = requests.get(index) {
                let error = RequestError::of(request, Failure::Errno(errno));
                refused.push(Refusal { index, error });
            }
        })
    }
}
