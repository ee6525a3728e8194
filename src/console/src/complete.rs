//! What may stand at a place of a line: for the tab key, and for `?`.

use clap::{ArgAction, CommandFactory};
use mark21_config::fields::{Absent, FieldDoc, Shape, TableForm};

use crate::answer::fold;
use crate::command::Line;
use crate::lines;
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

    /// Where the line may end.
    fn enter() -> Self {
        Self::new("<Enter>", "The line is whole")
    }

    /// Whether it only says of what kind the word is.
    fn is_kind(&self) -> bool {
        self.text.starts_with('<')
    }

    fn is_option(&self) -> bool {
        self.text.starts_with('-')
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
        let what = spoken(path.table().key());
        let entries = path::entries_of(&self.text, &path.steps);
        entries.into_iter().map(|text| Candidate::new(text, what.as_str())).collect()
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
        _ => in_the_commands(before, &words, names),
    };
    all.retain(|candidate| candidate.text.starts_with(partial) || candidate.is_kind());
    if !partial.is_empty() {
        all.retain(|candidate| *candidate != Candidate::enter());
    }
    (start, all)
}

/// What the tab key completes with: words that are known, and options where one is begun or nothing
/// else may stand.
pub(crate) fn for_tab(line: &str, names: &Names) -> (usize, Vec<String>) {
    let (start, mut all) = at(line, names);
    all.retain(|candidate| !candidate.is_kind());
    if !line.get(start..).is_some_and(|partial| partial.starts_with('-'))
        && all.iter().any(|candidate| !candidate.is_option())
    {
        all.retain(|candidate| !candidate.is_option());
    }
    (start, all.into_iter().map(|candidate| candidate.text).collect())
}

fn in_the_commands(before: &str, words: &[&str], names: &Names) -> Vec<Candidate> {
    let mut line = Line::command();
    line.build();
    let mut command = &line;
    let mut positional: Vec<&str> = Vec::new();
    let mut option = None;
    for (number, word) in words.iter().enumerate() {
        if let Some(inner) = subcommand(command, word) {
            command = inner;
        } else if number == 0 && *word == "help" {
            // What is asked about follows.
        } else if command.has_subcommands() {
            return Vec::new();
        } else if option.take().is_some() {
            // The word is that option's value.
        } else if word.starts_with('-') {
            option = command
                .get_opts()
                .find(|argument| is_named(argument, word) && matches!(argument.get_action(), ArgAction::Set));
        } else {
            positional.push(word);
        }
    }
    let asks_for_help = words.first() == Some(&"help");
    let mut all = Vec::new();
    if asks_for_help || (!words.is_empty() && matches!(lines::read(Ok(before)), Ok(Some(_)))) {
        all.push(Candidate::enter());
    }
    if let Some(option) = option {
        all.push(kind(option));
        return all;
    }
    let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
    all.extend(inner.map(|inner| Candidate::new(inner.get_name(), help(inner.get_about()))));
    if words.is_empty() {
        all.push(Candidate::new("help", "Say what a command does"));
    }
    if asks_for_help {
        return all;
    }
    if let Some(argument) = command.get_positionals().nth(positional.len()) {
        let known = known(argument.get_id().as_str(), &positional, names);
        all.extend(if known.is_empty() { vec![kind(argument)] } else { known });
    }
    if !command.has_subcommands() {
        let left = command.get_arguments().filter(|argument| {
            let is_everywhere = argument.is_global_set() || argument.get_id() == "help";
            !argument.is_positional() && !is_everywhere && !words.iter().any(|word| is_named(argument, word))
        });
        let left = left.filter_map(|argument| {
            Some(Candidate::new(format!("--{}", argument.get_long()?), help(argument.get_help())))
        });
        all.extend(left);
    }
    all
}

