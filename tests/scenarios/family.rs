//! The crate `ipvs` against the director's own kernel: every command of its netlink family, read
//! back, and every named error provoked.

use std::env;

use anyhow::{Context, ensure};
use mark21_lab::director::BOOT;
use mark21_lab::tools::{MOUNT, PLACE};
use mark21_lab::{Boot, scenario};

/// In a network namespace of its own, because it takes all services away.
const EXERCISE: &str = "modprobe -a ip_vs_rr ip_vs_sh ip_vs_wlc dummy && busybox unshare -n sh -c '\
    ip link set lo up && ip link add sync0 type dummy && ip address add 192.0.2.7/24 dev sync0 && \
    ip link set sync0 up && exec ./ipvs-exercise sync0'";

#[test]
fn every_command_and_error_of_the_kernel_s_family_is_known() {
    scenario(|lab| {
        let own = env::current_exe()?;
        let built = own.ancestors().nth(2).context("a program's path")?.join("examples/ipvs-exercise");
        ensure!(built.exists(), "{} is not there: tests/run test builds it", built.display());
        let mut director = lab.boot(&Boot { tools: vec![built], ..Boot::with_file("single.toml")? })?;
        director.wait_serving()?;
        lab.step("serving");
        let script = format!("{MOUNT} && cd {PLACE} && export LD_LIBRARY_PATH={PLACE} && {EXERCISE}");
        let text = director.agent.succeed(&script, BOOT)?;
        let last = text.lines().last().unwrap_or_default();
        let passed = last.strip_suffix(" passed, 0 failed").and_then(|count| count.parse::<u32>().ok());
        ensure!(passed.is_some_and(|count| count > 100), "{text}");
        // No configuration names an engine, so the production kernel has none.
        let skipped = text.lines().filter(|line| line.starts_with("SKIPPED") && !line.contains("engine sip"));
        ensure!(skipped.count() == 0, "{text}");
        lab.step(last);
        let verified = director.port.ask("verify", BOOT)?;
        ensure!(verified["code"] == "done", "{verified:#}");
        Ok(())
    });
}
