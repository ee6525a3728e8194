//! The three short names that the kernel takes: schedulers, persistence engines, interfaces.
//!
//! All three have room for 16 bytes with their NUL, so they live in the value
//! itself: a service can be copied and compared without a heap.

use std::fmt;
use std::str::FromStr;

use crate::constants::IP_VS_SCHEDNAME_MAXLEN;

/// Room of a name, with its NUL. `IFNAMSIZ` and the persistence engines' are the same.
const ROOM: usize = IP_VS_SCHEDNAME_MAXLEN;

/// A name that the kernel has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    Empty,
    /// The name has more than 15 bytes.
    TooLong {
        /// Bytes that were given.
        length: usize,
    },
    /// A character other than printable ASCII, or a slash.
    Character {
        /// Where it stands, counted in bytes from 0.
        position: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::TooLong { length } => {
                write!(f, "the name has {length} bytes, the kernel has room for {}", ROOM - 1)
            }
            Self::Character { position } => {
                write!(f, "the name's byte {position} is not a printable ASCII character or is a slash")
            }
        }
    }
}

impl std::error::Error for NameError {}

/// Zero-padded, at least one byte, at most 15.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name([u8; ROOM]);

impl Name {
    const fn new(name: &str) -> Result<Self, NameError> {
        let bytes = name.as_bytes();
        if bytes.is_empty() {
            return Err(NameError::Empty);
        }
        if bytes.len() >= ROOM {
            return Err(NameError::TooLong { length: bytes.len() });
        }
        let mut room = [0; ROOM];
        let mut position = 0;
        while position < bytes.len() {
            if !bytes[position].is_ascii_graphic() || bytes[position] == b'/' {
                return Err(NameError::Character { position });
            }
            room[position] = bytes[position];
            position += 1;
        }
        Ok(Self(room))
    }

    fn as_str(&self) -> &str {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(ROOM);
        self.0.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Name);

        impl $type {
            /// Takes 1 to 15 printable ASCII characters without a slash.
            ///
            /// # Errors
            /// When the kernel has no room for the name or it cannot be one.
            pub const fn new(name: &str) -> Result<Self, NameError> {
                match Name::new(name) {
                    Ok(name) => Ok(Self(name)),
                    Err(error) => Err(error),
                }
            }

            /// The name, without its NUL.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

name! {
    /// A scheduler, under the kernel's name for it: the module `ip_vs_wlc` is `wlc`.
    ///
    /// The kernel loads the module by itself where a working `/sbin/modprobe`
    /// stands; without one a scheduler that is not loaded is
    /// [`ServiceError::SchedulerMissing`](crate::ServiceError::SchedulerMissing).
    ///
    /// ```
    /// use ipvs::Scheduler;
    ///
    /// assert_eq!("wlc".parse(), Ok(Scheduler::WLC));
    /// assert!(Scheduler::new("weighted-least-connections").is_err());
    /// ```
    Scheduler
}

name! {
    /// A persistence engine, under the kernel's name for it: `ip_vs_pe_sip` is `sip`.
    PersistenceEngine
}

name! {
    /// The name of a network interface.
    InterfaceName
}

impl Scheduler {
    /// Weighted least-connection, what `ipvsadm` takes when nothing is said.
    pub const WLC: Self = Self::known("wlc");
    /// Least-connection.
    pub const LC: Self = Self::known("lc");
    /// Round robin.
    pub const RR: Self = Self::known("rr");
    /// Weighted round robin.
    pub const WRR: Self = Self::known("wrr");
    /// Source hashing.
    pub const SH: Self = Self::known("sh");
    /// Destination hashing.
    pub const DH: Self = Self::known("dh");
    /// Maglev hashing (Linux 4.18).
    pub const MH: Self = Self::known("mh");
    /// No scheduler at all: nothing new is forwarded (Linux 4.4).
    pub const NONE: Self = Self::known("none");

    const fn known(name: &str) -> Self {
        match Self::new(name) {
            Ok(scheduler) => scheduler,
            Err(_) => panic!("a name of this file does not fit; seen when compiling"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_15_printable_ascii_bytes() {
        for (given, expected) in [
            ("wlc", Ok("wlc")),
            ("a", Ok("a")),
            ("123456789012345", Ok("123456789012345")),
            ("", Err(NameError::Empty)),
            ("1234567890123456", Err(NameError::TooLong { length: 16 })),
            ("a b", Err(NameError::Character { position: 1 })),
            ("a\0b", Err(NameError::Character { position: 1 })),
            ("ä", Err(NameError::Character { position: 0 })),
            ("../x", Err(NameError::Character { position: 2 })),
        ] {
            let got = Scheduler::new(given);
            assert_eq!(got.as_ref().map(Scheduler::as_str).map_err(|e| *e), expected, "{given:?}");
        }
    }

    #[test]
    fn a_name_is_shown_as_it_was_given() {
        assert_eq!(Scheduler::WLC.to_string(), "wlc");
        assert_eq!(format!("{:>5}", Scheduler::WLC), "  wlc");
        assert_eq!(format!("{:?}", Scheduler::WLC), "\"wlc\"");
    }
}
