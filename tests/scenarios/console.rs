//! The human console on the serial line, driven as a person would: keys in, a screen out.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::ftp::{Client, Mode};
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, scenario};
use sha2::{Digest, Sha256};

/// One answer of the console under emulation; a commit proves the kernel.
const SCREEN: Duration = Duration::from_secs(60);
/// A quarter of a mebibyte at 115200 baud takes 23 s, and the same again where the host is busy.
const PASTE: Duration = Duration::from_secs(240);
/// A terminal that says nothing for so long has said it all.
const QUIET: Duration = Duration::from_millis(700);
/// How long the dashboard is looked at.
const REST: Duration = Duration::from_secs(5);
const PASSWORD: &str = "correct horse";

#[test]
fn a_person_brings_a_factory_box_into_service() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_nothing())?;
        let mut line = SerialLine::connect(&director, lab)?;
        first_login(&mut line)?;
        lab.step("the first password");
        nonsense(&mut line)?;
        setup(&mut line)?;
        line.command("commit --confirm 5m --comment setup", "type confirm within 5m")?;
        lab.start_ftp_servers(&Settings::default())?;
        works(lab)?;
        line.command("confirm", "stays")?;
        lab.step("in service");
        director.root("kill -9 $(pidof mark21d)")?;
        line.command("stauts", "status")?;
        director.wait_serving()?;
        line.command("status", "serving")?;
        lab.step("the prompt outlives mark21d");
        let shown = line.command("generations", "setup")?;
        ensure!(!shown.contains('?'), "something was never confirmed:\n{shown}");
        nobody_is_root(&mut director)?;
        log_in_again(&mut line)?;
        lab.step("logged in again");
        unconfirmed(&mut director, &mut line, lab)?;
        lab.step("went back when the line dropped");
        watch(&mut line)?;
        works(lab)
    });
}

#[test]
fn a_paste_is_taken_whole_or_not_at_all() {
    scenario(|lab| {
        let director = lab.boot(&Boot::with_nothing())?;
        let mut line = SerialLine::connect(&director, lab)?;
        first_login(&mut line)?;
        let text = format!(
            "schema = 1\n{}",
            "# a comment of a long configuration, of 64 bytes with its end\n".repeat(4200)
        );
        let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        let paste = |line: &mut SerialLine, digest: &str, answer: &str| -> Result {
            line.type_line("load")?;
            line.wait("Ctrl-C gives up", SCREEN)?;
            line.keys(&format!("-----BEGIN MARK21 CONFIGURATION-----\n{text}"))?;
            line.keys(&format!("-----END MARK21 CONFIGURATION sha256={digest}-----\n"))?;
            line.wait(answer, PASTE)?;
            Ok(())
        };
        paste(&mut line, &digest.replace(['0', '1'], "f"), "bytes were lost on the line")?;
        lab.step("a wrong digest");
        line.command("show configuration draft", "there is no draft")?;
        paste(&mut line, &digest, "4201 lines are the draft now")?;
        lab.step("a right one");
        line.command("discard", "the draft is forgotten")?;
        Ok(())
    });
}

fn first_login(line: &mut SerialLine) -> Result {
    line.wait("This box has no password yet", BOOT)?;
    line.wait("New password: ", SCREEN)?;
    line.type_line("short")?;
    line.wait("it needs 8 characters", SCREEN)?;
    line.type_line(PASSWORD)?;
    line.wait("Once more: ", SCREEN)?;
    line.type_line("correct house")?;
    line.wait("they are not the same", SCREEN)?;
    line.type_line(PASSWORD)?;
    line.wait("Once more: ", SCREEN)?;
    line.type_line(PASSWORD)?;
    line.wait("It is kept as generation 1.", SCREEN)?;
    line.wait("> ", SCREEN)?;
    ensure!(!line.heard.contains(PASSWORD), "the password was on the screen");
    Ok(())
}

