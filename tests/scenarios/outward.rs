//! From the real servers outwards: only what the configuration names; ICMP in both directions.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mark21_lab::director::ANSWER;
use mark21_lab::ftp::{Client, Mode, PATIENCE, connect_within};
use mark21_lab::namespace::Namespace;
use mark21_lab::topology::{Segment, client_address, client_address6, virtual_ftp, virtual_ftp6};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, scenario};
use socket2::{Domain, Protocol, Socket, Type};

/// Longer than an answer takes; what must not pass is waited for so long.
const SILENCE: Duration = Duration::from_millis(1500);

/// To one client DNS is open; the inside may log to another one without translation, and the
/// last one may look into the inside.
const FLOWS: &str = r#"
[[egress]]
from = "inside"
to = ["198.51.100.101/32", "198.51.100.102/32"]
protocols = ["udp/53", "icmp"]
snat = "198.51.100.21"

[[allow]]
from = "inside"
to = "outside"
sources = ["10.21.0.11/32"]
destinations = ["198.51.100.103/32"]
protocols = ["udp/514"]

[[allow]]
from = "outside"
to = "inside"
sources = ["198.51.100.104/32"]
destinations = ["10.21.0.0/24"]
protocols = ["tcp/2200"]
"#;

#[test]
fn real_servers_open_exactly_what_the_configuration_names() {
    scenario(|lab| {
        let text = format!("{}{FLOWS}", single()?);
        let mut director = lab.boot(&Boot::with_text(&text))?;
        lab.start_ftp_servers(&Settings { length: 1_000_000, ..Settings::default() })?;
        director.wait_serving()?;
        lab.step("serving");

        for number in [1, 2] {
            let from = server_address(number);
            let seen = echoed(lab, number, client_address(1), 53)?;
            ensure!(seen == Some("198.51.100.21".parse()?), "udp/53 of {from} came from {seen:?}");
        }
        let answers = lab.real_server(2)?.enter(|| ping(server_address(2), client_address(2), 1))?;
        ensure!(answers == 1, "the ping that egress allows is not answered");
        let seen = echoed(lab, 1, client_address(3), 514)?;
        ensure!(seen == Some(server_address(1)), "udp/514 came from {seen:?}");
        let rules = director.port.command("show firewall", ANSWER)?["rules"].clone();
        for object in ["egress 1:", "allow 1:", "allow 2:"] {
            let mut of_it = rules
                .as_array()
                .into_iter()
                .flatten()
                .filter(|rule| rule["cause"].as_str().is_some_and(|cause| cause.starts_with(object)));
            let first = of_it.next().with_context(|| format!("no rule of {object} in {rules:#}"))?;
            ensure!(first["line"].as_u64().is_some(), "{first} does not say its line");
        }
        lab.step("egress and allow");

        // The neighbours of what is open: port, address, source.
        for (number, to, port) in [(1, 1, 54), (1, 4, 53), (2, 3, 514), (1, 3, 53), (1, 1, 514)] {
            let before = dropped(&mut director)?;
            let seen = echoed(lab, number, client_address(to), port)?;
            ensure!(seen.is_none(), "udp/{port} of rs{number} reached client {to} from {seen:?}");
            let after = dropped(&mut director)?;
            ensure!(after > before, "udp/{port} of rs{number} to client {to} was dropped uncounted: {after}");
        }
        let leaked = lab.captured(Segment::Outside, "net 10.21.0.0/24 and not (udp port 514)")?;
        ensure!(leaked.is_empty(), "leaked: {leaked:#?}");
        lab.step("nothing else, and counted");

        let listener = lab.real_server(1)?.enter(|| Ok(TcpListener::bind((server_address(1), 2200))?))?;
        let (to, refused) = (SocketAddr::new(server_address(1), 2200), client_address(3));
        let peer = thread::scope(|scope| {
            let accepting = scope.spawn(|| listener.accept());
            let connected = lab.client.enter(|| {
                let refused = connect_within(refused, to, SILENCE);
                ensure!(refused.is_err(), "{to} answers another client");
                let mut stream = connect_within(client_address(4), to, PATIENCE)?;
                stream.write_all(b"x")?;
                Ok(stream)
            })?;
            let (mut stream, peer) = accepting.join().map_err(|_| anyhow::anyhow!("accept panicked"))??;
            stream.read_exact(&mut [0])?;
            drop(connected);
            Ok::<_, anyhow::Error>(peer)
        })?;
        ensure!(peer.ip() == client_address(4), "tcp/2200 came from {peer}");
        lab.step("allow from outside");
        every_mode(lab, (client_address(1), virtual_ftp()), &Mode::IPV4, None, |_| {})
    });
}

