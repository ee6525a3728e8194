//! What must hold for any octets: shared by the fuzz targets and the tests on stable.
//!
//! Each function takes what the fuzzer made up and panics when something does not hold.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::wire::{
    Addresses, Advertisement, ChecksumForm, ChecksumFound, MAX_LEN, MULTICAST_V4, MULTICAST_V6, Path,
    authentication_header_payload, peek,
};
use vrrp::{
    AddressListPolicy, Config, Grouping, Input, Instant, Link, Output, Parameters, Preemption, Received,
    Resignation, Router, State, Verdict, Version,
};

/// An octet that says which path and whether the checksum is mended, then a payload.
///
/// What is accepted is written again to the same length and read back as the same; addresses and
/// fields are where they were.
pub(crate) fn codec(data: &[u8]) {
    let Some((flags, payload)) = data.split_first() else { return };
    let path = path(flags & 1 != 0);
    let mut payload = payload.to_vec();
    if flags & 2 != 0 {
        mend_checksum(&mut payload, &path);
    }
    let peeked = peek(&payload);
    let _ = authentication_header_payload(&payload).map(peek);
    let Ok((advertisement, found)) = Advertisement::parse(&payload, &path) else { return };
    let header = advertisement.header;
    assert_eq!(peeked, Some((Some(header.protocol.version()), header.vrid)));
    assert_eq!(advertisement.encoded_len(), payload.len());
    let form = match found {
        ChecksumFound::Form(form) => form,
        ChecksumFound::Either => ChecksumForm::Plain,
    };
    let mut buffer = [0xa5; MAX_LEN + 1];
    let len = advertisement.emit(&path, form, &mut buffer).expect("what was read can be written");
    assert_eq!(len, payload.len());
    assert_eq!(buffer[len], 0xa5, "written beyond the end");
    assert_eq!(buffer[..4], payload[..4]);
    let end = 8 + match advertisement.addresses {
        Addresses::V4(list) => 4 * list.len(),
        Addresses::V6(list) => 16 * list.len(),
    };
    assert_eq!(buffer[8..end], payload[8..end]);
    let (again, _) = Advertisement::parse(&buffer[..len], &path).expect("what was written can be read");
    assert_eq!(again, advertisement);
    for short in 0..len {
        assert!(advertisement.emit(&path, form, &mut buffer[..short]).is_err(), "{len} octets in {short}");
    }
}

/// A router of some configuration, then inputs of any kind at any time.
///
/// A second router is spared what the first one refuses: the two must stay the same in every
/// timer, role and counter of what was accepted.
pub(crate) fn inputs(data: &[u8]) {
    let mut octets = Octets { data };
    let is_ipv6 = octets.flag();
    let mut router = router(&mut octets, is_ipv6);
    let mut spared = router.clone();
    let mut now = Duration::from_secs(1_000_000);
    while !octets.data.is_empty() {
        let kind = octets.next();
        // Up to four seconds, as a timer, a packet or an operator come; seldom backwards.
        let step = Duration::from_millis(u64::from(octets.next()) * u64::from(octets.next()) / 16);
        now = if kind & 0x80 == 0 { now.saturating_add(step) } else { now.saturating_sub(step) };
        let at = match (kind & 0x40 != 0, router.deadline()) {
            (true, Some(deadline)) => deadline,
            _ => Instant::from_epoch(now),
        };
        now = at.since_epoch();
        let outputs = if let Some(input) = other(kind) {
            let outputs = router.handle(at, input);
            assert_eq!(outputs, spared.handle(at, input));
            outputs
        } else {
            let payload = octets.payload(is_ipv6);
            let received = received(&mut octets, &payload, is_ipv6);
            let outputs = router.handle(at, Input::Packet(received));
            if outputs.iter().any(|output| matches!(output, Output::Rejected(_))) {
                assert_eq!(outputs.iter().count(), 1, "a refusal and nothing else");
            } else {
                assert_eq!(outputs, spared.handle(at, Input::Packet(received)));
            }
            outputs
        };
        assert_eq!(router.deadline(), spared.deadline(), "a refused packet moved a timer");
        assert_eq!(router.membership(), spared.membership());
        assert_eq!(router.deadline().is_some(), router.state() != State::Initialize);
        let advertisements = outputs.iter().filter(|output| matches!(output, Output::Advertise(_))).count();
        assert!(advertisements <= 2, "{advertisements} advertisements for one input");
    }
}

fn path(is_ipv6: bool) -> Path {
    let (source, group): (IpAddr, IpAddr) = if is_ipv6 {
        ([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), MULTICAST_V6.into())
    } else {
        ([10, 99, 0, 1].into(), MULTICAST_V4.into())
    };
    Path::new(source, group).expect("one family")
}

