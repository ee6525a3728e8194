//! The kernel takes no more modules once the service is proven, and live changes still work.

use std::time::Duration;

use anyhow::ensure;
use mark21_lab::director::ANSWER;
use mark21_lab::transfers::passive_works;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Result, eventually, scenario};

/// Until the second proof, on a busy host.
const LOCKED: Duration = Duration::from_secs(60);
const SCHEDULERS: [&str; 8] = ["rr", "lc", "wlc", "sh", "dh", "sed", "nq", "mh"];
/// What an operator's table may use, a module of its own each.
const RULES: &str = "table inet office { chain c { type filter hook input priority 5; \
    fib saddr type local counter; quota over 1 mbytes drop; ct count over 9 drop; log prefix \"c\"; \
    meta mark set numgen inc mod 2; reject with icmpx admin-prohibited; }; }";

#[test]
fn once_proven_the_kernel_takes_no_more_modules_and_live_changes_still_work() {
    scenario(|lab| {
        let announced = "kind = \"ftp\"\npassive = \"server\"";
        let boot = Boot::with_file("single.toml")?.replace("kind = \"ftp\"", announced)?;
        let mut director = lab.boot(&boot)?;
        lab.start_ftp_servers(&Settings::default())?;
        director.wait_serving()?;
        wait_locked(&mut director)?;
        let refused = director.root(
            "! insmod $(find /lib/modules/ -name 'softdog.ko*') 2>&1 && ! rmmod ip_vs_mh 2>&1 && lsmod",
        )?;
        ensure!(refused.contains("not permitted") && !refused.contains("softdog "), "{refused}");
        lab.step("locked");

        let text = boot.configuration.clone().unwrap_or_default();
        for scheduler in SCHEDULERS {
            let other = text.replace(announced, &format!("{announced}\nscheduler = \"{scheduler}\""));
            director.write("/run/new.toml", &other)?;
            director.port.command("commit /run/new.toml", ANSWER)?;
            let tables = director.root("cat /proc/net/ip_vs")?;
            ensure!(tables.contains(&format!(" {scheduler} ")), "no {scheduler}: {tables}");
        }
        lab.step("every scheduler");
        let vlan = format!(
            "{text}\n[[interface]]\nname = \"office\"\nvlan = {{ interface = \"inside\", id = 7 }}\n"
        );
        director.write("/run/new.toml", &vlan)?;
        director.port.command("commit /run/new.toml", ANSWER)?;
        director.root("ip link show eth1.7")?;
        director.root(&format!("echo '{RULES}' | nft -c -f /dev/stdin"))?;
        lab.step("a VLAN, and rules of the operator");

        // The helper's ports are given when it is loaded: it waits for the next start.
        director.write("/run/new.toml", &vlan.replace(announced, "kind = \"ftp\""))?;
        let answer = director.port.ask("commit /run/new.toml", ANSWER)?;
        ensure!(answer["ok"] == false && answer.to_string().contains("needs reboot"), "{answer}");
        director.port.command("commit --at-reboot /run/new.toml", ANSWER)?;
        director.reboot()?;
        director.agent.wait_ready(mark21_lab::director::BOOT)?;
        director.wait_serving()?;
        ensure!(passive_works(lab), "passive FTP does not work with the helper");
        director.root("kill -9 $(pidof mark21d)")?;
        eventually("serving again", LOCKED, || {
            ensure!(director.status()?["state"] == "serving");
            locked(&mut director)
        })
    });
}

/// Until then the list of modules grows.
pub(crate) fn wait_locked(director: &mut Director) -> Result {
    eventually("the modules are locked", LOCKED, || locked(director))
}

fn locked(director: &mut Director) -> Result {
    let value = director.root("cat /proc/sys/kernel/modules_disabled")?;
    ensure!(value.trim() == "1", "{value}");
    Ok(())
}
