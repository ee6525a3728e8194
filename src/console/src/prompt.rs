//! The prompt: a line editor with completion, history and help, for a person on a terminal.
//!
//! ```text
//! director-a (active)* [confirm: 272 s]>
//! name        role    | until an unconfirmed change goes back
//!                     there is a draft
//! ```
//! Ctrl-C ends a command, never the console; Ctrl-D leaves it.

use std::cell::OnceCell;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mark21_api::status::{Generation, State, Status};
use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Context, Editor, Event, EventContext, EventHandler, Helper,
    KeyEvent, RepeatCount,
};

use crate::answer::{self, Failure};
use crate::command::{Command, Line, Version};
use crate::complete::{self, Names};
use crate::exit::Code;
use crate::session::Session;
use crate::{client, filter, lines, shell, terminal};

/// A prompt at which no line is ended for so long is left: its user has gone away. An
/// unconfirmed change goes back by itself; the draft stays.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// Errors of the line in a row until the console gives up: noise is an error each.
const ERRORS: u32 = 100;
/// Longest wait for what stands before the cursor: a person can type without it. The status of 4096
/// servers takes 2 s in emulation.
const PROMPT: Duration = Duration::from_secs(5);
/// Lines of history, in memory alone.
const HISTORY: usize = 200;

/// Where `?` was pressed: the line, and the place in it.
type Question = Arc<Mutex<Option<(String, usize)>>>;

/// Reads commands until the person leaves.
pub(crate) fn run(session: &Session) -> ExitCode {
    match converse(session) {
        Ok(()) => Code::Done.into(),
        Err(error) => {
            let failure = Failure::new(Code::Failed, format!("the terminal: {error}"), "plug in again");
            eprintln!("{failure}");
            failure.code.into()
        }
    }
}

fn converse(session: &Session) -> rustyline::Result<()> {
    let config = rustyline::Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(HISTORY)?
        .auto_add_history(false)
        .bracketed_paste(false)
        .build();
    let mut editor: Editor<Assistant, DefaultHistory> = Editor::with_config(config)?;
    // A vt100 knows none of it, and it is sixteen bytes a key.
    editor.enable_synchronized_output(false);
    let question = Question::default();
    let asks = EventHandler::Conditional(Box::new(Asks(Arc::clone(&question))));
    editor.bind_sequence(KeyEvent::from('?'), asks);
    let waiting = watch_for_idleness();
    let mut typed = (String::new(), String::new());
    let mut errors = 0;
    loop {
        editor.set_helper(Some(Assistant { session: session.clone(), names: OnceCell::new() }));
        let (before, after) = std::mem::take(&mut typed);
        let prompt = prompt(session);
        *waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let read = editor.readline_with_initial(&prompt, (&before, &after));
        *waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some((line, place)) = question.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let (before, after) = line.split_at_checked(place).unwrap_or((&line, ""));
            if let Some(assistant) = editor.helper() {
                terminal::page(&complete::answer(before, assistant.names(), terminal::size().0.into()))?;
            }
            typed = (before.to_owned(), after.to_owned());
            continue;
        }
        match read {
            Ok(line) => {
                errors = 0;
                if !line.trim().is_empty() {
                    editor.add_history_entry(line.trim())?;
                }
                if !obey(session, &line)? {
                    return Ok(());
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => {
                errors += 1;
                if errors == ERRORS {
                    return Err(error);
                }
            }
        }
    }
}

/// Ends the program when the prompt has waited for too long since the moment that it leaves here.
fn watch_for_idleness() -> Arc<Mutex<Option<Instant>>> {
    let since = Arc::new(Mutex::new(None::<Instant>));
    let seen = Arc::clone(&since);
    thread::spawn(move || {
        loop {
            thread::sleep(LOOK);
            let since = *seen.lock().unwrap_or_else(PoisonError::into_inner);
            if since.is_some_and(|since| since.elapsed() > IDLE) {
                println!("\r\nno command for {} minutes: logged out\r", IDLE.as_secs() / 60);
                std::process::exit(0);
            }
        }
    });
    since
}

/// Carries out a line; whether the console goes on.
fn obey(session: &Session, line: &str) -> io::Result<bool> {
    let (line, filter) = filter::split(line);
    let mut is_prose = false;
    let result = match lines::read(Ok(line)) {
        Ok(None) => return Ok(true),
        Ok(Some(Line { command: Command::Exit, .. })) => return Ok(false),
        Ok(Some(Line { command: Command::Shell, .. })) if terminal::is_serial() => match shell::want() {
            Ok(()) => return Ok(false),
            Err(failure) => Err(failure),
        },
        Ok(Some(Line { json, command })) => {
            let result = lines::run(&command, session);
            if json {
                println!("{}", answer::to_json(&result));
                return Ok(true);
            }
            is_prose = !command.is_for_copying();
            result
        }
        Err(failure) => Err(failure),
    };
    let text = match result {
        Ok(answer) => filter.map(|filter| filter.apply(&answer.text)).unwrap_or(answer.text),
        Err(failure) => failure.to_string(),
    };
    if !text.is_empty() {
        let columns = terminal::size().0.into();
        terminal::page(&if is_prose { answer::fold_lines(&text, columns) } else { text })?;
    }
    Ok(true)
}

/// What stands before the cursor.
fn prompt(session: &Session) -> String {
    let status = client::wait_for(async { tokio::time::timeout(PROMPT, session.status()).await });
    let draft = if session.draft.exists() { "*" } else { "" };
    match status {
        Ok(Ok(status)) => format!("{}{draft}{}> ", name_and_role(&status), waiting(&status)),
        Ok(Err(_)) | Err(_) => format!("mark21 (mark21d is away){draft}> "),
    }
}

fn name_and_role(status: &Status) -> String {
    let state = match status.state {
        State::Serving => role(status),
        other => Some(other.word().to_owned()),
    };
    match state {
        Some(state) => format!("{} ({state})", status.hostname),
        None => status.hostname.clone(),
    }
}

/// What all virtual routers are; a box without any has no role.
fn role(status: &Status) -> Option<String> {
    let first = status.virtual_routers.first()?;
    let is_same = status.virtual_routers.iter().all(|router| router.state == first.state);
    Some(if is_same { first.state.clone() } else { "mixed".to_owned() })
}

fn waiting(status: &Status) -> String {
    match status.configuration.unconfirmed {
        Some(waiting) => format!(" [confirm: {} s]", waiting.seconds_left),
        None => String::new(),
    }
}

/// `?` asks, except inside quotes, where it is a letter.
struct Asks(Question);

impl ConditionalEventHandler for Asks {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let before = context.line().get(..context.pos()).unwrap_or_default();
        if before.matches('"').count() % 2 == 1 || before.matches('\'').count() % 2 == 1 {
            return None;
        }
        let mut question = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *question = Some((context.line().to_owned(), context.pos()));
        Some(Cmd::AcceptLine)
    }
}

