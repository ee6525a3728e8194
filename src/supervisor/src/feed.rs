//! What the interface's objects show and what its signals tell, for everybody who is connected.

use std::sync::Arc;

use mark21_api::status::Status;
use tokio::sync::{broadcast, watch};

/// News that a slow reader may be behind; older ones are lost to it.
const NEWS: usize = 32;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The box goes back from a generation in so many seconds.
    RollbackAnnounced { generation: u32, seconds: u32 },
    /// It has gone back.
    RolledBack { from: u32, to: u32, reason: String },
    /// A generation now runs.
    Committed { generation: u32, author: String },
}

/// Both, to be cloned for each reader.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    shown: watch::Sender<Arc<Status>>,
    news: broadcast::Sender<News>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { shown: watch::Sender::default(), news: broadcast::Sender::new(NEWS) }
    }

    /// Shows another snapshot.
    pub(crate) fn show(&self, snapshot: Status) {
        self.shown.send_replace(Arc::new(snapshot));
    }

    /// The newest snapshot.
    pub(crate) fn latest(&self) -> Arc<Status> {
        Arc::clone(&self.shown.borrow())
    }

    /// Tells everybody who listens now.
    pub(crate) fn tell(&self, news: News) {
        // Nobody listening is the usual case.
        drop(self.news.send(news));
    }

    /// To look at the snapshots.
    pub(crate) fn look(&self) -> watch::Receiver<Arc<Status>> {
        self.shown.subscribe()
    }

    /// To listen to the news.
    pub(crate) fn listen(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
}
