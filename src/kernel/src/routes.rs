//! Routes by rtnetlink: our own ones, in the main table.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mark21_reconcile::{NextHop, ObservedRoute, ROUTE_PROTOCOL, Route, RouteChange};
use rustix::io::Errno;

use crate::addresses::{AF_INET, AF_INET6, octets, read_address};
use crate::links;
use crate::netlink::{Body, NLM_F_CREATE, NLM_F_REPLACE, Socket, attribute, read_u32};

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
/// Length of `struct rtmsg` (linux/rtnetlink.h).
const RTMSG: usize = 12;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RT_TABLE_MAIN: u8 = 254;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RT_SCOPE_NOWHERE: u8 = 255;
const RTN_UNICAST: u8 = 1;
const RTN_BLACKHOLE: u8 = 6;

/// Our routes.
pub(crate) fn observe(socket: &mut Socket) -> io::Result<Vec<ObservedRoute>> {
    let names = links::names(socket)?;
    let request = Body::new([0; RTMSG]);
    socket.dump(RTM_GETROUTE, &request, |routes: &mut Vec<ObservedRoute>, kind, body| {
        if kind == RTM_NEWROUTE {
            routes.extend(parse(body, |index| names.get(&index).cloned()));
        }
    })
}

/// Makes one change. A route that is gone already is as it should be; one of somebody else's with the
/// same destination and metric is replaced.
pub(crate) fn apply(socket: &mut Socket, change: &RouteChange) -> io::Result<()> {
    match change {
        RouteChange::Add(route) => {
            let scope = match (&route.via, &route.to) {
                (NextHop::Device(_), IpAddr::V4(_)) => RT_SCOPE_LINK,
                _ => RT_SCOPE_UNIVERSE,
            };
            let body = body(socket, route, scope)?;
            socket.change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &body)
        }
        RouteChange::Remove(route) => {
            let body = match body(socket, route, RT_SCOPE_NOWHERE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                body => body?,
            };
            match socket.change(RTM_DELROUTE, 0, &body) {
                Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(()),
                result => result,
            }
        }
    }
}

fn body(socket: &mut Socket, route: &Route, scope: u8) -> io::Result<Body> {
    let family = if route.to.is_ipv4() { AF_INET } else { AF_INET6 };
    let kind = if route.via == NextHop::Blackhole { RTN_BLACKHOLE } else { RTN_UNICAST };
    let header = [family, route.prefix_len, 0, 0, RT_TABLE_MAIN, ROUTE_PROTOCOL, scope, kind, 0, 0, 0, 0];
    let mut body = Body::new(header).with(RTA_DST, &octets(&route.to));
    let (gateway, device) = match &route.via {
        NextHop::Gateway(gateway, device) => (Some(gateway), device.as_deref()),
        NextHop::Device(device) => (None, Some(device.as_str())),
        NextHop::Blackhole => (None, None),
    };
    if let Some(gateway) = gateway {
        body = body.with(RTA_GATEWAY, &octets(gateway));
    }
    if let Some(device) = device {
        body = body.with(RTA_OIF, &links::index(socket, device)?.to_ne_bytes());
    }
    if let Some(source) = &route.source {
        body = body.with(RTA_PREFSRC, &octets(source));
    }
    Ok(body.with_u32(RTA_PRIORITY, route.metric))
}

fn parse(body: &[u8], name_of: impl Fn(u32) -> Option<String>) -> Option<ObservedRoute> {
    let &[family, prefix_len, _, _, table, protocol, _, kind] = body.first_chunk::<8>()?;
    if table != RT_TABLE_MAIN || protocol != ROUTE_PROTOCOL {
        return None;
    }
    let attributes = body.get(RTMSG..)?;
    let address = |kind| attribute(attributes, kind).and_then(read_address);
    let device = attribute(attributes, RTA_OIF).and_then(read_u32).and_then(name_of);
    let unspecified = match family {
        AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let via = match (kind, address(RTA_GATEWAY)) {
        (RTN_BLACKHOLE, _) => NextHop::Blackhole,
        (_, Some(gateway)) => NextHop::Gateway(gateway, device),
        (_, None) => NextHop::Device(device?),
    };
    let route = Route {
        to: address(RTA_DST).unwrap_or(unspecified),
        prefix_len,
        via,
        source: address(RTA_PREFSRC),
        metric: attribute(attributes, RTA_PRIORITY).and_then(read_u32).unwrap_or(0),
    };
    Some(ObservedRoute { route })
}
