//! Hosts in network namespaces on one bridge, with vrrpd or Debian's keepalived on them.
//!
//! Needs `tests/enter` (root in private namespaces, a tree with keepalived); elsewhere
//! [`Lab::new`] says SKIPPED and gives nothing. Everything that a lab starts ends with it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// For keepalived's `global_defs`: the real-time priority that vrrpd has of its own accord. Without
/// it keepalived falls silent on a busy machine, and without the second line its own limit of 10 ms
/// at a stretch would end it there.
pub(crate) const REAL_TIME: &str = "vrrp_rt_priority 50\nvrrp_rlimit_rttime 10000000\n";

/// Hosts `<name>-a`, `<name>-b` and so on, each with `eth0` on a bridge.
pub(crate) struct Lab {
    name: &'static str,
    root: PathBuf,
    hosts: Vec<String>,
}

impl Lab {
    /// A bridge and `hosts` hosts: 10.9.0.1/24 and fd09::1/64 on the first, and so on.
    pub(crate) fn new(name: &'static str, hosts: usize) -> Option<Lab> {
        let Some(root) =
            std::env::var_os("MARK21_LAB_ROOT").filter(|_| std::env::var_os("MARK21_LAB_INSIDE").is_some())
        else {
            eprintln!("SKIPPED: needs the lab (tests/run)");
            return None;
        };
        let mut lab = Lab { name, root: PathBuf::from(root), hosts: Vec::new() };
        let switch = lab.switch();
        ip(&format!("netns add {switch}"));
        make_plain_switch(&switch);
        ip(&format!("-n {switch} link add bridge0 type bridge"));
        ip(&format!("-n {switch} link set bridge0 up"));
        for number in 1..=hosts {
            let letter = char::from(b'a' + u8::try_from(number - 1).expect("few hosts"));
            let host = format!("{name}-{letter}");
            ip(&format!("netns add {host}"));
            ip(&format!("-n {switch} link add port-{letter} type veth peer name eth0 netns {host}"));
            ip(&format!("-n {switch} link set port-{letter} master bridge0 up"));
            ip(&format!("-n {host} link set lo up"));
            ip(&format!("-n {host} link set eth0 up"));
            ip(&format!("-n {host} addr add 10.9.0.{number}/24 dev eth0"));
            ip(&format!("-n {host} addr add fe80::{number}/64 dev eth0 nodad"));
            ip(&format!("-n {host} addr add fd09::{number}/64 dev eth0 nodad"));
            lab.hosts.push(host);
        }
        Some(lab)
    }

    pub(crate) fn switch(&self) -> String {
        format!("{}-sw", self.name)
    }

    /// The namespace of host number `index`, from 0.
    pub(crate) fn host(&self, index: usize) -> &str {
        &self.hosts[index]
    }

