//! The three ways in: one command from the arguments, a person's lines, a program's lines.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use mark21_api::status::State;
use tokio::signal::unix::{SignalKind, signal};

use crate::answer::{self, Answer, Failure, json};
use crate::client::{self, Via};
use crate::command::{Command, Line};
use crate::exit::Code;
use crate::session::{Asker, Session};
use crate::{editor, foreign, password, probe, prompt, render, setup, terminal, top};

/// How long the console waits for mark21d before it greets all the same.
const START_PATIENCE: Duration = Duration::from_secs(15);
/// Longest line taken; a longer one is refused whole.
const LINE_BYTES: usize = 4096;
const HELP: &str = "type help for the commands";

/// How an answer is printed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// For a person.
    Text,
    /// For a program.
    Json,
}

/// Whether the console greets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// It does, once the box has started.
    Due,
    /// Somebody has done so.
    Over,
}

/// Runs one command and prints its answer.
pub(crate) fn once(command: &Command, form: Form, via: Via) -> ExitCode {
    let asker = match form {
        Form::Text if terminal::is_interactive() => Asker::Person,
        Form::Text | Form::Json => Asker::Program,
    };
    let session = Session::new(via, asker);
    let result = match form {
        Form::Json => run_for_a_program(command, &session),
        Form::Text => run(command, &session),
    };
    let printed = match form {
        Form::Json => writeln!(io::stdout(), "{}", answer::to_json(&result)),
        Form::Text => print_for_a_person(&result),
    };
    match printed {
        Ok(()) => answer::code(&result).into(),
        // The reader went away: there is nobody left to tell.
        Err(_) => Code::Failed.into(),
    }
}

/// Reads a person's commands until the line ends.
pub(crate) fn console(greeting: Greeting) -> ExitCode {
    let is_terminal = terminal::is_interactive();
    if is_terminal && let Err(error) = client::heed_interrupts() {
        let failure =
            Failure::new(Code::Failed, format!("signals: {error}"), "leave the console and come again");
        eprintln!("{failure}");
        return failure.code.into();
    }
    // What is typed while a command runs is shown at the next prompt, and not twice.
    let _silent = is_terminal.then(terminal::silent);
    let asker = if is_terminal { Asker::Person } else { Asker::Program };
    let session = Session::new(Via::Socket, asker);
    let headline = match greeting {
        Greeting::Due => format!("\nMark21. {}\n", headline_when_started(&session)),
        Greeting::Over => String::new(),
    };
    let help = if is_terminal { "Type a command; ? helps at any place." } else { "Type a command, or help." };
    if writeln!(io::stdout(), "{headline}{help}").is_err() {
        return Code::Failed.into();
    }
    if is_terminal {
        terminal::probe();
        return prompt::run(&session);
    }
    each_line("mark21> ", |line| match read(line) {
        Ok(None) => Ok(()),
        Ok(Some(Line { json: true, command })) => {
            writeln!(io::stdout(), "{}", answer::to_json(&run_for_a_program(&command, &session)))
        }
        Ok(Some(Line { json: false, command })) => print_for_a_person(&run(&command, &session)),
        Err(failure) => print_for_a_person(&Err(failure)),
    })
}