/// Completes lines with what the box knows; asked for once a line, and only when needed.
struct Assistant {
    session: Session,
    names: OnceCell<Names>,
}

impl Assistant {
    fn names(&self) -> &Names {
        self.names.get_or_init(|| client::wait_for(names(&self.session)))
    }
}

async fn names(session: &Session) -> Names {
    let version = if session.draft.exists() { Version::Draft } else { Version::Running };
    // Without an answer there is nothing to complete with; the line can be typed all the same.
    let text = session.text(version).await.unwrap_or_default();
    let generations = async {
        let director = client::director(session.via).await?;
        let all: Vec<Generation> = client::take(director.generations().await)?;
        Ok::<Vec<u32>, Failure>(all.iter().map(|one| one.number).collect())
    };
    Names { text, generations: generations.await.unwrap_or_default() }
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, place: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let (start, words) = complete::for_tab(line.get(..place).unwrap_or_default(), self.names());
        Ok((start, words.into_iter().map(|word| word + " ").collect()))
    }
}

impl Helper for Assistant {}
impl Highlighter for Assistant {}
impl Validator for Assistant {}
impl Hinter for Assistant {
    type Hint = String;
}

#[cfg(test)]
mod tests {
    use mark21_api::status::{Unconfirmed, VirtualRouter};

    use super::*;

    #[test]
    fn the_prompt_tells_name_role_and_what_waits() {
        let router = |state: &str| VirtualRouter { state: state.into(), ..VirtualRouter::default() };
        let mut status = Status { hostname: "a".into(), state: State::Serving, ..Status::default() };
        assert_eq!(name_and_role(&status), "a");
        status.virtual_routers = vec![router("active"), router("active")];
        assert_eq!(name_and_role(&status), "a (active)");
        status.virtual_routers.push(router("backup"));
        assert_eq!(name_and_role(&status), "a (mixed)");
        status.state = State::FailSecure;
        assert_eq!(name_and_role(&status), "a (fail-secure)");
        assert_eq!(waiting(&status), "");
        status.configuration.unconfirmed = Some(Unconfirmed { generation: 2, seconds_left: 9 });
        assert_eq!(waiting(&status), " [confirm: 9 s]");
    }
}
