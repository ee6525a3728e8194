//! The lab without a director: a plain router stands in its place, so that what a
//! client and a server do by themselves is known before a director is judged.

use std::env;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use mark21_lab::content::Content;
use mark21_lab::ftp::{Client, Mode};
use mark21_lab::scenario::tests_directory;
use mark21_lab::topology::{Segment, client_address, client_address6};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Lab, Result, process, scenario, skip};

#[test]
fn the_raw_client_speaks_all_modes_over_ipv4() {
    scenario(|lab| {
        prepare(lab)?;
        let upload = Content::generate("upload", 1_000_000);
        lab.client.enter(|| {
            let mut ftp = Client::log_in(client_address(2), "10.21.0.11:21".parse()?)?;
            ensure!(ftp.read_text(Mode::Pasv, "whoami.txt")? == "rs1");
            for mode in Mode::IPV4 {
                let got = ftp.retrieve(mode, "big.bin")?;
                println!("{} {} {} bytes {:.0} MB/s", mode.name(), got.peer, got.bytes, got.rate());
                ensure!(got.sha256 == lab.server("rs1")?.content.sha256);
                let name = format!("upload/{}", mode.name());
                ftp.store(mode, &name, &upload.bytes)?;
                ensure!(lab.server("rs1")?.uploaded(mode.name())? == upload.bytes);
            }
            ftp.quit()
        })
    });
}

#[test]
fn the_raw_client_speaks_all_modes_over_ipv6() {
    scenario(|lab| {
        prepare(lab)?;
        lab.client.enter(|| {
            let mut ftp = Client::log_in(client_address6(3), "[fd21::12]:21".parse()?)?;
            for mode in Mode::IPV6 {
                ensure!(ftp.retrieve(mode, "big.bin")?.sha256 == lab.server("rs2")?.content.sha256);
            }
            ftp.quit()
        })
    });
}

#[test]
fn the_raw_client_refuses_a_reply_that_points_elsewhere() {
    scenario(|lab| {
        lab.start_plain_router()?;
        let extra_ipv4 = "pasv_address=10.21.0.12\n".to_owned();
        lab.start_ftp_servers(&Settings { extra_ipv4, length: 1000, ..Settings::default() })?;
        let refused = lab.client.enter(|| {
            let mut ftp = Client::log_in(client_address(1), "10.21.0.11:21".parse()?)?;
            Ok(ftp.retrieve(Mode::Pasv, "big.bin"))
        })?;
        let error = format!("{:#}", refused.expect_err("the reply points to another server"));
        ensure!(error.contains("points to 10.21.0.12"), "{error}");
        Ok(())
    });
}

#[test]
fn real_clients_and_captures_work() {
    scenario(|lab| {
        prepare(lab)?;
        let curl = lab.on_client("curl", &["-sS", "ftp://10.21.0.12/whoami.txt"])?.success()?;
        ensure!(curl.text() == "rs2\n");
        let lftp = lab.on_client("lftp", &["-e", "cat whoami.txt; bye", "10.21.0.11"])?.success()?;
        ensure!(lftp.text() == "rs1\n");
        let python = "import ftplib; f = ftplib.FTP('fd21::11'); f.login(); print(f.nlst())";
        let python = lab.on_client("python3", &["-c", python])?.success()?;
        ensure!(python.text().contains("big.bin"), "{}", python.text());
        for segment in [Segment::Outside, Segment::Inside] {
            ensure!(!lab.captured(segment, "tcp and host 10.21.0.12 and port 21")?.is_empty());
            ensure!(lab.captured(segment, "tcp port 2121")?.is_empty());
        }
        Ok(())
    });
}

#[test]
fn explicit_ftps_is_checked_against_its_certificate() {
    scenario(|lab| {
        lab.start_plain_router()?;
        lab.start_ftp_servers(&Settings { tls: true, ..Settings::default() })?;
        let url = "ftp://10.21.0.11/whoami.txt";
        let curl = lab.on_client("curl", &["-sS", "-k", "--ssl-reqd", url])?.success()?;
        ensure!(curl.text() == "rs1\n");
        // The certificate is for the virtual address; behind a plain router it is wrong.
        let cacert = "/etc/ssl/lab.pem";
        let stranger = lab.on_client("curl", &["-sS", "--cacert", cacert, "--ssl-reqd", url])?;
        ensure!(stranger.status.code() == Some(60), "{stranger:?}");
        Ok(())
    });
}

/// A skip was once lost between the inside and libtest, and passed as a success.
#[test]
fn a_skip_fails_where_it_was_promised() {
    let run = |no_skip: &str| {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--exact", "harness::skips_when_told", "--nocapture"]);
        command.env(TELL, "1").env("MARK21_NO_SKIP", no_skip);
        // It waits for its turn.
        process::run(command, Duration::from_secs(3600))
    };
    let allowed = run("0").expect("it runs");
    assert!(allowed.status.success() && allowed.stderr.contains("SKIPPED: told so"), "{allowed:?}");
    let promised = run("1").expect("it runs");
    assert!(!promised.status.success(), "{promised:?}");
}

#[test]
fn skips_when_told() {
    if env::var_os(TELL).is_some() {
        scenario(|_| skip("told so"));
    }
}

const TELL: &str = "MARK21_LAB_TEST_A_SKIP";

fn prepare(lab: &mut Lab) -> Result {
    lab.start_plain_router()?;
    lab.step("a router, and two servers");
    lab.start_ftp_servers(&Settings::default())?;
    lab.step("ready");
    Ok(())
}

/// A table that says where a rule is seen must not outlive the test.
#[test]
fn the_matrix_names_tests_that_exist() {
    let top = tests_directory().join("..");
    let read =
        |path: &str| fs::read_to_string(top.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rules = read("src/config/src/lint/tests.rs") + &read("src/config/src/lint/tests/services.rs");
    let mut checked = 0;
    for name in read("tests/MATRIX.md").split('`').skip(1).step_by(2) {
        let is_there = if let Some(rule) = name.strip_prefix("lint: ") {
            rules.contains(&format!("\"{rule}\""))
        } else if let Some((file, test)) = name.split_once("::").filter(|(file, _)| *file != "file") {
            read(&format!("tests/scenarios/{file}.rs")).contains(&format!("fn {test}()"))
        } else if let Some((path, test)) = name.split_once(".rs: ") {
            read(&format!("{path}.rs")).contains(&format!("fn {test}()"))
        } else {
            continue;
        };
        checked += 1;
        assert!(is_there || name == "lint: its name", "{name}");
    }
    assert!(checked > 15, "only {checked} names were found");
}
