//! One virtual router with everything that the daemon keeps beside the core's state.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::wire::{EmitError, Header};
use vrrp::{Announcer, Health, Instant, Link, Router, State, TokenBucket, Transition, Verdict, Weight};

use super::announce::Placed;
use super::interfaces::{Interface, Interfaces};
use super::schedule::Slot;
use super::transport::{Encoded, Route};
use crate::netlink;
use crate::settings::{RouterSettings, TrackedInterface, VirtualAddress};

/// A virtual router.
pub(crate) struct Entry {
    pub(crate) settings: RouterSettings,
    /// `None` until the interface has an address to speak from.
    pub(crate) router: Option<Router>,
    /// Number of the interface, 0 while there is none.
    pub(crate) interface: u32,
    /// Its MAC address, if it is an Ethernet.
    pub(crate) interface_mac: Option<[u8; 6]>,
    /// As the router was told.
    pub(crate) link: Link,
    /// Index of the socket.
    pub(crate) socket: Option<usize>,
    /// Index of the sync group.
    pub(crate) group: Option<usize>,
    encoded: Encoded,
    /// An advertisement waits for the next flush.
    pub(crate) is_queued: bool,
    pub(crate) announcer: Announcer,
    /// The addresses that are on interfaces because of this router.
    pub(crate) held: Vec<Held>,
    pub(crate) trackers: Vec<Tracker>,
    pub(crate) verdict: Verdict,
    pub(crate) slot: Slot,
    pub(crate) announce_slot: Slot,
    pub(crate) debounce_slot: Slot,
    /// Bounds how often addresses are put back at once.
    pub(crate) put_back: TokenBucket,
    /// Bounds lines about what others send.
    pub(crate) complaints: TokenBucket,
    pub(crate) last_transition: Option<(u64, Transition)>,
    /// Addresses that others removed and that were put back.
    pub(crate) addresses_put_back: u64,
    /// Number of the macvlan that has its settings.
    pub(crate) virtual_mac_set_up: Option<u32>,
    /// Its macvlan left groups, and the kernel is still to forget that.
    pub(crate) has_left_groups: bool,
}

/// A virtual address on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) virtual_address: VirtualAddress,
    pub(crate) address: netlink::Address,
    pub(crate) placed: Placed,
    /// It was there before: it stays when the role goes.
    pub(crate) is_foreign: bool,
}

/// A tracked interface's health after debouncing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracker {
    pub(crate) settings: TrackedInterface,
    pub(crate) health: Health,
    /// Since when it has been otherwise.
    pub(crate) differs_since: Option<Instant>,
}

impl Entry {
    pub(crate) fn new(settings: RouterSettings, refresh: Option<Duration>) -> Entry {
        let trackers = trackers(&settings, &[]);
        Entry {
            settings,
            router: None,
            interface: 0,
            interface_mac: None,
            link: Link::Up,
            socket: None,
            group: None,
            encoded: Encoded::default(),
            is_queued: false,
            announcer: Announcer::new(refresh),
            held: Vec::new(),
            trackers,
            verdict: Verdict::CLEAR,
            slot: None,
            announce_slot: None,
            debounce_slot: None,
            put_back: TokenBucket::new(8, Duration::from_secs(1)),
            complaints: TokenBucket::new(5, Duration::from_secs(10)),
            last_transition: None,
            addresses_put_back: 0,
            virtual_mac_set_up: None,
            has_left_groups: false,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.router.as_ref().map_or(State::Initialize, Router::state)
    }

    /// The multicast group that its socket has joined for it.
    pub(crate) fn group_address(&self) -> Option<IpAddr> {
        let default = vrrp::wire::multicast_group(self.settings.key.family);
        self.settings.peers.is_empty().then(|| self.settings.multicast_group.unwrap_or(default))
    }

    /// Makes the advertisement ready to be sent.
    pub(crate) fn encode(&mut self, header: Header) -> Result<(), EmitError> {
        let Some(router) = &self.router else { return Ok(()) };
        let config = router.config();
        let route = Route {
            interface: self.interface,
            source: config.primary_address(),
            group: config.group(),
            peers: config.peers(),
            mac: self.settings.mac().or(self.interface_mac),
        };
        self.encoded.encode(header, router.checksum_form(), self.settings.octets.as_addresses(), &route)
    }

    pub(crate) fn encoded(&self) -> &Encoded {
        &self.encoded
    }

    pub(crate) fn forget_encoded(&mut self) {
        self.encoded.forget();
    }

    /// Where `virtual_address` goes; `None` while its device does not exist.
    pub(crate) fn place(&self, virtual_address: &VirtualAddress, interfaces: &Interfaces) -> Option<Held> {
        // With a virtual MAC address the one that holds it is not the one by which it is announced.
        let (interface, announcing) = match (&virtual_address.device, &self.settings.virtual_mac) {
            (Some(device), _) => (interfaces.by_name(device)?, interfaces.by_name(device)?),
            (None, None) => (interfaces.get(self.interface)?, interfaces.get(self.interface)?),
            (None, Some(_)) => (self.virtual_mac(interfaces)?, interfaces.get(self.interface)?),
        };
        let is_elsewhere = interface.link.index != announcing.link.index;
        Some(Held {
            virtual_address: virtual_address.clone(),
            address: netlink::Address {
                interface: interface.link.index,
                address: virtual_address.address,
                prefix_len: virtual_address.prefix_len,
                scope: virtual_address.scope,
                label: virtual_address.label.clone(),
                // Its network is reached by the interface below, if that is in it.
                has_prefix_route: !(is_elsewhere && announcing.is_on_link(virtual_address.address)),
            },
            placed: Placed {
                interface: announcing.link.index,
                mac: interface.link.mac,
                address: virtual_address.address,
            },
            is_foreign: false,
        })
    }

    /// The macvlan with the virtual MAC address; `None` when it wants none, or while there is none.
    pub(crate) fn virtual_mac<'a>(&self, interfaces: &'a Interfaces) -> Option<&'a Interface> {
        interfaces.virtual_mac(&self.settings, self.interface)
    }

    /// What is tracked, with what it weighs here.
    pub(crate) fn tracked_interfaces(&self) -> impl Iterator<Item = (Weight, Health)> {
        self.trackers.iter().map(|tracker| (tracker.settings.weight, tracker.health))
    }
}

/// Trackers for `settings`; those of `old` that are still wanted keep their health.
pub(crate) fn trackers(settings: &RouterSettings, old: &[Tracker]) -> Vec<Tracker> {
    let tracker = |wanted: &TrackedInterface| {
        let known = old.iter().find(|tracker| tracker.settings.interface == wanted.interface);
        Tracker {
            settings: wanted.clone(),
            health: known.map_or(Health::Up, |tracker| tracker.health),
            differs_since: known.and_then(|tracker| tracker.differs_since),
        }
    };
    settings.track_interfaces.iter().map(tracker).collect()
}
