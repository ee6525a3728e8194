//! The interface on both transports, as users of different rights: who may call what, and what a
//! hostile one achieves.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mark21_lab::content::Content;
use mark21_lab::director::BOOT;
use mark21_lab::ftp::Mode;
use mark21_lab::topology::{Segment, client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, alone, eventually, scenario};

/// mark21d's own socket, and the bus's.
const SOCKETS: [&str; 2] = ["/run/mark21/api.sock", "/run/dbus/system_bus_socket"];
const DIRECTOR: &str = "org.mark21.Director1";
/// What everybody may call. A method that is not here must be refused to one without rights.
const READING: [&str; 7] = ["Status", "Check", "Plan", "Firewall", "ServerConfig", "Log", "Generations"];
const DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";
/// A user that may only read, and an administrator.
const READER: &str = "nobody";
const ADMINISTRATOR: &str = "admin";
/// Everything called once, in software emulation.
const LONG: Duration = Duration::from_secs(180);
/// Longest pause between two advertisements at 200 ms that the other box bears (RFC 9568 section
/// 6.1: three intervals and the skew of priority 200).
const BORNE: Duration = Duration::from_millis(640);

#[test]
fn only_administrators_change_anything_on_either_transport() {
    scenario(|lab| {
        let mut director = boot(lab, "single.toml")?;
        let before = state(&mut director)?;
        for socket in SOCKETS {
            let told = knock(&mut director, READER, &format!("{socket} every"))?;
            let called = rows(&told);
            let members: BTreeSet<&str> = members_of(&called).collect();
            for reading in READING {
                ensure!(members.contains(reading), "{socket}: {reading} is not offered: {members:?}");
            }
            for changing in ["Commit", "Resign", "Reboot", "FactoryReset", "ReadGeneration"] {
                ensure!(members.contains(changing), "{socket}: {changing} is not offered: {members:?}");
            }
            for (object, interface, member, result) in &called {
                let is_standard = interface.starts_with("org.freedesktop.DBus.");
                let may = is_standard || READING.contains(member) || member.starts_with("get:");
                if member.starts_with("set:") {
                    ensure!(*result != "ok", "{socket}: a reader set {interface} {member} of {object}");
                } else if may {
                    ensure!(*result != DENIED, "{socket}: {interface}.{member} of {object} is denied");
                } else {
                    ensure!(*result == DENIED, "{socket}: {interface}.{member} of {object}: {result}");
                }
            }
            lab.step(&format!("{socket}: {} calls of a reader", called.len()));
            unchanged(&mut director, &before)?;

            // An administrator is let through to each; with nothing in the arguments, none succeeds.
            let told = knock(&mut director, ADMINISTRATOR, &format!("{socket} every Reboot FactoryReset"))?;
            for (object, interface, member, result) in rows(&told) {
                ensure!(
                    result != DENIED || member.starts_with("set:"),
                    "{socket}: {interface}.{member} of {object} is denied"
                );
            }
            lab.step(&format!("{socket}: an administrator is let through"));
            unchanged(&mut director, &before)?;
        }
        // Whom the bus refuses is nothing that an operator's line is written over with.
        let shown = director.console_log();
        ensure!(!shown.contains("Rejected"), "{shown}");
        let kept = director.root("dmesg | grep -c Rejected")?;
        ensure!(kept.trim() != "0", "nothing is told of those who were refused");
        Ok(())
    });
}

