//! What a director answers to commands that it cannot carry out, to a program and to a person: the
//! reason, and what to do next. And what a person's hands do beside typing whole lines.

use std::time::Instant;

use anyhow::{Context, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::screen::Screen;
use mark21_lab::{Director, Result, eventually};
use serde_json::Value;

use crate::console::SCREEN;

/// Lines that are refused on a box alone, in its second generation and without a draft; what is said, and
/// what is to be done next.
const REFUSED: [(&str, &str, &str); 26] = [
    ("rollback 99", "there is no generation 99", "known are: 2, 1"),
    ("show configuration 99", "there is no generation 99", "known are: 2, 1"),
    ("compare 98 99", "there is no generation 98", "known are: 2, 1"),
    ("rollback", "nothing waits for a confirmation", "generations lists them"),
    ("confirm", "nothing waits for a confirmation", "commit --confirm 5m"),
    ("resign nosuch", "this box has no virtual router", "setup makes one"),
    ("weight nosuch 10.21.0.11 1", "there is no service \"nosuch\"", "known are: ftp"),
    ("weight ftp 10.21.0.13 1", "there is no server 10.21.0.13 in service \"ftp\"", "known are: 10.21.0.11"),
    ("weight ftp 10.21.0.13 1 --save", "there is no server 10.21.0.13", "known are: 10.21.0.11"),
    ("drain web 10.21.0.11", "there is no service \"web\"", "known are: ftp"),
    ("drain ftp nowhere", "\"nowhere\" is no address of a real server", "as in 10.0.0.11"),
    ("undrain ftp 10.21.0.13", "there is no server 10.21.0.13", "known are: 10.21.0.11"),
    ("undrain ftp 10.21.0.13 --save", "there is no server 10.21.0.13", "known are: 10.21.0.11"),
    ("capture nosuch", "there is no interface \"nosuch\"", "known are: outside, inside, eth0, eth1"),
    ("show server-config web", "there is no service \"web\"", "known are: ftp"),
    ("show server-config ftp nginx", "no settings are known for \"nginx\"", "known are: proftpd"),
    ("install sdz", "sdz: there is no such disk", "install lists the disks"),
    ("commit", "there is no draft", "set, edit, load or setup begin one"),
    ("compare", "there is no draft", "set, edit, load or setup begin one"),
    ("show configuration draft", "there is no draft", "set, edit, load or setup begin one"),
    ("commit /run/nothing", "/run/nothing: No such file", "name a file of this box"),
    ("plan /run/broken.toml", "/run/broken.toml is refused", "mend it and try once more"),
    ("commit /run/broken.toml", "/run/broken.toml is refused", "mend it and try once more"),
    ("reboot", "Nobody is there to say", "add --yes"),
    ("shell", "on the serial line alone", "first serial port"),
    ("load", "the line with BEGIN is missing", "mark21 backup"),
];

/// Every `show`.
const SHOWS: [&str; 7] = [
    "interfaces",
    "services",
    "virtual-routers",
    "version",
    "configuration",
    "firewall",
    "server-config ftp",
];

/// The machine port: each refusal has both halves, and each `show` a document.
pub(crate) fn to_a_program(director: &mut Director) -> Result {
    director.write("/run/broken.toml", "schema = 1\n[system]\nhostname = \"a b\"\n")?;
    for (line, message, hint) in REFUSED {
        // `load` reads on behind its own line.
        let answer = director.port.ask(if line == "load" { "load\nschema = 1" } else { line }, ANSWER)?;
        let part = |name: &str| answer["error"][name].as_str().unwrap_or_default();
        ensure!(answer["ok"] == false && part("message").contains(message), "{line}: {answer:#}");
        ensure!(part("hint").contains(hint), "{line}: {answer:#}");
    }
    for what in SHOWS {
        let shown = director.port.command(&format!("show {what}"), ANSWER)?;
        ensure!(shown.as_object().is_some_and(|shown| !shown.is_empty()), "show {what}: {shown:#}");
        let printed = director.root(&format!("mark21 show {what} --json"))?;
        let printed: Value = serde_json::from_str(&printed).with_context(|| printed.clone())?;
        ensure!(printed["ok"] == true && printed["result"].is_object(), "show {what} --json: {printed:#}");
    }
    Ok(())
}

/// A file that knows nothing of the password leaves the box the one that it has.
pub(crate) fn password_stays(director: &mut Director, plain: &str) -> Result {
    ensure!(!plain.contains("password"), "{plain}");
    director.write("/run/plain.toml", &format!("# Without a password.\n{plain}"))?;
    let hash = |director: &mut Director| -> Result<String> {
        let text = director.port.command("show configuration", ANSWER)?["text"].to_string();
        let (_, hash) = text.split_once("password = ").with_context(|| text.clone())?;
        Ok(hash.split("\\n").next().unwrap_or_default().to_owned())
    };
    let before = hash(director)?;
    let committed = director.root("mark21 commit /run/plain.toml")?;
    let kept = "generation 3 runs and stays\nthe password stays as it is";
    ensure!(committed.contains(kept), "{committed}");
    ensure!(hash(director)? == before, "it is another one now");
    let text = director.port.command("show configuration", ANSWER)?["text"].to_string();
    ensure!(text.contains("Without a password."), "{text}");
    // The first generation is taken as it was, and that is told.
    let told = director.root("mark21 rollback 1")?;
    ensure!(told.contains("it has no password: the next login asks"), "{told}");
    director.root("mark21 rollback 3")?;
    ensure!(hash(director)? == before, "it is another one now");
    Ok(())
}

/// The tab key, the line before, letters typed ahead, the editor, and a terminal of another size.
pub(crate) fn to_hands(screen: &Screen) -> Result {
    screen.fresh()?;
    screen.letters("show firew")?;
    screen.press(&["Tab", "Enter"])?;
    screen.wait("chain")?;
    screen.fresh()?;
    screen.press(&["Up"])?;
    screen.wait_last("> show firewall")?;
    screen.fresh()?;
    // What is typed while a command runs stands behind the next prompt, and nowhere else.
    screen.line("ping 10.21.0.11 -c 3")?;
    screen.wait("  1  ")?;
    screen.letters("verify")?;
    screen.wait("of 3 answered")?;
    screen.wait_last("> verify")?;
    let shown = screen.text()?;
    ensure!(shown.matches("verify").count() == 1, "{shown}");
    screen.fresh()?;
    screen.line("edit")?;
    screen.wait("Ctrl-X save")?;
    screen.letters("# By hand.")?;
    screen.press(&["Enter", "C-x"])?;
    screen.wait("lines are the draft now")?;
    screen.command("compare", "+# By hand.")?;
    screen.command("set system hostname other", "+ hostname = \"other\"")?;
    screen.command("show configuration draft", "# By hand.")?;
    screen.command("discard", "the draft is forgotten")?;
    screen.line("top")?;
    for (columns, rows) in [(100, 30), (80, 24)] {
        screen.wait(" B/s")?;
        screen.resize(columns, rows)?;
        screen.letters("l")?;
        eventually("the dashboard on all of the screen", SCREEN, || {
            let shown = screen.text()?;
            let last = shown.lines().nth(usize::from(rows) - 1).unwrap_or_default();
            let is_whole = last.ends_with(" B/s") && last.chars().count() == usize::from(columns);
            ensure!(is_whole, "not {columns} by {rows}:\n{shown}");
            Ok(())
        })?;
    }
    screen.letters("q")?;
    screen.fresh()
}

/// Three wrong passwords, and the line is left alone for a while.
pub(crate) fn bounded_tries(screen: &Screen) -> Result {
    screen.wait_last("Password of admin:")?;
    (0..3).try_for_each(|_| screen.line("wrong horse"))?;
    let shown = screen.wait("error: 3 wrong passwords")?;
    ensure!(shown.contains("takes Rescue from the boot menu"), "{shown}");
    let begun = Instant::now();
    screen.wait_last("Password of admin:")?;
    // It waits 30 s by its own clock, which a busy host may let run behind but never before.
    ensure!(begun.elapsed().as_secs() > 20, "it asks again after {:?}", begun.elapsed());
    Ok(())
}

/// A box from the factory lets no program in, and its lines on the console are no errors.
pub(crate) fn shut_before_the_first_password(director: &mut Director) -> Result {
    let said = director.root("printf 'status\\nlogin anything\\n' | mark21 login --machine-port")?;
    ensure!(said.contains("the port is locked") && said.contains("this box has no password yet"), "{said}");
    let seen = director.console_log();
    ensure!(
        seen.contains("mark21d: configuration: there is none yet; setup on the console writes one"),
        "{seen}"
    );
    ensure!(!seen.contains("error"), "{seen}");
    let is_narrow = |line: &str| line.trim_end().chars().count() <= 80;
    ensure!(seen.lines().filter(|line| line.starts_with("mark21d: ")).all(is_narrow), "{seen}");
    Ok(())
}

/// Everything is forgotten by whoever types yes, and the box asks for its first password.
pub(crate) fn factory_reset(screen: &Screen) -> Result {
    screen.fresh()?;
    screen.line("factory-reset")?;
    screen.wait("This forgets every configuration and password. Type yes:")?;
    screen.line("yes")?;
    screen.wait("the box starts anew, with nothing")?;
    screen.wait_for("This box has no password yet.", BOOT).map(drop)
}
