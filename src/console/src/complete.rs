//! What may stand at a place of a line: for the tab key, and for `?`.

use clap::{ArgAction, CommandFactory};
use mark21_config::fields::{Absent, FieldDoc, TableForm};

use crate::command::Line;
use crate::path::{self, Path};

/// One thing that may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// What is typed; in angle brackets where only its kind is known.
    pub(crate) text: String,
    /// What it is.
    pub(crate) what: String,
}

impl Candidate {
    fn new(text: impl Into<String>, what: impl Into<String>) -> Self {
        Self { text: text.into(), what: what.into() }
    }

    /// Whether it only says of what kind the word is.
    pub(crate) fn is_kind(&self) -> bool {
        self.text.starts_with('<')
    }
}

/// The names that a line may use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The draft, or what runs.
    pub(crate) text: String,
    /// The numbers of generations.
    pub(crate) generations: Vec<u32>,
}

impl Names {
    /// The entries of a repeated table.
    fn entries(&self, words: &[&str]) -> Vec<Candidate> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let Ok(path) = Path::read(&words) else { return Vec::new() };
        let what = path.table().key();
        let entries = path::entries_of(&self.text, &path.steps);
        entries.into_iter().map(|text| Candidate::new(text, what)).collect()
    }
}

/// What may stand where the line ends, and where the word begins that it would replace.
pub(crate) fn at(line: &str, names: &Names) -> (usize, Vec<Candidate>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
    let (before, partial) = line.split_at_checked(start).unwrap_or(("", line));
    let words: Vec<&str> = before.split_whitespace().collect();
    let mut all = match words.split_first() {
        Some((first, words)) if is_short_for(first, "set") => in_the_file(words, names, Purpose::Set),
        Some((first, words)) if is_short_for(first, "delete") => in_the_file(words, names, Purpose::Delete),
        _ => in_the_commands(&words, partial, names),
    };
    all.retain(|candidate| candidate.text.starts_with(partial) || candidate.is_kind());
    (start, all)
}

fn in_the_commands(words: &[&str], partial: &str, names: &Names) -> Vec<Candidate> {
    let line = Line::command();
    let mut command = &line;
    let mut positional: Vec<&str> = Vec::new();
    let mut option = None;
    for word in words {
        if let Some(inner) = subcommand(command, word) {
            command = inner;
        } else if option.take().is_some() {
            // The word is that option's value.
        } else if let Some(name) = word.strip_prefix("--") {
            let taken = command.get_opts().find(|argument| argument.get_long() == Some(name));
            option = taken.filter(|argument| matches!(argument.get_action(), ArgAction::Set));
        } else if !word.starts_with('-') {
            positional.push(word);
        }
    }
    if let Some(option) = option {
        return vec![kind(option)];
    }
    let mut all: Vec<Candidate> = command
        .get_subcommands()
        .map(|inner| Candidate::new(inner.get_name(), help(inner.get_about())))
        .collect();
    if words.is_empty() {
        all.push(Candidate::new("help", "Say what a command does."));
    }
    if let Some(argument) = command.get_positionals().nth(positional.len()) {
        let known = known(argument.get_id().as_str(), &positional, names);
        all.extend(if known.is_empty() { vec![kind(argument)] } else { known });
    }
    if partial.starts_with('-') || all.is_empty() {
        let flags = command.get_arguments().filter_map(|argument| {
            Some(Candidate::new(format!("--{}", argument.get_long()?), help(argument.get_help())))
        });
        all.extend(flags);
    }
    all
}

/// By its name, or a beginning that no other one has, as clap takes it.
fn subcommand<'a>(command: &'a clap::Command, word: &str) -> Option<&'a clap::Command> {
    command.find_subcommand(word).or_else(|| {
        let mut begun = command.get_subcommands().filter(|inner| inner.get_name().starts_with(word));
        begun.next().filter(|_| begun.next().is_none())
    })
}

fn is_short_for(word: &str, name: &str) -> bool {
    subcommand(&Line::command(), word).is_some_and(|command| command.get_name() == name)
}

/// The values of an argument that the box knows.
fn known(id: &str, before: &[&str], names: &Names) -> Vec<Candidate> {
    let generations =
        names.generations.iter().rev().map(|number| Candidate::new(number.to_string(), "generation"));
    match id {
        "service" => names.entries(&["service"]),
        "interface" => names.entries(&["interface"]),
        "server" => {
            let service = before.first().copied().unwrap_or_default();
            names.entries(&["service", service, "real_server"])
        }
        "generation" => generations.collect(),
        "version" | "first" | "second" => {
            let words = [("running", "what runs"), ("draft", "what is being edited")];
            words.map(|(word, what)| Candidate::new(word, what)).into_iter().chain(generations).collect()
        }
        "name" => {
            let mut all = names.entries(&["virtual_router"]);
            all.extend(names.entries(&["sync_group"]));
            all.push(Candidate::new("all", "every virtual router"));
            all
        }
        "program" => {
            ["vsftpd", "proftpd", "pure-ftpd"].map(|name| Candidate::new(name, "server program")).into()
        }
        _ => Vec::new(),
    }
}

