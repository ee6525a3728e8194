//! What `make demo` shows: a director boots and carries FTP in every mode, a second one joins, the
//! first one loses its power, and FTP goes on. It says how that went.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};

use crate::director::BOOT;
use crate::ftp::Mode;
use crate::pair::{Member, Role, knows_connections};
use crate::prober::Prober;
use crate::qemu::Firmware;
use crate::topology::{VIRTUAL, client_address, client_address6, virtual_ftp, virtual_ftp6};
use crate::transfers::{Row, SlowDownload, every_mode, slow_download};
use crate::vsftpd::Settings;
use crate::{Boot, Lab, Result, eventually};

/// Longest wait for a change of roles, and for what the directors tell each other.
const MOVED: Duration = Duration::from_secs(30);

/// The whole ride in `lab`, told on standard output.
///
/// # Errors
/// When a machine does not serve in time, or a transfer is not whole.
pub fn show(lab: &mut Lab) -> Result {
    lab.step("a client outside, two real servers inside, and the wires");
    // All of it, as on the machine in the rack.
    let boot = Boot { firmware: Firmware::Bios, ..Boot::with_file("pair-a.toml")? };
    let mut first = Member { director: lab.boot(&boot)?, boot };
    let director = &mut first.director;
    lab.step("the director's machine starts from its disk (software emulation)");
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
    let lines = Some(director.server_config("ftp")?);
    lab.start_ftp_servers(&Settings { lines, ..Settings::default() })?;
    lab.step("vsftpd runs on rs1 and rs2, set up as the director says");
    becomes(&mut first, Role::Active)?;
    lab.step("it is Active: it has the virtual addresses");

    let rows = Mutex::new(Vec::new());
    let note = |row: &Row| {
        lab.step(&format!("{} over {}", row.mode.name(), family(row)));
        if let Ok(mut rows) = rows.lock() {
            rows.push(row.clone());
        }
    };
    every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, note)?;
    every_mode(lab, (client_address6(2), virtual_ftp6()), &Mode::IPV6, None, note)?;
    let failover = fail_over(lab, first)?;

    print_report(&rows.into_inner().unwrap_or_default());
    print_failover(&failover);
    println!("\nLogs and captures: {}", lab.directory.display());
    Ok(())
}

/// What a power cut did.
struct Failover {
    outage: Duration,
    download: SlowDownload,
    new_sessions: usize,
}

fn fail_over(lab: &Lab, first: Member) -> Result<Failover> {
    let boot = Boot { name: "dir-b".into(), number: 2, ..Boot::with_file("pair-b.toml")? };
    let mut second = Member { director: lab.boot(&boot)?, boot };
    lab.step("a second director starts");
    second.director.wait_serving()?;
    becomes(&mut second, Role::Backup)?;
    lab.step("it serves, as Backup");

    let prober = Prober::start(&lab.client, VIRTUAL)?;
    let hurry = AtomicBool::new(false);
    let (cut, download) = thread::scope(|scope| {
        let download =
            scope.spawn(|| slow_download(lab, (client_address(3), virtual_ftp()), Mode::Pasv, &hurry));
        let cut = cut_power(lab, first, &mut second);
        hurry.store(true, Ordering::Relaxed);
        let download = download.join().map_err(|_| anyhow!("the client panicked"))?;
        Result::<_>::Ok((cut?, download?))
    })?;
    ensure!(download.hurried > 0, "the download was over before the power cut");
    lab.step("the download is whole");
    let new_sessions = Mutex::new(0);
    every_mode(lab, (client_address(4), virtual_ftp()), &Mode::IPV4, None, |_| {
        if let Ok(mut count) = new_sessions.lock() {
            *count += 1;
        }
    })?;
    lab.step("a new session works in every mode");
    let new_sessions = new_sessions.into_inner().unwrap_or_default();
    Ok(Failover { outage: prober.longest_gap(cut), download, new_sessions })
}

/// Gives the time of the cut; returns when the second director has the addresses.
fn cut_power(lab: &Lab, first: Member, second: &mut Member) -> Result<Instant> {
    eventually("connection synchronisation", MOVED, || knows_connections(second, client_address(3), 2))?;
    lab.step("a slow download runs, and the second director knows of it");
    let cut = Instant::now();
    first.director.power_off();
    lab.step("the first director loses its power");
    eventually("the takeover", MOVED, || {
        ensure!(second.has_addresses()?, "no virtual address");
        Ok(())
    })?;
    lab.step("the second one has the virtual addresses");
    Ok(cut)
}

fn becomes(member: &mut Member, wanted: Role) -> Result {
    eventually(&format!("{wanted:?}"), MOVED, || {
        let role = member.role()?;
        ensure!(role == wanted, "it is {role:?}");
        Ok(())
    })
}

fn print_failover(failover: &Failover) {
    let Failover { outage, download, new_sessions } = failover;
    println!();
    println!("Power cut of the Active director, while a download ran:");
    println!();
    println!("  the virtual address did not answer for   {:>5.2} s", outage.as_secs_f32());
    println!("  the running download stood still for     {:>5.2} s", download.stall.as_secs_f32());
    println!("  its {} bytes, {} of them after that, have the right hash", download.bytes, download.hurried);
    println!("  new transfers through the second one    {new_sessions:>5}");
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
