//! The way in from outside: who is let in, what a session can do, and `busctl --host`.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::ftp::connect_within;
use mark21_lab::namespace::Namespace;
use mark21_lab::process::{Finished, run};
use mark21_lab::scenario::{lab_root, tests_directory};
use mark21_lab::topology::{VIRTUAL, client_address};
use mark21_lab::transfers::passive_works;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, patient, scenario};
use serde_json::Value;

/// The director's own addresses on the inside, where the engineer sits.
const DIRECTOR: &str = "10.21.0.1";
const DIRECTOR6: &str = "fd21::1";
/// The engineer's laptop is `rs1`.
const LAPTOP: &str = "10.21.0.11";
/// On the same wire, but not in what is allowed.
const STRANGER: &str = "10.21.0.50";
/// For ssh: with the key that is let in at the start, and with the other one.
const OPTIONS: &str = "/tmp/options";
const OTHERS: &str = "/tmp/others";
/// Longer than a refusal takes, shorter than a second SYN after the first.
const SILENCE: Duration = Duration::from_millis(1500);
/// A login in software emulation.
const LOGIN: Duration = Duration::from_secs(60);

/// `single.toml` with a way in for the holders of these keys.
fn configuration(keys: &[&str]) -> Result<String> {
    let text = Boot::with_file("single.toml")?.configuration.unwrap_or_default();
    let keys: Vec<String> = keys.iter().map(|key| format!("{:?}", key.trim())).collect();
    let more = format!(
        r#"
[management]
interface = "inside"
allow = ["{LAPTOP}/32", "fd21::11/128"]
authorized_keys = [{}]
"#,
        keys.join(", ")
    );
    Ok(text + &more)
}

/// What the engineer has: keys, and a configuration for ssh in the lab's /tmp.
struct Laptop<'a> {
    host: &'a Namespace,
}

impl<'a> Laptop<'a> {
    fn new(lab: &'a Lab) -> Result<Self> {
        let host = lab.real_server(1)?;
        host.ip(&format!("address add {STRANGER}/24 dev eth0"))?;
        for name in ["key", "other"] {
            let mut command = host.lab_command("/usr/bin/ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &format!("/tmp/{name}")]);
            run(command, LOGIN)?.success()?;
        }
        let options = "BatchMode yes\nIdentitiesOnly yes\nIdentityFile /tmp/key\nUserKnownHostsFile /tmp/known\n\
                       GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nConnectTimeout 20\n";
        fs::write(lab_root().join("tmp/options"), options)?;
        fs::write(lab_root().join("tmp/others"), options.replace("/tmp/key", "/tmp/other"))?;
        // busctl runs the ssh that it finds.
        fs::create_dir(lab_root().join("tmp/bin"))?;
        let ssh = lab_root().join("tmp/bin/ssh");
        fs::write(&ssh, "#!/bin/sh\nexec /usr/bin/ssh -F /tmp/options \"$@\"\n")?;
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755))?;
        Ok(Self { host })
    }

    /// The public part of `key` or `other`.
    fn key(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(lab_root().join(format!("tmp/{name}.pub")))?)
    }

    /// Trusts this host key and no other.
    fn trust(&self, host_key: &str) -> Result {
        let text = format!("{DIRECTOR} {host_key}\n{DIRECTOR6} {host_key}\n");
        fs::write(lab_root().join("tmp/known"), text).context("known hosts")
    }

    fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.host.lab_command("/bin/env");
        command.args(["PATH=/tmp/bin:/usr/bin:/bin", program]).args(arguments);
        command
    }

    fn ssh(&self, arguments: &[&str]) -> Result<Finished> {
        run(self.program("/tmp/bin/ssh", arguments), LOGIN)
    }
}

fn boot(lab: &Lab, laptop: &Laptop<'_>) -> Result<Director> {
    boot_with(lab, laptop, &configuration(&[&laptop.key("key")?])?)
}

fn boot_with(lab: &Lab, laptop: &Laptop<'_>, text: &str) -> Result<Director> {
    let mut director = lab.boot(&Boot::with_text(text))?;
    director.wait_serving()?;
    let management = listening(&mut director)?;
    laptop.trust(management["host_key"].as_str().unwrap_or_default())?;
    lab.step(&format!("listening: {management}"));
    eventually("the bus", BOOT, || {
        ensure!(director.status()?["bus"] == true, "it is not on the bus");
        Ok(())
    })?;
    Ok(director)
}

