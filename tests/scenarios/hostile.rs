//! Configuration files that no person would write: refused with a place, and nothing changes.

use anyhow::{Context, ensure};
use mark21_lab::director::ANSWER;
use mark21_lab::ftp::Mode;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Result, scenario};

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

/// Addresses and routes but for the kernel's own link-local ones, which settle late; rules
/// without their counters; services.
fn kernel_state(director: &mut Director) -> Result<String> {
    director.root(
        "{ ip address; ip route; ip -6 route; } | grep -v 'valid_lft\\|fe80:'; nft --stateless list ruleset; \
         cut -d' ' -f1-4 /proc/net/ip_vs",
    )
}
