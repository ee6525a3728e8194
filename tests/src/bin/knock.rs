//! Calls everything that a D-Bus socket offers, or annoys it. The scenarios bring this program into
//! a director and run it there as users of different rights.
//!
//! ```text
//! knock SOCKET every [EXCEPT..]   each member and property of each object: OBJECT INTERFACE MEMBER RESULT
//! knock SOCKET flood RATE SECONDS so many calls a second, without waiting for their answers
//! knock SOCKET broken             messages that are none, or too long
//! knock SOCKET crowd COUNT        so many connections at a time
//! ```
//! The system bus is told from mark21d's own socket by its name. It speaks D-Bus by itself: a
//! library would not send what is wrong.

use std::env;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

const NAME: &str = "org.mark21.Director1";
const ROOT: &str = "/org/mark21/Director1";
const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two handfuls of a flood.
const TURN: Duration = Duration::from_millis(10);

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [socket, "every", except @ ..] => every(socket, except),
        [socket, "flood", rate, seconds] => {
            flood(socket, rate.parse()?, Duration::from_secs(seconds.parse()?))
        }
        [socket, "broken"] => broken(socket),
        [socket, "crowd", count] => crowd(socket, count.parse()?),
        _ => bail!("knock SOCKET every [EXCEPT..] | flood RATE SECONDS | broken | crowd COUNT"),
    }
}

/// A connection, and the number of the last message.
struct Bus {
    stream: UnixStream,
    is_bus: bool,
    serial: u32,
}

/// An answer: the error's name, or nothing, and the body.
struct Answer {
    error: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    fn word(&self) -> &str {
        self.error.as_deref().unwrap_or("ok")
    }
}

impl Bus {
    fn connect(socket: &str) -> Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let user = rustix::process::getuid().as_raw().to_string();
        let user: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let mut said = String::new();
        while !said.contains("OK ") {
            let mut part = [0; 256];
            let length = stream.read(&mut part)?;
            ensure!(length > 0, "closed in the greeting: {said:?}");
            said.push_str(&String::from_utf8_lossy(&part[..length]));
            if said.contains("REJECTED") {
                bail!("rejected: {said:?}");
            }
        }
        stream.write_all(b"BEGIN\r\n")?;
        let mut bus = Self { stream, is_bus: socket.contains("dbus"), serial: 0 };
        if bus.is_bus {
            let hello = bus.call_to("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "Hello", "", &[])?;
            ensure!(hello.error.is_none(), "Hello: {}", hello.word());
        }
        Ok(bus)
    }

    /// Where there are so many places, one that was left is free a little later.
    fn connect_in_turn(socket: &str) -> Result<Self> {
        let begun = Instant::now();
        loop {
            let greeted = Self::connect(socket).and_then(|mut bus| {
                // Beside a flood the greeting may last too long for the other end.
                bus.call(ROOT, "org.freedesktop.DBus.Peer", "Ping", "", &[]).map(|_| bus)
            });
            match greeted {
                Err(_) if begun.elapsed() < PATIENCE => thread::sleep(TURN),
                connected => return connected,
            }
        }
    }

    fn call(
        &mut self,
        path: &str,
        interface: &str,
        member: &str,
        signature: &str,
        body: &[u8],
    ) -> Result<Answer> {
        self.call_to(NAME, path, interface, member, signature, body)
    }

    fn call_to(
        &mut self,
        name: &str,
        path: &str,
        interface: &str,
        member: &str,
        signature: &str,
        body: &[u8],
    ) -> Result<Answer> {
        let serial = self.send(name, path, interface, member, (signature, body))?;
        loop {
            let (kind, reply_to, answer) = self.receive()?;
            if matches!(kind, 2 | 3) && reply_to == serial {
                return Ok(answer);
            }
        }
    }

    fn send(
        &mut self,
        name: &str,
        path: &str,
        interface: &str,
        member: &str,
        (signature, body): (&str, &[u8]),
    ) -> Result<u32> {
        self.serial += 1;
        let message = call_message(self.serial, [path, interface, member, name], signature, body);
        self.stream.write_all(&message)?;
        Ok(self.serial)
    }

