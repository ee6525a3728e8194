//! Changes to a running director: applied whole or not at all, back by themselves unless somebody
//! confirms, and nothing that runs is disturbed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::ftp::{Client, Mode, connect_within};
use mark21_lab::scenario::times;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::transfers::{every_mode, passive_works, slow_download};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, patient, scenario};
use serde_json::Value;

/// The range of the servers, which the configuration of `single.toml` covers.
const SERVERS: (u16, u16) = (15_000, 15_100);
/// A range that does not cover it: passive transfers fail while it is in force.
const ELSEWHERE: &str = "kind = \"ftp\"\npassive_ports = \"30000-30100\"\n";
/// What a moment's confirmation takes: long enough for a look at FTP on a busy host.
const CONFIRM: &str = "40s";
/// Until the box has gone back, from the commit.
const BACK: Duration = Duration::from_secs(90);
/// Longer than an answer takes.
const SILENCE: Duration = Duration::from_millis(1500);
/// Until IPVS has forgotten a connection that was closed: two minutes in TIME_WAIT (ip_vs_proto_tcp.c),
/// and as much again for a busy host.
const FORGOTTEN: Duration = Duration::from_secs(240);
/// Changes of one weight: more than generations are kept.
const WEIGHTS: u32 = 60;
/// Changes beside which programs are watched, and the generation behind them.
const WATCHED: u32 = 6;
const WEIGHTS_IN_SOAK: u32 = 10_000;

#[test]
fn an_unconfirmed_change_goes_back_by_itself_and_a_confirmed_one_stays() {
    patient(|lab| {
        let mut director = serving(lab, 100_000)?;
        ensure!(passive_works(lab), "passive FTP does not work at all");

        let text = elsewhere()?;
        put(&mut director, &text)?;
        let done = director.port.command(&format!("commit --confirm {CONFIRM} /run/new.toml"), ANSWER)?;
        ensure!(done["generation"] == 2, "{done:#}");
        lab.step("unconfirmed");
        ensure!(!passive_works(lab), "the old passive range is still open");
        let configuration = director.status()?["configuration"].clone();
        ensure!(configuration["unconfirmed"]["generation"] == 2, "{configuration}");
        ensure!(configuration["at_boot"] == 1, "it is named before it is confirmed: {configuration}");
        let again = director.port.ask("commit /run/new.toml", ANSWER)?;
        ensure!(again["ok"] == false, "a second change was taken: {again}");

        eventually("back at generation 1", BACK, || generation(&mut director, 1))?;
        lab.step("back");
        ensure!(passive_works(lab), "the old passive range did not come back");
        for told in ["generation 2 goes back in 10 s", "back from generation 2 to generation 1"] {
            eventually(&format!("{told:?} on the console"), ANSWER, || {
                ensure!(director.console_log().contains(told), "{}", director.console_log());
                Ok(())
            })?;
        }

        let done = director.port.command("commit --confirm 5m /run/new.toml", ANSWER)?;
        ensure!(done["generation"] == 3, "{done:#}");
        director.port.command("confirm", ANSWER)?;
        ensure!(!passive_works(lab), "the old passive range is open after a confirmed change");
        restart(&mut director)?;
        generation(&mut director, 3)?;
        lab.step("confirmed, and there after a restart");

        let done = director.port.command("rollback 1", ANSWER)?;
        ensure!(done["generation"] == 4, "an older generation is committed anew: {done:#}");
        ensure!(passive_works(lab), "rolled back, and passive FTP does not work");
        let known = director.port.command("generations", ANSWER)?;
        let known = known["generations"].as_array().or(known.as_array()).context("no list")?;
        let confirmed: Vec<bool> =
            known.iter().filter_map(|generation| generation["is_confirmed"].as_bool()).collect();
        ensure!(confirmed.iter().filter(|confirmed| !**confirmed).count() == 1, "{known:#?}");
        Ok(())
    });
}

#[test]
fn a_restart_before_the_confirmation_boots_what_ran_before() {
    scenario(|lab| {
        let mut director = serving(lab, 100_000)?;
        put(&mut director, &elsewhere()?)?;
        for cut in ["a power cut", "the end of mark21d"] {
            director.port.command("commit --confirm 10m /run/new.toml", ANSWER)?;
            if cut == "a power cut" {
                director.power_cut()?;
                director.agent.wait_ready(BOOT)?;
                director.wait_serving()?;
                put(&mut director, &elsewhere()?)?;
            } else {
                director.root("kill -9 $(pidof mark21d)")?;
            }
            eventually("generation 1", BACK, || generation(&mut director, 1))?;
            director.wait_serving()?;
            ensure!(passive_works(lab), "after {cut} passive FTP does not work");
            lab.step(cut);
        }
        Ok(())
    });
}

