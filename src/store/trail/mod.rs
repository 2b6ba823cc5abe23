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

use std::path::Path;
use std::sync::Arc;

use super::database::error::{HistoryError, OpenError, ReadError};
use crate::message::trail::TrailEntry;
use history::History;

pub use prune::Pruned;
pub use size::TrailSize;

/// The trail. Clones share it.
#[derive(Clone, Debug)]
pub struct TrailStore {
    history: Arc<History>,
}

impl TrailStore {
    /// Opens the database. Whatever is the matter with it keeps no mail from going out: one that is damaged is
    /// set aside and a new one begun, and for one that cannot be opened, on a full disk say, an empty one in
    /// memory stands in until the next start.
    ///
    /// # Errors
    /// When a newer version wrote it.
    pub(super) async fn open(data_directory: &Path) -> Result<Self, OpenError> {
        let history = Arc::new(History::open(data_directory).await?);
        Ok(Self { history })
    }

    /// Closes the database; later writes fail.
    pub(super) async fn close(&self) {
        self.history.close().await;
    }

    /// Why there is no trail in the data directory, and no figures of earlier days, where that is so.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.history.problem.as_deref()
    }

    /// Where the trail and the figures of before are, when they were found damaged at the start and begun anew.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.history.set_aside.as_deref()
    }

    /// The greatest message id that it tells of.
    pub(super) async fn greatest_message(&self) -> Result<Option<i64>, ReadError> {
        Ok(self.history.greatest_message().await?)
    }

    /// Writes a batch of the trail: all or nothing.
    ///
    /// # Errors
    /// When it was not written; the caller drops and counts it.
    pub async fn append(&self, entries: Vec<TrailEntry>) -> Result<(), HistoryError> {
        let appended = self.history.transaction(async |writer| {
            let connection = &mut writer.connection;
            writer.appender.append(connection, &entries).await
        });
        Ok(appended.await?)
    }
}
