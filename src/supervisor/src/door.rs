//! The way in for everybody who is connected: what can be asked, checked before it reaches the
//! runtime. Who may ask what is decided by those who call this.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mark21_api::status::{
    CaptureOptions, Captured, CommitOptions, Committed, Firewall, Generation, GenerationFiles, Hop,
    PlanReport,
};
use mark21_config::Config;
use mark21_kernel::trace;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::capture::Captures;
use crate::companion::Companion;
use crate::edit;
use crate::feed::Feed;
use crate::hand::{self, ServerName};
use crate::hex;
use crate::load::{Payload, Tryout, chain};
use crate::refusal::Refusal;
use crate::runtime::{Answer, Change, Weight};
use crate::store::{Meta, Note, Store, StoreError, Stored};
use crate::worker::Wanted;
use crate::{install, ssh, stick};

/// Requests that wait for the runtime; a caller beyond them waits for its turn.
const REQUESTS: usize = 16;
/// Seconds that a confirmation may take: at least as long as a person needs to try one thing, at
/// most a day.
const CONFIRM: std::ops::RangeInclusive<u32> = 10..=86_400;
/// Characters of an author or a comment.
const NOTE_CHARACTERS: usize = 200;

/// The network devices (sysfs).
const DEVICES: &str = "/sys/class/net";
/// What is done about a text that is refused.
const MEND: &str = "mend it and try once more; nothing has changed";
/// Hops asked at a time, whoever asks.
const TRACES: usize = 4;
/// Requests to each hop, and how long each is waited for.
const TRACE_REQUESTS: u8 = 3;
const TRACE_PATIENCE: Duration = Duration::from_secs(1);

/// What is answered, or why not.
type Result<T, E = Refusal> = std::result::Result<T, E>;

/// What the runtime is asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// The whole status as JSON.
    Status(oneshot::Sender<Arc<String>>),
    /// The changes that lead to this configuration, or to the running one.
    Plan(Option<Box<Config>>, oneshot::Sender<Result<PlanReport, String>>),
    /// The firewall's rules with their counters.
    Firewall(oneshot::Sender<Result<Firewall, String>>),
    /// What the FTP servers behind this service must carry, by program.
    ServerConfig(String, oneshot::Sender<Result<HashMap<String, String>>>),
    /// What runs; none in the fail-secure state.
    Running(oneshot::Sender<Option<Payload>>),
    /// An operator's change.
    Change(Change, Answer),
    /// A weight by an operator's hand.
    Weight(Weight, oneshot::Sender<Result<()>>),
}

/// What every served connection has.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    requests: mpsc::Sender<Request>,
    companion: Companion,
    store: Store,
    run: PathBuf,
    captures: Captures,
    /// What objects show and signals tell.
    pub(crate) feed: Feed,
}

impl Door {
    /// The door, and where its requests come out.
    pub(crate) fn new(
        companion: Companion,
        store: Store,
        feed: Feed,
        run: &Path,
    ) -> (Self, mpsc::Receiver<Request>) {
        let run = run.to_owned();
        let (requests, asked) = mpsc::channel(REQUESTS);
        (Self { requests, companion, store, run, captures: Captures::default(), feed }, asked)
    }

    pub(crate) async fn status(&self) -> Result<Arc<String>> {
        self.ask(Request::Status).await
    }

    pub(crate) async fn firewall(&self) -> Result<Firewall> {
        self.ask(Request::Firewall).await?.map_err(Refusal::below)
    }

    pub(crate) async fn server_config(&self, service: &str) -> Result<HashMap<String, String>> {
        let service = service.to_owned();
        self.ask(|answer| Request::ServerConfig(service, answer)).await?
    }

    pub(crate) async fn plan(&self, text: &str) -> Result<PlanReport> {
        let config = if text.is_empty() { None } else { Some(parse(text.to_owned()).await?) };
        self.ask(|answer| Request::Plan(config, answer)).await?.map_err(Refusal::below)
    }