#[test]
fn a_hostile_reader_disturbs_nothing() {
    alone(|lab| {
        let mut director = boot(lab, "pair-a.toml")?;
        let lines = Some(director.server_config("ftp")?);
        lab.start_ftp_servers(&Settings { lines, ..Settings::default() })?;
        eventually("all virtual routers Active", BOOT, || {
            let routers = director.status()?["virtual_routers"].to_string();
            ensure!(routers.matches("\"active\"").count() == 4, "{routers}");
            Ok(())
        })?;
        let before = state(&mut director)?;
        // From here on its peak is what counts.
        director.root("echo 5 > /proc/$(pidof mark21d)/clear_refs")?;
        let size = usage(&mut director)?;
        let upload = Content::generate("upload", 5_000_000);
        for socket in SOCKETS {
            lab.step(&format!(
                "{socket}: {}",
                knock(&mut director, READER, &format!("{socket} broken"))?.trim()
            ));
            lab.step(&format!(
                "{socket}: {}",
                knock(&mut director, READER, &format!("{socket} crowd 100"))?.trim()
            ));
            // Of the four connections that a reader may have, three floods of 10,000 calls a second in all;
            // the work goes on meanwhile.
            let begun = Instant::now();
            director.root(&format!(
                "for i in 1 2 3; do su -s /bin/sh {READER} -c '/run/tools/knock {socket} flood 3400 10' > /tmp/flood$i 2>&1 & done"
            ))?;
            every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, Some(&upload), |_| {})?;
            let mut slowest = Duration::ZERO;
            while begun.elapsed() < Duration::from_secs(10) {
                let asked = Instant::now();
                director.status()?;
                slowest = slowest.max(asked.elapsed());
            }
            let told = eventually("the end of the floods", LONG, || {
                let told = director.root("cat /tmp/flood[1-3]")?;
                ensure!(told.matches("offered ").count() == 3, "{told}");
                Ok(told)
            })?;
            lab.step(&format!(
                "{socket}: {:.0} calls a second offered, {:.0} answered; {}; slowest status beside it {slowest:?}",
                rate(&told, "offered "),
                rate(&told, "answered "),
                told.replace('\n', "; ")
            ));
            ensure!(rate(&told, "offered ") > 10_000.0, "{told}");
            unchanged(&mut director, &before)?;
        }
        // What was sent ahead is answered into the void before a connection ends.
        let then = eventually("the descriptors of before", LONG, || {
            let then = usage(&mut director)?;
            ensure!(then.1 <= size.1 + 2, "mark21d has {} descriptors instead of {}", then.1, size.1);
            Ok(then)
        })?;
        lab.step(&format!("mark21d: {size:?}, then {then:?} (kB, descriptors)"));
        ensure!(then.0 < size.0 + 16_384, "mark21d grew from {} to {} kB", size.0, then.0);
        let pause = longest_pause(lab)?;
        lab.step(&format!("longest pause between two advertisements: {pause:?}"));
        ensure!(pause < BORNE, "advertisements were {pause:?} apart");
        Ok(())
    });
}

#[test]
fn the_box_works_without_a_bus_says_so_and_is_on_it_again_by_itself() {
    scenario(|lab| {
        let mut director = boot(lab, "single.toml")?;
        lab.start_ftp_servers(&Settings { length: 100_000, ..Settings::default() })?;
        let on_the_bus = |director: &mut Director, wanted: bool| -> Result {
            eventually("what status says of the bus", BOOT, || {
                let status = director.status()?;
                ensure!(status["bus"] == wanted && status["state"] == "serving", "{status}");
                Ok(())
            })
        };
        let bus = SOCKETS[1];
        knock(&mut director, READER, &format!("{bus} flood 100 1"))?;
        let before = state(&mut director)?;
        // Whatever init starts instead ends at once.
        director
            .root("f=$(which dbus-daemon); mount --bind /bin/false $f && kill -9 $(pidof dbus-daemon)")?;
        on_the_bus(&mut director, false)?;
        lab.step("no bus");
        every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})?;
        director.port.command("weight ftp 10.21.0.11 2", LONG)?;
        director.port.command("undrain ftp 10.21.0.11", LONG)?;
        unchanged(&mut director, &before)?;
        director.root("umount -l $(which dbus-daemon)")?;
        on_the_bus(&mut director, true)?;
        let told = knock(&mut director, READER, &format!("{bus} flood 100 1"))?;
        ensure!(told.contains("answered") && !told.contains("answered 0"), "{told}");
        unchanged(&mut director, &before)?;
        lab.step("on the bus again");
        Ok(())
    });
}