/// What the kernel fixes while the box runs: the ports of the FTP helper.
#[test]
fn a_change_for_the_next_start_waits_for_it_and_serves_on_the_other_port_then() {
    scenario(|lab| {
        let mut director = serving(lab, 100_000)?;
        let text = Boot::with_file("single.toml")?.configuration.unwrap_or_default();
        put(&mut director, &text.replace("kind = \"ftp\"", "kind = \"ftp\"\nport = 2121"))?;
        let before = director.root("cat /sys/module/ip_vs_ftp/parameters/ports")?;
        let done = director.port.command("commit --at-reboot --comment moved /run/new.toml", ANSWER)?;
        ensure!(done["generation"] == Value::Null, "{done:#}");
        generation(&mut director, 1)?;
        ensure!(director.root("cat /sys/module/ip_vs_ftp/parameters/ports")? == before, "changed at once");
        every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})?;
        lab.step("written, and served on port 21 as before");

        restart(&mut director)?;
        generation(&mut director, 2)?;
        let known = director.port.command("generations", ANSWER)?.to_string();
        ensure!(known.contains("moved"), "whose it is was forgotten: {known}");
        let moved = Settings { port: 2121, length: 100_000, passive_ports: SERVERS, ..Settings::default() };
        lab.start_ftp_servers(&moved)?;
        let there = SocketAddr::new(virtual_ftp().ip(), 2121);
        every_mode(lab, (client_address(1), there), &Mode::IPV4, None, |_| {})?;
        let here = lab.client.enter(|| Ok(connect_within(client_address(1), virtual_ftp(), SILENCE)))?;
        ensure!(here.is_err(), "port 21 answers still");
        lab.step("after the restart on port 2121");
        Ok(())
    });
}

#[test]
fn what_cannot_be_taken_whole_changes_nothing() {
    scenario(|lab| {
        let mut director = serving(lab, 100_000)?;
        crate::modules::wait_locked(&mut director)?;
        let before = state(&mut director)?;
        let text = Boot::with_file("single.toml")?.configuration.unwrap_or_default();
        let changed = |from: &str, to: &str| -> Result<String> {
            ensure!(text.contains(from), "the configuration has no {from:?}");
            Ok(text.replace(from, to))
        };
        let cases = [
            ("a wrong field", changed("\"10.21.0.1/24\"", "\"10.21.0.256/24\"")?, "10.21.0.256"),
            (
                "the inside's address taken away",
                changed("\"10.21.0.1/24\", ", "")?,
                "in no network of this box",
            ),
            ("a way out taken away", changed("    \"2001:db8:1::2/64\",\n", "")?, "confirm"),
            (
                "a port that is not there",
                format!("{text}\n[[interface]]\nname = \"spare\"\nmac = \"02:00:00:00:00:99\"\n"),
                "no port with mac",
            ),
            (
                "other ports of the helper",
                changed("kind = \"ftp\"", "kind = \"ftp\"\nport = 2121")?,
                "reboot",
            ),
        ];
        for (what, text, why) in cases {
            put(&mut director, &text)?;
            let answer = director.port.ask("commit /run/new.toml", ANSWER)?;
            ensure!(answer["ok"] == false, "{what} was taken: {answer}");
            ensure!(answer.to_string().contains(why), "{what}: no {why:?} in {answer}");
            let after = state(&mut director)?;
            ensure!(after == before, "{what} left something:\n{before}\n{after}");
            lab.step(what);
        }
        generation(&mut director, 1)?;
        every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})
    });
}

