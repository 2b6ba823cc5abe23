//! The group commit of the queue: what several callers want stored goes into one transaction, and what nobody
//! waits for is kept while the disk is full.

use std::sync::Arc;

use tokio::sync::Notify;

use super::plan::{Member, WritePlan, folded};
use super::write::{self, Inserts};
use crate::store::database::error::StoreError;
use crate::store::database::log_sync::Synced;
use crate::store::database::transactions::{Removed, Transactions};
use crate::store::database::writer::GroupCommit;
use crate::store::rows::RowChange;

/// The queue's part of the writer's state.
#[derive(Debug)]
pub(in crate::store) struct QueueGroup {
    inserts: Inserts,
    /// Changes that nobody waits for and that found the disk full: they must not be lost.
    kept: Vec<RowChange>,
    /// Told when changes that nobody waits for have made rows wait.
    rescheduled: Arc<Notify>,
}

impl QueueGroup {
    pub(super) fn new(rescheduled: Arc<Notify>) -> Self {
        Self {
            inserts: Inserts::new(),
            kept: Vec::new(),
            rescheduled,
        }
    }

    /// Changes that were kept go before later ones of the same rows, or not at all.
    async fn commit_alone(
        &mut self,
        transactions: &mut Transactions,
        member: &Member,
    ) -> Result<(), StoreError> {
        let touched = |kept: &RowChange| member.changes.iter().any(|c| c.row() == kept.row());
        if !self.kept.iter().any(touched) {
            return self.transaction(transactions, &[member]).await;
        }
        let kept = Member::lazy(std::mem::take(&mut self.kept));
        let result = self.transaction(transactions, &[&kept, member]).await;
        if result.is_err() {
            self.kept = kept.changes;
        }
        result
    }

    /// Answers the caller; keeps what nobody waits for until the disk has room.
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
    async fn transaction(
        &self,
        transactions: &mut Transactions,
        members: &[&Member],
    ) -> Result<(), StoreError> {
        let is_awaited = members.iter().any(|member| member.answer.is_some());
        let mode = match is_awaited {
            true => Synced::AtOnce,
            false => Synced::Soon,
        };
        transactions.switch(mode).await?;
        let plan = WritePlan::of(members.iter().copied());
        let removed = match plan.is_empty() {
            true => Removed::default(),
            false => {
                transactions.begin().await?;
                let connection = transactions.connection();
                let removed = write::apply(connection, &self.inserts, &plan).await;
                transactions.end(removed).await?
            }
        };
        for prepared in &plan.messages {
            prepared.queued.message.body.keep();
        }
        let inline_bytes = plan.inline_bytes();
        transactions.stored_inline(inline_bytes);
        // An insert always writes, and what removes a file has removed its row.
        let wrote = !plan.inserts.is_empty() || !removed.files.is_empty();
        transactions.let_go(wrote, removed);
        if plan.reschedules() {
            self.rescheduled.notify_one();
        }
        let rows = plan.inserts.len() + plan.updates.len() + plan.removals.len();
        transactions.count(rows, inline_bytes);
        Ok(())
    }
}

impl GroupCommit for QueueGroup {
    type Member = Member;

    fn bytes(member: &Member) -> u64 {
        member.inline_bytes()
    }

    /// One transaction for the batch; when it fails, one for each member, so that none suffers for
    /// another.
    async fn commit(&mut self, transactions: &mut Transactions, mut batch: Vec<Member>) {
        if !self.kept.is_empty() {
            batch.insert(0, Member::lazy(std::mem::take(&mut self.kept)));
        }
        let members: Vec<&Member> = batch.iter().collect();
        let Err(error) = self.transaction(transactions, &members).await else {
            for member in batch {
                self.conclude(member, Ok(()));
            }
            return;
        };
        // A locked database or a broken disk is the same for all: asking 500 times helps nobody.
        let each = matches!(error, StoreError::Full | StoreError::Rejected(_)) && batch.len() > 1;
        for member in batch {
            let result = if each {
                self.commit_alone(transactions, &member).await
            } else {
                Err(error.clone())
            };
            self.conclude(member, result);
        }
    }

    fn waits(&self) -> bool {
        !self.kept.is_empty()
    }

    fn close(&mut self) {
        if self.waits() {
            tracing::warn!(
                changes = self.kept.len(),
                "the disk is still full: these recipients are due again at the next start"
            );
        }
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
