//! What was as it should be, counted.

use std::fmt::Debug;

/// Counts what was as it should be.
#[derive(Default)]
pub(crate) struct Tally {
    /// Rules that hold.
    pub(crate) passed: usize,
    /// Rules that do not.
    pub(crate) failed: usize,
}

impl Tally {
    pub(crate) fn is(&mut self, rule: &str, holds: bool) {
        self.report(rule, holds, &"not so");
    }

    pub(crate) fn same<T: PartialEq + Debug, E: Debug>(
        &mut self,
        rule: &str,
        got: Result<T, E>,
        expected: T,
    ) {
        let holds = matches!(&got, Ok(got) if *got == expected);
        self.report(rule, holds, &format!("got {got:?}, expected {expected:?}"));
    }

    pub(crate) fn done<E: Debug>(&mut self, rule: &str, got: Result<(), E>) {
        self.same(rule, got, ());
    }

    pub(crate) fn report(&mut self, rule: &str, holds: bool, otherwise: &dyn std::fmt::Display) {
        if holds {
            self.passed += 1;
            println!("ok      {rule}");
        } else {
            self.failed += 1;
            println!("FAILED  {rule}: {otherwise}");
        }
    }
}

/// Counts whether a result is an error of this name.
macro_rules! refuses {
    ($tally:expr, $rule:expr, $result:expr, $pattern:pat $(if $guard:expr)?) => {{
        let result = $result;
        let holds = matches!(&result, Err($pattern) $(if $guard)?);
        $tally.report($rule, holds, &format!("got {result:?}"));
    }};
}
pub(crate) use refuses;