    pub(crate) async fn resign(&self, name: &str) -> Result<()> {
        let running = self.running().await?.ok_or_else(Refusal::nothing_runs)?;
        let Config { virtual_routers, sync_groups, .. } = &*running.wanted.config;
        let routers = virtual_routers.iter().map(|router| router.name.to_string());
        let mut known: Vec<String> = routers.collect();
        if known.is_empty() {
            let next = "only a box of a pair has roles to hand over; setup makes one";
            return Err(Refusal::failed("this box has no virtual router", next));
        }
        known.extend(sync_groups.iter().map(|group| group.name.to_string()));
        known.push("all".to_owned());
        if !known.iter().any(|known| known == name) {
            return Err(Refusal::unknown("virtual router or sync group", format_args!("{name:?}"), &known));
        }
        self.companion.resign(name).await.map_err(|error| Refusal::below(format!("vrrpd: {error}")))
    }

    /// Begins a capture on an interface of the configuration, or on a device by the kernel's name.
    pub(crate) fn start_capture(&self, interface: &str, options: &CaptureOptions) -> Result<u32> {
        let latest = self.feed.latest();
        let named = latest.interfaces.iter().find(|known| known.name == interface);
        let device = match named {
            Some(named) => named.device.as_deref().ok_or_else(|| {
                let why = format!("interface {interface} has no device now");
                Refusal::failed(why, "is its port in the box? show interfaces tells")
            })?,
            None if is_device(interface) => interface,
            None => {
                let names = latest.interfaces.iter().map(|known| known.name.clone());
                let ports = latest.ports.iter().map(|port| port.device.clone());
                let known: Vec<String> = names.chain(ports).collect();
                return Err(Refusal::unknown("interface", format_args!("{interface:?}"), &known));
            }
        };
        self.captures.start(device, options)
    }

    pub(crate) async fn read_capture(&self, number: u32) -> Result<Captured> {
        self.captures.read(number).await
    }

    /// The private host key of ssh in hexadecimal; empty where there is none.
    pub(crate) async fn host_key(&self) -> Result<String> {
        Ok(self.stored(Store::read_host_key).await?.map(|bytes| hex::write(&bytes)).unwrap_or_default())
    }

    pub(crate) async fn restore_host_key(&self, key: &str) -> Result<()> {
        let bytes = hex::read(key).filter(|bytes| !bytes.is_empty());
        let refused = |why: String| Refusal::wrong(why, "is the backup whole? take another one");
        let bytes = bytes.ok_or_else(|| refused("the host key is no hexadecimal text".to_owned()))?;
        let replaced = ssh::replace_host_key(&self.run, &self.store, bytes).await;
        replaced.map_err(|error| refused(format!("the host key: {error}")))
    }

    /// The names of the files on a USB stick.
    pub(crate) async fn list_stick(&self) -> Result<Vec<String>> {
        self.at_the_stick(stick::list).await
    }

    pub(crate) async fn read_stick(&self, name: &str) -> Result<String> {
        let name = name.to_owned();
        self.at_the_stick(move |run| stick::read(run, &name)).await
    }

    pub(crate) async fn write_stick(&self, name: &str, text: &str) -> Result<()> {
        let (name, text) = (name.to_owned(), text.to_owned());
        self.at_the_stick(move |run| stick::write(run, &name, &text)).await
    }

