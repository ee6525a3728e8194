//! How packets reach the real servers, beside NAT for FTP: other ports, direct routing, tunnel.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;

use anyhow::{Context, anyhow, ensure};
use mark21_lab::content::Content;
use mark21_lab::ftp::{Client, Mode, PATIENCE, connect};
use mark21_lab::namespace::Namespace;
use mark21_lab::topology::{Segment, VIRTUAL, VIRTUAL6, client_address, client_address6, virtual_ftp};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, scenario};
use socket2::{Domain, Protocol, Socket, Type};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 21, 0, 11);

/// Beside the FTP service.
const SERVICES: &str = r#"
[[service]]
name = "nat"
kind = "tcp"
port = 8080
addresses = ["198.51.100.21", "2001:db8:1::21"]
check = { kind = "off" }
real_server = [{ addresses = ["10.21.0.11", "fd21::11"], port = 9090 }]

[[service]]
name = "datagrams"
kind = "udp"
port = 5300
addresses = ["198.51.100.21"]
real_server = [{ addresses = ["10.21.0.11"] }]

[[service]]
name = "direct"
kind = "tcp"
port = 8081
forwarding = "direct"
addresses = ["198.51.100.21", "2001:db8:1::21"]
check = { kind = "off" }
real_server = [{ addresses = ["10.21.0.11", "fd21::11"] }]

[[service]]
name = "tunnel"
kind = "udp"
port = 5301
forwarding = "tunnel"
addresses = ["198.51.100.21"]
real_server = [{ addresses = ["10.21.0.11"] }]
"#;

#[test]
fn other_services_reach_their_servers_by_nat_direct_routing_and_tunnel() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_file("single.toml")?.and(SERVICES))?;
        director.wait_serving()?;
        lab.step("serving");
        let v4 = (client_address(1), IpAddr::from(VIRTUAL));
        let v6 = (client_address6(1), IpAddr::from(VIRTUAL6));
        let server = lab.real_server(1)?;

        for ((from, to), own) in [(v4, IpAddr::from(SERVER)), (v6, "fd21::11".parse()?)] {
            stream(lab, from, SocketAddr::new(to, 8080), SocketAddr::new(own, 9090))?;
        }
        datagram(lab, (VIRTUAL, 5300).into(), (SERVER, 5300).into())?;
        lab.step("NAT, with another port on the server, and UDP");

        let back = answer_without_the_director(lab, server)?;
        for (from, to) in [v4, v6] {
            stream(lab, from, SocketAddr::new(to, 8081), SocketAddr::new(to, 8081))?;
        }
        let direct = lab.captured(Segment::Inside, "dst host 198.51.100.21 and tcp dst port 8081")?;
        ensure!(!direct.is_empty(), "nothing of it passed the inside");
        let answers =
            lab.captured(Segment::Inside, "src host 198.51.100.21 and ether dst 52:54:00:21:01:02")?;
        ensure!(answers.is_empty(), "answers came back through the director: {answers:#?}");
        lab.step("direct routing, IPv4 and IPv6");

        tunnelled(lab, server)?;
        lab.step("tunnel");
        drop(back);
        Ok(())
    });
}

#[test]
fn masquerade_is_the_director_s_own_address_and_the_mss_is_clamped() {
    scenario(|lab| {
        let boot = Boot::with_file("single.toml")?
            // With "rewrite" the helper sets the source of active data connections itself.
            .replace("kind = \"ftp\"", "kind = \"ftp\"\npassive = \"server\"\nactive = \"masquerade\"")?
            .replace("device = \"eth0\"", "device = \"eth0\"\nmtu = 1400\nmss_clamp = true")?;
        let mut director = lab.boot(&boot)?;
        director.wait_serving()?;
        lab.step("serving");
        let lines = Some(director.server_config("ftp")?);
        lab.start_ftp_servers(&Settings { length: 1_000_000, lines, ..Settings::default() })?;
        lab.client.enter(|| {
            let mut session = Client::log_in(client_address(1), virtual_ftp())?;
            for mode in [Mode::Pasv, Mode::Epsv] {
                session.retrieve(mode, "big.bin")?;
            }
            let active = session.retrieve(Mode::Port, "big.bin");
            let error = format!("{:#}", active.err().context("data came from the virtual address")?);
            ensure!(error.contains("data comes from 198.51.100.2:"), "{error}");
            Ok(())
        })?;
        lab.step("active data connections come from the director's own address");
        let got =
            lab.on_client("curl", &["-sS", "--ftp-port", "-", "ftp://198.51.100.21/big.bin"])?.success()?;
        ensure!(got.stdout.len() == 1_000_000, "{} bytes", got.stdout.len());

        // 1400 less 40 bytes of headers; the client offered 1460.
        let syns =
            lab.captured(Segment::Inside, "tcp[tcpflags] & tcp-syn != 0 and src net 198.51.100.0/24")?;
        let clamped = syns.iter().filter(|line| line.contains("mss 1360")).count();
        ensure!(clamped == syns.len() && clamped > 0, "not all are clamped: {syns:#?}");
        let outside = "tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack) and src host 198.51.100.21";
        let answers = lab.captured(Segment::Outside, outside)?;
        let clamped = answers.iter().filter(|line| line.contains("mss 1360")).count();
        ensure!(clamped == answers.len() && clamped > 0, "not all are clamped: {answers:#?}");
        Ok(())
    });
}

