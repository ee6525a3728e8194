//! Medians, spreads and ratios of pairs.

use anyhow::Context;
use mark21_lab::director::BOOT;
use mark21_lab::{Director, Result};

/// How many interleaved pairs.
pub(crate) const PAIRS: usize = 10;

/// Figures of one thing measured again and again, in one unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// One more.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one; of an even number the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        match (sorted.get(half), half.checked_sub(1).and_then(|low| sorted.get(low))) {
            (Some(high), Some(low)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
            (Some(middle), _) => *middle,
            (None, _) => f64::NAN,
        }
    }

    /// Each divided by its neighbour.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }

    /// `median (least to most)`.
    pub(crate) fn text(&self) -> String {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{:.3} ({least:.3} to {most:.3})", self.median())
    }
}

/// A line of the report.
pub(crate) fn line(what: &str, figures: &str) {
    println!("  {what:<58} {figures}");
}

/// Run a command as root in the machine: its output, and the seconds that it took by the
/// machine's own clock, which has hundredths.
pub(crate) fn timed(director: &mut Director, command: &str) -> Result<(String, f64)> {
    let script =
        format!("read a _ < /proc/uptime; {command} || exit; read b _ < /proc/uptime; echo \"$a $b\"");
    let text = director.agent.succeed(&script, BOOT)?;
    let (text, times) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    let (before, after) = times.split_once(' ').with_context(|| times.to_owned())?;
    Ok((text.to_owned(), after.parse::<f64>()? - before.parse::<f64>()?))
}

/// `1.2s`, `34.5ms`, `67µs`, as `Duration`'s `Debug` prints it, in seconds.
pub(crate) fn parse_duration(text: &str) -> Result<f64> {
    let at =
        text.find(|letter: char| letter.is_alphabetic() || letter == 'µ').with_context(|| text.to_owned())?;
    let (number, unit) = text.split_at(at);
    let scale = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        _ => return Err(anyhow::anyhow!("a unit: {text}")),
    };
    Ok(number.parse::<f64>()? * scale)
}
