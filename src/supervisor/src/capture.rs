//! A capture for an operator: what passes an interface, bounded in time, packets and bytes.
//!
//! ```text
//! StartCapture -> thread: packet socket -> filter -> waiting packets -> ReadCapture
//! ```
//! There is one at a time: another one ends it. One that nobody reads ends by itself, so a caller
//! that has gone away costs nothing for long; packets that wait beyond a bound are counted, and lost.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mark21_api::status::{CaptureOptions, Captured, CapturedPacket};
use mark21_kernel::{Frame, PacketSocket};
use tokio::sync::Notify;

use crate::hex;
use crate::refusal::Refusal;

/// Longest time of a capture, in seconds, and the usual one.
const SECONDS: (u32, u32) = (600, 10);
/// Most packets, and the usual number.
const PACKETS: (u32, u32) = (100_000, 100);
/// Most bytes of packets, and the usual number.
const BYTES: (u32, u32) = (64 << 20, 1 << 20);
/// Bytes kept of each packet: all of what Ethernet carries, and enough for the headers.
const SNAP: (u32, u32) = (2048, 128);
/// Bytes of packets that wait for whoever reads.
const WAITING: usize = 512 << 10;
/// Packets that one answer tells of, so that it stays a message of moderate length.
const ANSWER: usize = 100;
/// A capture that is not read for so long has lost its reader.
const ABANDONED: Duration = Duration::from_secs(4);
/// How long a reader waits for a packet.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at the clock.
const LOOK: Duration = Duration::from_millis(200);

/// What is captured now, if anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captures(Arc<Mutex<Option<Arc<Running>>>>);

#[derive(Debug)]
struct Running {
    number: u32,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<CapturedPacket>,
    waiting_bytes: usize,
    /// Packets taken, and their bytes.
    packets: u32,
    bytes: u64,
    missed: u64,
    /// Why it has ended.
    ended: Option<String>,
    /// When it was read last.
    read: Instant,
}

/// What is to be captured, with every bound in its range.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    host: Option<IpAddr>,
    port: Option<u16>,
    time: Duration,
    packets: u32,
    bytes: u64,
    snap: usize,
    whole: bool,
}

impl Wanted {
    fn read(options: &CaptureOptions) -> Result<Self, Refusal> {
        let bound = |what: &str, given: Option<u32>, (most, usual): (u32, u32)| match given.unwrap_or(usual) {
            given if (1..=most).contains(&given) => Ok(given),
            given => Err(Refusal::wrong(
                format!("{given} {what} are no bound of a capture"),
                format!("it goes from 1 to {most}"),
            )),
        };
        let host = options.host.as_deref().map(str::parse).transpose();
        Ok(Self {
            host: host.map_err(|_| Refusal::wrong("the host is no address", "as in 192.0.2.1"))?,
            port: options.port,
            time: Duration::from_secs(bound("seconds", options.seconds, SECONDS)?.into()),
            packets: bound("packets", options.packets, PACKETS)?,
            bytes: bound("bytes", options.bytes, BYTES)?.into(),
            snap: usize::try_from(bound("bytes of each packet", options.snap, SNAP)?).unwrap_or(0),
            whole: options.with_bytes.unwrap_or_default(),
        })
    }

    fn is_wanted(&self, frame: &Frame) -> bool {
        self.host.is_none_or(|host| frame.is_of_host(host))
            && self.port.is_none_or(|port| frame.is_of_port(port))
    }
}

impl Captures {
    /// Begins to listen to a device, and ends the capture before; its number.
    ///
    /// # Errors
    /// An option is out of its range, or the device cannot be listened to.
    pub(crate) fn start(&self, device: &str, options: &CaptureOptions) -> Result<u32, Refusal> {
        let wanted = Wanted::read(options)?;
        let socket =
            PacketSocket::open(device).map_err(|error| Refusal::below(format!("{device}: {error}")))?;
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.as_ref().map_or(1, |before| before.number.wrapping_add(1));
        if let Some(before) = now.take() {
            before.end("another capture was started");
        }
        let running = Arc::new(Running { number, state: Mutex::new(State::new()), news: Notify::new() });
        let mine = Arc::clone(&running);
        thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || mine.listen(&socket, &wanted))
            .map_err(Refusal::below)?;
        *now = Some(running);
        Ok(number)
    }

    /// What has come since the last time; waits a moment where nothing has.
    ///
    /// # Errors
    /// There is no capture of that number.
    pub(crate) async fn read(&self, number: u32) -> Result<Captured, Refusal> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let running = running.filter(|running| running.number == number);
        let running = running
            .ok_or_else(|| Refusal::wrong("that capture is over", "begin another one with capture"))?;
        let news = running.news.notified();
        if running.state().is_idle() {
            // When the time is up, there is just nothing to tell.
            let _ = tokio::time::timeout(PATIENCE, news).await;
        }
        Ok(running.state().take())
    }
}

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, why: &str) {
        self.state().ended.get_or_insert_with(|| why.to_owned());
        self.news.notify_one();
    }

    fn listen(&self, socket: &PacketSocket, wanted: &Wanted) {
        let until = Instant::now() + wanted.time;
        let mut room = vec![0; wanted.snap.max(SNAP.1 as usize)];
        let why = loop {
            if self.state().ended.is_some() {
                return;
            }
            if self.state().read.elapsed() > ABANDONED {
                break "nobody reads it".to_owned();
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break "the time is up".to_owned();
            };
            let (kept, length) = match socket.next(&mut room, left.min(LOOK)) {
                Ok(Some(lengths)) => lengths,
                Ok(None) => continue,
                Err(error) => break said(&error),
            };
            let bytes = room.get(..kept).unwrap_or_default();
            let frame = Frame::read(bytes, length);
            if wanted.is_wanted(&frame) {
                let kept = bytes.get(..kept.min(wanted.snap)).unwrap_or_default();
                if let Some(why) = self.state().note(frame.text, (kept, length), wanted) {
                    break why.to_owned();
                }
                self.news.notify_one();
            }
        };
        self.end(&why);
    }
}

