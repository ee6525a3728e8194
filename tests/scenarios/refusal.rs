//! A director without a usable configuration is shut, says why, and stays reachable
//! on its console.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::ensure;
use mark21_lab::ftp::connect_within;
use mark21_lab::topology::{Segment, VIRTUAL, client_address};
use mark21_lab::{Boot, Director, Lab, Result, scenario};

#[test]
fn a_broken_configuration_is_refused_with_its_place() {
    scenario(|lab| {
        let boot = Boot::with_file("single.toml")?;
        let text = boot.configuration.clone().unwrap_or_default();
        let broken = text.replace("\"10.21.0.1/24\"", "\"10.21.0.256/24\"");
        ensure!(broken != text);
        let line = broken.lines().position(|line| line.contains("10.21.0.256")).map_or(0, |index| index + 1);
        let mut director = lab.boot(&Boot::with_text(&broken))?;
        let status = director.wait_fail_secure()?;
        lab.step("fail-secure");
        let problems = status["problems"].to_string();
        ensure!(problems.contains(&format!("{line}")), "no line {line} in {problems}");
        ensure!(problems.contains("10.21.0.256"), "what was given is not in {problems}");
        let check = director.port.ask("check", Duration::from_secs(30))?;
        let finding = &check["result"]["findings"][0];
        ensure!(finding["line"] == line && finding["column"].as_u64() > Some(1), "{check:#}");
        is_shut(lab, &mut director)
    });
}

#[test]
fn an_empty_configuration_partition_leaves_the_box_shut() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_nothing())?;
        let status = director.wait_fail_secure()?;
        lab.step("fail-secure");
        ensure!(status["problems"].as_array().is_some_and(|list| !list.is_empty()), "{status:#}");
        is_shut(lab, &mut director)
    });
}

fn is_shut(lab: &Lab, director: &mut Director) -> Result {
    ensure!(director.root("hostname")?.trim() == "mark21-failsafe");
    for sysctl in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
        ensure!(director.root(&format!("cat /proc/sys/{sysctl}"))?.trim() == "0", "{sysctl} is on");
    }
    // State 0A is LISTEN; unbound UDP and raw sockets have no business here either.
    let listening = director.root("cat /proc/net/tcp /proc/net/tcp6 | grep ' 0A ' || true")?;
    ensure!(listening.is_empty(), "listening: {listening}");
    let open = director.root("tail -qn +2 /proc/net/udp /proc/net/udp6 /proc/net/raw /proc/net/raw6")?;
    ensure!(open.is_empty(), "open: {open}");
    let virtual_address = IpAddr::from(VIRTUAL);
    lab.client.enter(|| {
        for to in [(virtual_address, 21), ("10.21.0.11".parse()?, 21)] {
            let limit = Duration::from_millis(1500);
            ensure!(connect_within(client_address(1), to.into(), limit).is_err(), "{to:?} answers");
        }
        Ok(())
    })?;
    let passed = lab.captured(Segment::Inside, "tcp")?;
    ensure!(passed.is_empty(), "forwarded: {passed:#?}");
    Ok(())
}
