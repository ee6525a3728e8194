//! The kernel's owner: a thread that observes, plans and applies, so that the event loop always
//! turns. It takes one order after the other and never decides what to want.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use mark21_api::status::{Change, Firewall, PlanReport, Problem, Rule};
use mark21_config::{Config, Whereabouts};
use mark21_kernel::Kernel;
use mark21_reconcile::{Desired, Domain, Extra, Machine, Observed, Overrides, When, plan, reweighing};
use tokio::sync::{mpsc, oneshot};

use crate::core::{Depth, Manner, Outcome};
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
    pub(crate) desired: Arc<Desired>,
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
    let mut worker = Worker { kernel, seen: None, computed: None, locked: false };
    while let Ok(order) = orders.recv() {
        let report = match order {
            Order::Converge { subject, manner } => {
                let mut census = None;
                let began = Instant::now();
                let outcome = worker.converge(&subject, manner, &mut census);
                Report::Converged { outcome, took: began.elapsed(), census }
            }
            Order::Look(subject) => Report::Looked(worker.glance(&subject).ok()),
            Order::Plan(subject, answer) => {
                let planned = worker.look(&subject, Depth::Anew).map(|census| report_plan(&census));
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
    /// What was seen last.
    seen: Option<Seen>,
    /// What was wanted last: for thousands of servers it takes longer to compute than to observe.
    computed: Option<Computed>,
    /// The kernel takes no more modules, and by our doing knows all that may be asked for.
    locked: bool,
}

/// What is wanted, and of what it was computed.
struct Computed {
    wanted: Arc<Wanted>,
    machine: Machine,
    overrides: Overrides,
    desired: Arc<Desired>,
    /// What it was before, where only the weights were others.
    reweighed: Option<Arc<Desired>>,
}

/// What need not be looked at anew while the kernel tells of no change.
struct Seen {
    /// Of nft's tables, before they were listed.
    generation: Option<u32>,
    /// Without settings and IPVS.
    observed: Observed,
}

impl Worker {
    fn converge(&mut self, subject: &Subject, manner: Manner, census: &mut Option<Census>) -> Outcome {
        let mut changes = Vec::new();
        let mut depth = manner.depth;
        if let Err(problem) = self.reweigh(subject, depth, &mut changes) {
            return Outcome::Failed(problem);
        }
        for round in 0..=ROUNDS {
            let seen = match self.look(subject, depth) {
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
            // What was changed is proven by looking at it; what nft was told, by nft.
            depth = plan.changes.iter().map(proof).fold(depth, Depth::max);
            if let Err(error) = self.kernel.apply(&plan, |change| changes.push(change.to_string())) {
                self.seen = None;
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
        // What is seen of the modules from now on is something else.
        self.seen = None;
        let locked = self.desired(subject, Depth::Whole).and_then(|desired| {
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

    /// Sets other weights, if that is all that is new, before anything is looked at: of thousands of
    /// servers each look takes its time, and the one behind this proves it.
    fn reweigh(&mut self, subject: &Subject, depth: Depth, changes: &mut Vec<String>) -> Result<(), Problem> {
        let after = self.desired(subject, depth)?;
        if let Some(before) = self.computed.as_mut().and_then(|last| last.reweighed.take()) {
            // What is refused here is planned anew behind the look, and told of there.
            let told = |change: &mark21_reconcile::Change| changes.push(change.to_string());
            drop(self.kernel.apply(&reweighing(&before, &after), told));
        }
        Ok(())
    }

    /// For status.
    fn glance(&mut self, subject: &Subject) -> Result<Census, Problem> {
        let desired = self.desired(subject, Depth::Whole)?;
        let observed = self.kernel.glance().map_err(|error| trouble("kernel", &error))?;
        Ok(Census { taken: Instant::now(), desired, observed })
    }

    fn look(&mut self, subject: &Subject, depth: Depth) -> Result<Census, Problem> {
        let desired = self.desired(subject, depth)?;
        let unseen = |error| trouble("kernel", &error);
        let generation = self.kernel.nft_generation().map_err(unseen)?;
        let is_same = |seen: &Seen| depth < Depth::Anew && seen.generation == generation;
        let observed = match self.seen.take().filter(is_same) {
            None => self.kernel.observe(&desired),
            Some(seen) if depth == Depth::Brief => self.kernel.observe_silent(&desired, seen.observed),
            Some(Seen { observed: Observed { firewall, tables, .. }, .. }) => {
                self.kernel.observe_beside(&desired, (firewall, tables))
            }
        };
        let mut observed = observed.map_err(unseen)?;
        // What is as it should be is kept once: the table of thousands of servers has megabytes.
        if let Some(listed) = observed.firewall.as_mut().filter(|listed| **listed == desired.firewall) {
            *listed = desired.firewall.clone();
        }
        let (sysctls, ipvs) = (mem::take(&mut observed.sysctls), mem::take(&mut observed.ipvs));
        self.seen = Some(Seen { generation, observed: observed.clone() });
        let observed = Observed { sysctls, ipvs, ..observed };
        Ok(Census { taken: Instant::now(), desired, observed })
    }

    fn desired(&mut self, subject: &Subject, depth: Depth) -> Result<Arc<Desired>, Problem> {
        let Subject { wanted: Some(wanted), overrides } = subject else {
            return Ok(Arc::new(Desired::fail_secure()));
        };
        let machine = match self.computed.as_ref().filter(|_| depth == Depth::Brief) {
            Some(last) => last.machine.clone(),
            None => self.kernel.machine().map_err(|error| trouble("machine", &error))?,
        };
        let like_this = |last: &Computed| {
            let is_same = Arc::ptr_eq(&last.wanted, wanted)
                || (last.wanted.extra == wanted.extra
                    && last.wanted.config.is_same_but_for_weights(&wanted.config));
            is_same && last.machine == machine && last.overrides.draining == overrides.draining
        };
        let (desired, reweighed) = match self.computed.take().filter(like_this) {
            Some(last) if Arc::ptr_eq(&last.wanted, wanted) && last.overrides == *overrides => {
                (last.desired, last.reweighed)
            }
            Some(last) => {
                let desired = last.desired.with_weights(&wanted.config, &machine, overrides);
                (Arc::new(desired), Some(last.desired))
            }
            None => {
                let desired = Desired::from_config(&wanted.config, &machine, overrides);
                (Arc::new(desired.with_extra(wanted.extra.clone())), None)
            }
        };
        self.computed = Some(Computed {
            wanted: Arc::clone(wanted),
            machine,
            overrides: overrides.clone(),
            desired: Arc::clone(&desired),
            reweighed,
        });
        Ok(desired)
    }
}

/// What a look must see to prove this change.
fn proof(change: &mark21_reconcile::Change) -> Depth {
    match change.domain() {
        Domain::Firewall => Depth::Anew,
        Domain::Sysctls | Domain::Forwarding | Domain::Ipvs => Depth::Brief,
        Domain::Modules | Domain::Links | Domain::Addresses | Domain::Routes => Depth::Whole,
    }
}

fn firewall(kernel: &mut Kernel, text: &str) -> Result<Firewall, String> {
    let counts = kernel.rule_counts().map_err(|error| chain(&error))?;
    let whereabouts = Whereabouts::of(text);
    let rules = counts.into_iter().map(|count| {
        let object = count.cause.split_once(':').map_or(count.cause.as_str(), |(object, _)| object);
        Rule {
            line: whereabouts.line(object).map(|line| line as u64),
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