impl State {
    fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            packets: 0,
            bytes: 0,
            missed: 0,
            ended: None,
            read: Instant::now(),
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.ended.is_none()
    }

    /// Takes a packet's first bytes and its length; why the capture ends with it, if it does.
    fn note(
        &mut self,
        text: String,
        (kept, length): (&[u8], usize),
        wanted: &Wanted,
    ) -> Option<&'static str> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let bytes = if wanted.whole { hex::write(kept) } else { String::new() };
        let size = text.len() + bytes.len();
        if self.waiting_bytes + size > WAITING {
            self.missed += 1;
            return None;
        }
        self.waiting_bytes += size;
        self.waiting.push_back(CapturedPacket {
            time_us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
            length: u64::try_from(length).unwrap_or(u64::MAX),
            text,
            bytes,
        });
        self.packets += 1;
        self.bytes += kept.len() as u64;
        if self.packets >= wanted.packets {
            return Some("all packets have come");
        }
        (self.bytes >= wanted.bytes).then_some("all bytes have come")
    }

    fn take(&mut self) -> Captured {
        self.read = Instant::now();
        let count = self.waiting.len().min(ANSWER);
        let packets: Vec<CapturedPacket> = self.waiting.drain(..count).collect();
        self.waiting_bytes -=
            packets.iter().map(|packet| packet.text.len() + packet.bytes.len()).sum::<usize>();
        let ended = self.ended.clone().filter(|_| self.waiting.is_empty());
        Captured { packets, ended, missed: self.missed }
    }
}

fn said(error: &io::Error) -> String {
    format!("the interface: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_range_and_a_usual_value() {
        let usual = Wanted::read(&CaptureOptions::default()).expect("nothing is given");
        assert_eq!((usual.time, usual.packets, usual.snap), (Duration::from_secs(10), 100, 128));
        let wrong = [
            CaptureOptions { seconds: Some(601), ..Default::default() },
            CaptureOptions { packets: Some(0), ..Default::default() },
            CaptureOptions { bytes: Some(u32::MAX), ..Default::default() },
            CaptureOptions { snap: Some(9000), ..Default::default() },
            CaptureOptions { host: Some("nowhere".into()), ..Default::default() },
        ];
        for options in wrong {
            assert!(Wanted::read(&options).is_err(), "{options:?}");
        }
    }

    #[test]
    fn what_nobody_reads_is_counted_and_lost_and_the_bounds_end_it() {
        let options = CaptureOptions { packets: Some(50_000), with_bytes: Some(true), ..Default::default() };
        let wanted = Wanted::read(&options).expect("it is good");
        let mut state = State::new();
        let packet = [0x5a; 128];
        for _ in 0..10_000 {
            assert_eq!(state.note("a packet".into(), (&packet, 1514), &wanted), None);
        }
        assert!(state.waiting_bytes <= WAITING && state.missed > 5_000, "{}", state.missed);
        let told = state.take();
        assert_eq!((told.packets.len(), told.ended), (ANSWER, None));
        assert_eq!(told.packets[0].bytes.len(), 256);
        let few = Wanted { packets: 2, ..wanted.clone() };
        let mut state = State::new();
        assert_eq!(state.note("one".into(), (&packet, 1), &few), None);
        assert!(state.note("two".into(), (&packet, 1), &few).is_some());
        let small = Wanted { bytes: 100, ..wanted };
        assert!(State::new().note("one".into(), (&packet, 128), &small).is_some());
    }
}
