//! What an operator does with the queue: for chosen recipients, or for all that a filter finds.

use jiff::Timestamp;
use serde_json::json;
use tracing::{info, warn};

use super::Actor;
use crate::message::RowId;
use crate::queue::{Action, Queue};
use crate::store::{AuditEntry, QueueFilter, Store};

/// Whom an action is for.
#[derive(Clone, Debug)]
pub enum Target {
    /// These rows; those that are gone are left out.
    Rows(Vec<RowId>),
    /// All that match, when there are still as many as the operator saw.
    Matching {
        /// Which.
        filter: QueueFilter,
        /// How many the operator saw.
        expect: u64,
    },
}

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The queue is not what the operator saw; nothing was done.
    #[error("{found} match now, not {expected}; nothing was done")]
    CountChanged {
        /// What the operator saw.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// The queue cannot be read or written.
    #[error(transparent)]
    Store(#[from] anyhow::Error),
}

/// Does `action` and says how many recipients it concerned.
///
/// # Errors
/// When the count changed, or when the store does not answer.
pub async fn act(
    store: &Store,
    queue: &Queue,
    action: Action,
    target: Target,
    actor: &Actor,
) -> Result<u64, ActionError> {
    let now = Timestamp::now();
    let rows = match target {
        Target::Rows(rows) => rows,
        Target::Matching { filter, expect } => {
            let matching = store
                .matching(&filter, now)
                .await
                .map_err(anyhow::Error::from)?;
            let found = matching.len() as u64;
            if found != expect {
                return Err(ActionError::CountChanged {
                    expected: expect,
                    found,
                });
            }
            matching.into_iter().map(|(row, _)| row).collect()
        }
    };
    let affected = queue
        .act(action, rows, &actor.to_string())
        .await
        .map_err(anyhow::Error::from)?;
    let entry = AuditEntry {
        at: now,
        who: actor.who.clone(),
        from: actor.from,
        action: format!("queue: {}", action.as_str()),
        before: None,
        after: Some(json!({"affected": affected})),
    };
    // The rows are changed already: an audit that cannot be written must not hide that.
    if let Err(error) = store.append_audit(entry).await {
        warn!(%error, %actor, "a change of the queue was not audited");
    }
    info!(action = action.as_str(), affected, %actor, "queue changed");
    Ok(affected)
}