/// Wrong commands, half a line, and noise: each costs its line and nothing else.
fn nonsense(line: &mut SerialLine) -> Result {
    line.command("stauts", "some similar subcommands exist: 'setup', 'status'")?;
    line.command("log --lines many", "invalid value 'many'")?;
    line.command("set servce ftp", "there is no \"servce\" in the file")?;
    line.keys("half a li\x03")?;
    line.bytes(b"\xff\xfe\x00\x80\x1b[99;99x\x9b\xc3\x03")?;
    line.command("status", "firmware")?;
    line.keys("?")?;
    line.wait("factory-reset", SCREEN)?;
    line.settle()?;
    line.keys("set service ftp kind ?")?;
    line.wait("<value>", SCREEN)?;
    line.settle()?;
    line.keys("\x03")?;
    line.settle()
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

fn setup(line: &mut SerialLine) -> Result {
    line.settle()?;
    line.type_line("setup")?;
    let answers = [
        ("alone, or the first", ""),
        ("host name", ""),
        ("port to the clients", ""),
        ("own address there", "198.51.100.2"),
        ("the prefix length is missing", "198.51.100.2/24"),
        ("gateway to everywhere", ""),
        ("virtual address", "198.51.100.21"),
        ("port to the real servers", ""),
        ("own address there", "10.21.0.1/24"),
        ("real servers' addresses", "10.21.0.11 10.21.0.12"),
        ("announce the virtual address", ""),
    ];
    for (question, answer) in answers {
        line.wait(question, SCREEN)?;
        line.type_line(answer)?;
    }
    line.wait("commit --confirm 5m, try it, and confirm", SCREEN)?;
    line.command("compare", "+addresses = [\"10.21.0.11\"]")?;
    line.command("check", "draft: good")?;
    Ok(())
}

fn log_in_again(line: &mut SerialLine) -> Result {
    line.type_line("exit")?;
    line.wait("Password of admin: ", SCREEN)?;
    line.type_line("wrong horse")?;
    line.wait("the password is wrong", SCREEN)?;
    line.wait("Password of admin: ", SCREEN)?;
    line.type_line(PASSWORD)?;
    line.wait("> ", SCREEN)?;
    Ok(())
}

/// A change that nobody confirms goes back by itself, and the draft is there for the next try.
fn unconfirmed(director: &mut Director, line: &mut SerialLine, lab: &Lab) -> Result {
    let before = director.port.command("status", ANSWER)?["configuration"]["generation"].clone();
    line.command("set service ftp real_server 10.21.0.11 weight 7", "+ weight = 7")?;
    line.command("commit --confirm 10s", "type confirm within 10s")?;
    line.drop_line();
    eventually("the generation before", SCREEN, || {
        let status = director.port.command("status", ANSWER)?;
        let configuration = &status["configuration"];
        ensure!(configuration["generation"] == before, "{configuration}");
        ensure!(configuration["unconfirmed"].is_null(), "{configuration}");
        Ok(())
    })?;
    *line = SerialLine::connect(director, lab)?;
    line.command("compare", "+weight = 7")?;
    line.command("discard", "the draft is forgotten")?;
    Ok(())
}

/// The dashboard, and a server drained from it.
fn watch(line: &mut SerialLine) -> Result {
    line.type_line("top")?;
    line.wait("B/s", SCREEN)?;
    let (begun, before) = (Instant::now(), line.received);
    while begun.elapsed() < REST {
        line.read(QUIET)?;
    }
    let rate = (line.received - before) / REST.as_secs();
    println!("top at rest: {rate} bytes a second, {} of 1000 that the line takes", rate * 1000 / 11520);
    // Only what changes is sent, so what is to be read is drawn anew.
    line.keys("dl")?;
    line.wait("gets no new sessions", SCREEN)?;
    line.keys("ul")?;
    line.wait("takes new sessions again", SCREEN)?;
    line.keys("q")?;
    line.command("status", "firmware")?;
    Ok(())
}

fn works(lab: &Lab) -> Result {
    lab.client.enter(|| {
        let mut session = Client::log_in(client_address(1), virtual_ftp())?;
        for mode in Mode::IPV4 {
            let name = session.read_text(mode, "whoami.txt")?;
            ensure!(name.starts_with("rs"), "{}: {name}", mode.name());
        }
        session.quit()
    })
}

/// The first serial port, with a terminal of 24 by 80 at this end.
struct SerialLine {
    stream: Option<UnixStream>,
    /// What has been shown and not been waited for yet, without the terminal's controls.
    shown: String,
    /// Bytes that have come.
    received: u64,
    /// All that has been shown.
    heard: String,
    /// The beginning of a control sequence whose end has not come.
    rest: Vec<u8>,
    log: File,
}

impl SerialLine {
    fn connect(director: &Director, lab: &Lab) -> Result<Self> {
        let path = director.qemu.socket_path("console");
        let stream = UnixStream::connect(&path).with_context(|| format!("{}", path.display()))?;
        let log = Path::new(&lab.directory).join("serial-line.log");
        let log = File::options().create(true).append(true).open(log)?;
        Ok(Self {
            stream: Some(stream),
            shown: String::new(),
            received: 0,
            heard: String::new(),
            rest: Vec::new(),
            log,
        })
    }

    /// The cable is pulled.
    fn drop_line(&mut self) {
        self.stream = None;
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result {
        // What the box says meanwhile must not fill the way.
        for part in bytes.chunks(512) {
            self.stream.as_mut().context("the line is dropped")?.write_all(part)?;
            self.read(Duration::from_millis(1))?;
        }
        Ok(())
    }

    fn keys(&mut self, text: &str) -> Result {
        self.bytes(text.as_bytes())
    }

    fn type_line(&mut self, text: &str) -> Result {
        self.keys(&format!("{text}\r"))
    }

    /// Types a line at the prompt; gives what is shown from then on up to the prompt after
    /// `answer`, turning pages where there are any.
    fn command(&mut self, line: &str, answer: &str) -> Result<String> {
        self.settle()?;
        self.shown.clear();
        self.type_line(line)?;
        let end = Instant::now() + SCREEN;
        while !self.shown.contains(answer) {
            if self.shown.trim_end().ends_with("q to end --") {
                self.keys(" ")?;
            }
            ensure!(Instant::now() < end, "{line}: no {answer:?} in:\n{}", self.shown);
            self.read(Duration::from_millis(100))?;
        }
        self.settle()?;
        Ok(self.shown.clone())
    }

    /// Reads until nothing more comes, leaving no page half shown.
    fn settle(&mut self) -> Result {
        while self.read(QUIET)? {
            if self.shown.trim_end().ends_with("q to end --") {
                self.keys("q")?;
            }
        }
        Ok(())
    }

    /// Waits until `text` is shown; what comes before it is forgotten.
    fn wait(&mut self, text: &str, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            if let Some(place) = self.shown.find(text) {
                self.shown.drain(..place + text.len());
                return Ok(());
            }
            ensure!(Instant::now() < end, "no {text:?} within {limit:?} in:\n{}", self.shown);
            if self.shown.trim_end().ends_with("q to end --") {
                self.keys(" ")?;
            }
            self.read(Duration::from_millis(200))?;
        }
    }

    /// Whether something came.
    fn read(&mut self, within: Duration) -> Result<bool> {
        let stream = self.stream.as_mut().context("the line is dropped")?;
        stream.set_read_timeout(Some(within))?;
        let mut buffer = [0; 4096];
        let length = match stream.read(&mut buffer) {
            Ok(0) => bail!("the serial line is closed"),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        self.log.write_all(bytes)?;
        self.received += length as u64;
        self.rest.extend_from_slice(bytes);
        // The terminal is asked how large it is.
        if let Some(place) = self.rest.windows(4).position(|part| part == b"\x1b[6n") {
            self.rest.drain(place..place + 4);
            self.stream.as_mut().context("the line is dropped")?.write_all(b"\x1b[24;80R")?;
        }
        let plain = plain(&mut self.rest);
        self.shown.push_str(&plain);
        self.heard.push_str(&plain);
        Ok(true)
    }
}

/// Takes all whole letters off, without the control sequences between them.
fn plain(bytes: &mut Vec<u8>) -> String {
    let mut letters = Vec::new();
    let mut used = 0;
    while let Some(byte) = bytes.get(used) {
        if *byte != 0x1b {
            letters.push(*byte);
            used += 1;
            continue;
        }
        let rest = bytes.get(used + 1..).unwrap_or_default();
        let length = match rest.first() {
            Some(b'[') => rest.iter().skip(1).position(|byte| (0x40..0x7f).contains(byte)).map(|at| at + 3),
            Some(_) => Some(2),
            None => None,
        };
        match length {
            Some(length) => used += length,
            None => break,
        }
    }
    bytes.drain(..used);
    String::from_utf8_lossy(&letters).replace('\r', "")
}
