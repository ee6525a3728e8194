//! The hosts of one test and the wires between them.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::Result;
use crate::capture::Capture;
use crate::director::{Boot, Director};
use crate::namespace::Namespace;
use crate::process::{Finished, run};
use crate::scenario::skip;
use crate::vsftpd::{FtpServer, Settings, is_root};

/// The virtual address, IPv4.
pub const VIRTUAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 21);
/// The virtual address, IPv6.
pub const VIRTUAL6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x21);
/// The director's own address outside.
pub const DIRECTOR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// The two Ethernet segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Clients and virtual addresses.
    Outside,
    /// Real servers.
    Inside,
}

impl Segment {
    /// The bridge's name in the namespace `wire`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Inside => "inside",
        }
    }
}

/// A port of a host: where, and its addresses with prefix lengths.
pub type Port<'a> = (Segment, &'a str, &'a str);

/// One test's network, files and machines. Dropping it ends all.
#[derive(Debug)]
pub struct Lab {
    /// Everything that the test keeps.
    pub directory: PathBuf,
    /// The FTP servers, once started.
    pub servers: Vec<FtpServer>,
    captures: Vec<Capture>,
    /// The host outside, with the addresses `.101` to `.104`.
    pub client: Namespace,
    real_servers: Vec<Namespace>,
    router: Option<Namespace>,
    /// Where the bridges and the machines' taps are.
    pub wire: Namespace,
    start: Instant,
}

impl Lab {
    /// Make the wires and the hosts, and start capturing into `directory`, which is
    /// emptied first.
    ///
    /// # Errors
    /// When this is not a lab (see `tests/enter`), or the kernel refuses.
    pub fn create(directory: &Path) -> Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(directory).with_context(|| format!("{}", directory.display()))?;
        }
        fs::create_dir_all(directory)?;
        let start = Instant::now();
        let wire = Namespace::create("wire")?;
        for segment in [Segment::Outside, Segment::Inside] {
            let name = segment.name();
            wire.ip(&format!("link add {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"))?;
            wire.sysctl(&format!("ipv6/conf/{name}/disable_ipv6"), "1")?;
            wire.ip(&format!("link set {name} up"))?;
        }
        let client = host(&wire, "client", Segment::Outside)?;
        for last in 101..=104 {
            client.ip(&format!("address add 198.51.100.{last}/24 dev eth0"))?;
            client.ip(&format!("address add 2001:db8:1::{last}/64 dev eth0 nodad"))?;
        }
        // So that a director that forwards what it must not is found out.
        client.ip(&format!("route add 10.21.0.0/24 via {DIRECTOR}"))?;
        client.ip("route add fd21::/64 via 2001:db8:1::2")?;
        let mut real_servers = Vec::new();
        for (name, last) in [("rs1", 11), ("rs2", 12)] {
            let server = host(&wire, name, Segment::Inside)?;
            server.ip(&format!("address add 10.21.0.{last}/24 dev eth0"))?;
            server.ip(&format!("address add fd21::{last}/64 dev eth0 nodad"))?;
            server.ip("route add default via 10.21.0.1")?;
            server.ip("route add default via fd21::1")?;
            real_servers.push(server);
        }
        let mut captures = Vec::new();
        for segment in [Segment::Outside, Segment::Inside] {
            captures.push(Capture::start(&wire, segment, directory)?);
        }
        let directory = directory.canonicalize()?;
        Ok(Self { directory, servers: Vec::new(), captures, client, real_servers, router: None, wire, start })
    }

    /// Say what comes next, with the time since the lab began.
    pub fn step(&self, what: &str) {
        println!("{:6.1} s  {what}", self.start.elapsed().as_secs_f32());
    }

    /// Start vsftpd on `rs1` and `rs2`, over IPv4 and IPv6.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start_ftp_servers(&mut self, settings: &Settings) -> Result {
        self.servers.clear();
        for (namespace, last) in self.real_servers.iter().zip([11_u8, 12]) {
            let addresses = [
                IpAddr::V4(Ipv4Addr::new(10, 21, 0, last)),
                // fd21::11 and fd21::12 as people write them.
                IpAddr::V6(Ipv6Addr::new(0xfd21, 0, 0, 0, 0, 0, 0, if last == 11 { 0x11 } else { 0x12 })),
            ];
            self.servers.push(FtpServer::start(namespace, addresses, settings, &self.directory)?);
        }
        Ok(())
    }

    /// Boot a director from a fresh disk image.
    ///
    /// # Errors
    /// When the image cannot be made or QEMU does not start. It does not wait for
    /// the director to serve.
    pub fn boot(&self, boot: &Boot) -> Result<Director> {
        Director::boot(&self.wire, &self.directory, boot)
    }

    /// Start a director again whose power was cut, from its own disk.
    ///
    /// # Errors
    /// When it never ran, or QEMU does not start.
    pub fn power_on(&self, boot: &Boot) -> Result<Director> {
        Director::power_on(&self.wire, &self.directory, boot)
    }

    /// Put a plain router where the director goes: proves the lab without one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn start_plain_router(&mut self) -> Result {
        let outside = (Segment::Outside, "198.51.100.2/24", "2001:db8:1::2/64");
        let router = self.new_router("router", outside, (Segment::Inside, "10.21.0.1/24", "fd21::1/64"))?;
        self.router = Some(router);
        Ok(())
    }

    /// One more host that forwards, with a port on each of two segments.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new_router(&self, name: &str, first: Port, second: Port) -> Result<Namespace> {
        let router = Namespace::create(name)?;
        for (device, (segment, v4, v6)) in [("eth0", first), ("eth1", second)] {
            plug(&self.wire, &router, device, segment)?;
            router.ip(&format!("address add {v4} dev {device}"))?;
            router.ip(&format!("address add {v6} dev {device} nodad"))?;
            router.sysctl(&format!("ipv4/conf/{device}/rp_filter"), "0")?;
        }
        router.sysctl("ipv4/conf/all/rp_filter", "0")?;
        router.sysctl("ipv4/ip_forward", "1")?;
        router.sysctl("ipv6/conf/all/forwarding", "1")?;
        Ok(router)
    }

    /// The namespace of a real server, 1 or 2.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn real_server(&self, number: usize) -> Result<&Namespace> {
        number.checked_sub(1).and_then(|index| self.real_servers.get(index)).context("there are rs1 and rs2")
    }

    /// The server whose `whoami.txt` says `name`.
    ///
    /// # Errors
    /// When no server has that name.
    pub fn server(&self, name: &str) -> Result<&FtpServer> {
        let found = self.servers.iter().find(|server| server.name == name);
        found.with_context(|| format!("{name:?} is no server of this lab"))
    }

    /// Run a program of the lab root on the client, words separated by spaces.
    ///
    /// # Errors
    /// When it cannot be started or runs longer than a minute. Its own failure is in
    /// the result.
    pub fn on_client(&self, program: &str, arguments: &[&str]) -> Result<Finished> {
        let mut command: Command = self.client.lab_command(program);
        command.args(arguments);
        run(command, Duration::from_secs(60))
    }

    /// All packets on a segment so far that match a pcap filter, one a line.
    ///
    /// # Errors
    /// When the capture cannot be read.
    pub fn captured(&self, segment: Segment, filter: &str) -> Result<Vec<String>> {
        if !is_root() {
            return skip("tcpdump insists on changing its groups, which an ordinary user's root cannot");
        }
        let capture = self.captures.iter().find(|capture| capture.segment() == segment);
        let capture = capture.context("both segments are captured")?;
        capture.synchronise(if segment == Segment::Outside { &self.client } else { self.real_server(1)? })?;
        capture.matching(&self.wire, filter)
    }

    /// Drop what is large and of no use after success.
    pub(crate) fn remove_large_files(&self) {
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "img" || extension == "pcap") {
                // Left behind is harmless: the next run empties the directory.
                drop(fs::remove_file(path));
            }
        }
    }
}

