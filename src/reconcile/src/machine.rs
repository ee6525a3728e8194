//! Facts of the machine and of the moment that a configuration does not say.

use std::collections::BTreeMap;
use std::fmt;

use mark21_config::RealServer;

/// What the box is: read once, and again when a port comes or goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Usable memory in bytes (`MemTotal`). Tables are sized from it.
    pub memory_bytes: u64,
    /// The network ports, without those that Mark21 itself makes (VLANs, bonds).
    pub ports: Vec<Port>,
}

/// A network port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// The kernel's name of the moment.
    pub device: String,
    /// The permanent hardware address.
    pub mac: Option<[u8; 6]>,
    /// The PCI address, as `0000:01:00.0`.
    pub pci: Option<String>,
}

/// What stands above the configuration for a while: weights that an operator or a health check has
/// set, and servers that were taken out of the configuration but still carry sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// By position in [`mark21_config::Config::services`] and position within that service's servers.
    pub weights: BTreeMap<(usize, usize), u16>,
    /// Kept with weight 0, with their firewall rules, until their last session has ended.
    pub draining: Vec<Draining>,
}

/// A real server that left the configuration and finishes its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining {
    /// Position in [`mark21_config::Config::services`].
    pub service: usize,
    /// What the configuration said of it last.
    pub server: RealServer,
}

/// An interface of the configuration whose port this machine does not have at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPort {
    /// The interface's name in the configuration.
    pub interface: String,
    /// By what it is looked for, as `mac 52:54:00:12:34:56`.
    pub wanted: String,
}

impl fmt::Display for MissingPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interface {}: no port with {}", self.interface, self.wanted)
    }
}
