//! Scripts, files, programs and the FIFO.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::lab::{Lab, eventually, kill};
use crate::router;

#[test]
fn scripts_files_and_programs_are_heard_and_told() {
    let Some(lab) = Lab::new("track", 1) else { return };
    let told = "/run/track-a/told";
    let config = format!(
        r#"
[global]
notify_fifo = "/run/track-a/fifo"
{}
[[track_script]]
name = "check"
command = ["/usr/bin/test", "-e", "/run/track-a/good"]
interval = "100ms"
fall = 2

[[track_file]]
name = "load"
path = "/run/track-a/load"
interval = "100ms"
weight = -10
"#,
        router(
            100,
            &format!(
                "track_script = [\"check\"]\ntrack_file = [\"load\"]\n\
                 notify = [\"/bin/sh\", \"-c\", \"echo $* >> {told}\", \"sh\"]"
            )
        )
    );
    std::fs::create_dir_all("/run/track-a").expect("a directory");
    std::fs::write("/run/track-a/good", "").expect("written");
    std::fs::write("/run/track-a/load", "2\n").expect("written");
    let vrrpd = lab.vrrpd(0, &config);
    let mut fifo = Command::new("cat").arg("/run/track-a/fifo").stdout(Stdio::piped()).spawn().expect("cat");
    let mut lines = BufReader::new(fifo.stdout.take().expect("piped")).lines();
    let priority = || vrrpd.router("v")["effective_priority"].as_u64();
    eventually("the file weighs", || priority() == Some(80));
    eventually("it is Active", || vrrpd.state("v") == "active");
    std::fs::write("/run/track-a/load", "-3\n").expect("written");
    eventually("the file weighs otherwise", || priority() == Some(130));
    std::fs::remove_file("/run/track-a/good").expect("removed");
    eventually("the script is a fault", || vrrpd.state("v") == "initialize" && !lab.has(0, "10.9.0.99"));
    std::fs::write("/run/track-a/good", "").expect("written");
    eventually("the fault is over", || vrrpd.state("v") == "active");
    let expected = ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"];
    let read = || std::fs::read_to_string(told).unwrap_or_default();
    eventually("programs were run in order", || {
        let states: Vec<_> =
            read().lines().filter_map(|line| line.split(' ').nth(2).map(str::to_owned)).collect();
        states == expected
    });
    assert!(read().starts_with("INSTANCE v BACKUP "), "{}", read());
    for state in expected {
        let line = lines.next().expect("a line").expect("text");
        assert!(line.starts_with(&format!("INSTANCE \"v\" {state} ")), "{line}");
    }
    vrrpd.stop();
    assert!(read().trim_end().ends_with("130") || read().contains("STOP"), "{}", read());
    kill(fifo.id(), "TERM");
    drop(fifo.wait());
}
