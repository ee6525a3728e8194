//! The file as serde sees it: the same tables and keys, every value with its place.
//!
//! Nothing here is checked beyond a single value. Entries stand at the same positions as in the
//! [`Config`](crate::Config) that is built from them, which is how the linter finds the places.

use alloc::boxed::Box;
use alloc::string::String as Text;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::net::IpAddr;
use core::ops::Range;
use core::time::Duration;

use heapless::String;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
pub(crate) use toml::Spanned as At;

use crate::forms::Form;
use crate::limits;
use crate::model::{
    ActiveSource, BondMode, Device, FlowProtocol, Forwarding, LinkAddress, Name, Passive, PortRange, Prefix,
    Scheduler, SshKey, SyslogProtocol, Tls,
};
use crate::names::{CheckName, KindName};

/// Where something stands: bytes of the text.
pub(crate) type Span = Range<usize>;
/// An array whose elements have places.
pub(crate) type List<T> = Vec<At<Spelling<T>>>;
/// A value that may be left out.
pub(crate) type Maybe<T> = Option<At<Spelling<T>>>;
/// A whole number that may be left out.
pub(crate) type MaybeWhole<T, const MIN: u64, const MAX: u64> = Option<At<Whole<T, MIN, MAX>>>;
/// A port that may be left out.
pub(crate) type MaybePort = MaybeWhole<u16, 1, 65535>;
/// A duration that may be left out; bounds and step in milliseconds.
pub(crate) type MaybeTime<const MIN: u64, const MAX: u64, const STEP: u64> = Option<At<Time<MIN, MAX, STEP>>>;

/// One millisecond, second and hour, for the bounds of durations.
const MS: u64 = 1;
const S: u64 = 1000 * MS;
const H: u64 = 3600 * S;

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    pub(crate) system: RawSystem,
    pub(crate) interfaces: Vec<At<RawInterface>>,
    pub(crate) routes: Vec<At<RawRoute>>,
    pub(crate) virtual_routers: Vec<At<RawVirtualRouter>>,
    pub(crate) sync_groups: Vec<At<RawSyncGroup>>,
    pub(crate) sync: Option<At<RawSync>>,
    pub(crate) egress: Vec<At<RawEgress>>,
    pub(crate) allow: Vec<At<RawAllow>>,
    pub(crate) timeouts: RawTimeouts,
    pub(crate) management: Option<At<RawManagement>>,
    pub(crate) time: RawTime,
    pub(crate) syslog: Vec<At<RawSyslog>>,
    pub(crate) services: Vec<ServiceEntry>,
}

/// A service with the tables below it.
#[derive(Debug)]
pub(crate) struct ServiceEntry {
    pub(crate) service: Box<At<RawService>>,
    pub(crate) real_servers: Vec<At<RawRealServer>>,
    pub(crate) check: Option<At<RawCheck>>,
}