    async fn at_the_stick<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let run = self.run.clone();
        at_a_disk(move || work(&run)).await
    }

    /// The disks of the box.
    pub(crate) async fn list_disks(&self) -> Result<Vec<install::Disk>> {
        at_a_disk(install::list).await
    }

    /// Writes the running system onto another disk; one at a time.
    pub(crate) async fn install(&self, disk: &str) -> Result<()> {
        static TURN: Semaphore = Semaphore::const_new(1);
        let busy =
            |_| Refusal::failed("a disk is being written already", "it takes minutes; log tells its end");
        let turn = TURN.try_acquire().map_err(busy)?;
        let disk = disk.to_owned();
        let done = at_a_disk(move || install::install(&disk)).await;
        drop(turn);
        done
    }

    /// Asks one hop on the way to a host.
    pub(crate) async fn trace(&self, host: &str, hop: u8) -> Result<Hop> {
        let wrong =
            |_| Refusal::wrong(format!("{host:?} is no address"), "name the host by one, as in 192.0.2.1");
        let host: IpAddr = host.parse().map_err(wrong)?;
        if hop == 0 {
            return Err(Refusal::wrong("hop 0 is the box itself", "ask from 1 on"));
        }
        static TURNS: Semaphore = Semaphore::const_new(TRACES);
        let turn = TURNS.acquire().await.map_err(|_| Refusal::stopping())?;
        let asked = move || trace::hop(host, hop, TRACE_REQUESTS, TRACE_PATIENCE);
        let seen = tokio::task::spawn_blocking(asked).await.map_err(Refusal::below)?;
        drop(turn);
        let seen = seen.map_err(|error| {
            Refusal::failed(format!("{host}: {error}"), "is there a route? show interfaces tells what is up")
        })?;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Ok(Hop {
            address: seen.address.map(|address| address.to_string()),
            lost: seen.times.iter().filter(|time| time.is_none()).count() as u64,
            times_us: seen.times.into_iter().flatten().map(micros).collect(),
            is_reached: seen.end == Some(trace::End::Reached),
            is_unreachable: seen.end == Some(trace::End::Unreachable),
        })
    }

    pub(crate) async fn generations(&self) -> Result<Vec<Generation>> {
        let (metas, current) = self
            .stored(|store| {
                let numbers = store.generations()?;
                // One that is damaged is told of by who reads it.
                let read = |number| store.generation(number).ok().map(|(_, meta)| (number, meta));
                let metas: Vec<(u32, Meta)> = numbers.into_iter().filter_map(read).collect();
                Ok((metas, store.current()?))
            })
            .await?;
        Ok(metas.into_iter().map(|(number, meta)| generation(number, meta, current)).collect())
    }

    /// With number 0 what runs, which need not be on the disk.
    pub(crate) async fn read_generation(&self, number: u32) -> Result<GenerationFiles> {
        if number == 0 {
            let running = self.running().await?.ok_or_else(Refusal::nothing_runs)?;
            let known = Generation {
                author: running.note.author,
                comment: running.note.comment,
                digest: running.stored.digest().to_owned(),
                ..Generation::default()
            };
            return Ok(files(known, &running.stored));
        }
        let (stored, meta) = self.generation(number).await?;
        let current = self.stored(Store::current).await?;
        Ok(files(generation(number, meta, current), &stored))
    }

    /// One that is on the disk.
    async fn generation(&self, number: u32) -> Result<(Stored, Meta)> {
        let known = self.stored(Store::generations).await?;
        if !known.contains(&number) {
            // The newest first: of an older one nobody has forgotten the number.
            let known: Vec<String> = known.iter().rev().map(u32::to_string).collect();
            return Err(Refusal::unknown("generation", number, &known));
        }
        self.stored(move |store| store.generation(number)).await
    }

    /// Commits a text, with the file `extra.nft` that the options name, or that runs.
    pub(crate) async fn commit(&self, text: &str, options: CommitOptions, caller: &str) -> Result<Committed> {
        let running = self.running().await?;
        let extra = match &options.extra {
            None => running.as_ref().and_then(|running| running.stored.extra().map(<[u8]>::to_vec)),
            Some(extra) if extra.is_empty() => None,
            Some(extra) => Some(extra.clone().into_bytes()),
        };
        let stored = Stored::new(text.as_bytes().to_vec(), extra);
        self.commit_stored(stored, running, options, caller).await
    }

    /// Commits an older generation anew; 0 takes back what is unconfirmed.
    pub(crate) async fn rollback(
        &self,
        number: u32,
        mut options: CommitOptions,
        caller: &str,
    ) -> Result<Committed> {
        if number == 0 {
            return self.change(Change::TakeBack).await;
        }
        if options.extra.is_some() {
            let next = "commit takes another one, with the generation's text";
            return Err(Refusal::wrong("a rollback takes the generation's own extra.nft", next));
        }
        let (stored, _) = self.generation(number).await?;
        options.comment.get_or_insert_with(|| format!("back to generation {number}"));
        let running = self.running().await?;
        self.commit_stored(stored, running, options, caller).await
    }

    pub(crate) async fn confirm(&self) -> Result<u32> {
        let committed = self.change(Change::Confirm).await?;
        committed.generation.ok_or_else(Refusal::stopping)
    }

    /// Sets a weight, for the moment or with `save` for good; `None` gives the saved one back.
    pub(crate) async fn weigh(
        &self,
        service: &str,
        server: &str,
        weight: Option<u16>,
        saved_as: Option<u16>,
        caller: &str,
    ) -> Result<()> {
        let server: ServerName = server.parse()?;
        if let Some(weight) = saved_as {
            self.save_weight(service, server, weight, caller).await?;
        }
        // What was saved needs no hand above it.
        let weight = weight.filter(|_| saved_as.is_none());
        let weight = Weight { service: service.to_owned(), server, weight };
        self.ask(|answer| Request::Weight(weight, answer)).await?
    }

    /// The weight that a server has in the configuration.
    pub(crate) async fn saved_weight(&self, service: &str, server: &str) -> Result<u16> {
        let server: ServerName = server.parse()?;
        let running = self.running().await?.ok_or_else(Refusal::nothing_runs)?;
        let found = hand::find(&running.wanted.config, service, server)?;
        Ok(found.1.weight)
    }

    /// Forgets every configuration.
    pub(crate) async fn clear(&self) -> Result<()> {
        self.stored(Store::clear).await
    }

    /// The text was read when it was committed, and the weight is all that is new: it is not read again.
    async fn save_weight(&self, service: &str, server: ServerName, weight: u16, caller: &str) -> Result<()> {
        let running = self.running().await?.ok_or_else(Refusal::nothing_runs)?;
        let Wanted { config, extra } = &*running.wanted;
        let (_, found) = hand::find(config, service, server)?;
        let place = config.real_servers.iter().position(|known| std::ptr::eq(known, found));
        let text = String::from_utf8_lossy(running.stored.text());
        let text = edit::with_weight(&text, service, server, weight)?;
        if text.len() > mark21_config::limits::TEXT_BYTES {
            return Err(Refusal::failed(
                "the configuration has no room for it",
                "shorten its comments with edit",
            ));
        }
        let mut config = config.clone();
        if let Some(saved) = place.and_then(|place| config.real_servers.get_mut(place)) {
            saved.weight = weight;
        }
        let comment = format!("weight of {server} in service {service}");
        let note = Note { author: line("author", caller.to_owned())?, comment: line("comment", comment)? };
        let stored = Stored::new(text.into_bytes(), running.stored.extra().map(<[u8]>::to_vec));
        let wanted = Arc::new(Wanted { config, extra: extra.clone() });
        let payload = Payload { stored: Arc::new(stored), wanted, note };
        self.change(Change::Commit { payload, confirm: None }).await.map(drop)
    }

    async fn commit_stored(
        &self,
        stored: Stored,
        running: Option<Payload>,
        options: CommitOptions,
        caller: &str,
    ) -> Result<Committed> {
        let confirm = confirmation(&options)?;
        let note = Note {
            author: line("author", options.author.unwrap_or_else(|| caller.to_owned()))?,
            comment: line("comment", options.comment.unwrap_or_default())?,
        };
        let text = String::from_utf8(stored.text().to_vec())
            .map_err(|_| Refusal::wrong("the configuration is no UTF-8 text", "check says where"))?;
        let config = parse(text).await?;
        // A file that runs was tried out already, and nft takes its time.
        let tried = running.filter(|running| running.stored.extra() == stored.extra());
        let (extra, config, stored) = match tried {
            Some(running) => (running.wanted.extra.clone(), config, stored),
            None => {
                let tryout = move || (Tryout::default().extra(&config, &stored), config, stored);
                let (extra, config, stored) = beside(tryout).await?;
                (extra.map_err(|error| Refusal::wrong(chain(&error), MEND))?, config, stored)
            }
        };
        let wanted = Arc::new(Wanted { config, extra });
        let payload = Payload { stored: Arc::new(stored), wanted, note };
        self.change(match (options.at_reboot.unwrap_or_default(), confirm) {
            (true, None) => Change::AtReboot(payload),
            (true, Some(_)) => {
                let next = "leave the confirmation out: it goes back by itself if it is not proven";
                return Err(Refusal::wrong("a change for the next start cannot be confirmed", next));
            }
            (false, confirm) => Change::Commit { payload, confirm },
        })
        .await
    }

    async fn change(&self, change: Change) -> Result<Committed> {
        self.ask(|answer| Request::Change(change, answer)).await?
    }

    async fn running(&self) -> Result<Option<Payload>> {
        self.ask(Request::Running).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| Refusal::stopping())?;
        answered.await.map_err(|_| Refusal::stopping())
    }

    /// The store beside the event loop: a disk may take its time.
    async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(Refusal::below)?.map_err(|error| Refusal::below(chain(&error)))
    }
}

