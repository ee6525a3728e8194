//! What a command answers: a value for programs, a text for people, and an exit code.

use crate::exit::Code;

/// The answer of a command that was carried out.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For programs: JSON.
    pub(crate) value: String,
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
        f.write_str(&fold(&format!("error: {first}"), COLUMNS, 2))?;
        if !picture.is_empty() {
            write!(f, "\n{picture}")?;
        }
        match self.hint.is_empty() {
            true => Ok(()),
            false => write!(f, "\n{}", fold(&format!("hint: {}", self.hint), COLUMNS, 2)),
        }
    }
}

/// What fits on the narrowest terminal.
const COLUMNS: usize = 80;

/// Breaks a line between its words, and within a word that is longer than a line; what follows the
/// first is indented, and the first is not broken within that indent.
pub(crate) fn fold(line: &str, columns: usize, indent: usize) -> String {
    let (columns, indent) = (columns.max(1), indent.min(columns / 2));
    let mut left: Vec<char> = line.trim_end().chars().collect();
    let mut lines: Vec<String> = Vec::new();
    while left.len() > columns {
        let blank = (indent + 1..=columns).rev().find(|at| left.get(*at) == Some(&' '));
        let rest = left.split_off(blank.unwrap_or(columns));
        lines.push(left.iter().collect::<String>().trim_end().to_owned());
        let rest = rest.into_iter().skip_while(|letter| *letter == ' ');
        left = std::iter::repeat_n(' ', indent).chain(rest).collect();
    }
    lines.push(left.iter().collect());
    lines.join("\n")
}

/// The same for each line of a table or a list; what is broken goes on below its last column.
pub(crate) fn fold_lines(text: &str, columns: usize) -> String {
    let lines = text.lines().map(|line| {
        let column = line.rfind("  ").map_or(0, |at| at + 2);
        let leading = line.len() - line.trim_start().len();
        fold(line, columns, column.min(columns / 2).max(leading) + 2)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What the interface answered, for programs.
pub(crate) fn value<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the interface's types have a JSON form")
}

/// What a command makes of it, for programs.
macro_rules! json {
    ($($json:tt)+) => { serde_json::json!($($json)+).to_string() };
}
pub(crate) use json;

/// An answer or a failure as the one JSON object that a program reads; not put together before it is
/// written, for an answer may be long.
pub(crate) fn to_json(result: &Result<Answer, Failure>) -> impl std::fmt::Display + '_ {
    std::fmt::from_fn(move |f| match result {
        Ok(answer) => {
            write!(f, r#"{{"ok":true,"code":"{}","result":{}}}"#, answer.code.word(), answer.value)
        }
        Err(failure) => f.write_str(&json!({
            "ok": false,
            "code": failure.code.word(),
            "error": { "message": failure.message, "hint": failure.hint },
        })),
    })
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
            ("one two three", 80, 2, "one two three"),
            ("one two three", 9, 2, "one two\n  three"),
            ("a abcdefghijklm b", 9, 2, "a abcdefg\n  hijklm\n  b"),
            ("a    one two", 10, 5, "a    one\n     two"),
            ("word  ", 9, 2, "word"),
            ("", 0, 2, ""),
        ];
        for (line, columns, indent, wanted) in cases {
            assert_eq!(fold(line, columns, indent), wanted);
        }
    }

    #[test]
    fn a_table_goes_on_below_its_last_column() {
        let table = "  12  one two three\n   5.7 three four five\nfive six seven eight";
        assert_eq!(fold_lines(table, 80), table);
        let folded = "  12  one two\n        three\n   5.7 three\n     four five\nfive six seven\n  eight";
        assert_eq!(fold_lines(table, 16), folded);
    }
}
