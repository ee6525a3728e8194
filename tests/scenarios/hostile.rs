//! Configuration files that no person would write: refused with a place, and nothing changes.

use std::fs;

use anyhow::{Context, ensure};
use mark21_lab::director::ANSWER;
use mark21_lab::ftp::Mode;
use mark21_lab::random::Random;
use mark21_lab::scenario::{tests_directory, times};
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Result, scenario};
use serde_json::Value;

/// A name, and the command that makes the file `$F`.
const FILES: [(&str, &str); 9] = [
    ("empty", ": > $F"),
    ("4 MB of comment", "yes '# comment' | head -c 4194304 > $F"),
    ("4 MB in one line", "head -c 4194304 /dev/zero | tr '\\0' a > $F"),
    ("4 MB of brackets", "head -c 4194304 /dev/zero | tr '\\0' '[' > $F"),
    ("200 kB of nested lists", "{ printf 'a = '; head -c 200000 /dev/zero | tr '\\0' '['; } > $F"),
    ("4 MB of NUL bytes", "head -c 4194304 /dev/zero > $F"),
    ("a program", "cat /bin/busybox > $F"),
    ("a NUL byte in good text", "{ cat /config/mark21.toml; printf 'a = \"\\000\"\\n'; } > $F"),
    ("no UTF-8 in good text", "{ cat /config/mark21.toml; printf '# \\377\\376\\n'; } > $F"),
];

#[test]
fn hostile_files_are_refused_with_their_place_and_change_nothing() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_file("single.toml")?)?;
        lab.start_ftp_servers(&Settings { length: 1000, ..Settings::default() })?;
        director.wait_serving()?;
        lab.step("serving");
        let before = kernel_state(&mut director)?;
        for (name, make) in FILES {
            // Readable for the machine port, which is nobody in particular.
            director.root(&format!("umask 022; F=/run/hostile; {make}"))?;
            let answer = director.port.ask("check /run/hostile", ANSWER)?;
            ensure!(answer["code"] == "refused", "{name}: {answer:#}");
            ensure!(answer["result"]["accepted"] == false, "{name}: {answer:#}");
            let finding = &answer["result"]["findings"][0];
            let place = finding["line"].as_u64().zip(finding["column"].as_u64());
            let (line, column) = place.with_context(|| format!("{name}: no place in {answer:#}"))?;
            ensure!(line >= 1 && column >= 1, "{name}: {answer:#}");
            let reason = finding["reason"].as_str().unwrap_or_default();
            ensure!(!reason.is_empty(), "{name}: {answer:#}");
            // 3 is what the documentation says of a refused configuration.
            let shown = director.agent.run("mark21 check /run/hostile", ANSWER)?;
            ensure!(shown.code == 3, "{name}: exit code {}: {}", shown.code, shown.text);
            ensure!(
                shown.text.contains(&format!("{line}")) && shown.text.len() < 100_000,
                "{name}: {shown:?}"
            );
            let planned = director.port.ask("plan /run/hostile", ANSWER)?;
            ensure!(planned["code"] == "refused", "{name}: plan: {planned:#}");
            lab.step(&format!("{name}: line {line}, column {column}: {reason}"));
        }
        for path in ["/run/nowhere", "/run"] {
            let answer = director.port.ask(&format!("check {path}"), ANSWER)?;
            ensure!(answer["ok"] == false && answer["code"] == "file", "{path}: {answer:#}");
            ensure!(director.agent.run(&format!("mark21 check {path}"), ANSWER)?.code == 6, "{path}");
        }
        let verified = director.port.ask("verify", ANSWER)?;
        ensure!(verified["code"] == "done", "{verified:#}");
        let after = kernel_state(&mut director)?;
        ensure!(before == after, "before:\n{before}\nafter:\n{after}");
        every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})
    });
}

