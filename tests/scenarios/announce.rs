//! FTP with `passive = "server"`: the servers announce the virtual address, FTPS works.

use anyhow::{Context, ensure};
use mark21_lab::content::{Content, sha256};
use mark21_lab::ftp::Mode;
use mark21_lab::topology::{client_address, client_address6, virtual_ftp, virtual_ftp6};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, scenario};

#[test]
fn every_mode_works_with_and_without_tls() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_file("server.toml")?)?;
        director.wait_serving()?;
        lab.step("serving");
        let lines = Some(director.server_config("ftp")?);
        lab.start_ftp_servers(&Settings { tls: true, lines, ..Settings::default() })?;
        let upload = Content::generate("upload", 20_000_000);
        every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, Some(&upload), |_| {})?;
        every_mode(lab, (client_address6(1), virtual_ftp6()), &Mode::IPV6, Some(&upload), |_| {})?;
        lab.step("the raw client is content");
        explicit_ftps(lab)
    });
}

/// With the servers' certificate checked; PASV, EPSV, active, both families.
fn explicit_ftps(lab: &Lab) -> Result {
    let hashes: Vec<&str> = lab.servers.iter().map(|server| &server.content.sha256[..]).collect();
    for url in ["ftp://198.51.100.21/big.bin", "ftp://[2001:db8:1::21]/big.bin"] {
        // curl connects to the address of the reply only when told to.
        for mode in [&["--no-ftp-skip-pasv-ip", "--disable-epsv"][..], &[]] {
            let common = ["-sS", "--ssl-reqd", "--cacert", "/etc/ssl/lab.pem", "--max-time", "40", url];
            let got = lab.on_client("curl", &[mode, &common].concat())?.success();
            let got = got.with_context(|| format!("curl {mode:?} {url}"))?;
            ensure!(hashes.contains(&&sha256(&got.stdout)[..]), "curl {mode:?} {url}: other data");
        }
    }
    lab.step("curl over TLS");
    // Active over TLS is lftp's: curl 7.88 fails at it against any server ("sa_addr
    // inet_ntop() failed").
    for passive in ["on", "off"] {
        let script = format!(
            "set net:timeout 20; set net:max-retries 1; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; \
             set ssl:ca-file /etc/ssl/lab.pem; set ftp:passive-mode {passive}; set ftp:prefer-epsv no; \
             set ftp:fix-pasv-address no; cat big.bin; bye"
        );
        let got = lab.on_client("lftp", &["-e", &script, "198.51.100.21"])?.success();
        let got = got.with_context(|| format!("lftp over TLS, passive {passive}"))?;
        ensure!(hashes.contains(&&sha256(&got.stdout)[..]), "lftp over TLS, passive {passive}: other data");
    }
    lab.step("lftp over TLS");
    for (host, passive) in [("198.51.100.21", "True"), ("198.51.100.21", "False"), ("2001:db8:1::21", "True")]
    {
        let script = format!(
            "import ftplib, hashlib, ssl\n\
             c = ssl.create_default_context(cafile='/etc/ssl/lab.pem')\n\
             f = ftplib.FTP_TLS('{host}', timeout=20, context=c); f.login(); f.prot_p(); f.set_pasv({passive})\n\
             f.trust_server_pasv_ipv4_address = True\n\
             h = hashlib.sha256(); f.retrbinary('RETR big.bin', h.update); print(h.hexdigest()); f.quit()"
        );
        let got = lab.on_client("python3", &["-c", &script])?.success();
        let got = got.with_context(|| format!("FTP_TLS {host} passive={passive}"))?;
        ensure!(hashes.contains(&got.text().trim()), "FTP_TLS {host} passive={passive}: other data");
    }
    lab.step("FTP_TLS");
    Ok(())
}
