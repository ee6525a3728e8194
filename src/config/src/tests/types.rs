//! Every field, with values of every wrong type: the finding names the field and what is allowed.

use core::time::Duration;

use super::*;
use crate::fields::{self, FieldDoc, TableForm};

/// A table with its required fields, and how to reach it.
const FRAMES: &[(&str, &str)] = &[
    ("", ""),
    ("system", "[system]\n"),
    ("interface", "[[interface]]\nname='n'\n"),
    ("interface.vlan", "[[interface]]\nname='n'\n[interface.vlan]\ninterface='n'\nid=1\n"),
    ("interface.bond", "[[interface]]\nname='n'\n[interface.bond]\nmode='802.3ad'\ndevices=['a']\n"),
    ("route", "[[route]]\nto='default'\n"),
    ("virtual_router", "[[virtual_router]]\nname='n'\ninterface='n'\nvrid=1\naddresses=['10.0.0.1/24']\n"),
    ("sync_group", "[[sync_group]]\nname='n'\nmembers=['n']\n"),
    ("sync", "[sync]\ninterface='n'\npeer='10.0.0.1'\n"),
    ("egress", "[[egress]]\nfrom='n'\nprotocols=['icmp']\nsnat='10.0.0.1'\n"),
    ("allow", "[[allow]]\nfrom='n'\nto='n'\nprotocols=['icmp']\n"),
    ("timeouts", "[timeouts]\n"),
    (
        "management",
        "[management]\ninterface='n'\nallow=['10.0.0.0/24']\nauthorized_keys=['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPNSMdbyTMJVYhBPKqcXaOX2aObSUVPVEKZlsrkMFIQk']\n",
    ),
    ("time", "[time]\n"),
    ("syslog", "[[syslog]]\naddress='10.0.0.1'\n"),
    ("service", "[[service]]\nname='n'\nkind='ftp'\n"),
    (
        "service.real_server",
        "[[service]]\nname='n'\nkind='ftp'\n[[service.real_server]]\naddresses=['10.0.0.1']\n",
    ),
    ("service.check", "[[service]]\nname='n'\nkind='ftp'\n[service.check]\nkind='ftp'\n"),
];

/// A file in which one field has one value.
fn file_with(table: &str, field: &str, value: &str) -> String {
    let frame =
        FRAMES.iter().find(|(path, _)| *path == table).unwrap_or_else(|| panic!("no frame for {table}"));
    let head = if table.is_empty() { "" } else { "schema = 1\n" };
    let (above, own) = match frame.1.rfind("[") {
        Some(_) => {
            let start = frame.1.rfind("\n[").map_or(0, |newline| newline + 1);
            let own = start + frame.1[start..].find('\n').map_or(0, |newline| newline + 1);
            frame.1.split_at(own)
        }
        None => ("", frame.1),
    };
    let others: String = own
        .lines()
        .filter(|line| !line.starts_with(&format!("{field}=")))
        .map(|line| format!("{line}\n"))
        .collect();
    format!("{head}{above}{others}{field} = {value}\n")
}

fn all_fields() -> impl Iterator<Item = (&'static str, &'static FieldDoc)> {
    fields::TABLES.iter().flat_map(|table| table.fields.iter().map(|field| (table.path, field)))
}

/// The path of a field as a finding says it; every named frame is called n.
fn spoken(table: &str, field: &str) -> String {
    let mut spoken = String::new();
    let mut path = String::new();
    for key in table.split('.').filter(|key| !key.is_empty()) {
        if !path.is_empty() {
            path.push('.');
            spoken.push_str(" . ");
        }
        path.push_str(key);
        spoken.push_str(key);
        let description = fields::table(&path).unwrap_or_else(|| panic!("no table {path}"));
        if matches!(description.form, TableForm::Many { .. }) {
            let is_named = description.fields.iter().any(|field| field.name == "name");
            spoken.push_str(if is_named && field_keeps_name(table, &path, field) { " \"n\"" } else { " 1" });
        }
    }
    if !spoken.is_empty() {
        spoken.push_str(" . ");
    }
    spoken + field
}

/// Not where the name itself is what is wrong.
fn field_keeps_name(table: &str, path: &str, field: &str) -> bool {
    table != path || field != "name"
}

#[test]
fn every_field_with_a_value_of_a_wrong_type_is_named_with_what_it_takes() {
    for (table, field) in all_fields() {
        for wrong in
            ["-1.5", "[[]]", "{}", "1979-05-27", "[-1]", "99999999999999999999999999999999999999999999"]
        {
            let text = file_with(table, field.name, wrong);
            let Err(findings) = parse(&text) else { panic!("{text}: it was read") };
            let listed = findings.listed();
            let wanted = spoken(table, field.name);
            let named = listed
                .iter()
                .find(|finding| finding.field == wanted || finding.field.starts_with(&format!("{wanted} ")));
            let Some(named) = named else { panic!("{text}wanted {wanted}, found\n{findings}") };
            assert_eq!(named.allowed, field.values, "{text}{named}");
            assert_eq!(named.line, text.lines().count(), "{text}{named}");
            let column = field.name.len() + " = ".len() + 1;
            assert!(named.column >= column, "{text}{named}");
            assert!(!named.given.is_empty(), "{text}{named}");
            for foreign in ["struct", "Raw", "sequence", "map", "expected"] {
                assert!(!named.reason.contains(foreign), "{text}{named}");
            }
        }
    }
}

#[test]
fn a_table_inside_a_table_is_asked_for_in_words() {
    for key in ["vlan", "bond"] {
        let text = format!("schema = 1\n[[interface]]\nname = 'n'\n{key} = 5\n");
        let Err(findings) = parse(&text) else { panic!("{text}: it was read") };
        let finding = &findings.listed()[0];
        assert_eq!(finding.field, format!("interface \"n\" . {key}"));
        assert_eq!(finding.reason, "integer `5` stands here, wanted is a table");
    }
}

