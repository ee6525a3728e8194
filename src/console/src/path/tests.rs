//! Set and delete, on a real configuration.

use super::*;

const PAIR: &str = include_str!("../../../config/examples/pair.toml");

fn words(line: &str) -> Vec<String> {
    shlex::split(line).expect("the test's line has whole quotes")
}

/// The lines that only one of both texts has.
fn difference(before: &str, after: &str) -> String {
    let lines = crate::difference::lines(before, after);
    lines.iter().map(|line| line.replacen(' ', "", 1) + "\n").collect()
}

#[test]
fn a_field_is_set_and_nothing_else_changes() {
    let cases = [
        ("service ftp scheduler rr", "-scheduler = \"wlc\"\n+scheduler = \"rr\"\n"),
        ("service.ftp.scheduler rr", "-scheduler = \"wlc\"\n+scheduler = \"rr\"\n"),
        ("service ftp real_server 10.0.0.12 weight 5", "-weight = 1\n+weight = 5\n"),
        ("service ftp real_server 2 weight 5", "-weight = 1\n+weight = 5\n"),
        ("service ftp check interval 5s", "-interval = \"2s\"\n+interval = \"5s\"\n"),
        ("system name_servers 192.0.2.53 192.0.2.54", "+name_servers = [\"192.0.2.53\", \"192.0.2.54\"]\n"),
        ("timeouts tcp 2h", "+tcp = \"2h\"                # FTP control channels idle while data flows\n"),
        ("interface outside mss_clamp true", "+mss_clamp = true\n"),
        ("interface sync vlan id 22", "+vlan = { interface = \"inside\", id = 22 }\n"),
        ("route default metric 5", "+metric = 5\n"),
    ];
    for (line, wanted) in cases {
        let edited = set(PAIR, &words(line)).unwrap_or_else(|failure| panic!("{line}: {}", failure.message));
        let changes = difference(PAIR, &edited);
        assert!(changes.contains(wanted), "{line}\n{changes}");
        let touched = changes.lines().filter(|line| line.starts_with(['+', '-'])).count();
        assert!(touched <= 2, "{line}\n{changes}");
    }
}

#[test]
fn tables_are_made_where_they_are_missing() {
    let lines = [
        "schema 1",
        "interface outside device eth0",
        "interface outside addresses 192.0.2.2/24 192.0.2.10/24",
        "interface inside device eth1",
        "interface inside addresses 10.0.0.1/24",
        "route default via 192.0.2.254",
        "service ftp kind ftp",
        "service ftp addresses 192.0.2.10",
        "service ftp real_server 10.0.0.11 weight 1",
        "service ftp real_server 10.0.0.12 weight 2",
        "egress 1 from inside",
        "egress 1 protocols udp/53",
        "egress 1 snat 192.0.2.10",
    ];
    let text = lines.iter().fold(String::new(), |text, line| {
        set(&text, &words(line)).unwrap_or_else(|failure| panic!("{line}: {}", failure.message))
    });
    let parsed = mark21_config::parse(&text).unwrap_or_else(|findings| panic!("{findings}\n{text}"));
    assert_eq!(parsed.config.real_servers.len(), 2);
    let deleted = delete(&text, &words("service ftp real_server 10.0.0.12")).expect("it is there");
    assert_eq!(mark21_config::parse(&deleted).expect("still good").config.real_servers.len(), 1);
    let deleted = delete(&deleted, &words("egress 1")).expect("it is there");
    assert!(!deleted.contains("egress"), "{deleted}");
}

#[test]
fn what_cannot_be_set_says_why_and_what_to_do() {
    let cases = [
        ("service ftp sheduler rr", "there is no \"sheduler\" in service", "scheduler"),
        ("servce ftp scheduler rr", "there is no \"servce\" in the file", "service"),
        ("service ftp", "the words name no field", "kind"),
        ("service ftp scheduler", "scheduler has no value", "wlc"),
        ("service ftp scheduler wl", "no such word", "\"wlc\""),
        ("service ftp scheduler rr wlc", "scheduler takes one value", "wlc"),
        ("service ftp real_server 9 weight 1", "there is no real_server 9", "10.0.0.11"),
        ("service scheduler rr", "which service is missing", "as in: service ftp"),
        ("interface", "which interface is missing", "as in: interface outside"),
        ("service ftp real_server 10.0.0.11 weight many", "weight", "0-65535"),
        ("interface outside addresses 192.0.2.300/24", "neither an IPv4 nor an IPv6 address", "192.0.2.2/24"),
        ("egress 7 from inside", "there is no egress 7", "the next one is 2"),
    ];
    for (line, message, hint) in cases {
        let failure = set(PAIR, &words(line)).expect_err(line);
        assert!(failure.message.contains(message), "{line}: {}", failure.message);
        assert!(failure.hint.contains(hint), "{line}: {}", failure.hint);
    }
}

#[test]
fn what_cannot_be_deleted_says_what_could_be() {
    let cases = [
        (
            "service ftp real_server 10.0.0.99",
            "there is no real_server 10.0.0.99",
            "known are: 10.0.0.11, 10.0",
        ),
        ("service mail", "there is no service mail", "known are: ftp, web"),
        ("timeouts udp", "timeouts udp is not in the draft", "show configuration draft"),
        ("syslog 1", "there is no syslog in the draft", "show configuration draft"),
        ("syslog 1 port", "there is no syslog in the draft", "show configuration draft"),
        ("interface device", "there is no interface device", "known are: outside, inside"),
        ("service ftp scheduler wlc", "one word too many", "name a field"),
    ];
    for (line, message, hint) in cases {
        let failure = delete(PAIR, &words(line)).expect_err(line);
        assert!(failure.message.contains(message), "{line}: {}", failure.message);
        assert!(failure.hint.contains(hint), "{line}: {}", failure.hint);
    }
}

#[test]
fn every_example_of_a_path_is_one() {
    for table in fields::TABLES.iter().filter(|table| matches!(table.form, TableForm::Many { .. })) {
        let line = example(table);
        assert!(line.starts_with(table.path.split('.').next().unwrap_or_default()), "{}: {line}", table.path);
        let path = Path::read(&words(line)).unwrap_or_else(|failure| panic!("{line}: {}", failure.message));
        assert_eq!(path.table().path, table.path, "{line}");
    }
}
