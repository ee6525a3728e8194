//! What somebody else changes in the kernel is put right.

use std::time::Duration;

use anyhow::ensure;
use mark21_lab::{alone, eventually};

use crate::survival::{serving, verified, works};

/// How fast a foreign change must be mended.
const REPAIR: Duration = Duration::from_secs(5);

#[test]
fn changes_are_mended_within_five_seconds() {
    alone(|lab| {
        let mut director = serving(lab, 1000)?;
        let list = director.tool("ipvsadm -Sn")?;
        ensure!(list.contains("-A -f 21 "), "{list}");
        for change in [
            "LD_LIBRARY_PATH=/run/tools /run/tools/ipvsadm -D -f 21",
            "LD_LIBRARY_PATH=/run/tools /run/tools/ipvsadm -e -f 21 -r 10.21.0.11:0 -m -w 7",
            "nft flush ruleset",
            "ip address delete 198.51.100.21/24 dev eth0",
            "echo 0 > /proc/sys/net/ipv4/ip_forward",
            "ip link set eth1 down",
        ] {
            director.root(change)?;
            eventually(&format!("mended: {change}"), REPAIR, || verified(&mut director))?;
            lab.step(change);
            works(lab)?;
        }
        let after = director.tool("ipvsadm -Sn")?;
        ensure!(after == list, "before:\n{list}after:\n{after}");
        Ok(())
    });
}
