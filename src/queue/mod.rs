//! The retry queue.

pub mod action;

pub use action::Action;

use crate::message::RowId;
use crate::store::StoreError;

/// The operator's hand on the queue.
#[derive(Clone, Debug)]
pub struct Queue;

impl Queue {
    /// Does `action` to the rows `ids` and says how many it concerned; `who` asked for it.
    ///
    /// # Errors
    /// When the change cannot be stored.
    #[expect(clippy::unused_async, reason = "the rows are changed in the store")]
    pub async fn act(
        &self,
        _action: Action,
        _ids: Vec<RowId>,
        _who: &str,
    ) -> Result<u64, StoreError> {
        Ok(0)
    }
}
