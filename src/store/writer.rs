//! The one task that writes the queue, the settings and the accounts: whatever waits when it is free goes into one
//! transaction and one sync, and the callers are answered after COMMIT.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use sqlx::SqliteConnection;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::administration::settings;
use super::database::connections;
use super::queue::{actions, due};
use crate::limits;
use crate::message::{RowId, Spool};
use crate::store::administration::access::{self, AccessChange, Refusal, Seen};
use crate::store::administration::openpgp_keys::{self, OpenPgpKeyChange};
use crate::store::administration::settings::{AuditEntry, StoredSettings};
use crate::store::administration::smtp_logins::{self, SmtpLoginChange};
use crate::store::database::checkpoint::{Written, checkpoint};
use crate::store::database::error::StoreError;
use crate::store::database::log_sync::{LogSync, Synced};
use crate::store::queue::anew::{Impossible, Redirection, Shift};
use crate::store::queue::plan::{Member, Plan, folded};
use crate::store::queue::rows::{Action, RowChange};
use crate::store::queue::write::{self, Inserts, Removed};

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer can be asked for. Jobs take effect in the order in which they come.
#[derive(Debug)]
pub(super) enum Job {
    /// Shares a transaction with its neighbours.
    Write(Member),
    /// Marks those of `rows` that are still due as taken, and says which.
    Take {
        rows: Vec<RowId>,
        now: Timestamp,
        answer: Answer<HashSet<RowId>>,
    },
    /// Does `action` to those of `rows` that it applies to, and says which.
    Act {
        action: Action,
        rows: Vec<RowId>,
        now: Timestamp,
        answer: Answer<Vec<RowId>>,
    },
    /// Makes some of the rows that wait for `next_hop` due, and says how many those were.
    MakeDue {
        next_hop: String,
        now: Timestamp,
        answer: Answer<u64>,
    },
    /// Gives one piece of what waits another next hop; gives how many rows.
    Redirect {
        redirection: Redirection,
        answer: Answer<u64>,
    },
    /// Sets one piece of what a wrong clock has stored right; gives how many rows or messages.
    SetTimesRight {
        impossible: Impossible,
        answer: Answer<u64>,
    },
    /// Shifts one piece of what waits after a step of the clock; gives its end and how many messages.
    ShiftTimes {
        shift: Shift,
        answer: Answer<Option<(i64, u64)>>,
    },
    /// Notes what an administrator did, with the settings when they were changed.
    Administer {
        settings: Option<StoredSettings>,
        audit: AuditEntry,
        answer: Answer<()>,
    },
    /// Changes the SMTP logins, with the note of who did.
    ChangeSmtpLogins {
        change: SmtpLoginChange,
        audit: AuditEntry,
        answer: Answer<()>,
    },
    /// Changes the OpenPGP keys, with the note of who did.
    ChangeOpenPgpKeys {
        change: OpenPgpKeyChange,
        audit: AuditEntry,
        answer: Answer<()>,
    },
    /// Changes who gets in, with the note of who did it, or says why not; gives the row's number.
    ChangeAccess {
        change: AccessChange,
        audit: AuditEntry,
        answer: Answer<Result<i64, Refusal>>,
    },
    /// Notes that a session or an API token is in use.
    Saw { seen: Seen, at: Timestamp },
    /// Carries the rest of the log over, so that it begins anew.
    FinishCheckpoint,
}

/// The task's state.
#[derive(Debug)]
pub(super) struct Writer {
    connection: SqliteConnection,
    log: LogSync,
    jobs: mpsc::Receiver<Job>,
    /// Taken from the queue, not yet worked on.
    waiting: VecDeque<Job>,
    /// Changes that nobody waits for and that found the disk full: they must not be lost.
    kept: Vec<RowChange>,
    inserts: Inserts,
    spool: Arc<Spool>,
    healthy: Arc<AtomicBool>,
    written: Written,
    /// Told when changes that nobody waits for have made rows wait.
    rescheduled: Arc<Notify>,
    /// Bytes of content that stand in the database.
    inline_bytes: Arc<AtomicU64>,
}

