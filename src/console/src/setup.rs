//! `setup`: some ten questions, and out of the answers the configuration of a director, or of
//! both directors of a pair.
//!
//! The questions are a table; each answer is read by the forms of the configuration's own
//! parser, and what comes out is checked by it as a whole. Nothing is applied here.

mod written;

use std::fmt::Write as _;
use std::net::IpAddr;

use mark21_config::{Device, Form, Hostname, LinkAddress};

use crate::answer::{Answer, Failure, json};
use crate::client::wait_for;
use crate::paste::Kind;
use crate::session::Session;
use crate::{change, check, paste, terminal};
use written::{of_the_other, text};

/// What was answered, in words that have been found good.
#[derive(Clone, Debug, Default)]
struct Answers {
    /// The machine's ports, which are no answer but what some are chosen from.
    ports: Vec<String>,
    role: Role,
    hostname: String,
    outside: String,
    outside_address: String,
    other_outside: String,
    gateway: String,
    virtual_address: String,
    inside: String,
    inside_address: String,
    other_inside: String,
    inside_gateway: String,
    sync: String,
    real_servers: Vec<String>,
    announced: bool,
}

/// Which box it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Alone,
    First,
    Second,
}

/// One question.
struct Question {
    text: &'static str,
    /// Whether it is asked at all.
    applies: fn(&Answers) -> bool,
    /// What an empty answer stands for; empty where it must be answered.
    default: fn(&Answers) -> String,
    /// Takes an answer, or says what is wrong with it.
    take: fn(&mut Answers, &str) -> Result<(), String>,
}

const ALWAYS: fn(&Answers) -> bool = |_| true;
const IN_A_PAIR: fn(&Answers) -> bool = |answers| answers.role != Role::Alone;
const NOTHING: fn(&Answers) -> String = |_| String::new();

const QUESTIONS: &[Question] = &[
    Question {
        text: "Alone, or the first or second of two boxes (alone, first, second)?",
        applies: ALWAYS,
        default: |_| "alone".into(),
        take: |answers, text| {
            answers.role = match text {
                "alone" => Role::Alone,
                "first" => Role::First,
                "second" => Role::Second,
                _ => return Err("it is alone, first or second".into()),
            };
            Ok(())
        },
    },
    Question {
        text: "Its host name?",
        applies: ALWAYS,
        default: |answers| match answers.role {
            Role::Alone => "director".into(),
            Role::First => "director-a".into(),
            Role::Second => "director-b".into(),
        },
        take: |answers, text| {
            Hostname::read(text).map_err(words)?;
            answers.hostname = text.into();
            Ok(())
        },
    },
    Question {
        text: "The port to the clients?",
        applies: ALWAYS,
        default: |answers| answers.ports.first().cloned().unwrap_or_else(|| "eth0".into()),
        take: |answers, text| {
            Device::read(text).map_err(words)?;
            answers.outside = text.into();
            Ok(())
        },
    },
    Question {
        text: "This box's own address there (as in 192.0.2.2/24)?",
        applies: ALWAYS,
        default: NOTHING,
        take: |answers, text| {
            link(text)?;
            answers.outside_address = text.into();
            Ok(())
        },
    },
    Question {
        text: "The other box's address there?",
        applies: IN_A_PAIR,
        default: NOTHING,
        take: |answers, text| {
            beside(text, &answers.outside_address)?;
            answers.other_outside = text.into();
            Ok(())
        },
    },
    Question {
        text: "The gateway to everywhere else (none for none)?",
        applies: ALWAYS,
        default: |_| "none".into(),
        take: |answers, text| {
            answers.gateway = match text {
                "none" => String::new(),
                text => beside(text, &answers.outside_address).map(|()| text.into())?,
            };
            Ok(())
        },
    },
    Question {
        text: "The virtual address that clients connect to?",
        applies: ALWAYS,
        default: NOTHING,
        take: |answers, text| {
            beside(text, &answers.outside_address)?;
            if [&answers.other_outside, &answers.gateway].contains(&&text.to_owned()) {
                return Err("it is another machine's address already".into());
            }
            answers.virtual_address = text.into();
            Ok(())
        },
    },
    Question {
        text: "The port to the real servers?",
        applies: ALWAYS,
        default: |answers| {
            let other = answers.ports.iter().find(|port| **port != answers.outside);
            other.cloned().unwrap_or_else(|| "eth1".into())
        },
        take: |answers, text| {
            Device::read(text).map_err(words)?;
            if text == answers.outside {
                return Err(
                    "that is the port to the clients; the real servers stand behind another one".into()
                );
            }
            answers.inside = text.into();
            Ok(())
        },
    },
    Question {
        text: "This box's own address there (as in 10.0.0.2/24)?",
        applies: ALWAYS,
        default: NOTHING,
        take: |answers, text| {
            let address = link(text)?;
            if link(&answers.outside_address)?.network() == address.network() {
                return Err("that is the clients' network; the real servers stand in another one".into());
            }
            answers.inside_address = text.into();
            Ok(())
        },
    },
    Question {
        text: "The other box's address there?",
        applies: IN_A_PAIR,
        default: NOTHING,
        take: |answers, text| {
            beside(text, &answers.inside_address)?;
            answers.other_inside = text.into();
            Ok(())
        },
    },
    Question {
        text: "The address that both share there, as the real servers' gateway?",
        applies: IN_A_PAIR,
        default: NOTHING,
        take: |answers, text| {
            beside(text, &answers.inside_address)?;
            if text == answers.other_inside {
                return Err("that is the other box's own address".into());
            }
            answers.inside_gateway = text.into();
            Ok(())
        },
    },
    Question {
        text: "A port to the other box alone, for connection sync (none for none)?",
        applies: IN_A_PAIR,
        default: |_| "none".into(),
        take: |answers, text| {
            Device::read(text).map_err(words)?;
            if [&answers.outside, &answers.inside].contains(&&text.to_owned()) {
                return Err("that port has another purpose already".into());
            }
            answers.sync = if text == "none" { String::new() } else { text.into() };
            Ok(())
        },
    },
    Question {
        text: "The real servers' addresses, with blanks between?",
        applies: ALWAYS,
        default: NOTHING,
        take: |answers, text| {
            let servers: Vec<String> =
                text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
            for (position, server) in servers.iter().enumerate() {
                beside(server, &answers.inside_address).map_err(|error| format!("{server}: {error}"))?;
                let taken = [&answers.other_inside, &answers.inside_gateway];
                if taken.contains(&server) || servers.iter().take(position).any(|other| other == server) {
                    return Err(format!("{server} is taken already"));
                }
            }
            answers.real_servers = servers;
            Ok(())
        },
    },
    Question {
        text: "Do the FTP servers announce the virtual address, as TLS needs (yes, no)?",
        applies: ALWAYS,
        default: |_| "no".into(),
        take: |answers, text| {
            answers.announced = match text {
                "yes" => true,
                "no" => false,
                _ => return Err("it is yes or no".into()),
            };
            Ok(())
        },
    },
];

