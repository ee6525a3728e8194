//! The command reference: docs/console.md, written from clap's own description.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use crate::answer::COLUMNS;
use crate::command::Line;

const HEAD: &str = include_str!("reference/head.md");

/// Every command that a line can be, a subcommand after the one above it.
pub(crate) fn commands() -> Vec<(String, Command)> {
    fn below(name: &str, command: &Command, all: &mut Vec<(String, Command)>) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let name = format!("{name} {}", inner.get_name());
            if inner.has_subcommands() {
                below(&name, inner, all);
            } else {
                all.push((name.trim().to_owned(), inner.clone().bin_name(name.trim())));
            }
        }
    }
    let mut line = Line::command();
    line.build();
    let mut all = Vec::new();
    below("", &line, &mut all);
    all
}

/// The page.
fn page() -> String {
    let mut page = HEAD.to_owned();
    for (name, mut command) in commands() {
        let help = command.render_help().to_string();
        let mut help: Vec<&str> = help.trim_end().lines().filter(|line| !is_everywhere(line)).collect();
        help.pop_if(|line| *line == "Options:");
        // Writing into a String cannot fail.
        let _ = write!(page, "\n### {name}\n\n```\n{}\n```\n", help.join("\n").trim_end());
    }
    page
}

/// What every command has, and the head of the page says.
fn is_everywhere(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("--json ") || line.starts_with("-h, --help ")
}

mod tests {
    use super::*;
    use crate::exit::Code;
    use crate::lines;

    #[test]
    fn the_command_reference_is_what_the_commands_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/console.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, page()).expect("docs/ is there and can be written");
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(found == page(), "docs/console.md is not of these commands; run the test with UPDATE=1");
    }

    /// What the whole session is compared with runs on a machine; here its excerpt is.
    #[test]
    fn the_session_in_the_readme_is_an_excerpt_of_the_one_that_a_test_rides() {
        let read = |name: &str| {
            let path = format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let (readme, session) = (read("README.md"), read("docs/session.md"));
        let begin = "<!-- An excerpt of docs/session.md, compared by a test. -->\n```\n";
        let (_, excerpt) = readme.split_once(begin).expect("README.md has a session");
        let (excerpt, _) = excerpt.split_once("\n```").expect("that ends");
        let mut rest = session.as_str();
        // `..` stands for lines that are left out.
        for piece in excerpt.split("\n..\n") {
            let found = rest.split_once(&format!("\n{piece}\n"));
            rest = found.unwrap_or_else(|| panic!("not in docs/session.md, or not there:\n{piece}")).1;
        }
    }

    #[test]
    fn every_commands_help_fits_the_terminal() {
        let all = commands();
        assert!(all.len() > 25, "{} commands", all.len());
        for (name, _) in all {
            let help = lines::read(Ok(&format!("{name} --help"))).expect_err("help is no command to run");
            assert_eq!(help.code, Code::Done, "{name}");
            for line in help.to_string().lines() {
                assert!(line.chars().count() <= COLUMNS, "{name}: {line}");
            }
        }
    }

    #[test]
    fn every_wrong_line_says_what_to_do_next_and_fits_the_terminal() {
        let mut wrong: Vec<String> = [
            "stauts",
            "show",
            "show firewool",
            "set",
            "log -n many",
            "check a b c",
            "drain ftp",
            "weight ftp 10.0.0.11 heavy",
            "weight ftp 10.0.0.11 70000",
            "rollback yesterday",
            "compare a",
            "resign",
            "commit --confirm",
            "commit --confirm 5",
            "commit --confirm 1s",
            "commit --confirm 5m --at-reboot",
            "ping nowhere",
            "ping 192.0.2.1 -c 0",
            "\"",
            "reboot now",
            "factory-reset --force",
            "traceroute nowhere",
            "traceroute 192.0.2.1 -m 100",
            "capture",
            "capture outside --packets 0",
            "capture outside --host nowhere",
            "restore a --usb b",
            "backup a b",
            "load --usb a b",
            "shell id",
            "install vda sda",
            "conf t",
            "wr mem",
            "no shutdown",
            "s",
            "show v",
        ]
        .map(str::to_owned)
        .into();
        // A path takes every word, and says itself what is wrong with it.
        let others = commands().into_iter().filter(|(name, _)| name != "set");
        wrong.extend(others.map(|(name, _)| format!("{name} --no-such-option")));
        wrong.push("x".repeat(3000));
        for line in wrong {
            let failure = lines::read(Ok(&line)).expect_err(&line);
            let text = failure.to_string();
            if failure.code != Code::Done {
                assert!(!failure.hint.is_empty(), "{line}: {text}");
            }
            for shown in text.lines() {
                assert!(shown.chars().count() <= COLUMNS, "{line}: {shown}");
            }
        }
    }
}