/// Waits until ssh listens on both addresses; tells what status says of it.
fn listening(director: &mut Director) -> Result<Value> {
    eventually("ssh on both addresses", BOOT, || {
        let management = director.status()?["management"].clone();
        let listens = management["listens"].to_string();
        ensure!(listens == format!("[\"{DIRECTOR}:22\",\"[{DIRECTOR6}]:22\"]"), "{management}");
        Ok(management)
    })
}

#[test]
fn an_engineer_with_a_key_gets_the_console_and_the_bus() {
    scenario(|lab| {
        let laptop = Laptop::new(lab)?;
        let mut director = boot(lab, &laptop)?;
        for host in [DIRECTOR, DIRECTOR6] {
            let status = laptop.ssh(&[&format!("admin@{host}"), "status", "--json"])?.success()?.text();
            let status: Value = serde_json::from_str(&status).with_context(|| status.clone())?;
            ensure!(status["result"]["state"] == "serving", "{status}");
        }
        lab.step("one command over ssh");

        let mut session = Session::start(&laptop, OPTIONS)?;
        session.ask("verify", "the kernel holds it")?;
        let sessions = &director.status()?["management"]["sessions"];
        ensure!(*sessions == 1, "sessions: {sessions}");
        let users = director.root(
            "for p in $(pidof mark21); do cat /proc/$p/cmdline | tr '\\0' ' '; stat -c ' %u' /proc/$p; done",
        )?;
        ensure!(users.lines().any(|line| line.contains("ssh-session") && line.ends_with(" 1000")), "{users}");
        lab.step("the console over ssh, as admin");
        let before = director.root("cat /proc/$(pidof mark21d)/stat")?;
        director.root("kill -9 $(pidof mark21d)")?;
        listening(&mut director)?;
        ensure!(director.root("cat /proc/$(pidof mark21d)/stat")? != before, "mark21d was not killed");
        session.ask("verify", "the kernel holds it")?;
        drop(session);
        lab.step("a session outlives mark21d");

        let host = format!("admin@{DIRECTOR}");
        let busctl = |arguments: &[&str]| -> Result<String> {
            let command = laptop.program("/usr/bin/busctl", &[&["--host", &host], arguments].concat());
            Ok(run(command, LOGIN)?.success()?.text())
        };
        let tree = busctl(&["tree", "org.mark21.Director1"])?;
        ensure!(tree.contains("/org/mark21/Director1"), "{tree}");
        let call = ["call", "org.mark21.Director1", "/org/mark21/Director1", "org.mark21.Director1"];
        let log = busctl(&[&call[..], &["Log", "u", "1000"]].concat())?;
        ensure!(log.contains("Pubkey auth succeeded"), "no login is told of: {log}");
        let refused = busctl(&[&call[..], &["Resign", "s", "nobody"]].concat());
        let text = format!("{:#}", refused.err().context("there is no virtual router to resign")?);
        ensure!(!text.contains("ccess denied"), "an administrator is refused: {text}");
        lab.step("busctl from the laptop");

        director.reboot()?;
        director.agent.wait_ready(BOOT)?;
        director.wait_serving()?;
        listening(&mut director)?;
        laptop.ssh(&[&host, "verify"])?.success()?;
        lab.step("the host key is the same after a reboot");
        let files = director.root("ls -lR /config/ssh; mount | grep /config")?;
        ensure!(files.contains("host_ed25519") && files.contains("(ro,"), "{files}");
        Ok(())
    });
}

