//! The one task that writes: grouped work that waits when it is free shares one transaction and one sync, other
//! changes have a transaction each, and the callers are answered after COMMIT.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::StoreError;
use super::log_sync::Synced;
use super::transactions::{Removed, Transactions};
use crate::limits;

/// A change that has a transaction of its own.
pub(in crate::store) trait SingleChange:
    fmt::Debug + Send + Sync + 'static
{
    /// What came of it.
    type Outcome: fmt::Debug + Send + 'static;

    /// The change itself, within its transaction.
    fn write(
        &self,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Self::Outcome, sqlx::Error>> + Send;

    /// About how many rows it writes.
    fn rows(&self) -> usize {
        1
    }

    /// About how many bytes it writes beside ordinary rows.
    fn bytes(&self) -> u64 {
        0
    }

    /// It is not begun after this moment: its caller no longer waits, and reports that nothing was changed.
    fn until(&self) -> Option<Instant> {
        None
    }

    /// What it removed; none when it removed no message.
    fn removed(_outcome: &mut Self::Outcome) -> Option<Removed> {
        None
    }
}

/// Work that shares transactions. Its members take effect in the order in which they come.
pub(in crate::store) trait GroupCommit: fmt::Debug + Send + 'static {
    /// What one caller wants done, all or nothing.
    type Member: fmt::Debug + Send + 'static;

    /// Bytes of content that a member puts into the database.
    fn bytes(member: &Self::Member) -> u64;

    /// Commits what waits for room on the disk, and the batch behind it; answers the callers.
    fn commit(
        &mut self,
        transactions: &mut Transactions,
        batch: Vec<Self::Member>,
    ) -> impl Future<Output = ()> + Send;

    /// Whether something waits for room on the disk. Nothing else is written before it.
    fn waits(&self) -> bool;

    /// No more members come.
    fn close(&mut self);
}

/// What the writer can be asked for.
#[derive(Debug)]
pub(in crate::store) enum Job<M> {
    /// Shares a transaction with its neighbours.
    Grouped(M),
    /// Has a transaction of its own.
    Alone(Box<dyn Alone>),
    /// Carries the rest of the log over, so that it begins anew.
    FinishCheckpoint,
}

/// Work of any kind that is done by itself.
pub(in crate::store) trait Alone: fmt::Debug + Send {
    /// Does it, unless `ready` says what is in the way.
    fn run<'a>(
        self: Box<Self>,
        transactions: &'a mut Transactions,
        ready: Result<(), StoreError>,
    ) -> BoxFuture<'a, ()>;
}

/// A change, with where its outcome goes; none when nobody waits for it.
#[derive(Debug)]
struct PendingChange<C: SingleChange> {
    change: C,
    answer: Option<oneshot::Sender<Result<C::Outcome, StoreError>>>,
}

impl<C: SingleChange> PendingChange<C> {
    async fn write(
        change: &C,
        transactions: &mut Transactions,
        ready: Result<(), StoreError>,
    ) -> Result<C::Outcome, StoreError> {
        ready?;
        transactions.switch(Synced::AtOnce).await?;
        transactions.begin().await?;
        let done = change.write(transactions.connection()).await;
        let mut outcome = transactions.end(done).await?;
        if let Some(removed) = C::removed(&mut outcome) {
            transactions.let_go(true, removed);
        }
        Ok(outcome)
    }
}

impl<C: SingleChange> Alone for PendingChange<C> {
    fn run<'a>(
        self: Box<Self>,
        transactions: &'a mut Transactions,
        ready: Result<(), StoreError>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Self { change, answer } = *self;
            let is_overdue = change.until().is_some_and(|until| Instant::now() >= until);
            let outcome = match is_overdue {
                true => Err(StoreError::Overdue),
                false => {
                    let outcome = Self::write(&change, transactions, ready).await;
                    transactions.count(change.rows(), change.bytes());
                    outcome
                }
            };
            match (answer, outcome) {
                // The caller may have gone away; what was stored stays stored.
                (Some(answer), outcome) => drop(answer.send(outcome)),
                (None, Ok(_)) => {}
                (None, Err(error)) => tracing::debug!(%error, ?change, "not noted"),
            }
        })
    }
}

/// The way to a writer, whatever its group is.
trait ToWriter: fmt::Debug + Send + Sync {
    /// False when the writer is closed.
    fn send(&self, work: Box<dyn Alone>) -> BoxFuture<'_, bool>;

    /// False when there is no room now.
    fn try_send(&self, work: Box<dyn Alone>) -> bool;
}

impl<M: fmt::Debug + Send> ToWriter for mpsc::Sender<Job<M>> {
    fn send(&self, work: Box<dyn Alone>) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.send(Job::Alone(work)).await.is_ok() })
    }

    fn try_send(&self, work: Box<dyn Alone>) -> bool {
        self.try_send(Job::Alone(work)).is_ok()
    }
}

/// Where changes are given to the writer. Clones share it.
#[derive(Clone, Debug)]
pub(in crate::store) struct ChangeSender(Arc<dyn ToWriter>);

