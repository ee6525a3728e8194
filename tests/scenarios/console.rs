//! The human console on the serial line, driven as a person would: keys in, a screen out.
//!
//! What the first ride shows is docs/session.md; `UPDATE=1` writes it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::ftp::{Client, Mode};
use mark21_lab::screen::Screen;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, scenario};
use sha2::{Digest, Sha256};

use crate::answers;
use crate::session::{Page, is_of_the_log};

/// The lab's own program, which joins a terminal and a socket.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lab");
/// One answer of the console under emulation; a commit proves the kernel.
pub(crate) const SCREEN: Duration = Duration::from_secs(90);
/// A quarter of a mebibyte at 115200 baud takes 23 s, and the same again where the host is busy.
const PASTE: Duration = Duration::from_secs(240);
const PASSWORD: &str = "correct horse";

#[test]
fn a_person_brings_a_factory_box_into_service() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_nothing())?;
        let screen = Screen::attach(&director, Path::new(PROGRAM), SCREEN)?;
        let mut page = Page::new();
        first_login(&screen)?;
        lab.step("the first password");
        lab.start_ftp_servers(&Settings::default())?;
        into_service(lab, &screen, &mut page)?;
        lab.step("in service");
        mistakes(&screen, &mut page)?;
        let sessions = two_sessions(lab)?;
        watch(lab, &screen, &mut page)?;
        drain(&screen, &mut page)?;
        lab.client.enter(|| sessions.into_iter().try_for_each(Client::quit))?;
        lab.step("watched and drained");
        unconfirmed(lab, &mut director, &screen, &mut page)?;
        lab.step("went back when the line dropped");
        works(lab, 1)?;
        page.compare()
    });
}

#[test]
fn nothing_that_comes_down_the_line_takes_the_console_away() {
    scenario(|lab| {
        let boot = Boot::with_file("single.toml")?;
        let mut director = lab.boot(&boot)?;
        lab.start_ftp_servers(&Settings::default())?;
        let screen = Screen::attach(&director, Path::new(PROGRAM), SCREEN)?;
        screen.first_password("This box has no password yet.", PASSWORD)?;
        director.wait_serving()?;
        // init starts mark21d anew while a line is half typed, and the keys still get through.
        screen.letters("stauts")?;
        director.root("kill -9 $(pidof mark21d)")?;
        director.wait_serving()?;
        screen.press(&["Enter"])?;
        screen.wait("similar: status, setup")?;
        screen.command("status", "serving")?;
        lab.step("the prompt outlives mark21d");
        nonsense(&screen)?;
        answers::to_hands(&screen)?;
        answers::to_a_program(&mut director)?;
        lab.step("whatever is refused says what to do next");
        interrupts(&screen, lab)?;
        lab.step("Ctrl-C ends a command and nothing else");
        dropped(&screen)?;
        lab.step("a line that drops in the middle");
        answers::password_stays(&mut director, boot.configuration.as_deref().unwrap_or_default())?;
        nobody_is_root(&mut director)?;
        log_in_again(&screen)
    });
}

#[test]
fn a_paste_is_taken_whole_or_not_at_all() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_nothing())?;
        let screen = Screen::attach(&director, Path::new(PROGRAM), SCREEN)?;
        screen.wait_for("New password:", BOOT)?;
        answers::shut_before_the_first_password(&mut director)?;
        first_login(&screen)?;
        let text = format!(
            "schema = 1\n{}",
            "# a comment of a long configuration, of 64 bytes with its end\n".repeat(4200)
        );
        let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        let paste = |digest: &str, answer: &str| -> Result {
            let file = lab.directory.join("paste");
            let end = format!("-----END MARK21 CONFIGURATION sha256={digest}-----\n");
            fs::write(&file, format!("-----BEGIN MARK21 CONFIGURATION-----\n{text}{end}"))?;
            screen.fresh()?;
            screen.line("load")?;
            screen.wait("Ctrl-C gives up")?;
            screen.paste(&file)?;
            screen.wait_for(answer, PASTE)?;
            Ok(())
        };
        paste(&digest.replace(['0', '1'], "f"), "bytes were lost on the line")?;
        lab.step("a wrong digest");
        screen.command("show configuration draft", "there is no draft")?;
        paste(&digest, "4201 lines are the draft now")?;
        lab.step("a right one");
        screen.command("discard", "the draft is forgotten")?;
        answers::factory_reset(&screen)
    });
}

