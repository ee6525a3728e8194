//! FTP with `passive = "rewrite"`: the director's helper mends the PASV replies.

use anyhow::ensure;
use mark21_lab::content::Content;
use mark21_lab::ftp::Mode;
use mark21_lab::topology::{client_address, client_address6, virtual_ftp, virtual_ftp6};
use mark21_lab::transfers::{Row, every_mode};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, scenario};

#[test]
fn every_mode_and_every_client_carries_20_mb() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_file("single.toml")?)?;
        let status = director.wait_serving()?;
        lab.step(&format!("serving: {}", status["boot"]));
        let lines = Some(director.server_config("ftp")?);
        lab.start_ftp_servers(&Settings { lines, ..Settings::default() })?;
        let upload = Content::generate("upload", 20_000_000);
        every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, Some(&upload), print)?;
        every_mode(lab, (client_address6(1), virtual_ftp6()), &Mode::IPV6, Some(&upload), print)?;
        lab.step("the raw client is content");
        real_clients(lab)
    });
}

fn print(row: &Row) {
    let Row { mode, direction, server, transfer } = row;
    let (bytes, peer, rate) = (transfer.bytes, transfer.peer, transfer.rate());
    println!("          {} {direction:?} {server} {peer} {bytes} bytes, {rate:.0} MB/s", mode.name());
}

/// lftp, curl and Python's ftplib, as people call them.
fn real_clients(lab: &Lab) -> Result {
    let hashes: Vec<&str> = lab.servers.iter().map(|server| &server.content.sha256[..]).collect();
    let is_known = |hash: &str| hashes.contains(&hash);

    for url in ["ftp://198.51.100.21/big.bin", "ftp://[2001:db8:1::21]/big.bin"] {
        for options in [&["-sS"][..], &["-sS", "--disable-epsv"], &["-sS", "--ftp-port", "-"]] {
            let arguments = [options, &["--max-time", "40", url]].concat();
            let got = lab.on_client("curl", &arguments)?.success()?;
            ensure!(is_known(&mark21_lab::content::sha256(&got.stdout)), "curl {arguments:?}");
        }
    }
    lab.step("curl");

    for passive in ["on", "off"] {
        let script = format!(
            "set net:timeout 20; set net:max-retries 1; set ftp:passive-mode {passive}; \
             set ftp:prefer-epsv no; set ftp:fix-pasv-address no; set dns:order inet; cat big.bin; bye"
        );
        let got = lab.on_client("lftp", &["-e", &script, "198.51.100.21"])?.success()?;
        ensure!(is_known(&mark21_lab::content::sha256(&got.stdout)), "lftp {script}");
    }
    lab.step("lftp");

    for (host, passive) in [("198.51.100.21", "True"), ("198.51.100.21", "False"), ("2001:db8:1::21", "True")]
    {
        let script = format!(
            "import ftplib, hashlib\n\
             f = ftplib.FTP('{host}', timeout=20); f.login(); f.set_pasv({passive})\n\
             f.trust_server_pasv_ipv4_address = True\n\
             h = hashlib.sha256(); f.retrbinary('RETR big.bin', h.update); print(h.hexdigest()); f.quit()"
        );
        let got = lab.on_client("python3", &["-c", &script])?.success()?;
        ensure!(is_known(got.text().trim()), "ftplib {host} passive={passive}");
    }
    lab.step("ftplib");
    Ok(())
}
