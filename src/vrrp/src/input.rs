//! What a router can be told.

use core::net::IpAddr;

use crate::tracking::Verdict;

/// One thing that happened. [`crate::Router::handle`] takes one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// RFC 9568's Startup event: the router may take part.
    Startup,
    /// RFC 9568's Shutdown event: resign, let go of the addresses, take no part.
    Shutdown,
    /// A packet came to a socket.
    Packet(Received<'a>),
    /// [`crate::Router::deadline`] may have passed. Too early is harmless.
    Timer,
    /// The interface's link changed, or came up again.
    Link(Link),
    /// The verdict on what is tracked, whether or not it changed.
    Tracked(Verdict),
    /// Offer the role to another router and keep it until one has taken it.
    Resign(Resignation),
    /// Take back an offer that nobody has taken yet.
    Stand,
    /// The group lets a waiting router take over.
    TakeOver,
}

/// A packet, with what only the socket knows about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// What follows the IP header (and extension headers), to the end of the IP packet.
    pub payload: &'a [u8],
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or hop limit as it arrived.
    pub ttl: u8,
    /// The source lies in a prefix of the interface (IPv6: or is link-local).
    pub is_on_link: bool,
    /// The packet has IP options, or IPv6 extension headers.
    pub has_options: bool,
}

/// State of the interface's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// Carrier, and administratively up. A router that is Active announces its addresses anew.
    Up,
    /// No carrier, or administratively down: a fault.
    Down,
}

/// How long an offer of the role stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resignation {
    /// Five advertisement intervals; then the router stays Active. An operator's hand-over.
    Bounded,
    /// Until another router takes the role: this one should not have it, but is better than none.
    UntilRelieved,
}
