//! The trail's way to the disk: entries go into a bounded channel and are written together about once
//! a second, so that a message causes no write of its own; sooner when there is a reader.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Statistics;
use super::counters::Counter;
use crate::boot;
use crate::limits;
use crate::message::trail::TrailEntry;
use crate::settings::Current;
use crate::store::TrailStore;

/// What was left for the writer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are entries")]
enum Left {
    Entry(TrailEntry),
    /// A reader waits until all entries before this are written, and this is dropped.
    Reader(oneshot::Sender<()>),
}

/// Takes the entries of what happened to messages. Never waits.
#[derive(Clone, Debug)]
pub struct Trail {
    entries: mpsc::Sender<Left>,
    shared: Arc<TrailShared>,
}

/// What the trail shares with its writer.
#[derive(Debug)]
struct TrailShared {
    /// A reader waits for entries that are not written.
    is_awaited: Notify,
    kept: AtomicBool,
    /// Why nothing is written.
    stopped: Mutex<Option<String>>,
    statistics: Arc<Statistics>,
}

impl TrailShared {
    fn dropped(&self) -> &Counter {
        &self.statistics.counters.trail_dropped
    }
}

impl Trail {
    /// The trail and the writer that takes it to the disk.
    #[must_use]
    pub fn new(settings: Current, statistics: Arc<Statistics>) -> (Self, TrailWriter) {
        let (sender, entries) = mpsc::channel(limits::TRAIL_QUEUE);
        let shared = Arc::new(TrailShared {
            is_awaited: Notify::new(),
            kept: AtomicBool::new(settings.snapshot().keep_trail),
            stopped: Mutex::default(),
            statistics,
        });
        let writer = TrailWriter {
            entries,
            shared: Arc::clone(&shared),
            settings,
            disk_is_full: false,
        };
        let entries = sender;
        (Self { entries, shared }, writer)
    }

    /// Whether the trail is kept: ask before an entry is built at some cost.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.shared.kept.load(Ordering::Relaxed)
    }

    /// Why it is not written although it is to be kept; none while it is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let stopped = self.shared.stopped.lock();
        stopped.clone().filter(|_| self.is_kept())
    }

    /// Leaves an entry. It is dropped and counted when the disk does not keep up, and ignored when
    /// the trail is switched off.
    pub fn record(&self, entry: TrailEntry) {
        if self.is_kept() && self.entries.try_send(Left::Entry(entry)).is_err() {
            self.shared.dropped().increment();
        }
    }

    /// Returns when what was left so far is written, or will not be in a moment: a message that was answered just now
    /// is found.
    pub async fn catch_up(&self) {
        if !self.is_kept() {
            return;
        }
        let (mark, written) = oneshot::channel();
        if self.entries.try_send(Left::Reader(mark)).is_ok() {
            self.shared.is_awaited.notify_one();
            let _ = timeout(limits::TRAIL_CATCH_UP, written).await;
        }
    }
}

/// Looks at the channel this often while entries wait, so that a burst is written before it is full.
const LOOKS_PER_INTERVAL: u32 = 5;

/// Takes the entries to the store.
#[derive(Debug)]
pub struct TrailWriter {
    entries: mpsc::Receiver<Left>,
    shared: Arc<TrailShared>,
    settings: Current,
    disk_is_full: bool,
}

impl TrailWriter {
    /// Writes until `shutdown`, then what is left, and returns. Cancel it after everybody who leaves
    /// entries has ended.
    pub async fn run(
        mut self,
        store: Arc<TrailStore>,
        data_directory: PathBuf,
        shutdown: CancellationToken,
    ) {
        self.say_why_stopped(
            store
                .problem()
                .map(|problem| format!("its database could not be opened at the start: {problem}")),
        );
        let mut prune_at = Instant::now() + limits::TRAIL_INTERVAL;
        loop {
            let mut settings = self.settings.clone();
            tokio::select! {
                () = shutdown.cancelled() => break,
                changed = settings.changed() => match changed {
                    Some(changed) => {
                        self.shared.kept.store(changed.keep_trail, Ordering::Relaxed);
                        self.settings = settings;
                    }
                    None => break,
                },
                () = tokio::time::sleep_until(prune_at) => {
                    prune_at = Instant::now() + limits::TRAIL_PRUNE_INTERVAL;
                    self.prune(&store).await;
                }
                first = self.entries.recv() => match first {
                    Some(first) => {
                        self.gather(&shutdown).await;
                        self.write(Some(first), &store, &data_directory).await;
                    }
                    None => return,
                },
            }
        }
        self.write(None, &store, &data_directory).await;
    }

    /// Lets a second's worth of entries come together, unless a reader waits for them.
    async fn gather(&self, shutdown: &CancellationToken) {
        for _ in 0..LOOKS_PER_INTERVAL {
            if self.entries.len() > limits::TRAIL_QUEUE / 4 {
                return;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.shared.is_awaited.notified() => return,
                () = sleep(limits::TRAIL_INTERVAL / LOOKS_PER_INTERVAL) => {}
            }
        }
    }

