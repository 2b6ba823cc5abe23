//! Quarantine: a condition keeps a message back. It is stored durably and answered, and waits in the
//! queue for an operator.

use super::answer::Account;
use super::standard::{Kept, Outbound, with_failed};
use super::{Paths, Transaction, Travelling};
use crate::conditions::QuarantineCause;
use crate::message::{Path, RowState};
use crate::queue::Failed;
use crate::smtp::reply::Reply;

impl Paths {
    /// Stores what was made of a message for all recipients that are not known to be settled, kept back.
    pub(super) async fn quarantine(
        &self,
        transaction: &Transaction,
        travelling: &[Travelling],
        failed: Vec<Failed>,
        quarantine: QuarantineCause,
    ) -> Account {
        let kept = Kept {
            state: RowState::Quarantined,
            reason: quarantine.reason,
            words: quarantine.words,
        };
        let outbound = travelling.iter().map(|one| Outbound::of(one, transaction));
        let parcels = outbound.map(|outbound| {
            let ids = self.queue.allocate_rows(outbound.recipients());
            outbound.parcel(&ids, &kept)
        });
        let parcels = with_failed(parcels.collect(), failed);
        match self.queue.enqueue(&parcels).await {
            Ok(()) => Account::queued(&transaction.message, kept.reason),
            Err(error) => {
                tracing::error!(id = %transaction.message.id, %error, "not stored");
                Account::nothing(Reply::insufficient_storage(), Path::Standard)
            }
        }
    }
}
