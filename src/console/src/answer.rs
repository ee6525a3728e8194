//! What a command answers: a value for programs, a text for people, and an exit code.

pub(crate) use mark21_api::lines::{COLUMNS, fold, fold_lines};

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
    /// What to do next; help alone has none.
    pub(crate) hint: String,
}

impl Failure {
    /// What was asked for instead of a command: no failure.
    pub(crate) fn help(text: &str) -> Self {
        Self { code: Code::Done, message: text.trim_end().to_owned(), hint: String::new() }
    }

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
            write!(f, "\n{}", fold_lines(picture, COLUMNS))?;
        }
        write!(f, "\n{}", fold(&format!("hint: {}", self.hint), COLUMNS, 2))
    }
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
