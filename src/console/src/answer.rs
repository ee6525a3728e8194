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
