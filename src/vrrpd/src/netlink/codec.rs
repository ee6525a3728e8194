//! Netlink messages and attributes in octets: written to a buffer, or walked in one.

/// The last message of a dump.
pub(super) const DONE: u16 = 3;
/// An error, or an acknowledgement with error 0.
pub(super) const ERROR: u16 = 2;
/// `RTM_GETLINK`
pub(super) const GET_LINK: u16 = libc::RTM_GETLINK;
/// `RTM_GETADDR`
pub(super) const GET_ADDRESS: u16 = libc::RTM_GETADDR;

/// Octets of `struct nlmsghdr`.
const HEADER: usize = 16;
/// `NLM_F_DUMP_INTR`: the table changed while it was dumped.
const INTERRUPTED: u16 = 0x10;
/// `NLA_TYPE_MASK`: the rest are flags.
const TYPE_MASK: u16 = 0x3fff;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;

/// One message of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// `RTM_NEWLINK` and so on.
    pub(super) kind: u16,
    flags: u16,
    /// The request's number.
    pub(super) sequence: u32,
    /// What follows the header.
    pub(super) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The negative error number of an error message.
    pub(super) fn error(&self) -> Option<i32> {
        (self.kind == ERROR).then_some(i32::from_ne_bytes(*self.body.first_chunk()?))
    }

    /// The dump that this belongs to is not consistent.
    pub(super) const fn was_interrupted(&self) -> bool {
        self.flags & INTERRUPTED != 0
    }

    /// The attributes after a fixed part of `len` octets.
    pub(super) fn attributes(&self, len: usize) -> Attributes<'a> {
        Attributes { rest: self.body.get(len..).unwrap_or_default() }
    }
}

/// The messages of a datagram. Ends at the first that is cut.
pub(super) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Messages<'a> {
        Messages { rest: octets }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header: &[u8; HEADER] = self.rest.first_chunk()?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let body = self.rest.get(HEADER..len)?;
        self.rest = self.rest.get(align(len)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            body,
        })
    }
}

/// The attributes that an attribute holds.
pub(super) fn attributes(content: &[u8]) -> Attributes<'_> {
    Attributes { rest: content }
}

/// Attributes: type and content. Ends at the first that is cut.
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let [l0, l1, t0, t1] = *self.rest.first_chunk()?;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let content = self.rest.get(4..len)?;
        self.rest = self.rest.get(align(len)..).unwrap_or_default();
        Some((u16::from_ne_bytes([t0, t1]) & TYPE_MASK, content))
    }
}

const fn align(len: usize) -> usize {
    len.saturating_add(3) & !3
}

/// Writes messages one after the other.
#[derive(Debug, Default)]
pub(super) struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    /// Takes out the first `len` octets.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        let rest = self.octets.split_off(len.min(self.octets.len()));
        std::mem::replace(&mut self.octets, rest)
    }

    /// Begins a message with its fixed part; [`Writer::end`] ends it.
    pub(super) fn begin(&mut self, kind: u16, flags: u16, sequence: u32, fixed: &[u8]) -> usize {
        let start = self.octets.len();
        self.octets.extend([0; 4]);
        self.octets.extend(kind.to_ne_bytes());
        self.octets.extend(flags.to_ne_bytes());
        self.octets.extend(sequence.to_ne_bytes());
        self.octets.extend([0; 4]);
        self.octets.extend(fixed);
        self.pad();
        start
    }

    /// One attribute.
    pub(super) fn attribute(&mut self, kind: u16, content: &[u8]) {
        let len = u16::try_from(content.len() + 4).unwrap_or(4);
        self.octets.extend(len.to_ne_bytes());
        self.octets.extend(kind.to_ne_bytes());
        self.octets.extend(content);
        self.pad();
    }

    /// An attribute that holds attributes, which `inside` writes.
    pub(super) fn nested(&mut self, kind: u16, inside: impl FnOnce(&mut Writer)) {
        let start = self.octets.len();
        self.octets.extend([0; 2]);
        self.octets.extend((kind | NESTED).to_ne_bytes());
        inside(self);
        let len = u16::try_from(self.octets.len() - start).unwrap_or(0);
        if let Some(place) = self.octets.get_mut(start..start + 2) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
    }

    /// Ends the message that began at `start`.
    pub(super) fn end(&mut self, start: usize) {
        let len = u32::try_from(self.octets.len() - start).unwrap_or(0);
        if let Some(place) = self.octets.get_mut(start..start + 4) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
    }

    fn pad(&mut self) {
        self.octets.resize(align(self.octets.len()), 0);
    }
}

/// Asks for all links or all addresses.
pub(super) fn dump_request(kind: u16) -> Vec<u8> {
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_DUMP).unwrap_or(0);
    let fixed: &[u8] = if kind == GET_LINK { &[0; 16] } else { &[0; 8] };
    let mut writer = Writer::default();
    let start = writer.begin(kind, flags, 0, fixed);
    writer.end(start);
    writer.octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_messages() -> Vec<u8> {
        let mut writer = Writer::default();
        let start = writer.begin(20, 1, 7, &[1, 2, 3, 4, 5, 6, 7, 8]);
        writer.attribute(1, &[9, 9, 9]);
        writer.attribute(11, &[112]);
        writer.end(start);
        let start = writer.begin(21, 1, 8, &[0; 8]);
        writer.end(start);
        writer.octets
    }

    #[test]
    fn what_is_written_is_read_back() {
        let octets = two_messages();
        let messages: Vec<_> = Messages::new(&octets).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!((messages[0].kind, messages[0].sequence, messages[1].sequence), (20, 7, 8));
        let attributes: Vec<_> = messages[0].attributes(8).collect();
        assert_eq!(attributes, [(1, &[9, 9, 9][..]), (11, &[112][..])]);
    }

    #[test]
    fn a_datagram_cut_anywhere_is_walked_without_harm() {
        let octets = two_messages();
        for len in 0..octets.len() {
            for message in Messages::new(&octets[..len]) {
                assert!(message.attributes(8).count() <= 2);
            }
        }
        let mut lengths = octets.clone();
        for wrong in [0_u32, 1, 15, 17, u32::MAX] {
            lengths[..4].copy_from_slice(&wrong.to_ne_bytes());
            assert!(Messages::new(&lengths).count() <= 2, "{wrong}");
        }
    }
}
