//! The history of messages and the figures of each minute and hour: nobody waits for what is written here, and a
//! power cut may take its last second.

mod append;
mod chunks;
mod figures;
mod history;
mod prune;
mod read;
mod search;
mod size;
mod source;
mod story;
mod walk;

use super::database::error::HistoryError;
use crate::message::trail::TrailEntry;

pub use figures::Period;
pub use history::TrailStore;
pub use prune::Pruned;
pub use size::TrailSize;

impl TrailStore {
    /// Writes a batch of the trail: all or nothing.
    ///
    /// # Errors
    /// When it was not written; the caller drops and counts it.
    pub async fn append(&self, entries: Vec<TrailEntry>) -> Result<(), HistoryError> {
        let appended = self.transaction(async |writer| {
            let connection = &mut writer.connection;
            writer.appender.append(connection, &entries).await
        });
        Ok(appended.await?)
    }
}
