//! One weight of 4096 changed, and the whole state told, beside keepalived's reload and
//! `ipvsadm` in the same director.

use anyhow::ensure;
use mark21_lab::tools::{ipvsadm, keepalived};
use mark21_lab::{Director, Lab, Result};

use crate::figures::{PAIRS, Series, line, timed};
use crate::memory::keepalived_instead;
use crate::rules::largest;

/// The server that changes, as `/proc/net/ip_vs` writes it (linux/net/netfilter/ipvs/ip_vs_ctl.c).
const SERVER: (&str, &str) = ("10.21.0.11", "0A15000B:1F40");

pub(crate) fn bench(lab: &mut Lab) -> Result {
    let mut director = lab.boot(&largest(vec![ipvsadm(), keepalived()])?)?;
    director.wait_serving()?;
    lab.step("serving");
    let saved = director.tool("ipvsadm -Sn")?;

    // The emulator keeps what it has translated of a program for the address where it ran, and the
    // kernel starts it at another one each time: without that it is as on a processor, which
    // translates nothing.
    for (random, when) in [(0, "at fixed addresses"), (2, "translated anew")] {
        director.root(&format!("echo {random} > /proc/sys/kernel/randomize_va_space"))?;
        let (mut status, mut list) = (Series::default(), Series::default());
        for _ in 0..PAIRS {
            status.push(timed(&mut director, "mark21 status --json > /dev/null")?.1);
            list.push(timed(&mut director, &format!("{TOOLS} ./ipvsadm -Ln --stats > /dev/null"))?.1);
        }
        line(&format!("mark21 status --json, {when}, s"), &status.text());
        line(&format!("ipvsadm -Ln --stats, {when}, s"), &list.text());
        line("mark21 / ipvsadm (wanted: below 1)", &status.over(&list).text());
    }

    let (mut by_hand, mut saved_weight) = (Series::default(), Series::default());
    for number in 0..PAIRS {
        let weight = 2 + number % 2;
        let command = |save: &str| format!("mark21 weight s0 {} {weight} {save} > /dev/null", SERVER.0);
        by_hand.push(timed(&mut director, &command(""))?.1);
        director.root(&format!("mark21 undrain s0 {}", SERVER.0))?;
        saved_weight.push(timed(&mut director, &command("--save"))?.1);
        ensure!(shows(&mut director, weight)?, "weight {weight} is not in the kernel");
    }
    line("mark21 weight, for the moment, s", &by_hand.text());
    line("mark21 weight --save: checked, applied, proven, on the disk, s", &saved_weight.text());

    let reload = keepalived_reloads(&mut director, &saved)?;
    line("keepalived's reload of the same, until the kernel has it, s", &reload.text());
    line("mark21 for the moment / keepalived (wanted: below 1)", &by_hand.over(&reload).text());
    line("mark21 --save / keepalived (wanted: below 1)", &saved_weight.over(&reload).text());
    Ok(())
}

const TOOLS: &str = "export LD_LIBRARY_PATH=/run/tools; cd /run/tools;";

/// keepalived instead of mark21d, with the same services.
fn keepalived_reloads(director: &mut Director, saved: &str) -> Result<Series> {
    keepalived_instead(director, saved)?;
    let mut reload = Series::default();
    for number in 0..PAIRS {
        let weight = 2 + number % 2;
        let first = format!("real_server {} ", SERVER.0);
        director
            .root(&format!("sed -i '/{first}/,/weight/s/weight .*/weight {weight}/' /run/keepalived.conf"))?;
        let wait = format!(
            "kill -HUP $(cat /run/k.pid) && until grep -q '{} *Masq *{weight} ' /proc/net/ip_vs; do :; done",
            SERVER.1
        );
        reload.push(timed(director, &format!("{{ {wait}; }}"))?.1);
    }
    Ok(reload)
}

fn shows(director: &mut Director, weight: usize) -> Result<bool> {
    let found = director.root(&format!("grep -c '{} *Masq *{weight} ' /proc/net/ip_vs || :", SERVER.1))?;
    Ok(found.trim() == "1")
}