/// The client's addresses: `number` from 1 to 4.
#[must_use]
pub fn client_address(number: u8) -> IpAddr {
    Ipv4Addr::new(198, 51, 100, 100 + number).into()
}

/// The client's IPv6 addresses: `number` from 1 to 4.
#[must_use]
pub fn client_address6(number: u8) -> IpAddr {
    // ::101 to ::104, as people write them.
    Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100 + u16::from(number)).into()
}

/// The FTP service at the virtual address.
#[must_use]
pub fn virtual_ftp() -> SocketAddr {
    (VIRTUAL, 21).into()
}

/// The FTP service at the virtual IPv6 address.
#[must_use]
pub fn virtual_ftp6() -> SocketAddr {
    (VIRTUAL6, 21).into()
}

/// Standard streams of a capture: a file for the packets, nothing else.
pub(crate) fn into_file(command: &mut Command, path: &Path) -> Result {
    let file = File::create(path).with_context(|| format!("{}", path.display()))?;
    command.stdin(Stdio::null()).stdout(file);
    Ok(())
}

fn host(wire: &Namespace, name: &str, segment: Segment) -> Result<Namespace> {
    let namespace = Namespace::create(name)?;
    plug(wire, &namespace, "eth0", segment)?;
    Ok(namespace)
}

fn plug(wire: &Namespace, host: &Namespace, device: &str, segment: Segment) -> Result {
    let port = format!("{}-{}", host.name(), segment.name());
    wire.ip(&format!("link add {port} type veth peer name {device} netns {}", host.name()))?;
    wire.ip(&format!("link set {port} master {} up", segment.name()))?;
    wire.sysctl(&format!("ipv6/conf/{port}/disable_ipv6"), "1")?;
    host.sysctl(&format!("ipv6/conf/{device}/accept_ra"), "0")?;
    host.ip(&format!("link set {device} up"))
}
