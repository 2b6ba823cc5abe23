//! The retry queue: durable recipients that still wait, the runner that tries them again, and the
//! reports to senders when trying ends.
//!
//! Figure 2B (steps 206–211) and Figure 3B (steps 315–320) of the patent.

pub mod action;
mod actions;
mod attempt;
mod clock;
mod dsn;
mod dsn_text;
mod handed_over;
mod leases;
mod lost;
mod places;
mod runner;
pub mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clients::{Buckets, Network};
use crate::delivery::{AttemptResult, Delivery, NextHopHealth};
use crate::limits;
use crate::message::trail::{Noted, RecipientEvent, TrailEntry};
use crate::message::{MemoryBudget, Message, MessageId, MessageIds, Recipient, RowState};
use crate::settings::{self, NextHop};
use crate::smtp::reply::Reply;
use crate::statistics::{Statistics, Trail};
use crate::store::{NewQueued, NewRow, QueueStore, StoreError};

pub use action::QueueAction;
pub use actions::Unfinished;
pub use attempt::{LeasedRows, QueuedRow};
pub use clock::QueueClock;
pub use handed_over::HandedOver;
pub use leases::Lease;
pub use places::AttemptSlot;
pub use schedule::FailureReason;

/// A report was not written, because too many were asked for.
#[derive(Clone, Copy, Debug)]
struct LeftOut;

/// What the queue works with.
#[derive(Debug)]
pub struct QueueServices {
    /// Where the rows are.
    pub store: QueueStore,
    /// The delivery to next hops.
    pub delivery: Arc<Delivery>,
    /// The administrator's settings.
    pub settings: settings::Current,
    /// The history of messages.
    pub trail: Trail,
    /// The counters.
    pub statistics: Arc<Statistics>,
    /// Names for reports.
    pub ids: Arc<MessageIds>,
    /// Our host name, for reports.
    pub hostname: Arc<str>,
    /// The budget that bodies read back from the store count against.
    pub budget: Arc<MemoryBudget>,
    /// The time by which the queue goes.
    pub clock: QueueClock,
}

/// The retry queue.
#[derive(Debug)]
pub struct Queue {
    tools: QueueServices,
    leases: leases::Leases,
    /// Held while due rows are taken and leased, so that an operator's order finds each row either
    /// waiting or leased.
    taking: tokio::sync::Mutex<()>,
    /// Held while what waits is given its next hops by other settings.
    redirecting: tokio::sync::Mutex<()>,
    /// Wakes the runner: rows may be due, or room for attempts has become free.
    wake: Notify,
    /// The runner left due rows where they are for want of room: the next attempt that ends wakes it.
    starved: AtomicBool,
    /// One for each attempt under way.
    places: places::AttemptSlots,
    /// One permit for each message that is read back.
    loads: Semaphore,
    /// Rows were found damaged: their time may be over.
    found_damaged: AtomicBool,
    /// Reports that strangers may ask for.
    courtesies: Buckets,
    attempts: TaskTracker,
    /// Ends attempts when the time for a graceful end is over.
    stop: CancellationToken,
}

/// A recipient that failed for good.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Who.
    pub recipient: Recipient,
    /// Why.
    pub failure: FailureReason,
    /// The next hop's last words, or ours.
    pub reply: Reply,
}

/// What is to be stored of one message.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The message.
    pub message: Arc<Message>,
    /// Its recipients that wait.
    pub rows: Vec<NewRow>,
    /// Its recipients that failed, to be reported.
    pub failed: Vec<Failed>,
    /// The message that arrived, when this is one of several that were made of it.
    pub made_of: Option<MessageId>,
}

impl Failed {
    /// Whether it is reported to the sender of `message`.
    #[must_use]
    pub fn is_reported(&self, message: &Message) -> bool {
        let asked = self
            .recipient
            .notify
            .is_none_or(|notify| notify.failure && !notify.never);
        asked && message.envelope.sender.mailbox().is_some()
    }
}

