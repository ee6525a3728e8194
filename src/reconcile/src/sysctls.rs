//! The kernel settings of a director, each with its reason.

/// A kernel setting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sysctl {
    /// Path below `/proc/sys`: `net/ipv4/conf/eth0.100/rp_filter`.
    pub path: String,
    /// The value as it reads back.
    pub value: String,
}

impl Sysctl {
    /// The name as sysctl(8) writes it: dots between the parts, a dot within a part as slash.
    #[must_use]
    pub fn name(&self) -> String {
        let swap = |c| match c {
            '/' => '.',
            '.' => '/',
            c => c,
        };
        self.path.chars().map(swap).collect()
    }
}
