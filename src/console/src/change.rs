//! Commands that change the draft, the box's configuration, or a server's weight.

use std::path::Path;
use std::time::{Duration, Instant};

use mark21_api::status::{CommitOptions, Committed};
use mark21_config::Spelled;

use crate::answer::{Answer, Failure, json, value};
use crate::command::{How, Version, Whom};
use crate::draft::Drafted;
use crate::exit::Code;
use crate::session::Session;
use crate::{check, client, difference, path};

/// How long `drain --wait` waits at most.
const DRAIN: Duration = Duration::from_secs(3600);
/// Between two looks while it waits.
const LOOK: Duration = Duration::from_secs(1);
/// What is said where a text gets the box's own password.
pub(crate) const KEPT: &str = "\nthe password stays as it is";

/// `set`
pub(crate) async fn set(session: &Session, words: &[String]) -> Result<Answer, Failure> {
    let drafted = session.drafted_or_running().await?;
    let text = path::set(&drafted.text, words)?;
    keep(session, drafted, text)
}

/// `delete`
pub(crate) async fn delete(session: &Session, words: &[String]) -> Result<Answer, Failure> {
    let drafted = session.drafted_or_running().await?;
    let text = path::delete(&drafted.text, words)?;
    keep(session, drafted, text)
}

/// `load`, of a file.
pub(crate) async fn load(session: &Session, file: &Path) -> Result<Answer, Failure> {
    let text = check::read_text(file)?;
    begin(session, text, &file.display().to_string()).await
}

/// Takes a text as a new draft, in which nothing of a restored box stays. A text without a password
/// leaves the box the one that it has.
pub(crate) async fn begin(session: &Session, text: String, name: &str) -> Result<Answer, Failure> {
    let before = session.drafted_or_running().await?;
    let mut answer = judged(&text, name);
    let text = match with_password(&text, &before.text) {
        Some(text) => {
            answer.text.push_str(KEPT);
            text
        }
        None => text,
    };
    session.draft.write(&Drafted { text, base: before.base, ..Drafted::default() })?;
    if before.extra.is_some() || before.host_key.is_some() {
        answer.text.push_str("\nwhat restore had brought besides is no part of it any more");
    }
    Ok(answer)
}

/// A text from elsewhere without a password gets the one of this box, which would be anybody's without
/// one; `None` where nothing is to be added. What is no TOML is mended first.
pub(crate) fn with_password(text: &str, before: &str) -> Option<String> {
    let hash = path::password_of(before).filter(|_| path::password_of(text).is_none())?;
    path::set(text, &["system", "password", &hash].map(str::to_owned)).ok()
}

/// Takes a text as what the draft says now.
pub(crate) async fn take(session: &Session, text: String, name: &str) -> Result<Answer, Failure> {
    session.redraft(text.clone()).await?;
    Ok(judged(&text, name))
}

/// What is wrong with a draft, and what to do next.
fn judged(text: &str, name: &str) -> Answer {
    let checked = check::text(text.as_bytes(), name);
    let lines = text.lines().count();
    let next = if checked.code == Code::Done { "compare shows what it changes" } else { "mend it with edit" };
    Answer { text: format!("{}\n{lines} lines are the draft now; {next}", checked.text), ..checked }
}

/// `compare`: without words what runs and the draft, with one that and the draft.
pub(crate) async fn compare(
    session: &Session,
    first: Option<Version>,
    second: Option<Version>,
) -> Result<Answer, Failure> {
    let (first, second) = match (first, second) {
        (Some(first), Some(second)) => (first, second),
        (Some(first), None) if session.draft.exists() => (first, Version::Draft),
        (Some(first), None) => (first, Version::Running),
        (None, _) => (Version::Running, Version::Draft),
    };
    let old = match (first, second) {
        // A box without a configuration: all of the draft is new.
        (Version::Running, Version::Draft) if session.drafted()?.base.is_empty() => String::new(),
        _ => session.text(first).await?,
    };
    let new = session.text(second).await?;
    let difference = difference::unified(&old, &new, [&first.to_string(), &second.to_string()]);
    let same = difference.is_empty();
    let mut text =
        if same { format!("{first} and {second} are the same") } else { difference.trim_end().into() };
    if second == Version::Draft {
        text.push_str(&beside(&session.drafted()?));
    }
    let value = json!({ "same": same, "first": first.to_string(), "second": second.to_string(), "difference": difference });
    Ok(Answer { text, value, code: Code::Done })
}

