//! `make demo`: a director boots and carries FTP in every mode, and says how it went.

use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::ensure;
use mark21_lab::director::BOOT;
use mark21_lab::ftp::Mode;
use mark21_lab::scenario::{enter_lab, target_directory};
use mark21_lab::topology::{client_address, client_address6, virtual_ftp, virtual_ftp6};
use mark21_lab::transfers::{Row, every_mode};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, eventually};

fn main() -> ExitCode {
    let done = match enter_lab() {
        Ok(None) => show().map(|()| 0),
        Ok(Some(code)) => Ok(code),
        Err(error) => Err(error),
    };
    match done {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result {
    let directory = target_directory().join("lab/demo");
    let mut lab = Lab::create(&directory)?;
    lab.step("a client outside, two real servers inside, and the wires");
    let mut director = lab.boot(&Boot::with_file("single.toml")?)?;
    lab.step("the director's machine starts from its disk (software emulation)");
    lab.start_ftp_servers(&Settings::default())?;
    lab.step("vsftpd runs on rs1 and rs2");
    eventually("the boot loader", BOOT, || {
        ensure!(director.console_log().contains("Booting"), "nothing on the console");
        Ok(())
    })?;
    lab.step("its boot loader starts the kernel of slot A");
    director.agent.wait_ready(BOOT)?;
    lab.step("its init runs");
    let status = director.wait_serving()?;
    let kernel = status["boot"]["kernel_to_proven_ms"].as_f64().map(|ms| ms / 1000.0);
    let own = status["boot"]["kernel_to_supervisor_ms"].as_f64().map(|ms| ms / 1000.0);
    lab.step(&match (kernel, own) {
        (Some(proven), Some(start)) => {
            format!("it serves: {proven:.1} s after the kernel's start, {:.1} s its own", proven - start)
        }
        _ => "it serves".to_owned(),
    });

    let rows = Mutex::new(Vec::new());
    let note = |row: &Row| {
        lab.step(&format!("{} over {}", row.mode.name(), family(row)));
        if let Ok(mut rows) = rows.lock() {
            rows.push(row.clone());
        }
    };
    every_mode(&lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, note)?;
    every_mode(&lab, (client_address6(2), virtual_ftp6()), &Mode::IPV6, None, note)?;

    print_report(&rows.into_inner().unwrap_or_default());
    println!("\nLogs and captures: {}", directory.display());
    Ok(())
}

/// 80 columns.
fn print_report(rows: &[Row]) {
    println!();
    println!("FTP through the virtual addresses {} and {}", virtual_ftp().ip(), virtual_ftp6().ip());
    println!();
    println!(
        "{:<5}{:<6}{:<30}{:<7}{:>11}  {:<6}{:>9}",
        "mode", "over", "data connection", "server", "bytes", "hash", "rate"
    );
    for row in rows {
        let transfer = &row.transfer;
        let arrow = if matches!(row.mode, Mode::Pasv | Mode::Epsv) { "to" } else { "from" };
        println!(
            "{:<5}{:<6}{:<30}{:<7}{:>11}  {:<6}{:>4.0} MB/s",
            row.mode.name(),
            family(row),
            format!("{arrow} {}", transfer.peer),
            row.server,
            transfer.bytes,
            "equal",
            transfer.rate(),
        );
    }
    println!();
    println!("All {} transfers arrived whole, from where the server said.", rows.len());
}

fn family(row: &Row) -> &'static str {
    if row.transfer.peer.is_ipv4() { "IPv4" } else { "IPv6" }
}
