//! A client's stream with bounds: how long a message may be, and how many calls wait for an answer.
//!
//! zbus takes messages of 128 MiB, and starts every call at once. Whoever on the box may open the
//! socket could fill the memory that way. So the bytes are followed here, message by message: one
//! that is too long ends the connection before room is made for it, and with too many calls
//! unanswered no further one is read; the client waits then, in its own time.
//!
//! And the first call that may need more objects than the director waits until they are made.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, oneshot};
use zbus::connection::AuthMechanism;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;
use zbus::fdo::ConnectionCredentials;

mod frames;

use frames::{Frames, Kind};

/// Calls of one connection that wait for an answer.
const CALLS: usize = 8;

/// Comes when a client asks for objects below the director; the message goes on once it is answered.
pub(crate) type Wish = oneshot::Receiver<oneshot::Sender<()>>;

/// The stream of a client with this user number.
#[derive(Debug)]
pub(crate) struct Bounded {
    stream: UnixStream,
    uid: u32,
    wish: oneshot::Sender<oneshot::Sender<()>>,
}

impl Bounded {
    pub(crate) fn new(stream: UnixStream, uid: u32) -> (Self, Wish) {
        let (wish, wished) = oneshot::channel();
        (Self { stream, uid, wish }, wished)
    }
}

impl Socket for Bounded {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let (read, write) = self.stream.into_split();
        let calls = Arc::new(Semaphore::new(CALLS));
        let reader = Reader {
            read,
            uid: self.uid,
            frames: Frames::from_client(),
            held: Vec::new(),
            calls: Arc::clone(&calls),
            owed: 0,
            wish: Some(self.wish),
        };
        Split::new(reader, Writer { write, frames: Frames::from_us(), calls })
    }
}

/// What the client says.
#[derive(Debug)]
pub(crate) struct Reader {
    read: OwnedReadHalf,
    uid: u32,
    frames: Frames,
    /// What came in one piece with the end of the greeting.
    held: Vec<u8>,
    calls: Arc<Semaphore>,
    /// Calls that were read and have no place yet.
    owed: usize,
    /// `None` once it was sent.
    wish: Option<oneshot::Sender<oneshot::Sender<()>>>,
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        // A call that was read is served; it is the next one that waits for a place.
        while self.owed > 0 {
            self.calls.acquire().await.map_err(io::Error::other)?.forget();
            self.owed -= 1;
        }
        let length = if self.held.is_empty() {
            self.read.read(buffer).await?
        } else {
            self.held.as_slice().read(buffer).await?
        };
        self.held.drain(..length.min(self.held.len()));
        // A call that is sent along with the greeting waits for its end: before it, nobody makes objects.
        let mut greeted = 0;
        while greeted < length && self.frames.is_greeting() {
            self.frames.follow(buffer.get(greeted..=greeted).unwrap_or_default())?;
            greeted += 1;
        }
        if greeted > 0 {
            self.held.extend_from_slice(buffer.get(greeted..length).unwrap_or_default());
            return Ok((greeted, Vec::new()));
        }
        for kind in self.frames.follow(buffer.get(..length).unwrap_or_default())? {
            match kind {
                Kind::Call => self.owed += 1,
                Kind::CallWithoutAnswer => {
                    return Err(io::Error::other("a call that wants no answer cannot be counted"));
                }
                Kind::Answer | Kind::Signal => {}
                Kind::Beyond => {
                    let (made, done) = oneshot::channel();
                    if self.wish.take().is_some_and(|wish| wish.send(made).is_ok()) {
                        // However it went: the call finds what there is.
                        drop(done.await);
                    }
                }
            }
        }
        Ok((length, Vec::new()))
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        Ok(ConnectionCredentials::default().set_unix_user_id(self.uid))
    }

    fn auth_mechanism(&self) -> AuthMechanism {
        AuthMechanism::External
    }
}

/// What the client is told.
#[derive(Debug)]
pub(crate) struct Writer {
    write: OwnedWriteHalf,
    frames: Frames,
    calls: Arc<Semaphore>,
}

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let length = self.write.write(buffer).await?;
        let kinds = self.frames.follow(buffer.get(..length).unwrap_or_default())?;
        self.calls.add_permits(kinds.iter().filter(|kind| **kind == Kind::Answer).count());
        Ok(length)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.write.flush().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.write.shutdown().await
    }
}
