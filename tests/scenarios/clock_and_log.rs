//! The clock follows an NTP server, and the log reaches its servers: Debian's chrony and rsyslog.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::namespace::Namespace;
use mark21_lab::process::Background;
use mark21_lab::scenario::lab_root;
use mark21_lab::{Boot, Director, Lab, Result, eventually, patient, scenario};

/// OpenNTPD calls a clock right after some rounds of questions, minutes apart.
const RIGHT: Duration = Duration::from_secs(600);
/// A line on its way, with the pauses between two tries to connect.
const DELIVERY: Duration = Duration::from_secs(90);
/// Lines of a flood.
const FLOOD: u32 = 5000;

fn boot(lab: &Lab, more: &str) -> Result<Director> {
    let text = Boot::with_file("single.toml")?.configuration.unwrap_or_default();
    let mut director = lab.boot(&Boot::with_text(&(text + more)))?;
    director.wait_serving()?;
    lab.step("serving");
    Ok(director)
}

#[test]
fn the_clock_is_set_at_the_start_and_only_slewed_later() {
    patient(|lab| {
        let mut director = boot(lab, "\n[time]\nservers = [\"10.21.0.50\"]\n")?;
        let status = director.status()?;
        ensure!(status["time"]["synchronised"] == false, "right without a server: {status:#}");
        // As a machine without a clock chip comes up.
        set_clock(&mut director, "2020-01-01 00:00:00")?;
        let _chrony = chrony(lab)?;
        restart_client(&mut director)?;
        eventually("the right year", BOOT, || {
            let off = seconds_off(&mut director)?;
            ensure!(off.abs() < 60, "the clock is {off} s off");
            Ok(())
        })?;
        lab.step("set at the start");
        let begun = Instant::now();
        eventually("a clock that is right", RIGHT, || {
            let time = &director.status()?["time"];
            ensure!(time["synchronised"] == true, "{time}");
            Ok(())
        })?;
        lab.step(&format!("called right after another {:.0} s", begun.elapsed().as_secs_f32()));
        let rules = director.port.command("show firewall", ANSWER)?["rules"].clone();
        let rule = rules.as_array().into_iter().flatten().find(|rule| rule["cause"] == "time: servers");
        let rule = rule.context("no rule for the time server")?;
        ensure!(rule["packets"].as_u64() > Some(0) && rule["line"].as_u64().is_some(), "{rule}");
        let elsewhere =
            "timeout 3 tftp -g -r x -l /dev/null 10.21.0.60 123 2> /dev/null; nft list table inet mark21";
        let dropped = |director: &mut Director| -> Result<u64> {
            let text = director.root(elsewhere)?;
            let line = text.lines().find(|line| line.contains("dropped-output")).context("no counter")?;
            let count = line.split_whitespace().skip_while(|word| *word != "packets").nth(1);
            count.and_then(|count| count.parse().ok()).context(line.to_owned())
        };
        let before = dropped(&mut director)?;
        ensure!(dropped(&mut director)? > before, "another server may be asked");
        lab.step("no other server is asked");

        // Wrong once more, and the client starts anew: no step.
        set_clock(&mut director, "2021-06-01 00:00:00")?;
        restart_client(&mut director)?;
        eventually("an answer of the client", BOOT, || {
            let detail = director.root("ntpctl -s peers")?;
            ensure!(detail.contains("ms"), "{detail}");
            Ok(())
        })?;
        let off = seconds_off(&mut director)?;
        ensure!(off.abs() > 86_400, "the clock was set while it ran: {off} s off");
        lab.step("not set again");
        Ok(())
    });
}

#[test]
fn every_line_reaches_both_servers_and_again_after_an_outage() {
    scenario(|lab| {
        let mut receiver = rsyslog(lab)?;
        let mut director = boot(
            lab,
            "\n[[syslog]]\naddress = \"10.21.0.12\"\n[[syslog]]\naddress = \"fd21::12\"\nprotocol = \"tcp\"\nport = 6514\n",
        )?;
        for transport in ["udp", "tcp"] {
            for wanted in ["Linux version", "the machine started because", "serving with"] {
                arrives(transport, wanted)?;
            }
            let lines = received(transport)?;
            for line in lines.lines() {
                ensure!(
                    line.starts_with('<') && line.contains(">1 20") && line.contains("[meta sequenceId=\""),
                    "{line}"
                );
            }
            let first = lines.lines().next().unwrap_or_default();
            lab.step(&format!("{transport}: {} lines, such as {first}", lines.lines().count()));
        }
        let status = director.status()?["syslog"].clone();
        ensure!(status[0]["reached"] == true && status[1]["reached"] == true, "{status}");

        drop(receiver);
        tell(&mut director, "during the outage", 5)?;
        eventually("the outage in status", DELIVERY, || {
            let tcp = &director.status()?["syslog"][1];
            ensure!(tcp["reached"] == false, "{tcp}");
            Ok(())
        })?;
        tell(&mut director, "still away", 5)?;
        receiver = rsyslog(lab)?;
        for transport in ["udp", "tcp"] {
            for (text, count) in [("during the outage", 5), ("still away", 5)] {
                eventually(&format!("{text:?} over {transport}"), DELIVERY, || {
                    let lines = received(transport)?;
                    let numbers: BTreeSet<&str> = lines
                        .lines()
                        .filter_map(|line| line.split_once(text))
                        .map(|(_, number)| number)
                        .collect();
                    ensure!(numbers.len() == count, "{numbers:?}");
                    Ok(())
                })?;
            }
        }
        lab.step("nothing was lost in an outage");
        receiver.ensure_running()
    });
}

