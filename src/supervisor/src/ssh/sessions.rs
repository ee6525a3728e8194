//! The ssh sessions that are under way, as /proc tells of them: they outlive mark21d, so nobody
//! else knows of all. One that the configuration does not let in any more is ended.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{SERVER, Wanted, files};

/// A connection to the ssh server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Session {
    /// The server first, then what it has started, children behind their parents.
    processes: Vec<i32>,
    login: Option<Login>,
}

/// What the server tells what it starts of the login. A connection that has started nothing
/// tells nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Login {
    peer: IpAddr,
    here: IpAddr,
    /// As [`files::key_id`] names it.
    key: String,
}

impl Login {
    /// From a process' environment (proc(5)); `None` where the ssh server has not set it.
    fn read(environment: &str) -> Option<Self> {
        let variable =
            |name: &str| environment.split('\0').find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let mut connection = variable("SSH_CONNECTION")?.split(' ');
        Some(Self {
            peer: connection.next()?.parse().ok()?,
            here: connection.nth(1)?.parse().ok()?,
            key: variable("SSH_PUBKEYINFO")?.to_owned(),
        })
    }

    fn is_let_in(&self, wanted: &Wanted) -> bool {
        wanted.addresses.contains(&self.here)
            && wanted.allow.iter().any(|network| network.contains(self.peer))
            && wanted.keys.iter().any(|key| files::key_id(key) == self.key)
    }
}

/// The servers' processes, one a connection.
pub(super) fn servers(proc: &Path) -> HashSet<i32> {
    sessions(proc).iter().filter_map(|session| session.processes.first().copied()).collect()
}

/// Sends a signal to the processes of each session of these servers that is not let in any more,
/// and tells whose they were. One whose login cannot be told is none that is let in: it may have
/// been asked for a key that opens no more. So `servers` are those of before what is wanted now.
pub(super) fn end(
    proc: &Path,
    servers: &HashSet<i32>,
    wanted: Option<&Wanted>,
    signal: Signal,
) -> Vec<String> {
    let mut ended = Vec::new();
    let is_older = |session: &Session| session.processes.first().is_some_and(|pid| servers.contains(pid));
    for session in sessions(proc).into_iter().filter(is_older) {
        let login = session.login.as_ref();
        if wanted.zip(login).is_some_and(|(wanted, login)| login.is_let_in(wanted)) {
            continue;
        }
        for process in &session.processes {
            send(*process, signal);
        }
        ended.push(login.map_or_else(|| "somebody".to_owned(), |login| login.peer.to_string()));
    }
    ended
}

fn sessions(proc: &Path) -> Vec<Session> {
    let parents: HashMap<i32, i32> =
        numbers(proc).filter_map(|pid| Some((pid, parent(proc, pid)?))).collect();
    let is_server = |pid: &i32| {
        fs::read_link(proc.join(pid.to_string()).join("exe")).is_ok_and(|file| file == Path::new(SERVER))
    };
    // What it has started is the server's own file until it becomes another program.
    let servers = parents.iter().filter(|(pid, parent)| is_server(pid) && !is_server(parent));
    servers.map(|(server, _)| session(proc, *server, &parents)).collect()
}

fn session(proc: &Path, server: i32, parents: &HashMap<i32, i32>) -> Session {
    let mut processes = vec![server];
    let mut at = 0;
    while let Some(parent) = processes.get(at).copied() {
        processes.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(child, _)| *child));
        at += 1;
    }
    let environment = |pid: &i32| fs::read(proc.join(pid.to_string()).join("environ")).ok();
    let login = processes
        .iter()
        .filter_map(environment)
        .find_map(|environment| Login::read(&String::from_utf8_lossy(&environment)));
    Session { processes, login }
}

