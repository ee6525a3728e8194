//! `ping`, and what needs root's rights and is asked of mark21d, `traceroute` and `capture`: piece by
//! piece, so that a person sees each piece when it is there, and Ctrl-C ends it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use mark21_api::status::{CaptureOptions, Captured, CapturedPacket, Hop};

use crate::answer::{Answer, Failure, json};
use crate::client;
use crate::exit::Code;
use crate::session::{Asker, Session};
use crate::{echo, terminal};

/// Hops in a row without an answer: nothing behind them will answer either.
const SILENT: usize = 8;
/// How long an echo may take: a satellite, there and back, three times.
const ECHO: Duration = Duration::from_secs(2);
/// From an answer to the next request.
const PAUSE: Duration = Duration::from_millis(800);
/// Bytes of each packet in a file: all of them.
const WHOLE: u32 = 2048;

/// `ping`
pub(crate) async fn ping(session: &Session, host: IpAddr, count: u16) -> Result<Answer, Failure> {
    let mut shown = Shown::new(session);
    let mut times: Vec<Duration> = Vec::new();
    let mut sent = 0;
    let asked = async {
        for number in 1..=count {
            if number > 1 {
                tokio::time::sleep(PAUSE).await;
            }
            sent = number;
            let time = echo::ask(host, number, ECHO).await.map_err(|error| {
                Failure::new(Code::Differs, format!("{host}: {error}"), "show interfaces tells what is up")
            })?;
            shown.line(&format!("{number:>3}  {}", time.map_or("no answer".to_owned(), in_ms)))?;
            times.extend(time);
        }
        Ok(())
    };
    tokio::select! {
        asked = asked => asked?,
        Ok(()) = tokio::signal::ctrl_c(), if session.asker == Asker::Person => {}
    }
    let range = match (times.iter().min(), times.iter().max()) {
        (Some(least), Some(most)) => format!(", {} to {}", in_ms(*least), in_ms(*most)),
        _ => String::new(),
    };
    shown.line(&format!("{host}: {} of {sent} answered{range}", times.len()))?;
    let times_us: Vec<u128> = times.iter().map(Duration::as_micros).collect();
    let code = if times.is_empty() { Code::Differs } else { Code::Done };
    let value = json!({ "answered": !times.is_empty(), "sent": sent, "times_us": times_us });
    Ok(Answer { text: shown.rest(), value, code })
}

fn in_ms(time: Duration) -> String {
    format!("{}.{:02} ms", time.as_millis(), time.as_micros() % 1000 / 10)
}

/// `traceroute`
pub(crate) async fn traceroute(session: &Session, host: IpAddr, most: u8) -> Result<Answer, Failure> {
    let director = client::director(session.via).await?;
    let mut shown = Shown::new(session);
    let mut hops: Vec<Hop> = Vec::new();
    for number in 1..=most {
        let hop: Hop = client::take(director.trace(&host.to_string(), number).await)?;
        shown.line(&hop_line(number, &hop))?;
        let is_over = hop.is_reached || hop.is_unreachable;
        hops.push(hop);
        let silent = hops.iter().rev().take_while(|hop| hop.address.is_none()).count();
        if is_over || silent == SILENT {
            break;
        }
    }
    let is_reached = hops.last().is_some_and(|hop| hop.is_reached);
    if !is_reached {
        shown.line(&format!("{host} was not reached"))?;
    }
    let code = if is_reached { Code::Done } else { Code::Differs };
    Ok(Answer { text: shown.rest(), value: json!({ "reached": is_reached, "hops": hops }), code })
}

fn hop_line(number: u8, hop: &Hop) -> String {
    let mut line = format!("{number:>2}  {:<39}", hop.address.as_deref().unwrap_or("*"));
    for time in &hop.times_us {
        // Writing into a String cannot fail.
        let _ = write!(line, " {}", in_ms(Duration::from_micros(*time)));
    }
    (0..hop.lost).for_each(|_| line.push_str(" *"));
    if hop.is_unreachable {
        line.push_str(" unreachable");
    }
    line.trim_end().to_owned()
}

