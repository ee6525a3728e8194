//! `backup`, `restore`, and USB sticks: a box's configuration out of it and into it.

use std::path::Path;

use mark21_api::status::{GenerationFiles, Port};
use mark21_config::Link;

use crate::answer::{Answer, Failure, json};
use crate::backup::Backup;
use crate::command::Version;
use crate::draft::Drafted;
use crate::exit::Code;
use crate::paste::{self, Kind};
use crate::session::Session;
use crate::{change, check, client};

/// `backup` of the whole box: printed, or onto a stick.
pub(crate) async fn backup(session: &Session, stick: Option<&str>) -> Result<Answer, Failure> {
    if stick == Some("") {
        return list(session).await;
    }
    let director = client::director(session.via).await?;
    let status = session.status().await?;
    let running: GenerationFiles = client::take(director.read_generation(0).await)?;
    let host_key = director.host_key().await.map_err(|error| client::called(&error))?;
    let backup = Backup { text: running.text, extra: running.extra.unwrap_or_default(), host_key };
    let generation = status.configuration.generation.unwrap_or_default();
    let title = format!("Mark21 {}, {}, generation {generation}", status.firmware.version, status.hostname);
    let text = paste::wrap(Kind::Backup, &backup.write(&title));
    let Some(name) = stick else {
        return Ok(Answer { value: json!({ "text": text }), text, code: Code::Done });
    };
    director.write_stick(name, &format!("{text}\n")).await.map_err(|error| client::called(&error))?;
    let told = format!("{name} is on the stick, which may be pulled; it holds the keys: lock it away");
    Ok(Answer { text: told, value: json!({ "name": name }), code: Code::Done })
}

/// `restore`: from a file, a stick, or a paste.
pub(crate) async fn restore(
    session: &Session,
    file: Option<&Path>,
    stick: Option<&str>,
) -> Result<Answer, Failure> {
    let kept = match (file, stick) {
        (_, Some("")) => return list(session).await,
        (_, Some(name)) => paste::unwrap(Kind::Backup, read_stick(session, name).await?.as_bytes())?,
        (Some(file), None) => paste::unwrap(Kind::Backup, check::read_text(file)?.as_bytes())?,
        (None, None) => paste::receive(Kind::Backup, session.asker)?,
    };
    let Backup { text, extra, host_key } = Backup::read(&kept)?;
    let status = session.status().await?;
    let base = status.configuration.digest;
    let before = if base.is_empty() { String::new() } else { session.text(Version::Running).await? };
    let kept = change::with_password(&text, &before);
    let said = kept.as_ref().map(|_| change::KEPT.trim_start().to_owned());
    let text = kept.unwrap_or(text);
    let host_key = Some(host_key).filter(|key| !key.is_empty());
    let mut told = vec![format!(
        "The draft is that box: {} lines{}{}.",
        text.lines().count(),
        if extra.is_empty() { "" } else { ", extra.nft" },
        if host_key.is_some() { ", its ssh host key" } else { "" },
    )];
    session.draft.write(&Drafted { text: text.clone(), base, extra: Some(extra), host_key })?;
    let checked = check::text(text.as_bytes(), "draft");
    if checked.code != Code::Done {
        told.insert(0, checked.text);
    }
    let missing = missing(&text, &status.ports);
    let next = match missing.is_empty() {
        true => "compare shows what it changes; commit --confirm 5m applies it",
        false => "set interface NAME device PORT (and delete interface NAME mac), then commit",
    };
    told.extend(said);
    told.extend(missing);
    told.push(next.to_owned());
    Ok(Answer { text: told.join("\n"), value: checked.value, code: checked.code })
}

/// `load --usb`
pub(crate) async fn load_from_stick(session: &Session, name: &str) -> Result<Answer, Failure> {
    if name.is_empty() {
        return list(session).await;
    }
    let text = read_stick(session, name).await?;
    change::begin(session, paste::unwrap(Kind::Configuration, text.as_bytes())?, name).await
}

async fn list(session: &Session) -> Result<Answer, Failure> {
    let names = client::director(session.via).await?.list_stick().await;
    let names = names.map_err(|error| client::called(&error))?;
    let text = if names.is_empty() { "the stick has no file".to_owned() } else { names.join("\n") };
    Ok(Answer { text, value: json!({ "files": names }), code: Code::Done })
}

async fn read_stick(session: &Session, name: &str) -> Result<String, Failure> {
    let read = client::director(session.via).await?.read_stick(name).await;
    read.map_err(|error| client::called(&error))
}

/// What the configuration wants of ports that this box has not: it may come from another one.
fn missing(text: &str, ports: &[Port]) -> Vec<String> {
    let Ok(parsed) = mark21_config::parse(text) else { return Vec::new() };
    let here: Vec<String> = ports.iter().map(|port| format!("{} ({})", port.device, port.mac)).collect();
    let wanted = parsed.config.interfaces.iter().filter_map(|interface| {
        let (port, is_here) = match &interface.link {
            Link::Device(device) => {
                (device.to_string(), ports.iter().any(|port| port.device == device.as_str()))
            }
            Link::Mac(mac) => {
                let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
                let is_here = ports.iter().any(|port| port.mac == mac);
                (format!("port {mac}"), is_here)
            }
            Link::Pci(_) | Link::Vlan { .. } | Link::Bond { .. } => return None,
        };
        if is_here {
            return None;
        }
        Some(format!("interface {}: this box has no {port}; it has {}", interface.name, here.join(", ")))
    });
    wanted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_hardware_is_told_of_with_the_ports_that_are_there() {
        let text = "schema = 1\n[[interface]]\nname = \"outside\"\nmac = \"52:54:00:00:00:01\"\n\
                    addresses = [\"192.0.2.2/24\"]\n";
        let port = |mac: &str| Port { device: "eth0".into(), mac: mac.into(), carrier: true };
        assert!(missing(text, &[port("52:54:00:00:00:01")]).is_empty());
        let told = missing(text, &[port("52:54:00:00:00:02")]);
        let wanted = "interface outside: this box has no port 52:54:00:00:00:01";
        assert!(told.len() == 1 && told[0].starts_with(wanted) && told[0].contains("eth0 ("), "{told:?}");
    }
}
