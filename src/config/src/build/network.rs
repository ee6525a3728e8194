//! Interfaces, routes, virtual routers, and the flows between them.

use core::net::IpAddr;
use core::time::Duration;

use heapless::Vec;

use super::{Builder, Field, position, time, value, whole};
use crate::model::{Allow, Egress, Interface, Link, NextHop, Prefix, Route, Sync, SyncGroup, VirtualRouter};
use crate::raw::{
    At, RawAllow, RawEgress, RawInterface, RawRoute, RawSync, RawSyncGroup, RawVirtualRouter, RouteTo, Span,
};

impl Builder<'_, '_> {
    pub(super) fn interface(&mut self, entry: &At<RawInterface>) -> Option<Interface> {
        let raw = entry.get_ref();
        let link = self.link(raw, entry.span());
        let addresses = self.list("addresses", &raw.addresses);
        Some(Interface {
            name: raw.name.get_ref().0.clone(),
            link: link?,
            addresses: addresses?,
            mtu: whole(&raw.mtu),
            mss_clamp: raw.mss_clamp.unwrap_or(false),
        })
    }

    fn link(&mut self, raw: &RawInterface, table: Span) -> Option<Link> {
        let given = [
            raw.device.as_ref().map(At::span),
            raw.mac.as_ref().map(At::span),
            raw.pci.as_ref().map(At::span),
            raw.vlan.as_ref().map(At::span),
            raw.bond.as_ref().map(At::span),
        ];
        let mut given = given.into_iter().flatten();
        let one_of = "exactly one of device, mac, pci, vlan, bond";
        if given.next().is_none() {
            self.log
                .error(table, "nothing says which port it stands on")
                .allowed(one_of)
                .mend("add device = \"eth0\", with the name that the console's list of ports shows");
            return None;
        }
        if let Some(second) = given.next() {
            self.log
                .error(second, "it stands on two things at once")
                .allowed(one_of)
                .mend("keep one of them");
            return None;
        }
        if let Some(device) = &raw.device {
            return Some(Link::Device(device.get_ref().0.clone()));
        }
        if let Some(mac) = value(&raw.mac) {
            return Some(Link::Mac(mac));
        }
        if let Some(pci) = &raw.pci {
            return Some(Link::Pci(pci.get_ref().0.clone()));
        }
        if let Some(vlan) = &raw.vlan {
            let vlan = vlan.get_ref();
            let parent = self.interface_named(&vlan.interface)?;
            return Some(Link::Vlan { parent, id: vlan.id.get_ref().0 });
        }
        let bond = raw.bond.as_ref()?;
        let field = Field { table: bond.span(), name: "devices", what: "ports in the bond" };
        let devices = self.some(field, &bond.get_ref().devices)?;
        Some(Link::Bond { mode: bond.get_ref().mode.get_ref().0, devices })
    }

    pub(super) fn route(&mut self, entry: &At<RawRoute>) -> Option<Route> {
        let raw = entry.get_ref();
        let interface = self.maybe_interface(&raw.interface)?;
        let blackhole = raw.blackhole.as_ref().filter(|blackhole| *blackhole.get_ref());
        let via = match (value(&raw.via), interface, blackhole) {
            (Some(gateway), interface, None) => NextHop::Gateway(gateway, interface),
            (None, Some(interface), None) => NextHop::Interface(interface),
            (None, None, Some(_)) => NextHop::Blackhole,
            (None, None, None) => {
                self.log
                    .error(entry.span(), "it leads nowhere")
                    .mend("add via = \"GATEWAY\", interface = \"NAME\", or blackhole = true");
                return None;
            }
            (_, _, Some(blackhole)) => {
                self.log
                    .error(blackhole.span(), "a blackhole has neither gateway nor interface")
                    .mend("leave out blackhole, or via and interface");
                return None;
            }
        };
        let source = value(&raw.source);
        Some(Route { to: self.destination(raw, source)?, via, source, metric: whole(&raw.metric) })
    }

