//! What an engineer reaches for on the console when something is wrong: the way to a host, the
//! packets of an interface, a root shell.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use mark21_lab::director::{ANSWER, BOOT};
use mark21_lab::namespace::Namespace;
use mark21_lab::process::run;
use mark21_lab::scenario::lab_root;
use mark21_lab::screen::Screen;
use mark21_lab::transfers::passive_works;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, scenario};

/// The lab's own program, which joins a terminal and a socket.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lab");
/// One answer of the console under emulation.
const SCREEN: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse";
/// A host behind the client.
const FAR: &str = "203.0.113.2";

#[test]
fn an_engineer_sees_the_way_and_the_packets() {
    scenario(|lab| {
        lab.start_ftp_servers(&Settings::default())?;
        let far = behind_the_client(lab)?;
        let route = "\n[[route]]\nto = \"203.0.113.0/24\"\nvia = \"198.51.100.101\"\n";
        let mut director = lab.boot(&Boot::with_file("single.toml")?.and(route))?;
        let screen = log_in(&director)?;
        director.wait_serving()?;

        let shown = screen.command(&format!("traceroute {FAR}"), &format!(" 2  {FAR}"))?;
        ensure!(shown.contains(" 1  198.51.100.101"), "{shown}");
        far.ip("link set eth0 down")?;
        let told = director.port.command(&format!("traceroute {FAR} -m 2"), SCREEN)?;
        ensure!(told["reached"] == false && told["hops"][0]["address"] == "198.51.100.101", "{told}");
        screen.command("traceroute nowhere", "invalid value 'nowhere'")?;
        // One that finds nobody takes its time; Ctrl-C ends it, and the console stays.
        screen.fresh()?;
        screen.line("traceroute 198.51.100.250")?;
        screen.wait(" 1  *")?;
        screen.press(&["C-c"])?;
        screen.wait("interrupted")?;
        screen.command("verify", "the kernel holds it")?;
        lab.step("the way to a host");

        screen.fresh()?;
        screen.line("capture outside --host 198.51.100.101 --port 21 -c 8 --seconds 60")?;
        eventually("a capture under way", SCREEN, || captures(&mut director))?;
        let shown = eventually("captured packets", SCREEN, || {
            ensure!(passive_works(lab), "FTP does not work");
            let shown = screen.text()?;
            ensure!(shown.contains("8 packets; all packets have come"), "{shown}");
            Ok(shown)
        })?;
        let packets: Vec<&str> = shown.lines().filter(|line| line.contains(" > ")).collect();
        let is_wanted = |line: &&str| line.contains("198.51.100.101:") && line.contains("198.51.100.21:21 ");
        ensure!(packets.len() == 8 && packets.iter().all(is_wanted), "{shown}");
        ensure!(packets[0].contains("tcp S length 0"), "{shown}");
        screen.command("load --usb", "no USB stick with a FAT file system")?;
        screen.command("capture nothing", "known are: outside, inside, eth0, eth1")?;
        screen.command("capture outside --seconds 1000", "invalid value '1000'")?;
        screen.command("capture outside --pcap", "no sight for a terminal")?;
        // A capture that nobody reads any more ends by itself.
        screen.fresh()?;
        screen.line("capture inside --port 9 --seconds 600")?;
        eventually("a capture under way", SCREEN, || captures(&mut director))?;
        screen.press(&["C-c"])?;
        screen.wait("interrupted")?;
        eventually("its end", SCREEN, || {
            ensure!(!threads(&mut director)?.contains("capture"), "it goes on without a reader");
            Ok(())
        })?;
        lab.step("the packets of an interface");
        file_of_packets(lab, &mut director)
    });
}