    /// A command inside a host's namespace.
    pub(crate) fn command(&self, index: usize, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.hosts[index])).arg(program);
        command
    }

    /// Whether the host has this address on eth0.
    pub(crate) fn has(&self, index: usize, address: &str) -> bool {
        output(&format!("-n {} addr show", self.hosts[index])).contains(&format!(" {address}/"))
    }

    /// Whether a host has an answer to one ping.
    pub(crate) fn reaches(&self, index: usize, address: &str) -> bool {
        let mut ping = self.command(index, "chroot");
        ping.arg(&self.root).args(["/bin/busybox", "ping", "-c", "1", "-W", "1", address]);
        ping.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// What a host knows of a neighbour.
    pub(crate) fn neighbour(&self, index: usize, address: &str) -> String {
        output(&format!("-n {} neigh show {address} dev eth0", self.hosts[index]))
    }

    /// A host's MAC address.
    pub(crate) fn mac(&self, index: usize) -> String {
        let text = output(&format!("-n {} link show eth0", self.hosts[index]));
        text.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).expect("a MAC").to_owned()
    }

    /// What the kernel has counted on a host's eth0, by its name in /sys/class/net/*/statistics.
    pub(crate) fn counted(&self, index: usize, counter: &str) -> u64 {
        let list = output(&format!("-n {} -s -j link show eth0", self.hosts[index]));
        let list: Value = serde_json::from_str(&list).expect("JSON");
        let (direction, name) = counter.split_once('_').expect("rx_ or tx_");
        list[0]["stats64"][direction][name].as_u64().expect("a number")
    }

    /// Takes a host's port on the bridge down or up: the host loses carrier.
    pub(crate) fn set_port(&self, index: usize, is_up: bool) {
        let letter = char::from(b'a' + u8::try_from(index).expect("few hosts"));
        let state = if is_up { "up" } else { "down" };
        ip(&format!("-n {} link set port-{letter} {state}", self.switch()));
    }

    /// Starts vrrpd on a host. The run directory outlives it, as the one in /run does.
    pub(crate) fn vrrpd(&self, index: usize, config: &str) -> Vrrpd {
        let directory = PathBuf::from(format!("/run/{}", self.hosts[index]));
        fs::create_dir_all(&directory).expect("a directory");
        let file = directory.join("vrrpd.toml");
        fs::write(&file, config).expect("a configuration");
        // By chroot as keepalived, so that starts compare.
        let mut command = self.command(index, "chroot");
        command.arg("/").arg(env!("CARGO_BIN_EXE_vrrpd"));
        command.arg("--config").arg(&file).arg("--run-directory").arg(&directory);
        Vrrpd::start(command, directory)
    }

    /// Starts a vrrpd that waits for its configuration, with these variables.
    pub(crate) fn waiting_vrrpd(&self, index: usize, environment: &[(&str, &str)]) -> Vrrpd {
        let directory = PathBuf::from(format!("/run/{}", self.hosts[index]));
        fs::create_dir_all(&directory).expect("a directory");
        let mut command = self.command(index, env!("CARGO_BIN_EXE_vrrpd"));
        command.arg("--run-directory").arg(&directory).envs(environment.iter().copied());
        Vrrpd::start(command, directory)
    }

    /// Starts Debian's keepalived on a host.
    pub(crate) fn keepalived(&self, index: usize, config: &str) -> Keepalived {
        let name = &self.hosts[index];
        let inside = |suffix: &str| format!("/tmp/{name}.{suffix}");
        let outside = |suffix: &str| self.root.join(inside(suffix).trim_start_matches('/'));
        fs::write(outside("conf"), config).expect("a configuration");
        let log_start = fs::read(outside("log")).unwrap_or_default().len();
        let child = self
            .command(index, "chroot")
            .arg(&self.root)
            .args(["/usr/sbin/keepalived", "-n", "-l", "-P", "-f", &inside("conf")])
            .args(["-p", &inside("pid"), "-r", &inside("vrrp.pid")])
            .stdout(log_file(&outside("log")))
            .stderr(log_file(&outside("log")))
            .spawn()
            .expect("keepalived");
        Keepalived {
            child,
            config: outside("conf"),
            vrrp_pid: outside("vrrp.pid"),
            log: outside("log"),
            log_start,
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in self.hosts.iter().chain([&self.switch()]) {
            drop(Command::new("ip").args(["netns", "delete", host]).status());
        }
    }
}

/// Where br_netfilter is loaded, as container engines do, a namespace's packet filter sees what its
/// bridges carry: twice the work for a frame, and not a switch's.
fn make_plain_switch(namespace: &str) {
    let script =
        "for file in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -w $file ] || echo 0 > $file; done";
    let namespace = format!("--net=/run/netns/{namespace}");
    let status = Command::new("nsenter").args([&namespace, "sh", "-c", script]).status().expect("nsenter");
    assert!(status.success(), "{status}");
}

fn log_file(path: &std::path::Path) -> Stdio {
    let file = fs::OpenOptions::new().create(true).append(true).open(path).expect("a log");
    Stdio::from(file)
}

/// A running vrrpd.
pub(crate) struct Vrrpd {
    child: Child,
    directory: PathBuf,
}

