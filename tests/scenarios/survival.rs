//! What a director comes back from, and what does not disturb it.

use std::io::Read;
use std::time::Duration;

use anyhow::ensure;
use mark21_lab::content::Hash;
use mark21_lab::director::BOOT;
use mark21_lab::ftp::{Client, Mode};
use mark21_lab::tools::ipvsadm;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, scenario};

#[test]
fn it_serves_again_after_a_reboot_and_after_a_power_cut() {
    scenario(|lab| {
        let mut director = serving(lab, 1_000_000)?;
        let generation = director.status()?["configuration"]["generation"].clone();
        director.reboot()?;
        // The system that was must not answer for the new one.
        director.agent.wait_ready(BOOT)?;
        let status = director.wait_serving()?;
        lab.step("serving after a reboot");
        ensure!(status["configuration"]["generation"] == generation, "another generation: {status}");
        works(lab)?;
        director.power_cut()?;
        director.agent.wait_ready(BOOT)?;
        director.wait_serving()?;
        lab.step("serving after a power cut");
        works(lab)
    });
}

#[test]
fn a_killed_supervisor_disturbs_no_transfer() {
    scenario(|lab| {
        let mut director = serving(lab, 50_000_000)?;
        let lab = &*lab;
        lab.client.enter(|| {
            let mut session = Client::log_in(client_address(1), virtual_ftp())?;
            let name = session.read_text(Mode::Pasv, "whoami.txt")?;
            let mut data = session.open(Mode::Pasv, "RETR big.bin")?;
            let mut part = vec![0; 1_000_000];
            let mut hash = Hash::default();
            data.stream.read_exact(&mut part)?;
            hash.update(&part);
            let before = supervisor(&mut director)?;
            director.root(&format!("kill -9 {before}"))?;
            data.stream.read_exact(&mut part)?;
            hash.update(&part);
            eventually("a new mark21d", Duration::from_secs(30), || {
                ensure!(supervisor(&mut director)? != before, "process {before} is still there");
                Ok(())
            })?;
            lab.step("killed and back");
            let mut rest = Vec::new();
            data.stream.read_to_end(&mut rest)?;
            hash.update(&rest);
            session.expect(226)?;
            ensure!(hash.finish() == lab.server(&name)?.content.sha256);
            session.quit()
        })?;
        director.wait_serving()?;
        verified(&mut director)?;
        works(lab)
    });
}

pub(crate) fn serving(lab: &mut Lab, length: usize) -> Result<Director> {
    let mut director = lab.boot(&Boot { tools: vec![ipvsadm()], ..Boot::with_file("single.toml")? })?;
    lab.start_ftp_servers(&Settings { length, ..Settings::default() })?;
    director.wait_serving()?;
    lab.step("serving");
    Ok(director)
}

pub(crate) fn works(lab: &Lab) -> Result {
    every_mode(lab, (client_address(3), virtual_ftp()), &Mode::IPV4, None, |_| {})
}

/// The kernel holds what the configuration says.
pub(crate) fn verified(director: &mut Director) -> Result {
    let answer = director.port.ask("verify", Duration::from_secs(30))?;
    ensure!(answer["code"] == "done" || answer["result"]["changes"] == serde_json::json!([]), "{answer}");
    Ok(())
}

fn supervisor(director: &mut Director) -> Result<u32> {
    Ok(director.root("pidof mark21d")?.trim().parse()?)
}
