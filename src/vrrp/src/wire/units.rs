//! The two units in which an interval crosses the wire, one type each.

use core::time::Duration;

/// An advertisement interval of version 3: 12 bits of centiseconds, 0..=4095 (RFC 9568 section 5.2.7).
///
/// 0 can be received but never configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Centiseconds(u16);

impl Centiseconds {
    /// 40.95 s.
    pub const MAX: Centiseconds = Centiseconds(0x0fff);

    /// `None` above 4095.
    pub const fn new(centiseconds: u16) -> Option<Centiseconds> {
        if centiseconds <= Centiseconds::MAX.0 { Some(Centiseconds(centiseconds)) } else { None }
    }

    /// The low 12 bits of a field whose high 4 bits are reserved and ignored.
    pub const fn from_field(field: u16) -> Centiseconds {
        Centiseconds(field & Centiseconds::MAX.0)
    }

    /// The whole field with the reserved bits clear.
    pub const fn to_field(self) -> u16 {
        self.0
    }

    /// `None` unless `duration` is a whole number of centiseconds, 0..=4095.
    pub fn from_duration(duration: Duration) -> Option<Centiseconds> {
        let centiseconds = u16::try_from(duration.as_millis() / 10).ok().and_then(Centiseconds::new)?;
        (centiseconds.to_duration() == duration).then_some(centiseconds)
    }

    /// The same as a duration.
    pub const fn to_duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }
}

/// An advertisement interval of version 2: 8 bits of seconds (RFC 3768 section 5.3.7).
///
/// 0 can be received but never configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(u8);

impl Seconds {
    /// Any octet.
    pub const fn new(seconds: u8) -> Seconds {
        Seconds(seconds)
    }

    /// The octet.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// `None` unless `duration` is a whole number of seconds, 0..=255.
    pub fn from_duration(duration: Duration) -> Option<Seconds> {
        let seconds = u8::try_from(duration.as_secs()).ok().map(Seconds)?;
        (seconds.to_duration() == duration).then_some(seconds)
    }

    /// The same as a duration.
    pub const fn to_duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_centiseconds_are_one_second() {
        assert_eq!(Centiseconds::from_field(100).to_duration(), Duration::from_secs(1));
        assert_eq!(Centiseconds::from_duration(Duration::from_secs(1)), Centiseconds::new(100));
        assert_eq!(Centiseconds::from_duration(Duration::from_millis(40_950)), Some(Centiseconds::MAX));
    }

    #[test]
    fn reserved_bits_are_ignored() {
        assert_eq!(Centiseconds::from_field(0xf064), Centiseconds::from_field(0x0064));
    }

    #[test]
    fn what_the_field_cannot_hold_is_refused() {
        for millis in [1, 9, 15, 40_960, 1_000_000_000] {
            assert_eq!(Centiseconds::from_duration(Duration::from_millis(millis)), None, "{millis} ms");
        }
        for millis in [1, 999, 1_500, 256_000] {
            assert_eq!(Seconds::from_duration(Duration::from_millis(millis)), None, "{millis} ms");
        }
        assert_eq!(Seconds::from_duration(Duration::from_secs(255)), Some(Seconds::new(255)));
    }
}