fn first_login(screen: &Screen) -> Result {
    screen.wait_for("New password:", BOOT)?;
    screen.line("short")?;
    screen.wait("it needs 8 characters")?;
    for (first, again, answer) in [
        (PASSWORD, "correct house", "they are not the same"),
        (PASSWORD, PASSWORD, "It is kept as generation 1."),
    ] {
        screen.wait_last("New password:")?;
        screen.line(first)?;
        screen.wait_last("Once more:")?;
        screen.line(again)?;
        screen.wait(answer)?;
    }
    screen.wait_last(">")
}

fn setup(screen: &Screen) -> Result {
    screen.line("setup")?;
    screen.answer(&[
        ("Alone, or the first", ""),
        ("host name", ""),
        ("port to the clients", ""),
        ("own address there", "198.51.100.2"),
        ("own address there", "198.51.100.2/24"),
        ("gateway to everywhere", ""),
        ("virtual address", "198.51.100.21"),
        ("port to the real servers", ""),
        ("own address there", "10.21.0.1/24"),
        ("real servers' addresses", "10.21.0.11 10.21.0.12"),
        ("announce the virtual address", ""),
    ])?;
    screen.wait("commit --confirm 5m, try it, and confirm")?;
    screen.wait("the prefix length is missing")?;
    screen.wait_last(">")
}

/// From `setup` to the confirmation.
fn into_service(lab: &Lab, screen: &Screen, page: &mut Page) -> Result {
    setup(screen)?;
    screen.say("compare", "+addresses = [\"10.21.0.11\"]")?;
    screen.say("check", "draft: good")?;
    screen.say("commit --confirm 5m --comment setup", "type confirm within 5m")?;
    let tried = screen.history()?;
    let tried: Vec<&str> = tried.lines().collect();
    works(lab, 1)?;
    screen.say("confirm", "stays")?;
    screen.say("show services", "10.21.0.12")?;
    screen.say("verify", "the kernel holds it")?;
    screen.say("generations", "* the box starts with it")?;
    let all = screen.history()?;
    ensure!(!all.contains(PASSWORD), "the password was on the screen");
    let all: Vec<&str> = all.lines().collect();
    let (_, is_begun) = tried.split_last().context("the screen is empty")?;
    let (before, after) = all.split_at_checked(is_begun.len()).context("the terminal forgets")?;
    let begin = before.iter().position(|line| line.starts_with("Mark21.")).context("nobody greeted")?;
    page.chapter(
        "From the factory into service",
        "Switched on, and the cable plugged in:",
        &before.get(begin..).unwrap_or_default().join("\n"),
    );
    page.then(
        "A client logs in at 198.51.100.21 and gets files by PASV, EPSV, PORT and EPRT. So:",
        &without_last(&after.join("\n")),
    );
    Ok(())
}

/// The screen without the prompt below.
fn without_last(text: &str) -> String {
    text.trim_end().rsplit_once('\n').map_or(String::new(), |(above, _)| above.to_owned())
}

fn mistakes(screen: &Screen, page: &mut Page) -> Result {
    screen.fresh()?;
    screen.say("stauts", "similar: status, setup")?;
    screen.say("set service ftp scheduler fastest", "allowed: ")?;
    screen.say("drain ftp 10.21.0.13", "known are: 10.21.0.11")?;
    screen.say("conf t", "there is no mode to enter")?;
    page.chapter(
        "What goes wrong says what to do",
        "A slip, a wrong value, a server that is not there, a word of another box:",
        &without_last(&screen.text()?),
    );
    let help = screen.help("commit ", "--at-reboot")?;
    page.then("The key `?` helps at any place. Behind `commit`:", &help);
    let help = screen.help("set service ftp passive ", "<value>")?;
    page.then("And behind `set service ftp passive`:", &help);
    Ok(())
}

