//! docs/vrrpd-keepalived.md as it is written: a pair with keepalived becomes one with vrrpd, a box
//! after the other. There is no service manager here; what `systemctl` would do is done by the unit's
//! own command line.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use crate::lab::{Keepalived, Lab, REAL_TIME, eventually, kill};

const PAGE: &str = include_str!("../../../../docs/vrrpd-keepalived.md");
const UNIT: &str = include_str!("../../vrrpd.service");
const ADDRESSES: [&str; 2] = ["10.9.0.99", "fd09::99"];

/// One of the two, with /etc and /run/vrrpd of its own.
struct Machine<'a> {
    lab: &'a Lab,
    index: usize,
    directory: PathBuf,
    keepalived: Option<Keepalived>,
    vrrpd: Option<Child>,
}

impl<'a> Machine<'a> {
    fn new(lab: &'a Lab, index: usize, priority: u8) -> Machine<'a> {
        let directory = PathBuf::from(format!("/run/{}", lab.host(index)));
        fs::create_dir_all(directory.join("run")).expect("a directory");
        fs::create_dir_all(directory.join("bin")).expect("a directory");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vrrpd"), directory.join("bin/vrrpd")).expect("a link");
        let copy = Command::new("cp").arg("-a").arg("/etc").arg(directory.join("etc")).status();
        assert!(copy.expect("cp").success());
        let role = if priority == 150 { "MASTER" } else { "BACKUP" };
        let instance = |name: &str, addresses: &str| {
            format!(
                "vrrp_instance {name} {{\n state {role}\n interface eth0\n virtual_router_id 51\n \
                 priority {priority}\n advert_int 0.3\n virtual_ipaddress {{\n {addresses}\n }}\n}}\n"
            )
        };
        let config = format!(
            "global_defs {{\n{REAL_TIME} router_id lb\n vrrp_version 3\n vrrp_garp_master_delay 1\n}}\n\
             vrrp_sync_group both {{\n group {{\n four\n six\n }}\n}}\n{}{}",
            instance("four", "10.9.0.99/24 dev eth0"),
            instance("six", "fe80::99/64\n fd09::99/64"),
        );
        fs::create_dir_all(directory.join("etc/keepalived")).expect("a directory");
        fs::write(directory.join("etc/keepalived/keepalived.conf"), &config).expect("a configuration");
        let keepalived = Some(lab.keepalived(index, &config));
        Machine { lab, index, directory, keepalived, vrrpd: None }
    }

    /// A command line of a shell on this machine.
    fn shell(&self, line: &str) -> Command {
        let here = self.directory.display();
        let mut command = self.lab.command(self.index, "unshare");
        command.args(["--mount", "sh", "-euc"]).arg(format!(
            "PATH={here}/bin:$PATH\nmkdir -p /run/vrrpd\nmount --bind {here}/run /run/vrrpd\n\
             mount --bind {here}/etc /etc\n{line}"
        ));
        command
    }

    fn run(&self, line: &str) -> String {
        let output = self.shell(line).output().expect("sh");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{line}: {text}");
        text
    }

    fn has_all(&self) -> bool {
        ADDRESSES.iter().all(|address| self.lab.has(self.index, address))
    }

    /// What the steps 1 and 2 say. `vrrpd status` must show `state` for both routers, and the
    /// address of the Active one.
    fn change_over(&mut self, state: &str, active: &str) {
        for command in [1, 2].into_iter().flat_map(commands) {
            match command {
                "systemctl disable --now keepalived" => self.keepalived.take().map_or((), Keepalived::stop),
                "systemctl enable --now vrrpd" => {
                    let line = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/sbin/"));
                    let line = format!("exec {}", line.expect("in the unit"));
                    self.vrrpd = Some(self.shell(&line).spawn().expect("vrrpd"));
                }
                "vrrpd status" => {
                    eventually("both routers are as the page says", || {
                        let output = self.shell(command).output().expect("sh");
                        let text = String::from_utf8_lossy(&output.stdout);
                        // Below the head of the table.
                        let routers =
                            text.lines().skip(1).filter(|line| line.contains(&format!(" {state} ")));
                        routers.count() == 2 && text.contains(active)
                    });
                }
                // What it shows, not what is typed.
                "backup" => {}
                command if command.starts_with("vrrpd ") => drop(self.run(command)),
                other => panic!("the page says {other}, and this test does not know how"),
            }
        }
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        if let Some(mut vrrpd) = self.vrrpd.take() {
            kill(vrrpd.id(), "TERM");
            drop(vrrpd.wait());
        }
    }
}

/// What stands between backquotes in a step.
fn commands(step: usize) -> Vec<&'static str> {
    let start = format!("{step}. ");
    let line = PAGE.lines().find_map(|line| line.strip_prefix(&start)).expect("the step");
    line.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_page_on_the_way_from_keepalived_works_as_it_is_written() {
    let Some(lab) = Lab::new("page", 2) else { return };
    let (mut first, mut second) = (Machine::new(&lab, 0, 150), Machine::new(&lab, 1, 100));
    eventually("the first is Active", || first.has_all() && !second.has_all());
    second.change_over("backup", " 10.9.0.1 ");
    assert!(first.has_all() && !second.has_all());
    let imported = second.run("cat /etc/vrrpd.toml");
    assert!(imported.contains("vrrp_garp_master_delay 1: "), "{imported}");

    // Step 3: stopped there, which is the first thing that its own step 2 does.
    first.keepalived.take().expect("running").stop();
    eventually("vrrpd takes over", || second.has_all() && !first.has_all());
    first.change_over("active", " 10.9.0.1 ");
    eventually("the greater priority has it again", || first.has_all() && !second.has_all());
}
