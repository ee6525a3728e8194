//! vrrpd beside Debian's keepalived, in the same namespaces, in one run. Prints figures and
//! ratios; fails only when an advertisement is missing or a role moves.
//!
//! ```text
//!   cargo test --release -p vrrpd --test bench --no-run
//!   tests/enter target/release/deps/bench-... --ignored --nocapture --test-threads 1
//! ```

mod lab;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::{Keepalived, Lab, Vrrpd, eventually, ip, kill};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Program {
    Vrrpd,
    Keepalived,
}

enum Running {
    Vrrpd(Vrrpd),
    Keepalived(Keepalived),
}

impl Running {
    fn pid(&self) -> u32 {
        match self {
            Running::Vrrpd(vrrpd) => vrrpd.pid(),
            Running::Keepalived(keepalived) => keepalived.pid(),
        }
    }

    fn stop(self) {
        match self {
            Running::Vrrpd(vrrpd) => vrrpd.stop(),
            Running::Keepalived(keepalived) => keepalived.stop(),
        }
    }

    fn kill(self) {
        match self {
            Running::Vrrpd(vrrpd) => drop(vrrpd),
            Running::Keepalived(keepalived) => keepalived.kill(),
        }
    }
}

/// So many routers, at most 250 on an interface.
fn start(lab: &Lab, host: usize, program: Program, count: usize, millis: u64) -> Running {
    let priority = if host == 0 { 200 } else { 100 };
    let routers = (0..count).map(|number| (number / 250, number % 250 + 1));
    match program {
        Program::Vrrpd => {
            let routers: String = routers
                .map(|(interface, vrid)| {
                    format!(
                        "[[virtual_router]]\nname = \"v{interface}-{vrid}\"\ninterface = \"eth{interface}\"\n\
                         vrid = {vrid}\npriority = {priority}\nadvertisement_interval = \"{millis}ms\"\n\
                         checksum = \"pseudo-header\"\naddresses = [\"172.16.{interface}.{vrid}/32\"]\n\n"
                    )
                })
                .collect();
            Running::Vrrpd(lab.vrrpd(host, &routers))
        }
        Program::Keepalived => {
            let routers: String = routers
                .map(|(interface, vrid)| {
                    format!(
                        "vrrp_instance v{interface}-{vrid} {{\nstate BACKUP\nnopreempt\ninterface eth{interface}\n\
                         virtual_router_id {vrid}\npriority {priority}\nadvert_int {}\n\
                         virtual_ipaddress {{\n172.16.{interface}.{vrid}/32\n}}\n}}\n",
                        f64::from(u32::try_from(millis).expect("short")) / 1000.0
                    )
                })
                .collect();
            let global = "global_defs {\nvrrp_version 3\nvrrp_garp_master_delay 0\n}\n";
            Running::Keepalived(lab.keepalived(host, &format!("{global}{routers}")))
        }
    }
}

/// More interfaces, each pair on a bridge of its own.
fn add_interfaces(lab: &Lab, count: usize) {
    let switch = lab.switch();
    for number in 1..count {
        ip(&format!("-n {switch} link add bridge{number} type bridge"));
        ip(&format!("-n {switch} link set bridge{number} up"));
        for host in 0..2 {
            let name = lab.host(host);
            let port = format!("p{host}-{number}");
            ip(&format!("-n {switch} link add {port} type veth peer name eth{number} netns {name}"));
            ip(&format!("-n {switch} link set {port} master bridge{number} up"));
            ip(&format!("-n {name} link set eth{number} up"));
            ip(&format!("-n {name} addr add 10.9.{number}.{}/24 dev eth{number}", host + 1));
        }
    }
}

/// The process and its children.
fn family(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children.flat_map(family)).collect()
}

/// Nanoseconds on a CPU.
fn cpu(pid: u32) -> u64 {
    let one = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    family(pid).into_iter().map(one).sum()
}

