//! What is asked of the runtime, and the status that it puts together.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mark21_api::status::{Boot, Configuration, Problem, Status, Unconfirmed};

use super::{Runtime, WAITING, millis};
use crate::core::Event;
use crate::door::Request;
use crate::load::Payload;
use crate::refusal::Refusal;
use crate::worker::{Order, Subject, Wanted};
use crate::{clock, files, hand, report, server_config};

/// Figures younger than this are handed out again, so that a flood of status calls costs the
/// kernel nothing.
const FRESH: Duration = Duration::from_millis(200);

impl Runtime {
    pub(super) fn answer(&mut self, request: Request) -> Option<Event<Payload>> {
        match request {
            Request::Status(answer) => {
                let is_fresh = self.census.as_ref().is_some_and(|census| census.taken.elapsed() < FRESH);
                let looking = !self.waiting.is_empty();
                if !is_fresh
                    && !self.is_starting()
                    && self.waiting.len() < WAITING
                    && (looking || self.look().is_ok())
                {
                    self.waiting.push(answer);
                } else {
                    self.asking.push(answer);
                }
                None
            }
            Request::Firewall(answer) => {
                let text = self.core.running().map_or(&[][..], |running| running.stored.text());
                let text = String::from_utf8_lossy(text).into_owned();
                drop(self.order(Order::Firewall(text, answer)));
                None
            }
            Request::ServerConfig(name, answer) => {
                drop(answer.send(self.server_config(&name)));
                None
            }
            Request::Plan(config, answer) => {
                let mut subject = self.subject();
                if let Some(config) = config {
                    // Another configuration beside the same extra.nft.
                    let extra = subject.wanted.as_ref().and_then(|running| running.extra.clone());
                    let mut hand = self.hand.clone();
                    if let Some(running) = &subject.wanted {
                        hand.leave(&running.config, &config);
                    }
                    let overrides = hand.overrides(&config);
                    subject = Subject { wanted: Some(Arc::new(Wanted { config, extra })), overrides };
                }
                // A full queue drops the answer's sender, and the caller is told so.
                drop(self.order(Order::Plan(subject, answer)));
                None
            }
            Request::Running(answer) => {
                drop(answer.send(self.core.running().cloned()));
                None
            }
            Request::Change(change, answer) => self.begin(change, answer),
            Request::Weight(weight, answer) => self.weigh(&weight, answer),
        }
    }

    /// Shows the objects of the interface what is the case.
    pub(super) fn publish(&self) {
        self.feed.show(self.status());
    }

    /// Tells all who ask what is the case, in one document.
    pub(super) fn tell(&mut self) {
        if self.asking.is_empty() {
            return;
        }
        let json = serde_json::to_string(&self.status());
        let document = Arc::new(json.expect("the interface's types have a JSON form"));
        for answer in self.asking.drain(..) {
            // A caller that has gone away needs no answer.
            drop(answer.send(Arc::clone(&document)));
        }
    }

    fn status(&self) -> Status {
        let config = self.config();
        let running = self.core.running();
        let unconfirmed = self.core.unconfirmed().map(|(generation, until)| Unconfirmed {
            generation,
            seconds_left: millis(until.saturating_duration_since(Instant::now())).div_ceil(1000),
        });
        let mut status = Status {
            state: self.core.state(),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            firmware: self.firmware.clone(),
            configuration: Configuration {
                generation: self.core.origin().generation(),
                at_boot: self.boots,
                digest: running.map(|running| running.stored.digest().to_owned()).unwrap_or_default(),
                unconfirmed,
            },
            boot: Boot { uptime_s: clock::since_kernel_start().as_secs(), ..self.boot },
            watchdog: self.watchdog.is_armed(),
            bus: self.bus.load(Ordering::Relaxed),
            tainted: files::tainted(&self.options.run),
            ports: report::ports(Path::new("/sys/class/net")),
            problems: self.core.problems().cloned().collect(),
            ..Status::default()
        };
        let password = config.and_then(|config| config.system.password.as_deref());
        if password.is_some_and(|hash| self.forgotten.iter().any(|other| other == hash)) {
            let text = "it was forgotten at the boot menu; the serial console asks for a new one";
            status.problems.push(Problem { subject: "password".to_owned(), text: text.to_owned() });
        }
        let companion = self.companion.seen();
        if !companion.problem.is_empty() {
            status.problems.push(Problem { subject: "vrrpd".to_owned(), text: companion.problem });
        }
        status.virtual_routers = companion.routers;
        self.outside.tell(&mut status);
        if let (Some(config), Some(census)) = (config, &self.census) {
            status.age_ms = millis(census.taken.elapsed());
            status.interfaces = report::interfaces(config, census);
            let services = || Arc::new(report::services(config, &self.hand, census));
            status.services = Arc::clone(self.services.get_or_init(services));
        }
        status
    }

    fn server_config(&self, name: &str) -> Result<HashMap<String, String>, Refusal> {
        let config = self.config().ok_or_else(Refusal::nothing_runs)?;
        let service = hand::find_service(config, name)?;
        let lines = server_config::of(service).ok_or_else(|| {
            let why = format!("service {name:?} does not carry FTP");
            Refusal::wrong(why, "its servers need nothing of their own; show services tells the kinds")
        })?;
        Ok(lines.into_iter().map(|lines| (lines.program.to_owned(), lines.text)).collect())
    }

    fn look(&mut self) -> io::Result<()> {
        let subject = self.subject();
        self.order(Order::Look(subject))
    }
}