fn numbers(proc: &Path) -> impl Iterator<Item = i32> {
    let entries = fs::read_dir(proc).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The second field behind the name, which may hold anything (proc(5)).
fn parent(proc: &Path, pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// One that has ended by itself meanwhile is as good.
fn send(pid: i32, signal: Signal) {
    let Some(pid) = Pid::from_raw(pid) else { return };
    if let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) {
        let _ = pidfd_send_signal(process, signal);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use mark21_config::Prefix;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAA anna";

    fn wanted() -> Wanted {
        let network = Prefix { address: "10.0.0.0".parse().expect("an address"), prefix_len: 24 };
        Wanted {
            addresses: vec!["10.0.0.1".parse().expect("an address")],
            allow: vec![network],
            keys: vec!["ssh-ed25519 BBBB".to_owned(), KEY.to_owned()],
        }
    }

    fn environment(connection: &str, key: &str) -> String {
        format!("HOME=/\0SSH_CONNECTION={connection}\0SSH_PUBKEYINFO={}\0", files::key_id(key))
    }

    #[test]
    fn a_login_is_let_in_by_its_key_its_peer_and_where_it_came() {
        let cases = [
            ("as it was let in", "10.0.0.9 4242 10.0.0.1 22", KEY, true),
            ("with another comment", "10.0.0.9 4242 10.0.0.1 22", "ssh-ed25519 AAAA berta", true),
            ("with a key that was taken away", "10.0.0.9 4242 10.0.0.1 22", "ssh-ed25519 CCCC", false),
            ("from where nobody is let in", "10.0.1.9 4242 10.0.0.1 22", KEY, false),
            ("to an address of before", "10.0.0.9 4242 10.0.0.2 22", KEY, false),
        ];
        for (case, connection, key, is_let_in) in cases {
            let login = Login::read(&environment(connection, key)).expect(case);
            assert_eq!(login.is_let_in(&wanted()), is_let_in, "{case}");
        }
        for cut in ["", "SSH_CONNECTION=10.0.0.9 4242 10.0.0.1 22", "SSH_CONNECTION=x\0SSH_PUBKEYINFO=y"] {
            assert_eq!(Login::read(cut), None, "{cut:?}");
        }
    }

    #[test]
    fn a_session_is_a_server_with_what_it_has_started() {
        let proc = tempfile::tempdir().expect("a folder");
        let process = |pid: i32, parent: i32, file: &str, environment: &str| {
            let folder = proc.path().join(pid.to_string());
            fs::create_dir(&folder).expect("made");
            fs::write(folder.join("stat"), format!("{pid} (a) b) S {parent} 0")).expect("written");
            fs::write(folder.join("environ"), environment).expect("written");
            symlink(file, folder.join("exe")).expect("linked");
        };
        fs::write(proc.path().join("uptime"), "").expect("written");
        let login = environment("10.0.0.9 4242 10.0.0.1 22", KEY);
        process(1, 0, "/sbin/init", "");
        process(20, 1, SERVER, "PATH=/");
        process(21, 20, "/bin/busybox", &login);
        process(22, 21, "/usr/bin/mark21", &login);
        process(30, 1, SERVER, "PATH=/");
        process(31, 30, SERVER, "PATH=/");
        let mut found = sessions(proc.path());
        found.sort_unstable_by_key(|session| session.processes.first().copied());
        let known: Vec<_> =
            found.iter().map(|session| (session.processes.as_slice(), session.login.is_some())).collect();
        assert_eq!(known, [(&[20, 21, 22][..], true), (&[30, 31][..], false)]);
        assert_eq!(servers(proc.path()), HashSet::from([20, 30]));
    }
    #[test]
    fn who_is_still_logging_in_by_what_is_wanted_now_is_left_alone() {
        let proc = tempfile::tempdir().expect("a folder");
        // No process has such a number (PID_MAX_LIMIT, linux/threads.h).
        let (older, newer) = (1 << 23, (1 << 23) + 1);
        for server in [older, newer] {
            let folder = proc.path().join(server.to_string());
            fs::create_dir(&folder).expect("made");
            fs::write(folder.join("stat"), format!("{server} (dropbear) S 1 0")).expect("written");
            symlink(SERVER, folder.join("exe")).expect("linked");
        }
        let end = |servers: &[i32]| {
            let servers = servers.iter().copied().collect();
            super::end(proc.path(), &servers, Some(&wanted()), Signal::TERM).len()
        };
        assert_eq!((end(&[older, newer]), end(&[older]), end(&[])), (2, 1, 0));
    }
}
