//! What is damaged and cannot be sent: its rows are marked, an operator who has repaired it has them tried
//! again, and when their time is over they fail like others, with a report of what is left.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::actions::Returned;
use super::{Failed, FailureReason, Queue};
use crate::limits;
use crate::message::trail::RecipientEvent;
use crate::message::{MessageId, RowId, RowState};
use crate::smtp::reply::Reply;
use crate::store::{DamagedRow, RowUpdate, TakenRow};

impl Queue {
    /// Marks the rows of a message that is not what was stored.
    pub(super) async fn mark_damaged(&self, rows: &[TakenRow], problem: &str) {
        let problem = format!("the stored message is damaged: {problem}");
        for row in rows {
            let event = RecipientEvent::Damaged;
            self.note(row.message, &row.recipient, event, &*problem);
        }
        let damaged = RowUpdate {
            state: Some(RowState::Damaged),
            last_reply: Some(problem),
            ..RowUpdate::default()
        };
        let damaged = damaged.of_each(rows.iter().map(|row| row.id));
        self.tools.store.change(damaged).await;
        // What it says does not matter: it comes behind the changes, which can be seen then.
        let _ = self.tools.store.settle(Vec::new(), Vec::new()).await;
        self.found_damaged.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Fails what is damaged and whose time is over, and says how long until the next one's is.
    pub(super) async fn fail_damaged(&self) -> Duration {
        match self.fail_damaged_at(self.tools.clock.now()).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(error = %format!("{error:#}"), "damaged recipients did not fail");
                limits::DAMAGED_INTERVAL
            }
        }
    }

    async fn fail_damaged_at(&self, now: Timestamp) -> anyhow::Result<Duration> {
        let expire_after = self.tools.settings.snapshot().expire_after_seconds;
        let expire_after =
            SignedDuration::from_secs(i64::try_from(expire_after).unwrap_or(i64::MAX));
        let (rows, next, lease) = {
            let _taking = self.taking.lock().await;
            let store = &self.tools.store;
            let (over, next) = store.damaged_rows_over(now, expire_after).await?;
            let lease = self.leases.take(over.iter().map(|row| row.id));
            (over, next, lease)
        };
        let is_piece = rows.len() >= limits::BULK_CHUNK;
        let rows: Vec<DamagedRow> = rows.into_iter().filter(|row| lease.holds(row.id)).collect();
        for rows in rows.chunk_by(|one, other| one.message == other.message) {
            // One that cannot be read does not keep the others from being reported.
            if let Err(error) = self.fail_or_try_again(rows).await {
                let error = format!("{error:#}");
                tracing::error!(id = %rows[0].message, %error, "damaged recipients did not fail");
            }
        }
        if is_piece {
            return Ok(Duration::ZERO);
        }
        let until_next = next.map_or(limits::DAMAGED_INTERVAL, |next| {
            Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO)
        });
        Ok(until_next.min(limits::DAMAGED_INTERVAL))
    }

    /// The damaged rows of one message at the end of their time: it may have been repaired, and then it
    /// has its last attempt.
    async fn fail_or_try_again(&self, rows: &[DamagedRow]) -> anyhow::Result<()> {
        let ids: Vec<RowId> = rows.iter().map(|row| row.id).collect();
        let sound = self.tools.store.rows(&ids).await?;
        if sound.len() == rows.len() && self.is_whole(rows[0].message).await? {
            let again = RowUpdate {
                state: Some(RowState::Waiting),
                next_attempt_at: Some(self.tools.clock.now()),
                ..RowUpdate::default()
            };
            let again = again.of_each(ids);
            self.tools.store.settle(again, Vec::new()).await?;
            self.wake.notify_one();
            return Ok(());
        }
        let lost = self.lost(rows[0].message, rows).await?;
        self.settle_returned(vec![lost]).await?;
        Ok(())
    }

    async fn is_whole(&self, id: MessageId) -> anyhow::Result<bool> {
        let remains = self.tools.store.remains(id, &self.tools.budget).await?;
        Ok(remains.problem.is_none())
    }

    /// What failing damaged rows of one message takes, with the report on it: of a message that is damaged
    /// the part of the header that can be read.
    pub(super) async fn lost(
        &self,
        id: MessageId,
        rows: &[DamagedRow],
    ) -> anyhow::Result<Returned> {
        let remains = self.tools.store.remains(id, &self.tools.budget).await?;
        let mut message = match remains.problem {
            Some(_) => remains.message,
            None => self.tools.store.load(id, &self.tools.budget).await?,
        };
        let reply = Reply::new(
            554,
            (5, 3, 0),
            "the message was damaged in our storage and cannot be sent",
        );
        let mut failed = Vec::with_capacity(rows.len());
        let mut unreadable = Vec::new();
        for row in rows {
            match &row.recipient {
                Ok(recipient) => failed.push(Failed {
                    recipient: recipient.clone(),
                    failure: FailureReason::Lost,
                    reply: reply.clone(),
                }),
                Err(text) => unreadable.push((text.clone(), reply.clone())),
            }
        }
        message.envelope.recipients = failed.iter().map(|one| one.recipient.clone()).collect();
        let message = Arc::new(message);
        let report = self.lost_report(&message, &failed, &unreadable).await;
        tracing::error!(
            %id, recipients = rows.len(), reported = report.is_some(),
            problem = remains.problem.as_deref().unwrap_or("its rows cannot be read"),
            "a damaged message fails"
        );
        Ok(Returned {
            rows: rows.iter().map(|row| row.id).collect(),
            message,
            failed,
            report,
        })
    }
}
