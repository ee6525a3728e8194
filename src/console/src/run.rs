//! Carries out a command over the interface.

use std::collections::BTreeMap;
use std::path::Path;

use mark21_api::status::{CaptureOptions, Configuration, Firewall, Generation, PlanReport, State, Status};

use crate::answer::{Answer, Failure, json, value};
use crate::command::{Command, Show, Stick, Version};
use crate::exit::Code;
use crate::paste::Kind;
use crate::session::Session;
use crate::{change, check, client, paste, probe, render, shell, store};

/// The configuration that the box starts with, which may be one that it has refused.
const INSTALLED: &str = "/config/mark21.toml";

/// Carries out one command.
pub(crate) async fn answer(command: &Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Status => {
            let status = session.status().await?;
            Ok(Answer {
                text: render::status(&status),
                value: value(&status),
                code: state_code(status.state),
            })
        }
        Command::Show(show) => self::show(show, session).await,
        Command::Generations => {
            let answer = client::director(session.via).await?.generations().await;
            let all: Vec<Generation> = client::take(answer)?;
            Ok(Answer {
                text: render::generations(&all),
                value: json!({ "generations": all }),
                code: Code::Done,
            })
        }
        Command::Log { lines } => {
            let director = client::director(session.via).await?;
            let lines = director.log(*lines).await.map_err(|error| client::called(&error))?;
            Ok(Answer { text: lines.join("\n"), value: json!({ "lines": lines }), code: Code::Done })
        }
        Command::Verify => verify(session).await,
        Command::Set { words } => change::set(session, words).await,
        Command::Delete { words } => change::delete(session, words).await,
        Command::Load { stick: Stick { usb: Some(name) }, .. } => store::load_from_stick(session, name).await,
        Command::Load { file: Some(file), .. } => change::load(session, file).await,
        Command::Load { file: None, .. } => {
            let text = paste::receive(Kind::Configuration, session.asker)?;
            change::begin(session, text, "the pasted text").await
        }
        Command::Compare { first, second } => change::compare(session, *first, *second).await,
        Command::Check { file: Some(file) } => check::file(file),
        Command::Check { file: None } => match session.draft.read()? {
            Some(drafted) => Ok(check::text(drafted.text.as_bytes(), "draft")),
            None => match check::file(Path::new(INSTALLED)) {
                Ok(answer) => Ok(answer),
                // The file has become a generation.
                Err(_) => Ok(check::text(session.text(Version::Running).await?.as_bytes(), "running")),
            },
        },
        Command::Plan { file } => {
            let report = plan(file.as_deref(), session).await?;
            let text = match report.changes.len() {
                0 => "nothing to do".to_owned(),
                _ => render::changes(&report.changes),
            };
            Ok(Answer { text, value: value(&report), code: Code::Done })
        }
        Command::Backup { file: Some(file), .. } => {
            let text = paste::wrap(Kind::Configuration, &check::read_text(file)?);
            Ok(Answer { value: json!({ "text": text }), text, code: Code::Done })
        }
        Command::Backup { file: None, stick } => store::backup(session, stick.usb.as_deref()).await,
        Command::Restore { file, stick } => {
            store::restore(session, file.as_deref(), stick.usb.as_deref()).await
        }
        Command::Edit | Command::Setup | Command::Password | Command::Top | Command::Exit => Err(
            Failure::new(Code::Usage, "this needs a terminal and a person", "on the console, or by ssh -t"),
        ),
        Command::Traceroute { host, max_hops } => probe::traceroute(session, *host, *max_hops).await,
        Command::Capture { interface, host, port, seconds, packets, pcap } => {
            let options = CaptureOptions {
                host: host.map(|host| host.to_string()),
                port: *port,
                seconds: Some(*seconds),
                packets: Some(*packets),
                ..CaptureOptions::default()
            };
            probe::capture(session, interface, options, *pcap).await
        }
        Command::Shell => Err(shell::elsewhere()),
        Command::Discard => change::discard(session),
        Command::Commit { file, how, over } => change::commit(session, file.as_deref(), how, *over).await,
        Command::Confirm => change::confirm(session).await,
        Command::Rollback { generation, how } => change::rollback(session, *generation, how).await,
        Command::Weight { whom, weight } => change::weight(session, whom, *weight).await,
        Command::Drain { whom, wait } => change::drain(session, whom, *wait).await,
        Command::Undrain { whom } => change::undrain(session, whom).await,
        Command::Resign { name } => {
            let director = client::director(session.via).await?;
            director.resign(name).await.map_err(|error| client::called(&error))?;
            let text = format!("{name}: offered to the other box; status tells who has it");
            Ok(Answer { text, value: json!({ "resigned": name }), code: Code::Done })
        }
        Command::Ping { host, count } => probe::ping(session, *host, *count).await,
        Command::Install { disk, yes } => install(session, disk.as_deref(), *yes).await,
        Command::Reboot { yes } => {
            session.require_yes(*yes, "This starts the box anew.")?;
            let director = client::director(session.via).await?;
            director.reboot().await.map_err(|error| client::called(&error))?;
            Ok(Answer { text: "the box starts anew".into(), value: json!({}), code: Code::Done })
        }
        Command::FactoryReset { yes } => {
            session.require_yes(*yes, "This forgets every configuration and password.")?;
            let director = client::director(session.via).await?;
            director.factory_reset().await.map_err(|error| client::called(&error))?;
            Ok(Answer {
                text: "the box starts anew, with nothing".into(),
                value: json!({}),
                code: Code::Done,
            })
        }
    }
}

