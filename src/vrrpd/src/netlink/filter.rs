//! `accept = false` as an nf_tables table of vrrpd's own, `inet vrrpd`, written whole in one batch.
//!
//! ```text
//!   table inet vrrpd {
//!       set v4 { type ipv4_addr; }  set v6 { type ipv6_addr; }  set link { type ifname . ipv6_addr; }
//!       chain input {
//!           type filter hook input priority 0; policy accept;
//!           icmpv6 type nd-neighbor-solicit accept
//!           icmpv6 type nd-neighbor-advert accept
//!           ip daddr @v4 counter drop
//!           ip6 daddr @v6 counter drop
//!           iifname . ip6 daddr @link counter drop
//!       }
//!   }
//! ```
//!
//! It names addresses and not roles: a Backup has none of them, so nothing for them comes in there,
//! and a takeover changes no rule. ARP is not seen by this family.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use super::codec::Writer;
use super::{Refusal, Socket};
use crate::sys::socket;

/// Addresses to which packets are dropped.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// On any interface.
    pub(crate) v4: Vec<Ipv4Addr>,
    /// On any interface.
    pub(crate) v6: Vec<Ipv6Addr>,
    /// Link-local ones, which mean something on their interface only.
    pub(crate) link: Vec<(String, Ipv6Addr)>,
}

impl Refused {
    /// Nothing is dropped.
    pub(crate) const fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty() && self.link.is_empty()
    }
}

/// Makes the table say this, instead of what it said; nothing to refuse: there is no table.
pub(crate) fn replace(refused: &Refused) -> io::Result<()> {
    let fd = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER)?;
    socket::set_number(&fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)?;
    // 250 routers with 255 addresses are 2 MB.
    socket::set_number(&fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 8 << 20)
        .or_else(|_| socket::set_number(&fd, libc::SOL_SOCKET, libc::SO_SNDBUF, 8 << 20))?;
    submit(fd, &batch(refused))
}

/// The kernel has done it, or nothing of it, when the send returns.
fn submit(fd: OwnedFd, octets: &[u8]) -> io::Result<()> {
    socket::send(&fd.as_raw_fd(), octets)?;
    let mut refusals = Vec::new();
    Socket { fd }.errors(&mut refusals)?;
    match refusals.first() {
        Some(Refusal { error, .. }) => Err(io::Error::from_raw_os_error(*error)),
        None => Ok(()),
    }
}

const TABLE: &[u8] = b"vrrpd\0";
const CHAIN: &[u8] = b"input\0";

/// linux/netfilter/nfnetlink.h
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const SUBSYSTEM: u16 = 10;
/// linux/netfilter/nf_tables.h, `enum nf_tables_msg_types`.
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENTS: u16 = 12;

/// A set's name, the number by which its batch knows it, nft's type of its keys, their octets.
#[derive(Clone, Copy)]
struct Set {
    name: &'static [u8],
    id: u32,
    key_type: u32,
    key_len: u32,
}

const V4: Set = Set { name: b"v4\0", id: 1, key_type: 7, key_len: 4 };
const V6: Set = Set { name: b"v6\0", id: 2, key_type: 8, key_len: 16 };
/// A concatenation: six bits for each type, 41 is ifname.
const LINK: Set = Set { name: b"link\0", id: 3, key_type: 41 << 6 | 8, key_len: 32 };

fn batch(refused: &Refused) -> Vec<u8> {
    let mut batch = Batch::default();
    batch.border(BATCH_BEGIN);
    // There or not, it goes: deleting one that is not there would be an error.
    batch.message(NEW_TABLE, |writer| writer.attribute(1, TABLE));
    batch.message(DELETE_TABLE, |writer| writer.attribute(1, TABLE));
    if !refused.is_empty() {
        batch.message(NEW_TABLE, |writer| writer.attribute(1, TABLE));
        batch.set(V4, refused.v4.iter().map(|address| address.octets().to_vec()));
        batch.set(V6, refused.v6.iter().map(|address| address.octets().to_vec()));
        batch.set(LINK, refused.link.iter().map(|(interface, address)| link_key(interface, *address)));
        batch.message(NEW_CHAIN, |writer| {
            writer.attribute(1, TABLE);
            writer.attribute(3, CHAIN);
            writer.nested(4, |writer| {
                // NF_INET_LOCAL_IN, priority 0.
                number(writer, 1, 1);
                number(writer, 2, 0);
            });
            // NF_ACCEPT
            number(writer, 5, 1);
            writer.attribute(7, b"filter\0");
        });
        batch.rule(|rule| neighbour(rule, 135));
        batch.rule(|rule| neighbour(rule, 136));
        batch.rule(drop_v4);
        batch.rule(drop_v6);
        batch.rule(drop_link);
    }
    batch.border(BATCH_END);
    batch.take()
}

fn link_key(interface: &str, address: Ipv6Addr) -> Vec<u8> {
    let mut key = interface.as_bytes().to_vec();
    key.resize(16, 0);
    key.extend(address.octets());
    key
}

/// `icmpv6 type .. accept`
fn neighbour(rule: &mut Rule<'_>, kind: u8) {
    rule.is_family(IPV6);
    rule.meta(META_L4PROTO, REGISTER);
    rule.is_equal(&[58]);
    rule.payload(TRANSPORT, 0, 1, REGISTER);
    rule.is_equal(&[kind]);
    rule.verdict(1);
}

/// `ip daddr @v4 counter drop`
fn drop_v4(rule: &mut Rule<'_>) {
    rule.is_family(IPV4);
    rule.payload(NETWORK, 16, 4, REGISTER);
    rule.is_in(V4, REGISTER);
    rule.counter();
    rule.verdict(0);
}

