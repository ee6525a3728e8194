//! Both boxes are switched on in one moment, again and again.

use std::fs;
use std::time::Duration;

use crate::Mode;
use crate::lab::{Lab, always, eventually, output};

/// keepalived writes a line for each time that it becomes Active.
fn takeovers(lab: &Lab) -> usize {
    let log = format!("tmp/{}.log", lab.host(0));
    let root = std::path::PathBuf::from(std::env::var_os("MARK21_LAB_ROOT").expect("inside"));
    fs::read_to_string(root.join(log)).unwrap_or_default().matches("Entering MASTER STATE").count()
}

#[test]
fn ten_times_both_at_once_and_nobody_flaps() {
    let Some(lab) = Lab::new("power", 3) else { return };
    let mode = Mode::new(3, false);
    let address = mode.address();
    for round in 0..10 {
        let before = takeovers(&lab);
        // The ports come up, both programs start; who ranks first takes turns.
        for host in 0..2 {
            lab.set_port(host, false);
            lab.set_port(host, true);
        }
        let (theirs, ours) = if round % 2 == 0 { (200, 100) } else { (100, 200) };
        let keepalived = mode.keepalived(&lab, 0, theirs);
        // It may be the first to speak, and keepalived wants its own checksum then.
        let vrrpd = mode.vrrpd_with(&lab, 1, ours, "checksum = \"pseudo-header\"");
        let right = || lab.has(0, address) == (theirs > ours) && lab.has(1, address) == (ours > theirs);
        eventually("the greater priority has it", right);
        always(Duration::from_secs(1), "it stays so", right);
        let (first, second) = (takeovers(&lab) - before, vrrpd.counter("v", "active_transitions"));
        let most = |priority: u8| u64::from(priority == 200).max(1);
        assert!(
            u64::try_from(first).expect("few") <= most(theirs),
            "round {round}: keepalived {first} times"
        );
        assert!(second <= most(ours), "round {round}: vrrpd {second} times");
        // The neighbour knows the right one, without having asked.
        let root = std::env::var_os("MARK21_LAB_ROOT").expect("inside");
        eventually("the neighbour has an answer", || {
            let mut ping = lab.command(2, "chroot");
            ping.arg(&root).args(["/bin/busybox", "ping", "-c", "1", "-W", "1", address]);
            ping.stdout(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
        });
        let active = if theirs > ours { 0 } else { 1 };
        let link = output(&format!("-n {} link show eth0", lab.host(active)));
        let mac = link.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).expect("a MAC");
        let neighbour = output(&format!("-n {} neigh show {address}", lab.host(2)));
        assert!(neighbour.contains(mac), "round {round}: {neighbour}");
        keepalived.stop();
        vrrpd.stop();
        assert!(!lab.has(0, address) && !lab.has(1, address));
    }
}