async fn install(session: &Session, disk: Option<&str>, yes: bool) -> Result<Answer, Failure> {
    let director = client::director(session.via).await?;
    let disks = director.list_disks().await.map_err(|error| client::called(&error))?;
    let line = |(name, bytes, holds, refused): &(String, u64, String, String)| {
        let refused = if refused.is_empty() { String::new() } else { format!("; not taken: {refused}") };
        format!("{name}: {} MiB, {holds}{refused}", bytes >> 20)
    };
    let Some(disk) = disk else {
        let text = disks.iter().map(line).collect::<Vec<_>>().join("\n");
        return Ok(Answer { text, value: json!({ "disks": disks }), code: Code::Done });
    };
    match disks.iter().find(|known| known.0 == disk) {
        Some(known) if known.3.is_empty() => {
            session.require_yes(yes, &format!("This erases {}.", line(known)))?;
        }
        known => {
            let why = known.map_or("there is no such disk", |known| &known.3);
            return Err(Failure::new(Code::Failed, format!("{disk}: {why}"), "install lists the disks"));
        }
    }
    director.install(disk).await.map_err(|error| client::called(&error))?;
    let text = format!("{disk} is written and read back: switch off, take the old disk away, and start");
    Ok(Answer { text, value: json!({ "installed": disk }), code: Code::Done })
}

/// The status for a program, which gets what mark21d has written.
pub(crate) async fn status_document(session: &Session) -> Result<Answer, Failure> {
    let value = session.status_document().await?;
    let code = state_code(client::read(state_of(&value))?);
    Ok(Answer { text: String::new(), value, code })
}

/// The state stands first in a status, so that who needs no more reads no more.
fn state_of(document: &str) -> &str {
    let value = document.strip_prefix("{\"state\":").unwrap_or_default();
    value.split_once(',').map_or(value, |(state, _)| state)
}

fn state_code(state: State) -> Code {
    if state == State::Serving { Code::Done } else { Code::Differs }
}