fn router(octets: &mut Octets<'_>, is_ipv6: bool) -> Router {
    let flags = octets.next();
    let version = if flags & 1 != 0 && !is_ipv6 { Version::V2 } else { Version::V3 };
    let addresses = if is_ipv6 {
        Addresses::V6(&[[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]])
    } else {
        Addresses::V4(&[[10, 99, 0, 10]])
    };
    let own: IpAddr = if is_ipv6 { [0xfe80, 0, 0, 0, 0, 0, 0, 2].into() } else { [10, 99, 0, 2].into() };
    let seconds = |octet: u8| Duration::from_secs(u64::from(octet % 4));
    let parameters = Parameters {
        version,
        priority: octets.next().max(1),
        interval: if version == Version::V3 && flags & 2 != 0 {
            Duration::from_millis(10)
        } else {
            Duration::from_secs(1)
        },
        preemption: if flags & 4 != 0 {
            Preemption::On { delay: seconds(flags >> 6) }
        } else {
            Preemption::Off
        },
        startup_delay: seconds(octets.next()),
        link_up_delay: seconds(octets.next()),
        address_list: if flags & 8 != 0 { AddressListPolicy::Refuse } else { AddressListPolicy::Count },
        grouping: if flags & 16 != 0 { Grouping::Grouped } else { Grouping::Alone },
        password: (version == Version::V2 && flags & 32 != 0).then_some(b"mark21"),
        ..Parameters::new(7, own, addresses)
    };
    Router::new(Config::new(&parameters).expect("right parameters"))
}

/// What is no packet.
fn other(kind: u8) -> Option<Input<'static>> {
    Some(match kind & 0x1f {
        0..=2 => Input::Timer,
        3 => Input::Startup,
        4 => Input::Shutdown,
        5 => Input::Link(Link::Up),
        6 => Input::Link(Link::Down),
        7 => Input::Tracked(Verdict::CLEAR),
        8 => Input::Resign(Resignation::Bounded),
        9 => Input::Resign(Resignation::UntilRelieved),
        10 => Input::Stand,
        11 => Input::TakeOver,
        _ => return None,
    })
}

fn received<'a>(octets: &mut Octets<'_>, payload: &'a [u8], is_ipv6: bool) -> Received<'a> {
    let flags = octets.next();
    let own = path(is_ipv6);
    let (source, destination): (IpAddr, IpAddr) = match own {
        Path::V4 { source, destination } => (source.into(), destination.into()),
        Path::V6 { source, destination } => (source.into(), destination.into()),
    };
    Received {
        payload,
        source: match flags & 3 {
            3 => IpAddr::from([0, 0, 0, 0]),
            // Above and below the router's own, for ties.
            2 if is_ipv6 => [0xfe80, 0, 0, 0, 0, 0, 0, 3].into(),
            2 => [10, 99, 0, 3].into(),
            _ => source,
        },
        destination: if flags & 4 != 0 && flags & 8 != 0 { source } else { destination },
        ttl: if flags & 0x30 == 0x30 { flags } else { 255 },
        is_on_link: flags & 0xc0 != 0xc0,
        has_options: flags & 0x41 == 0x41,
    }
}

/// What the fuzzer made up, taken from the front; zeros when there is no more.
struct Octets<'a> {
    data: &'a [u8],
}

impl Octets<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.data.split_first() else { return 0 };
        self.data = rest;
        *first
    }

    fn flag(&mut self) -> bool {
        self.next() & 1 != 0
    }

    /// Some octets as they are, or an advertisement that is right but for what they say.
    fn payload(&mut self, is_ipv6: bool) -> Vec<u8> {
        let len = self.next();
        if len & 0x80 != 0 {
            let len = usize::from(len & 0x7f).min(self.data.len());
            let (payload, rest) = self.data.split_at(len);
            self.data = rest;
            return payload.to_vec();
        }
        let version = if len & 0x40 != 0 { 0x21 } else { 0x31 };
        let (priority, interval) = (self.next(), self.next());
        let mut payload = vec![version, 7, priority, 1, 0, interval, 0, 0];
        if version == 0x21 {
            (payload[4], payload[5]) = (len & 1, 1);
        }
        if is_ipv6 {
            payload.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        } else {
            payload.extend([10, 99, 0, 10 + (len & 2)]);
        }
        if version == 0x21 {
            payload.extend(b"mark21\0\0");
        }
        mend_checksum(&mut payload, &path(is_ipv6));
        payload
    }
}

/// So that damage gets past the checksum: RFC 1071, with the pseudo-header where there must be one.
fn mend_checksum(payload: &mut [u8], path: &Path) {
    if payload.len() < 8 {
        return;
    }
    payload[6..8].fill(0);
    let words = |octets: &[u8]| -> u64 {
        octets
            .chunks(2)
            .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)))
            .sum()
    };
    let mut sum = words(payload);
    if let Path::V6 { source, destination } = path {
        let len = u64::try_from(payload.len()).expect("short");
        sum += words(&source.octets()) + words(&destination.octets()) + len + 112;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).expect("folded");
    payload[6..8].copy_from_slice(&checksum.to_be_bytes());
}