/// Wrong commands, wrong values, half a line, and noise: each costs its line and nothing else.
fn nonsense(screen: &Screen) -> Result {
    let wrong = [
        ("log --lines many", "invalid value 'many'"),
        ("set servce ftp", "there is no \"servce\" in the file"),
        ("weight ftp 10.21.0.11 70000", "70000 is not in 0..=65535"),
        ("show server-config web", "there is no service \"web\""),
        ("confirm", "nothing waits for a confirmation"),
        ("rollback 99", "known are: "),
        ("show configuration 99", "known are: "),
        ("delete service web", "there is no service web"),
        ("load /tmp/nothing", "/tmp/nothing"),
        ("show show", "known are: interfaces"),
        ("set service scheduler rr", "which service is missing"),
        ("delete service web", "known are: ftp"),
        ("\"", "a quote is not closed"),
    ];
    for (line, answer) in wrong {
        screen.command(line, answer)?;
    }
    screen.command("sh services | include 0.12", "10.21.0.12")?;
    screen.command("ping 10.21.0.11 -c 1", "10.21.0.11: 1 of 1 answered")?;
    screen.fresh()?;
    screen.letters("half a li")?;
    screen.press(&["C-c"])?;
    screen.bytes(b"\xff\xfe\x00\x80\x1b[99;99x\x9b\xc3")?;
    screen.command("status", "firmware")?;
    // A baud rate that is wrong for a while: every byte there is, but for the ends of lines, the
    // end of the input, what stops a terminal, and what leaves the lab's own.
    let noise: Vec<u8> = (0..=255).filter(|byte| !b"\r\n\x04\x11\x13\x1a\x1c\x1d".contains(byte)).collect();
    for part in noise.chunks(32) {
        screen.bytes(part)?;
    }
    screen.press(&["C-c"])?;
    screen.command("status", "firmware")?;
    screen.fresh()?;
    screen.letters("?")?;
    screen.wait("-- more")?;
    screen.letters(" ")?;
    screen.wait("factory-reset")?;
    screen.fresh()
}

/// Ctrl-C ends each command that waits, for the box or for a person, and the console stays.
/// `traceroute` and `capture` are in `hands`.
fn interrupts(screen: &Screen, lab: &Lab) -> Result {
    let session = lab.client.enter(|| Client::log_in(client_address(1), virtual_ftp()))?;
    let cases = [
        ("ping 198.51.100.250 -c 100", "no answer", "198.51.100.250: 0 of "),
        ("setup", "Alone, or the first", "given up; the draft is as it was"),
        ("password", "New password:", "given up; the password is as it was"),
        ("load", "Ctrl-C gives up", "given up; the draft is as it was"),
        ("restore", "Ctrl-C gives up", "given up; the draft is as it was"),
        ("reboot", "Type yes:", "nothing was done"),
        ("factory-reset", "Type yes:", "nothing was done"),
        ("edit", "Ctrl-X save", "nothing has changed"),
        ("top", " B/s", ""),
        ("show configuration", "-- more", ""),
    ];
    for (line, waits, answer) in cases {
        screen.fresh()?;
        screen.line(line)?;
        screen.wait(waits)?;
        screen.press(&["C-c"])?;
        screen.wait(answer)?;
        screen.wait_last(">")?;
    }
    // One of the two has the session, and waits for its end.
    for server in ["10.21.0.11", "10.21.0.12"] {
        screen.fresh()?;
        screen.line(&format!("drain ftp {server} --wait"))?;
        let ended = "has none left";
        let waits = eventually("a drain that waits or ends", SCREEN, || {
            let shown = screen.text()?;
            let is_over = shown.lines().last().is_some_and(|last| last.ends_with('>'));
            ensure!(!is_over || shown.contains(ended), "the screen is\n{shown}");
            Ok(!shown.contains(ended))
        })?;
        if waits {
            screen.press(&["C-c"])?;
        }
        screen.wait(if waits { "interrupted" } else { ended })?;
        screen.command(&format!("undrain ftp {server}"), "takes new sessions again")?;
    }
    lab.client.enter(|| session.quit())
}

