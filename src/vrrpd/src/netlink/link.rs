//! Interfaces with a virtual MAC address: macvlans, made, taken up and deleted.

use super::address::{PROTOCOL, Requests};

pub(super) const IFLA_LINK: u16 = libc::IFLA_LINK;
pub(super) const IFLA_LINKINFO: u16 = libc::IFLA_LINKINFO;
pub(super) const IFLA_GROUP: u16 = libc::IFLA_GROUP;
pub(super) const IFLA_INFO_KIND: u16 = libc::IFLA_INFO_KIND;
const IFLA_INFO_DATA: u16 = libc::IFLA_INFO_DATA;
const IFLA_MACVLAN_MODE: u16 = 1;
/// In private mode what another Active sends, from the same MAC address, would never reach the
/// interface below, where it is listened to: two Actives would not hear each other.
const MACVLAN_MODE_BRIDGE: u32 = 4;
/// As the kernel writes it.
pub(super) const MACVLAN: &[u8] = b"macvlan\0";

impl Requests {
    /// Makes an interface named `name` with this MAC address on the interface `lower`; it is down.
    /// Its group is VRRP's protocol number, by which a successor knows it. Returns the number.
    pub(crate) fn make_virtual_mac(&mut self, name: &str, lower: u32, mac: [u8; 6]) -> u32 {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.message(libc::RTM_NEWLINK, flags, &fixed(0, 0, 0), |writer| {
            writer.attribute(libc::IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
            writer.attribute(IFLA_LINK, &lower.to_ne_bytes());
            writer.attribute(libc::IFLA_ADDRESS, &mac);
            writer.attribute(IFLA_GROUP, &u32::from(PROTOCOL).to_ne_bytes());
            writer.nested(IFLA_LINKINFO, |writer| {
                writer.attribute(IFLA_INFO_KIND, MACVLAN);
                writer.nested(IFLA_INFO_DATA, |writer| {
                    writer.attribute(IFLA_MACVLAN_MODE, &MACVLAN_MODE_BRIDGE.to_ne_bytes());
                });
            });
        })
    }

    /// Takes an interface up. Returns the number.
    pub(crate) fn set_up(&mut self, interface: u32) -> u32 {
        let up = libc::IFF_UP.cast_unsigned();
        self.message(libc::RTM_NEWLINK, 0, &fixed(interface, up, up), |_| {})
    }

    /// Deletes every interface of VRRP's group at once. Returns the number.
    pub(crate) fn delete_group(&mut self) -> u32 {
        self.message(libc::RTM_DELLINK, 0, &fixed(0, 0, 0), |writer| {
            writer.attribute(IFLA_GROUP, &u32::from(PROTOCOL).to_ne_bytes());
        })
    }

    /// Deletes an interface. Returns the number.
    pub(crate) fn delete_link(&mut self, interface: u32) -> u32 {
        self.message(libc::RTM_DELLINK, 0, &fixed(interface, 0, 0), |_| {})
    }
}

/// `struct ifinfomsg`
fn fixed(interface: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&interface.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..16].copy_from_slice(&change.to_ne_bytes());
    fixed
}

#[cfg(test)]
mod tests {
    use super::super::codec::{self, Messages};
    use super::super::event::Event;
    use super::*;

    #[test]
    fn an_interface_that_was_asked_for_is_known_again() {
        let mac = [0, 0, 0x5e, 0, 1, 50];
        let mut requests = Requests::default();
        requests.make_virtual_mac("vrrp.50", 3, mac);
        let chunk = requests.take_chunk().expect("one");
        let message = Messages::new(&chunk).next().expect("one");
        let info = message.attributes(16).find(|(kind, _)| *kind == IFLA_LINKINFO).expect("there").1;
        let data = codec::attributes(info).find(|(kind, _)| *kind == IFLA_INFO_DATA).expect("there").1;
        assert_eq!(
            codec::attributes(data).next(),
            Some((IFLA_MACVLAN_MODE, &MACVLAN_MODE_BRIDGE.to_ne_bytes()[..]))
        );
        let Some(Event::Link(link)) = Event::of(&message) else { panic!("no link") };
        assert_eq!((link.name.as_str(), link.virtual_mac_of, link.is_up), ("vrrp.50", Some(3), false));
    }
}