macro_rules! tables {
    ($($(#[$meta:meta])* $path:literal $name:ident { $($body:tt)* })+) => { $(
        $(#[$meta])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name { $($body)* }
    )+
        /// Each mirror's table and the keys that serde takes for it, for the test that holds
        /// them against the reference.
        #[cfg(test)]
        pub(crate) fn mirrors() -> Vec<(&'static str, &'static [&'static str])> {
            alloc::vec![$(($path, crate::fields::tests::keys_of::<$name>())),+]
        }
    };
}

tables! {
    "" RawTop {
        #[expect(dead_code, reason = "1 is its only value")]
        pub(crate) schema: At<Whole<u8, 1, 1>>,
    }

    #[derive(Default)]
    "system" RawSystem {
        pub(crate) hostname: Maybe<String<{ limits::HOSTNAME_BYTES }>>,
        pub(crate) password: Maybe<String<{ limits::PASSWORD_BYTES }>>,
        #[serde(default)]
        pub(crate) name_servers: List<IpAddr>,
    }

    "interface" RawInterface {
        pub(crate) name: At<Spelling<Name>>,
        pub(crate) device: Maybe<Device>,
        pub(crate) mac: Maybe<[u8; 6]>,
        pub(crate) pci: Maybe<String<12>>,
        pub(crate) vlan: Option<At<RawVlan>>,
        pub(crate) bond: Option<At<RawBond>>,
        #[serde(default)]
        pub(crate) addresses: List<LinkAddress>,
        pub(crate) mtu: MaybeWhole<u16, 576, 65535>,
        pub(crate) mss_clamp: Option<bool>,
    }

    "interface.vlan" RawVlan {
        pub(crate) interface: At<Spelling<Name>>,
        pub(crate) id: At<Whole<u16, 1, 4094>>,
    }

    "interface.bond" RawBond {
        pub(crate) mode: At<Spelling<BondMode>>,
        pub(crate) devices: List<Device>,
    }

    "route" RawRoute {
        pub(crate) to: At<Spelling<RouteTo>>,
        pub(crate) via: Maybe<IpAddr>,
        pub(crate) interface: Maybe<Name>,
        pub(crate) blackhole: Option<At<bool>>,
        pub(crate) source: Maybe<IpAddr>,
        pub(crate) metric: MaybeWhole<u32, 0, 4_294_967_295>,
    }

    "virtual_router" RawVirtualRouter {
        pub(crate) name: At<Spelling<Name>>,
        pub(crate) interface: At<Spelling<Name>>,
        pub(crate) vrid: At<Whole<u8, 1, 255>>,
        pub(crate) priority: MaybeWhole<u8, 1, 255>,
        pub(crate) advertisement_interval: MaybeTime<{ 10 * MS }, { 40_950 * MS }, { 10 * MS }>,
        pub(crate) addresses: List<LinkAddress>,
        pub(crate) preempt: Option<bool>,
        pub(crate) preempt_delay: MaybeTime<0, H, MS>,
        #[serde(default)]
        pub(crate) peers: List<IpAddr>,
    }

    "sync_group" RawSyncGroup {
        pub(crate) name: At<Spelling<Name>>,
        pub(crate) members: List<Name>,
    }

    "sync" RawSync {
        pub(crate) interface: At<Spelling<Name>>,
        pub(crate) id: MaybeWhole<u8, 0, 255>,
        pub(crate) peer: At<Spelling<IpAddr>>,
    }

    "egress" RawEgress {
        pub(crate) from: At<Spelling<Name>>,
        #[serde(default)]
        pub(crate) to: List<Prefix>,
        pub(crate) protocols: List<FlowProtocol>,
        pub(crate) snat: At<Spelling<IpAddr>>,
    }

    "allow" RawAllow {
        pub(crate) from: At<Spelling<Name>>,
        pub(crate) to: At<Spelling<Name>>,
        #[serde(default)]
        pub(crate) sources: List<Prefix>,
        #[serde(default)]
        pub(crate) destinations: List<Prefix>,
        pub(crate) protocols: List<FlowProtocol>,
    }

    #[derive(Default)]
    "timeouts" RawTimeouts {
        pub(crate) tcp: MaybeTime<S, { 744 * H }, S>,
        pub(crate) tcp_fin: MaybeTime<S, { 744 * H }, S>,
        pub(crate) udp: MaybeTime<S, { 744 * H }, S>,
    }

    "management" RawManagement {
        pub(crate) interface: At<Spelling<Name>>,
        pub(crate) allow: List<Prefix>,
        pub(crate) authorized_keys: List<SshKey>,
    }

    #[derive(Default)]
    "time" RawTime {
        #[serde(default)]
        pub(crate) servers: List<IpAddr>,
    }

    "syslog" RawSyslog {
        pub(crate) address: At<Spelling<IpAddr>>,
        pub(crate) protocol: Maybe<SyslogProtocol>,
        pub(crate) port: MaybePort,
    }

    "service" RawService {
        pub(crate) name: At<Spelling<Name>>,
        pub(crate) kind: At<Spelling<KindName>>,
        #[serde(default)]
        pub(crate) addresses: List<IpAddr>,
        pub(crate) port: MaybePort,
        pub(crate) mark: MaybeWhole<u32, 0, 4_294_967_295>,
        pub(crate) passive: Maybe<Passive>,
        pub(crate) passive_ports: Maybe<PortRange>,
        pub(crate) active: Maybe<ActiveSource>,
        pub(crate) tls: Maybe<Tls>,
        pub(crate) scheduler: Maybe<Scheduler>,
        pub(crate) persistence: Option<At<Persistence>>,
        pub(crate) forwarding: Maybe<Forwarding>,
    }

    "service.real_server" RawRealServer {
        pub(crate) addresses: List<IpAddr>,
        pub(crate) port: MaybePort,
        pub(crate) weight: MaybeWhole<u16, 0, 65535>,
    }

    "service.check" RawCheck {
        pub(crate) kind: At<Spelling<CheckName>>,
        pub(crate) port: MaybePort,
        pub(crate) interval: MaybeTime<{ 100 * MS }, H, MS>,
        pub(crate) timeout: MaybeTime<{ 100 * MS }, { 60 * S }, MS>,
        pub(crate) down_after: MaybeWhole<u8, 1, 10>,
        pub(crate) up_after: MaybeWhole<u8, 1, 10>,
    }
}

/// `to = ".."` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteTo {
    Default,
    Network(Prefix),
}

impl Form for RouteTo {
    fn read(text: &str) -> Result<Self, crate::FormError> {
        if text == "default" { Ok(Self::Default) } else { Prefix::read(text).map(Self::Network) }
    }
}

/// A value that the file spells as text.
#[derive(Clone, Debug)]
pub(crate) struct Spelling<T>(pub(crate) T);

impl<'de, T: Form> Deserialize<'de> for Spelling<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: Form> Visitor<'_> for TextVisitor<T> {
    type Value = Spelling<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::read(text).map(Spelling).map_err(E::custom)
    }
}