/// Whether a word is this option, in its long form or its short one.
fn is_named(option: &clap::Arg, word: &str) -> bool {
    let long = word.strip_prefix("--").is_some_and(|name| option.get_long() == Some(name));
    long || word.strip_prefix('-').is_some_and(|name| {
        option.get_short().is_some_and(|short| name.strip_prefix(short).is_some_and(str::is_empty))
    })
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
        let most = if purpose == Purpose::Delete { 0 } else { 1 };
        if path.values.len() > most && !(purpose == Purpose::Set && field.shape() == Shape::List) {
            return Vec::new();
        }
        let is_whole = purpose == Purpose::Delete || !path.values.is_empty();
        let mut all = if is_whole { vec![Candidate::enter()] } else { Vec::new() };
        if purpose == Purpose::Set && (path.values.is_empty() || field.shape() == Shape::List) {
            all.extend(values(field, names));
        }
        return all;
    }
    let table = path.table();
    if let Some(step) = path.steps.last()
        && step.entry.is_none()
        && matches!(table.form, TableForm::Many { .. })
    {
        let mut all = names.entries(words);
        if purpose == Purpose::Set {
            all.push(Candidate::new("<new>", format!("a new {}", spoken(table.key()))));
        } else if all.is_empty() {
            all.push(Candidate::new("<none>", format!("there is no {}", spoken(table.key()))));
        }
        return all;
    }
    let mut all = Vec::new();
    if purpose == Purpose::Delete && !words.is_empty() {
        all.push(Candidate::enter());
    }
    all.extend(table.fields.iter().map(|field| Candidate::new(field.name, field.what)));
    all.extend(table.below().map(|below| Candidate::new(below.key(), below.what)));
    all
}

/// A table's name in words.
fn spoken(key: &str) -> String {
    key.replace('_', " ")
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
    let named = argument.get_value_names().and_then(|names| names.first());
    let name = named.map_or_else(|| argument.get_id().to_string(), ToString::to_string).to_lowercase();
    Candidate::new(format!("<{}>", name.replace('_', "-")), help(argument.get_help()))
}

