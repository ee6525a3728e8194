//! What FTP through IPVS does row by row, as far as no other scenario shows it; tests/README.md has
//! all rows. The servers are set up right and wrong, on control ports of their own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};
use mark21_lab::ftp::{Client, Mode, connect_within};
use mark21_lab::topology::{VIRTUAL, VIRTUAL6, client_address, client_address6};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, scenario};

/// How long a client waits for a connection that must not come about.
const SILENCE: Duration = Duration::from_secs(3);

/// A second virtual address, for the widest passive range.
const WIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 22);
const WIDE6: &str = "2001:db8:1::22";

/// Beside the service of `single.toml`, for the same real servers.
const SERVICES: &str = r#"
[[service]]
name = "wide"
kind = "ftp"
mark = 22
passive_ports = "1024-65535"
addresses = ["198.51.100.22", "2001:db8:1::22"]
real_server = [{ addresses = ["10.21.0.11", "fd21::11"] }, { addresses = ["10.21.0.12", "fd21::12"] }]

[[service]]
name = "port"
kind = "ftp"
port = 2121
mark = 23
passive_ports = "30000-39999"
addresses = ["198.51.100.21", "2001:db8:1::21"]
real_server = [{ addresses = ["10.21.0.11", "fd21::11"] }, { addresses = ["10.21.0.12", "fd21::12"] }]

[[service]]
name = "fickle"
kind = "ftp"
port = 2122
mark = 24
passive_ports = "40000-40999"
persistence = "off"
addresses = ["198.51.100.21"]
real_server = [{ addresses = ["10.21.0.11"] }]

[[service]]
name = "silent"
kind = "ftp"
port = 2123
mark = 25
passive = "server"
passive_ports = "41000-41999"
addresses = ["198.51.100.21"]
real_server = [{ addresses = ["10.21.0.11"] }, { addresses = ["10.21.0.12"] }]

[[service]]
name = "both"
kind = "ftp"
port = 2124
mark = 26
passive_ports = "42000-42999"
addresses = ["198.51.100.21"]
real_server = [{ addresses = ["10.21.0.11"] }, { addresses = ["10.21.0.12"] }]
"#;

#[test]
fn every_row_of_the_matrix_is_as_it_says() {
    scenario(|lab| {
        let last = "\"2001:db8:1::21/64\",";
        let more = format!("{last}\n    \"{WIDE}/24\", \"{WIDE6}/64\",");
        let boot = Boot::with_file("single.toml")?.replace(last, &more)?.and(SERVICES);
        let mut director = lab.boot(&boot)?;
        director.wait_serving()?;
        lab.step("serving");

        let told = |lines: String, port| Settings { length: 300_000, port, lines: Some(lines), ..small() };
        lab.start_ftp_servers(&told(director.server_config("wide")?, 21))?;
        in_every_mode(lab, (WIDE.into(), WIDE6.parse()?), 21)?;
        lab.step("passive ports 1024-65535");
        lab.start_ftp_servers(&told(director.server_config("port")?, 2121))?;
        in_every_mode(lab, (VIRTUAL.into(), VIRTUAL6.into()), 2121)?;
        lab.step("control port 2121");
        not_persistent(lab)?;
        lab.step("not persistent, with one server");
        address_that_nobody_announces(lab)?;
        lab.step("no helper, and servers that announce their own address");
        both_recipes(lab)?;
        lab.step("the helper, and servers that announce the virtual address");
        Ok(())
    });
}

fn small() -> Settings {
    Settings { length: 300_000, ..Settings::default() }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::new(VIRTUAL.into(), port)
}

fn in_every_mode(lab: &Lab, (v4, v6): (IpAddr, IpAddr), port: u16) -> Result {
    every_mode(lab, (client_address(1), SocketAddr::new(v4, port)), &Mode::IPV4, None, |_| {})?;
    every_mode(lab, (client_address6(1), SocketAddr::new(v6, port)), &Mode::IPV6, None, |_| {})
}

/// The helper alone leads data connections to the only server.
fn not_persistent(lab: &mut Lab) -> Result {
    lab.start_ftp_servers(&Settings { port: 2122, passive_ports: (40_000, 40_999), ..small() })?;
    (1..=2)
        .try_for_each(|number| every_mode(lab, (client_address(number), at(2122)), &Mode::IPV4, None, |_| {}))
}

/// PASV tells the client an inside address, which it cannot reach; all else works.
fn address_that_nobody_announces(lab: &mut Lab) -> Result {
    lab.start_ftp_servers(&Settings { port: 2123, passive_ports: (41_000, 41_999), ..small() })?;
    every_mode(lab, (client_address(1), at(2123)), &OTHER_MODES, None, |_| {})?;
    let reply = pasv_reply(lab, 2123)?;
    ensure!(reply.ip().to_string().starts_with("10.21.0."), "the reply points to {reply}");
    unanswered(lab, reply)
}

/// The helper takes the virtual address for the server's, and PASV hangs; all else works.
fn both_recipes(lab: &mut Lab) -> Result {
    let extra_ipv4 = format!("pasv_address={VIRTUAL}\n");
    lab.start_ftp_servers(&Settings { port: 2124, passive_ports: (42_000, 42_999), extra_ipv4, ..small() })?;
    every_mode(lab, (client_address(1), at(2124)), &OTHER_MODES, None, |_| {})?;
    let reply = pasv_reply(lab, 2124)?;
    ensure!(reply.ip() == IpAddr::from(VIRTUAL), "the reply points to {reply}");
    unanswered(lab, reply)
}

const OTHER_MODES: [Mode; 3] = [Mode::Epsv, Mode::Port, Mode::Eprt];

/// Where the reply to PASV points.
fn pasv_reply(lab: &Lab, port: u16) -> Result<SocketAddr> {
    lab.client.enter(|| {
        let mut session = Client::log_in(client_address(1), at(port))?;
        let text = session.command("PASV", 227)?.text;
        let inner = text.split(['(', ')']).nth(1).with_context(|| text.clone())?;
        let numbers: Vec<u8> = inner.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let [a, b, c, d, high, low] = numbers[..] else { anyhow::bail!("{text}") };
        Ok((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into())
    })
}

fn unanswered(lab: &Lab, peer: SocketAddr) -> Result {
    let connected = lab.client.enter(|| connect_within(client_address(1), peer, SILENCE));
    ensure!(connected.is_err(), "{peer} answered");
    Ok(())
}
