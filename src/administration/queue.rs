//! What an operator does with the queue: for chosen recipients, for all that a filter finds, or for
//! a whole next hop.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tracing::{info, warn};

use super::{Actor, Administration, ChangeError, OpenRelay};
use crate::limits;
use crate::message::RowId;
use crate::message::queue_filter::QueueFilter;
use crate::queue::{Queue, QueueAction, Unfinished};
use crate::settings::Settings;
use crate::store::{ReadError, Store, StoreError};

/// The recipients of an action.
#[derive(Clone, Debug)]
pub enum ActionTarget {
    /// These rows.
    Rows {
        /// Which.
        rows: Vec<RowId>,
        /// How many of them the operator saw; none: those that are gone are left out.
        expect: Option<u64>,
    },
    /// All that match, when there are still as many as the operator saw.
    Matching {
        /// Which.
        filter: QueueFilter,
        /// How many the operator saw.
        expect: u64,
    },
}

/// How far an action came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionProgress {
    /// It is done.
    Done {
        /// How many recipients it concerned.
        affected: u64,
    },
    /// It takes longer than a request may, and goes on.
    GoesOn {
        /// How many recipients were chosen.
        chosen: u64,
    },
}

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The queue is not what the operator saw; nothing was done.
    #[error("the count is {found} now, not {expected}; nothing was done")]
    CountChanged {
        /// What the operator saw.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// The queue cannot be read; nothing was done.
    #[error(transparent)]
    Unread(#[from] ReadError),
    /// It was begun, and came to no end.
    #[error("it was done to {affected} of {chosen} recipients only: {cause}")]
    Unfinished {
        /// How many recipients it concerned.
        affected: u64,
        /// How many were chosen.
        chosen: u64,
        /// Why it went no further.
        cause: StoreError,
    },
    /// Its task died; how far it came is not known.
    #[error("what did it died half-way")]
    Died,
}

/// Does `action` and says how many recipients it concerned.
///
/// # Errors
/// When the count changed, or when the store does not answer.
pub async fn act(
    store: &Store,
    queue: &Arc<Queue>,
    action: QueueAction,
    target: ActionTarget,
    actor: &Actor,
) -> Result<ActionProgress, ActionError> {
    let mut asked = Map::new();
    let rows = match target {
        ActionTarget::Rows { rows, expect: None } => rows,
        ActionTarget::Rows {
            rows,
            expect: Some(expected),
        } => {
            let found = store.queue_view.selection_of_rows(&rows, 0).await?.total();
            as_seen(expected, found)?;
            rows
        }
        ActionTarget::Matching { filter, expect } => {
            asked.insert("filter".to_owned(), Value::Object(filter.parts()));
            let matching = store.queue_view.matching(&filter, Timestamp::now()).await?;
            as_seen(expect, matching.len() as u64)?;
            matching.into_iter().map(|(row, _)| row).collect()
        }
    };
    let chosen = rows.len() as u64;
    asked.insert("chosen".to_owned(), json!(chosen));
    // On a task of its own: a request that is given up half-way must not leave half of the rows.
    let work = carry_out(
        store.clone(),
        Arc::clone(queue),
        action,
        rows,
        asked,
        actor.clone(),
    );
    match timeout(limits::ACTION_WAIT, tokio::spawn(work)).await {
        Ok(Ok(Ok(affected))) => Ok(ActionProgress::Done { affected }),
        Ok(Ok(Err(Unfinished { affected, cause }))) => Err(ActionError::Unfinished {
            affected,
            chosen,
            cause,
        }),
        Ok(Err(_)) => Err(ActionError::Died),
        Err(_) => Ok(ActionProgress::GoesOn { chosen }),
    }
}

fn as_seen(expected: u64, found: u64) -> Result<(), ActionError> {
    match found == expected {
        true => Ok(()),
        false => Err(ActionError::CountChanged { expected, found }),
    }
}

/// Does it and notes it in the audit.
async fn carry_out(
    store: Store,
    queue: Arc<Queue>,
    action: QueueAction,
    rows: Vec<RowId>,
    mut asked: Map<String, Value>,
    actor: Actor,
) -> Result<u64, Unfinished> {
    let at = Timestamp::now();
    let done = queue.act(action, rows, &actor.to_string()).await;
    match &done {
        Ok(affected) => asked.insert("affected".to_owned(), json!(affected)),
        Err(Unfinished { affected, cause }) => {
            asked.insert("error".to_owned(), json!(cause.to_string()));
            asked.insert("affected".to_owned(), json!(affected))
        }
    };
    let mut entry = actor.did(
        format!("queue: {}", action.as_str()),
        None,
        Some(Value::Object(asked)),
    );
    entry.at = at;
    entry.until = None;
    // The rows are changed already: an audit that cannot be written must not hide that.
    if let Err(error) = store.administration.change((), entry).await {
        warn!(%error, %actor, "a change of the queue was not audited");
    }
    let affected = done?;
    info!(action = action.as_str(), affected, %actor, "queue changed");
    Ok(affected)
}

/// Pauses or resumes a next hop, by its name: effective for the next message, and for the queue at
/// once. What is so already leaves no trace.
///
/// # Errors
/// When the name does not hold, or the store does not take it; nothing is changed then.
pub async fn set_paused(
    administration: &Arc<Administration>,
    next_hop: String,
    paused: bool,
    actor: Actor,
) -> Result<Arc<Settings>, ChangeError> {
    let patch = move |settings: &Settings| {
        let mut names = settings.paused_next_hops.clone();
        names.retain(|name| *name != next_hop);
        if paused {
            names.push(next_hop);
        }
        // In one order, so that pausing twice is no change.
        names.sort_unstable();
        Ok(Map::from_iter([(
            "paused_next_hops".to_owned(),
            json!(names),
        )]))
    };
    administration
        .change_with(patch, OpenRelay::ELSEWHERE, actor)
        .await
}