async fn show(show: &Show, session: &Session) -> Result<Answer, Failure> {
    let status = match show {
        Show::Interfaces | Show::Services | Show::VirtualRouters | Show::Version => session.status().await?,
        Show::Configuration { .. } | Show::Firewall | Show::ServerConfig { .. } => Status::default(),
    };
    let done = |text: String, value| Ok(Answer { text, value, code: Code::Done });
    match show {
        Show::Interfaces => {
            let text =
                render::part(&status, render::interfaces, "no interface is configured; setup asks for them");
            done(text, json!({ "interfaces": status.interfaces, "ports": status.ports }))
        }
        Show::Services => {
            let text =
                render::part(&status, render::services, "no service is configured; setup asks for one");
            done(text, json!({ "services": status.services }))
        }
        Show::VirtualRouters => {
            let nothing = "no virtual router is configured: this box is alone";
            let text = render::part(&status, render::virtual_routers, nothing);
            done(text, json!({ "virtual_routers": status.virtual_routers }))
        }
        Show::Version => {
            done(render::version(&status), json!({ "firmware": status.firmware, "boot": status.boot }))
        }
        Show::Configuration { version } => {
            let text = session.text(*version).await?;
            let value = json!({ "version": version.to_string(), "text": text });
            Ok(Answer { text: text.trim_end().to_owned(), value, code: Code::Done })
        }
        Show::Firewall => {
            let answer = client::director(session.via).await?.firewall().await;
            let firewall: Firewall = client::take(answer)?;
            Ok(Answer { text: render::firewall(&firewall), value: value(&firewall), code: Code::Done })
        }
        Show::ServerConfig { service, program } => server_config(service, program.as_deref(), session).await,
    }
}

/// Running, boot generation and kernel must be the same.
async fn verify(session: &Session) -> Result<Answer, Failure> {
    let status: Status = session.status().await?;
    let report = running_plan(session).await?;
    let Configuration { generation, at_boot, .. } = status.configuration;
    let name = |generation: Option<u32>| generation.map_or("none".to_owned(), |number| number.to_string());
    let mut text = format!("running generation {}, boots generation {}", name(generation), name(at_boot));
    let holds = generation == at_boot && status.state == State::Serving && report.changes.is_empty();
    text.push_str(match (report.changes.len(), holds) {
        (0, true) => "; the kernel holds it",
        (0, false) => "; the kernel holds it, but this is not as it should be",
        (_, _) => "; the kernel differs, to do:\n",
    });
    text.push_str(&render::changes(&report.changes));
    let value = json!({
        "holds": holds, "generation": generation, "at_boot": at_boot, "state": status.state,
        "changes": report.changes,
    });
    Ok(Answer { text, value, code: if holds { Code::Done } else { Code::Differs } })
}

async fn server_config(service: &str, program: Option<&str>, session: &Session) -> Result<Answer, Failure> {
    let director = client::director(session.via).await?;
    let all = director.server_config(service).await.map_err(|error| client::called(&error))?;
    let mut wanted: BTreeMap<String, String> = all.into_iter().collect();
    if let Some(program) = program {
        let known: Vec<String> = wanted.keys().cloned().collect();
        wanted.retain(|name, _| name == program);
        if wanted.is_empty() {
            let message = format!("no settings are known for {program:?}");
            return Err(Failure::new(Code::Usage, message, format!("known are: {}", known.join(", "))));
        }
    }
    let blocks: Vec<String> = wanted.iter().map(|(name, lines)| format!("# {name}\n{lines}")).collect();
    Ok(Answer { text: blocks.join("\n").trim_end().to_owned(), value: value(&wanted), code: Code::Done })
}

/// Of a file, or the draft, or without both of what runs.
async fn plan(file: Option<&Path>, session: &Session) -> Result<PlanReport, Failure> {
    let (text, name) = match (file, session.draft.read()?) {
        (Some(file), _) => (check::read_text(file)?, file.display().to_string()),
        (None, Some(drafted)) => (drafted.text, "draft".to_owned()),
        (None, None) => return running_plan(session).await,
    };
    check::refuse_errors(&name, &text)?;
    client::take(client::director(session.via).await?.plan(&text).await)
}

/// What the kernel lacks of the running configuration.
async fn running_plan(session: &Session) -> Result<PlanReport, Failure> {
    client::take(client::director(session.via).await?.plan("").await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_read_off_the_head_of_a_status() {
        let status = Status { state: State::FailSecure, hostname: "\",{".to_owned(), ..Status::default() };
        let read = |document: &str| client::read::<State>(state_of(document)).ok();
        assert_eq!(read(&value(&status)), Some(State::FailSecure));
        for other in ["", "{}", "{\"hostname\":\"serving\"}", "{\"state\":"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
