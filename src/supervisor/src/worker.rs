//! The kernel's owner: a thread that observes, plans and applies, so that the event loop always
//! turns. It takes one order after the other and never decides what to want.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use mark21_api::status::{Change, Firewall, PlanReport, Problem, Rule};
use mark21_config::Config;
use mark21_kernel::{Kernel, NftTables};
use mark21_reconcile::{Desired, Domain, Extra, Observed, Overrides, When, plan};
use tokio::sync::{mpsc, oneshot};

use crate::core::{Manner, Outcome};
use crate::load::chain;

/// Orders that wait: a convergence, a look, and a few plans.
const ORDERS: usize = 8;
/// Rounds of observing and applying until a state counts as one that does not hold. The second
/// round proves the first; a third is for links that appear while the first one runs.
const ROUNDS: usize = 3;

/// A configuration with the operator's own tables beside it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) config: Box<Config>,
    /// Of `extra.nft`; `None` where there is no such file.
    pub(crate) extra: Option<Extra>,
}

/// What an order is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    /// `None` is the fail-secure state.
    pub(crate) wanted: Option<Arc<Wanted>>,
    /// What stands above the configuration for a while.
    pub(crate) overrides: Overrides,
}

/// What the kernel's owner is told to do.
pub(crate) enum Order {
    /// Bring the kernel there and prove it.
    Converge {
        /// Where.
        subject: Subject,
        /// How.
        manner: Manner,
    },
    /// Observe for status.
    Look(Subject),
    /// Say what would be changed.
    Plan(Subject, oneshot::Sender<Result<PlanReport, String>>),
    /// Let the kernel take no more modules, once those are there that may be asked for.
    Lock(Subject),
    /// List the firewall; the text is that of the running configuration, for the lines.
    Firewall(String, oneshot::Sender<Result<Firewall, String>>),
}

/// What it tells.
pub(crate) enum Report {
    /// A convergence has ended.
    Converged {
        outcome: Outcome,
        /// How long it took.
        took: Duration,
        /// The last observation; `None` when there was none.
        census: Option<Census>,
    },
    /// A look has ended; `None` when the kernel could not be read.
    Looked(Option<Census>),
}

/// What was wanted and what was there at one moment.
#[derive(Debug)]
pub(crate) struct Census {
    pub(crate) taken: Instant,
    pub(crate) desired: Desired,
    pub(crate) observed: Observed,
}

/// Starts the thread.
///
/// # Errors
/// The kernel's sockets cannot be opened, or no thread can be started.
pub(crate) fn start(reports: mpsc::Sender<Report>) -> Result<SyncSender<Order>, Box<dyn std::error::Error>> {
    let kernel = Kernel::open()?;
    let (orders, queue) = sync_channel(ORDERS);
    thread::Builder::new().name("kernel".to_owned()).spawn(move || work(kernel, &queue, &reports))?;
    Ok(orders)
}

fn work(kernel: Kernel, orders: &Receiver<Order>, reports: &mpsc::Sender<Report>) {
    let mut worker = Worker { kernel, listed: None, locked: false };
    while let Ok(order) = orders.recv() {
        let report = match order {
            Order::Converge { subject, manner } => {
                let mut census = None;
                let began = Instant::now();
                let outcome = worker.converge(&subject, manner, &mut census);
                Report::Converged { outcome, took: began.elapsed(), census }
            }
            Order::Look(subject) => Report::Looked(worker.look(&subject, Listing::LastSeen).ok()),
            Order::Plan(subject, answer) => {
                let planned = worker.look(&subject, Listing::Anew).map(|census| report_plan(&census));
                // The caller may have gone away; then nobody wants the plan.
                drop(
                    answer.send(planned.map_err(|problem| format!("{}: {}", problem.subject, problem.text))),
                );
                continue;
            }
            Order::Lock(subject) => {
                worker.lock(&subject);
                continue;
            }
            Order::Firewall(text, answer) => {
                drop(answer.send(firewall(&mut worker.kernel, &text)));
                continue;
            }
        };
        if reports.blocking_send(report).is_err() {
            return;
        }
    }
}

/// The thread's own things.
struct Worker {
    kernel: Kernel,
    /// The nft tables as they were listed last.
    listed: Option<NftTables>,
    /// The kernel takes no more modules, and by our doing knows all that may be asked for.
    locked: bool,
}

/// Where a look takes the nft tables from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    /// From nft.
    Anew,
    /// From the last listing, where there is one.
    LastSeen,
}