    /// Writes `first` and everything that waits behind it.
    async fn write(&mut self, first: Option<Left>, store: &TrailStore, data_directory: &Path) {
        let mut left = Vec::from_iter(first);
        let mut readers = Vec::new();
        let mut waiting = self.entries.len();
        loop {
            let more = waiting.min(limits::TRAIL_BATCH - left.len());
            if more > 0 {
                self.entries.recv_many(&mut left, more).await;
            }
            waiting -= more;
            let mut batch = Vec::new();
            for one in left.drain(..) {
                match one {
                    Left::Entry(entry) => batch.push(entry),
                    Left::Reader(reader) => readers.push(reader),
                }
            }
            if !batch.is_empty() {
                self.append(batch, store, data_directory).await;
            }
            if waiting == 0 {
                return;
            }
        }
    }

    async fn append(&mut self, batch: Vec<TrailEntry>, store: &TrailStore, data_directory: &Path) {
        let count = batch.len() as u64;
        if store.problem().is_some() || !self.disk_has_room(data_directory) {
            self.shared.dropped().add(count);
            return;
        }
        let problem = match timeout(limits::HISTORY_WAIT, store.append(batch)).await {
            Ok(Ok(())) => {
                self.say_why_stopped(None);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {:?}", limits::HISTORY_WAIT),
        };
        self.shared.dropped().add(count);
        warn!(entries = count, %problem, "trail entries were not written");
        self.say_why_stopped(Some(format!("it could not be written: {problem}")));
    }

    fn say_why_stopped(&self, why: Option<String>) {
        *self.shared.stopped.lock() = why;
    }

    /// Mail comes first: the trail stops before the disk is full. Says so once, and once when it goes on.
    fn disk_has_room(&mut self, data_directory: &Path) -> bool {
        let free = boot::disk_space(data_directory).map(|disk| disk.free_bytes);
        let is_full = free.is_some_and(|free| free < limits::TRAIL_DISK_FREE_BYTES);
        if is_full != self.disk_is_full {
            self.disk_is_full = is_full;
            if is_full {
                warn!(
                    free_bytes = free,
                    "the trail stops: the disk is almost full"
                );
                let least = limits::TRAIL_DISK_FREE_BYTES >> 20;
                let why =
                    format!("less than {least} MiB of the disk are free, which are left to mail");
                self.say_why_stopped(Some(why));
            } else {
                info!(free_bytes = free, "the trail goes on: the disk has room");
                self.say_why_stopped(None);
            }
        }
        !is_full
    }

    async fn prune(&self, store: &TrailStore) {
        let settings = self.settings.snapshot();
        let age = Duration::from_secs(settings.trail_retention_seconds);
        let pruning = store.prune(age, settings.trail_retention_bytes);
        match timeout(limits::HISTORY_WAIT, pruning).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(%error, "the history was not pruned"),
            Err(_) => warn!("pruning the history takes long; it goes on next time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::trail::{Noted, RecipientEvent};
    use crate::message::{MessageId, Spool};
    use crate::settings::{Publisher, Settings, SettingsDocument};
    use crate::smtp::address::Mailbox;
    use crate::store::Store;
    use jiff::Timestamp;

    fn entry() -> TrailEntry {
        TrailEntry::Noted(Noted {
            message: MessageId::from_i64(1),
            recipient: Mailbox::parse("a@example.net").expect("a mailbox"),
            at: Timestamp::UNIX_EPOCH,
            event: RecipientEvent::Queued,
            words: String::new(),
        })
    }

    fn trail(keep_trail: bool) -> (Trail, TrailWriter) {
        let written = SettingsDocument {
            keep_trail,
            ..SettingsDocument::default()
        };
        let publisher = Publisher::new(Settings::new(written).expect("the defaults hold"));
        let statistics = Arc::new(Statistics::new(Timestamp::UNIX_EPOCH));
        Trail::new(publisher.current(), statistics)
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let (trail, writer) = trail(true);
        for _ in 0..limits::TRAIL_QUEUE + 3 {
            trail.record(entry());
        }
        assert_eq!(writer.entries.len(), limits::TRAIL_QUEUE);
        assert_eq!(trail.shared.dropped().value(), 3);
    }

    #[tokio::test]
    async fn a_reader_finds_what_was_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(directory.path().join("spool"), "test").expect("a spool");
        let opened = Store::open(directory.path(), &spool, Some(Timestamp::now())).await;
        let (store, _writers) = opened.expect("a store");
        let (trail, writer) = trail(true);
        let shutdown = CancellationToken::new();
        let path = directory.path().to_owned();
        let running = tokio::spawn(writer.run(store.trail.clone(), path, shutdown.clone()));
        trail.record(entry());
        trail.catch_up().await;
        let id = MessageId::from_i64(1);
        assert!(store.trail.is_in_trail(id).await.expect("it can be read"));
        shutdown.cancel();
        running.await.expect("it ends");
        // Nobody is there who would write.
        trail.catch_up().await;
    }

    #[test]
    fn nothing_is_sent_when_the_trail_is_off() {
        let (trail, writer) = trail(false);
        trail.record(entry());
        assert_eq!(writer.entries.len(), 0);
        assert_eq!(trail.shared.dropped().value(), 0);
    }
}