/// What the words of a path are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Set,
    Delete,
}

fn in_the_file(words: &[&str], names: &Names, purpose: Purpose) -> Vec<Candidate> {
    let owned: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let Ok(path) = Path::read(&owned) else { return Vec::new() };
    if let Some(field) = path.field {
        return if purpose == Purpose::Set { values(field, names) } else { Vec::new() };
    }
    let table = path.table();
    if let Some(step) = path.steps.last()
        && step.entry.is_none()
        && matches!(table.form, TableForm::Many { .. })
    {
        let mut all = names.entries(words);
        if purpose == Purpose::Set {
            all.push(Candidate::new("<new>", format!("a new {}", table.key())));
        }
        return all;
    }
    let fields = table.fields.iter().map(|field| Candidate::new(field.name, field.what));
    fields.chain(table.below().map(|below| Candidate::new(below.key(), below.what))).collect()
}

fn values(field: &FieldDoc, names: &Names) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = field.words().map(|word| Candidate::new(word, "")).collect();
    match field.values {
        values if values.contains("name of an interface") => all.extend(names.entries(&["interface"])),
        values if values.contains("names of virtual routers") => {
            all.extend(names.entries(&["virtual_router"]))
        }
        _ => {}
    }
    let default = match field.absent {
        Absent::Means(default) => format!("; left out: {default}"),
        Absent::Refused => "; needed".to_owned(),
        Absent::Unset => String::new(),
    };
    all.push(Candidate::new("<value>", format!("{}{default}", field.values)));
    all
}

fn kind(argument: &clap::Arg) -> Candidate {
    Candidate::new(format!("<{}>", argument.get_id()), help(argument.get_help()))
}

fn help(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// What `?` prints: a candidate a line, in this many columns.
pub(crate) fn listing(all: &[Candidate], columns: usize) -> String {
    if all.is_empty() {
        return "nothing more is taken here, or the words before are wrong".to_owned();
    }
    let width = all.iter().map(|candidate| candidate.text.chars().count()).max().unwrap_or(0).min(24);
    let lines = all.iter().map(|Candidate { text, what }| {
        let line = format!("  {text:<width$}  {what}");
        line.trim_end().chars().take(columns.saturating_sub(1)).collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let text = include_str!("../../config/examples/pair.toml").to_owned();
        let names = Names { text, generations: vec![1, 2] };
        at(line, &names).1.into_iter().map(|candidate| candidate.text).collect()
    }

    #[test]
    fn every_place_offers_what_may_stand_there() {
        let cases: [(&str, &[&str]); 20] = [
            ("ver", &["verify"]),
            ("show se", &["services", "server-config"]),
            ("sh ver", &["version"]),
            ("del service ", &["ftp", "web"]),
            ("res", &["restore", "resign"]),
            ("capture ", &["outside", "inside", "sync"]),
            ("show server-config ", &["ftp", "web"]),
            ("drain ftp ", &["10.0.0.11", "10.0.0.12"]),
            ("drain web 10", &["10.0.0.11"]),
            ("drain ftp 10.0.0.11 --w", &["--wait"]),
            ("rollback ", &["2", "1"]),
            ("compare ", &["running", "draft", "2", "1"]),
            ("resign ins", &["inside", "inside6"]),
            ("set serv", &["service"]),
            ("set service ", &["ftp", "web", "<new>"]),
            ("set service ftp sche", &["scheduler"]),
            ("set service ftp scheduler w", &["wrr", "wlc", "<value>"]),
            ("set route default interface ", &["outside", "inside", "sync", "<value>"]),
            ("delete service ftp real_server ", &["10.0.0.11", "10.0.0.12"]),
            ("set nonsense ", &[]),
        ];
        for (line, wanted) in cases {
            assert_eq!(texts(line), wanted, "{line}");
        }
        assert!(texts("").len() > 20 && texts("").contains(&"help".to_owned()));
    }

    #[test]
    fn a_listing_fits_the_terminal() {
        let (_, all) = at("set service ftp ", &Names::default());
        assert!(all.len() > 10);
        assert!(listing(&all, 80).lines().all(|line| line.chars().count() < 80));
    }
}