/// What the box does, once it has started; a console that comes sooner would be talked into.
fn headline_when_started(session: &Session) -> String {
    let begun = Instant::now();
    loop {
        let result = client::wait_for(session.status());
        let is_early = begun.elapsed() < START_PATIENCE;
        match result {
            Ok(status) if status.state != State::Starting || !is_early => {
                return render::status(&status).lines().next().unwrap_or_default().to_owned();
            }
            Err(failure) if !is_early => return failure.message,
            Ok(_) | Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Reads a program's commands until the line ends. An empty line is answered with the same
/// object as the start, so that a program can find out when somebody listens.
pub(crate) fn machine_port() -> ExitCode {
    let ready = json!({ "ready": true, "version": env!("CARGO_PKG_VERSION") });
    let session = Session::new(Via::Socket, Asker::Program);
    if writeln!(io::stdout(), "{ready}").is_err() {
        return Code::Failed.into();
    }
    each_line("", |line| match read(line) {
        Ok(None) => writeln!(io::stdout(), "{ready}"),
        Ok(Some(line)) => {
            writeln!(io::stdout(), "{}", answer::to_json(&run_for_a_program(&line.command, &session)))
        }
        Err(failure) => writeln!(io::stdout(), "{}", answer::to_json(&Err(failure))),
    })
}

/// Hands over each line of standard input; a line that is too long or no text is refused by
/// handing over its failure's text instead. Whoever takes a line may read on behind it.
fn each_line(prompt: &str, mut take: impl FnMut(Result<&str, Failure>) -> io::Result<()>) -> ExitCode {
    let mut line = Vec::new();
    loop {
        let prompted = write!(io::stdout(), "{prompt}").and_then(|()| io::stdout().flush());
        let read = prompted.and_then(|()| read_line(&mut io::stdin().lock(), &mut line));
        let ended = match read {
            Ok(Some(line)) => take(line).is_err(),
            Ok(None) | Err(_) => true,
        };
        if ended {
            return Code::Done.into();
        }
    }
}

/// One line without its end; `None` at the end of the input. What is beyond the bound is read
/// and dropped, so that its rest is not taken for another command.
fn read_line<'a>(
    input: &mut impl BufRead,
    line: &'a mut Vec<u8>,
) -> io::Result<Option<Result<&'a str, Failure>>> {
    line.clear();
    let mut is_whole = true;
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() && line.is_empty() {
            return Ok(None);
        }
        let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let taken = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = LINE_BYTES.saturating_sub(line.len());
        is_whole &= taken.len() <= room;
        line.extend_from_slice(taken.get(..taken.len().min(room)).unwrap_or_default());
        let used = taken.len() + usize::from(end.is_some());
        let at_end = bytes.is_empty();
        input.consume(used);
        if end.is_some() || at_end {
            break;
        }
    }
    Ok(Some(match std::str::from_utf8(line) {
        Ok(text) if is_whole => Ok(text),
        Ok(_) => Err(usage(format!("the line is longer than {LINE_BYTES} bytes"))),
        Err(_) => Err(usage("the line is no UTF-8 text".into())),
    }))
}

/// A line as a command; `None` for an empty one.
pub(crate) fn read(line: Result<&str, Failure>) -> Result<Option<Line>, Failure> {
    let words = shlex::split(line?).ok_or_else(|| usage("a quote is not closed".into()))?;
    if words.is_empty() {
        return Ok(None);
    }
    if let Some(failure) = foreign::failure(&words) {
        return Err(failure);
    }
    let first = words.first().cloned().unwrap_or_default();
    match Line::try_parse_from(words) {
        Ok(line) => Ok(Some(line)),
        Err(error) => Err(refused(&error, &first)),
    }
}

/// What clap says of a line, without the usage that a person at a prompt did not ask for.
fn refused(error: &clap::Error, first: &str) -> Failure {
    let text = error.render().to_string();
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::help(&text);
    }
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    {
        return unknown(word, first, error.get(ContextKind::SuggestedSubcommand));
    }
    // What is missing, and what may stand there, comes in lines of its own behind the first.
    let message: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let message = message.join(" ");
    let (message, reason) = message.trim_start_matches("error: ").rsplit_once(": ").unwrap_or((&message, ""));
    let message = match reason {
        "" => message.to_owned(),
        // What the standard library says of a number is of use to nobody else.
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            format!("{message}: it is no whole number")
        }
        reason => format!("{message}: {reason}"),
    };
    Failure::new(Code::Usage, message, how_it_goes(error, &text, first))
}