#[test]
fn every_field_with_a_text_of_no_meaning_is_named() {
    // An object's own name is part of how the finding calls it.
    for (table, field) in all_fields().filter(|(_, field)| field.name != "name") {
        let text = file_with(table, field.name, "\"no such thing!\"");
        let Err(findings) = parse(&text) else { panic!("{text}: it was read") };
        let wanted = spoken(table, field.name);
        assert!(findings.listed().iter().any(|finding| finding.field == wanted), "{text}{findings}");
    }
}

#[test]
fn every_missing_required_field_is_named() {
    for (table, field) in all_fields().filter(|(_, field)| field.absent == fields::Absent::Refused) {
        let text = file_with(table, "extra", "1").replace("extra = 1\n", "");
        let without: String = text
            .lines()
            .enumerate()
            .filter(|(index, line)| {
                let is_last =
                    text.lines().skip(index + 1).all(|later| !later.starts_with(&format!("{}=", field.name)));
                !(line.starts_with(&format!("{}=", field.name)) && is_last)
            })
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        let without = if table.is_empty() { String::from("[system]\n") } else { without };
        let Err(findings) = parse(&without) else { panic!("{without}: it was read") };
        let wanted = spoken(table, field.name);
        let named = findings
            .listed()
            .iter()
            .find(|finding| finding.field == wanted && finding.reason == "it is missing");
        assert!(
            named.is_some_and(|finding| finding.allowed == field.values),
            "{without}wanted {wanted}, found\n{findings}"
        );
    }
}

#[test]
fn numbers_of_the_reference_are_the_bounds_that_are_read() {
    let mut checked = 0;
    for (table, field) in all_fields() {
        let Some((low, high)) = field.values.split_once('-') else { continue };
        let (Ok(low), Ok(high)) = (low.parse::<i64>(), high.parse::<i64>()) else { continue };
        for (value, is_allowed) in [(low - 1, false), (low, true), (high, true), (high + 1, false)] {
            let text = file_with(table, field.name, &value.to_string());
            let wanted = spoken(table, field.name);
            let complaint = match parse(&text) {
                Ok(_) => false,
                Err(findings) => findings
                    .listed()
                    .iter()
                    .any(|finding| finding.field == wanted && finding.allowed == field.values),
            };
            assert_eq!(complaint, !is_allowed, "{wanted} = {value}");
        }
        checked += 1;
    }
    assert!(checked > 10, "{checked} fields with bounds");
}

#[test]
fn durations_of_the_reference_are_the_bounds_that_are_read() {
    let mut checked = 0;
    for (table, field) in all_fields() {
        let Some((low, high)) = field.values.split_once("\"-\"") else { continue };
        let low = Duration::read(low.rsplit('"').next().unwrap_or_default()).expect("a duration");
        let high = Duration::read(high.split('"').next().unwrap_or_default()).expect("a duration");
        let below = low.checked_sub(Duration::from_millis(1)).map(|below| (below, false));
        for (value, is_allowed) in
            [(low, true), (high, true), (high + Duration::from_secs(1), false)].into_iter().chain(below)
        {
            // The longest timeout needs an interval that is not shorter.
            let rest = if field.name == "timeout" { "interval = \"1h\"\n" } else { "" };
            let text = file_with(table, field.name, &format!("\"{}\"", Spelled(value))) + rest;
            let wanted = spoken(table, field.name);
            let complaint = match parse(&text) {
                Ok(_) => false,
                Err(findings) => findings
                    .listed()
                    .iter()
                    .any(|finding| finding.field == wanted && finding.allowed == field.values),
            };
            assert_eq!(complaint, !is_allowed, "{wanted} = {}", Spelled(value));
        }
        checked += 1;
    }
    assert!(checked > 5, "{checked} fields with bounds");
}

#[test]
fn an_unknown_key_or_word_is_named_with_the_one_that_was_meant() {
    let cases = [
        ("a letter swapped", file_with("service", "prot", "1"), "service \"n\" . prot", "did you mean port?"),
        ("a table misspelt", file_with("", "rout", "1"), "rout", "did you mean route?"),
        (
            "a key of a bond",
            file_with("interface.bond", "device", "1"),
            "interface \"n\" . bond . device",
            "did you mean devices?",
        ),
        (
            "a word misspelt",
            file_with("service", "forwarding", "'masquarade'"),
            "service \"n\" . forwarding",
            "did you mean \"masquerade\"?",
        ),
        ("nothing like it", file_with("system", "zebra", "1"), "system . zebra", ""),
    ];
    for (rule, text, field, mend) in cases {
        let Err(findings) = parse(&text) else { panic!("{rule}: it was read") };
        let named = findings.listed().iter().find(|finding| finding.field == field);
        assert_eq!(named.map(|finding| finding.mend.as_str()), Some(mend), "{rule}: {findings}");
    }
}

#[test]
fn single_and_double_brackets_are_told_apart() {
    let cases = [
        ("schema = 1\n[service]\nname='n'", "write [[service]] with double brackets"),
        ("schema = 1\n[[system]]\nhostname='n'", "write [system] with single brackets, once"),
        ("schema = 1\ninterface = [1]", "write its fields below a line with [[interface]]"),
        ("schema = 1\nsystem = 'n'", "write its fields below a line with [system]"),
    ];
    for (text, mend) in cases {
        let Err(findings) = parse(text) else { panic!("{text}: it was read") };
        assert_eq!(findings.listed()[0].mend, mend, "{text}\n{findings}");
    }
}
