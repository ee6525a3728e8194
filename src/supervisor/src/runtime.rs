//! The event loop: joins the decisions of [`Core`] with the kernel, the store and the service.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use mark21_api::status::{Boot, Firmware, Problem, Service, State};
use mark21_config::Config;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::companion::{self, Companion};
use crate::core::{Command, Core, Depth, Event, Outcome};
use crate::door::Door;
use crate::feed::{Feed, News};
use crate::hand::Hand;
use crate::load::{self, Payload, Tryout, chain};
use crate::outside::Outside;
use crate::store::{Current, Refusal, Store};
use crate::watch::{self, Sign};
use crate::watchdog::{self, Watchdog};
use crate::worker::{self, Census, Order, Report, Subject, Wanted};
use crate::{Options, bus, clock, files, firmware, haste, listen, rescue, reset};

mod answer;
mod change;

pub(crate) use change::{Answer, Change, Weight};

/// Reports that wait: one convergence and one look at most are under way.
const REPORTS: usize = 4;
/// Events of the store and of vrrpd that wait: one of each at most is under way.
const EVENTS: usize = 4;
/// Status calls that wait for one look; more are refused.
const WAITING: usize = 64;

struct Runtime {
    core: Core<Payload>,
    store: Store,
    /// What the store names as the one to boot: read when the store has been written, not for every
    /// status.
    boots: Option<u32>,
    options: Options,
    orders: SyncSender<Order>,
    events: mpsc::Sender<Event<Payload>>,
    census: Option<Census>,
    /// What the census comes to, until it, the configuration or the hand changes.
    services: OnceCell<Arc<Vec<Service>>>,
    waiting: Vec<oneshot::Sender<Arc<String>>>,
    /// Who is told without a look, of one status for all who have asked by then.
    asking: Vec<oneshot::Sender<Arc<String>>>,
    firmware: Firmware,
    boot: Boot,
    watchdog: Watchdog,
    bus: Arc<AtomicBool>,
    companion: Companion,
    outside: Outside,
    feed: Feed,
    hand: Hand,
    /// The configuration that the kernel was last brought to, with none for the fail-secure state.
    applied: Option<Option<Arc<Wanted>>>,
    /// Who waits for the end of a change.
    change: Option<change::Caller>,
    /// Who waits for a weight to be in the kernel.
    reweighing: Vec<change::Reweighing>,
    /// Where the watch leaves its signs.
    signs: mpsc::Sender<Sign>,
    /// Whether the kernel tells of foreign changes.
    is_watched: bool,
    /// Hashes of passwords that open nothing.
    forgotten: Vec<String>,
    /// When the kernel's owner was given the order that it has not reported on yet.
    ordered: Option<Instant>,
}

/// Runs until the box or the parent stops it.
///
/// # Errors
/// What the supervisor cannot do without is not to be had: the kernel's sockets, its own socket.
pub(crate) async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let started = clock::since_kernel_start();
    let companion = Companion::start(Path::new(companion::SOCKET));
    let store = Store::new(&options.config);
    let feed = Feed::new();
    let (door, mut asked) = Door::new(companion.clone(), store.clone(), feed.clone(), &options.run);
    listen::listen(&options.run.join("api.sock"), door.clone())?;
    let bus = bus::serve(door);
    let (told, mut reports) = mpsc::channel(REPORTS);
    let orders = worker::start(told)?;
    let (signs, mut disturbed) = watch::channel();
    let (events, mut happened) = mpsc::channel(EVENTS);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let wish = rescue::asked(&std::fs::read_to_string(rescue::COMMAND_LINE).unwrap_or_default());
    if let Err(error) = rescue::reset(wish, &options.run, &store) {
        crate::log::error(format_args!("factory reset: {error}"));
    }
    if let Err(error) = store.tidy() {
        crate::log::error(format_args!("{}", chain(&error)));
    }
    let (attempts, standing) = load::attempts(&store, &mut Tryout::default());
    let forgotten = rescue::forgotten(wish, &options.run, load::passwords(&attempts));
    let reset = reset::read(Path::new(reset::BOOT_STATUS));
    crate::log::note(format_args!("the machine started because: {}", reset.words()));
    for Problem { subject, text } in &standing {
        match text == load::NONE_YET {
            true => crate::log::announce(format_args!("{subject}: {text}")),
            false => crate::log::error(format_args!("{subject}: {text}")),
        }
    }
    let (core, commands) = Core::start(Instant::now(), attempts, standing);
    let mut runtime = Runtime {
        core,
        outside: Outside::start(&options, store.clone()),
        boots: store.current().unwrap_or_default(),
        store,
        orders,
        events,
        census: None,
        services: OnceCell::new(),
        waiting: Vec::new(),
        asking: Vec::new(),
        firmware: firmware::read(Path::new("/etc/os-release")),
        boot: Boot {
            kernel_to_supervisor_ms: millis(started),
            kernel_to_proven_ms: None,
            uptime_s: 0,
            reset,
        },
        watchdog: Watchdog::arm(&options.watchdog),
        bus,
        companion,
        feed,
        hand: Hand::default(),
        applied: None,
        change: None,
        reweighing: Vec::new(),
        signs,
        is_watched: false,
        forgotten,
        ordered: None,
        options,
    };
    let mut meals = tokio::time::interval(watchdog::MEAL);
    meals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    runtime.perform(commands)?;

    loop {
        if asked.is_empty() || runtime.asking.len() >= WAITING {
            runtime.tell();
        }
        let deadline = runtime.core.deadline();
        let tick = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            Some(request) = asked.recv() => match runtime.answer(request) {
                Some(event) => event,
                None => continue,
            },
            Some(report) = reports.recv() => match runtime.take(report) {
                Some(event) => event,
                None => continue,
            },
            Some(event) = happened.recv() => {
                runtime.boots = runtime.store.current().unwrap_or_default();
                event
            }
            Some(sign) = disturbed.recv() => {
                runtime.is_watched &= sign != Sign::Lost;
                Event::Disturbed
            }
            () = runtime.companion.changed() => {
                runtime.publish();
                continue;
            }
            _ = meals.tick() => {
                runtime.feed();
                continue;
            }
            () = tick => Event::Tick,
        };
        let commands = runtime.core.handle(Instant::now(), event);
        runtime.perform(commands)?;
    }
}