/// The similar word, the line as it should be, or what the value is.
fn how_it_goes(error: &clap::Error, text: &str, first: &str) -> String {
    let mut line = Line::command();
    line.build();
    let command = line.get_subcommands().find(|command| command.get_name().starts_with(first));
    let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: a similar"));
    if let Some(tip) = tip {
        return format!("a similar{tip}");
    }
    if let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg)
        && matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue)
        && let Some(what) = command.and_then(|command| wanted(command, wrong))
    {
        return format!("wanted: {what}");
    }
    match text.lines().find_map(|line| line.strip_prefix("Usage: ")) {
        Some(usage) if !usage.starts_with("mark21 ") => format!("it goes: {}", with_options(usage, &line)),
        Some(_) => HELP.to_owned(),
        None => format!("{first} --help tells how it goes"),
    }
}

/// A command's usage with its own options by their names.
fn with_options(usage: &str, line: &clap::Command) -> String {
    let mut command = line;
    for word in usage.split(' ') {
        let Some(inner) = command.find_subcommand(word) else { break };
        command = inner;
    }
    let is_everywhere = |option: &&clap::Arg| ["json", "help"].contains(&option.get_id().as_str());
    let options = command.get_arguments().filter(|argument| !argument.is_positional());
    let options = options.filter(|option| !is_everywhere(option)).map(|option| format!("[{option}] "));
    let options: Vec<String> = options.collect();
    usage.replace("[OPTIONS]", options.concat().trim_end()).trim_end().replace("  ", " ")
}

/// What an argument is, by the command's own help.
fn wanted(command: &clap::Command, argument: &str) -> Option<String> {
    let below = || command.get_subcommands().find_map(|below| wanted(below, argument));
    let known = command.get_arguments().find(|known| known.to_string() == argument);
    known.and_then(|known| Some(known.get_help()?.to_string())).or_else(below)
}

/// A word that is no command, or the beginning of several.
fn unknown(word: &str, first: &str, similar: Option<&ContextValue>) -> Failure {
    let mut line = Line::command();
    line.build();
    let above = line.find_subcommand(first);
    let all = || above.unwrap_or(&line).get_subcommands().map(clap::Command::get_name);
    let begun: Vec<&str> = all().filter(|name| name.starts_with(word)).collect();
    let shown = if above.is_none() { word.to_owned() } else { format!("{first} {word}") };
    if begun.len() > 1 {
        let message = format!("{shown:?} is short for several commands");
        return Failure::new(Code::Usage, message, format!("which of them: {}", begun.join(", ")));
    }
    let similar: Vec<&str> = match similar {
        Some(ContextValue::Strings(names)) => all().filter(|name| names.iter().any(|n| n == name)).collect(),
        Some(ContextValue::String(name)) => all().filter(|known| known == name).collect(),
        Some(_) | None => Vec::new(),
    };
    let hint = match (similar.is_empty(), above) {
        (false, _) => format!("similar: {}", similar.join(", ")),
        (true, None) => HELP.to_owned(),
        (true, Some(_)) => format!("known are: {}", all().collect::<Vec<_>>().join(", ")),
    };
    Failure::new(Code::Usage, format!("there is no command {shown:?}"), hint)
}

fn usage(message: String) -> Failure {
    Failure::new(Code::Usage, message, HELP)
}

fn print_for_a_person(result: &Result<Answer, Failure>) -> io::Result<()> {
    match result {
        // What has been shown on the way needs no line of its own.
        Ok(answer) if answer.text.is_empty() => Ok(()),
        Ok(answer) => writeln!(io::stdout(), "{}", answer.text),
        Err(failure) if failure.code == Code::Done => writeln!(io::stdout(), "{failure}"),
        Err(failure) => writeln!(io::stderr(), "{failure}"),
    }
}

/// Carries out a command; Ctrl-C ends it, and nothing else.
pub(crate) fn run(command: &Command, session: &Session) -> Result<Answer, Failure> {
    if session.asker == Asker::Person {
        match command {
            Command::Setup => return setup::run(session),
            Command::Edit => return editor::run(session),
            Command::Password => return password::run(session),
            Command::Top => return top::run(session),
            // It sums up what there was, however it ends.
            Command::Ping { host, count } => return client::wait_for(probe::ping(session, *host, *count)),
            _ => {}
        }
    }
    interruptibly(crate::run::answer(command, session))
}

