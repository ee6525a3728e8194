//! `make lab`: the topology of the tests with a shell on each host, for a person.
//!
//! ```text
//! lab [CONFIGURATION]     default: tests/configs/single.toml
//! lab attach SOCKET       a terminal on a serial port of the director
//! ```

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

use anyhow::{Context, ensure};
use mark21_lab::scenario::{enter_lab, lab_root, target_directory};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Ctrl-], as in telnet.
const ESCAPE: u8 = 0x1d;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["attach", socket] => attach(Path::new(socket)),
        [] => open(None),
        [configuration] => open(Some(Path::new(configuration))),
        _ => Err(anyhow::anyhow!("lab [CONFIGURATION] | lab attach SOCKET")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn open(configuration: Option<&Path>) -> Result {
    if let Some(code) = enter_lab()? {
        ensure!(code == 0, "ended with {code}");
        return Ok(());
    }
    let mut lab = Lab::create(&target_directory().join("lab/lab"))?;
    let boot = match configuration {
        Some(path) => {
            Boot::with_text(&fs::read_to_string(path).with_context(|| format!("{}", path.display()))?)
        }
        None => Boot::with_file("single.toml")?,
    };
    let director = lab.boot(&boot)?;
    lab.start_ftp_servers(&Settings::default())?;
    lab.step("the director boots; its console is ready in some seconds");
    let shells = shells(&lab, &director)?;
    if !in_tmux(&shells)? {
        println!("\nNo tmux here: this is a shell in the lab's namespaces. The others:");
        for (name, command) in &shells {
            println!("  {name:<9} {command}");
        }
        println!("Leave it with `exit`; everything ends then.\n");
        Command::new("sh").env("PS1", "lab# ").status()?;
    }
    Ok(())
}

/// Names and shell commands, one for each host.
fn shells(lab: &Lab, director: &Director) -> Result<Vec<(String, String)>> {
    let program = env::current_exe()?;
    let console = director.qemu.socket_path("console");
    let machine = director.qemu.socket_path("machine");
    let mut shells = vec![
        ("director".to_owned(), format!("{} attach {}", program.display(), console.display())),
        ("machine".to_owned(), format!("{} attach {}", program.display(), machine.display())),
    ];
    for namespace in [&lab.client, lab.real_server(1)?, lab.real_server(2)?] {
        let name = namespace.name();
        let root = lab_root();
        let shell = format!(
            "nsenter --net=/run/netns/{name} chroot {} /bin/sh -c \
             'cd /tmp; export HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin PS1=\"{name}# \"; exec sh'",
            root.display()
        );
        shells.push((name.to_owned(), shell));
    }
    shells.push(("wire".to_owned(), "nsenter --net=/run/netns/wire sh".to_owned()));
    Ok(shells)
}

/// A window for each shell; `false` when there is no tmux.
fn in_tmux(shells: &[(String, String)]) -> Result<bool> {
    let socket = "/run/mark21-lab/tmux";
    let tmux =
        |words: &[&str]| Command::new("tmux").args(["-S", socket]).args(words).env_remove("TMUX").status();
    for (index, (name, command)) in shells.iter().enumerate() {
        let verb: &[&str] =
            if index == 0 { &["-f", "/dev/null", "new-session", "-d"] } else { &["new-window", "-d"] };
        match tmux(&[verb, &["-n", name, command]].concat()) {
            Ok(status) => ensure!(status.success(), "tmux: {status}"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    println!("Ctrl-b n is the next host; Ctrl-b d ends the lab.");
    // A machine's console that closes leaves its window, so that its end is seen.
    tmux(&["set", "-g", "remain-on-exit", "on"])?;
    let attached = tmux(&["attach"])?;
    tmux(&["kill-server"])?;
    ensure!(attached.success(), "tmux attach: {attached}");
    Ok(true)
}

/// Join this terminal and a Unix socket until Ctrl-] or the end of either.
fn attach(socket: &Path) -> Result {
    let stream = UnixStream::connect(socket).with_context(|| format!("{}", socket.display()))?;
    println!("Ctrl-] leaves.");
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).ok();
    if let Some(before) = &before {
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
    }
    let mut input = stream.try_clone()?;
    // Past the buffer of standard output, which waits for the ends of lines: a prompt has none.
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    thread::spawn(move || drop(io::copy(&mut input, &mut output)));
    let result = type_into(stream);
    if let Some(before) = &before {
        tcsetattr(&stdin, OptionalActions::Now, before)?;
    }
    result
}

fn type_into(mut stream: UnixStream) -> Result {
    let mut buffer = [0; 256];
    loop {
        let length = io::stdin().lock().read(&mut buffer)?;
        let typed = buffer.get(..length).unwrap_or_default();
        if typed.is_empty() || typed.contains(&ESCAPE) {
            return Ok(());
        }
        stream.write_all(typed)?;
    }
}
