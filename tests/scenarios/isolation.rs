//! What must not pass: unknown ports, the inside, real servers' own addresses.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mark21_lab::ftp::connect_within;
use mark21_lab::namespace::Namespace;
use mark21_lab::topology::{Segment, VIRTUAL, VIRTUAL6, client_address, client_address6};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Result, scenario};
use socket2::{Domain, Socket, Type};

/// Longer than a refusal takes, shorter than a second SYN after the first.
const SILENCE: Duration = Duration::from_millis(1500);

#[test]
fn unknown_ports_and_the_inside_are_silent() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_file("single.toml")?)?;
        lab.start_ftp_servers(&Settings { length: 1000, ..Settings::default() })?;
        director.wait_serving()?;
        lab.step("serving");
        let before = dropped(&mut director)?;
        let mut tried = 0;
        for (from, to) in [(client_address(1), IpAddr::from(VIRTUAL)), (client_address6(1), VIRTUAL6.into())]
        {
            for port in [22, 23, 80, 990, 2121, 9999, 20001] {
                silent(&lab.client, from, SocketAddr::new(to, port))?;
                tried += 1;
            }
        }
        for inside in ["10.21.0.11:21", "10.21.0.12:10000", "[fd21::11]:21", "10.21.0.1:21"] {
            let to: SocketAddr = inside.parse()?;
            let from = if to.is_ipv4() { client_address(2) } else { client_address6(2) };
            silent(&lab.client, from, to)?;
            tried += 1;
        }
        let after = dropped(&mut director)?;
        ensure!(after >= before + tried, "{tried} tried, counters of drops rose from {before} to {after}");
        let reached =
            lab.captured(Segment::Inside, "tcp and (src net 198.51.100.0/24 or src net 2001:db8:1::/64)")?;
        ensure!(reached.is_empty(), "reached the inside: {reached:#?}");
        Ok(())
    });
}

#[test]
fn no_real_server_opens_anything_or_shows_its_address_outside() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_file("single.toml")?)?;
        director.wait_serving()?;
        lab.step("serving");
        let listeners = lab.client.enter(|| {
            Ok([
                TcpListener::bind((client_address(1), 9999))?,
                TcpListener::bind((client_address6(1), 9999))?,
            ])
        })?;
        let pairs: [(IpAddr, IpAddr); 2] =
            [("10.21.0.11".parse()?, client_address(1)), ("fd21::11".parse()?, client_address6(1))];
        // 21 and the passive ports are accepted for the service's own connections.
        for (from, to) in pairs {
            for port in [0, 21, 10_000, 20_000] {
                let connected =
                    lab.real_server(1)?.enter(|| Ok(connect_from(from, port, (to, 9999).into())))?;
                ensure!(connected.is_err(), "{from} port {port} reached {to}");
            }
        }
        drop(listeners);
        let leaked = lab.captured(Segment::Outside, "tcp and (net 10.21.0.0/24 or net fd21::/64)")?;
        ensure!(leaked.is_empty(), "leaked: {leaked:#?}");
        Ok(())
    });
}

/// A connection must time out, not be refused.
fn silent(client: &Namespace, from: IpAddr, to: SocketAddr) -> Result {
    match client.enter(|| Ok(connect_within(from, to, SILENCE)))? {
        Ok(_) => bail!("{to} answers"),
        Err(error) => {
            let kind = error.root_cause().downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            ensure!(kind == Some(ErrorKind::TimedOut), "{to}: {error:#}, not silence");
            Ok(())
        }
    }
}

fn connect_from(from: IpAddr, port: u16, to: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(from, port).into()).with_context(|| format!("{from} port {port}"))?;
    socket.connect_timeout(&to.into(), SILENCE)?;
    Ok(socket.into())
}

/// The sum of all counters that stand before a drop or at the end of a chain that
/// drops.
fn dropped(director: &mut Director) -> Result<u64> {
    let rules = director.root("nft -nn list ruleset")?;
    let counts = rules.lines().filter(|line| !line.contains("accept")).filter_map(|line| {
        let (_, rest) = line.split_once("counter packets ")?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    });
    Ok(counts.sum())
}
