//! Reads the kernel's state and changes it. No decisions: what to change comes as a
//! [`Plan`], in order.
//!
//! [`Kernel::machine`] says what the box is, [`Kernel::observe`] what the kernel holds,
//! [`Kernel::apply`] performs a plan's changes one after the other and stops at the first error.
//! [`Watch`] tells that somebody has changed something.
//!
//! Everything needs `CAP_NET_ADMIN` in the initial user namespace; modules need `CAP_SYS_MODULE`.
//! Netlink is spoken by hand here, in [`netlink`]: the requests are few, the answers must be known to
//! come from the kernel, and no thread may run beside the supervisor's.
#![deny(unsafe_code)]

mod addresses;
mod capture;
mod error;
mod extra;
mod firewall;
mod frame;
mod links;
mod modules;
mod netlink;
mod routes;
mod sysctls;
mod tables;
pub mod trace;
mod watch;

use std::fs;

use ipvs::Ipvs;
use mark21_reconcile::firewall::RuleCount;
use mark21_reconcile::{
    Change, Desired, Extra, IPV4_FORWARDING, IPV6_FORWARDING, Machine, Module, Observed, ObservedIpvs, Plan,
    Ruleset, Tables,
};

pub use capture::PacketSocket;
pub use error::{ApplyError, LockError, ObserveError, OpenError};
pub use extra::ExtraError;
pub use firewall::NftRefusal;
pub use frame::Frame;
pub use watch::{Foreign, Watch};

use error::Cause;
use modules::Modules;
use netlink::Socket;
use rustix::net::netlink::NETFILTER;

/// The module of IPVS itself. Asking for its netlink family would make the kernel load it, without
/// our parameters, so it is looked for first.
const IPVS_MODULE: &str = "ip_vs";
const NFT_MODULE: &str = "nf_tables";

/// The nft tables of the box: ours, if it is there, and all others.
pub type NftTables = (Option<Ruleset>, Tables);

/// The kernel of this box, in the network namespace of the thread that opened it.
pub struct Kernel {
    route: Socket,
    modules: Modules,
    /// Opened when the module is there.
    nft: Option<Socket>,
    /// Opened when the module is there.
    ipvs: Option<Ipvs>,
}

impl Kernel {
    /// Opens the sockets.
    ///
    /// # Errors
    /// When the kernel refuses a netlink socket, or depmod's files cannot be read.
    pub fn open() -> Result<Self, OpenError> {
        let failed = |what| move |cause| OpenError { what, cause };
        Ok(Self {
            route: Socket::open(None).map_err(failed("rtnetlink"))?,
            modules: Modules::read().map_err(failed("/lib/modules"))?,
            nft: None,
            ipvs: None,
        })
    }

