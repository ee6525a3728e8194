//! What vrrpd keeps of its privileges and what it has of the machine, by what the kernel tells.

use std::fs;

use crate::lab::{Lab, eventually};
use crate::router;

/// What stands behind `name` in a file of /proc.
fn field(pid: u32, file: &str, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a process");
    let line = text.lines().find(|line| line.starts_with(name)).expect("a line of it");
    line[name.len()..].trim().to_owned()
}

/// Priority among those in real time, and the policy: 0 is everybody's, 2 is SCHED_RR.
fn scheduling(pid: u32) -> (u32, u32) {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let (_, rest) = text.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Fields 40 and 41 of proc_pid_stat(5), and the third is the first here.
    (fields[37].parse().expect("a number"), fields[38].parse().expect("a number"))
}

#[test]
fn it_is_locked_and_in_real_time_with_two_capabilities_and_nothing_that_could_end_it() {
    let Some(lab) = Lab::new("process", 1) else { return };
    let vrrpd = lab.vrrpd(0, &router(200, ""));
    eventually("it is Active", || lab.has(0, "10.9.0.99"));
    let pid = vrrpd.pid();
    // CAP_NET_ADMIN is 12, CAP_NET_RAW is 13.
    for set in ["CapEff:", "CapPrm:"] {
        assert_eq!(field(pid, "status", set), "0000000000003000", "{set}");
    }
    assert_eq!(field(pid, "status", "Seccomp:"), "2", "system calls are filtered");
    assert_eq!(field(pid, "status", "Threads:"), "1");
    let limit = field(pid, "limits", "Max realtime timeout");
    assert!(limit.starts_with("unlimited") && limit.matches("unlimited").count() == 2, "{limit}");
    let helper = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its children");
    let helper: u32 = helper.trim().parse().expect("one");
    assert_eq!(scheduling(helper), (0, 0), "programs run as everybody does");
    assert_eq!(field(helper, "status", "VmLck:"), "0 kB");
    if vrrpd.log().contains("no real-time priority") || vrrpd.log().contains("memory is not locked") {
        eprintln!("SKIPPED: priority and locked memory, which take real root");
    } else {
        assert_eq!(scheduling(pid), (50, 2));
        let locked = field(pid, "status", "VmLck:");
        assert!(
            locked.trim_end_matches(" kB").parse().is_ok_and(|kilobytes: u32| kilobytes > 500),
            "{locked}"
        );
    }
    vrrpd.stop();
}
