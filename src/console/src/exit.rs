//! The exit codes, all of them.

use std::process::ExitCode;

/// Why the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// What was asked for was done, or holds.
    Done = 0,
    /// What was asked about does not hold: changes are pending, the service is not proven.
    Differs = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// The configuration was refused.
    Refused = 3,
    /// mark21d cannot be reached.
    Unreachable = 4,
    /// mark21d could not do it.
    Failed = 5,
    /// A file could not be read.
    File = 6,
}

impl Code {
    /// The word that stands for it in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Differs => "differs",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
            Self::File => "file",
        }
    }
}

/// What `--help` says of the codes.
pub(crate) const HELP: &str = "\
Exit codes: 0 done or holds, 1 does not hold, 2 usage, 3 configuration refused,
4 mark21d cannot be reached, 5 mark21d could not do it, 6 a file cannot be read";

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}