/// Asks, and writes the draft.
pub(crate) fn run(session: &Session) -> Result<Answer, Failure> {
    println!("An empty answer takes what stands in brackets; Ctrl-D gives up.\n");
    let ports = wait_for(session.status())?.ports;
    if !ports.is_empty() {
        println!("This machine's ports:");
        ports.iter().for_each(|port| println!("  {:<8} {}", port.device, port.mac));
        println!();
    }
    let ports = ports.into_iter().map(|port| port.device).collect();
    let mut answers = Answers { ports, ..Answers::default() };
    for question in QUESTIONS {
        if (question.applies)(&answers) {
            put(question, &mut answers)?;
        }
    }
    println!();
    let taken = wait_for(change::begin(session, text(&answers), "the draft"))?;
    let mut told = taken.text;
    if answers.role != Role::Alone {
        let other = text(&of_the_other(&answers));
        check::refuse_errors("the other box's configuration", &other)?;
        // Writing into a String cannot fail.
        let _ = write!(
            told,
            "\n\nFor the other box: type load there, and paste this.\n\n{}\n",
            paste::wrap(Kind::Configuration, &other)
        );
    }
    told.push_str("\nNow: compare, then commit --confirm 5m, try it, and confirm.");
    Ok(Answer { text: told, value: json!({}), code: taken.code })
}

/// Asks until the answer is good.
fn put(question: &Question, answers: &mut Answers) -> Result<(), Failure> {
    let default = (question.default)(answers);
    let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
    loop {
        let answer =
            terminal::ask(&format!("{}{shown} ", question.text)).map_err(|_| terminal::given_up())?;
        match take(question, answers, answer.trim(), &default) {
            Ok(()) => return Ok(()),
            Err(wrong) => println!("  {wrong}"),
        }
    }
}

fn take(question: &Question, answers: &mut Answers, answer: &str, default: &str) -> Result<(), String> {
    match (answer, default) {
        ("", "") => Err("this one has no default".into()),
        ("", default) => (question.take)(answers, default),
        (answer, _) => (question.take)(answers, answer),
    }
}

fn words(error: mark21_config::FormError) -> String {
    error.to_string()
}

fn link(text: &str) -> Result<LinkAddress, String> {
    LinkAddress::read(text).map_err(words)
}

/// Another machine's address in the network of this one.
fn beside(text: &str, own: &str) -> Result<(), String> {
    let address = IpAddr::read(text).map_err(words)?;
    let own = link(own)?;
    if address == own.address {
        return Err("that is this box's own address".into());
    }
    match own.network().contains(address) {
        true => Ok(()),
        false => Err(format!("it is not in {}, the network of {own}", own.network())),
    }
}

#[cfg(test)]
#[path = "setup/tests.rs"]
mod tests;