impl Worker {
    fn converge(&mut self, subject: &Subject, manner: Manner, census: &mut Option<Census>) -> Outcome {
        let mut changes = Vec::new();
        let mut listing = if manner.whole { Listing::Anew } else { Listing::LastSeen };
        for round in 0..=ROUNDS {
            let seen = match self.look(subject, listing) {
                Ok(seen) => census.insert(seen),
                Err(problem) => return Outcome::Failed(problem),
            };
            let missing = seen.desired.missing.first().map(|missing| Problem {
                subject: format!("interface {}", missing.interface),
                text: format!("no port with {}", missing.wanted),
            });
            if let (Some(problem), false) = (&missing, manner.partial) {
                return Outcome::Failed(problem.clone());
            }
            let plan = plan(&seen.desired, &seen.observed);
            let Some(first) = plan.changes.first() else {
                return missing.map_or(Outcome::Proven(changes), Outcome::Failed);
            };
            if round == ROUNDS {
                let text = format!("does not keep what was applied; still to do: {first}");
                return Outcome::Failed(Problem { subject: "kernel".to_owned(), text });
            }
            let fixed = plan.changes.iter().find(|change| manner.live && change.when() != When::Live);
            if let Some(change) = fixed {
                return Outcome::NotLive(format!("{}: {change}", change.when()));
            }
            // What nft was told is proven by nft.
            if plan.changes.iter().any(|change| matches!(change.domain(), Domain::Firewall)) {
                listing = Listing::Anew;
            }
            if let Err(error) = self.kernel.apply(&plan, |change| changes.push(change.to_string())) {
                self.listed = None;
                return Outcome::Failed(trouble("kernel", &error));
            }
        }
        Outcome::Proven(changes)
    }

    /// A box without services waits for its first ones, which may want any module.
    fn lock(&mut self, subject: &Subject) {
        let serves = subject.wanted.as_ref().is_some_and(|wanted| !wanted.config.services.is_empty());
        if !serves || self.locked {
            return;
        }
        crate::stick::load_drivers();
        let locked = self.desired(subject).and_then(|desired| {
            self.kernel.lock_modules(&desired.reserve).map_err(|error| trouble("kernel", &error))
        });
        self.locked = locked.is_ok();
        match locked {
            Ok(true) => {
                crate::log::note(format_args!("the kernel takes no more modules until it starts again"))
            }
            Ok(false) => {}
            Err(problem) => crate::log::error(format_args!("{}: {}", problem.subject, problem.text)),
        }
    }

    fn desired(&mut self, subject: &Subject) -> Result<Desired, Problem> {
        let Some(wanted) = &subject.wanted else { return Ok(Desired::fail_secure()) };
        let machine = self.kernel.machine().map_err(|error| trouble("machine", &error))?;
        let desired = Desired::from_config(&wanted.config, &machine, &subject.overrides);
        Ok(desired.with_extra(wanted.extra.clone()))
    }

    fn look(&mut self, subject: &Subject, listing: Listing) -> Result<Census, Problem> {
        let desired = self.desired(subject)?;
        let known = self.listed.take().filter(|_| listing == Listing::LastSeen);
        let observed = match known {
            Some(tables) => self.kernel.observe_beside(&desired, tables),
            None => self.kernel.observe(&desired),
        };
        let mut observed = observed.map_err(|error| trouble("kernel", &error))?;
        // What is as it should be is kept once: the table of thousands of servers has megabytes.
        if let Some(listed) = observed.firewall.as_mut().filter(|listed| **listed == desired.firewall) {
            *listed = desired.firewall.clone();
        }
        self.listed = Some((observed.firewall.clone(), observed.tables.clone()));
        Ok(Census { taken: Instant::now(), desired, observed })
    }
}

fn firewall(kernel: &mut Kernel, text: &str) -> Result<Firewall, String> {
    let counts = kernel.rule_counts().map_err(|error| chain(&error))?;
    let rules = counts.into_iter().map(|count| {
        let object = count.cause.split_once(':').map_or(count.cause.as_str(), |(object, _)| object);
        Rule {
            line: mark21_config::line_of(text, object).map(|line| line as u64),
            packets: count.counted.map(|(packets, _)| packets),
            bytes: count.counted.map(|(_, bytes)| bytes),
            chain: count.chain,
            cause: count.cause,
        }
    });
    Ok(Firewall { rules: rules.collect() })
}

fn trouble(subject: &str, error: &dyn std::error::Error) -> Problem {
    Problem { subject: subject.to_owned(), text: chain(error) }
}

fn report_plan(census: &Census) -> PlanReport {
    let plan = plan(&census.desired, &census.observed);
    let changes = plan.changes.iter().map(|change| Change {
        domain: format!("{:?}", change.domain()).to_lowercase(),
        when: change.when().to_string(),
        text: change.to_string(),
    });
    PlanReport { changes: changes.collect() }
}