/// What a draft of a restored box has beside its text.
fn beside(drafted: &Drafted) -> String {
    let extra = drafted.extra.as_ref().map(|extra| match extra.lines().count() {
        0 => "no extra.nft".to_owned(),
        lines => format!("extra.nft ({lines} lines)"),
    });
    let host_key = drafted.host_key.as_ref().map(|_| "its ssh host key".to_owned());
    let parts: Vec<String> = extra.into_iter().chain(host_key).collect();
    if parts.is_empty() { String::new() } else { format!("\nand of the restored box: {}", parts.join(", ")) }
}

/// `discard`
pub(crate) fn discard(session: &Session) -> Result<Answer, Failure> {
    let text = match session.draft.discard()? {
        true => "the draft is forgotten",
        false => "there was no draft",
    };
    Ok(Answer { text: text.into(), value: json!({}), code: Code::Done })
}

/// `commit`
pub(crate) async fn commit(
    session: &Session,
    file: Option<&Path>,
    how: &How,
    over: bool,
) -> Result<Answer, Failure> {
    let (mut drafted, name) = match file {
        Some(file) => {
            let text = check::read_text(file)?;
            (Drafted { text, ..Drafted::default() }, file.display().to_string())
        }
        None => {
            let drafted = session.drafted()?;
            let running = session.status().await?.configuration.digest;
            if !over && !drafted.base.lines().any(|base| base == running) && running != drafted.base {
                return Err(Failure::new(
                    Code::Differs,
                    "another configuration was committed since the draft was begun",
                    "compare shows the difference; commit --over replaces it all the same",
                ));
            }
            (drafted, "draft".to_owned())
        }
    };
    check::refuse_errors(&name, &drafted.text)?;
    // A draft has what its author wants in it; a file was written without knowing of the password.
    let kept = match file {
        // Where nothing runs there is nothing to keep.
        Some(_) => with_password(&drafted.text, &session.text(Version::Running).await.unwrap_or_default()),
        None => None,
    };
    let said = if kept.is_some() { KEPT } else { "" };
    drafted.text = kept.unwrap_or(drafted.text);
    let director = client::director(session.via).await?;
    if let Some(key) = &drafted.host_key {
        director.restore_host_key(key).await.map_err(|error| client::called(&error))?;
    }
    let options = options(how, drafted.extra.clone());
    let committed: Committed = client::take(director.commit(&drafted.text, options).await)?;
    if file.is_none() {
        settle(session, how, drafted).await?;
    }
    let mut answer = committed_answer(&committed);
    answer.text.push_str(said);
    Ok(answer)
}

/// After a commit the draft has done its work; one that waits for its confirmation is kept until
/// then, and may be committed again whatever becomes of it.
async fn settle(session: &Session, how: &How, drafted: Drafted) -> Result<(), Failure> {
    if how.confirm.is_none() {
        return session.draft.discard().map(drop);
    }
    let running = session.status().await?.configuration.digest;
    let base = format!("{}\n{running}", drafted.base.trim_end());
    session.draft.write(&Drafted { base, ..drafted })
}

/// `confirm`
pub(crate) async fn confirm(session: &Session) -> Result<Answer, Failure> {
    let director = client::director(session.via).await?;
    let generation = director.confirm().await.map_err(|error| client::called(&error))?;
    if let Some(drafted) = session.draft.read()?
        && drafted.text == session.text(Version::Running).await?
    {
        session.draft.discard()?;
    }
    let text = format!("generation {generation} stays");
    Ok(Answer { text, value: json!({ "generation": generation }), code: Code::Done })
}

/// `rollback`
pub(crate) async fn rollback(
    session: &Session,
    generation: Option<u32>,
    how: &How,
) -> Result<Answer, Failure> {
    let director = client::director(session.via).await?;
    let text = match generation {
        Some(number) => session.text(Version::Generation(number)).await?,
        None => String::new(),
    };
    let rolled_back = director.rollback(generation.unwrap_or(0), options(how, None)).await;
    let committed: Committed = client::take(rolled_back)?;
    let mut answer = committed_answer(&committed);
    if generation.is_some() && path::password_of(&text).is_none() {
        answer.text.push_str("\nit has no password: the next login asks for a new one, or password sets it");
    }
    Ok(answer)
}