#[test]
fn a_drained_server_keeps_its_sessions_gets_no_new_ones_and_tells_when_it_is_free() {
    patient(|lab| {
        let mut director = serving(lab, 100_000)?;
        let whose = |session: &mut Client, mode| session.read_text(mode, "whoami.txt");
        let (mut session, server) = lab.client.enter(|| {
            let mut session = Client::log_in(client_address(1), virtual_ftp())?;
            let server = whose(&mut session, Mode::Pasv)?;
            Ok((session, server))
        })?;
        let address = if server.starts_with("rs1") { "10.21.0.11" } else { "10.21.0.12" };
        director.root(&format!("mark21 drain ftp {address} --wait > /run/drained 2>&1 &"))?;
        let weight = |director: &mut Director| -> Result<Value> {
            let status = director.status()?;
            let servers = status["services"][0]["real_servers"].as_array().context("servers")?;
            let found = servers.iter().find(|server| server["address"] == address);
            found.cloned().with_context(|| format!("no {address} in {servers:?}"))
        };
        eventually("the server draining", ANSWER, || {
            let shown = weight(&mut director)?;
            ensure!(
                shown["weight"] == 0 && shown["draining"] == true && shown["weight_by_hand"] == 0,
                "{shown}"
            );
            Ok(())
        })?;
        lab.client.enter(|| {
            for mode in Mode::IPV4 {
                ensure!(whose(&mut session, mode)? == server, "{}: another server answers", mode.name());
            }
            for number in 2..=4 {
                let mut other = Client::log_in(client_address(number), virtual_ftp())?;
                ensure!(whose(&mut other, Mode::Pasv)? != server, "a new session at the drained server");
                other.quit()?;
            }
            Ok(())
        })?;
        let told = director.root("cat /run/drained")?;
        ensure!(told.is_empty(), "it is told of as free with a session: {told}");
        lab.step("its session goes on, new ones go elsewhere");
        lab.client.enter(|| session.quit())?;
        eventually("drained", FORGOTTEN, || {
            let told = director.root("cat /run/drained")?;
            ensure!(told.contains("has none left"), "{told}");
            Ok(())
        })?;
        director.port.command(&format!("undrain ftp {address}"), ANSWER)?;
        let shown = weight(&mut director)?;
        ensure!(shown["weight"] == 1 && shown["draining"] == false, "{shown}");
        lab.step("free, and back");
        Ok(())
    });
}

/// By the kernel's account of what a process waited for (`cminflt` in proc_pid_stat(5)): a program
/// cannot start and end without a page fault.
#[test]
fn a_weight_is_set_and_saved_without_another_program() {
    scenario(|lab| {
        let mut director = serving(lab, 1000)?;
        // What belongs to the start is over once no more modules are taken.
        eventually("the end of the start", BOOT, || {
            let locked = director.root("cat /proc/sys/kernel/modules_disabled")?;
            ensure!(locked.trim() == "1", "modules are still taken");
            Ok(())
        })?;
        let (shown, faults) = faults_of_programs(&mut director, "mark21 show firewall")?;
        ensure!(shown.contains("packets") && faults > 0, "nft is not seen: {faults} faults, {shown}");
        let mut others = 0;
        for weight in 2..=WATCHED {
            let (told, faults) = faults_of_programs(
                &mut director,
                &format!(
                    "mark21 weight ftp 10.21.0.11 {weight}; mark21 weight ftp 10.21.0.12 {weight} --save"
                ),
            )?;
            ensure!(told.contains("until undrain") && told.contains("saved"), "{told}");
            others += usize::from(faults > 0);
        }
        // The whole look now and then asks nft, whatever is done meanwhile.
        ensure!(
            2 * others < usize::try_from(WATCHED)?,
            "a program was started beside {others} of {} changes",
            WATCHED - 1
        );
        let generation = director.status()?["configuration"]["generation"].clone();
        ensure!(generation == WATCHED, "generation {generation}");
        lab.step(&format!("a program was started beside {others} of {} pairs of changes", WATCHED - 1));
        Ok(())
    });
}

/// What `line` prints, and the page faults of the programs that mark21d started and that ended meanwhile.
fn faults_of_programs(director: &mut Director, line: &str) -> Result<(String, u64)> {
    const MARK: &str = "--- stat";
    let stat = format!("echo; echo '{MARK}'; cat /proc/$(pidof mark21d)/stat");
    let told = director.root(&format!("{stat}; {line}; {stat}"))?;
    let faults = |text: &str| -> Result<u64> {
        // The name, in brackets, may hold anything; the state behind it is the third field.
        let (_, fields) = text.rsplit_once(')').context("no stat")?;
        Ok(fields.split_whitespace().nth(11 - 3).context("no cminflt")?.parse()?)
    };
    let mut parts = told.split(MARK).skip(1);
    let (before, after) = (parts.next().context("no first stat")?, parts.next().context("no second stat")?);
    let (stat, shown) = before.trim_start().split_once('\n').context("no end of line")?;
    Ok((shown.to_owned(), faults(after)? - faults(stat)?))
}

