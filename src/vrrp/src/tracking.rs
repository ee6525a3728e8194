//! What tracked interfaces, scripts, files and processes make of a router's priority.

/// What a tracked object does when its health changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weight {
    /// Down: the router may not be Active.
    Fault,
    /// Positive: added while up. Negative: added (so taken off) while down.
    Points(i16),
}

/// Health of a tracked object, after the caller's debouncing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// Good.
    Up,
    /// Bad.
    Down,
}

/// The sum of all that a router tracks: a fault, and what is added to its priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    faults: u32,
    points: i32,
}

impl Verdict {
    /// Nothing is tracked, or all is well and weighs nothing.
    pub const CLEAR: Verdict = Verdict { faults: 0, points: 0 };

    /// The verdict on `objects`.
    pub fn of(objects: impl IntoIterator<Item = (Weight, Health)>) -> Verdict {
        objects.into_iter().fold(Verdict::CLEAR, |verdict, object| match object {
            (Weight::Fault, Health::Down) => Verdict { faults: verdict.faults.saturating_add(1), ..verdict },
            (Weight::Fault, Health::Up) => verdict,
            (Weight::Points(points), Health::Up) => verdict.plus(points.max(0)),
            (Weight::Points(points), Health::Down) => verdict.plus(points.min(0)),
        })
    }

    /// The router may not be Active.
    pub const fn is_fault(&self) -> bool {
        self.faults > 0
    }

    /// What is added to the configured priority; the sum stays within 1..=254.
    pub const fn points(&self) -> i32 {
        self.points
    }

    const fn plus(self, points: i16) -> Verdict {
        Verdict { points: self.points.saturating_add(points as i32), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_follows_the_signs_of_the_weights() {
        let cases = [
            ("nothing tracked", &[][..], 0, false),
            ("positive counts while up", &[(Weight::Points(20), Health::Up)], 20, false),
            ("positive is nothing while down", &[(Weight::Points(20), Health::Down)], 0, false),
            ("negative counts while down", &[(Weight::Points(-50), Health::Down)], -50, false),
            ("negative is nothing while up", &[(Weight::Points(-50), Health::Up)], 0, false),
            ("fault while down", &[(Weight::Fault, Health::Down), (Weight::Fault, Health::Up)], 0, true),
            (
                "all is added",
                &[
                    (Weight::Points(20), Health::Up),
                    (Weight::Points(-50), Health::Down),
                    (Weight::Fault, Health::Up),
                ],
                -30,
                false,
            ),
        ];
        for (name, objects, points, is_fault) in cases {
            let verdict = Verdict::of(objects.iter().copied());
            assert_eq!((verdict.points(), verdict.is_fault()), (points, is_fault), "{name}");
        }
    }
}