/// The fields are those of the reference, which is generated from the types.
#[test]
fn every_field_wrong_in_turn_is_refused_in_its_line_and_changes_nothing() {
    scenario(|lab| {
        let boot = Boot::with_file("single.toml")?;
        let mut director = lab.boot(&boot)?;
        let mut random = Random::seeded();
        let reference = fs::read_to_string(tests_directory().join("../docs/configuration.md"))?;
        let fields = fields(&reference);
        let good = fs::read_to_string(tests_directory().join("../src/config/examples/pair.toml"))? + OTHERS;
        ensure!(fields.len() > 60, "the reference has {} fields only", fields.len());
        director.wait_serving()?;
        lab.step("serving");
        let before = kernel_state(&mut director)?;
        director.write("/run/good.toml", &good)?;
        director.root("mark21 check /run/good.toml")?;
        // In soak all fields with all values, else some fields with one value each.
        let is_all = times(0, 1) == 1;
        let (first, step) = if is_all { (0, 1) } else { (random.below(SAMPLED), SAMPLED) };
        let mut count = 0;
        for (table, field) in fields.iter().skip(first).step_by(step) {
            let values =
                if is_all { &WRONG[..] } else { WRONG.get(random.below(WRONG.len())..).unwrap_or(&WRONG) };
            for value in values.iter().take(if is_all { WRONG.len() } else { 1 }) {
                let (wrong, line) = with_field(&good, (table, field), value)?;
                director.write("/run/wrong.toml", &wrong)?;
                let checked = director.agent.run("mark21 --json check /run/wrong.toml", ANSWER)?;
                let what = format!("{table} {field} = {value}: {}", checked.text);
                ensure!(checked.code == 3, "exit code {}: {what}", checked.code);
                let answer: Value = serde_json::from_str(&checked.text).with_context(|| what.clone())?;
                let findings = answer["result"]["findings"].as_array().with_context(|| what.clone())?;
                let is_it = |finding: &&Value| finding["line"] == line && finding["reason"].is_string();
                ensure!(findings.iter().any(|finding| is_it(&finding)), "nothing about line {line}: {what}");
                count += 1;
            }
        }
        lab.step(&format!("{count} wrong values, all refused in their line"));
        let verified = director.port.ask("verify", ANSWER)?;
        ensure!(verified["code"] == "done", "{verified:#}");
        let after = kernel_state(&mut director)?;
        ensure!(before == after, "before:\n{before}\nafter:\n{after}");
        Ok(())
    });
}

/// What no field takes: another type, each for most of them, and a text of no known form.
const WRONG: [&str; 4] = ["-1.5", "{ wrong = 1 }", "[[[]]]", "\"§ /\""];
/// One field of so many is tried in `make test`.
const SAMPLED: usize = 3;

/// The tables of the reference, as its headings have them, each with its fields.
pub(crate) fn fields(reference: &str) -> Vec<(String, String)> {
    let mut table = String::new();
    let mut fields = Vec::new();
    for line in reference.lines() {
        if let Some(heading) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            // An inline table is written as one of its own.
            let heading = heading.replace('`', "");
            let inline = heading.split_once(" = { .. } of [[");
            table = inline
                .map(|(name, outer)| format!("[{}.{name}]", outer.trim_end_matches(']')))
                .unwrap_or(heading);
        } else if let Some((field, _)) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')) {
            fields.push((table.clone(), field.to_owned()));
        }
    }
    fields
}

/// The good text with this field of this table wrong, and the line where it is.
fn with_field(text: &str, (table, field): (&str, &str), value: &str) -> Result<(String, usize)> {
    let mut lines: Vec<&str> = text.lines().collect();
    let is_header = |line: &str| {
        let rest = line.strip_prefix(table).map(str::trim_start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
    };
    let start = if table.starts_with('[') {
        lines
            .iter()
            .position(|line| is_header(line))
            .with_context(|| format!("no {table} in the good text"))?
            + 1
    } else {
        0
    };
    let behind = lines.iter().skip(start);
    let end = start + behind.take_while(|line| !line.starts_with('[')).count();
    let is_field =
        |line: &&str| line.strip_prefix(field).is_some_and(|rest| rest.trim_start().starts_with('='));
    let own: Vec<&str> = lines.drain(start..end).filter(|line| !is_field(line)).collect();
    let wrong = format!("{field} = {value}");
    lines.splice(start..start, own);
    lines.insert(start, &wrong);
    Ok((lines.join("\n"), start + 1))
}

/// What the example of a pair does not have.
const OTHERS: &str = r#"
[[interface]]
name = "management"
device = "eth3"
addresses = ["192.168.99.2/24"]

[[interface]]
name = "tagged"

[interface.vlan]
interface = "management"
id = 7

[[interface]]
name = "both"

[interface.bond]
mode = "active-backup"
devices = ["eth4", "eth5"]

[management]
interface = "management"
allow = ["192.168.99.0/24"]
authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJf5i1g8MhEWIVzJDhKEMHu3bJ0a1b9y8v8Yb1hWq8kX lab"]

[time]
servers = ["192.168.99.1"]

[[syslog]]
address = "192.168.99.1"
"#;

/// Addresses and routes but for the kernel's own link-local ones, which settle late; rules
/// without their counters; services.
fn kernel_state(director: &mut Director) -> Result<String> {
    director.root(
        "{ ip address; ip route; ip -6 route; } | grep -v 'valid_lft\\|fe80:'; nft --stateless list ruleset; \
         cut -d' ' -f1-4 /proc/net/ip_vs",
    )
}