    /// The next message: its type, what it answers, and its content.
    fn receive(&mut self) -> Result<(u8, u32, Answer)> {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        ensure!(head[0] == b'l', "a message of the other byte order");
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let fields_length = number(12);
        let mut fields = vec![0; fields_length.next_multiple_of(8)];
        self.stream.read_exact(&mut fields)?;
        let mut body = vec![0; number(4)];
        self.stream.read_exact(&mut body)?;
        let (mut error, mut reply_to) = (None, 0);
        let mut at = 0;
        while at < fields_length {
            at = at.next_multiple_of(8);
            let (code, kind) = (fields[at], fields[at + 2]);
            at += 4;
            match kind {
                b'u' => {
                    let value = u32::from_le_bytes(fields[at..at + 4].try_into()?);
                    if code == 5 {
                        reply_to = value;
                    }
                    at += 4;
                }
                b's' | b'o' => {
                    let text = text_at(&fields, at)?;
                    at += 4 + text.len() + 1;
                    if code == 4 {
                        error = Some(text);
                    }
                }
                b'g' => at += 1 + usize::from(fields[at]) + 1,
                other => bail!("a header field of type {other}"),
            }
        }
        Ok((head[1], reply_to, Answer { error, body }))
    }
}

fn text_at(bytes: &[u8], at: usize) -> Result<String> {
    let length = bytes.get(at..at + 4).context("a text is cut")?;
    let length = u32::from_le_bytes(length.try_into()?) as usize;
    let text = bytes.get(at + 4..at + 4 + length).context("a text is cut")?;
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// A method call, little-endian (D-Bus Specification, "Message Format").
fn call_message(serial: u32, names: [&str; 4], signature: &str, body: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    for ((code, kind), text) in [(1, b'o'), (2, b's'), (3, b's'), (6, b's')].into_iter().zip(names) {
        align(&mut fields, 8);
        fields.extend([code, 1, kind, 0]);
        put_text(&mut fields, text);
    }
    if !signature.is_empty() {
        align(&mut fields, 8);
        fields.extend([8, 1, b'g', 0]);
        put_signature(&mut fields, signature);
    }
    let mut message = vec![b'l', 1, 0, 1];
    message.extend(length_of(body.len()));
    message.extend(serial.to_le_bytes());
    message.extend(length_of(fields.len()));
    message.extend(fields);
    align(&mut message, 8);
    message.extend(body);
    message
}

fn length_of(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    align(bytes, 4);
    bytes.extend(length_of(text.len()));
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

fn put_signature(bytes: &mut Vec<u8>, signature: &str) {
    bytes.push(u8::try_from(signature.len()).unwrap_or(u8::MAX));
    bytes.extend(signature.as_bytes());
    bytes.push(0);
}

/// The least value of each type that a method takes.
fn put_least(bytes: &mut Vec<u8>, signature: &str) -> Result<()> {
    let mut types = signature;
    while let Some(first) = types.chars().next() {
        let length = match first {
            'a' if types[1..].starts_with('{') => types.find('}').context("a dictionary ends")? + 1,
            'a' => 2,
            _ => 1,
        };
        let (one, rest) = types.split_at(length);
        types = rest;
        match one.as_bytes() {
            b"s" => put_text(bytes, ""),
            b"o" => put_text(bytes, "/"),
            b"y" => bytes.push(0),
            b"n" | b"q" => {
                align(bytes, 2);
                bytes.extend([0; 2]);
            }
            b"b" | b"u" | b"i" => {
                align(bytes, 4);
                bytes.extend([0; 4]);
            }
            b"x" | b"t" | b"d" => {
                align(bytes, 8);
                bytes.extend([0; 8]);
            }
            [b'a', element, ..] => {
                align(bytes, 4);
                bytes.extend([0; 4]);
                if matches!(element, b'{' | b'(' | b'x' | b't' | b'd') {
                    align(bytes, 8);
                }
            }
            _ => bail!("no value of type {one} is known here"),
        }
    }
    Ok(())
}

/// What an object offers.
#[derive(Debug, Default)]
struct Offer {
    /// Interface, method, what it takes.
    methods: Vec<(String, String, String)>,
    /// Interface, property, its type.
    properties: Vec<(String, String, String)>,
    children: Vec<String>,
}

/// Reads introspection data: its tags one after the other.
fn offer(xml: &str) -> Offer {
    let mut offer = Offer::default();
    let mut interface = String::new();
    let mut in_method = false;
    let mut depth = 0;
    for tag in xml.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let attribute = |name: &str| {
            let (_, rest) = tag.split_once(&format!("{name}=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        let name = attribute(" name").unwrap_or_default();
        let element = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap_or_default();
        if element == "node" && tag.starts_with('/') {
            depth -= 1;
        } else if element == "node" {
            // Children may tell of themselves already; each is asked once more.
            if depth == 1 {
                offer.children.push(name.clone());
            }
            depth += i32::from(!tag.ends_with('/'));
        }
        if depth > 1 {
            continue;
        }
        match element {
            "interface" if !tag.starts_with('/') => interface = name,
            "method" if !tag.starts_with('/') => {
                in_method = !tag.ends_with('/');
                offer.methods.push((interface.clone(), name, String::new()));
            }
            "method" => in_method = false,
            "arg" if in_method && attribute("direction").is_none_or(|direction| direction == "in") => {
                if let Some((_, _, takes)) = offer.methods.last_mut() {
                    takes.push_str(&attribute(" type").unwrap_or_default());
                }
            }
            "property" if !tag.starts_with('/') => {
                offer.properties.push((interface.clone(), name, attribute(" type").unwrap_or_default()));
            }
            _ => {}
        }
    }
    offer
}

fn every(socket: &str, except: &[&str]) -> Result<()> {
    let mut bus = Bus::connect(socket)?;
    let mut objects = vec![ROOT.to_owned()];
    let mut count = 0;
    while let Some(path) = objects.pop() {
        let answer = bus.call(&path, INTROSPECTABLE, "Introspect", "", &[])?;
        ensure!(answer.error.is_none(), "Introspect of {path}: {}", answer.word());
        let offer = offer(&text_at(&answer.body, 0)?);
        objects.extend(offer.children.iter().map(|child| format!("{path}/{child}")));
        for (interface, member, takes) in &offer.methods {
            if except.contains(&member.as_str()) || interface == PROPERTIES {
                continue;
            }
            let mut body = Vec::new();
            put_least(&mut body, takes).with_context(|| format!("{interface}.{member}"))?;
            let answer = bus.call(&path, interface, member, takes, &body)?;
            println!("{path} {interface} {member} {}", answer.word());
            count += 1;
        }
        for (interface, property, kind) in &offer.properties {
            let mut body = Vec::new();
            put_text(&mut body, interface);
            put_text(&mut body, property);
            let get = bus.call(&path, PROPERTIES, "Get", "ss", &body)?;
            println!("{path} {interface} get:{property} {}", get.word());
            // Of the property's own type where that is simple, so that only rights can refuse it.
            let kind = if kind.len() == 1 { kind.as_str() } else { "u" };
            put_signature(&mut body, kind);
            put_least(&mut body, kind)?;
            let set = bus.call(&path, PROPERTIES, "Set", "ssv", &body)?;
            println!("{path} {interface} set:{property} {}", set.word());
            count += 2;
        }
    }
    println!("called {count}");
    Ok(())
}

/// So many calls a second, what is dear and what is cheap to answer in turn, and what is refused. None is
/// waited for: what the other side does not take at its time is not offered again. Answers are counted.
fn flood(socket: &str, rate: u32, long: Duration) -> Result<()> {
    let mut bus = Bus::connect_in_turn(socket)?;
    bus.stream.set_nonblocking(true)?;
    let mut calls = Calls::new()?;
    let mut answers = Answers::default();
    let begun = Instant::now();
    let (mut offered, mut taken) = (0_u32, 0_u32);
    // Until the last handful was due: how long a busy box then takes it is no part of the rate.
    let mut lasted = Duration::ZERO;
    while lasted < long {
        thread::sleep(TURN);
        lasted = begun.elapsed();
        let due = u32::try_from(lasted.as_millis() * u128::from(rate) / 1000)?;
        taken += calls.send(&mut bus, due - offered)?;
        offered = due;
        answers.read(&mut bus)?;
    }
    let Answers { all, refused, .. } = answers;
    let seconds = lasted.as_secs_f32();
    println!("offered {offered}, taken {taken}, answered {all}, refused {refused}, in {seconds:.1} s");
    Ok(())
}

/// Messages that are written before they are needed.
struct Calls {
    messages: Vec<Vec<u8>>,
    turn: usize,
    /// Of the last one, what was not taken yet.
    rest: Vec<u8>,
}

impl Calls {
    fn new() -> Result<Self> {
        let mut state = Vec::new();
        put_text(&mut state, NAME);
        put_text(&mut state, "State");
        let nothing: (&str, &[u8]) = ("", &[]);
        let calls = [
            (NAME, "Status", nothing),
            (PROPERTIES, "Get", ("ss", state.as_slice())),
            (NAME, "Reboot", nothing),
            ("org.freedesktop.DBus.Peer", "Ping", nothing),
        ];
        let messages = calls.map(|(interface, member, (signature, body))| {
            call_message(1, [ROOT, interface, member, NAME], signature, body)
        });
        Ok(Self { messages: messages.to_vec(), turn: 0, rest: Vec::new() })
    }

    /// Offers so many at once; how many were taken.
    fn send(&mut self, bus: &mut Bus, count: u32) -> Result<u32> {
        let mut block = std::mem::take(&mut self.rest);
        let mut ends = vec![block.len()];
        for _ in 0..count {
            bus.serial += 1;
            let begin = block.len();
            block.extend_from_slice(&self.messages[self.turn]);
            block[begin + 8..begin + 12].copy_from_slice(&bus.serial.to_le_bytes());
            ends.push(block.len());
            self.turn = (self.turn + 1) % self.messages.len();
        }
        let mut written = 0;
        while written < block.len() {
            match bus.stream.write(&block[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        // One that was begun is finished at the next turn.
        let begun = ends.iter().position(|end| *end >= written).unwrap_or(ends.len() - 1);
        self.rest = block[written..ends[begun]].to_vec();
        Ok(u32::try_from(begun)?)
    }
}

/// What came back.
#[derive(Default)]
struct Answers {
    bytes: Vec<u8>,
    all: u32,
    refused: u32,
}

impl Answers {
    fn read(&mut self, bus: &mut Bus) -> Result<()> {
        let mut part = vec![0; 1 << 16];
        loop {
            match bus.stream.read(&mut part) {
                Ok(0) => bail!("closed under a flood"),
                Ok(length) => self.bytes.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            while let Some(head) = self.bytes.get(..16) {
                let number = |at: usize| {
                    u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
                };
                let length = 16 + number(12).next_multiple_of(8) + number(4);
                if self.bytes.len() < length {
                    break;
                }
                self.all += u32::from(matches!(head[1], 2 | 3));
                self.refused += u32::from(head[1] == 3);
                self.bytes.drain(..length);
            }
        }
    }
}

/// Each on a connection of its own: it may be answered with an error or closed, and no more.
fn broken(socket: &str) -> Result<()> {
    let good = call_message(7, [ROOT, NAME, "Check", NAME], "s", &{
        let mut body = Vec::new();
        put_text(&mut body, "schema = 1");
        body
    });
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("no byte order".into(), changed(0, b"x")),
        ("no type".into(), changed(1, &[0])),
        ("another version".into(), changed(3, &[9])),
        ("number 0".into(), changed(8, &[0; 4])),
        ("a body of 4 GiB".into(), changed(4, &[0xff; 4])),
        ("a body of 120 MiB".into(), changed(4, &(120_u32 << 20).to_le_bytes())),
        ("fields of 4 GiB".into(), changed(12, &[0xff; 4])),
        ("no answer wanted".into(), changed(2, &[1])),
        ("a text without an end".into(), {
            let mut bytes = good.clone();
            bytes.pop();
            bytes.push(1);
            bytes
        }),
        ("no UTF-8".into(), {
            let at = good.len() - 3;
            changed(at, &[0xff])
        }),
        ("noise".into(), (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("a greeting".into(), b"AUTH EXTERNAL 30\r\nBEGIN\r\n".repeat(200)),
    ];
    for at in (0..good.len()).step_by(5) {
        cases.push((format!("byte {at} changed"), changed(at, &[good[at] ^ 0x80])));
    }
    let (mut closed, mut answered, mut silent) = (0, 0, 0);
    for (case, bytes) in cases {
        let mut bus = Bus::connect_in_turn(socket).with_context(|| format!("before {case}"))?;
        bus.stream.set_read_timeout(Some(Duration::from_millis(300)))?;
        // A connection that is closed already is an answer too.
        let _ = bus.stream.write_all(&bytes);
        let mut part = [0; 512];
        match bus.stream.read(&mut part) {
            Ok(0) => closed += 1,
            Ok(_) => answered += 1,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => silent += 1,
            Err(_) => closed += 1,
        }
    }
    // The longest text that is taken, and one that is not.
    for length in [1_000_000, 3_000_000] {
        let mut body = Vec::new();
        put_text(&mut body, &"x".repeat(length));
        let answer = Bus::connect_in_turn(socket)?.call(ROOT, NAME, "Check", "s", &body)?;
        ensure!(answer.error.is_none(), "a text of {length} bytes: {}", answer.word());
    }
    println!("closed {closed}, answered {answered}, silent {silent}");
    Ok(())
}

fn crowd(socket: &str, count: usize) -> Result<()> {
    let doors: Vec<_> = (0..count)
        .map(|_| {
            let socket = socket.to_owned();
            thread::spawn(move || Bus::connect(&socket))
        })
        .collect();
    let open: Vec<Bus> = doors.into_iter().filter_map(|door| door.join().ok()?.ok()).collect();
    println!("open {}", open.len());
    Ok(())
}
