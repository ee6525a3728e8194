//! The wanted state of the kernel, computed from a configuration.

use mark21_config::Config;

use crate::context::Context;
use crate::extra::Extra;
use crate::firewall::{self, Ruleset};
use crate::ipvs::{self, Ipvs};
use crate::links::{self, Address, Link, Route};
use crate::machine::{Machine, MissingPort, Overrides};
use crate::modules::{self, Module};
use crate::sysctls::{self, Sysctl};

/// All that the kernel should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// In loading order.
    pub modules: Vec<Module>,
    /// Modules that later configurations may ask for, to be there before the kernel takes no more.
    /// In loading order; one that the kernel lacks is no loss yet.
    pub reserve: Vec<Module>,
    /// Must not be loaded.
    pub unwanted_modules: Vec<String>,
    /// Without the forwarding switches.
    pub sysctls: Vec<Sysctl>,
    /// The table of our own.
    pub firewall: Ruleset,
    /// The operator's own tables; `None` for none.
    pub extra: Option<Extra>,
    /// Parents before children.
    pub links: Vec<Link>,
    /// Static addresses.
    pub addresses: Vec<Address>,
    /// Static routes.
    pub routes: Vec<Route>,
    /// The IPVS tables.
    pub ipvs: Ipvs,
    /// Packets are forwarded.
    pub forwarding: bool,
    /// Interfaces that cannot be set up for want of a port.
    pub missing: Vec<MissingPort>,
}

impl Desired {
    /// What a configuration asks for on this machine. Cannot fail: an interface whose port is not
    /// there is left out, and named in [`Desired::missing`].
    #[must_use]
    pub fn from_config(config: &Config, machine: &Machine, overrides: &Overrides) -> Self {
        let context = Context::new(config, machine, overrides);
        let links = links::links(&context);
        let devices: Vec<&str> = links.iter().map(|link| link.device.as_str()).collect();
        Self {
            modules: modules::modules(&context),
            reserve: modules::reserve(&context),
            unwanted_modules: modules::unwanted(&context),
            sysctls: sysctls::sysctls(&context, &devices),
            firewall: firewall::build(&context),
            extra: None,
            addresses: links::addresses(&context),
            routes: links::routes(&context),
            ipvs: ipvs::tables(&context),
            forwarding: true,
            missing: context.missing(),
            links,
        }
    }

    /// The same with other weights, which matter to IPVS alone: with thousands of servers the rest takes
    /// ten times as long.
    #[must_use]
    pub fn with_weights(&self, config: &Config, machine: &Machine, overrides: &Overrides) -> Self {
        Self { ipvs: ipvs::tables(&Context::new(config, machine, overrides)), ..self.clone() }
    }

    /// The kernel's name of an interface of the configuration; `None` where no port matches.
    #[must_use]
    pub fn device_of(&self, interface: &str) -> Option<&str> {
        let link = self.links.iter().find(|link| link.interface == interface)?;
        Some(link.device.as_str())
    }

    /// The same with the operator's own tables.
    #[must_use]
    pub fn with_extra(self, extra: Option<Extra>) -> Self {
        Self { extra, ..self }
    }

    /// The state for a box that has no good configuration: nothing forwarded, nothing listening but
    /// on the loopback device, no addresses, no services.
    #[must_use]
    pub fn fail_secure() -> Self {
        Self {
            modules: modules::fail_secure(),
            sysctls: sysctls::fail_secure(),
            firewall: firewall::fail_secure(),
            ..Self::default()
        }
    }
}
