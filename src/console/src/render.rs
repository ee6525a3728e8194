//! Answers in words, for a person at 80 columns.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use mark21_api::status::{Change, Firewall, Generation, Reset, Status, VirtualRouter};

/// Longest comment that fits beside the rest of a generation's line.
const COMMENT: usize = 34;

/// The last second that the form of the time can say.
const YEAR_9999: u64 = 253_402_300_799;

/// The generations, the newest first.
pub(crate) fn generations(all: &[Generation]) -> String {
    let mut text = format!("{:>6}   {:<20} {:<10} comment", "number", "made (UTC)", "by");
    for Generation { number, time, author, comment, is_current, is_confirmed, .. } in all.iter().rev() {
        let mark = if *is_current {
            '*'
        } else if *is_confirmed {
            ' '
        } else {
            '?'
        };
        let made = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(*time.min(&YEAR_9999)))
            .to_string();
        let made = made.trim_end_matches('Z').replace('T', " ");
        let comment: String = comment.chars().take(COMMENT).collect();
        // Writing into a String cannot fail.
        let _ = write!(text, "\n{number:>6} {mark} {made:<20} {author:<10} {comment}");
    }
    text.push_str("\n* the box starts with it");
    if all.iter().any(|generation| !generation.is_confirmed) {
        text.push_str("   ? was never confirmed");
    }
    text
}

/// The firewall's rules.
pub(crate) fn firewall(firewall: &Firewall) -> String {
    let mut text = format!("{:>10} {:>12} {:>5}  rule", "packets", "bytes", "line");
    let mut chain = "";
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for rule in &firewall.rules {
        if rule.chain != chain {
            chain = &rule.chain;
            // Writing into a String cannot fail.
            let _ = write!(text, "\nchain {chain}");
        }
        let (packets, bytes, line) = (number(rule.packets), number(rule.bytes), number(rule.line));
        let _ = write!(text, "\n{packets:>10} {bytes:>12} {line:>5}  {}", rule.cause);
    }
    text
}

/// Changes, one a line.
pub(crate) fn changes(changes: &[Change]) -> String {
    let lines: Vec<String> =
        changes.iter().map(|change| format!("{:<12} {}", change.when, change.text)).collect();
    lines.join("\n")
}

/// The start, the clock, the way in and the log's way out.
fn around(text: &mut String, status: &Status) {
    if status.boot.reset != Reset::Unknown {
        let _ = write!(text, "\nstarted because {}", status.boot.reset.words());
    }
    if let Some(time) = &status.time {
        let word = if time.synchronised { "synchronised" } else { "NOT SYNCHRONISED" };
        let _ = write!(text, "\nclock {word} ({})", time.detail);
    }
    if let Some(management) = &status.management {
        let _ = write!(text, "\nssh on {}, {} sessions", management.listens.join(", "), management.sessions);
        let _ = write!(text, "\n    host key {}", management.host_key);
    }
    for server in &status.syslog {
        let _ = write!(text, "\nlog to {}", server.server);
        match server.reached {
            true => drop(write!(text, ", {} lines", server.sent)),
            false => drop(write!(text, " NOT REACHED: {}", server.problem)),
        }
    }
}

/// The status.
pub(crate) fn status(status: &Status) -> String {
    let mut text = String::new();
    let firmware = &status.firmware;
    let running = match status.configuration.generation {
        Some(generation) => format!("generation {generation}"),
        None => "no configuration".to_owned(),
    };
    // Writing into a String cannot fail.
    let _ = write!(text, "{}: {}, {running}", status.hostname, status.state.word());
    if let Some(proven) = status.boot.kernel_to_proven_ms {
        let _ = write!(text, ", proven {}.{} s after the kernel's start", proven / 1000, proven % 1000 / 100);
    }
    let _ = write!(text, "\nfirmware {} ({}, {})", firmware.version, firmware.build, firmware.commit);
    if let Some(waiting) = status.configuration.unconfirmed {
        let _ = write!(
            text,
            "\nUNCONFIRMED generation {}: the box goes back in {} s unless you confirm",
            waiting.generation, waiting.seconds_left
        );
    }
    for reason in &status.tainted {
        let _ = write!(text, "\nTAINTED: {reason}");
    }
    for problem in &status.problems {
        let _ = write!(text, "\nPROBLEM {}: {}", problem.subject, problem.text);
    }
    around(&mut text, status);
    interfaces(&mut text, status);
    virtual_routers(&mut text, status);
    services(&mut text, status);
    text
}

/// One part of the status, or why there is nothing of it.
pub(crate) fn part(status: &Status, write: fn(&mut String, &Status), nothing: &str) -> String {
    let mut text = String::new();
    write(&mut text, status);
    match text.strip_prefix('\n') {
        Some(text) => text.to_owned(),
        None => nothing.to_owned(),
    }
}

/// The firmware and its start.
pub(crate) fn version(status: &Status) -> String {
    let firmware = &status.firmware;
    format!(
        "Mark21 {} on {}\nbuild {}, of commit {}\nup {}; started because {}",
        firmware.version,
        status.hostname,
        firmware.build,
        firmware.commit,
        humantime::format_duration(Duration::from_secs(status.boot.uptime_s)),
        status.boot.reset.words(),
    )
}

/// The interfaces, each behind a line feed.
pub(crate) fn interfaces(text: &mut String, status: &Status) {
    for interface in &status.interfaces {
        let device = interface.device.as_deref().unwrap_or("no device");
        let carrier = if interface.carrier { "up" } else { "DOWN" };
        let _ = write!(text, "\ninterface {} ({device}) {carrier}", interface.name);
        for address in &interface.addresses {
            let _ = write!(text, "\n    {address}");
        }
    }
}

/// The virtual routers, each behind a line feed.
pub(crate) fn virtual_routers(text: &mut String, status: &Status) {
    for router in &status.virtual_routers {
        let VirtualRouter { name, device, vrid, state, priority, .. } = router;
        let _ = write!(text, "\nvirtual router {name} ({device}, vrid {vrid}, priority {priority}) {state}");
        let _ = write!(text, "\n    {}", router.addresses.join(", "));
    }
}

/// The services, each behind a line feed.
pub(crate) fn services(text: &mut String, status: &Status) {
    for service in &*status.services {
        let _ = write!(text, "\nservice {} ({}", service.name, service.kind);
        if let Some(mark) = service.mark {
            let _ = write!(text, ", mark {mark}");
        }
        let _ = write!(text, ") on {}", service.addresses.join(", "));
        if let Some(passive) = &service.passive {
            let _ = write!(text, "\n    passive: {passive}");
        }
        let _ = write!(text, "\n    {:<40} {:>6} {:>8} {:>8}", "real server", "weight", "active", "inactive");
        for server in &service.real_servers {
            let _ = write!(
                text,
                "\n    {:<40} {:>6} {:>8} {:>8}",
                server.address, server.weight, server.active, server.inactive
            );
            match (server.draining, server.weight_by_hand) {
                (true, _) => text.push_str(" draining"),
                (false, Some(_)) => text.push_str(" by hand"),
                (false, None) => {}
            }
        }
    }
}