#[test]
fn nobody_else_gets_in_and_a_session_gets_nowhere_else() {
    scenario(|lab| {
        let laptop = Laptop::new(lab)?;
        let mut director = boot(lab, &laptop)?;
        let here: SocketAddr = (DIRECTOR.parse::<IpAddr>()?, 22).into();
        let from = |host: &Namespace, from: IpAddr, to: SocketAddr| {
            host.enter(|| Ok(connect_within(from, to, SILENCE)))
        };
        // One that is let in, so that silence says something.
        from(laptop.host, LAPTOP.parse()?, here)??;
        let cases = [
            ("an address that is not allowed", laptop.host, STRANGER.parse()?, here),
            ("another host", lab.real_server(2)?, "10.21.0.12".parse()?, here),
            ("the outside, to the management address", &lab.client, client_address(1), here),
            ("the outside", &lab.client, client_address(1), "198.51.100.2:22".parse()?),
            ("the outside, to the virtual address", &lab.client, client_address(1), (VIRTUAL, 22).into()),
        ];
        for (case, host, source, to) in cases {
            match from(host, source, to)? {
                Ok(_) => anyhow::bail!("{case}: {to} answers"),
                Err(error) => {
                    let kind = error.root_cause().downcast_ref::<std::io::Error>().map(std::io::Error::kind);
                    ensure!(kind == Some(ErrorKind::TimedOut), "{case}: {error:#}, not silence");
                }
            }
        }
        let sockets = director.root("netstat -ltn")?;
        let listeners: Vec<&str> = sockets.lines().filter(|line| line.contains("LISTEN")).collect();
        ensure!(listeners.len() == 2 && listeners.iter().all(|line| line.contains(":22 ")), "{sockets}");
        lab.step("silence elsewhere");

        let host = format!("admin@{DIRECTOR}");
        let root = format!("root@{DIRECTOR}");
        let refusals: [(&str, &[&str], &str); 9] = [
            ("another key", &["-F", OTHERS, &host, "status"], "Permission denied"),
            (
                "a password",
                &["-o", "PreferredAuthentications=password", &host, "status"],
                "Permission denied",
            ),
            ("root", &[&root, "status"], "Permission denied"),
            ("a shell", &[&host, "sh"], "Usage: mark21 show"),
            ("another shell", &[&host, "ash"], "unrecognized subcommand"),
            ("the console's shell", &[&host, "shell"], "on the serial line alone"),
            ("a shell behind a command", &[&host, "status; id"], "error"),
            ("a session in a session", &[&host, "ssh-session"], "this is one already"),
            ("the way to a real server", &["-W", "10.21.0.12:21", &host], "prohibited"),
        ];
        for (case, arguments, wanted) in refusals {
            let finished = laptop.ssh(arguments)?;
            ensure!(!finished.status.success(), "{case} is let in: {}", finished.text());
            let said = finished.text() + &finished.stderr;
            ensure!(said.contains(wanted) && !said.contains("uid="), "{case}: {said}");
        }
        lab.step("refused: keys, passwords, root, shells, forwarding");

        // More connections than there are places: those beyond are closed, and mark21d goes on.
        let many: Vec<_> =
            (0..24).map(|_| from(laptop.host, LAPTOP.parse()?, here)).collect::<Result<_>>()?;
        eventually("16 sessions and no more", LOGIN, || {
            let sessions = &director.status()?["management"]["sessions"];
            ensure!(*sessions == 16, "sessions: {sessions}");
            Ok(())
        })?;
        drop(many);
        eventually("a place again", LOGIN, || laptop.ssh(&[&host, "verify"])?.success().map(drop))?;
        lab.step("a bound on sessions");
        Ok(())
    });
}

/// Also when mark21d was started anew meanwhile, and so has not started the session itself.
#[test]
fn a_session_ends_with_its_key_which_only_a_commit_with_confirmation_takes_away() {
    scenario(|lab| {
        let laptop = Laptop::new(lab)?;
        let (key, other) = (laptop.key("key")?, laptop.key("other")?);
        let mut director = boot_with(lab, &laptop, &configuration(&[&key, &other])?)?;
        let host = format!("admin@{DIRECTOR}");
        let mut mine = Session::start(&laptop, OPTIONS)?;
        let mut others = Session::start(&laptop, OTHERS)?;
        for session in [&mut mine, &mut others] {
            session.ask("verify", "the kernel holds it")?;
        }
        director.write("/run/without.toml", &configuration(&[&other])?)?;
        director.root("kill -9 $(pidof mark21d)")?;
        listening(&mut director)?;
        lab.step("two sessions, and mark21d anew");

        let refused = laptop.ssh(&[&host, "commit", "/run/without.toml"])?;
        ensure!(refused.stderr.contains("needs a confirmation"), "{}{}", refused.text(), refused.stderr);
        mine.ask("verify", "the kernel holds it")?;
        mine.ask("commit --confirm 5m /run/without.toml", "generation 2")?;
        lab.step("answered");
        mine.ends()?;
        let refused = laptop.ssh(&[&host, "verify"])?;
        ensure!(refused.stderr.contains("Permission denied"), "{}{}", refused.text(), refused.stderr);
        let left = director.root("ps | grep -c '[d]ropbear' || :")?;
        ensure!(left.trim() == "1", "{left} connections are left");
        others.ask("confirm", "generation 2 stays")?;
        lab.step("the session of the key that was taken away has ended, the other one goes on");

        director
            .write("/run/shut.toml", &Boot::with_file("single.toml")?.configuration.unwrap_or_default())?;
        others.ask("commit --confirm 5m /run/shut.toml", "generation 3")?;
        others.ends()?;
        let status = director.status()?;
        ensure!(status["management"] == Value::Null, "{status:#}");
        director.port.command("rollback", ANSWER)?;
        listening(&mut director)?;
        laptop.ssh(&["-F", OTHERS, &host, "verify"])?.success()?;
        lab.step("no way in, no session; and back");
        Ok(())
    });
}