impl Runtime {
    /// What the kernel is to be brought to: what runs or is tried, under the operator's hand.
    fn subject(&self) -> Subject {
        let wanted = self.core.running().map(|payload| Arc::clone(&payload.wanted));
        let overrides = wanted.as_ref().map(|wanted| self.hand.overrides(&wanted.config));
        Subject { wanted, overrides: overrides.unwrap_or_default() }
    }

    /// The configuration that runs, or is being tried.
    fn config(&self) -> Option<&Config> {
        self.core.running().map(|payload| &*payload.wanted.config)
    }

    fn perform(&mut self, commands: Vec<Command>) -> io::Result<()> {
        let mut commands = VecDeque::from(commands);
        while let Some(command) = commands.pop_front() {
            match command {
                Command::Converge(mut manner) => {
                    // Without the watch anything may have changed. One that was lost is begun anew, before
                    // the look, so that this one finds what went unseen.
                    if !self.is_watched {
                        manner.depth = Depth::Anew;
                    }
                    if self.boot.kernel_to_proven_ms.is_some() && !self.is_watched {
                        self.is_watched = watch::start(self.signs.clone()).is_ok();
                    }
                    self.enter();
                    let subject = self.subject();
                    self.order(Order::Converge { subject, manner })?;
                }
                Command::Instruct => {
                    let (told, events) = (self.instruct(), self.events.clone());
                    // When the runtime has ended, nobody waits for this.
                    tokio::spawn(async move { drop(events.send(Event::Instructed(told.await)).await) });
                }
                Command::Want => drop(tokio::spawn(self.instruct())),
                Command::Save { current } => self.save(if current { Current::Named } else { Current::Later }),
                Command::Name(number) => self.name(number),
                Command::Refuse(reason) => self.refuse(reason),
                Command::Ready => self.ready(),
                Command::Lock => self.send(Order::Lock(self.subject()))?,
                Command::Repaired(changes) => {
                    for change in changes {
                        crate::log::note(format_args!("a foreign change was put right: {change}"));
                    }
                }
                Command::Complain(problem) => {
                    crate::log::error(format_args!("{}: {}", problem.subject, problem.text));
                }
                Command::Answer(result) => {
                    self.changed(result);
                    self.reach_out();
                }
                Command::Announce { generation, seconds } => {
                    crate::log::announce(format_args!(
                        "generation {generation} goes back in {seconds} s unless it is confirmed"
                    ));
                    self.feed.tell(News::RollbackAnnounced { generation, seconds });
                }
                Command::WentBack { from, to, why } => {
                    let from = from.unwrap_or_default();
                    crate::log::announce(format_args!("back from generation {from} to {to}: {why}"));
                    let to = to.generation().unwrap_or_default();
                    self.feed.tell(News::RolledBack { from, to, reason: why });
                }
            }
        }
        self.publish();
        Ok(())
    }

    fn feed(&mut self) {
        if self.ordered.is_none_or(|ordered| ordered.elapsed() < watchdog::SILENCE) {
            self.watchdog.feed();
        }
    }

    fn order(&mut self, order: Order) -> io::Result<()> {
        self.ordered.get_or_insert_with(Instant::now);
        self.send(order)
    }