/// The plug is pulled in the middle of a line, of a page, of a paste and of the dashboard. What was
/// begun is there when it comes back, or ends by itself; the console goes on.
fn dropped(screen: &Screen) -> Result {
    // What was typed, what is seen then; the key that is pressed afterwards, and what it shows.
    let cases = [
        ("half a li", "half a li", "C-l", "> half a li"),
        ("show configuration\r", "-- more", "q", ">"),
        ("top\r", " B/s", "l", " B/s"),
        ("load\r", "Ctrl-C gives up", "x", "the paste has stopped before its end"),
    ];
    for (typed, waits, key, comes) in cases {
        screen.fresh()?;
        screen.letters(typed)?;
        screen.wait(waits)?;
        screen.pull()?;
        screen.plug_in()?;
        screen.press(&[key])?;
        screen.wait(comes)?;
        if typed.starts_with("top") {
            screen.letters("q")?;
        }
    }
    screen.command("status", "firmware").map(drop)
}

/// The console has given everything up, and the machine port of a released image opens with the
/// password alone.
fn nobody_is_root(director: &mut Director) -> Result {
    let shown = director.root(
        "for p in $(pidof mark21); do case \"$(tr '\\0' ' ' < /proc/$p/cmdline)\" in \"mark21 console\"*) \
         grep -E '^(Uid|Gid|Groups|CapPrm|CapEff|NoNewPrivs):' /proc/$p/status ;; esac; done",
    )?;
    let given_up = ["Uid:\t1000\t1000\t1000\t1000", "Gid:\t1000\t1000\t1000\t1000", "NoNewPrivs:\t1"];
    ensure!(given_up.iter().all(|line| shown.contains(line)), "{shown}");
    ensure!(shown.matches("0000000000000000").count() == 2, "{shown}");
    ensure!(shown.lines().any(|line| line.trim_end() == "Groups:"), "{shown}");
    let said = director.root(&format!(
        "printf 'status\\nlogin wrong\\nlogin {PASSWORD}\\nstatus\\n' | mark21 login --machine-port"
    ))?;
    let said: Vec<&str> = said.lines().collect();
    let wanted = ["the port is locked", "the password is wrong", "\"ready\":true", "\"state\":\"serving\""];
    let holds = said.len() == wanted.len() && said.iter().zip(wanted).all(|(line, part)| line.contains(part));
    ensure!(holds, "{said:#?}");
    Ok(())
}

fn log_in_again(screen: &Screen) -> Result {
    screen.fresh()?;
    screen.line("exit")?;
    answers::bounded_tries(screen)?;
    screen.line(PASSWORD)?;
    screen.wait("Type a command")?;
    screen.command("log", "a wrong password on the console").map(drop)
}

/// A change that nobody confirms goes back by itself, and the draft is there for the next try.
fn unconfirmed(lab: &Lab, director: &mut Director, screen: &Screen, page: &mut Page) -> Result {
    let before = director.port.command("status", ANSWER)?["configuration"]["generation"].clone();
    screen.fresh()?;
    screen.say("set service ftp real_server 10.21.0.11 weight 7", "+ weight = 7")?;
    screen.say("commit --confirm 10s", "type confirm within 10s")?;
    page.chapter(
        "A line that drops",
        "A change that cuts the operator off, or that nobody confirms for another reason:",
        &screen.text()?,
    );
    screen.pull()?;
    eventually("the generation before", SCREEN, || {
        let status = director.port.command("status", ANSWER)?;
        let configuration = &status["configuration"];
        ensure!(configuration["generation"] == before, "{configuration}");
        ensure!(configuration["unconfirmed"].is_null(), "{configuration}");
        Ok(())
    })?;
    // mark21d tells of it on the line as well, where nobody listens now.
    let line = lab.directory.join("dir-a-console.log");
    eventually("the word on the line", SCREEN, || {
        let said = String::from_utf8_lossy(&fs::read(&line)?).contains("back from generation 3");
        ensure!(said, "nothing is said of it");
        Ok(())
    })?;
    screen.plug_in()?;
    screen.fresh()?;
    screen.say("log | include back from", "nobody confirmed it in time")?;
    screen.say("compare", "+weight = 7")?;
    screen.say("discard", "the draft is forgotten")?;
    let words = "The plug was pulled here. A minute later, plugged in again, the box runs what it ran \
                 before, and the draft is still there:";
    page.then(words, &without_last(&screen.text()?));
    Ok(())
}