    /// What the box is: its memory and its network ports.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn machine(&mut self) -> Result<Machine, ObserveError> {
        Ok(Machine {
            memory_bytes: memory_bytes()?,
            ports: links::ports(&mut self.route).map_err(reading("ports"))?,
        })
    }

    /// What the kernel holds of all that matters to `desired`.
    ///
    /// A module, sysctl, table or IPVS that is not there is no error but an absence.
    ///
    /// # Errors
    /// When a part of the kernel cannot be read.
    pub fn observe(&mut self, desired: &Desired) -> Result<Observed, ObserveError> {
        let tables = self.firewall()?;
        self.observe_beside(desired, tables)
    }

    /// The generation of the nft tables: as long as it is the same, so are they, but for what hangs on
    /// a device that went away. `None` where there are none.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn nft_generation(&mut self) -> Result<Option<u32>, ObserveError> {
        if self.modules.is_absent(NFT_MODULE) {
            return Ok(None);
        }
        let nft = match self.nft.take() {
            Some(nft) => nft,
            None => Socket::open(Some(NETFILTER)).map_err(reading("nfnetlink"))?,
        };
        firewall::generation(self.nft.insert(nft)).map(Some).map_err(reading("nft's generation"))
    }

    /// The same with nft tables that were listed before: listing them is by far the slowest part.
    /// See [`Kernel::nft_generation`].
    ///
    /// # Errors
    /// When a part of the kernel cannot be read.
    pub fn observe_beside(
        &mut self,
        desired: &Desired,
        (firewall, tables): NftTables,
    ) -> Result<Observed, ObserveError> {
        let wanted = desired.modules.iter().map(|module| module.name.as_str());
        let unwanted = desired.unwanted_modules.iter().map(String::as_str);
        let told = Observed {
            modules: self.modules.observe(wanted.chain(unwanted)),
            modules_locked: Modules::are_locked()?,
            firewall,
            tables,
            links: links::observe(&mut self.route).map_err(reading("links"))?,
            addresses: addresses::observe(&mut self.route).map_err(reading("addresses"))?,
            routes: routes::observe(&mut self.route).map_err(reading("routes"))?,
            ..Observed::default()
        };
        self.observe_silent(desired, told)
    }

    /// The same with all that the kernel tells of, by [`Watch`], as it was seen before: only settings
    /// and IPVS are read.
    ///
    /// # Errors
    /// When a part of the kernel cannot be read.
    pub fn observe_silent(&mut self, desired: &Desired, told: Observed) -> Result<Observed, ObserveError> {
        let is_on = |path| Ok(sysctls::read(path)?.map(|value| value != "0"));
        let forwarding_v4 = is_on(IPV4_FORWARDING)?.unwrap_or(false);
        Ok(Observed {
            sysctls: sysctls::observe(desired.sysctls.iter().map(|sysctl| sysctl.path.as_str()))?,
            ipvs: self.ipvs_tables()?,
            forwarding_v4,
            // A kernel without IPv6 is as it should be, whatever that is.
            forwarding_v6: is_on(IPV6_FORWARDING)?.unwrap_or(forwarding_v4),
            ..told
        })
    }

    /// Only what a person is told of: links, addresses and the IPVS tables with their counters.
    ///
    /// # Errors
    /// When a part of the kernel cannot be read.
    pub fn glance(&mut self) -> Result<Observed, ObserveError> {
        Ok(Observed {
            links: links::observe(&mut self.route).map_err(reading("links"))?,
            addresses: addresses::observe(&mut self.route).map_err(reading("addresses"))?,
            ipvs: self.ipvs_tables()?,
            ..Observed::default()
        })
    }

    /// Performs the plan's changes in order and stops at the first error. `progress` is told each
    /// change that was made; IPVS changes go out in batches, so it hears of those of a batch together.
    ///
    /// # Errors
    /// With the change that was refused; those before it are made. Of a batch of IPVS changes those
    /// behind it are made as well.
    pub fn apply(&mut self, plan: &Plan, mut progress: impl FnMut(&Change)) -> Result<(), ApplyError> {
        let same_batch =
            |here: &Change, next: &Change| matches!((here, next), (Change::Ipvs(_), Change::Ipvs(_)));
        for batch in plan.changes.chunk_by(same_batch) {
            self.apply_batch(batch, &mut progress)?;
        }
        Ok(())
    }

    /// Tries an operator's file out in an empty network namespace beside our own table: what it makes
    /// there is what must be there. Changes nothing on the box, but may load kernel modules.
    ///
    /// `devices` are the box's network devices, which rules may name.
    ///
    /// # Errors
    /// It is refused, with nft's own words or what it does to our table; or it could not be tried out.
    pub fn check_extra(
        &mut self,
        ruleset: &Ruleset,
        text: &str,
        devices: &[String],
    ) -> Result<Extra, ExtraError> {
        extra::check(&self.modules, ruleset, text, devices)
    }

    /// Lets the kernel take no more modules until it starts again, once all are there that a later
    /// configuration or an operator's file may ask for. `reserve` are the former. Says whether that
    /// was not so before.
    ///
    /// # Errors
    /// A module that is there is refused, or the kernel cannot be told; it takes modules as before.
    pub fn lock_modules(&mut self, reserve: &[Module]) -> Result<bool, LockError> {
        self.modules.lock(reserve)
    }

    /// The rules of our table as they are in the kernel, with their counters.
    ///
    /// # Errors
    /// When nft cannot list it.
    pub fn rule_counts(&mut self) -> Result<Vec<RuleCount>, ObserveError> {
        if self.modules.is_absent(NFT_MODULE) {
            return Ok(Vec::new());
        }
        let listing = firewall::listing().map_err(reading("the firewall"))?;
        let counts = listing.map_or(Ok(Vec::new()), |listing| Ruleset::counts(&listing));
        counts.map_err(reading("the firewall"))
    }

    fn apply_batch(
        &mut self,
        batch: &[Change],
        progress: &mut impl FnMut(&Change),
    ) -> Result<(), ApplyError> {
        let Some(first) = batch.first() else { return Ok(()) };
        let failed = |cause: Cause| ApplyError { change: Some(Box::new(first.clone())), cause };
        let failed_io = |cause: std::io::Error| failed(cause.into());
        match first {
            Change::Module(change) => self.modules.apply(change).map_err(failed_io)?,
            Change::Sysctl { sysctl, .. } => sysctls::apply(sysctl).map_err(failed_io)?,
            Change::Firewall { ruleset, .. } => firewall::apply(ruleset).map_err(failed)?,
            Change::Extra(change) => extra::apply(change).map_err(failed)?,
            Change::Link(change) => links::apply(&mut self.route, change).map_err(failed_io)?,
            Change::Address(change) => addresses::apply(&mut self.route, change).map_err(failed_io)?,
            Change::Route(change) => routes::apply(&mut self.route, change).map_err(failed_io)?,
            Change::Forwarding(on) => sysctls::forward(*on).map_err(failed_io)?,
            Change::Ipvs(_) => {
                let changes: Vec<_> = batch
                    .iter()
                    .filter_map(|change| match change {
                        Change::Ipvs(ipvs) => Some((change, ipvs)),
                        _ => None,
                    })
                    .collect();
                return tables::apply(open_ipvs(&mut self.ipvs).map_err(failed)?, &changes, progress);
            }
        }
        progress(first);
        Ok(())
    }

    fn firewall(&mut self) -> Result<NftTables, ObserveError> {
        if self.modules.is_absent(NFT_MODULE) {
            return Ok(Default::default());
        }
        firewall::observe().map_err(reading("the firewall"))
    }

    fn ipvs_tables(&mut self) -> Result<ObservedIpvs, ObserveError> {
        if !self.modules.is_present(IPVS_MODULE) {
            self.ipvs = None;
            return Ok(ObservedIpvs::default());
        }
        let ipvs = open_ipvs(&mut self.ipvs).map_err(reading("IPVS"))?;
        tables::observe(ipvs).map_err(reading("IPVS"))
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("ipvs", &self.ipvs.is_some()).finish_non_exhaustive()
    }
}

fn open_ipvs(slot: &mut Option<Ipvs>) -> Result<&mut Ipvs, Cause> {
    let ipvs = match slot.take() {
        Some(ipvs) => ipvs,
        None => Ipvs::open()?,
    };
    Ok(slot.insert(ipvs))
}

/// Names what could not be read.
fn reading<E: Into<Cause>>(what: &str) -> impl FnOnce(E) -> ObserveError {
    let what = what.to_owned();
    |cause| ObserveError { what, cause: cause.into() }
}

/// `MemTotal`, in bytes; /proc/meminfo tells KiB.
fn memory_bytes() -> Result<u64, ObserveError> {
    let path = "/proc/meminfo";
    let text = fs::read_to_string(path).map_err(reading(path))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let number = number.ok_or("no MemTotal").map_err(reading(path))?;
    Ok(number.saturating_mul(1024))
}