#[test]
fn a_server_that_takes_nothing_keeps_nobody_waiting() {
    scenario(|lab| {
        // Accepts, and never reads.
        let deaf = lab.real_server(1)?.enter(|| Ok(TcpListener::bind("10.21.0.11:6514")?))?;
        let mut director =
            boot(lab, "\n[[syslog]]\naddress = \"10.21.0.11\"\nprotocol = \"tcp\"\nport = 6514\n")?;
        let _connection = deaf.accept()?;
        let memory = "grep VmRSS /proc/$(pidof mark21d)/status | tr -dc 0-9";
        let before: u64 = director.root(memory)?.trim().parse()?;
        // Without the bound that the kernel sets to what programs write there.
        director.root(&format!(
            "echo on > /proc/sys/kernel/printk_devkmsg; i=0; while [ $i -lt {FLOOD} ]; do \
             echo \"<14>flood: a line of some length, number $i\"; i=$((i+1)); done > /dev/kmsg"
        ))?;
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let begun = Instant::now();
            director.status()?;
            slowest = slowest.max(begun.elapsed());
        }
        let after: u64 = director.root(memory)?.trim().parse()?;
        lab.step(&format!("slowest status {slowest:?}; mark21d {before} kB, then {after} kB"));
        ensure!(slowest < ANSWER / 3, "status took {slowest:?}");
        ensure!(after < before + 2048, "mark21d grew from {before} to {after} kB");
        // To nobody else, and to no other port.
        let elsewhere = director.agent.run("nc -w 2 10.21.0.60 6514 < /dev/null", ANSWER)?;
        ensure!(elsewhere.code != 0, "another server can be reached");
        Ok(())
    });
}

/// Debian's chrony on rs1, by this machine's clock, which it leaves alone.
fn chrony(lab: &Lab) -> Result<Background> {
    let text = "local stratum 3\nallow all\ncmdport 0\npidfile /run/chronyd.pid\n";
    fs::write(lab_root().join("tmp/chrony.conf"), text)?;
    // Not at the address of a real server, where the director may go anyway.
    lab.real_server(1)?.ip("address add 10.21.0.50/24 dev eth0")?;
    let mut command = lab.real_server(1)?.lab_command("/usr/sbin/chronyd");
    command.args(["-x", "-d", "-u", "root", "-f", "/tmp/chrony.conf"]);
    Background::start("chronyd", command, &lab.directory.join("chronyd.log"))
}

/// Debian's rsyslog on rs2: what comes over UDP and TCP, each into a file as it came.
fn rsyslog(lab: &Lab) -> Result<Background> {
    let text = r#"
module(load="imudp")
module(load="imtcp")
template(name="raw" type="string" string="%rawmsg%\n")
ruleset(name="udp") { action(type="omfile" file="/tmp/udp.log" template="raw") }
ruleset(name="tcp") { action(type="omfile" file="/tmp/tcp.log" template="raw") }
input(type="imudp" port="514" ruleset="udp")
input(type="imtcp" port="6514" ruleset="tcp")
"#;
    fs::write(lab_root().join("tmp/rsyslog.conf"), text)?;
    let server: &Namespace = lab.real_server(2)?;
    let mut command = server.lab_command("/usr/sbin/rsyslogd");
    command.args(["-n", "-f", "/tmp/rsyslog.conf", "-i", "/tmp/rsyslog.pid"]);
    // The pid of one that was killed keeps another from starting.
    drop(fs::remove_file(lab_root().join("tmp/rsyslog.pid")));
    Background::start("rsyslogd", command, &lab.directory.join("rsyslogd.log"))
}

fn received(transport: &str) -> Result<String> {
    let file = lab_root().join(format!("tmp/{transport}.log"));
    fs::read_to_string(&file).with_context(|| format!("{}", file.display()))
}

fn arrives(transport: &str, wanted: &str) -> Result {
    eventually(&format!("{wanted:?} over {transport}"), DELIVERY, || {
        ensure!(received(transport)?.contains(wanted), "not there");
        Ok(())
    })
}

/// So many lines, as a program of the box writes them.
fn tell(director: &mut Director, text: &str, count: u32) -> Result {
    director
        .root(&format!("for i in $(seq {count}); do echo \"<14>probe: {text} $i\" > /dev/kmsg; done"))
        .map(drop)
}

fn set_clock(director: &mut Director, to: &str) -> Result {
    director.root(&format!("date -u -s '{to}'")).map(drop)
}

/// Ends the NTP client; init starts it anew.
fn restart_client(director: &mut Director) -> Result {
    // One that has just ended by itself is started again within seconds.
    eventually("a client to end", BOOT, || director.root("kill $(cat /run/mark21/time.pid)").map(drop))
}

/// The director's clock less this machine's.
fn seconds_off(director: &mut Director) -> Result<i64> {
    let there: i64 = director.root("date +%s")?.trim().parse()?;
    let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    Ok(there - i64::try_from(here)?)
}
