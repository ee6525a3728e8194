//! What the kernel has said of links and addresses, and what a router needs of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use vrrp::Family;

use crate::netlink::{self, AddressEvent, Event, LinkEvent};
use crate::settings::RouterSettings;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) link: LinkEvent,
    pub(crate) addresses: Vec<AddressEvent>,
}

/// All interfaces by number, and their numbers by name.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    by_index: BTreeMap<u32, Interface>,
    /// More than one while what is told is older than what was read: the greatest is the newest.
    by_name: BTreeMap<String, BTreeSet<u32>>,
    /// Interfaces that we deleted, and whose end is still to be told: numbers and names.
    deleted: Vec<(u32, String)>,
}

impl Interfaces {
    /// Everything there is.
    pub(crate) fn read(socket: &netlink::Socket) -> std::io::Result<Interfaces> {
        let mut interfaces = Interfaces::default();
        socket.dump(|event| {
            interfaces.take(event);
        })?;
        Ok(interfaces)
    }

    /// Takes a change and returns the number of the interface that it concerns.
    pub(crate) fn take(&mut self, event: Event) -> u32 {
        match event {
            // Told before its end, and read after we brought that about.
            Event::Link(link) if self.deleted().any(|number| number == link.index) => link.index,
            Event::Link(link) => {
                let index = link.index;
                self.forget_name(index);
                self.by_name.entry(link.name.clone()).or_default().insert(index);
                match self.by_index.get_mut(&index) {
                    Some(interface) => interface.link = link,
                    None => {
                        self.by_index.insert(index, Interface { link, addresses: Vec::new() });
                    }
                }
                index
            }
            Event::LinkGone { index } => {
                self.deleted.retain(|(number, _)| *number != index);
                self.forget(index);
                index
            }
            Event::Address(event) => {
                let index = event.address.interface;
                if let Some(interface) = self.by_index.get_mut(&index) {
                    match interface.addresses.iter_mut().find(|known| is_same(known, &event)) {
                        Some(known) => *known = event,
                        None => interface.addresses.push(event),
                    }
                }
                index
            }
            Event::AddressGone(event) => {
                let index = event.address.interface;
                if let Some(interface) = self.by_index.get_mut(&index) {
                    interface.addresses.retain(|known| !is_same(known, &event));
                }
                index
            }
        }
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Interface> {
        self.by_index.get(&index)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Interface> {
        self.by_index.get(self.by_name.get(name)?.last()?)
    }

    /// One of this name, which we deleted, is still to go.
    pub(crate) fn is_going(&self, name: &str) -> bool {
        self.deleted.iter().any(|(_, going)| going == name)
    }

    /// Interfaces that we deleted, and whose end is still to be told.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = u32> {
        self.deleted.iter().map(|(number, _)| *number)
    }

    /// We delete it: what is told of it from now on is of the past, but for its end.
    pub(crate) fn delete(&mut self, index: u32) {
        let Some(interface) = self.by_index.get(&index) else { return };
        let name = interface.link.name.clone();
        self.forget(index);
        self.deleted.push((index, name));
    }

    fn forget(&mut self, index: u32) {
        self.forget_name(index);
        self.by_index.remove(&index);
    }

    /// It is renamed, or gone. The name may be another interface's too by now.
    fn forget_name(&mut self, index: u32) {
        let Some(interface) = self.by_index.get(&index) else { return };
        let Some(numbers) = self.by_name.get_mut(&interface.link.name) else { return };
        numbers.remove(&index);
        if numbers.is_empty() {
            self.by_name.remove(&interface.link.name);
        }
    }

    /// The macvlan of this router on the interface `lower`, if it is there as it should be.
    pub(crate) fn virtual_mac(&self, settings: &RouterSettings, lower: u32) -> Option<&Interface> {
        let interface = self.by_name(settings.virtual_mac.as_ref()?)?;
        let is_it = interface.link.virtual_mac_of == Some(lower) && interface.link.mac == settings.mac();
        is_it.then_some(interface)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.by_index.values()
    }

    /// The address as the kernel has it.
    pub(crate) fn find(&self, index: u32, address: IpAddr) -> Option<&AddressEvent> {
        self.get(index)?.addresses.iter().find(|known| known.address.address == address)
    }
}

impl Interface {
    /// The address that a router of `family` speaks from: the first that is no virtual one and,
    /// for IPv6, link-local unless `is_global`. `virtual_addresses` are only taken when there is no other, which is
    /// how an owner has it.
    pub(crate) fn primary(
        &self,
        family: Family,
        is_global: bool,
        is_virtual: impl Fn(&IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let candidates = || {
            self.addresses.iter().filter(|known| {
                let is_fit = match known.address.address {
                    IpAddr::V4(_) => family == Family::Ipv4,
                    IpAddr::V6(v6) => family == Family::Ipv6 && v6.is_unicast_link_local() != is_global,
                };
                is_fit && known.protocol != netlink::PROTOCOL && !known.is_tentative
            })
        };
        candidates()
            .find(|known| !known.is_secondary && !is_virtual(&known.address.address))
            .or_else(|| candidates().find(|known| !is_virtual(&known.address.address)))
            .or_else(|| candidates().next())
            .map(|known| known.address.address)
    }

    /// Whether the interface has this address, ready for use.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.address.address == address && !known.is_tentative)
    }