/// The server takes the virtual addresses for its own, without telling anybody, and answers
/// through another router.
fn answer_without_the_director(lab: &Lab, server: &Namespace) -> Result<Namespace> {
    let outside = (Segment::Outside, "198.51.100.254/24", "2001:db8:1::fe/64");
    let back = lab.new_router("back", outside, (Segment::Inside, "10.21.0.254/24", "fd21::fe/64"))?;
    server.sysctl("ipv4/conf/all/arp_ignore", "1")?;
    server.sysctl("ipv4/conf/all/arp_announce", "2")?;
    server.ip(&format!("address add {VIRTUAL}/32 dev lo"))?;
    server.ip(&format!("address add {VIRTUAL6}/128 dev lo nodad"))?;
    server.ip("route replace default via 10.21.0.254")?;
    server.ip("route replace default via fd21::fe")?;
    Ok(back)
}

/// 100 kB to the service and back; the server must see the client's own address.
fn stream(lab: &Lab, from: IpAddr, to: SocketAddr, own: SocketAddr) -> Result {
    let content = Content::generate("stream", 100_000);
    let bytes = &content.bytes;
    let listener = lab.real_server(1)?.enter(|| TcpListener::bind(own).with_context(|| format!("{own}")))?;
    let done = thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let (mut stream, peer) = listener.accept()?;
            let mut received = vec![0; bytes.len()];
            stream.read_exact(&mut received)?;
            stream.write_all(&received)?;
            Result::<_>::Ok(peer)
        });
        let echoed = lab.client.enter(|| {
            let mut stream = connect(from, to)?;
            stream.write_all(bytes)?;
            let mut echoed = vec![0; bytes.len()];
            stream.read_exact(&mut echoed)?;
            Ok(echoed)
        });
        if echoed.is_err() {
            // Lets the listener go, which waits for ever.
            drop(lab.real_server(1)?.enter(|| connect(own.ip(), own)));
        }
        let peer = serving.join().map_err(|_| anyhow!("the server panicked"))?;
        Result::<_>::Ok((echoed?, peer?))
    });
    let (echoed, peer) = done.with_context(|| format!("{to} at {own}"))?;
    ensure!(&echoed == bytes, "{to}: other bytes came back");
    ensure!(peer.ip() == from, "{to}: the server saw {peer}, not {from}");
    Ok(())
}

/// A datagram to the service, and its answer.
fn datagram(lab: &Lab, to: SocketAddr, own: SocketAddr) -> Result {
    let server = lab.real_server(1)?.enter(|| bound(own))?;
    lab.client.enter(|| {
        let client = bound((client_address(1), 0).into())?;
        client.send_to(b"question", to)?;
        let mut buffer = [0; 64];
        let (length, peer) = server.recv_from(&mut buffer).with_context(|| format!("nothing at {own}"))?;
        ensure!(buffer.get(..length) == Some(b"question"), "{buffer:?}");
        ensure!(peer.ip() == client_address(1), "the server saw {peer}");
        server.send_to(b"answer", peer)?;
        let (length, peer) = client.recv_from(&mut buffer).with_context(|| format!("no answer of {to}"))?;
        ensure!(buffer.get(..length) == Some(b"answer") && peer == to, "{peer}: {buffer:?}");
        Ok(())
    })
}

/// IP in IP, taken apart by hand: not every kernel that runs the lab has a tunnel device.
fn tunnelled(lab: &Lab, server: &Namespace) -> Result {
    let (mut raw, answering) = server.enter(|| {
        let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(4)))?;
        raw.set_read_timeout(Some(PATIENCE))?;
        Ok((raw, bound((VIRTUAL, 5301).into())?))
    })?;
    lab.client.enter(|| {
        let client = bound((client_address(1), 0).into())?;
        client.send_to(b"question", (VIRTUAL, 5301))?;
        let mut buffer = [0; 256];
        let length = raw.read(&mut buffer).context("no packet of the tunnel")?;
        let outer = buffer.get(..length).unwrap_or_default();
        // Two IPv4 headers without options, one UDP header.
        let (inner, payload) = (outer.get(20..).unwrap_or_default(), outer.get(48..).unwrap_or_default());
        ensure!(outer.get(16..20) == Some(&SERVER.octets()), "to another host: {outer:?}");
        ensure!(inner.get(16..20) == Some(&VIRTUAL.octets()), "not for the virtual address: {inner:?}");
        ensure!(payload == b"question", "{payload:?}");
        answering.send_to(b"answer", client.local_addr()?)?;
        let (length, peer) = client.recv_from(&mut buffer).context("no answer")?;
        ensure!(buffer.get(..length) == Some(b"answer"), "{buffer:?}");
        ensure!(peer == (VIRTUAL, 5301).into(), "the answer came from {peer}");
        Ok(())
    })
}

fn bound(address: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(address).with_context(|| format!("{address}"))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}