    /// Orders without a report.
    fn send(&self, order: Order) -> io::Result<()> {
        self.orders.try_send(order).map_err(|error| io::Error::other(format!("the kernel's owner: {error}")))
    }

    /// What belongs to the configuration that the kernel is about to be brought to.
    fn enter(&mut self) {
        self.services.take();
        for waiting in &mut self.reweighing {
            waiting.is_ordered = true;
        }
        let next = self.core.running().map(|payload| Arc::clone(&payload.wanted));
        match (&self.applied, &next) {
            (Some(Some(from)), Some(to)) if Arc::ptr_eq(from, to) => return,
            (Some(None), None) => return,
            (Some(Some(from)), Some(to)) => self.hand.leave(&from.config, &to.config),
            (Some(Some(_) | None) | None, _) => {}
        }
        let system = next.as_ref().map(|wanted| &wanted.config.system);
        if let Err(error) = files::generate(&self.options.run, system, &self.forgotten) {
            crate::log::error(format_args!("host name and resolvers: {error}"));
        }
        self.applied = Some(next);
    }

    /// Tells vrrpd what is wanted of it: only now that everything it relies on stands.
    fn instruct(&self) -> impl Future<Output = Result<(), String>> + use<> {
        let wanted = self
            .config()
            .zip(self.census.as_ref())
            .map(|(config, census)| companion::configuration(config, &census.desired));
        let companion = self.companion.clone();
        async move { companion.instruct(wanted.unwrap_or_default()).await }
    }

    /// Beside the event loop, because a slow disk may take seconds.
    fn save(&self, current: Current) {
        let Some(payload) = self.core.running().cloned() else { return };
        let (store, events) = (self.store.clone(), self.events.clone());
        tokio::task::spawn_blocking(move || {
            let saved = store.save(&payload.stored, &payload.note, current).map_err(|error| {
                format!("the configuration could not be saved as a generation: {}", chain(&error))
            });
            drop(events.blocking_send(Event::Saved(saved)));
        });
    }

    fn name(&self, number: u32) {
        let (store, events) = (self.store.clone(), self.events.clone());
        tokio::task::spawn_blocking(move || {
            let named = store.name_current(number).map_err(|error| chain(&error));
            drop(events.blocking_send(Event::Named(named)));
        });
    }

    fn refuse(&self, reason: String) {
        let Ok(Some(candidate)) = self.store.candidate() else { return };
        if let Err(error) = self.store.refuse(Refusal { digest: candidate.digest().to_owned(), reason }) {
            crate::log::error(format_args!("the refusal is not remembered: {}", chain(&error)));
        }
    }

    fn ready(&mut self) {
        let proven = clock::since_kernel_start();
        haste::end();
        self.reach_out();
        self.boot.kernel_to_proven_ms = Some(millis(proven));
        match watch::start(self.signs.clone()) {
            Ok(()) => self.is_watched = true,
            // Every look is at everything until it can be begun.
            Err(error) => crate::log::error(format_args!("the kernel is not watched: {error}")),
        }
        let state = self.core.state();
        crate::log::note(format_args!(
            "{} with {}, {:.2} s after the kernel's start",
            state.word(),
            self.core.origin(),
            proven.as_secs_f64()
        ));
        // A parent that listens is the exception: BusyBox init does not.
        let status = NotifyState::Status(state.word());
        if let Err(error) = sd_notify::notify(&[NotifyState::Ready, status]) {
            crate::log::error(format_args!("the parent could not be told: {error}"));
        }
    }

    fn take(&mut self, report: Report) -> Option<Event<Payload>> {
        self.ordered = None;
        self.services.take();
        match report {
            Report::Converged { outcome, took, census } => {
                self.census = census.or(self.census.take());
                self.reweighed(&outcome);
                // What is only tried is no reason to let anybody in or out.
                if matches!(outcome, Outcome::Proven(_)) && !self.core.is_trying() {
                    self.reach_out();
                }
                self.release();
                Some(Event::Converged { outcome, took })
            }
            Report::Looked(census) => {
                self.census = census.or(self.census.take());
                self.asking.append(&mut self.waiting);
                None
            }
        }
    }

    /// Lets servers go that have left the configuration and whose last session has ended.
    fn release(&mut self) {
        let Some(applied) = self.applied.clone().flatten() else { return };
        let Some(census) = &self.census else { return };
        if self.hand.release(&applied.config, &census.observed) {
            // The next look takes them out; nothing waits for it.
            crate::log::note(format_args!("a server that was leaving has finished its last session"));
        }
    }

    /// Opens the way in, and starts clock and log, as what was applied last says.
    fn reach_out(&mut self) {
        let applied = self.applied.as_ref().and_then(Option::as_ref);
        self.outside.want(applied.map(|wanted| &*wanted.config));
    }

    fn is_starting(&self) -> bool {
        self.core.state() == State::Starting
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
