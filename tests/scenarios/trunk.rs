//! Both segments as VLANs on one bond of the director's two ports, and a port that goes away.

use std::thread;

use anyhow::{anyhow, ensure};
use mark21_lab::director::BOOT;
use mark21_lab::ftp::{Client, Mode};
use mark21_lab::qemu::{Wiring, sockets_of};
use mark21_lab::topology::{Segment, client_address, client_address6, virtual_ftp, virtual_ftp6};
use mark21_lab::transfers::every_mode;
use mark21_lab::trunk::{Ports, Trunk, tag};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, scenario};

#[test]
fn vlans_on_a_bond_by_lacp_carry_ftp_and_outlive_a_port() {
    scenario(|lab| {
        let trunk = Trunk::start(&sockets_of("dir-a"), Ports::Aggregated)?;
        let mut director = serving(lab, "802.3ad")?;
        eventually("both ports joined", BOOT, || joined(&trunk, 2))?;
        outlives(lab, &mut director, &trunk)
    });
}

#[test]
fn vlans_on_a_bond_with_one_active_port_carry_ftp_and_outlive_it() {
    scenario(|lab| {
        let trunk = Trunk::start(&sockets_of("dir-a"), Ports::Separate)?;
        let mut director = serving(lab, "active-backup")?;
        outlives(lab, &mut director, &trunk)
    });
}

fn serving(lab: &mut Lab, mode: &str) -> Result<Director> {
    let vlan = |segment| format!("vlan = {{ interface = \"trunk\", id = {} }}", tag(segment));
    let bond = format!(
        "\n[[interface]]\nname = \"trunk\"\n[interface.bond]\nmode = \"{mode}\"\ndevices = [\"eth0\", \"eth1\"]\n"
    );
    let boot = Boot::with_file("single.toml")?
        .replace("device = \"eth0\"", &vlan(Segment::Outside))?
        .replace("device = \"eth1\"", &vlan(Segment::Inside))?
        .and(&bond);
    let mut director = lab.boot(&Boot { wiring: Wiring::Trunk, ..boot })?;
    lab.start_ftp_servers(&Settings { length: 2_000_000, ..Settings::default() })?;
    director.wait_serving()?;
    lab.step("serving");
    Ok(director)
}

fn outlives(lab: &Lab, director: &mut Director, trunk: &Trunk) -> Result {
    every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})?;
    every_mode(lab, (client_address6(1), virtual_ftp6()), &Mode::IPV6, None, |_| {})?;
    lab.step("every mode on both ports");
    let before = trunk.joined();
    // Each port in turn goes away while downloads run, and comes back.
    for (port, segment) in [(0, Segment::Outside), (1, Segment::Inside)] {
        let hashes = thread::scope(|scope| {
            let downloading = scope.spawn(|| downloads(lab));
            trunk.set_port(port, false);
            let pulled = director.set_link(segment, false);
            let done = downloading.join().map_err(|_| anyhow!("a client panicked"))?;
            pulled?;
            done
        })?;
        lab.step(&format!("{hashes} downloads while port {port} went away"));
        trunk.set_port(port, true);
        director.set_link(segment, true)?;
        let device = format!("eth{port}");
        eventually("the port is back", BOOT, || {
            let state = director.root(&format!("cat /sys/class/net/{device}/bonding_slave/mii_status"))?;
            ensure!(state.trim() == "up", "{device}: {state}");
            joined(trunk, before)
        })?;
    }
    Ok(())
}

fn joined(trunk: &Trunk, wanted: usize) -> Result {
    let joined = trunk.joined();
    ensure!(joined == wanted, "{joined} ports, not {wanted}");
    Ok(())
}

/// One after the other in one session, each with the right hash; tells how many.
fn downloads(lab: &Lab) -> Result<usize> {
    const MANY: usize = 5;
    lab.client.enter(|| {
        let mut session = Client::log_in(client_address(1), virtual_ftp())?;
        let name = session.read_text(Mode::Pasv, "whoami.txt")?;
        let server = lab.server(&name)?;
        for _ in 0..MANY {
            let transfer = session.retrieve(Mode::Pasv, "big.bin")?;
            ensure!(transfer.sha256 == server.content.sha256, "{} bytes of other data", transfer.bytes);
        }
        session.quit()?;
        Ok(MANY)
    })
}