/// The example of the documentation, as it stands there.
#[test]
fn a_python_program_changes_the_passive_range_and_ftp_follows() {
    patient(|lab| {
        let servers = Settings { length: 100_000, passive_ports: (15_000, 15_100), ..Settings::default() };
        lab.start_ftp_servers(&servers)?;
        let laptop = Laptop::new(lab)?;
        let mut director = boot(lab, &laptop)?;
        let example = tests_directory().join("../docs/examples/passive_range.py");
        fs::copy(example, lab_root().join("tmp/passive_range.py"))?;
        let host = format!("admin@{DIRECTOR}");
        let change = |more: &[&str]| -> Result<String> {
            let arguments = [&["/tmp/passive_range.py", &host, "ftp", "30000-30100", "40"], more].concat();
            Ok(run(laptop.program("/usr/bin/python3", &arguments), 3 * LOGIN)?.success()?.text())
        };
        ensure!(passive_works(lab), "passive FTP does not work at all");
        let said = std::thread::scope(|scope| {
            let said = scope.spawn(|| change(&[]));
            eventually("an unconfirmed generation", LOGIN, || {
                let configuration = director.status()?["configuration"].clone();
                ensure!(configuration["unconfirmed"]["generation"] == 2, "{configuration}");
                Ok(())
            })?;
            ensure!(!passive_works(lab), "the old passive range is still open");
            said.join().map_err(|_| anyhow::anyhow!("the program's reader panicked"))?
        })?;
        for told in ["Committed 2 admin", "RollbackAnnounced 2 10", "RolledBack 2 1 nobody confirmed"] {
            ensure!(said.contains(told), "no {told:?} in {said}");
        }
        ensure!(passive_works(lab), "the old passive range did not come back");
        lab.step("taken back");
        let said = change(&["--confirm"])?;
        ensure!(said.contains("confirmed generation 3"), "{said}");
        ensure!(!passive_works(lab), "the old passive range is open after a confirmed change");
        Ok(())
    });
}

/// A console over ssh that stays open.
struct Session {
    ssh: Child,
    lines: Receiver<String>,
}

impl Session {
    fn start(laptop: &Laptop<'_>, options: &str) -> Result<Self> {
        let mut command = laptop.program("/usr/bin/ssh", &["-F", options, &format!("admin@{DIRECTOR}")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut ssh = command.spawn()?;
        let (told, lines) = channel();
        let output = BufReader::new(ssh.stdout.take().context("a pipe was asked for")?);
        std::thread::spawn(move || {
            for line in output.lines().map_while(std::result::Result::ok) {
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { ssh, lines })
    }

    /// A command, until a line has the answer.
    fn ask(&mut self, command: &str, wanted: &str) -> Result {
        let input = self.ssh.stdin.as_mut().context("a pipe was asked for")?;
        writeln!(input, "{command}")?;
        let mut said = String::new();
        loop {
            let line = self.lines.recv_timeout(LOGIN).with_context(|| format!("{command}: {said}"))?;
            if line.contains(wanted) {
                return Ok(());
            }
            said.push_str(&line);
        }
    }

    /// Waits until the director ends it.
    fn ends(&mut self) -> Result {
        let mut said = String::new();
        loop {
            match self.lines.recv_timeout(LOGIN) {
                Ok(line) => said.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => anyhow::bail!("the session goes on: {said}"),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Its end is the end of its input; killed, it ends as well.
        drop(self.ssh.kill());
        drop(self.ssh.wait());
    }
}