    /// The destination, once gateway and source are known to be of its family.
    fn destination(&mut self, raw: &RawRoute, source: Option<IpAddr>) -> Option<Prefix> {
        let hint = value(&raw.via).or(source);
        let to = match (raw.to.get_ref().0, hint) {
            (RouteTo::Network(network), _) => network,
            (RouteTo::Default, Some(hint)) => Prefix::default_of(hint),
            (RouteTo::Default, None) => {
                self.log
                    .error(raw.to.span(), "nothing says of which family this default is")
                    .mend("write \"0.0.0.0/0\" or \"::/0\"");
                return None;
            }
        };
        for end in [&raw.via, &raw.source].into_iter().flatten() {
            if end.get_ref().0.is_ipv4() != to.address.is_ipv4() {
                self.log
                    .error(end.span(), format_args!("it is not of the family of {to}"))
                    .mend("give an address of the same family");
                return None;
            }
        }
        Some(to)
    }

    pub(super) fn virtual_router(&mut self, entry: &At<RawVirtualRouter>) -> Option<VirtualRouter> {
        let raw = entry.get_ref();
        let interface = self.interface_named(&raw.interface);
        let field = Field { table: entry.span(), name: "addresses", what: "addresses" };
        let addresses = self.some(field, &raw.addresses);
        let peers = self.list("peers", &raw.peers);
        Some(VirtualRouter {
            name: raw.name.get_ref().0.clone(),
            interface: interface?,
            vrid: raw.vrid.get_ref().0,
            priority: whole(&raw.priority).unwrap_or(100),
            advertisement_interval: time(&raw.advertisement_interval).unwrap_or(Duration::from_secs(1)),
            addresses: addresses?,
            preempt: raw.preempt.unwrap_or(false),
            preempt_delay: time(&raw.preempt_delay).unwrap_or(Duration::ZERO),
            peers: peers?,
        })
    }

    pub(super) fn sync_group(&mut self, entry: &At<RawSyncGroup>) -> Option<SyncGroup> {
        let raw = entry.get_ref();
        if raw.members.is_empty() {
            self.log.error(entry.span(), "it needs at least one").missing("members");
            return None;
        }
        let mut members = Vec::new();
        let mut is_whole = self.fits("members", &raw.members, members.capacity());
        for member in raw.members.iter().take(members.capacity()) {
            let known = self.raw.virtual_routers.iter().map(|router| &router.get_ref().name.get_ref().0);
            match position("virtual router", member, known, self.log) {
                Some(index) => is_whole &= members.push(index).is_ok(),
                None => is_whole = false,
            }
        }
        is_whole.then(|| SyncGroup { name: raw.name.get_ref().0.clone(), members })
    }

    pub(super) fn sync(&mut self, raw: &RawSync) -> Option<Sync> {
        Some(Sync {
            interface: self.interface_named(&raw.interface)?,
            id: whole(&raw.id).unwrap_or(21),
            peer: raw.peer.get_ref().0,
        })
    }

    pub(super) fn egress(&mut self, entry: &At<RawEgress>) -> Option<Egress> {
        let raw = entry.get_ref();
        let from = self.interface_named(&raw.from);
        let to = self.list("networks", &raw.to);
        let field = Field { table: entry.span(), name: "protocols", what: "protocols" };
        let protocols = self.some(field, &raw.protocols);
        Some(Egress { from: from?, to: to?, protocols: protocols?, snat: raw.snat.get_ref().0 })
    }

    pub(super) fn allow(&mut self, entry: &At<RawAllow>) -> Option<Allow> {
        let raw = entry.get_ref();
        let (from, to) = (self.interface_named(&raw.from), self.interface_named(&raw.to));
        let sources = self.list("networks", &raw.sources);
        let destinations = self.list("networks", &raw.destinations);
        let field = Field { table: entry.span(), name: "protocols", what: "protocols" };
        let protocols = self.some(field, &raw.protocols);
        Some(Allow {
            from: from?,
            to: to?,
            sources: sources?,
            destinations: destinations?,
            protocols: protocols?,
        })
    }
}
