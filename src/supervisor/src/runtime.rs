//! The event loop: joins the decisions of [`Core`] with the kernel, the store and the service.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use mark21_api::status::{Boot, Configuration, Firmware, Problem, State, Status};
use mark21_config::Config;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::companion::{self, Companion};
use crate::core::{Command, Core, Event, Origin, Outcome};
use crate::load::{self, Attempt, Tryout, chain};
use crate::service::{self, Request};
use crate::store::{Refusal, Store};
use crate::watchdog::{self, Watchdog};
use crate::worker::{self, Census, Order, Report, Subject, Wanted};
use crate::{Options, bus, clock, files, firmware, report, server_config, watch};

/// Reports that wait: one convergence and one look at most are under way.
const REPORTS: usize = 4;
/// Figures younger than this are handed out again, so that a flood of status calls costs the
/// kernel nothing.
const FRESH: Duration = Duration::from_millis(200);
/// Status calls that wait for one look; more are refused.
const WAITING: usize = 64;

struct Runtime {
    core: Core,
    attempts: Vec<Attempt>,
    store: Store,
    options: Options,
    orders: SyncSender<Order>,
    census: Option<Census>,
    waiting: Vec<oneshot::Sender<Status>>,
    firmware: Firmware,
    boot: Boot,
    watchdog: Watchdog,
    bus: Arc<AtomicBool>,
    companion: Companion,
    /// Where the watch leaves its signs; `None` once it runs.
    signs: Option<mpsc::Sender<()>>,
    /// When the kernel's owner was given the order that it has not reported on yet.
    ordered: Option<Instant>,
}