fn boot(lab: &Lab, file: &str) -> Result<Director> {
    let tools = vec![PathBuf::from(env!("CARGO_BIN_EXE_knock"))];
    let mut director = lab.boot(&Boot { tools, ..Boot::with_file(file)? })?;
    director.wait_serving()?;
    eventually("the bus", BOOT, || {
        let status = director.status()?;
        ensure!(status["bus"] == true, "{status}");
        Ok(())
    })?;
    lab.step(&format!(
        "serving; root is let in: {}",
        director.tool("knock /run/mark21/api.sock crowd 1")?.trim()
    ));
    Ok(director)
}

fn knock(director: &mut Director, user: &str, arguments: &str) -> Result<String> {
    director.agent.succeed(&format!("su -s /bin/sh {user} -c '/run/tools/knock {arguments}'"), LONG)
}

type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

fn rows(told: &str) -> Vec<Row<'_>> {
    told.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row<'_>> {
    let mut words = line.split(' ');
    Some((words.next()?, words.next()?, words.next()?, words.next()?))
}

fn members_of<'a>(called: &'a [Row<'a>]) -> impl Iterator<Item = &'a str> {
    called.iter().filter(|(_, interface, _, _)| *interface == DIRECTOR).map(|(_, _, member, _)| *member)
}

/// Of all floods together, from `offered 70, taken 7, answered 6, refused 1, in 2.0 s`.
fn rate(told: &str, what: &str) -> f64 {
    let of = |line: &str| -> Option<f64> {
        let number = |before: &str, after: char| -> Option<f64> {
            line.split_once(before)?.1.split(after).next()?.trim().parse().ok()
        };
        Some(number(what, ',')? / number(" in ", 's')?)
    };
    told.lines().filter_map(of).sum()
}

/// What no reader may change: generations, addresses, rules, services, roles.
fn state(director: &mut Director) -> Result<String> {
    director.root(
        "ls /config /config/generations; cat /config/current; ip -o address | awk '{ print $2, $4 }'; \
         nft list table inet mark21 | sed 's/counter packets .* bytes [0-9]*/counter/'; \
         cut -d' ' -f1-4 /proc/net/ip_vs; hostname; pidof mark21d vrrpd",
    )
}

fn unchanged(director: &mut Director, before: &str) -> Result {
    let now = state(director)?;
    let lines = |of: &str, without: &str| -> Vec<String> {
        of.lines().filter(|line| !without.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    let (gone, new) = (lines(before, &now), lines(&now, before));
    ensure!(now == before, "something was changed: gone {gone:?}, new {new:?}");
    Ok(())
}

/// The most memory that mark21d has had resident in kB, and its descriptors.
fn usage(director: &mut Director) -> Result<(u64, u64)> {
    let text = director
        .root("p=$(pidof mark21d); grep VmHWM /proc/$p/status | tr -dc 0-9; echo; ls /proc/$p/fd | wc -l")?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (memory, descriptors) = (numbers.next().context("memory")??, numbers.next().context("descriptors")??);
    Ok((memory, descriptors))
}

/// Between two advertisements of the first virtual router, since it became Active.
fn longest_pause(lab: &Lab) -> Result<Duration> {
    let lines = lab.captured(Segment::Outside, "ip proto 112")?;
    let seconds = |line: &String| -> Option<f64> {
        let mut parts = line.split_whitespace().next()?.split(':').map(str::parse::<f64>);
        let (h, m, s) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
        Some((h * 60.0 + m) * 60.0 + s)
    };
    let times: Vec<f64> = lines.iter().filter_map(seconds).collect();
    ensure!(times.len() > 50, "only {} advertisements: {:?}", times.len(), lines.first());
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    Ok(Duration::from_secs_f64(longest.clamp(0.0, 1e6)))
}