/// Kilobytes resident and proportional, of the process and its children.
fn memory(pid: u32) -> (u64, u64) {
    let field = |pid: u32, name: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
    };
    let family = family(pid);
    let sum = |name: &str| family.iter().map(|pid| field(*pid, name)).sum();
    (sum("Rss:"), sum("Pss:"))
}

/// Packets that left a host.
fn packets_sent(lab: &Lab, host: usize) -> u64 {
    let output = lab.command(host, "cat").arg("/proc/net/dev").output().expect("cat");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter(|line| line.trim_start().starts_with("eth"));
    lines.filter_map(|line| line.split_whitespace().nth(10)?.parse::<u64>().ok()).sum()
}

/// Microseconds that the kernel takes for one advertisement through this veth and bridge, with
/// nothing around it: what no program can save.
fn floor(lab: &Lab) -> f64 {
    let script = "
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.9.0.1'))
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
p = bytes([0x31, 9, 100, 1, 0, 100, 0, 0, 172, 16, 0, 1])
def burn(f):
    t = time.thread_time_ns()
    for i in range(40000): f()
    return (time.thread_time_ns() - t) / 40000
a = ('224.0.0.18', 0)
sent = burn(lambda: s.sendto(p, a))
s.close()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def none():
    try: s.getsockname()
    except OSError: pass
print((sent - burn(none)) / 1000)
";
    let root = std::env::var_os("MARK21_LAB_ROOT").expect("inside");
    let output =
        lab.command(0, "chroot").arg(root).args(["/usr/bin/python3", "-c", script]).output().expect("python");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(f64::NAN)
}

fn addresses_on(lab: &Lab, host: usize) -> usize {
    lab::output(&format!("-n {} -4 addr show", lab.host(host))).matches(" 172.16.").count()
}

#[test]
#[ignore = "a benchmark"]
fn processor_time_of_many_routers() {
    const WINDOW: Duration = Duration::from_secs(6);
    let mut figures = BTreeMap::new();
    for (count, millis) in
        [(250_usize, 1000_u64), (250, 100), (250, 10), (1000, 1000), (1000, 100), (1000, 10)]
    {
        for program in [Program::Vrrpd, Program::Keepalived] {
            let Some(lab) = Lab::new("many", 2) else { return };
            add_interfaces(&lab, count.div_ceil(250));
            let active = start(&lab, 0, program, count, millis);
            let begin = Instant::now();
            while addresses_on(&lab, 0) < count && begin.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let backup = start(&lab, 1, program, count, millis);
            // Announcements of the takeover are over, and the Backup hears everybody.
            std::thread::sleep(Duration::from_secs(3));
            let before = (cpu(active.pid()), cpu(backup.pid()), packets_sent(&lab, 0));
            let begin = Instant::now();
            std::thread::sleep(WINDOW);
            let elapsed = begin.elapsed().as_secs_f64();
            let after = (cpu(active.pid()), cpu(backup.pid()), packets_sent(&lab, 0));
            let rate = (after.2 - before.2) as f64 / elapsed;
            let wanted = count as f64 * 1000.0 / millis as f64;
            let sent = (after.2 - before.2).max(1) as f64;
            let each = (after.0 - before.0) as f64 / sent / 1000.0;
            let heard = (after.1 - before.1) as f64 / sent / 1000.0;
            let (rss, pss) = memory(active.pid());
            let stolen = addresses_on(&lab, 1);
            println!(
                "{count:5} routers {millis:5} ms {program:?}: {rate:.0} of {wanted:.0} a second, {each:.2} us to \
                 send one, {heard:.2} us to hear one; {rss} kB RSS, {pss} kB PSS; {stolen} on the Backup"
            );
            if program == Program::Keepalived {
                active.stop();
                backup.stop();
                println!("{count:5} routers: the kernel alone takes about {:.2} us to send one", floor(&lab));
            }
            figures.insert((count, millis, program), (each, heard));
            if program == Program::Vrrpd {
                assert!(rate > wanted * 0.98, "advertisements are missing");
                assert_eq!(stolen, 0, "a role moved");
            }
        }
    }
    for ((count, millis, program), (each, heard)) in &figures {
        if let (Program::Vrrpd, Some(other)) = (program, figures.get(&(*count, *millis, Program::Keepalived)))
        {
            println!(
                "{count:5} routers {millis:5} ms: vrrpd takes 1/{:.1} of keepalived's time to send, 1/{:.1} to hear",
                other.0 / each,
                other.1 / heard
            );
        }
    }
}