/// Reads a text beside the event loop: a mebibyte of nonsense takes seconds, and the loop has to
/// turn meanwhile. One at a time, whoever asks.
pub(crate) async fn beside<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    static TURN: Semaphore = Semaphore::const_new(1);
    let turn = TURN.acquire().await.map_err(|_| Refusal::stopping())?;
    let done = tokio::task::spawn_blocking(read).await.map_err(Refusal::below);
    drop(turn);
    done
}

async fn parse(text: String) -> Result<Box<Config>> {
    let parsed = beside(move || {
        mark21_config::parse(&text)
            .map(|parsed| parsed.config)
            .map_err(|findings| findings.render(&text, "configuration").to_string())
    });
    parsed.await?.map_err(|shown| Refusal::wrong(shown, MEND))
}

/// Beside the event loop: a disk or stick takes seconds.
async fn at_a_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Refusal::below)?
}

/// By sysfs; a name of the kernel's has no slash in it.
fn is_device(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && !name.contains('/')
        && Path::new(DEVICES).join(name).exists()
}

fn confirmation(options: &CommitOptions) -> Result<Option<Duration>> {
    match options.confirm {
        None | Some(0) => Ok(None),
        Some(seconds) if CONFIRM.contains(&seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
        Some(seconds) => Err(Refusal::wrong(
            format!("{seconds} s are no time to confirm in"),
            format!("it goes from {} s to {} s", CONFIRM.start(), CONFIRM.end()),
        )),
    }
}

/// A word that goes into a list: one line, not too long.
fn line(what: &str, text: String) -> Result<String> {
    if text.chars().count() > NOTE_CHARACTERS || text.chars().any(char::is_control) {
        let next = format!("it is one line of at most {NOTE_CHARACTERS} characters");
        return Err(Refusal::wrong(format!("the {what} is no line for a list"), next));
    }
    Ok(text)
}

fn generation(number: u32, meta: Meta, current: Option<u32>) -> Generation {
    Generation {
        number,
        time: meta.time,
        author: meta.author,
        comment: meta.comment,
        digest: meta.digest,
        is_current: current == Some(number),
        is_confirmed: meta.confirmed,
    }
}

fn files(generation: Generation, stored: &Stored) -> GenerationFiles {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    GenerationFiles { generation, text: text(stored.text()), extra: stored.extra().map(text) }
}