#[test]
fn without_an_entry_real_servers_open_nothing() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_text(&single()?))?;
        director.wait_serving()?;
        lab.step("serving");
        for port in [53, 123, 514] {
            let before = dropped(&mut director)?;
            let seen = echoed(lab, 1, client_address(1), port)?;
            ensure!(seen.is_none(), "udp/{port} came out, from {seen:?}");
            let after = dropped(&mut director)?;
            ensure!(after > before, "udp/{port} was dropped uncounted: {after}");
        }
        let before = dropped(&mut director)?;
        let answers = lab.real_server(1)?.enter(|| ping(server_address(1), client_address(1), 1))?;
        ensure!(answers == 0, "a real server's ping came out");
        ensure!(dropped(&mut director)? > before, "the ping was dropped uncounted");
        let leaked = lab.captured(Segment::Outside, "net 10.21.0.0/24 or src host 198.51.100.21")?;
        let leaked: Vec<_> = leaked.iter().filter(|line| !line.contains("ARP")).collect();
        ensure!(leaked.is_empty(), "leaked: {leaked:#?}");
        Ok(())
    });
}

#[test]
fn the_path_mtu_of_a_distant_client_reaches_the_real_servers() {
    scenario(|lab| {
        let text = format!("{}{ROUTES}", single()?);
        let mut director = lab.boot(&Boot::with_text(&text))?;
        lab.start_ftp_servers(&Settings { length: 5_000_000, ..Settings::default() })?;
        let (hop, far) = behind_a_narrow_hop(lab)?;
        director.wait_serving()?;
        lab.step("serving");
        let v4 = ("203.0.113.2".parse()?, virtual_ftp(), &Mode::IPV4[..], PATH_MTU);
        let v6 = ("2001:db8:2::2".parse()?, virtual_ftp6(), &Mode::IPV6[..], PATH_MTU6);
        for (from, to, modes, error) in [v4, v6] {
            for &mode in modes {
                let before = lab.captured(Segment::Inside, error)?.len();
                let (name, sha256) = far.enter(|| {
                    let mut session = Client::log_in(from, to)?;
                    let name = session.read_text(mode, "whoami.txt")?;
                    let transfer = session.retrieve(mode, "big.bin")?;
                    session.quit()?;
                    Ok((name, transfer.sha256))
                })?;
                ensure!(lab.server(&name)?.content.sha256 == sha256, "{} from {name}", mode.name());
                let after = lab.captured(Segment::Inside, error)?.len();
                ensure!(after > before, "{}: {name} was told nothing of the path's MTU", mode.name());
                lab.step(&format!("{} over a hop with 1400 bytes: {} errors", mode.name(), after - before));
                // What was learnt must not help the next one.
                for number in [1, 2] {
                    lab.real_server(number)?.ip("route flush cache")?;
                    lab.real_server(number)?.ip("-6 route flush cache")?;
                }
            }
        }
        drop(hop);
        Ok(())
    });
}

#[test]
fn virtual_addresses_answer_pings_up_to_a_rate() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_text(&single()?))?;
        director.wait_serving()?;
        lab.step("serving");
        for (from, to) in [(client_address(1), virtual_ftp().ip()), (client_address6(1), virtual_ftp6().ip())]
        {
            let ping = |count| lab.client.enter(|| ping(from, to, count));
            eventually(&format!("pings of {to}"), PATIENCE, || {
                ensure!(ping(3)? == 3, "not every ping was answered");
                Ok(())
            })?;
            let before = too_many_pings(&mut director)?;
            let began = Instant::now();
            let answers = ping(FLOOD)?;
            // A burst of 100, then 50 a second; the clocks of a busy host are not as exact.
            let most = 100 + 50 * (began.elapsed().as_secs() + 1);
            ensure!(
                (50..=most).contains(&answers.into()),
                "{answers} of {FLOOD} pings of {to} were answered"
            );
            let after = too_many_pings(&mut director)?;
            ensure!(after > before, "pings of {to} were dropped uncounted");
            lab.step(&format!("{answers} of {FLOOD} pings of {to} answered, {} counted", after - before));
            eventually(&format!("{to} answers again"), PATIENCE, || {
                ensure!(ping(1)? == 1, "no answer");
                Ok(())
            })?;
        }
        Ok(())
    });
}

/// Less than a tap's queue holds (1000), several times the burst.
const FLOOD: u16 = 600;
const PATH_MTU: &str = "icmp[icmptype] == 3 and icmp[icmpcode] == 4";
const PATH_MTU6: &str = "icmp6 and ip6[40] == 2";

/// To the distant client.
const ROUTES: &str = r#"
[[route]]
to = "203.0.113.0/24"
via = "198.51.100.3"

[[route]]
to = "2001:db8:2::/64"
via = "2001:db8:1::3"
"#;

fn single() -> Result<String> {
    Boot::with_file("single.toml")?.configuration.context("single.toml is empty")
}