impl ChangeSender {
    /// The sender of changes to the writer behind `jobs`.
    pub(in crate::store) fn through<M: fmt::Debug + Send + 'static>(
        jobs: mpsc::Sender<Job<M>>,
    ) -> Self {
        Self(Arc::new(jobs))
    }

    /// Makes a change behind everything that was given before; durable when this returns.
    ///
    /// # Errors
    /// Nothing was changed; see [`StoreError`] for what that means.
    pub(in crate::store) async fn make<C: SingleChange>(
        &self,
        change: C,
    ) -> Result<C::Outcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        let answer = Some(answer);
        match self
            .0
            .send(Box::new(PendingChange { change, answer }))
            .await
        {
            true => answered.await.map_err(|_| StoreError::Closed)?,
            false => Err(StoreError::Closed),
        }
    }

    /// Makes a change soon that nobody waits for; false when the writer has no room for it.
    pub(in crate::store) fn note<C: SingleChange>(&self, change: C) -> bool {
        let answer = None;
        self.0.try_send(Box::new(PendingChange { change, answer }))
    }
}

/// The task's state.
#[derive(Debug)]
pub(in crate::store) struct DatabaseWriter<G: GroupCommit> {
    transactions: Transactions,
    group: G,
    jobs: mpsc::Receiver<Job<G::Member>>,
    /// Taken from the channel, not yet worked on.
    waiting: VecDeque<Job<G::Member>>,
}

impl<G: GroupCommit> DatabaseWriter<G> {
    pub(in crate::store) fn new(
        transactions: Transactions,
        group: G,
        jobs: mpsc::Receiver<Job<G::Member>>,
    ) -> Self {
        Self {
            transactions,
            group,
            jobs,
            waiting: VecDeque::new(),
        }
    }

    /// Works until `stop`, then finishes what was given so far and closes the database.
    pub(in crate::store) async fn run(mut self, stop: CancellationToken) {
        while self.gather(&stop).await {
            self.work().await;
        }
        self.work().await;
        if self.transactions.sync_due().is_some() {
            self.transactions.sync().await;
        }
        self.group.close();
        self.transactions.close().await;
    }

    /// Waits for jobs, or until there is something to do without any. False when no job will come any more.
    async fn gather(&mut self, stop: &CancellationToken) -> bool {
        let retry = (self.group.waits()).then(|| Instant::now() + limits::WRITER_RETRY_WAIT);
        let until = retry.into_iter().chain(self.transactions.sync_due()).min();
        let mut stopped = false;
        loop {
            while self.waiting.len() < limits::WRITER_BATCH {
                let Ok(job) = self.jobs.try_recv() else { break };
                self.waiting.push_back(job);
            }
            if !self.waiting.is_empty() {
                return true;
            }
            tokio::select! {
                job = self.jobs.recv() => match job {
                    Some(job) => self.waiting.push_back(job),
                    None => return false,
                },
                () = stop.cancelled(), if !stopped => {
                    self.jobs.close();
                    stopped = true;
                }
                () = sleep_until(until) => return true,
            }
        }
    }

    /// Does what was gathered, in order, and syncs what is due.
    async fn work(&mut self) {
        let mut grouped = false;
        while let Some(job) = self.waiting.pop_front() {
            match job {
                Job::Grouped(member) => {
                    let batch = self.batch(member);
                    self.group.commit(&mut self.transactions, batch).await;
                    grouped = true;
                }
                Job::Alone(work) => self.work_alone(work).await,
                Job::FinishCheckpoint => self.transactions.finish_checkpoint().await,
            }
        }
        if !grouped && self.group.waits() {
            self.group.commit(&mut self.transactions, Vec::new()).await;
        }
        let due = self.transactions.sync_due();
        if due.is_some_and(|due| due <= Instant::now()) {
            self.transactions.sync().await;
        }
    }

    /// `first` and those behind it that share its transaction.
    fn batch(&mut self, first: G::Member) -> Vec<G::Member> {
        let mut bytes = G::bytes(&first);
        let mut batch = vec![first];
        while batch.len() < limits::WRITER_BATCH {
            let next = self.waiting.pop_front_if(|job| match job {
                Job::Grouped(next) => {
                    bytes += G::bytes(next);
                    bytes <= limits::WRITER_BATCH_BYTES
                }
                Job::Alone(_) | Job::FinishCheckpoint => false,
            });
            let Some(Job::Grouped(next)) = next else {
                break;
            };
            batch.push(next);
        }
        batch
    }

    /// What waits for the disk goes before it: rows pass in order.
    async fn work_alone(&mut self, work: Box<dyn Alone>) {
        if self.group.waits() {
            self.group.commit(&mut self.transactions, Vec::new()).await;
        }
        let ready = match self.group.waits() {
            true => Err(StoreError::Full),
            false => Ok(()),
        };
        work.run(&mut self.transactions, ready).await;
    }
}

/// Until `instant`; for ever when there is none.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