fn help(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// What `?` prints: what may stand at the end of a line, or which of its words is wrong.
pub(crate) fn answer(line: &str, names: &Names, columns: usize) -> String {
    let (start, mut all) = at(line, names);
    if all.is_empty() {
        // What is begun there is none of what there is.
        all = at(line.get(..start).unwrap_or_default(), names).1;
    }
    if all.is_empty() { wrong(line) } else { listing(&all, columns) }
}

/// Why nothing may stand at the end of a line.
fn wrong(line: &str) -> String {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let failure = match words.split_first() {
        Some((first, path)) if ["set", "delete"].iter().any(|name| is_short_for(first, name)) => {
            Path::read(path).err()
        }
        _ => lines::read(Ok(line)).err(),
    };
    failure.map_or_else(|| "the line is whole, and takes no more".to_owned(), |failure| failure.to_string())
}

/// A candidate a line, and what it is in as many of this many columns as it takes.
fn listing(all: &[Candidate], columns: usize) -> String {
    let width = all.iter().map(|candidate| candidate.text.chars().count()).max().unwrap_or(0).min(24);
    let lines = all.iter().map(|Candidate { text, what }| {
        // One less: a terminal breaks the line behind its last column.
        fold(&format!("  {text:<width$}  {what}"), columns.saturating_sub(1), width + 4)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let text = include_str!("../../config/examples/pair.toml").to_owned();
        Names { text, generations: vec![1, 2] }
    }

    fn texts(line: &str) -> Vec<String> {
        at(line, &names()).1.into_iter().map(|candidate| candidate.text).collect()
    }

    #[test]
    fn every_place_offers_what_may_stand_there() {
        let cases: [(&str, &[&str]); 31] = [
            ("ver", &["verify"]),
            ("verify ", &["<Enter>"]),
            ("show se", &["services", "server-config"]),
            ("sh ver", &["version"]),
            ("del service ", &["ftp", "web"]),
            ("res", &["restore", "resign"]),
            (
                "capture ",
                &["outside", "inside", "sync", "--host", "--port", "--seconds", "--packets", "--pcap"],
            ),
            ("capture outside --port ", &["<port>"]),
            ("capture outside -c 5 --port 21 --s", &["--seconds"]),
            ("show server-config ", &["ftp", "web"]),
            ("drain ftp ", &["10.0.0.11", "10.0.0.12", "--save", "--wait"]),
            ("drain web 10", &["10.0.0.11"]),
            ("drain ftp 10.0.0.11 ", &["<Enter>", "--save", "--wait"]),
            ("drain ftp 10.0.0.11 --w", &["--wait"]),
            ("rollback ", &["<Enter>", "2", "1", "--confirm", "--comment", "--at-reboot"]),
            ("commit --confirm ", &["<time>"]),
            ("commit --confirm 5m ", &["<Enter>", "<file>", "--comment", "--at-reboot", "--over"]),
            ("compare ", &["<Enter>", "running", "draft", "2", "1"]),
            ("resign ins", &["inside", "inside6"]),
            ("load --usb ", &["<Enter>", "<name>"]),
            ("set serv", &["service"]),
            ("set service ", &["ftp", "web", "<new>"]),
            ("set service ftp sche", &["scheduler"]),
            ("set service ftp scheduler w", &["wrr", "wlc", "<value>"]),
            ("set service ftp scheduler wlc ", &["<Enter>"]),
            ("set route default interface ", &["outside", "inside", "sync", "<value>"]),
            ("delete service ftp real_server ", &["10.0.0.11", "10.0.0.12"]),
            ("delete service ftp scheduler ", &["<Enter>"]),
            ("set nonsense ", &[]),
            ("nonsense ", &[]),
            ("show nonsense ", &[]),
        ];
        for (line, wanted) in cases {
            assert_eq!(texts(line), wanted, "{line}");
        }
        assert!(texts("").len() > 20 && texts("").contains(&"help".to_owned()));
        assert_eq!(texts("help show ")[1..], texts("show "));
        assert_eq!(texts("help status "), ["<Enter>"]);
    }

    #[test]
    fn the_tab_key_offers_options_only_where_they_are_wanted() {
        let cases: [(&str, &[&str]); 5] = [
            ("drain ftp ", &["10.0.0.11", "10.0.0.12"]),
            ("drain ftp 10.0.0.11 ", &["--save", "--wait"]),
            ("drain ftp -", &["--save", "--wait"]),
            ("set service ftp scheduler w", &["wrr", "wlc"]),
            ("ping ", &["--count"]),
        ];
        for (line, wanted) in cases {
            assert_eq!(for_tab(line, &names()).1, wanted, "{line}");
        }
    }

    #[test]
    fn where_nothing_may_stand_it_is_told_why() {
        let cases = [
            ("show xy", "  interfaces "),
            ("show xyzzy ", "there is no command \"show xyzzy\""),
            ("set servce ", "there is no \"servce\" in the file"),
            ("set service ftp scheduler rr wlc ", "takes no more"),
            ("status more ", "unexpected argument 'more'"),
            ("drain mail", "  ftp  "),
            ("xyzzy ", "there is no command \"xyzzy\""),
        ];
        for (line, wanted) in cases {
            let shown = answer(line, &names(), 80);
            assert!(shown.contains(wanted), "{line}?\n{shown}");
        }
    }

    /// Every place that completion leads to, from the empty line on.
    fn places() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut next = 0;
        while let Some(line) = all.get(next).cloned() {
            next += 1;
            // Behind the words of a set stand the same ones for each entry.
            let words = at(&line, &names()).1.into_iter().filter(|word| !word.is_kind() && !word.is_option());
            let depth = line.split_whitespace().count();
            all.extend(words.filter(|_| depth < 5).map(|word| format!("{line}{} ", word.text)));
        }
        all
    }

    #[test]
    fn help_fits_the_terminal_at_every_place_and_loses_no_word() {
        let places = places();
        assert!(places.len() > 200, "{} places", places.len());
        for line in places {
            let (_, all) = at(&line, &names());
            assert!(!all.is_empty(), "{line:?}: completion leads nowhere");
            let shown = listing(&all, 80);
            assert!(shown.lines().all(|line| line.chars().count() < 80), "{line:?}\n{shown}");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let wanted = all.iter().map(|candidate| format!("{} {} ", candidate.text, candidate.what));
            assert_eq!(words(&shown), words(&wanted.collect::<String>()), "{line:?}");
            if ["", "show "].contains(&line.as_str()) {
                assert_eq!(shown.lines().count(), all.len(), "a command is one line:\n{shown}");
            }
        }
    }
}
