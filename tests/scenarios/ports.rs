//! Ports that enumerate in another order keep their places.

use anyhow::ensure;
use mark21_lab::qemu::Wiring;
use mark21_lab::topology::{client_address, client_address6, virtual_ftp, virtual_ftp6};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, scenario};

use mark21_lab::ftp::Mode;

#[test]
fn ports_that_are_matched_by_mac_do_not_swap() {
    let matched = ["mac = \"52:54:00:21:01:01\"", "mac = \"52:54:00:21:01:02\""];
    // The kernel's first port is the inside one.
    scenario(|lab| serves(lab, Wiring::Swapped, matched, "52:54:00:21:01:02"));
}

#[test]
fn ports_that_are_matched_by_pci_path_do_not_move() {
    let matched = ["pci = \"0000:00:10.0\"", "pci = \"0000:00:11.0\""];
    // The kernel's first port is the spare one.
    scenario(|lab| serves(lab, Wiring::SpareFirst, matched, "52:54:00:21:00:99"));
}

fn serves(lab: &mut Lab, wiring: Wiring, [outside, inside]: [&str; 2], first: &str) -> Result {
    let boot = Boot::with_file("single.toml")?
        .replace("device = \"eth0\"", outside)?
        .replace("device = \"eth1\"", inside)?;
    let mut director = lab.boot(&Boot { wiring, ..boot })?;
    lab.start_ftp_servers(&Settings { length: 1000, ..Settings::default() })?;
    director.wait_serving()?;
    let eth0 = director.root("cat /sys/class/net/eth0/address")?;
    ensure!(eth0.trim() == first, "the ports are in their usual order, eth0 is {eth0}");
    lab.step("serving");
    every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})?;
    every_mode(lab, (client_address6(1), virtual_ftp6()), &Mode::IPV6, None, |_| {})
}