/// `ip6 daddr @v6 counter drop`
fn drop_v6(rule: &mut Rule<'_>) {
    rule.is_family(IPV6);
    rule.payload(NETWORK, 24, 16, REGISTER);
    rule.is_in(V6, REGISTER);
    rule.counter();
    rule.verdict(0);
}

/// `iifname . ip6 daddr @link counter drop`
fn drop_link(rule: &mut Rule<'_>) {
    rule.is_family(IPV6);
    rule.meta(META_IIFNAME, REGISTER_32);
    // Four words further.
    rule.payload(NETWORK, 24, 16, REGISTER_32 + 4);
    rule.is_in(LINK, REGISTER_32);
    rule.counter();
    rule.verdict(0);
}

/// `NFT_REG_1` and `NFT_REG32_00`; 0 is the verdict's.
const REGISTER: u32 = 1;
const REGISTER_32: u32 = 8;
const META_IIFNAME: u32 = 6;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
const IPV4: u8 = 2;
const IPV6: u8 = 10;

#[derive(Default)]
struct Batch {
    writer: Writer,
    sequence: u32,
}

impl Batch {
    fn take(mut self) -> Vec<u8> {
        let len = self.writer.len();
        self.writer.take(len)
    }

    /// Begin or end of the batch.
    fn border(&mut self, kind: u16) {
        let [high, low] = SUBSYSTEM.to_be_bytes();
        let flags = u16::try_from(libc::NLM_F_REQUEST).unwrap_or(0);
        let start = self.writer.begin(kind, flags, self.sequence, &[0, 0, high, low]);
        self.writer.end(start);
        self.sequence += 1;
    }

    fn message(&mut self, kind: u16, attributes: impl FnOnce(&mut Writer)) {
        let create = if kind == DELETE_TABLE { 0 } else { libc::NLM_F_CREATE };
        let append = if kind == NEW_RULE { libc::NLM_F_APPEND } else { 0 };
        let flags = u16::try_from(libc::NLM_F_REQUEST | create | append).unwrap_or(0);
        // NFPROTO_INET
        let start = self.writer.begin(SUBSYSTEM << 8 | kind, flags, self.sequence, &[1, 0, 0, 0]);
        attributes(&mut self.writer);
        self.writer.end(start);
        self.sequence += 1;
    }

    /// A set and what is in it, as many elements in a message as an attribute holds.
    fn set(&mut self, set: Set, keys: impl Iterator<Item = Vec<u8>>) {
        self.message(NEW_SET, |writer| {
            writer.attribute(1, TABLE);
            writer.attribute(2, set.name);
            number(writer, 4, set.key_type);
            number(writer, 5, set.key_len);
            number(writer, 10, set.id);
        });
        let keys: Vec<_> = keys.collect();
        for keys in keys.chunks(1000) {
            self.message(NEW_ELEMENTS, |writer| {
                writer.attribute(1, TABLE);
                writer.attribute(2, set.name);
                number(writer, 4, set.id);
                writer.nested(3, |writer| {
                    for key in keys {
                        writer.nested(1, |writer| writer.nested(1, |writer| writer.attribute(1, key)));
                    }
                });
            });
        }
    }

    fn rule(&mut self, expressions: impl FnOnce(&mut Rule<'_>)) {
        self.message(NEW_RULE, |writer| {
            writer.attribute(1, TABLE);
            writer.attribute(2, CHAIN);
            writer.nested(4, |writer| expressions(&mut Rule { writer }));
        });
    }
}

/// The expressions of one rule.
struct Rule<'a> {
    writer: &'a mut Writer,
}

impl Rule<'_> {
    fn expression(&mut self, name: &[u8], data: impl FnOnce(&mut Writer)) {
        self.writer.nested(1, |writer| {
            writer.attribute(1, name);
            writer.nested(2, data);
        });
    }

    fn is_family(&mut self, family: u8) {
        self.meta(META_NFPROTO, REGISTER);
        self.is_equal(&[family]);
    }

    fn meta(&mut self, key: u32, register: u32) {
        self.expression(b"meta\0", |writer| {
            number(writer, 1, register);
            number(writer, 2, key);
        });
    }

    /// The first register is this.
    fn is_equal(&mut self, value: &[u8]) {
        self.expression(b"cmp\0", |writer| {
            number(writer, 1, REGISTER);
            number(writer, 2, 0);
            writer.nested(3, |writer| writer.attribute(1, value));
        });
    }

    fn payload(&mut self, base: u32, offset: u32, len: u32, register: u32) {
        self.expression(b"payload\0", |writer| {
            number(writer, 1, register);
            number(writer, 2, base);
            number(writer, 3, offset);
            number(writer, 4, len);
        });
    }

    fn is_in(&mut self, set: Set, register: u32) {
        self.expression(b"lookup\0", |writer| {
            writer.attribute(1, set.name);
            number(writer, 2, register);
            number(writer, 4, set.id);
        });
    }

    fn counter(&mut self) {
        self.expression(b"counter\0", |_| {});
    }

    /// 0 drops, 1 accepts.
    fn verdict(&mut self, code: u32) {
        self.expression(b"immediate\0", |writer| {
            number(writer, 1, 0);
            writer.nested(2, |writer| writer.nested(2, |writer| number(writer, 1, code)));
        });
    }
}

/// A number as nf_tables has it: in network order.
fn number(writer: &mut Writer, kind: u16, value: u32) {
    writer.attribute(kind, &value.to_be_bytes());
}
