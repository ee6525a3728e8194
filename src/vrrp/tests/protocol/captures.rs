//! What a real keepalived sent, from `tests/data`: one capture per line.

use std::net::IpAddr;

use vrrp::wire::{ChecksumForm, Path, authentication_header_payload};

/// One line of the file.
#[derive(Debug, Clone)]
pub(crate) struct Capture {
    pub(crate) case: String,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) version: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) count: u8,
    pub(crate) interval: u16,
    pub(crate) authentication: String,
    pub(crate) checksum: String,
    pub(crate) payload: Vec<u8>,
}

impl Capture {
    /// All captures.
    pub(crate) fn all() -> Vec<Capture> {
        include_str!("../data/keepalived-2.4.3.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(Capture::parse)
            .collect()
    }

    /// Those that carry nothing that this crate refuses.
    pub(crate) fn acceptable() -> Vec<Capture> {
        Capture::all()
            .into_iter()
            .filter(|capture| matches!(capture.authentication.as_str(), "none" | "password"))
            .collect()
    }

    pub(crate) fn path(&self) -> Path {
        Path::new(self.source, self.destination).expect("one family a line")
    }

    pub(crate) fn form(&self) -> ChecksumForm {
        match self.checksum.as_str() {
            "plain" => ChecksumForm::Plain,
            _ => ChecksumForm::PseudoHeader,
        }
    }

    /// The advertisement itself, behind the authentication header if there is one.
    pub(crate) fn advertisement(&self) -> &[u8] {
        match self.authentication.as_str() {
            "ah" => authentication_header_payload(&self.payload).expect("an authentication header"),
            _ => &self.payload,
        }
    }

    fn parse(line: &str) -> Capture {
        let fields: Vec<&str> = line.split(' ').collect();
        let [
            case,
            source,
            destination,
            ttl,
            version,
            vrid,
            priority,
            count,
            interval,
            auth,
            checksum,
            payload,
        ] = fields[..]
        else {
            panic!("twelve fields: {line}")
        };
        let number = |text: &str| text.parse().expect("an octet");
        Capture {
            case: case.into(),
            source: source.parse().expect("an address"),
            destination: destination.parse().expect("an address"),
            ttl: number(ttl),
            version: number(version),
            vrid: number(vrid),
            priority: number(priority),
            count: number(count),
            interval: interval.parse().expect("an interval"),
            authentication: auth.into(),
            checksum: checksum.into(),
            payload: unhex(payload),
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}