/// About how many bytes of the disk they take.
fn stored_bytes(entries: &[NewEntry]) -> u64 {
    let bytes = |entry: &NewEntry| {
        let rows = entry.rows.len() as u64 * limits::STORED_ROW_BYTES;
        entry.message.body.unwritten_bytes() + rows
    };
    entries.iter().map(bytes).sum()
}

impl Queue {
    /// A queue over the rows in `tools.store`. [`Self::run`] drives it.
    #[must_use]
    pub fn new(tools: QueueServices) -> Arc<Self> {
        Arc::new(Self {
            tools,
            leases: leases::Leases::default(),
            taking: tokio::sync::Mutex::default(),
            redirecting: tokio::sync::Mutex::default(),
            wake: Notify::new(),
            starved: AtomicBool::new(false),
            places: places::AttemptSlots::default(),
            loads: Semaphore::new(limits::QUEUE_LOADS),
            found_damaged: AtomicBool::new(true),
            courtesies: Buckets::new(limits::STRANGER_REPORTS, limits::STRANGER_REPORT_INTERVAL),
            attempts: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// New row ids, never used before.
    #[must_use]
    pub fn allocate_rows(&self, count: usize) -> Vec<crate::message::RowId> {
        self.tools.store.allocate_rows(count)
    }

    /// Leases rows whose attempts are under way.
    #[must_use]
    pub fn lease(&self, rows: &[NewRow]) -> Lease {
        self.leases.take(rows.iter().map(|row| row.id))
    }

    /// Room for an attempt with each of `next_hops` at once, if there is any. The caller, who stores a message,
    /// may then hand it on from memory instead of having it read back.
    #[must_use]
    pub fn room_for<'a>(
        &self,
        next_hops: impl Iterator<Item = &'a NextHop>,
    ) -> Option<Vec<AttemptSlot>> {
        let standing = |next_hop: &'a NextHop| {
            let name = next_hop.name();
            (name, self.tools.delivery.standing(name))
        };
        let wanted: Vec<(&Arc<str>, NextHopHealth)> = next_hops.map(standing).collect();
        self.places.take_all(&wanted)
    }

    /// Stores the rows of messages and the reports on recipients that failed, all in one transaction.
    /// Durable when it returns (steps 315 and 316).
    ///
    /// # Errors
    /// When the store did not take them: nothing of it is stored then, save after an I/O error at
    /// COMMIT, after which that is not known. [`StoreError::Full`] as well when what is left of the disk is
    /// kept for what is owed.
    pub async fn enqueue(&self, entries: &[NewEntry]) -> Result<(), StoreError> {
        let has_room = self.tools.store.room().take(stored_bytes(entries));
        self.store_entries(entries, has_room).await
    }

    /// The same for messages that some recipients have, or may have, already: they may use the reserve.
    ///
    /// # Errors
    /// As [`Self::enqueue`].
    pub async fn enqueue_owed(&self, entries: &[NewEntry]) -> Result<(), StoreError> {
        let has_room = self.tools.store.room().take_owed(stored_bytes(entries));
        self.store_entries(entries, has_room).await
    }

    async fn store_entries(&self, entries: &[NewEntry], has_room: bool) -> Result<(), StoreError> {
        if !has_room {
            return Err(StoreError::Full);
        }
        let mut queued = Vec::with_capacity(entries.len() + 1);
        let mut for_runner = false;
        for entry in entries {
            let (message, rows) = (&entry.message, &entry.rows);
            // The runner ignores leased rows until their attempt ends.
            for_runner |= rows.iter().any(|row| row.state != RowState::Delivering);
            if !rows.is_empty() {
                queued.push(NewQueued {
                    message: Arc::clone(message),
                    rows: rows.clone(),
                    kept_from: message.received_at,
                });
            }
            let report = self.failure_report(message, &entry.failed).await;
            for_runner |= report.is_some();
            queued.extend(report);
        }
        if !queued.is_empty() {
            // A disk that hangs must not hold the client for ever. Should the rows be committed after
            // all, a recipient gets the message twice, and none loses it.
            timeout(limits::STORE_WAIT, self.tools.store.insert(queued))
                .await
                .unwrap_or(Err(StoreError::Late))?;
        }
        for entry in entries {
            self.note_queued(entry);
        }
        if for_runner {
            self.wake.notify_one();
        }
        Ok(())
    }

    fn note_queued(&self, entry: &NewEntry) {
        let message = &entry.message;
        for row in &entry.rows {
            if let Some(arrived) = entry.made_of {
                let words = message.id.to_string();
                self.note(arrived, &row.recipient, RecipientEvent::Copied, words);
                let words = arrived.to_string();
                self.note(message.id, &row.recipient, RecipientEvent::Made, words);
            }
            let event = match row.state {
                RowState::Quarantined => RecipientEvent::Quarantined,
                _ => RecipientEvent::Queued,
            };
            self.note(message.id, &row.recipient, event, &*row.last_reply);
        }
        self.note_failures(message, &entry.failed);
    }

    /// Tells the sender of recipients that the fast path handed on to servers that will not report
    /// their delivery, where that was asked for. Called before their delivery is put down; false when a
    /// report was left out, which is put down already.
    pub async fn report_relayed(
        &self,
        message: &Arc<Message>,
        attempts: &[&AttemptResult],
    ) -> bool {
        let asked = message
            .envelope
            .recipients
            .iter()
            .any(|recipient| recipient.notify.is_some_and(|notify| notify.success));
        if !asked {
            return true;
        }
        let report = match self.relayed_report(message, attempts).await {
            Ok(Some(report)) => report,
            Ok(None) => return true,
            Err(LeftOut) => return false,
        };
        // The message itself is delivered: a report that cannot be stored must not undo that.
        match timeout(limits::STORE_WAIT, self.tools.store.insert(vec![report])).await {
            Ok(Ok(())) => {
                self.tools.statistics.counters.reports_written.increment();
                self.wake.notify_one();
            }
            Ok(Err(error)) => {
                tracing::warn!(id = %message.id, %error, "a report of relaying is not stored");
            }
            Err(_) => {
                tracing::warn!(id = %message.id, "a report of relaying is not stored in time")
            }
        }
        true
    }

    /// Whether a report may be written that nothing is lost without. Strangers may name any address as the
    /// sender, so that each of their reports may be unwanted mail to it.
    fn may_write_courtesy(&self, message: &Message) -> bool {
        let client = &message.client;
        let Some(address) = client.address.filter(|_| client.login.is_none()) else {
            return true;
        };
        self.tools.settings.snapshot().trusts(address)
            || self.courtesies.take(Network::of(address)).is_ok()
    }

    fn note_failures(&self, message: &Message, failed: &[Failed]) {
        for one in failed {
            let event = if one.is_reported(message) {
                self.tools.statistics.counters.reports_written.increment();
                RecipientEvent::Reported
            } else {
                RecipientEvent::FailedSilently
            };
            self.note(message.id, &one.recipient, event, one.reply.to_string());
        }
    }

    fn note(
        &self,
        message: MessageId,
        recipient: &Recipient,
        event: RecipientEvent,
        words: impl Into<String>,
    ) {
        self.tools.trail.record(TrailEntry::Noted(Noted {
            message,
            recipient: recipient.address.clone(),
            at: Timestamp::now(),
            event,
            words: words.into(),
        }));
    }

    /// Stops: no new attempts; those under way get `grace`, then they are cut. What was handed over
    /// is stored as uncertain, the rest as waiting, so nothing is lost.
    pub async fn close(&self, grace: std::time::Duration) {
        self.attempts.close();
        if timeout(grace, self.attempts.wait()).await.is_err() {
            let under_way = self.attempts.len();
            tracing::info!(under_way, "attempts are cut off; they are in the queue");
            self.stop.cancel();
            // They end at once, unless the disk hangs.
            let _ = timeout(limits::QUIT_WAIT, self.attempts.wait()).await;
        }
    }

    /// An attempt has ended: there is room for another.
    fn room_is_free(&self) {
        if self.starved.swap(false, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }
}