#[test]
fn a_root_shell_opens_on_the_serial_line_alone_and_leaves_its_trace() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_file("single.toml")?)?;
        let screen = log_in(&director)?;
        let status = director.wait_serving()?;
        ensure!(status["tainted"].as_array().is_some_and(Vec::is_empty), "{status}");
        let refused = director.port.command("shell", ANSWER);
        let refused = format!("{:#}", refused.err().context("the machine port opens a shell")?);
        ensure!(refused.contains("on the serial line alone"), "{refused}");
        let refused = director.root("mark21 shell 2>&1 || true")?;
        ensure!(refused.contains("on the serial line alone"), "{refused}");

        screen.line("shell")?;
        screen.wait("For a root shell, once more:")?;
        screen.line("wrong horse")?;
        screen.wait("the password is wrong")?;
        screen.wait("Password of admin:")?;
        screen.line(PASSWORD)?;
        screen.wait("root#")?;
        screen.line("id -u; sleep 1000")?;
        screen.wait("\n0")?;
        screen.press(&["C-c"])?;
        screen.line("echo still $((6 * 7))")?;
        screen.wait("still 42")?;
        screen.line("exit")?;
        // The next login is the console again.
        screen.press(&["C-l"])?;
        eventually("the login", BOOT, || {
            let shown = screen.text()?;
            let last = shown.lines().last().unwrap_or_default();
            ensure!(last.starts_with("Password of admin:") && !last.contains("root#"), "{shown}");
            Ok(())
        })?;
        screen.line(PASSWORD)?;
        screen.wait("Type a command")?;
        screen.command("status", "TAINTED: a root shell was opened")?;
        screen.command("log", "a root shell was opened on the serial line")?;
        let status = director.status()?;
        ensure!(status["tainted"][0].as_str().is_some_and(|why| why.contains("root shell")), "{status}");
        lab.step("a root shell, and its trace");
        Ok(())
    });
}

/// A host two hops from the director.
fn behind_the_client(lab: &Lab) -> Result<Namespace> {
    let far = Namespace::create("far")?;
    lab.client.ip("link add far type veth peer name eth0 netns far")?;
    lab.client.ip("address add 203.0.113.1/24 dev far")?;
    lab.client.ip("link set far up")?;
    lab.client.sysctl("ipv4/ip_forward", "1")?;
    far.ip(&format!("address add {FAR}/24 dev eth0"))?;
    far.ip("link set eth0 up")?;
    far.ip("route add default via 203.0.113.1")?;
    Ok(far)
}

fn log_in(director: &Director) -> Result<Screen> {
    let screen = Screen::attach(director, Path::new(PROGRAM), SCREEN)?;
    screen.first_password("This box has no password yet.", PASSWORD)?;
    Ok(screen)
}

fn threads(director: &mut Director) -> Result<String> {
    director.root("cat /proc/$(pidof mark21d)/task/*/comm")
}

/// A capture is under way.
fn captures(director: &mut Director) -> Result {
    ensure!(threads(director)?.contains("capture"), "no thread captures");
    Ok(())
}

/// As `ssh admin@BOX capture outside --pcap > FILE` makes it; tcpdump reads it.
fn file_of_packets(lab: &Lab, director: &mut Director) -> Result {
    director.root(
        "mark21 capture outside --host 198.51.100.101 --port 21 -c 3 --seconds 60 --pcap > /tmp/pcap 2> /tmp/error &",
    )?;
    eventually("a file of packets", SCREEN, || {
        ensure!(passive_works(lab), "FTP does not work");
        let running =
            director.root("pidof mark21 > /dev/null && ps | grep -c '[c]apture outside' || true")?;
        ensure!(running.trim() == "0", "it goes on: {}", director.root("cat /tmp/error")?);
        Ok(())
    })?;
    let hex = director.root("od -An -v -tx1 /tmp/pcap")?;
    let bytes: Vec<u8> =
        hex.split_whitespace().filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    fs::write(lab_root().join("tmp/box.pcap"), bytes)?;
    let mut command = lab.client.lab_command("/usr/bin/tcpdump");
    command.args(["-n", "-r", "/tmp/box.pcap"]);
    let read = run(command, SCREEN)?.success()?.text();
    let is_wanted = |line: &str| line.contains("198.51.100.101.") && line.contains("198.51.100.21.21");
    ensure!(read.lines().count() == 3 && read.lines().all(is_wanted), "{read}");
    lab.step("a file of packets, as tcpdump reads it");
    Ok(())
}
