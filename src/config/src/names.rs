//! The words that the file uses for the values of an enum, and their way back.
//!
//! One table per enum, an attribute being that of its `ALL`: what is read, what is printed and what the reference lists are the same.

use core::fmt;

use crate::forms::{Form, FormError};
use crate::model::{
    ActiveSource, BondMode, CheckKind, Forwarding, Passive, Scheduler, ServiceKind, SyslogProtocol, Tls,
};

macro_rules! named {
    ($($(#[$all:meta])? $vis:vis $type:ident { $($variant:ident = $text:literal),+ $(,)? })+) => { $(
        impl $type {
            /// Every value, in the order of the reference.
            $(#[$all])?
            $vis const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As the file spells it.
            #[must_use]
            $vis const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl Form for $type {
            fn read(text: &str) -> Result<Self, FormError> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(FormError::UnknownWord),
                }
            }
        }
    )+ };
}

named! {
    pub ActiveSource { Snat = "snat", Masquerade = "masquerade" }
    pub BondMode { Ieee8023ad = "802.3ad", ActiveBackup = "active-backup" }
    pub Forwarding { Masquerade = "masquerade", Direct = "direct", Tunnel = "tunnel" }
    pub Passive { Rewrite = "rewrite", Server = "server" }
    // The kernel's names; the module is `ip_vs_` and this.
    pub Scheduler {
        Rr = "rr", Wrr = "wrr", Lc = "lc", Wlc = "wlc", Sh = "sh", Dh = "dh", Sed = "sed",
        Nq = "nq", Mh = "mh",
    }
    pub SyslogProtocol { Udp = "udp", Tcp = "tcp" }
    pub Tls { Off = "off", Allowed = "allowed", Required = "required" }
    #[cfg(test)]
    pub(crate) KindName { Ftp = "ftp", Tcp = "tcp", Udp = "udp", Mark = "mark" }
    #[cfg(test)]
    pub(crate) CheckName { Ftp = "ftp", Tcp = "tcp", Off = "off" }
}

/// `kind = ".."` of a service, before the fields that it brings are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KindName {
    Ftp,
    Tcp,
    Udp,
    Mark,
}

/// `kind = ".."` of a check, with the word for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckName {
    Ftp,
    Tcp,
    Off,
}

impl ServiceKind {
    /// As the file spells it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ftp(_) => KindName::Ftp.name(),
            Self::Tcp { .. } => KindName::Tcp.name(),
            Self::Udp { .. } => KindName::Udp.name(),
            Self::Mark { .. } => KindName::Mark.name(),
        }
    }
}

impl fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl CheckKind {
    /// As the file spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ftp => CheckName::Ftp.name(),
            Self::Tcp => CheckName::Tcp.name(),
        }
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
