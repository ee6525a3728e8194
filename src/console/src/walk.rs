//! The walk of somebody who is tired: each command with half its words, with words doubled, misspelt
//! and too many. Whatever is refused says what to do next, and fits the terminal.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::answer::{COLUMNS, Failure};
use crate::complete::Names;
use crate::exit::Code;
use crate::{complete, lines, path, reference};

const PAIR: &str = include_str!("../../config/examples/pair.toml");
/// A good line of every command, with everything that it takes.
const GOOD: [&str; 53] = [
    "status",
    "show interfaces",
    "show services",
    "show virtual-routers",
    "show version",
    "show configuration running",
    "show firewall",
    "show server-config ftp vsftpd",
    "generations",
    "log --lines 20",
    "verify",
    "set service ftp scheduler rr",
    "set system hostname director-b",
    "set service ftp real_server 10.0.0.11 weight 2",
    "set interface outside addresses 192.0.2.2/24 2001:db8::2/64",
    "set virtual_router outside advertisement_interval 1s",
    "delete service ftp real_server 10.0.0.11",
    "delete interface outside device",
    "edit",
    "setup",
    "load /tmp/new.toml",
    "load --usb new.toml",
    "compare running draft",
    "compare 1 2",
    "check /tmp/new.toml",
    "plan /tmp/new.toml",
    "backup /tmp/new.toml",
    "backup --usb box.m21",
    "restore /tmp/box.m21",
    "restore --usb box.m21",
    "discard",
    "commit /tmp/new.toml --confirm 5m --comment why --over",
    "commit --at-reboot",
    "confirm",
    "rollback 3 --confirm 5m --comment why",
    "password",
    "top",
    "weight ftp 10.0.0.11 2 --save",
    "drain ftp 10.0.0.11 --wait --save",
    "undrain ftp 10.0.0.11 --save",
    "resign all",
    "ping 192.0.2.1 --count 4",
    "traceroute 192.0.2.1 --max-hops 30",
    "capture outside --host 192.0.2.1 --port 21 --seconds 5 --packets 10",
    "capture outside --pcap",
    "shell",
    "install sdb --yes",
    "reboot --yes",
    "factory-reset --yes",
    "exit",
    "status --json",
    "help commit",
    "help",
];

/// What fingers make of a line at 3 a.m.
fn slips(line: &str) -> BTreeSet<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let with = |at: usize, slip: &str| {
        let word =
            |(place, word): (usize, &&str)| if place == at { slip.to_owned() } else { (*word).to_owned() };
        words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
    };
    let mut all = BTreeSet::from([format!("{line} {line}"), format!("{line} more"), format!("{line} --")]);
    for (at, word) in words.iter().enumerate() {
        let swapped: String = word.chars().rev().collect();
        let half: String = word.chars().take(word.chars().count() / 2).collect();
        all.insert(words.get(..at).unwrap_or_default().join(" "));
        for slip in ["", &format!("{word} {word}"), &swapped, &half, "-1", "x"] {
            all.insert(with(at, slip));
        }
    }
    all
}

fn holds(line: &str, failure: &Failure) {
    let text = failure.to_string();
    println!("> {line}\n{text}\n");
    assert!(text.lines().all(|shown| shown.chars().count() <= COLUMNS), "{line}:\n{text}");
    if failure.code != Code::Done {
        assert!(!failure.hint.is_empty() && !failure.message.is_empty(), "{line}:\n{text}");
        let speaks_of_itself =
            ["panicked", "os error", "Some(", "Err("].iter().any(|word| text.contains(word));
        assert!(!speaks_of_itself, "{line}:\n{text}");
    }
}

#[test]
fn every_slip_of_the_fingers_is_answered_with_what_to_do_next() {
    for line in GOOD {
        let read = lines::read(Ok(line));
        assert!(read.as_ref().is_ok_and(Option::is_some) || line.starts_with("help"), "{line}: {read:?}");
    }
    for (name, _) in reference::commands() {
        assert!(GOOD.iter().any(|line| line.starts_with(&name)), "there is no good line of {name}");
    }
    let mut refused = 0;
    for slip in GOOD.iter().flat_map(|line| slips(line)) {
        if let Err(failure) = lines::read(Ok(&slip)) {
            holds(&slip, &failure);
            refused += 1;
        }
    }
    assert!(refused > 500, "{refused} lines are refused");
}

#[test]
fn the_key_that_helps_answers_at_every_place_also_behind_a_slip() {
    let names = Names { text: PAIR.to_owned(), generations: vec![1, 2] };
    for line in GOOD {
        for (end, _) in line.match_indices(' ') {
            let before = line.get(..end).unwrap_or_default();
            for place in
                [format!("{before} "), format!("{before}x "), format!("{before} x"), before.to_owned()]
            {
                let help = complete::answer(&place, &names, COLUMNS);
                let fits = help.lines().all(|shown| shown.chars().count() <= COLUMNS);
                assert!(fits && !help.is_empty(), "{place}?\n{help}");
            }
        }
    }
}

#[test]
fn every_slip_in_a_path_is_answered_with_what_to_do_next() {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut refused = 0;
    for line in GOOD {
        let edit = match line.split_once(' ') {
            Some(("set", _)) => path::set,
            Some(("delete", _)) => path::delete,
            _ => continue,
        };
        for slip in slips(line) {
            let Some((_, rest)) = slip.split_once(' ') else { continue };
            if let Err(failure) = edit(PAIR, &words(rest)) {
                holds(&slip, &failure);
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused} lines are refused");
}

/// Every failure of the program is made by one of these, whose last argument is what to do next.
#[test]
fn no_failure_is_made_without_a_word_on_what_to_do_next() {
    let makers = ["Failure::new", "usage", "refused"];
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut calls = 0;
    for entry in std::fs::read_dir(&folder).expect("the sources are there").flatten() {
        let path = entry.path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        calls += text.matches("Failure::new(").count();
        for (end, _) in text.match_indices("\"\")") {
            let before = text.get(..end).unwrap_or_default();
            let mut depth = 0;
            let begin = before.char_indices().rev().find(|(_, letter)| {
                depth += i32::from(*letter == '(') - i32::from(*letter == ')');
                depth == 1
            });
            let called = before.get(..begin.map_or(0, |(at, _)| at)).unwrap_or_default();
            assert!(!makers.iter().any(|maker| called.ends_with(maker)), "{}: {called}", path.display());
        }
    }
    assert!(calls > 45, "{calls} failures");
}