/// A client behind a router whose link to it carries 1400 bytes only; the client does not know, so
/// that it offers the usual segments.
fn behind_a_narrow_hop(lab: &Lab) -> Result<(Namespace, Namespace)> {
    let (hop, far) = (Namespace::create("hop")?, Namespace::create("far")?);
    lab.wire.ip("link add hop-outside type veth peer name eth0 netns hop")?;
    lab.wire.sysctl("ipv6/conf/hop-outside/disable_ipv6", "1")?;
    lab.wire.ip("link set hop-outside master outside up")?;
    hop.ip("link add eth1 mtu 1400 type veth peer name eth0 mtu 1500 netns far")?;
    for (host, device, v4, v6) in [
        (&hop, "eth0", "198.51.100.3/24", "2001:db8:1::3/64"),
        (&hop, "eth1", "203.0.113.1/24", "2001:db8:2::1/64"),
        (&far, "eth0", "203.0.113.2/24", "2001:db8:2::2/64"),
    ] {
        host.sysctl(&format!("ipv6/conf/{device}/accept_ra"), "0")?;
        host.ip(&format!("address add {v4} dev {device}"))?;
        host.ip(&format!("address add {v6} dev {device} nodad"))?;
        host.ip(&format!("link set {device} up"))?;
    }
    hop.sysctl("ipv4/ip_forward", "1")?;
    hop.sysctl("ipv6/conf/all/forwarding", "1")?;
    far.ip("route add default via 203.0.113.1")?;
    far.ip("route add default via 2001:db8:2::1")?;
    Ok((hop, far))
}

fn server_address(number: u8) -> IpAddr {
    [10, 21, 0, 10 + number].into()
}

/// A datagram from a real server to a client's port and its echo: the source address that the
/// client saw; `None` when it saw none.
fn echoed(lab: &Lab, number: u8, to: IpAddr, port: u16) -> Result<Option<IpAddr>> {
    let client = lab.client.enter(|| bound(to, port))?;
    lab.real_server(number.into())?.enter(|| {
        let server = bound(server_address(number), 0)?;
        server.send_to(b"question", (to, port))?;
        let mut buffer = [0; 16];
        let (length, seen) = match client.recv_from(&mut buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(None);
            }
            received => received?,
        };
        ensure!(buffer.get(..length) == Some(b"question"), "{buffer:?} from {seen}");
        client.send_to(b"answer", seen)?;
        let (length, from) = server.recv_from(&mut buffer).context("the answer did not come back")?;
        ensure!(buffer.get(..length) == Some(b"answer"), "{buffer:?} from {from}");
        ensure!(from == SocketAddr::new(to, port), "the answer came from {from}");
        Ok(Some(seen.ip()))
    })
}

fn bound(address: IpAddr, port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((address, port)).with_context(|| format!("{address} port {port}"))?;
    socket.set_read_timeout(Some(SILENCE))?;
    Ok(socket)
}

/// `count` echo requests as fast as they go; how many were answered.
fn ping(from: IpAddr, to: IpAddr, count: u16) -> Result<u16> {
    let (domain, protocol, request, reply) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    let mut socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.set_recv_buffer_size(1 << 20)?;
    for sequence in 0..count {
        let [high, low] = sequence.to_be_bytes();
        // Identifier 0x4d21; for ICMPv6 the kernel puts the checksum in.
        let sum = (u32::from(request) << 8) + 0x4d21 + u32::from(sequence);
        let sum = if to.is_ipv4() { !u16::try_from((sum & 0xffff) + (sum >> 16))? } else { 0 };
        let [sum_high, sum_low] = sum.to_be_bytes();
        socket.send_to(
            &[request, 0, sum_high, sum_low, 0x4d, 0x21, high, low],
            &SocketAddr::new(to, 0).into(),
        )?;
    }
    let mut answers = 0;
    let end = Instant::now() + SILENCE;
    let mut buffer = [0; 128];
    while answers < count {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.read(&mut buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            length => length?,
        };
        // A raw IPv4 socket shows the IP header too.
        let message = buffer.get(if to.is_ipv4() { 20 } else { 0 }..length).unwrap_or_default();
        if let [kind, 0, _, _, 0x4d, 0x21, ..] = message
            && *kind == reply
        {
            answers += 1;
        }
    }
    Ok(answers)
}

/// What `show firewall` counts at the ends of the chains that drop.
fn dropped(director: &mut Director) -> Result<u64> {
    counted(director, |rule| rule.contains("dropped-"))
}

fn too_many_pings(director: &mut Director) -> Result<u64> {
    counted(director, |rule| rule.starts_with("dropped-ping"))
}

fn counted(director: &mut Director, wanted: impl Fn(&str) -> bool) -> Result<u64> {
    let firewall = director.port.command("show firewall", ANSWER)?;
    let rules = firewall["rules"].as_array().context("no rules")?;
    let counts = rules.iter().filter(|rule| rule["cause"].as_str().is_some_and(&wanted));
    let counts: Vec<u64> = counts.filter_map(|rule| rule["packets"].as_u64()).collect();
    if counts.is_empty() {
        bail!("no such rules in {firewall:#}");
    }
    Ok(counts.iter().sum())
}