#[test]
fn small_changes_in_a_row_disturb_no_transfer_and_leave_nothing_behind() {
    scenario(|lab| {
        let mut director = serving(lab, 50_000_000)?;
        let changes = times(WEIGHTS, WEIGHTS_IN_SOAK);
        // The first ones fill caches and buffers.
        toggle(&mut director, 20)?;
        let before = held(&mut director)?;
        let hurry = AtomicBool::new(false);
        let downloads = thread::scope(|scope| {
            let lab = &*lab;
            let downloads: Vec<_> = (1..)
                .zip([Mode::Pasv, Mode::Port])
                .map(|(number, mode)| {
                    let (from, hurry) = (client_address(number), &hurry);
                    scope.spawn(move || slow_download(lab, (from, virtual_ftp()), mode, hurry))
                })
                .collect();
            let toggled = toggle(&mut director, changes);
            hurry.store(true, Ordering::Relaxed);
            let ended =
                downloads.into_iter().map(|one| one.join().map_err(|_| anyhow!("a client panicked"))?);
            let ended: Result<Vec<_>> = ended.collect();
            toggled.and(ended)
        })?;
        for download in downloads {
            let (mode, stall) = (download.mode.name(), download.stall);
            lab.step(&format!("{mode}: {} bytes whole, longest stall {stall:.2?}", download.bytes));
        }
        let after = held(&mut director)?;
        lab.step(&format!("{changes} commits: {before:?}, then {after:?}"));
        ensure!(after.descriptors <= before.descriptors, "descriptors: {before:?}, then {after:?}");
        // An allocator's slack, not a leak: 200 bytes a change would be one.
        ensure!(after.kilobytes <= before.kilobytes + before.kilobytes / 10, "{before:?}, then {after:?}");
        let kept = director.root("ls /config/generations | wc -l")?;
        ensure!(kept.trim().parse::<u32>()? <= 32, "{kept} generations are kept");
        Ok(())
    });
}

/// A director with generation 1, and servers whose passive range it covers.
fn serving(lab: &mut Lab, length: usize) -> Result<Director> {
    let mut director = lab.boot(&Boot::with_file("single.toml")?)?;
    lab.start_ftp_servers(&Settings { length, passive_ports: SERVERS, ..Settings::default() })?;
    director.wait_serving()?;
    generation(&mut director, 1)?;
    lab.step("serving");
    Ok(director)
}

fn elsewhere() -> Result<String> {
    let boot = Boot::with_file("single.toml")?;
    let text = boot.configuration.unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("kind = \"ftp\"")).context("no FTP service")?;
    Ok(text.replace(&format!("{line}\n"), ELSEWHERE))
}

fn put(director: &mut Director, text: &str) -> Result {
    director.root(&format!("umask 022; cat > /run/new.toml << 'END'\n{text}\nEND")).map(drop)
}

fn restart(director: &mut Director) -> Result {
    director.reboot()?;
    director.agent.wait_ready(BOOT)?;
    director.wait_serving().map(drop)
}

/// This generation runs, and nothing waits for a confirmation.
fn generation(director: &mut Director, number: u32) -> Result {
    let status = director.status()?;
    let configuration = &status["configuration"];
    ensure!(configuration["generation"] == number, "not generation {number}: {configuration}");
    ensure!(configuration["unconfirmed"] == Value::Null, "{configuration}");
    ensure!(status["state"] == "serving", "{status:#}");
    Ok(())
}

/// What a change could have touched: the kernel's side and the disk's.
fn state(director: &mut Director) -> Result<String> {
    director.root(
        "nft -s list ruleset; ip -o address | sed 's/ *valid_lft.*//; s/ tentative//'; ip route; cat /proc/net/ip_vs; \
         lsmod | cut -d' ' -f1; cat /config/current /config/mark21.toml; ls /config/generations",
    )
}

/// So many commits of one weight, in a row.
fn toggle(director: &mut Director, times: u32) -> Result {
    const EACH: Duration = Duration::from_secs(3);
    let loop_ = format!(
        "i=0; while [ $i -lt {times} ]; do \
         mark21 weight ftp 10.21.0.11 $((1 + (i + 1) % 2)) --save > /run/said 2>&1 || exit 1; \
         i=$((i + 1)); done"
    );
    let said = director.agent.run(&loop_, EACH * times)?;
    ensure!(said.code == 0, "{}{}", said.text, director.root("cat /run/said")?);
    Ok(())
}

/// What mark21d holds of the box.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: u32,
    kilobytes: u32,
}

fn held(director: &mut Director) -> Result<Held> {
    let number = |text: String| Ok::<u32, anyhow::Error>(text.trim().parse()?);
    Ok(Held {
        descriptors: number(director.root("ls /proc/$(pidof mark21d)/fd | wc -l")?)?,
        kilobytes: number(
            director.root("sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$(pidof mark21d)/status")?,
        )?,
    })
}