/// `capture`
pub(crate) async fn capture(
    session: &Session,
    interface: &str,
    mut options: CaptureOptions,
    is_file: bool,
) -> Result<Answer, Failure> {
    if is_file && (session.asker == Asker::Person || terminal::is_port()) {
        let hint = "over ssh: ssh admin@BOX capture INTERFACE --pcap > FILE";
        return Err(Failure::new(Code::Usage, "a file of packets is no sight for a terminal", hint));
    }
    if is_file {
        options.snap = Some(WHOLE);
        options.bytes = Some(64 << 20);
        options.with_bytes = Some(true);
    }
    let director = client::director(session.via).await?;
    let started = director.start_capture(interface, options).await;
    let number = started.map_err(|error| client::called(&error))?;
    let mut shown = Shown::new(session);
    if is_file {
        write(&PCAP_HEADER)?;
    }
    let mut all: Vec<CapturedPacket> = Vec::new();
    let mut first = None;
    loop {
        let captured: Captured = client::take(director.read_capture(number).await)?;
        for packet in &captured.packets {
            let since = packet.time_us.saturating_sub(*first.get_or_insert(packet.time_us));
            match is_file {
                true => write(&record(packet))?,
                false => shown.line(&format!(
                    "{:>4}.{:06} {}",
                    since / 1_000_000,
                    since % 1_000_000,
                    packet.text
                ))?,
            }
        }
        if !is_file {
            all.extend(captured.packets);
        }
        let Some(why) = captured.ended else { continue };
        if is_file {
            return Ok(Answer { text: String::new(), value: json!({}), code: Code::Done });
        }
        let missed = match captured.missed {
            0 => String::new(),
            missed => format!(", {missed} were too fast"),
        };
        shown.line(&format!("{} packets{missed}; {why}", all.len()))?;
        let value = json!({ "packets": all, "missed": captured.missed, "ended": why });
        return Ok(Answer { text: shown.rest(), value, code: Code::Done });
    }
}

/// Lines that a person sees at once, and a program at the end.
struct Shown {
    is_live: bool,
    kept: Vec<String>,
}

impl Shown {
    fn new(session: &Session) -> Self {
        Self { is_live: session.asker == Asker::Person, kept: Vec::new() }
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        if self.is_live {
            return writeln!(io::stdout(), "{line}").map_err(|error| gone(&error));
        }
        self.kept.push(line.to_owned());
        Ok(())
    }

    fn rest(self) -> String {
        self.kept.join("\n")
    }
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| gone(&error))
}

fn gone(error: &io::Error) -> Failure {
    Failure::new(Code::Failed, format!("the output: {error}"), "is there a reader at its other end?")
}

/// `struct pcap_file_header` (pcap-savefile(5)): version 2.4, little-endian, microseconds, Ethernet.
const PCAP_HEADER: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 1, 0, 0, 0];

/// `struct pcap_pkthdr` and the bytes.
fn record(packet: &CapturedPacket) -> Vec<u8> {
    let bytes: Vec<u8> = (0..packet.bytes.len() / 2)
        .filter_map(|at| u8::from_str_radix(packet.bytes.get(at * 2..at * 2 + 2)?, 16).ok())
        .collect();
    let word = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let head = [packet.time_us / 1_000_000, packet.time_us % 1_000_000, bytes.len() as u64, packet.length];
    head.iter().flat_map(|number| word(*number)).chain(bytes.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_fits_the_terminal() {
        let far = Hop {
            address: Some("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".into()),
            times_us: vec![123_456, 1_234, 12],
            ..Hop::default()
        };
        assert_eq!(
            hop_line(3, &far),
            " 3  2001:db8:ffff:ffff:ffff:ffff:ffff:ffff  123.45 ms 1.23 ms 0.01 ms"
        );
        let silent = Hop { lost: 3, ..Hop::default() };
        assert_eq!(hop_line(30, &silent).split_whitespace().collect::<Vec<_>>(), ["30", "*", "*", "*", "*"]);
        assert!(hop_line(3, &far).len() <= 80);
    }

    /// By hand, from pcap-savefile(5).
    #[test]
    fn a_record_has_seconds_microseconds_and_both_lengths() {
        let packet = CapturedPacket {
            time_us: 1_700_000_001_000_002,
            length: 1514,
            bytes: "0aff".into(),
            text: String::new(),
        };
        let wanted = [0x01, 0xf1, 0x53, 0x65, 2, 0, 0, 0, 2, 0, 0, 0, 0xea, 5, 0, 0, 0x0a, 0xff];
        assert_eq!(record(&packet), wanted);
    }
}
