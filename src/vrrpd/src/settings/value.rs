//! Durations and prefixes: from text, and back.

use std::net::IpAddr;
use std::time::Duration;

/// The longest duration that is read: a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// "100ms", "1s", "1.5s", "2m": a decimal number and a unit, at most a day.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(digits_end)?;
    let unit: u64 = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 || number.ends_with('.') {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()? };
    let part = part.checked_mul(unit)? / scale;
    Some(Duration::from_nanos(whole.checked_add(part)?)).filter(|duration| *duration <= LONGEST)
}

/// The shortest text that [`duration`] reads as the same.
pub(crate) fn duration_text(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0 => String::from("0s"),
        _ if micros.is_multiple_of(60_000_000) => format!("{}m", micros / 60_000_000),
        _ if micros.is_multiple_of(1_000_000) => format!("{}s", micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

/// "192.0.2.1/24", or an address alone for the longest prefix.
pub(super) fn prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (address, len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let longest = longest_prefix(&address);
    let len = match len {
        Some(len) => len.parse().ok().filter(|len| (1..=longest).contains(len))?,
        None => longest,
    };
    Some((address, len))
}

/// The prefix as it is written.
pub(crate) fn prefix_text(address: IpAddr, prefix_len: u8) -> String {
    format!("{address}/{prefix_len}")
}

/// 32 or 128.
pub(super) const fn longest_prefix(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        let cases = [
            ("100ms", Some(100_000)),
            ("1s", Some(1_000_000)),
            ("1.5s", Some(1_500_000)),
            ("0.01s", Some(10_000)),
            ("2m", Some(120_000_000)),
            ("1h", Some(3_600_000_000)),
            ("250us", Some(250)),
            ("0s", Some(0)),
            ("1", None),
            ("s", None),
            (".5s", None),
            ("1.s", None),
            ("1.2.3s", None),
            ("-1s", None),
            ("25h", None),
            ("99999999999999999999s", None),
        ];
        for (text, micros) in cases {
            assert_eq!(duration(text), micros.map(Duration::from_micros), "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for micros in [0, 1, 250, 1000, 100_000, 1_000_000, 1_500_000, 120_000_000] {
            let given = Duration::from_micros(micros);
            assert_eq!(duration(&duration_text(given)), Some(given), "{micros}");
        }
    }

    #[test]
    fn a_prefix_without_a_length_is_one_address() {
        assert_eq!(prefix("10.0.0.1"), Some((IpAddr::from([10, 0, 0, 1]), 32)));
        assert_eq!(prefix("fe80::1").map(|(_, len)| len), Some(128));
        for wrong in ["10.0.0.1/33", "10.0.0.1/0", "10.0.0/8", "fe80::1/129", "x", "10.0.0.1/"] {
            assert_eq!(prefix(wrong), None, "{wrong}");
        }
    }
}
