//! The control socket and the service manager.

use std::io::{BufRead, BufReader};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::lab::{Lab, eventually, ip};
use crate::router;

#[test]
fn a_waiting_daemon_takes_its_configuration_and_starts_with_it_again() {
    let Some(lab) = Lab::new("wait", 1) else { return };
    let vrrpd = lab.waiting_vrrpd(0, &[]);
    assert_eq!(vrrpd.try_status().expect("a status")["configured"], false);
    let file = "/run/wait-a/given.toml";
    std::fs::write(file, router(100, "prioritty = 3")).expect("written");
    let (text, is_success) = vrrpd.ask(&["configure", file]);
    assert!(!is_success && text.contains("9:1: [[virtual_router]] has no `prioritty`"), "{text}");
    std::fs::write(file, router(200, "")).expect("written");
    let (text, is_success) = vrrpd.ask(&["configure", file]);
    assert!(is_success, "{text}");
    eventually("it is Active", || lab.has(0, "10.9.0.99"));
    drop(vrrpd);
    let vrrpd = lab.waiting_vrrpd(0, &[]);
    assert_eq!(vrrpd.try_status().expect("a status")["configured"], true);
    eventually("it is Active again", || vrrpd.state("v") == "active" && lab.has(0, "10.9.0.99"));
    vrrpd.stop();
}

#[test]
fn watchers_are_told_of_every_transition() {
    let Some(lab) = Lab::new("watch", 1) else { return };
    let vrrpd = lab.vrrpd(0, &router(100, "startup_delay = \"3s\""));
    let mut stream = UnixStream::connect("/run/watch-a/control").expect("connected");
    std::io::Write::write_all(&mut stream, b"watch").expect("written");
    stream.shutdown(std::net::Shutdown::Write).expect("shut down");
    let mut lines = BufReader::new(stream).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ok");
    let status: serde_json::Value =
        serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
    assert_eq!(status["routers"][0]["state"], "backup");
    let event: serde_json::Value =
        serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
    assert_eq!((&event["name"], &event["to"]), (&"v".into(), &"active".into()));
    vrrpd.stop();
}

/// A watcher that shuts down its writing side leaves an end of file that is readable for ever; waiting
/// for it anew at every answer made the loop turn without a rest, at real-time priority.
#[test]
fn a_watcher_that_stays_keeps_nobody_busy() {
    let Some(lab) = Lab::new("idle", 1) else { return };
    let config = |priority| {
        router(priority, "")
            .replace("\"100ms\"", "\"1s\"")
            .replace("[[virtual", "[global]\nannounce_refresh = \"0s\"\n\n[[virtual")
    };
    let vrrpd = lab.vrrpd(0, &config(255));
    eventually("it is Active", || lab.has(0, "10.9.0.99"));
    let mut watchers = Vec::new();
    for request in ["watch", "watch", "status json"] {
        let mut stream = UnixStream::connect("/run/idle-a/control").expect("connected");
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("written");
        stream.shutdown(std::net::Shutdown::Write).expect("shut down");
        watchers.push(BufReader::new(stream));
    }
    // One that says nothing, and one that is half way through its request.
    let silent = UnixStream::connect("/run/idle-a/control").expect("connected");
    let mut slow = UnixStream::connect("/run/idle-a/control").expect("connected");
    std::io::Write::write_all(&mut slow, b"wat").expect("written");
    // A transition is written to each watcher, after which it is waited for again.
    let hears = |watchers: &mut Vec<BufReader<UnixStream>>, word: &str| {
        for watcher in watchers.iter_mut().take(2) {
            let mut line = String::new();
            while !line.contains(word) {
                line.clear();
                assert!(watcher.read_line(&mut line).expect("a line") > 0, "the daemon hung up");
            }
        }
    };
    ip("-n idle-a link set eth0 down");
    hears(&mut watchers, "fault");
    ip("-n idle-a link set eth0 up");
    hears(&mut watchers, "owner");
    // Announcements go at 0, 1 and 5 s; beside them there is an advertisement a second.
    let (before, begin) = (vrrpd.effort(), Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let (after, lasted) = (vrrpd.effort(), begin.elapsed());
    let (runs, time) = (after.0 - before.0, after.1 - before.1);
    // A loop without a rest is on a processor all the time, or given one thousands of times.
    assert!(runs < 20 * (lasted.as_secs() + 1), "given a processor {runs} times in {lasted:?}");
    assert!(time < lasted / 4, "on a processor for {time:?} in {lasted:?}");
    drop((silent, slow));
    vrrpd.stop();
}

#[test]
fn a_service_manager_is_told_ready_status_and_that_the_loop_turns() {
    let Some(lab) = Lab::new("sd", 1) else { return };
    let socket = UnixDatagram::bind("/run/sd-notify").expect("bound");
    // Read all the time: the kernel keeps ten messages, and vrrpd waits for nobody.
    let (sender, messages) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(len) = socket.recv(&mut buffer) {
            if sender.send(String::from_utf8_lossy(&buffer[..len]).into_owned()).is_err() {
                break;
            }
        }
    });
    let environment = [("NOTIFY_SOCKET", "/run/sd-notify"), ("WATCHDOG_USEC", "100000")];
    let vrrpd = lab.waiting_vrrpd(0, &environment);
    let next = || messages.recv_timeout(Duration::from_secs(20)).expect("a message");
    assert_eq!(next(), "READY=1\nSTATUS=waiting for a configuration");
    for _ in 0..5 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    let file = "/run/sd-a/given.toml";
    std::fs::write(file, router(200, "")).expect("written");
    assert!(vrrpd.ask(&["configure", file]).1);
    eventually("the status says so", || next() == "STATUS=1 active, 0 backup, 0 initialize");
    vrrpd.stop();
    eventually("the end is told", || next() == "STOPPING=1");
}
