//! The console on its line of 115200 baud: the first prompt after the password, every answer with
//! 4096 real servers, and what the dashboard sends.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::transfers::passive_works;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result};

use crate::figures::{Series, line, timed};
use crate::rules::largest;

/// Bytes a second of 115200 baud, 8N1.
const BAUD: f64 = 11_520.0;
const PASSWORD: &str = "correct horse";
const LOGINS: usize = 5;
const RUNS: usize = 3;
/// How long the dashboard is looked at.
const LOOK: Duration = Duration::from_secs(20);
/// What the box can be asked without changing it.
const ANSWERS: [&str; 10] = [
    "status",
    "show interfaces",
    "show services",
    "show virtual-routers",
    "show version",
    "show configuration",
    "show firewall",
    "generations",
    "log",
    "verify",
];

pub(crate) fn bench(lab: &mut Lab) -> Result {
    let mut director = lab.boot(&largest(Vec::new())?)?;
    let mut terminal = Terminal::connect(&director)?;
    director.wait_serving()?;
    lab.step("serving, 4096 real servers");
    terminal.choose_password()?;
    let mut prompts = Series::default();
    for _ in 0..LOGINS {
        terminal.type_line("exit")?;
        terminal.wait("Password of admin: ")?;
        let begun = Instant::now();
        terminal.type_line(PASSWORD)?;
        terminal.wait("> ")?;
        prompts.push(begun.elapsed().as_secs_f64());
    }
    line("from the password to the prompt, s", &prompts.text());
    for command in ANSWERS {
        let mut seconds = Series::default();
        for _ in 0..RUNS {
            // The exit code tells whether something differs, which is not the question.
            seconds.push(timed(&mut director, &format!("{{ mark21 {command} > /tmp/answer || :; }}"))?.1);
        }
        let bytes: f64 = director.root("wc -c < /tmp/answer")?.trim().parse()?;
        let text = format!("{}; {bytes} bytes, {:.1} s of the line", seconds.text(), bytes / BAUD);
        line(&format!("{command}, s"), &text);
    }
    drop((terminal, director));
    dashboard(lab)
}

fn dashboard(lab: &mut Lab) -> Result {
    let boot =
        Boot { name: "dir-b".into(), number: 2, random_addresses: true, ..Boot::with_file("single.toml")? };
    let mut director = lab.boot(&boot)?;
    // Before the box has started: what is shown to nobody is lost.
    let mut terminal = Terminal::connect(&director)?;
    lab.start_ftp_servers(&Settings::default())?;
    director.wait_serving()?;
    terminal.choose_password()?;
    terminal.type_line("top")?;
    terminal.wait("B/s")?;
    let tell = |when: &str, rate: f64| {
        let text = format!("{rate:.0}, {:.2} % of the line", 100.0 * rate / BAUD);
        line(&format!("top {when}, bytes a second"), &text);
    };
    tell("at rest", terminal.rate()?);
    let is_over = AtomicBool::new(false);
    let rate = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut sessions = 0;
            while !is_over.load(Ordering::Relaxed) {
                sessions += u32::from(passive_works(lab));
            }
            sessions
        });
        let rate = terminal.rate();
        is_over.store(true, Ordering::Relaxed);
        let sessions = load.join().unwrap_or_default();
        ensure!(sessions > 0, "no FTP session worked");
        rate
    })?;
    tell("while FTP sessions come and go", rate);
    Ok(())
}

/// The first serial port.
struct Terminal {
    stream: UnixStream,
    shown: String,
    received: u64,
}

impl Terminal {
    fn connect(director: &Director) -> Result<Self> {
        let path = director.qemu.socket_path("console");
        let stream = UnixStream::connect(&path).with_context(|| format!("{}", path.display()))?;
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(Self { stream, shown: String::new(), received: 0 })
    }

    fn choose_password(&mut self) -> Result {
        self.wait("New password: ")?;
        self.type_line(PASSWORD)?;
        self.wait("Once more: ")?;
        self.type_line(PASSWORD)?;
        self.wait("It is kept as generation")?;
        self.wait("> ")
    }

    fn type_line(&mut self, text: &str) -> Result {
        self.shown.clear();
        Ok(self.stream.write_all(format!("{text}\r").as_bytes())?)
    }

    fn wait(&mut self, text: &str) -> Result {
        let end = Instant::now() + BOOT;
        while !self.shown.contains(text) {
            ensure!(Instant::now() < end, "no {text:?} in {}", self.shown);
            self.read()?;
        }
        Ok(())
    }

    /// Bytes a second over a while, the drawing of the whole screen left out.
    fn rate(&mut self) -> Result<f64> {
        let settled = Instant::now() + ANSWER / 10;
        while Instant::now() < settled {
            self.read()?;
        }
        let (begun, before) = (Instant::now(), self.received);
        while begun.elapsed() < LOOK {
            self.read()?;
        }
        let bytes = u32::try_from(self.received - before)?;
        Ok(f64::from(bytes) / begun.elapsed().as_secs_f64())
    }

    fn read(&mut self) -> Result {
        let mut buffer = [0; 4096];
        let length = match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the serial line is closed"),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.received += length as u64;
        self.shown.push_str(&String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()));
        // The terminal is asked how large it is.
        if let Some(at) = self.shown.find("\x1b[6n") {
            self.shown.replace_range(at..at + 4, "");
            self.stream.write_all(b"\x1b[24;80R")?;
        }
        Ok(())
    }
}