/// A capture of advertisements and ARP on the bridge, with the times at which the kernel saw them.
struct Capture {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Capture {
    fn start(lab: &Lab) -> Capture {
        let root = std::env::var_os("MARK21_LAB_ROOT").expect("inside");
        let mut child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", lab.switch()))
            .arg("chroot")
            .arg(root)
            .args(["/usr/bin/tcpdump", "-i", "bridge0", "-tt", "-n", "-l", "--immediate-mode", "-Z", "root"])
            .args(["ip proto 112 or arp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("tcpdump");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Capture { child, lines }
    }

    /// From the last advertisement of 10.9.0.1 to the first of 10.9.0.2, and on to its first
    /// gratuitous ARP, in milliseconds; and whether the last one resigned.
    fn takeover(&self) -> Option<(f64, f64, bool)> {
        let (mut last, mut first) = (None, None);
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            let time: f64 = line.split(' ').next()?.parse().ok()?;
            if line.contains("10.9.0.1 > 224.0.0.18") && first.is_none() {
                last = Some((time, line.contains("prio 0,")));
            } else if line.contains("10.9.0.2 > 224.0.0.18") && first.is_none() {
                first = Some(time);
            } else if line.contains("ARP")
                && line.contains("172.16.0.1")
                && let (Some((last, is_resigned)), Some(first)) = (last, first)
            {
                return Some(((first - last) * 1e3, (time - first) * 1e3, is_resigned));
            }
        }
        None
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        kill(self.child.id(), "TERM");
        drop(self.child.wait());
    }
}

fn median(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |part: usize| values.get((values.len() * part / 100).min(values.len().saturating_sub(1)));
    (at(50).copied().unwrap_or(f64::NAN), at(95).copied().unwrap_or(f64::NAN))
}

#[test]
#[ignore = "a benchmark"]
fn lateness_of_takeovers() {
    const TRIALS: usize = 10;
    for (millis, is_stop) in [(100, true), (100, false), (10, true), (10, false)] {
        let mut figures: BTreeMap<Program, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        let Some(lab) = Lab::new("late", 2) else { return };
        for _ in 0..TRIALS {
            for program in [Program::Vrrpd, Program::Keepalived] {
                let active = start(&lab, 0, program, 1, millis);
                eventually("the first is Active", || addresses_on(&lab, 0) == 1);
                let backup = start(&lab, 1, program, 1, millis);
                std::thread::sleep(Duration::from_millis(700));
                let capture = Capture::start(&lab);
                std::thread::sleep(Duration::from_millis(400));
                if is_stop {
                    active.stop()
                } else {
                    active.kill()
                }
                let takeover = capture.takeover();
                drop(capture);
                backup.stop();
                // A keepalived that was killed leaves its address.
                for host in 0..2 {
                    if addresses_on(&lab, host) > 0 {
                        ip(&format!("-n {} addr del 172.16.0.1/32 dev eth0", lab.host(host)));
                    }
                }
                let Some((gap, announced, is_resigned)) = takeover else { continue };
                let interval = f64::from(u32::try_from(millis).expect("short"));
                let skew = interval * 156.0 / 256.0;
                let bound = if is_resigned { skew } else { 3.0 * interval + skew };
                let entry = figures.entry(program).or_default();
                entry.0.push(gap - bound);
                entry.1.push(announced);
            }
        }
        let how = if is_stop { "stop" } else { "kill" };
        for (program, (mut late, mut announced)) in figures {
            let ((late, late_95), (arp, arp_95)) = (median(&mut late), median(&mut announced));
            println!(
                "{how} at {millis} ms, {program:?}: late by {late:.3} ms (95%: {late_95:.3}), then {arp:.3} ms to the \
                 first ARP (95%: {arp_95:.3})"
            );
        }
    }
}

#[test]
#[ignore = "a benchmark"]
fn memory_and_start_of_one_router() {
    for program in [Program::Vrrpd, Program::Keepalived] {
        let Some(lab) = Lab::new("one", 2) else { return };
        let running = start(&lab, 0, program, 1, 100);
        eventually("it is Active", || addresses_on(&lab, 0) == 1);
        let (rss, pss) = memory(running.pid());
        println!("one router, {program:?}: {rss} kB RSS, {pss} kB PSS, all its processes");
        running.stop();
    }
}

#[test]
#[ignore = "a benchmark"]
fn a_reload_of_250_routers_misses_no_advertisement() {
    let Some(lab) = Lab::new("reload250", 2) else { return };
    let config = |priority: u8, last: &str| -> String {
        (1..=250)
            .map(|vrid| {
                format!(
                    "[[virtual_router]]\nname = \"v{vrid}\"\ninterface = \"eth0\"\nvrid = {vrid}\n\
                     priority = {priority}\nadvertisement_interval = \"100ms\"\n\
                     addresses = [\"172.16.0.{vrid}/32\"]\nexcluded_addresses = [{last}]\n\n"
                )
                .replace("VRID", &vrid.to_string())
            })
            .collect()
    };
    let active = lab.vrrpd(0, &config(200, ""));
    eventually("all are Active", || addresses_on(&lab, 0) == 250);
    let backup = lab.vrrpd(1, &config(100, ""));
    eventually("the Backup hears them", || backup.counter("v250", "advertisements_received") > 5);
    let heard = || backup.counter("v1", "advertisements_received");
    let (before, begin) = (heard(), Instant::now());
    active.reload(&config(200, "\"172.16.1.VRID/32\""));
    eventually("each has gained an address", || addresses_on(&lab, 0) == 500);
    let took = begin.elapsed();
    std::thread::sleep(Duration::from_secs(2));
    let (after, elapsed) = (heard(), begin.elapsed());
    let status = backup.try_status().expect("a status");
    let routers = status["routers"].as_array().expect("routers").clone();
    let flaps: u64 =
        routers.iter().map(|router| router["statistics"]["active_transitions"].as_u64().unwrap_or(0)).sum();
    let wanted = elapsed.as_millis() / 100;
    println!(
        "reload of 250 routers: {took:?}, {} of {wanted} advertisements of one heard, {flaps} flaps",
        after - before
    );
    assert_eq!(flaps, 0);
    assert!(u128::from(after - before) + 1 >= wanted);
    active.stop();
    backup.stop();
}

#[test]
#[ignore = "a benchmark"]
fn busy_threads_cause_no_false_takeover() {
    for threads in [8, 32] {
        let Some(lab) = Lab::new("busy", 2) else { return };
        let active = start(&lab, 0, Program::Vrrpd, 1, 10);
        eventually("it is Active", || addresses_on(&lab, 0) == 1);
        let Running::Vrrpd(backup) = start(&lab, 1, Program::Vrrpd, 1, 10) else { return };
        eventually("the Backup hears it", || backup.counter("v0-1", "advertisements_received") > 5);
        let mut busy: Vec<_> = (0..threads)
            .map(|_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh"))
            .collect();
        std::thread::sleep(Duration::from_secs(8));
        for child in &mut busy {
            drop(child.kill());
            drop(child.wait());
        }
        let takeovers = backup.counter("v0-1", "active_transitions");
        println!("{threads} busy threads for 8 s at 10 ms: {takeovers} false takeovers");
        assert_eq!(takeovers, 0);
        backup.stop();
        active.stop();
    }
}
