//! Memory with 4096 real servers: all of Mark21's processes beside keepalived's, in the same
//! director.

use std::fmt::Write;

use anyhow::{Context, ensure};
use mark21_lab::tools::{ipvsadm, keepalived};
use mark21_lab::{Director, Lab, Result, eventually};

use crate::figures::line;
use crate::rules::largest;

/// Of the processes of one program, in KiB.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    processes: u32,
    resident: u64,
    proportional: u64,
    peak: u64,
}

pub(crate) fn bench(lab: &mut Lab) -> Result {
    let mut director = lab.boot(&largest(vec![ipvsadm(), keepalived()])?)?;
    director.wait_serving()?;
    lab.step("serving");
    let own = ["mark21d", "vrrpd", "mark21"].map(|name| memory(&mut director, name));
    let [supervisor, vrrpd, console] = own;
    let (supervisor, vrrpd, console) = (supervisor?, vrrpd?, console?);
    let saved = director.tool("ipvsadm -Sn")?;
    director.root("kill -STOP $(pidof mark21d)")?;
    director.tool("ipvsadm -C")?;
    director.write("/run/keepalived.conf", &keepalived_configuration(&saved)?)?;
    director.tool("keepalived -f /run/keepalived.conf -p /run/k.pid -r /run/kv.pid -c /run/kc.pid")?;
    eventually("keepalived's services", std::time::Duration::from_secs(240), || {
        let count = director.tool("ipvsadm -Sn")?.lines().filter(|line| line.starts_with("-a")).count();
        ensure!(count == 4096, "{count} real servers");
        Ok(())
    })?;
    let other = memory(&mut director, "keepalived")?;
    println!("  {:<34} {:>9} {:>9} {:>9} {:>9}", "KiB", "processes", "PSS", "RSS", "peak RSS");
    let mut sum = Memory::default();
    for (name, one) in
        [("mark21d", supervisor), ("vrrpd", vrrpd), ("mark21 (console, machine port)", console)]
    {
        row(name, one);
        sum.processes += one.processes;
        sum.resident += one.resident;
        sum.proportional += one.proportional;
        sum.peak += one.peak;
    }
    row("all of Mark21", sum);
    row("keepalived", other);
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let ratio = |one: u64, other: u64| format!("{:.2}", one as f64 / other as f64);
    line("Mark21 / keepalived, PSS", &ratio(sum.proportional, other.proportional));
    line("Mark21 / keepalived, RSS", &ratio(sum.resident, other.resident));
    line("Mark21 / keepalived, peak RSS", &ratio(sum.peak, other.peak));
    Ok(())
}

fn row(name: &str, memory: Memory) {
    let Memory { processes, resident, proportional, peak } = memory;
    println!("  {name:<34} {processes:>9} {proportional:>9} {resident:>9} {peak:>9}");
}

/// The same services for keepalived, with one virtual router and without health checks, which
/// Mark21 does not have here either.
pub(crate) fn keepalived_configuration(saved: &str) -> Result<String> {
    let mut text = String::from(
        "vrrp_instance one {\n interface eth0\n virtual_router_id 51\n priority 100\n \
         virtual_ipaddress {\n 198.51.100.99/24\n }\n}\n",
    );
    let mut is_open = false;
    for rule in saved.lines() {
        let words: Vec<&str> = rule.split_whitespace().collect();
        let after = |flag: &str| {
            let at = words.iter().position(|word| *word == flag);
            let word = at.and_then(|at| words.get(at + 1)).with_context(|| format!("no {flag} in {rule}"))?;
            let (address, port) = word.split_once(':').with_context(|| rule.to_owned())?;
            Result::<_>::Ok(format!("{address} {port}"))
        };
        if rule.starts_with("-A") {
            if is_open {
                text.push_str("}\n");
            }
            write!(
                text,
                "virtual_server {} {{\n lvs_sched wlc\n lvs_method NAT\n protocol TCP\n",
                after("-t")?
            )?;
            is_open = true;
        } else {
            writeln!(text, " real_server {} {{\n weight 1\n }}", after("-r")?)?;
        }
    }
    Ok(text + "}\n")
}

/// Of all processes with this name.
fn memory(director: &mut Director, name: &str) -> Result<Memory> {
    // pidof goes by the file too, which is one for mark21d and mark21.
    let script = format!(
        "for p in $(grep -lx {name} /proc/[0-9]*/comm); do cat ${{p%comm}}smaps_rollup ${{p%comm}}status; done"
    );
    let text = director.root(&script)?;
    let sum = |key: &str| -> Result<u64> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(key)?.split_whitespace().next());
        lines.map(|number| number.parse::<u64>().with_context(|| text.clone())).sum()
    };
    let processes = text.lines().filter(|line| line.starts_with("Name:")).count();
    ensure!(processes > 0, "{name} does not run");
    Ok(Memory {
        processes: u32::try_from(processes)?,
        resident: sum("Rss:")?,
        proportional: sum("Pss:")?,
        peak: sum("VmHWM:")?,
    })
}
