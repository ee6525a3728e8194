//! What a command answers: a value for programs, a text for people, and an exit code.

use serde_json::{Value, json};

use crate::exit::Code;

/// The answer of a command that was carried out.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For programs.
    pub(crate) value: Value,
    /// For people; ends without a line feed.
    pub(crate) text: String,
    /// [`Code::Done`], or what the answer amounts to.
    pub(crate) code: Code,
}

/// Why a command was not carried out.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Which kind of failure.
    pub(crate) code: Code,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do next; empty where there is nothing to say.
    pub(crate) hint: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }
}

impl std::fmt::Display for Failure {
    /// As a person reads it; what is no failure, such as help, as it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.code == Code::Done {
            return f.write_str(&self.message);
        }
        // Behind the first line may stand a picture of the file, which keeps its columns.
        let (first, picture) = self.message.split_once('\n').unwrap_or((&self.message, ""));
        f.write_str(&fold("error: ", first, COLUMNS, 2))?;
        if !picture.is_empty() {
            write!(f, "\n{picture}")?;
        }
        match self.hint.is_empty() {
            true => Ok(()),
            false => write!(f, "\n{}", fold("hint: ", &self.hint, COLUMNS, 2)),
        }
    }
}

/// What fits on the narrowest terminal.
const COLUMNS: usize = 80;

/// Breaks what stands behind a head between its words, and within a word that is longer than a line;
/// each line after the first is indented.
pub(crate) fn fold(head: &str, text: &str, columns: usize, indent: usize) -> String {
    let indent = indent.min(columns / 2);
    let mut lines = vec![head.to_owned()];
    // Letters on the last line, and whether the next word begins it.
    let (mut used, mut is_fresh) = (head.chars().count(), true);
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for part in letters.chunks(columns.saturating_sub(indent).max(1)) {
            let blank = usize::from(!is_fresh);
            if used + blank + part.len() > columns {
                lines.push(" ".repeat(indent));
                used = indent;
            } else if blank == 1
                && let Some(line) = lines.last_mut()
            {
                line.push(' ');
                used += 1;
            }
            if let Some(line) = lines.last_mut() {
                line.extend(part);
            }
            used += part.len();
            is_fresh = false;
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// What the interface answered, for programs.
pub(crate) fn value<T: serde::Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).expect("the interface's types have a JSON form")
}

/// An answer or a failure as the one JSON object that a program reads.
pub(crate) fn to_json(result: &Result<Answer, Failure>) -> Value {
    match result {
        Ok(answer) => json!({ "ok": true, "code": answer.code.word(), "result": answer.value }),
        Err(failure) => json!({
            "ok": false,
            "code": failure.code.word(),
            "error": { "message": failure.message, "hint": failure.hint },
        }),
    }
}

/// The exit code of an answer or a failure.
pub(crate) fn code(result: &Result<Answer, Failure>) -> Code {
    match result {
        Ok(answer) => answer.code,
        Err(failure) => failure.code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_and_a_long_word_within() {
        let cases = [
            ("", "one two three", 80, "one two three"),
            ("", "one two three", 9, "one two\n  three"),
            ("", "a abcdefghijklm b", 9, "a abcdefg\n  hijklm\n  b"),
            ("word:  ", "one two three", 11, "word:  one\n  two three"),
            ("word  ", "", 9, "word"),
        ];
        for (head, text, columns, wanted) in cases {
            assert_eq!(fold(head, text, columns, 2), wanted);
        }
    }
}