    /// Whether `source` lies in a prefix of the interface. Link-local IPv6 always does.
    pub(crate) fn is_on_link(&self, source: IpAddr) -> bool {
        match source {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => true,
            _ => self
                .addresses
                .iter()
                .any(|known| is_within(source, known.address.address, known.address.prefix_len)),
        }
    }
}

fn is_same(known: &AddressEvent, event: &AddressEvent) -> bool {
    (known.address.address, known.address.prefix_len) == (event.address.address, event.address.prefix_len)
}

fn is_within(address: IpAddr, prefix: IpAddr, len: u8) -> bool {
    match (address, prefix) {
        (IpAddr::V4(address), IpAddr::V4(prefix)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0);
            let bits = |address: Ipv4Addr| u32::from(address) & mask;
            bits(address) == bits(prefix)
        }
        (IpAddr::V6(address), IpAddr::V6(prefix)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
            u128::from(address) & mask == u128::from(prefix) & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Address;

    fn event(address: &str, prefix_len: u8, protocol: u8) -> AddressEvent {
        let address = address.parse().expect("valid");
        let address =
            Address { interface: 2, address, prefix_len, scope: 0, label: None, has_prefix_route: true };
        AddressEvent { address, protocol, is_tentative: false, is_secondary: false }
    }

    fn eth0(addresses: &[AddressEvent]) -> Interfaces {
        let mut interfaces = Interfaces::default();
        let (name, mac) = (String::from("eth0"), Some([2; 6]));
        let link = LinkEvent { index: 2, name, is_up: true, mac, virtual_mac_of: None, is_in_group: false };
        interfaces.take(Event::Link(link));
        for address in addresses {
            interfaces.take(Event::Address(address.clone()));
        }
        interfaces
    }

    #[test]
    fn the_primary_address_is_no_virtual_one() {
        let interfaces = eth0(&[
            event("10.0.0.9", 24, netlink::PROTOCOL),
            event("10.0.0.2", 24, 0),
            event("2001:db8::2", 64, 0),
            event("fe80::2", 64, 0),
        ]);
        let interface = interfaces.get(2).expect("there");
        let none = |_: &IpAddr| false;
        assert_eq!(interface.primary(Family::Ipv4, false, none), Some("10.0.0.2".parse().expect("valid")));
        assert_eq!(interface.primary(Family::Ipv6, false, none), Some("fe80::2".parse().expect("valid")));
        let owned = |address: &IpAddr| address.is_ipv4();
        assert_eq!(interface.primary(Family::Ipv4, false, owned), Some("10.0.0.2".parse().expect("valid")));
    }

    #[test]
    fn a_source_is_on_link_when_a_prefix_covers_it() {
        let interfaces =
            eth0(&[event("10.0.0.2", 24, 0), event("10.9.0.1", 32, 0), event("2001:db8::2", 64, 0)]);
        let interface = interfaces.get(2).expect("there");
        let cases = [
            ("10.0.0.77", true),
            ("10.0.1.1", false),
            ("10.9.0.1", true),
            ("10.9.0.2", false),
            ("fe80::77", true),
            ("2001:db8::77", true),
            ("2001:db8:1::77", false),
        ];
        for (source, expected) in cases {
            assert_eq!(interface.is_on_link(source.parse().expect("valid")), expected, "{source}");
        }
    }

    #[test]
    fn a_name_that_goes_from_one_interface_to_another_is_the_others() {
        let mut interfaces = eth0(&[]);
        let link = |index: u32, name: &str| {
            Event::Link(LinkEvent {
                index,
                name: name.to_owned(),
                is_up: true,
                mac: None,
                virtual_mac_of: None,
                is_in_group: false,
            })
        };
        let number = |interfaces: &Interfaces, name: &str| interfaces.by_name(name).map(|it| it.link.index);
        interfaces.take(link(3, "eth1"));
        interfaces.take(link(2, "old"));
        interfaces.take(link(3, "eth0"));
        assert_eq!(["old", "eth0", "eth1"].map(|name| number(&interfaces, name)), [Some(2), Some(3), None]);
        // The old one's end is told late.
        interfaces.take(link(4, "old"));
        interfaces.take(Event::LinkGone { index: 2 });
        assert_eq!(["old", "eth0"].map(|name| number(&interfaces, name)), [Some(4), Some(3)]);
        // A macvlan was read anew, and then comes what was told of the one before.
        interfaces.take(link(9, "vrrp.7"));
        interfaces.take(link(5, "vrrp.7"));
        assert_eq!(number(&interfaces, "vrrp.7"), Some(9));
        interfaces.take(Event::LinkGone { index: 5 });
        assert_eq!(number(&interfaces, "vrrp.7"), Some(9));
    }

    #[test]
    fn what_is_told_late_of_an_interface_that_we_deleted_is_not_believed() {
        let mut interfaces = eth0(&[]);
        let link = interfaces.get(2).expect("there").link.clone();
        interfaces.delete(2);
        interfaces.take(Event::Link(link.clone()));
        assert!(interfaces.get(2).is_none() && interfaces.by_name("eth0").is_none());
        assert!(interfaces.is_going("eth0"));
        interfaces.take(Event::LinkGone { index: 2 });
        interfaces.take(Event::Link(link));
        assert!(interfaces.by_name("eth0").is_some(), "another one with its number");
        assert!(!interfaces.is_going("eth0"));
    }

    #[test]
    fn an_address_that_is_gone_is_forgotten_and_one_told_twice_is_there_once() {
        let mut interfaces = eth0(&[event("10.0.0.2", 24, 0), event("10.0.0.2", 24, 0)]);
        assert_eq!(interfaces.get(2).expect("there").addresses.len(), 1);
        interfaces.take(Event::AddressGone(event("10.0.0.2", 24, 0)));
        assert!(interfaces.find(2, "10.0.0.2".parse().expect("valid")).is_none());
    }
}
