//! Quarantine: a condition keeps a message back. It is stored durably and answered, and waits in the
//! queue for an operator.

use super::answer::Account;
use super::flight::group_by_next_hop;
use super::standard::{Kept, rows_of};
use super::{Paths, Transaction};
use crate::conditions::Quarantine;
use crate::message::{Path, RowState};
use crate::smtp::reply::Reply;

impl Paths {
    /// Stores the message for all recipients that are not `known` to be settled, kept back.
    pub(super) async fn quarantine(
        &self,
        transaction: &Transaction,
        known: &[bool],
        quarantine: Quarantine,
    ) -> Account {
        let message = &transaction.message;
        let groups = group_by_next_hop(message, &transaction.settings, known);
        let ids = self.queue.allocate_rows(message.envelope.recipients.len());
        let kept = Kept {
            state: RowState::Quarantined,
            reason: quarantine.reason,
            words: quarantine.words,
        };
        let rows = rows_of(message, &groups, &ids, &kept);
        match self.queue.keep(message, rows, &[]).await {
            Ok(()) => Account::queued(message, kept.reason),
            Err(error) => {
                tracing::error!(id = %message.id, %error, "not stored");
                Account::nothing(Reply::insufficient_storage(), Path::Standard)
            }
        }
    }
}