impl Vrrpd {
    fn start(mut command: Command, directory: PathBuf) -> Vrrpd {
        let child = command.stderr(log_file(&directory.join("log"))).spawn().expect("vrrpd");
        let vrrpd = Vrrpd { child, directory };
        eventually("vrrpd answers", || vrrpd.try_status().is_some());
        vrrpd
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client command; standard output and whether it succeeded.
    pub(crate) fn ask(&self, arguments: &[&str]) -> (String, bool) {
        let output = Command::new(env!("CARGO_BIN_EXE_vrrpd"))
            .args(arguments)
            .arg("--run-directory")
            .arg(&self.directory)
            .output()
            .expect("the client");
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&text).into_owned(), output.status.success())
    }

    pub(crate) fn try_status(&self) -> Option<Value> {
        let (text, is_success) = self.ask(&["status", "--json"]);
        if is_success { serde_json::from_str(&text).ok() } else { None }
    }

    pub(crate) fn router(&self, name: &str) -> Value {
        let status = self.try_status().expect("a status");
        let routers = status["routers"].as_array().expect("routers").clone();
        routers.into_iter().find(|router| router["name"] == name).expect("the router")
    }

    pub(crate) fn state(&self, name: &str) -> String {
        self.router(name)["state"].as_str().expect("a state").to_owned()
    }

    pub(crate) fn counter(&self, name: &str, counter: &str) -> u64 {
        self.router(name)["statistics"][counter].as_u64().unwrap_or(0)
    }

    /// What `counter` is now, to be compared by [`Count::beats_since`].
    pub(crate) fn count(&self, name: &str, counter: &str) -> Count {
        let before = Instant::now();
        Count { number: self.counter(name, counter), before, after: Instant::now() }
    }

    /// How often its first process was given a processor, and for how long.
    pub(crate) fn effort(&self) -> (u64, Duration) {
        let path = format!("/proc/{}/schedstat", self.child.id());
        let text = fs::read_to_string(path).expect("schedstat");
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        (numbers[2], Duration::from_nanos(numbers[0]))
    }

    /// Writes a new configuration and sends SIGHUP.
    pub(crate) fn reload(&self, config: &str) {
        fs::write(self.directory.join("vrrpd.toml"), config).expect("a configuration");
        self.signal("HUP");
    }

    pub(crate) fn signal(&self, signal: &str) {
        kill(self.child.id(), signal);
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let status = self.child.wait().expect("its end");
        assert!(status.success(), "{status}\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

/// A counter, read at some moment between two.
pub(crate) struct Count {
    number: u64,
    before: Instant,
    after: Instant,
}

impl Count {
    /// Once every `interval` since `earlier`, as exactly as the moments are known. Where a machine
    /// stands still for longer, beats are left out: a fifth at most.
    #[track_caller]
    pub(crate) fn beats_since(&self, earlier: &Count, interval: Duration) {
        let intervals = |time: Duration| u64::try_from(time.as_nanos() / interval.as_nanos()).expect("short");
        let least = intervals(self.before - earlier.after).saturating_sub(1) * 4 / 5;
        let most = intervals(self.after - earlier.before) + 2;
        let beats = self.number - earlier.number;
        assert!((least..=most).contains(&beats), "{beats}, and {least} to {most} were wanted");
    }
}

impl Drop for Vrrpd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.directory.display(), self.log());
        }
    }
}

/// A running keepalived.
pub(crate) struct Keepalived {
    child: Child,
    config: PathBuf,
    vrrp_pid: PathBuf,
    log: PathBuf,
    /// Octets that were in the log when it started.
    log_start: usize,
}

impl Keepalived {
    /// How often it became Active since it was started.
    pub(crate) fn takeovers(&self) -> usize {
        let log = fs::read(&self.log).unwrap_or_default();
        let since = log.get(self.log_start..).unwrap_or_default();
        String::from_utf8_lossy(since).matches("Entering MASTER STATE").count()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a new configuration and sends SIGHUP.
    pub(crate) fn reload(&self, config: &str) {
        fs::write(&self.config, config).expect("a configuration");
        kill(self.child.id(), "HUP");
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(mut self) {
        kill(self.child.id(), "TERM");
        self.child.wait().expect("its end");
    }

    /// SIGKILL to both processes, none of which can say anything more.
    pub(crate) fn kill(mut self) {
        self.kill_both();
        self.child.wait().expect("its end");
    }

    fn kill_both(&self) {
        kill(self.child.id(), "STOP");
        let pid = fs::read_to_string(&self.vrrp_pid).ok().and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid {
            kill(pid, "KILL");
        }
        kill(self.child.id(), "KILL");
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill_both();
            drop(self.child.wait());
        }
        if std::thread::panicking() {
            eprintln!("--- keepalived\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Signals one process that this test started.
pub(crate) fn kill(pid: u32, signal: &str) {
    drop(Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status());
}

/// `ip` with these arguments, which must work.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_ascii_whitespace()).output().expect("ip");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What `ip` prints.
pub(crate) fn output(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_ascii_whitespace()).output().expect("ip");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until `holds`, at most 20 s, and says how long it took.
#[track_caller]
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) -> Duration {
    eventually_within(Duration::from_secs(20), what, holds)
}

/// Waits until `holds`, at most so long, and says how long it took.
#[track_caller]
pub(crate) fn eventually_within(limit: Duration, what: &str, holds: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    loop {
        let looked = Instant::now();
        if holds() {
            return start.elapsed();
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        // A look often starts a program: most of the processor is for those who are waited for.
        let pause = 3 * looked.elapsed();
        std::thread::sleep(pause.clamp(Duration::from_millis(10), Duration::from_millis(30)));
    }
}

/// Whether the long forms of tests are wanted (`make soak`).
pub(crate) fn is_soak() -> bool {
    std::env::var_os("MARK21_SOAK").is_some_and(|value| value == "1")
}

/// Watches for `time` that `holds` all along: for what must not happen.
#[track_caller]
pub(crate) fn always(time: Duration, what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while start.elapsed() < time {
        assert!(holds(), "after {:?}: {what}", start.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
}