/// Runs until the box or the parent stops it.
///
/// # Errors
/// What the supervisor cannot do without is not to be had: the kernel's sockets, its own socket.
pub(crate) async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let started = clock::since_kernel_start();
    let (requests, mut asked) = service::queue();
    let companion = Companion::start(Path::new(companion::SOCKET));
    service::listen(&options.run.join("api.sock"), requests.clone(), companion.clone())?;
    let bus = bus::serve(requests, companion.clone());
    let (told, mut reports) = mpsc::channel(REPORTS);
    let orders = worker::start(told)?;
    let (signs, mut disturbed) = watch::channel();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let store = Store::new(&options.config);
    let (attempts, standing) = load::attempts(&store, &mut Tryout::default());
    for problem in &standing {
        crate::log::error(format_args!("{}: {}", problem.subject, problem.text));
    }
    let origins = attempts.iter().map(|attempt| attempt.origin).collect();
    let (core, commands) = Core::start(Instant::now(), origins, standing);
    let mut runtime = Runtime {
        core,
        attempts,
        store,
        orders,
        census: None,
        waiting: Vec::new(),
        firmware: firmware::read(Path::new("/etc/os-release")),
        boot: Boot { kernel_to_supervisor_ms: millis(started), kernel_to_proven_ms: None },
        watchdog: Watchdog::arm(&options.watchdog),
        bus,
        companion,
        signs: Some(signs),
        ordered: None,
        options,
    };
    let mut meals = tokio::time::interval(watchdog::MEAL);
    meals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    runtime.perform(commands)?;

    loop {
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
            Some(request) = asked.recv() => {
                runtime.answer(request);
                continue;
            }
            Some(report) = reports.recv() => match runtime.take(report) {
                Some(event) => event,
                None => continue,
            },
            Some(()) = disturbed.recv() => Event::Disturbed,
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
    fn subject(&self, position: usize) -> Subject {
        self.attempts.get(position).map(|attempt| Arc::clone(&attempt.wanted))
    }

    /// The configuration that runs, or is being tried.
    fn config(&self) -> Option<&Config> {
        self.attempts.get(self.core.position()).map(|attempt| &*attempt.wanted.config)
    }

    fn perform(&mut self, commands: Vec<Command>) -> io::Result<()> {
        let mut commands: std::collections::VecDeque<Command> = commands.into();
        while let Some(command) = commands.pop_front() {
            match command {
                Command::Converge { position, partial } => {
                    let subject = self.subject(position);
                    let system = subject.as_ref().map(|wanted| &wanted.config.system);
                    if let Err(error) = files::generate(&self.options.run, system) {
                        crate::log::error(format_args!("host name and resolvers: {error}"));
                    }
                    self.order(Order::Converge { subject, partial })?;
                }
                Command::Save => {
                    let saved = self.save();
                    commands.extend(self.core.handle(Instant::now(), Event::Saved(saved)));
                }
                Command::Refuse(reason) => self.refuse(reason),
                Command::Ready => self.ready(),
                Command::Repaired(changes) => {
                    for change in changes {
                        crate::log::note(format_args!("a foreign change was put right: {change}"));
                    }
                }
                Command::Complain(problem) => {
                    crate::log::error(format_args!("{}: {}", problem.subject, problem.text));
                }
            }
        }
        Ok(())
    }

    fn feed(&mut self) {
        if self.ordered.is_none_or(|ordered| ordered.elapsed() < watchdog::SILENCE) {
            self.watchdog.feed();
        }
    }

    fn order(&mut self, order: Order) -> io::Result<()> {
        self.ordered.get_or_insert_with(Instant::now);
        self.orders.try_send(order).map_err(|error| io::Error::other(format!("the kernel's owner: {error}")))
    }

    fn save(&self) -> Result<u32, String> {
        let attempt = self.attempts.get(self.core.position()).ok_or("there is nothing to save")?;
        self.store.save(&attempt.stored, "boot", "candidate on the partition").map_err(|error| {
            format!("the configuration runs but could not be saved as a generation: {}", chain(&error))
        })
    }

    fn refuse(&self, reason: String) {
        let refused = self.attempts.iter().find(|attempt| attempt.origin == Origin::Candidate);
        if let Some(attempt) = refused {
            let refusal = Refusal { digest: attempt.stored.digest(), reason };
            if let Err(error) = self.store.refuse(refusal) {
                crate::log::error(format_args!("the refusal is not remembered: {}", chain(&error)));
            }
        }
    }

    fn ready(&mut self) {
        let proven = clock::since_kernel_start();
        self.boot.kernel_to_proven_ms = Some(millis(proven));
        if let Some(Err(error)) = self.signs.take().map(watch::start) {
            // The look every few seconds still finds what was changed.
            crate::log::error(format_args!("the kernel is not watched: {error}"));
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

    fn take(&mut self, report: Report) -> Option<Event> {
        self.ordered = None;
        match report {
            Report::Converged { outcome, took, census } => {
                self.census = census.or(self.census.take());
                if matches!(outcome, Outcome::Proven(_)) {
                    self.hand_over_roles();
                }
                Some(Event::Converged { outcome, took })
            }
            Report::Looked(census) => {
                self.census = census.or(self.census.take());
                let status = self.status();
                for answer in std::mem::take(&mut self.waiting) {
                    // A caller that has gone away needs no answer.
                    drop(answer.send(status.clone()));
                }
                None
            }
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Status(answer) => {
                let is_fresh = self.census.as_ref().is_some_and(|census| census.taken.elapsed() < FRESH);
                let is_starting = self.core.state() == State::Starting;
                let looking = !self.waiting.is_empty();
                if is_fresh || is_starting || self.waiting.len() == WAITING {
                    drop(answer.send(self.status()));
                } else if looking || self.look().is_ok() {
                    self.waiting.push(answer);
                } else {
                    drop(answer.send(self.status()));
                }
            }
            Request::Firewall(answer) => {
                let running = self.attempts.get(self.core.position());
                let text = running.map(|attempt| String::from_utf8_lossy(&attempt.stored.text).into_owned());
                drop(self.order(Order::Firewall(text.unwrap_or_default(), answer)));
            }
            Request::ServerConfig(name, answer) => drop(answer.send(self.server_config(&name))),
            Request::Plan(config, answer) => {
                let running = self.subject(self.core.position());
                let subject = match config {
                    // Another configuration beside the same extra.nft.
                    Some(config) => {
                        let extra = running.and_then(|running| running.extra.clone());
                        Some(Arc::new(Wanted { config, extra }))
                    }
                    None => running,
                };
                // A full queue drops the answer's sender, and the caller is told so.
                drop(self.order(Order::Plan(subject, answer)));
            }
        }
    }

    fn server_config(&self, name: &str) -> Result<HashMap<String, String>, String> {
        let config = self.config().ok_or("no configuration runs")?;
        let service =
            config.services.iter().find(|service| service.name.as_str() == name).ok_or_else(|| {
                let names: Vec<&str> = config.services.iter().map(|service| service.name.as_str()).collect();
                format!("there is no service {name:?}; there are: {}", names.join(", "))
            })?;
        let lines =
            server_config::of(service).ok_or_else(|| format!("service {name:?} does not carry FTP"))?;
        Ok(lines.into_iter().map(|lines| (lines.program.to_owned(), lines.text)).collect())
    }

    /// Tells vrrpd what is wanted of it: only now that everything it relies on stands.
    fn hand_over_roles(&self) {
        let wanted = self
            .config()
            .zip(self.census.as_ref())
            .map(|(config, census)| companion::configuration(config, &census.desired));
        self.companion.want(wanted.unwrap_or_default());
    }

    fn look(&mut self) -> io::Result<()> {
        let subject = self.subject(self.core.position());
        self.order(Order::Look(subject))
    }

    fn status(&self) -> Status {
        let position = self.core.position();
        let config = self.config();
        let mut status = Status {
            state: self.core.state(),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            firmware: self.firmware.clone(),
            configuration: Configuration {
                generation: match self.core.origin() {
                    Origin::Generation(number) => Some(number),
                    Origin::Candidate | Origin::FailSecure => None,
                },
                at_boot: self.store.current().unwrap_or_default(),
                digest: self
                    .attempts
                    .get(position)
                    .map(|attempt| attempt.stored.digest())
                    .unwrap_or_default(),
            },
            boot: self.boot,
            watchdog: self.watchdog.is_armed(),
            bus: self.bus.load(Ordering::Relaxed),
            problems: self.core.problems().cloned().collect(),
            ..Status::default()
        };
        let companion = self.companion.seen();
        if !companion.problem.is_empty() {
            status.problems.push(Problem { subject: "vrrpd".to_owned(), text: companion.problem });
        }
        status.virtual_routers = companion.routers;
        if let (Some(config), Some(census)) = (config, &self.census) {
            status.age_ms = millis(census.taken.elapsed());
            status.interfaces = report::interfaces(config, census);
            status.services = report::services(config, census);
        }
        status
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