/// The same where nobody reads the text of the answer.
fn run_for_a_program(command: &Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Status => interruptibly(crate::run::status_document(session)),
        _ => run(command, session),
    }
}

/// Whether a command was carried out before.
static BEGUN: AtomicBool = AtomicBool::new(false);

fn interruptibly(answer: impl Future<Output = Result<Answer, Failure>>) -> Result<Answer, Failure> {
    client::wait_for(async {
        let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return answer.await };
        // One that came between two commands is told of only now, and was for neither.
        if BEGUN.swap(true, Ordering::Relaxed) {
            let _ = tokio::time::timeout(Duration::from_millis(1), interrupts.recv()).await;
        }
        tokio::select! {
            answer = answer => answer,
            _ = interrupts.recv() => Err(Failure::new(
                Code::Differs,
                "interrupted",
                "what the box has begun it ends; status tells",
            )),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<Result<String, String>> {
        let mut input = io::BufReader::with_capacity(7, input);
        let mut line = Vec::new();
        let mut all = Vec::new();
        while let Some(read) = read_line(&mut input, &mut line).expect("memory reads") {
            all.push(read.map(str::to_owned).map_err(|failure| failure.message));
        }
        all
    }

    #[test]
    fn a_line_ends_with_a_line_feed_a_carriage_return_or_the_input() {
        assert_eq!(
            lines(b"status\nlog -n 3\rend"),
            [Ok("status".into()), Ok("log -n 3".into()), Ok("end".into())]
        );
    }

    #[test]
    fn a_line_beyond_the_bound_is_refused_whole() {
        let mut input = vec![b'a'; LINE_BYTES + 1];
        input.extend_from_slice(b"\nstatus\n");
        let read = lines(&input);
        assert!(read[0].is_err());
        assert_eq!(read[1], Ok("status".into()));
    }

    #[test]
    fn noise_is_refused_and_the_next_line_is_read() {
        let read = lines(b"\xff\xfe\x00\nstatus\n");
        assert!(read[0].is_err());
        assert_eq!(read[1], Ok("status".into()));
    }

    #[test]
    fn a_wrong_command_says_what_is_wrong_in_one_line() {
        let failure = read(Ok("statsu")).expect_err("is no command");
        assert_eq!(failure.code, Code::Usage);
        assert!(failure.message.contains("statsu"), "{}", failure.message);
        assert!(failure.hint.contains("status"), "{}", failure.hint);
    }

    #[test]
    fn what_is_missing_is_named_with_the_way_it_goes() {
        let cases = [
            ("traceroute", "not provided: <HOST>", "it goes: traceroute"),
            ("drain ftp", "not provided: <SERVER>", "it goes: drain"),
            ("log -n many", "'--lines <LINES>': it is no whole number", "wanted: How many lines"),
            ("commit --confirm", "a value is required", "10s-24h"),
            ("log 20", "unexpected argument '20'", "it goes: log [--lines <LINES>]"),
            ("show show", "there is no command \"show show\"", "known are: interfaces, services"),
            ("show configuration -1", "unexpected argument '-1'", "it goes: show configuration"),
            ("-1", "unexpected argument '-1'", "type help"),
            ("show firewool", "there is no command \"show firewool\"", "similar: firewall"),
            ("show xyzzy", "there is no command \"show xyzzy\"", "known are: interfaces, services"),
            ("stauts", "there is no command \"stauts\"", "similar: status, setup"),
            ("xyzzy", "there is no command \"xyzzy\"", "type help"),
            ("re", "\"re\" is short for several", "restore, resign, reboot"),
        ];
        for (line, message, hint) in cases {
            let failure = read(Ok(line)).expect_err(line);
            assert!(failure.message.contains(message), "{line}: {}", failure.message);
            assert!(failure.hint.contains(hint), "{line}: {}", failure.hint);
        }
    }

    #[test]
    fn help_lists_the_commands() {
        let help = read(Ok("help")).expect_err("help is no command to run");
        assert_eq!(help.code, Code::Done);
        assert!(help.message.contains("verify"), "{}", help.message);
    }
}
