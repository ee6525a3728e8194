//! What is asked of the helper and what it answers, in octets: fixed fields, then texts that end
//! with a zero.

use std::time::Duration;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    /// Comes back with the result.
    pub(crate) id: u64,
    /// Jobs of one lane run one after the other, in order.
    pub(crate) lane: u64,
    pub(crate) timeout: Duration,
    /// User name; empty for the helper's own.
    pub(crate) user: String,
    /// Program and arguments, the file to read, or the interface's number.
    pub(crate) words: Vec<String>,
}

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Run; nobody waits for the result.
    Notify,
    /// Run; the exit status is the result.
    Script,
    /// Read a number from a file.
    Read,
    /// Delete the interface with this number.
    DeleteLink,
}

/// Lanes of scripts and files, apart from those of routers and groups.
const TRACK_LANES: u64 = 1 << 63;

impl Job {
    pub(crate) fn notify(lane: usize, timeout: Duration, user: Option<&str>, words: Vec<String>) -> Job {
        let lane = u64::try_from(lane).unwrap_or(0);
        Job { kind: Kind::Notify, id: 0, lane, timeout, user: user.unwrap_or("").to_owned(), words }
    }

    pub(crate) fn script(id: u64, timeout: Duration, user: Option<&str>, words: Vec<String>) -> Job {
        let user = user.unwrap_or("").to_owned();
        Job { kind: Kind::Script, id, lane: TRACK_LANES | id, timeout, user, words }
    }

    pub(crate) fn read(id: u64, path: &str) -> Job {
        let words = vec![path.to_owned()];
        Job {
            kind: Kind::Read,
            id,
            lane: TRACK_LANES | id,
            timeout: Duration::ZERO,
            user: String::new(),
            words,
        }
    }

    pub(crate) fn delete_link(number: u32) -> Job {
        let (timeout, user, words) = (Duration::ZERO, String::new(), vec![number.to_string()]);
        Job { kind: Kind::DeleteLink, id: 0, lane: 0, timeout, user, words }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Notify => 1,
            Kind::Script => 2,
            Kind::Read => 3,
            Kind::DeleteLink => 4,
        };
        let millis = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        let mut octets = vec![kind];
        octets.extend(self.id.to_ne_bytes());
        octets.extend(self.lane.to_ne_bytes());
        octets.extend(millis.to_ne_bytes());
        for text in std::iter::once(&self.user).chain(&self.words) {
            octets.extend(text.as_bytes());
            octets.push(0);
        }
        octets
    }

    pub(crate) fn decode(octets: &[u8]) -> Option<Job> {
        let (kind, rest) = octets.split_first()?;
        let kind = match kind {
            1 => Kind::Notify,
            2 => Kind::Script,
            3 => Kind::Read,
            4 => Kind::DeleteLink,
            _ => return None,
        };
        let (id, rest) = rest.split_first_chunk()?;
        let (lane, rest) = rest.split_first_chunk()?;
        let (millis, rest) = rest.split_first_chunk()?;
        let text = std::str::from_utf8(rest.strip_suffix(&[0])?).ok()?;
        let mut texts = text.split('\0').map(str::to_owned);
        let user = texts.next()?;
        let words: Vec<_> = texts.collect();
        (!words.is_empty()).then_some(Job {
            kind,
            id: u64::from_ne_bytes(*id),
            lane: u64::from_ne_bytes(*lane),
            timeout: Duration::from_millis(u64::from(u32::from_ne_bytes(*millis))),
            user,
            words,
        })
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A script ended.
    Script { id: u64, is_success: bool },
    /// A file was read; `None` when there is no number.
    File { id: u64, value: Option<i32> },
    /// Something to log.
    Notify { text: String },
}

impl Reply {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        match self {
            Reply::Script { id, is_success } => {
                octets.push(1);
                octets.extend(id.to_ne_bytes());
                octets.push(u8::from(*is_success));
            }
            Reply::File { id, value } => {
                octets.push(if value.is_some() { 2 } else { 3 });
                octets.extend(id.to_ne_bytes());
                octets.extend(value.unwrap_or(0).to_ne_bytes());
            }
            Reply::Notify { text } => {
                octets.push(4);
                octets.extend(text.as_bytes());
            }
        }
        octets
    }

    pub(crate) fn decode(octets: &[u8]) -> Option<Reply> {
        let (kind, rest) = octets.split_first()?;
        if *kind == 4 {
            return Some(Reply::Notify { text: String::from_utf8_lossy(rest).into_owned() });
        }
        let (id, rest) = rest.split_first_chunk()?;
        let id = u64::from_ne_bytes(*id);
        match kind {
            1 => Some(Reply::Script { id, is_success: *rest.first()? != 0 }),
            2 => Some(Reply::File { id, value: Some(i32::from_ne_bytes(*rest.first_chunk()?)) }),
            3 => Some(Reply::File { id, value: None }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_and_a_reply_arrive_as_they_were_sent() {
        let words = vec![String::from("/bin/echo"), String::new(), String::from("a b")];
        let jobs = [
            Job::notify(7, Duration::from_secs(30), Some("nobody"), words.clone()),
            Job::script(1 << 33, Duration::from_millis(250), None, words),
            Job::read(3, "/run/x"),
            Job::delete_link(u32::MAX),
        ];
        for job in jobs {
            let octets = job.encode();
            assert_eq!(Job::decode(&octets), Some(job.clone()));
            for len in 0..octets.len() {
                assert_ne!(Job::decode(&octets[..len]), Some(job.clone()), "cut at {len}");
            }
        }
        let replies = [
            Reply::Script { id: 9, is_success: true },
            Reply::File { id: 9, value: Some(-3) },
            Reply::File { id: 9, value: None },
            Reply::Notify { text: String::from("too slow") },
        ];
        for reply in replies {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
    }
}
