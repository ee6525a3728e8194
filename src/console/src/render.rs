//! Carries out a command over the interface and puts its answer into words.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use mark21_api::status::{Change, Configuration, Firewall, PlanReport, State, Status, VirtualRouter};
use serde_json::json;

use crate::answer::{Answer, Failure, value};
use crate::client::Via;
use crate::command::{Command, Show};
use crate::exit::Code;
use crate::{check, client};

/// Carries out one command.
pub(crate) async fn answer(command: &Command, via: Via) -> Result<Answer, Failure> {
    match command {
        Command::Status => {
            let status: Status = client::take(client::director(via).await?.status().await)?;
            let code = if status.state == State::Serving { Code::Done } else { Code::Differs };
            Ok(Answer { text: status_text(&status), value: value(&status), code })
        }
        Command::Check { file } => check::file(file),
        Command::Plan { file } => {
            let report = plan(file.as_deref(), via).await?;
            let text = match report.changes.len() {
                0 => "nothing to do".to_owned(),
                _ => changes_text(&report.changes),
            };
            Ok(Answer { text, value: value(&report), code: Code::Done })
        }
        Command::Verify => verify(via).await,
        Command::Resign { name } => {
            let director = client::director(via).await?;
            director.resign(name).await.map_err(|error| client::called(&error))?;
            let text = format!("{name}: offered to the other box; status tells who has it");
            Ok(Answer { text, value: json!({ "resigned": name }), code: Code::Done })
        }
        Command::Show(Show::Firewall) => {
            let firewall: Firewall = client::take(client::director(via).await?.firewall().await)?;
            Ok(Answer { text: firewall_text(&firewall), value: value(&firewall), code: Code::Done })
        }
        Command::Show(Show::ServerConfig { service, program }) => {
            server_config(service, program.as_deref(), via).await
        }
        Command::Log { lines } => {
            let director = client::director(via).await?;
            let lines = director.log(*lines).await.map_err(|error| client::called(&error))?;
            Ok(Answer { text: lines.join("\n"), value: json!({ "lines": lines }), code: Code::Done })
        }
    }
}

/// Running, boot generation and kernel must be the same.
async fn verify(via: Via) -> Result<Answer, Failure> {
    let status: Status = client::take(client::director(via).await?.status().await)?;
    let report = plan(None, via).await?;
    let Configuration { generation, at_boot, .. } = status.configuration;
    let name = |generation: Option<u32>| generation.map_or("none".to_owned(), |number| number.to_string());
    let mut text = format!("running generation {}, boots generation {}", name(generation), name(at_boot));
    let holds = generation == at_boot && status.state == State::Serving && report.changes.is_empty();
    text.push_str(match (report.changes.len(), holds) {
        (0, true) => "; the kernel holds it",
        (0, false) => "; the kernel holds it, but this is not as it should be",
        (_, _) => "; the kernel differs, to do:\n",
    });
    text.push_str(&changes_text(&report.changes));
    let value = json!({
        "holds": holds, "generation": generation, "at_boot": at_boot, "state": status.state,
        "changes": report.changes,
    });
    Ok(Answer { text, value, code: if holds { Code::Done } else { Code::Differs } })
}

async fn server_config(service: &str, program: Option<&str>, via: Via) -> Result<Answer, Failure> {
    let director = client::director(via).await?;
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

async fn plan(file: Option<&Path>, via: Via) -> Result<PlanReport, Failure> {
    let text = file.map(check::read_text).transpose()?.unwrap_or_default();
    if let Some(file) = file {
        check::refuse_errors(&file.display().to_string(), &text)?;
    }
    client::take(client::director(via).await?.plan(&text).await)
}

fn firewall_text(firewall: &Firewall) -> String {
    let mut text = format!("{:>10} {:>12} {:>5}  rule", "packets", "bytes", "line");
    let mut chain = "";
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for rule in &firewall.rules {
        if rule.chain != chain {
            chain = &rule.chain;
            // Writing into a String cannot fail.
            let _ = write!(text, "\nchain {chain}");
        }
        let (packets, bytes, line) = (number(rule.packets), number(rule.bytes), number(rule.line));
        let _ = write!(text, "\n{packets:>10} {bytes:>12} {line:>5}  {}", rule.cause);
    }
    text
}

fn changes_text(changes: &[Change]) -> String {
    let lines: Vec<String> =
        changes.iter().map(|change| format!("{:<12} {}", change.when, change.text)).collect();
    lines.join("\n")
}

fn status_text(status: &Status) -> String {
    let mut text = String::new();
    let firmware = &status.firmware;
    let running = match status.configuration.generation {
        Some(generation) => format!("generation {generation}"),
        None => "no configuration".to_owned(),
    };
    // Writing into a String cannot fail.
    let _ = write!(text, "{}: {}, {running}", status.hostname, status.state.word());
    if let Some(proven) = status.boot.kernel_to_proven_ms {
        let _ = write!(text, ", proven {}.{} s after the kernel's start", proven / 1000, proven % 1000 / 100);
    }
    let _ = write!(text, "\nfirmware {} ({}, {})", firmware.version, firmware.build, firmware.commit);
    for problem in &status.problems {
        let _ = write!(text, "\nPROBLEM {}: {}", problem.subject, problem.text);
    }
    for interface in &status.interfaces {
        let device = interface.device.as_deref().unwrap_or("no device");
        let carrier = if interface.carrier { "up" } else { "DOWN" };
        let _ = write!(text, "\ninterface {} ({device}) {carrier}", interface.name);
        for address in &interface.addresses {
            let _ = write!(text, "\n    {address}");
        }
    }
    for router in &status.virtual_routers {
        let VirtualRouter { name, device, vrid, state, priority, .. } = router;
        let _ = write!(text, "\nvirtual router {name} ({device}, vrid {vrid}, priority {priority}) {state}");
        let _ = write!(text, "\n    {}", router.addresses.join(", "));
    }
    for service in &status.services {
        let _ = write!(text, "\nservice {} ({}", service.name, service.kind);
        if let Some(mark) = service.mark {
            let _ = write!(text, ", mark {mark}");
        }
        let _ = write!(text, ") on {}", service.addresses.join(", "));
        if let Some(passive) = &service.passive {
            let _ = write!(text, "\n    passive: {passive}");
        }
        let _ = write!(text, "\n    {:<40} {:>6} {:>8} {:>8}", "real server", "weight", "active", "inactive");
        for server in &service.real_servers {
            let _ = write!(
                text,
                "\n    {:<40} {:>6} {:>8} {:>8}",
                server.address, server.weight, server.active, server.inactive
            );
        }
    }
    text
}
