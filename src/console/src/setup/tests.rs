//! Every answer of setup, and what comes out of them.

use super::*;

fn answered(lines: &[&str]) -> Answers {
    let mut answers = Answers::default();
    let mut lines = lines.iter();
    for question in QUESTIONS {
        if !(question.applies)(&answers) {
            continue;
        }
        let line = lines.next().expect("an answer for every question");
        let default = (question.default)(&answers);
        take(question, &mut answers, line, &default)
            .unwrap_or_else(|wrong| panic!("{}: {line}: {wrong}", question.text));
    }
    assert_eq!(lines.next(), None, "an answer for no question");
    answers
}

const ALONE: &[&str] =
    &["", "", "", "192.0.2.2/24", "192.0.2.254", "192.0.2.10", "", "10.0.0.1/24", "10.0.0.11 10.0.0.12", ""];

fn pair<'a>(sync: &'a str, announced: &'a str) -> Answers {
    let before = ["first", "", "", "192.0.2.2/24", "192.0.2.3", "192.0.2.254", "192.0.2.10"];
    let behind = ["", "10.0.0.2/24", "10.0.0.3", "10.0.0.1", sync, "10.0.0.11, 10.0.0.12", announced];
    answered(&[before.as_slice(), &behind].concat())
}

#[test]
fn what_setup_writes_the_parser_takes() {
    let (own, shared) = (pair("eth2", "yes"), pair("", ""));
    let (own_other, shared_other) = (of_the_other(&own), of_the_other(&shared));
    let cases = [
        (answered(ALONE), "director", 0),
        (own.clone(), "director-a", 0),
        (own_other.clone(), "director-b", 0),
        // The parser warns that real servers stand on the sync link.
        (shared, "director-a", 1),
        (shared_other, "director-b", 1),
    ];
    for (answers, name, warnings) in cases {
        let text = text(&answers);
        let parsed = mark21_config::parse(&text).unwrap_or_else(|findings| panic!("{findings}\n{text}"));
        assert_eq!(parsed.warnings.listed().len(), warnings, "{}\n{text}", parsed.warnings);
        assert_eq!(parsed.config.system.hostname, name);
        assert_eq!(parsed.config.real_servers.len(), 2);
    }
    assert_eq!(text(&of_the_other(&own_other)), text(&own), "twice the other box is this one");
}

#[test]
fn a_wrong_answer_says_what_is_wrong() {
    let good = pair("", "");
    let cases = [
        (0, "third", "alone, first or second"),
        (1, "a b", "not allowed"),
        (3, "192.0.2.2", "prefix length is missing"),
        (3, "", "no default"),
        (4, "192.0.3.3", "not in 192.0.2.0/24"),
        (4, "192.0.2.2", "own address"),
        (6, "192.0.2.254", "another machine's"),
        (7, "eth0", "port to the clients"),
        (8, "192.0.2.7/24", "the clients' network"),
        (10, "10.0.0.3", "the other box's"),
        (11, "eth1", "another purpose"),
        (12, "10.0.0.11 10.0.0.11", "taken already"),
        (12, "10.0.1.11", "not in 10.0.0.0/24"),
    ];
    for (number, answer, wanted) in cases {
        let question = QUESTIONS.get(number).expect("the number of a question");
        let wrong = take(question, &mut good.clone(), answer, "").expect_err(answer);
        assert!(wrong.contains(wanted), "{}: {answer}: {wrong}", question.text);
    }
}