/// `weight`
pub(crate) async fn weight(session: &Session, whom: &Whom, weight: u16) -> Result<Answer, Failure> {
    let director = client::director(session.via).await?;
    let answer = director.set_weight(&whom.service, &whom.server, weight, whom.save).await;
    answer.map_err(|error| client::called(&error))?;
    Ok(weighed(whom, &format!("has weight {weight}; {}", lasts(whom))))
}

/// `undrain`
pub(crate) async fn undrain(session: &Session, whom: &Whom) -> Result<Answer, Failure> {
    let director = client::director(session.via).await?;
    let answer = director.undrain(&whom.service, &whom.server, whom.save).await;
    answer.map_err(|error| client::called(&error))?;
    let saved = if whom.save { "; saved" } else { "" };
    Ok(weighed(whom, &format!("takes new sessions again{saved}")))
}

/// `drain`
pub(crate) async fn drain(session: &Session, whom: &Whom, wait: bool) -> Result<Answer, Failure> {
    let director = client::director(session.via).await?;
    let answer = director.drain(&whom.service, &whom.server, whom.save).await;
    answer.map_err(|error| client::called(&error))?;
    let begun = Instant::now();
    let left = |count: u64| json!({ "service": whom.service, "server": whom.server, "connections": count });
    loop {
        let count = connections(session, whom).await?;
        let text = match count {
            0 => format!("gets no new sessions and has none left; {}", lasts(whom)),
            count => format!("gets no new sessions; connections left: {count}; {}", lasts(whom)),
        };
        if count == 0 || !wait {
            return Ok(Answer { value: left(count), ..weighed(whom, &text) });
        }
        if begun.elapsed() > DRAIN {
            return Ok(Answer { value: left(count), code: Code::Differs, ..weighed(whom, &text) });
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn connections(session: &Session, whom: &Whom) -> Result<u64, Failure> {
    let status = session.status().await?;
    let servers = status.services.iter().filter(|service| service.name == whom.service);
    let is_meant = |address: &str| {
        address == whom.server
            || address.rsplit_once(':').is_some_and(|(host, _)| host.trim_matches(['[', ']']) == whom.server)
    };
    Ok(servers
        .flat_map(|service| &service.real_servers)
        .filter(|server| is_meant(&server.address))
        .map(|server| u64::from(server.active) + u64::from(server.inactive))
        .sum())
}

/// For how long a weight holds.
fn lasts(whom: &Whom) -> &'static str {
    if whom.save { "saved" } else { "until undrain or the next start" }
}

fn weighed(whom: &Whom, what: &str) -> Answer {
    Answer {
        text: format!("{} of {} {what}", whom.server, whom.service),
        value: json!({ "service": whom.service, "server": whom.server, "saved": whom.save }),
        code: Code::Done,
    }
}

fn keep(session: &Session, drafted: Drafted, text: String) -> Result<Answer, Failure> {
    let changed = difference::lines(&drafted.text, &text);
    let value = json!({ "changes": changed });
    let shown = if changed.is_empty() { "nothing changes".to_owned() } else { changed.join("\n") };
    session.draft.write(&Drafted { text, ..drafted })?;
    Ok(Answer { text: shown, value, code: Code::Done })
}

fn options(how: &How, extra: Option<String>) -> CommitOptions {
    let confirm = how.confirm.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
    CommitOptions {
        confirm,
        comment: how.comment.clone(),
        at_reboot: Some(how.at_reboot),
        extra,
        ..CommitOptions::default()
    }
}

fn committed_answer(committed: &Committed) -> Answer {
    let mut lines: Vec<String> = committed.changes.iter().map(|change| format!("  {change}")).collect();
    lines.push(match (committed.generation, committed.confirm.filter(|seconds| *seconds != 0)) {
        (Some(generation), Some(seconds)) => format!(
            "generation {generation} runs; type confirm within {}, or the box goes back",
            Spelled(Duration::from_secs(seconds.into()))
        ),
        (Some(generation), None) => format!("generation {generation} runs and stays"),
        (None, _) => "it is taken at the next start; reboot starts the box anew".to_owned(),
    });
    Answer { text: lines.join("\n"), value: value(committed), code: Code::Done }
}