/// A whole number between two bounds, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole<T, const MIN: u64, const MAX: u64>(pub(crate) T);

impl<'de, T: TryFrom<u64>, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeVisitor(PhantomData))
    }
}

struct WholeVisitor<T, const MIN: u64, const MAX: u64>(PhantomData<T>);

impl<T: TryFrom<u64>, const MIN: u64, const MAX: u64> Visitor<'_> for WholeVisitor<T, MIN, MAX> {
    type Value = Whole<T, MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if MIN == MAX { write!(f, "{MIN}") } else { write!(f, "a whole number from {MIN} to {MAX}") }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        let fits = u64::try_from(number).ok().filter(|number| (MIN..=MAX).contains(number));
        let value = fits.and_then(|number| T::try_from(number).ok());
        value.map(Whole).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Err(E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

/// A duration between two bounds, both included, in whole steps; all in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time<const MIN: u64, const MAX: u64, const STEP: u64>(pub(crate) Duration);

impl<'de, const MIN: u64, const MAX: u64, const STEP: u64> Deserialize<'de> for Time<MIN, MAX, STEP> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spelling(duration) = Spelling::<Duration>::deserialize(deserializer)?;
        let milliseconds = duration.as_millis();
        if milliseconds < u128::from(MIN) || milliseconds > u128::from(MAX) {
            return Err(D::Error::custom("the duration is out of bounds"));
        }
        if !milliseconds.is_multiple_of(u128::from(STEP)) {
            return Err(D::Error::custom(format_args!("it is no whole multiple of {STEP} ms")));
        }
        Ok(Self(duration))
    }
}

/// `persistence = ".."`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Persistence(pub(crate) Option<Duration>);

impl<'de> Deserialize<'de> for Persistence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spelling(text) = Spelling::<Text>::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self(None));
        }
        let duration = Duration::read(&text).map_err(D::Error::custom)?;
        if duration < Duration::from_secs(1) || duration > Duration::from_secs(744 * 3600) {
            return Err(D::Error::custom("the duration is out of bounds"));
        }
        if duration.subsec_nanos() != 0 {
            return Err(D::Error::custom("it is no whole number of seconds"));
        }
        Ok(Self(Some(duration)))
    }
}

impl Form for Text {
    fn read(text: &str) -> Result<Self, crate::FormError> {
        Ok(Text::from(text))
    }
}
