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
        let most = link.outstanding();
        let header = || Header { family_id: link.family_id(), sequence: link.next_sequence() };
        let load = Load::fill(header, most, requests, next, &mut refused);
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
    refused.sort_unstable_by_key(|refusal| refusal.index);
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
    /// Takes requests from the one at `from` on, as many as go out at once but no more than `most`.
    fn fill(
        mut header: impl FnMut() -> Header,
        most: usize,
        requests: &[Request],
        from: usize,
        refused: &mut Vec<Refusal>,
    ) -> Self {
        let mut load = Self { bytes: Vec::with_capacity(LOAD), sent: Vec::new(), end: requests.len() };
        for (index, request) in requests.iter().enumerate().skip(from) {
            if load.sent.len() >= most {
                load.end = index;
                break;
            }
            let start = load.bytes.len();
            let header = header();
            if let Err(value) = wire::encode(header, request, &mut load.bytes) {
                let error = RequestError::of(request, Failure::Value(value));
                refused.push(Refusal { index, error });
                continue;
            }
            if load.bytes.len() > LOAD - FENCE {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{ForwardingMethod, RealServer, RealServerId, ServiceId, Timeouts};

    /// All loads of a list, and the places of those requests that cannot be sent.
    fn loads(requests: &[Request], most: usize) -> (Vec<Load>, Vec<usize>) {
        let (mut loads, mut refused, mut sequence, mut next) = (Vec::new(), Vec::new(), 0, 0);
        while next < requests.len() {
            let header = || {
                sequence += 1;
                Header { family_id: 32, sequence }
            };
            let load = Load::fill(header, most, requests, next, &mut refused);
            assert!(load.end > next, "a load takes at least one request");
            next = load.end;
            loads.push(load);
        }
        (loads, refused.iter().map(|refusal| refusal.index).collect())
    }

    fn server(port: u16) -> Request {
        let server = RealServer::new(RealServerId::new([10, 0, 0, 11], port), ForwardingMethod::Masquerade);
        Request::AddRealServer(ServiceId::tcp([192, 0, 2, 10], 21), server)
    }

    #[test]
    fn every_request_goes_out_once_and_in_order() {
        let impossible = Request::SetTimeouts(Timeouts { tcp: Some(Duration::ZERO), ..Timeouts::default() });
        let mut requests: Vec<_> = (0..2000).map(server).collect();
        for place in [0, 7, 1999] {
            requests[place] = impossible;
        }
        for (most, least_loads) in [(1, 1997), (10, 200), (usize::MAX, 5)] {
            let (loads, refused) = loads(&requests, most);
            assert!(loads.len() >= least_loads, "{} loads of at most {most}", loads.len());
            assert_eq!(refused, [0, 7, 1999]);
            let sent: Vec<_> = loads.iter().flat_map(|load| &load.sent).map(|(_, index)| *index).collect();
            let expected: Vec<_> = (0..2000).filter(|index| !refused.contains(index)).collect();
            assert_eq!(sent, expected);
            for load in &loads {
                assert!(load.sent.len() <= most && load.bytes.len() + FENCE <= LOAD);
                let messages: Vec<_> =
                    wire::messages(&load.bytes).map(|message| message.expect("whole").sequence).collect();
                assert_eq!(messages, load.sent.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>());
            }
        }
    }
}
