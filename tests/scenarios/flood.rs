//! A flood of SYN packets at the passive range fills no table, and FTP goes on, also while memory is
//! scarce.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, ensure};
use mark21_lab::director::ANSWER;
use mark21_lab::ftp::Mode;
use mark21_lab::topology::{VIRTUAL, client_address, virtual_ftp};
use mark21_lab::transfers::every_mode;
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually, scenario};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// More than a box with 256 MB may track.
const MOST_PACKETS: u32 = 120_000;
/// IPVS looks at the memory every second.
const DEFENCE: Duration = Duration::from_secs(30);
/// A tap's queue holds 1000 packets.
const BURST: u32 = 500;

#[test]
fn a_syn_flood_at_the_passive_range_fills_no_table() {
    scenario(|lab| {
        let mut director = lab.boot(&Boot::with_file("single.toml")?)?;
        director.wait_serving()?;
        let lines = Some(director.server_config("ftp")?);
        lab.start_ftp_servers(&Settings { lines, length: 100_000, ..Settings::default() })?;
        works(lab)?;
        let most = number(&mut director, "cat /proc/sys/net/netfilter/nf_conntrack_max")?;
        lab.step(&format!("serving, at most {most} connections are tracked"));
        let free = available(&mut director)?;
        let packets = (2 * most).min(MOST_PACKETS);
        let (mut tracked, mut balanced, mut least) = (0, 0, free);
        for first in (0..packets).step_by(usize::try_from(BURST)?) {
            lab.client.enter(|| flood(first))?;
            // The answer comes behind the packets: the director keeps step.
            tracked = tracked.max(number(&mut director, "cat /proc/sys/net/netfilter/nf_conntrack_count")?);
            if first.is_multiple_of(20 * BURST) {
                balanced = balanced.max(number(&mut director, "wc -l < /proc/net/ip_vs_conn")?);
                least = least.min(available(&mut director)?);
                works(lab).with_context(|| format!("after {first} packets"))?;
            }
        }
        lab.step(&format!("{packets} packets: at most {tracked} tracked, {balanced} balanced connections"));
        lab.step(&format!("{least} of {free} KiB of memory were left"));
        ensure!(tracked > 1000 && balanced > 1000, "the flood did not arrive");
        // How many depends on how fast the flood gets through: half of them and more, here.
        ensure!(tracked < most, "all {most} connections were tracked");
        // IPVS has no most: see below.
        ensure!(least > free / 2, "{least} of {free} KiB of memory were left");
        let log = director.root("dmesg")?;
        ensure!(!log.contains("table full"), "{log}");
        works(lab)?;
        scarce(lab, &mut director)
    });
}

/// While little memory is free, IPVS itself drops what is half open and lets fewer new connections
/// in. Clients come through, and that its settings are other ones then is no foreign change.
fn scarce(lab: &Lab, director: &mut Director) -> Result {
    const DEFENCES: &str = "cd /proc/sys/net/ipv4/vs; cat drop_entry drop_packet";
    let kept_free = 4 * number(director, "cat /proc/sys/net/ipv4/vs/amemthresh")?;
    let free = unused(director)?;
    ensure!(free > kept_free, "{free} KiB are free, {kept_free} must be");
    ensure!(director.root(DEFENCES)? == "1\n1\n", "they have begun with {free} KiB free");
    director.root("mkdir /run/taken; mount -t tmpfs -o size=100% taken /run/taken")?;
    // So much is left; the kernel frees some of its caches meanwhile.
    let left = kept_free / 4 * 3;
    let wait_for = |director: &mut Director, what: &str, wanted: &str, left: u32| {
        eventually(what, DEFENCE, || {
            let more = unused(director)?.saturating_sub(left);
            director.root(&format!("dd if=/dev/zero bs=1024 count={more} >> /run/taken/zeros"))?;
            let seen = director.root(DEFENCES)?;
            ensure!(seen == wanted, "they are {seen:?}");
            let verified = director.port.ask("verify", ANSWER)?;
            ensure!(verified["code"] == "done", "{verified}");
            Ok(())
        })
    };
    wait_for(director, "the defences begin", "2\n2\n", left)?;
    lab.step(&format!("IPVS defends itself with less than {kept_free} KiB free"));
    (0..10).try_for_each(|burst| lab.client.enter(|| flood(burst * BURST)))?;
    works(lab)?;
    wait_for(director, "they go on", "2\n2\n", left)?;
    director.root("umount /run/taken")?;
    wait_for(director, "the defences end", "1\n1\n", u32::MAX)?;
    works(lab)
}

/// SYN packets to the passive ports, each from another address and port behind the client.
fn flood(first: u32) -> Result {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
    socket.set_header_included_v4(true)?;
    let to = SockAddr::from(std::net::SocketAddr::from((VIRTUAL, 0)));
    for number in first..first + BURST {
        // Nobody has these addresses, but they are on the link: the way back is plausible.
        let [_, _, high, low] = number.to_be_bytes();
        let from = Ipv4Addr::new(198, 51, 100, 128 + low / 2);
        let (source, target) =
            (1024 + u16::from(high) * 64 + u16::from(low) % 64, 10_000 + u16::try_from(number % 10_000)?);
        socket.send_to(&syn(from, source, target), &to)?;
    }
    Ok(())
}

/// IPv4 and TCP headers without options (RFC 9293 section 3.1). The kernel fills in the IPv4
/// checksum.
fn syn(from: Ipv4Addr, source: u16, target: u16) -> Vec<u8> {
    let mut tcp = Vec::from(source.to_be_bytes());
    tcp.extend(target.to_be_bytes());
    tcp.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    let mut pseudo = Vec::from(from.octets());
    pseudo.extend(VIRTUAL.octets());
    pseudo.extend([0, 6, 0, 20]);
    let words = pseudo.chunks(2).chain(tcp.chunks(2));
    let sum: u32 = words.map(|word| word.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let check = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or_default();
    tcp.splice(16..18, check.to_be_bytes());
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
    packet.extend(from.octets());
    packet.extend(VIRTUAL.octets());
    packet.extend(tcp);
    packet
}

fn number(director: &mut Director, command: &str) -> Result<u32> {
    let text = director.root(command)?;
    text.trim().parse().with_context(|| format!("{command}: {text}"))
}

/// Memory that nothing uses, in KiB.
fn unused(director: &mut Director) -> Result<u32> {
    number(director, "sed -n 's/^MemFree: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")
}

/// Memory for programs, in KiB.
fn available(director: &mut Director) -> Result<u32> {
    number(director, "sed -n 's/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")
}

fn works(lab: &Lab) -> Result {
    every_mode(lab, (client_address(1), virtual_ftp()), &[Mode::Pasv, Mode::Port], None, |_| {})
}