/// Sessions that stay, one on each server.
fn two_sessions(lab: &Lab) -> Result<Vec<Client>> {
    lab.client.enter(|| {
        let mut sessions = Vec::new();
        let mut servers = BTreeSet::new();
        for number in 1..=4 {
            let mut session = Client::log_in(client_address(number), virtual_ftp())?;
            servers.insert(session.read_text(Mode::Epsv, "whoami.txt")?);
            sessions.push(session);
        }
        ensure!(servers.len() == 2, "four clients are all with {servers:?}");
        Ok(sessions)
    })
}

fn drain(screen: &Screen, page: &mut Page) -> Result {
    screen.fresh()?;
    screen.say("drain ftp 10.21.0.12", "gets no new sessions; ")?;
    screen.say("show services", "draining")?;
    screen.say("undrain ftp 10.21.0.12", "takes new sessions again")?;
    page.chapter(
        "A server goes for repair",
        "It gets no new sessions; those that it has go on. `drain --wait` waits for their end.",
        &without_last(&screen.text()?),
    );
    Ok(())
}

/// The dashboard at rest and while transfers run, and a server drained from it.
fn watch(lab: &Lab, screen: &Screen, page: &mut Page) -> Result {
    screen.fresh()?;
    screen.line("top")?;
    let at_rest = settled_rate(screen)?;
    let is_over = AtomicBool::new(false);
    let (under_load, shown) = thread::scope(|scope| -> Result<(u64, String)> {
        let transfers = scope.spawn(|| -> Result {
            let mut numbers = (1..=4).cycle();
            while !is_over.load(Ordering::Relaxed) {
                works(lab, numbers.next().unwrap_or(1))?;
            }
            Ok(())
        });
        let seen = settled_rate(screen).and_then(|rate| Ok((rate, screen.text()?)));
        is_over.store(true, Ordering::Relaxed);
        transfers.join().map_err(|_| anyhow::anyhow!("the transfers panicked"))??;
        seen
    })?;
    for (when, rate) in [("at rest", at_rest), ("under load", under_load)] {
        println!("top {when}: {rate} bytes a second, {} of 1000 that the line takes", rate * 1000 / 11520);
    }
    page.chapter(
        "The dashboard",
        "`top`, while clients transfer files. Behind each server come bars for the last 20 seconds, and below \
         the last lines of the log; both are left out here:",
        &shown.lines().filter(|line| !is_of_the_log(line)).collect::<Vec<_>>().join("\n"),
    );
    screen.letters("d")?;
    screen.wait("gets no new sessions")?;
    screen.letters("u")?;
    screen.wait("takes new sessions again")?;
    screen.letters("q")?;
    screen.command("status", "firmware").map(drop)
}

/// Bytes a second as the dashboard's last line tells them, once the first drawing is past.
fn settled_rate(screen: &Screen) -> Result<u64> {
    let mut rates = Vec::new();
    eventually("bytes a second of the dashboard", SCREEN, || {
        let text = screen.text()?;
        let last = text.lines().last().unwrap_or_default();
        let rate =
            last.strip_suffix(" B/s").and_then(|line| line.split_whitespace().last()?.parse::<u64>().ok());
        rates.push(rate.with_context(|| format!("the screen is\n{text}"))?);
        ensure!(rates.len() > 60, "{rates:?}");
        Ok(())
    })?;
    rates.sort_unstable();
    rates.get(rates.len() / 2).copied().context("there are some")
}

/// A session of one of the clients, in every mode.
fn works(lab: &Lab, number: u8) -> Result {
    lab.client.enter(|| {
        let mut session = Client::log_in(client_address(number), virtual_ftp())?;
        for mode in Mode::IPV4 {
            let name = session.read_text(mode, "whoami.txt")?;
            ensure!(name.starts_with("rs"), "{}: {name}", mode.name());
        }
        session.quit()
    })
}
