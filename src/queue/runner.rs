//! The runner: takes due rows, fairly over the next hops, and starts their attempts.
//!
//! It arms its wake-up, then looks: what becomes due in between is not missed. No caller waits for the
//! rows of a failed attempt to be stored, so the store says when they can be seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Queue;
use super::attempt::{LeasedRows, QueuedRow};
use super::leases::Lease;
use super::places::AttemptSlot;
use super::schedule;
use crate::limits;
use crate::message::{Message, MessageId, RowState};
use crate::settings::{NextHop, Settings};
use crate::store::{LoadError, QueuedRoute, RowChange, RowUpdate, StoreError, TakenRow};

impl Queue {
    /// Drives the queue until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut current = self.tools.settings.clone();
        let mut settings = current.snapshot();
        let mut damaged_at = Instant::now();
        let mut times_at = Instant::now();
        self.redirect();
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.found_damaged.swap(false, Ordering::AcqRel) || Instant::now() >= damaged_at {
                damaged_at = Instant::now() + self.fail_damaged().await;
            }
            self.follow_clock().await;
            if Instant::now() >= times_at {
                times_at = Instant::now() + limits::QUEUE_SLEEP_MAX;
                self.set_times_right(&settings).await;
            }
            let pause = match self.start_due().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "the retry queue cannot be read");
                    limits::QUEUE_STORE_PAUSE
                }
            };
            tokio::select! {
                () = woken => {}
                () = self.tools.store.rescheduled() => {}
                () = self.tools.delivery.recovered() => {}
                () = tokio::time::sleep(pause) => {}
                () = tokio::time::sleep_until(damaged_at) => {}
                Some(changed) = current.changed() => {
                    // A change of the settings may have corrected something.
                    self.tools.delivery.dns().forget_all();
                    self.resume(&settings, &changed).await;
                    if !changed.routes_as(&settings) {
                        self.redirect();
                    }
                    times_at = Instant::now();
                    settings = changed;
                    damaged_at = Instant::now();
                }
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// What waits for next hops that are paused no longer is due at once.
    async fn resume(&self, before: &Settings, after: &Settings) {
        let paused = before.paused_next_hops.iter();
        for next_hop in paused.filter(|name| !after.is_paused(name)) {
            tracing::info!(%next_hop, "resumed: what waits for it is due");
            self.tools.delivery.probe_now(next_hop);
            let (store, now) = (&self.tools.store, self.tools.clock.now());
            if let Err(error) = store.make_due(next_hop, now).await {
                tracing::error!(%next_hop, %error, "what waits for it keeps its times");
            }
        }
    }

    /// What waits goes where the settings of now say, whatever becomes of the next hop that it waited for.
    fn redirect(self: &Arc<Self>) {
        let queue = Arc::clone(self);
        let redirecting = async move { queue.redirect_all().await };
        self.attempts
            .spawn(self.stop.clone().run_until_cancelled_owned(redirecting));
    }

    async fn redirect_all(&self) {
        let _one = self.redirecting.lock().await;
        let redirected = async {
            let store = &self.tools.store;
            let mut after = None;
            loop {
                let routes = store.routes(after.as_ref()).await?;
                let settings = self.tools.settings.snapshot();
                let mut changed: BTreeMap<(&str, Arc<str>), Vec<String>> = BTreeMap::new();
                for QueuedRoute { next_hop, domain } in &routes {
                    let to = Arc::clone(settings.next_hop_for(domain).name());
                    if **next_hop != *to {
                        changed
                            .entry((next_hop, to))
                            .or_default()
                            .push(domain.clone());
                    }
                }
                for ((from, to), domains) in changed {
                    let recipients = store
                        .redirect(from, &domains, &to, self.tools.clock.now())
                        .await?;
                    if recipients > 0 {
                        tracing::info!(from, %to, recipients, "what waits goes to another next hop");
                    }
                }
                if routes.len() < limits::ROUTES_READ {
                    return Ok::<_, StoreError>(());
                }
                after = routes.into_iter().next_back();
            }
        };
        if let Err(error) = redirected.await {
            tracing::error!(%error, "what waits was not all given its next hop by the new settings");
        }
        self.wake.notify_one();
    }

    /// Shifts the times in the queue by a step of the clock before they are used.
    async fn follow_clock(&self) {
        let clock = &self.tools.clock;
        let Some(step) = clock.step() else { return };
        let now = Timestamp::now();
        match self.tools.store.shift_times(step, now).await {
            Ok(messages) => {
                let seconds = step.as_secs();
                tracing::warn!(
                    seconds,
                    messages,
                    "the clock was set: what waits goes on as before"
                );
                clock.take_over(step);
            }
            Err(error) => {
                tracing::error!(%error, "what waits could not be told that the clock was set")
            }
        }
    }

    /// A clock that was set makes nothing wait for longer than the schedule says, and nothing expire.
    async fn set_times_right(&self, settings: &Settings) {
        let longest = schedule::longest_wait(settings);
        let (store, now) = (&self.tools.store, self.tools.clock.now());
        match store.set_times_right(now, longest).await {
            Ok(0) => {}
            Ok(times) => tracing::warn!(times, "the clock has changed: what waits has new times"),
            Err(error) => tracing::error!(%error, "the times of what waits were not looked at"),
        }
    }

    /// Starts what is due and says how long nothing else will be, or how long until room may be.
    async fn start_due(self: &Arc<Self>) -> Result<Duration, StoreError> {
        // Said before the look: an attempt that ends from here on wakes us.
        self.starved.store(true, Ordering::Release);
        let (except, first_probe) = self.next_hops_left_alone();
        let now = self.tools.clock.now();
        let due = self.tools.store.due_next_hops(now, &except).await?;
        let delivery = &self.tools.delivery;
        let standing = |next_hop: &str| delivery.standing(next_hop);
        let shares = self.places.shares(&due, standing);
        self.starved
            .store(shares.len() < due.len(), Ordering::Release);
        if !shares.is_empty() {
            let (found, leased) = {
                let _taking = self.taking.lock().await;
                let taken = self.tools.store.take_due(now, &shares).await?;
                (!taken.is_empty(), self.lease_taken(taken))
            };
            self.start_leased(leased);
            if found {
                // There may be more behind them.
                return Ok(Duration::ZERO);
            }
        }
        let next_due = self.tools.store.next_due(now).await?;
        let until_due = next_due.map_or(limits::QUEUE_SLEEP_MAX, |due| {
            Duration::try_from(due.duration_since(self.tools.clock.now())).unwrap_or(Duration::ZERO)
        });
        Ok(until_due.min(first_probe).min(limits::QUEUE_SLEEP_MAX))
    }

    /// Next hops that are paused or suspended, and when the first probe is due.
    fn next_hops_left_alone(&self) -> (Vec<String>, Duration) {
        let now = Instant::now();
        let mut first_probe = limits::QUEUE_SLEEP_MAX;
        let mut except = self.tools.settings.snapshot().paused_next_hops.clone();
        for (name, probe_at) in self.tools.delivery.suspended_next_hops() {
            if probe_at > now {
                first_probe = first_probe.min(probe_at - now);
                except.push(name.to_string());
            }
        }
        (except, first_probe)
    }

    /// Without rows whose attempt is still under way: an uncertain row comes due while its next hop may still
    /// answer.
    fn lease_taken(&self, taken: Vec<TakenRow>) -> Vec<(Lease, Batch)> {
        let batches = by_batch(taken, &self.tools.settings.snapshot()).into_iter();
        let leased = batches.map(|mut batch| {
            let lease = self.leases.take(batch.rows.iter().map(|row| row.id));
            batch.rows.retain(|row| lease.holds(row.id));
            (lease, batch)
        });
        leased.filter(|(_, batch)| !batch.rows.is_empty()).collect()
    }

    /// Each batch in a task of its own from here on: reading a message back and comparing it with what was
    /// stored takes time that others need not wait for.
    fn start_leased(self: &Arc<Self>, leased: Vec<(Lease, Batch)>) {
        for (lease, batch) in leased {
            let name = batch.next_hop.name();
            let place = self.places.take(name, self.tools.delivery.standing(name));
            let queue = Arc::clone(self);
            let starting = async move { queue.start_batch(batch, lease, place).await };
            self.attempts
                .spawn(self.stop.clone().run_until_cancelled_owned(starting));
        }
    }

    async fn start_batch(self: &Arc<Self>, batch: Batch, lease: Lease, place: AttemptSlot) {
        let Batch { next_hop, rows } = batch;
        let loaded = {
            let _turn = self.loads.acquire().await;
            self.load(rows[0].message, &rows).await
        };
        match loaded {
            Ok(message) => {
                let queued = rows.iter().enumerate().map(queued_row).collect();
                self.start(LeasedRows {
                    message,
                    next_hop,
                    rows: queued,
                    lease,
                    place: Some(place),
                });
            }
            Err(error) => {
                self.give_back(&rows, error).await;
                drop(lease);
                drop(place);
                self.room_is_free();
            }
        }
    }

    /// The message with the taken rows as its recipients.
    async fn load(&self, id: MessageId, rows: &[TakenRow]) -> Result<Arc<Message>, LoadError> {
        let mut message = self.tools.store.load(id, &self.tools.budget).await?;
        message.envelope.recipients = rows.iter().map(|row| row.recipient.clone()).collect();
        Ok(Arc::new(message))
    }

    /// Rows whose message cannot be sent: it is damaged, or cannot be read just now.
    async fn give_back(&self, rows: &[TakenRow], error: LoadError) {
        tracing::error!(id = %rows[0].message, %error, "a queued message cannot be read");
        let now = self.tools.clock.now();
        let settings = self.tools.settings.snapshot();
        let is_over = |row: &TakenRow| now >= schedule::expiry(row.kept_from, &settings);
        match error {
            LoadError::Damaged(problem) => self.mark_damaged(rows, &problem).await,
            // Its time is over, which has to be reported.
            LoadError::Read(error) if rows.iter().any(is_over) => {
                self.mark_damaged(rows, &error.to_string()).await;
            }
            LoadError::Read(_) | LoadError::Gone => {
                let again = rows.iter().map(|row| {
                    let update = RowUpdate {
                        state: Some(RowState::Waiting),
                        reason: Some(row.reason.clone()),
                        attempts: Some(row.attempts),
                        last_reply: Some(error.to_string()),
                        next_attempt_at: Some(now + limits::BREAKER_PROBE_FIRST),
                        ..RowUpdate::default()
                    };
                    RowChange::Update(row.id, update)
                });
                self.tools.store.change(again.collect()).await;
            }
        }
    }
}

/// Rows of one message for one next hop: they go out in one transaction.
struct Batch {
    next_hop: Arc<NextHop>,
    rows: Vec<TakenRow>,
}

/// Where mail goes is decided anew: the settings may have changed since the rows were stored.
fn by_batch(taken: Vec<TakenRow>, settings: &Settings) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut open: HashMap<(MessageId, Arc<str>), usize> = HashMap::new();
    for row in taken {
        let next_hop = row.recipient.next_hop(settings);
        let key = (row.message, Arc::clone(next_hop.name()));
        let full = if row.is_named {
            1
        } else {
            limits::RECIPIENTS_PER_TRANSACTION
        };
        let position = open.get(&key).copied();
        match position.filter(|&at| batches[at].rows.len() < full) {
            Some(position) => batches[position].rows.push(row),
            None => {
                open.insert(key, batches.len());
                batches.push(Batch {
                    next_hop,
                    rows: vec![row],
                });
            }
        }
    }
    batches
}

fn queued_row((position, row): (usize, &TakenRow)) -> QueuedRow {
    QueuedRow {
        id: row.id,
        position,
        attempts: row.attempts,
        kept_from: row.kept_from,
        read_at: std::time::Instant::now(),
        delay_reported: row.delay_reported,
    }
}
