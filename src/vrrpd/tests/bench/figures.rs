//! Figures of many trials, as a table prints them.

use std::fmt;

/// What many trials gave.
#[derive(Debug, Default, Clone)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(50)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn at(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((self.0.len() * percent / 100).min(last)).copied().unwrap_or(f64::NAN)
    }
}

/// Median, then from 5 % to 95 %.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median(), self.at(5), self.at(95))
    }
}

/// `1/5.1`, or `2.0x`: how much of `theirs` is `ours`.
pub(crate) fn ratio(ours: f64, theirs: f64) -> String {
    if theirs >= ours { format!("1/{:.1}", theirs / ours) } else { format!("{:.1}x", ours / theirs) }
}

/// Trials of each kind: `MARK21_TRIALS`, or 10.
pub(crate) fn trials() -> usize {
    std::env::var("MARK21_TRIALS").ok().map_or(10, |text| text.parse().expect("MARK21_TRIALS is a number"))
}

/// A line of the table: what, vrrpd's, keepalived's, the ratio.
pub(crate) fn row(what: &str, ours: &str, theirs: &str, ratio: &str) {
    println!("| {what} | {ours} | {theirs} | {ratio} |");
}
