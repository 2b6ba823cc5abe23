//! The settings, read and changed by a command beside an appliance that may be running.
//!
//! Its connection makes nothing and migrates nothing: the running process does that. Who runs sees
//! the change, see [`crate::administration`].

use std::path::{Path, PathBuf};

use sqlx::{Connection as _, SqliteConnection};

use super::audit::Audited;
use super::settings::{self, StoredSettings};
use crate::accounts::audit::AuditEntry;
use crate::settings::Settings;
use crate::store::database::connections::{Database, unusable};
use crate::store::database::error::{OpenError, StoreError};
use crate::store::database::writer::SingleChange as _;

/// The settings of a data directory.
#[derive(Debug)]
pub struct OfflineSettings {
    connection: SqliteConnection,
    data_directory: PathBuf,
}

impl OfflineSettings {
    /// Opens the database of an appliance that was started at least once.
    ///
    /// # Errors
    /// When it cannot be opened; whether it is there at all says
    /// [`DatabaseCopy::is_possible`](crate::store::DatabaseCopy::is_possible).
    pub async fn open(data_directory: &Path) -> Result<Self, OpenError> {
        let connection = Database::Appliance
            .beside(data_directory)
            .await
            .map_err(|error| unusable(&Database::Appliance.file(data_directory), &error))?;
        Ok(Self {
            connection,
            data_directory: data_directory.to_owned(),
        })
    }

    /// The settings as they were saved last; none before the first time.
    ///
    /// # Errors
    /// [`OpenError::Settings`] names the fields that do not hold.
    pub async fn load(&mut self) -> Result<Option<Settings>, OpenError> {
        settings::load(&mut self.connection, &self.data_directory).await
    }

    /// Saves the settings with the note of who changed them: both or none, durable when it returns.
    ///
    /// # Errors
    /// When nothing was saved.
    pub async fn save(
        &mut self,
        settings: StoredSettings,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        // At once a writer: one that only becomes it later would be turned away instead of waiting.
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let change = Audited {
            change: settings,
            audit,
        };
        change.write(&mut transaction).await?;
        let committed = transaction.commit().await;
        committed.map_err(|error| StoreError::of(&error, true))
    }

    /// Closes the connection.
    pub async fn close(self) {
        // What was saved is durable: nothing hangs on how this ends.
        let _ = self.connection.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsDocument;
    use crate::store::testing::{Scene, audit_entry};

    #[tokio::test]
    async fn a_change_beside_the_store_is_seen_by_it() {
        let scene = Scene::new().await;
        let mut beside = OfflineSettings::open(scene.path()).await.expect("it opens");
        assert!(beside.load().await.expect("readable").is_none());
        let seen = scene
            .store
            .administration
            .stored_settings()
            .await
            .expect("readable");
        assert_eq!(seen, None);
        assert_eq!(
            scene
                .store
                .administration
                .newest_audit()
                .await
                .expect("readable"),
            None
        );
        let written = SettingsDocument {
            memory_threshold_bytes: 1_000,
            ..SettingsDocument::default()
        };
        let audit = AuditEntry {
            who: "command admin".to_owned(),
            ..audit_entry("settings imported")
        };
        let stored = StoredSettings::of(&written).expect("JSON");
        beside.save(stored.clone(), audit).await.expect("saved");
        let loaded = beside.load().await.expect("readable");
        assert_eq!(*loaded.expect("they were saved").document(), written);
        beside.close().await;
        let seen = scene
            .store
            .administration
            .stored_settings()
            .await
            .expect("readable");
        assert_eq!(seen, Some(stored));
        assert_eq!(
            scene
                .store
                .administration
                .newest_audit()
                .await
                .expect("readable"),
            Some(1)
        );
        let loaded = scene
            .store
            .administration
            .load_settings()
            .await
            .expect("readable");
        assert_eq!(*loaded.expect("they were saved").document(), written);
        let newest = scene
            .store
            .administration
            .audit_page(None, 9)
            .await
            .expect("readable");
        assert_eq!(newest[0].action, "settings imported");
    }

    #[tokio::test]
    async fn nothing_is_made_where_no_appliance_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let opened = OfflineSettings::open(directory.path()).await;
        assert!(opened.is_err());
        let entries = std::fs::read_dir(directory.path()).expect("readable");
        assert_eq!(entries.count(), 0);
    }
}