impl Writer {
    /// A writer of this database, whose connection and log are open.
    pub(super) fn new(
        (connection, log): (SqliteConnection, LogSync),
        jobs: mpsc::Receiver<Job>,
        spool: Arc<Spool>,
        healthy: Arc<AtomicBool>,
        written: Written,
        rescheduled: Arc<Notify>,
        inline_bytes: Arc<AtomicU64>,
    ) -> Self {
        Self {
            connection,
            log,
            jobs,
            waiting: VecDeque::new(),
            kept: Vec::new(),
            inserts: Inserts::new(),
            spool,
            healthy,
            written,
            rescheduled,
            inline_bytes,
        }
    }

    /// Works until `stop`, then finishes what was given so far and closes the database.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while self.gather(&stop).await {
            self.work().await;
        }
        self.work().await;
        if self.log.due().is_some() {
            self.sync().await;
        }
        if !self.kept.is_empty() {
            tracing::warn!(
                changes = self.kept.len(),
                "the disk is still full: these recipients are due again at the next start"
            );
        }
        if let Err(error) = connections::close(self.connection).await {
            tracing::warn!(%error, "the database was not closed cleanly; the next start repairs that");
        }
    }

    /// Waits for jobs, or until there is something to do without any. False when no job will come any more.
    async fn gather(&mut self, stop: &CancellationToken) -> bool {
        let retry = (!self.kept.is_empty()).then(|| Instant::now() + limits::WRITER_RETRY_WAIT);
        let until = retry.into_iter().chain(self.log.due()).min();
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
        self.work_off().await;
        if self.log.due().is_some_and(|due| due <= Instant::now()) {
            self.sync().await;
        }
    }

    /// Lets the commits that nobody waited for outlive the machine.
    async fn sync(&mut self) {
        let synced = self.log.sync().await;
        if let Ok(files) = self.noted(synced) {
            self.unlink(files);
        }
    }

    async fn work_off(&mut self) {
        let mut wrote = false;
        while let Some(job) = self.waiting.pop_front() {
            match job {
                Job::Write(member) => {
                    let batch = self.batch(member);
                    self.commit(batch).await;
                    wrote = true;
                }
                alone => self.work_alone(alone).await,
            }
        }
        if !wrote && !self.kept.is_empty() {
            self.commit(Vec::new()).await;
        }
    }

    /// `first` and those behind it that share its transaction.
    fn batch(&mut self, first: Member) -> Vec<Member> {
        let mut bytes = first.inline_bytes();
        let mut batch = vec![first];
        while batch.len() < limits::WRITER_BATCH {
            let Some(Job::Write(next)) = self.waiting.front() else {
                break;
            };
            bytes += next.inline_bytes();
            if bytes > limits::WRITER_BATCH_BYTES {
                break;
            }
            if let Some(Job::Write(next)) = self.waiting.pop_front() {
                batch.push(next);
            }
        }
        batch
    }

    /// One transaction for the batch; when it fails, one for each member, so that none suffers for
    /// another.
    async fn commit(&mut self, mut batch: Vec<Member>) {
        if !self.kept.is_empty() {
            batch.insert(0, Member::lazy(std::mem::take(&mut self.kept)));
        }
        let members: Vec<&Member> = batch.iter().collect();
        let Err(error) = self.transaction(&members).await else {
            for member in batch {
                self.conclude(member, Ok(()));
            }
            return;
        };
        // A locked database or a broken disk is the same for all: asking 500 times helps nobody.
        let each = matches!(error, StoreError::Full | StoreError::Rejected(_)) && batch.len() > 1;
        for member in batch {
            let result = if each {
                self.commit_alone(&member).await
            } else {
                Err(error.clone())
            };
            self.conclude(member, result);
        }
    }

    /// Changes that were kept go before later ones of the same rows, or not at all.
    async fn commit_alone(&mut self, member: &Member) -> Result<(), StoreError> {
        let touched = |kept: &RowChange| member.changes.iter().any(|c| c.row() == kept.row());
        if !self.kept.iter().any(touched) {
            return self.transaction(&[member]).await;
        }
        let kept = Member::lazy(std::mem::take(&mut self.kept));
        let result = self.transaction(&[&kept, member]).await;
        if result.is_err() {
            self.kept = kept.changes;
        }
        result
    }

    /// Tells whoever waits; keeps what nobody waits for until the disk has room.
    fn conclude(&mut self, member: Member, result: Result<(), StoreError>) {
        match (member.answer, result) {
            // The caller may have gone away; what was stored stays stored.
            (Some(answer), result) => drop(answer.send(result)),
            (None, Ok(())) => {}
            (None, Err(error)) if error.is_temporary() => {
                tracing::warn!(%error, "changes of the queue wait for the disk");
                self.kept.extend(member.changes);
                self.kept = folded(std::mem::take(&mut self.kept));
            }
            (None, Err(error)) => {
                tracing::error!(%error, changes = ?member.changes, "changes of the queue are lost");
            }
        }
    }

    /// One transaction, with what follows from its COMMIT.
    async fn transaction(&mut self, members: &[&Member]) -> Result<(), StoreError> {
        self.trusted()?;
        let mode = match members.iter().any(|member| member.answer.is_some()) {
            true => Synced::AtOnce,
            false => Synced::Soon,
        };
        self.log.switch(&mut self.connection, mode).await?;
        let plan = Plan::of(members.iter().copied());
        let stored = write::run(&mut self.connection, &self.inserts, &plan).await;
        let removed = self.noted(stored)?;
        for prepared in &plan.messages {
            prepared.queued.message.body.keep();
        }
        let inline_bytes = plan.inline_bytes();
        // First what came: the sum never goes below zero.
        self.inline_bytes.fetch_add(inline_bytes, Ordering::Relaxed);
        // An insert always writes, and what removes a file has removed its row.
        let wrote = !plan.inserts.is_empty() || !removed.files.is_empty();
        self.let_go(wrote, removed);
        if plan.reschedules() {
            self.rescheduled.notify_one();
        }
        let rows = plan.inserts.len() + plan.updates.len() + plan.removals.len();
        self.count(rows, inline_bytes);
        Ok(())
    }

    /// A job that has a transaction of its own. Changes that wait for the disk go before it: rows pass
    /// in order.
    async fn work_alone(&mut self, job: Job) {
        if !self.kept.is_empty() {
            self.commit(Vec::new()).await;
        }
        match job {
            // Written above, where its neighbours are.
            Job::Write(member) => self.commit(vec![member]).await,
            Job::Take { rows, now, answer } => {
                self.answer_alone(rows.len(), None, answer, async |connection| {
                    due::mark_taken(connection, &rows, now).await
                })
                .await;
            }
            Job::Act {
                action,
                rows,
                now,
                answer,
            } => {
                let acted = self.own_transaction(async |connection| {
                    actions::act(connection, action, &rows, now).await
                });
                let acted = acted.await.map(|(rows, removed)| {
                    self.let_go(!rows.is_empty(), removed);
                    rows
                });
                let _ = answer.send(acted);
                self.count(rows.len(), 0);
            }
            Job::MakeDue {
                next_hop,
                now,
                answer,
            } => {
                self.answer_alone(limits::BULK_CHUNK, None, answer, async |connection| {
                    actions::make_due(connection, &next_hop, now).await
                })
                .await;
            }
            Job::Redirect {
                redirection,
                answer,
            } => {
                self.answer_alone(limits::BULK_CHUNK, None, answer, async |connection| {
                    redirection.write(connection).await
                })
                .await;
            }
            Job::ShiftTimes { shift, answer } => {
                self.answer_alone(limits::BULK_CHUNK, None, answer, async |connection| {
                    shift.write(connection).await
                })
                .await;
            }
            Job::SetTimesRight { impossible, answer } => {
                self.answer_alone(limits::BULK_CHUNK, None, answer, async |connection| {
                    impossible.set_right(connection).await
                })
                .await;
            }
            Job::Administer {
                settings,
                audit,
                answer,
            } => {
                let bytes = settings.as_ref().map_or(0, StoredSettings::bytes);
                self.answer_alone(1, audit.until, answer, async |connection| {
                    settings::write(connection, settings.as_ref(), &audit).await
                })
                .await;
                self.written.add(bytes);
            }
            Job::ChangeSmtpLogins {
                change,
                audit,
                answer,
            } => {
                self.answer_alone(1, audit.until, answer, async |connection| {
                    smtp_logins::write(connection, &change, &audit).await
                })
                .await;
            }
            Job::ChangeOpenPgpKeys {
                change,
                audit,
                answer,
            } => {
                self.answer_alone(1, audit.until, answer, async |connection| {
                    openpgp_keys::write(connection, &change, &audit).await
                })
                .await;
            }
            Job::ChangeAccess {
                change,
                audit,
                answer,
            } => {
                self.answer_alone(1, audit.until, answer, async |connection| {
                    access::make(connection, &change, &audit).await
                })
                .await;
            }
            Job::Saw { seen, at } => {
                let noted = self.own_transaction(async |connection| {
                    access::note_seen(connection, seen, at).await
                });
                if let Err(error) = noted.await {
                    tracing::debug!(%error, ?seen, "not noted that somebody is there");
                }
                self.count(1, 0);
            }
            Job::FinishCheckpoint => {
                if let Err(error) = checkpoint(&mut self.connection).await {
                    tracing::warn!(%error, "the write-ahead log was not carried over");
                }
            }
        }
    }

    /// Does `work` in a transaction of its own, says what came of it, and counts so many rows. Behind
    /// `until` it is not begun any more: whoever asked for it was told so, or will be.
    async fn answer_alone<T>(
        &mut self,
        rows: usize,
        until: Option<Instant>,
        answer: Answer<T>,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) {
        // Whoever asked may have gone.
        if until.is_some_and(|until| Instant::now() >= until) {
            let _ = answer.send(Err(StoreError::Overdue));
            return;
        }
        let done = self.own_transaction(work).await;
        let _ = answer.send(done);
        self.count(rows, 0);
    }

    async fn own_transaction<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        self.trusted()?;
        if !self.kept.is_empty() {
            return Err(StoreError::Full);
        }
        let mode = Synced::AtOnce;
        self.log.switch(&mut self.connection, mode).await?;
        let done = match write::begin(&mut self.connection).await {
            Ok(()) => {
                let done = work(&mut self.connection).await;
                write::end(&mut self.connection, done).await
            }
            Err(error) => Err(error),
        };
        self.noted(done)
    }

    /// After a failed COMMIT the page cache may differ from the disk: nothing may build on it.
    fn trusted(&self) -> Result<(), StoreError> {
        if self.healthy.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(StoreError::Distrusted)
        }
    }

    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Commit(cause)) = &result {
            tracing::error!(%cause, "COMMIT failed: nothing is stored until a restart");
            self.healthy.store(false, Ordering::Release);
        }
        if matches!(result, Err(StoreError::Full)) {
            self.spool.room().found_full();
        }
        result
    }

    /// Has the files of messages whose rows are removed go after them, and counts what they took in the
    /// database.
    fn let_go(&mut self, wrote: bool, removed: Removed) {
        let Removed {
            files,
            inline_bytes,
        } = removed;
        self.inline_bytes.fetch_sub(inline_bytes, Ordering::Relaxed);
        let files = self.log.committed(wrote, files);
        self.unlink(files);
    }

    /// Removes spool files that no row names. One that stays is swept at the next start.
    fn unlink(&self, files: Vec<String>) {
        if files.is_empty() {
            return;
        }
        let spool = Arc::clone(&self.spool);
        tokio::task::spawn_blocking(move || {
            for name in files {
                if let Err(error) = spool.remove(&name) {
                    tracing::warn!(file = %name, %error, "a spool file was not removed; the next start sweeps it");
                }
            }
        });
    }

    /// About what the log has gained: pages of tables and indexes, and the bodies.
    fn count(&self, rows: usize, inline_bytes: u64) {
        const TRANSACTION_BYTES: u64 = 32_768;
        const ROW_BYTES: u64 = 1_024;
        let bytes = TRANSACTION_BYTES + ROW_BYTES * rows as u64 + inline_bytes;
        self.written.add(bytes);
    }
}

/// Until `instant`; for ever when there is none.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
