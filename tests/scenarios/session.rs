//! docs/session.md: what a person saw on the serial line, without what differs from run to run.
//!
//! The ride of `console` hands over its screens; `UPDATE=1` writes the page, any other run compares.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;

use anyhow::ensure;
use mark21_lab::Result;
use mark21_lab::scenario::tests_directory;

const HEAD: &str = "# A session

<!-- Written by tests/scenarios/console.rs, of what it saw on the serial line; run it with UPDATE=1. -->

A box as it comes from the factory, at the other end of a serial line: a terminal of 80 columns and 24
lines. Passwords are not shown while they are typed. `#` stands for what differs from one time to the
next, figures of time and traffic, and the hash of the password is cut.
";

/// The page, as far as it has been seen.
#[derive(Debug)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn new() -> Self {
        Self(HEAD.to_owned())
    }

    /// A chapter: what it is about, and what stood on the screen.
    pub(crate) fn chapter(&mut self, title: &str, words: &str, screen: &str) {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "\n## {title}\n");
        self.then(words, screen);
    }

    /// More of the same chapter.
    pub(crate) fn then(&mut self, words: &str, screen: &str) {
        let lines: Vec<String> = screen.trim_end().lines().map(masked).collect();
        let _ = write!(self.0, "\n{words}\n\n```\n{}\n```\n", lines.join("\n"));
    }

    /// Compares it with the one in docs/.
    ///
    /// # Errors
    /// When something else was seen.
    pub(crate) fn compare(&self) -> Result {
        let path = tests_directory().join("../docs/session.md");
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, &self.0)?;
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        let different = known.lines().zip(self.0.lines()).find(|(known, seen)| known != seen);
        ensure!(
            known == self.0,
            "docs/session.md is not what was seen, in {different:?}; UPDATE=1 writes it:\n{}",
            self.0
        );
        Ok(())
    }
}

/// A line without what differs from run to run, and without blanks at its end.
fn masked(line: &str) -> String {
    let line = line.trim_end();
    if let Some((before, hash)) = line.split_once("\"$6$") {
        let rest = hash.split_once('"').map_or("", |(_, rest)| rest);
        return format!("{before}\"$6$..\"{rest}");
    }
    for head in HEADS {
        if let Some((before, rest)) = line.split_once(head) {
            let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
            return format!("{before}{head}#{rest}");
        }
    }
    // A generation: when it was made.
    if line.matches(':').count() == 2 && line.matches('-').count() >= 2 {
        let masked = |(at, letter): (usize, char)| match (9..28).contains(&at) && letter.is_ascii_digit() {
            true => '#',
            false => letter,
        };
        return line.char_indices().map(masked).collect();
    }
    let is_of_top = line.starts_with("ftp ") && line.chars().count() > 40;
    let (from, until) = match () {
        () if is_of_the_log(line) => (0, 10),
        // Behind the counters of a server comes its past.
        () if is_of_top => (40, 60),
        () if line.starts_with("    10.21.0.1") => (51, line.len()),
        () if line.ends_with(" B/s") => (line.len().saturating_sub(12), line.len()),
        () => return line.to_owned(),
    };
    let letters: Vec<char> = line.chars().take(if is_of_top { 60 } else { usize::MAX }).collect();
    without_figures(&letters, from..until).trim_end().to_owned()
}

/// Whether a line begins with seconds since the kernel's start.
pub(crate) fn is_of_the_log(line: &str) -> bool {
    line.starts_with(' ') && line.split_whitespace().next().is_some_and(is_seconds)
}

/// `5.701`, and no address.
fn is_seconds(word: &str) -> bool {
    word.matches('.').count() == 1 && word.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
}

/// What stands before a figure that differs.
const HEADS: [&str; 2] = ["[confirm: ", "connections left: "];

/// Each figure in a part of a line as a `#` in its last place.
fn without_figures(letters: &[char], part: Range<usize>) -> String {
    let is_figure = |at: usize| {
        part.contains(&at) && letters.get(at).is_some_and(|letter| letter.is_ascii_digit() || *letter == '.')
    };
    let masked = letters.iter().enumerate().map(|(at, letter)| match (is_figure(at), is_figure(at + 1)) {
        (false, _) => *letter,
        (true, true) => ' ',
        (true, false) => '#',
    });
    masked.collect()
}

#[test]
fn figures_that_differ_are_masked_and_nothing_else() {
    let cases = [
        ("director* [confirm: 297 s]> confirm 5", "director* [confirm: # s]> confirm 5"),
        ("director> show services", "director> show services"),
        ("    12.345 generation 2 runs", "         # generation 2 runs"),
        ("q end                              15 B/s", "q end                               # B/s"),
        (
            "    10.21.0.11                                    1       12        0 draining",
            "    10.21.0.11                                    1        #        # draining",
        ),
        (
            "ftp        10.21.0.11                  1     12      0     3 .:=",
            "ftp        10.21.0.11                  1      #      #     #",
        ),
        (
            "10.21.0.12 of ftp gets no new sessions; connections left: 12; until",
            "10.21.0.12 of ftp gets no new sessions; connections left: #; until",
        ),
        (
            "     1 * 2026-11-28 05:59:05  root       the first",
            "     1 * ####-##-## ##:##:##  root       the first",
        ),
        (" password = \"$6$rounds=50000$salt$hash\"", " password = \"$6$..\""),
        (
            "+addresses = [\"198.51.100.2/24\", \"198.51.100.21/24\"]",
            "+addresses = [\"198.51.100.2/24\", \"198.51.100.21/24\"]",
        ),
    ];
    for (line, wanted) in cases {
        assert_eq!(masked(line), wanted, "{line}");
    }
}
