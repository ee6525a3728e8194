//! `[[egress]]` and `[[allow]]` as flows, one for each family and protocol that they name, and their
//! rules.

use std::net::IpAddr;

use mark21_config::{FlowProtocol, PortRange, Prefix};
use nftables::expr::MetaKey;
use nftables::schema::Rule;

use super::build::FAMILIES;
use super::expr::*;
use super::rules::{Chain, icmp_type, named_rule, of_family, rule};
use crate::context::Context;
use crate::ipvs::{Family, Protocol};

/// A flow that is forwarded: of `[[egress]]` or `[[allow]]`, one family and protocol of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    /// Where it comes in.
    pub(super) from: String,
    /// Where it goes out; `None` is anywhere but where it came from.
    pub(super) to: Option<String>,
    /// Of which family; `None` is both.
    pub(super) family: Option<Family>,
    /// From where; empty is anywhere.
    pub(super) sources: Vec<Prefix>,
    /// Where to; empty is anywhere.
    pub(super) destinations: Vec<Prefix>,
    /// What.
    pub(super) what: FlowMatch,
    /// The rule's comment.
    pub(super) comment: String,
}

/// What a flow carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FlowMatch {
    /// TCP or UDP to these ports.
    Ports(Protocol, Vec<PortRange>),
    /// Echo requests of the flow's family.
    Ping(Family),
}

impl Flow {
    /// `iifname "eth1" oifname != "eth1" ip daddr .. udp dport 53 accept`
    pub(super) fn accepted(&self, chain: &str) -> Rule<'static> {
        let mut statements = self.matches();
        statements.extend([counter(), accept()]);
        named_rule(chain, &self.comment, statements)
    }

    /// `iifname "eth1" oifname != "eth1" .. udp dport 53 snat ip to 192.0.2.10`
    pub(super) fn translated(&self, to: &IpAddr) -> Rule<'static> {
        let mut statements = self.matches();
        statements.push(snat(Family::of(to), address(to)));
        rule(Chain::Postrouting, &self.comment, statements)
    }

    /// `iifname "eth1" oifname "eth0" ip saddr .. ip daddr .. udp dport ..`
    fn matches(&self) -> Vec<Stmt> {
        let mut all = vec![equals(meta(MetaKey::Iifname), text(&*self.from))];
        match &self.to {
            Some(device) => all.push(equals(meta(MetaKey::Oifname), text(&**device))),
            None => all.push(differs(meta(MetaKey::Oifname), text(&*self.from))),
        }
        if let Some(family) = self.family {
            let says_family = !self.sources.is_empty() || !self.destinations.is_empty();
            if !self.sources.is_empty() {
                all.push(equals(field(header(family), "saddr"), networks(&self.sources)));
            }
            if !self.destinations.is_empty() {
                all.push(equals(field(header(family), "daddr"), networks(&self.destinations)));
            }
            if !says_family && matches!(self.what, FlowMatch::Ports(..)) {
                all.push(of_family(family));
            }
        }
        all.push(match &self.what {
            FlowMatch::Ports(protocol, ranges) => equals(field(transport(*protocol), "dport"), ports(ranges)),
            FlowMatch::Ping(family) => equals(icmp_type(*family), text("echo-request")),
        });
        all
    }
}

/// A flow, with the source address that it leaves with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) flow: Flow,
    pub(super) source: Option<IpAddr>,
}

/// All flows of a configuration; those whose port is missing are left out.
pub(super) fn flows(context: &Context<'_>) -> Vec<Translated> {
    let config = context.config;
    let egress = config.egress.iter().enumerate().flat_map(|(number, egress)| {
        let comment = format!("egress {}: from {}", number + 1, config.interface(egress.from).name);
        let family = Family::of(&egress.snat);
        let all = context.device(egress.from).map(|from| Wanted {
            from,
            to: None,
            family: Some(family),
            sources: &[],
            destinations: &egress.to,
            protocols: &egress.protocols,
            comment,
        });
        all.map(Wanted::flows)
            .unwrap_or_default()
            .into_iter()
            .map(move |flow| Translated { flow, source: Some(egress.snat) })
    });
    let allow = config.allow.iter().enumerate().flat_map(|(number, allow)| {
        let (from, to) = (&config.interface(allow.from).name, &config.interface(allow.to).name);
        let comment = format!("allow {}: from {from} to {to}", number + 1);
        let devices = context.device(allow.from).zip(context.device(allow.to));
        let all = devices.map(|(from, to)| Wanted {
            from,
            to: Some(to),
            family: None,
            sources: &allow.sources,
            destinations: &allow.destinations,
            protocols: &allow.protocols,
            comment,
        });
        let flows = all.map(Wanted::flows).unwrap_or_default();
        flows.into_iter().map(|flow| Translated { flow, source: None })
    });
    egress.chain(allow).collect()
}

/// One entry of the configuration.
struct Wanted<'a> {
    from: &'a str,
    to: Option<&'a str>,
    family: Option<Family>,
    sources: &'a [Prefix],
    destinations: &'a [Prefix],
    protocols: &'a [FlowProtocol],
    comment: String,
}

impl Wanted<'_> {
    fn flows(self) -> Vec<Flow> {
        let any_family = self.family.is_none() && self.sources.is_empty() && self.destinations.is_empty();
        let mut flows = Vec::new();
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let ports = self.ports(protocol);
            if ports.is_empty() {
                continue;
            }
            let families: Vec<Option<Family>> =
                if any_family { vec![None] } else { self.families().map(Some).collect() };
            let of = |family| self.flow(family, FlowMatch::Ports(protocol, ports.clone()));
            flows.extend(families.into_iter().map(of));
        }
        if self.protocols.contains(&FlowProtocol::Ping) {
            flows.extend(self.families().map(|family| self.flow(Some(family), FlowMatch::Ping(family))));
        }
        flows
    }

    /// The families in which there can be such packets.
    fn families(&self) -> impl Iterator<Item = Family> {
        let has = |prefixes: &[Prefix], family| {
            prefixes.is_empty() || prefixes.iter().any(|prefix| Family::of(&prefix.address) == family)
        };
        FAMILIES.into_iter().filter(move |family| {
            self.family.is_none_or(|only| only == *family)
                && has(self.sources, *family)
                && has(self.destinations, *family)
        })
    }

    fn ports(&self, wanted: Protocol) -> Vec<PortRange> {
        let ports = self.protocols.iter().filter_map(|protocol| match (protocol, wanted) {
            (FlowProtocol::Tcp(ports), Protocol::Tcp) | (FlowProtocol::Udp(ports), Protocol::Udp) => {
                Some(*ports)
            }
            (FlowProtocol::Tcp(_) | FlowProtocol::Udp(_) | FlowProtocol::Ping, _) => None,
        });
        ports.collect()
    }

    fn flow(&self, family: Option<Family>, what: FlowMatch) -> Flow {
        let of_family = |prefixes: &[Prefix]| {
            let prefixes = prefixes.iter().copied();
            prefixes.filter(|prefix| family.is_none_or(|f| Family::of(&prefix.address) == f)).collect()
        };
        Flow {
            from: self.from.to_owned(),
            to: self.to.map(str::to_owned),
            family,
            sources: of_family(self.sources),
            destinations: of_family(self.destinations),
            what,
            comment: self.comment.clone(),
        }
    }
}
