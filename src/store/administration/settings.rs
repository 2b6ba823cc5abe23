//! The settings as they are stored.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::AdministrationStore;
use super::audit::AuditedChange;
use crate::settings::{FieldErrors, Settings, SettingsDocument};
use crate::store::database::connections::{Database, unusable};
use crate::store::database::error::{OpenError, ReadError, StoreError};

/// The settings as the database has them: JSON, secrets included.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSettings(Arc<str>);

/// By hand: there are secrets among them.
impl fmt::Debug for StoredSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredSettings of {} bytes", self.0.len())
    }
}

impl StoredSettings {
    /// As they go into the database.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    pub fn of(written: &SettingsDocument) -> Result<Self, StoreError> {
        let json = serde_json::to_string(&written.revealed());
        json.map(|json| Self(json.into()))
            .map_err(|error| StoreError::Rejected(error.to_string()))
    }

    /// The settings, checked field by field so that an error names its field.
    ///
    /// # Errors
    /// [`OpenError::Settings`] names the fields that do not hold.
    pub fn read(&self) -> Result<Settings, OpenError> {
        let fields = match serde_json::from_str(&self.0) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err("they are no JSON object".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        fields
            .map_err(|problem| FieldErrors::of("settings", problem))
            .and_then(|fields| Settings::new(SettingsDocument::default())?.patched(&fields))
            .map_err(OpenError::Settings)
    }
}

impl AdministrationStore {
    /// The settings as they were saved last; none before the first time.
    ///
    /// # Errors
    /// [`OpenError::Settings`] names the fields that do not hold.
    pub async fn load_settings(&self) -> Result<Option<Settings>, OpenError> {
        load(&self.readers, &self.data_directory).await
    }

    /// The settings as the database has them, to see that somebody else changed them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn stored_settings(&self) -> Result<Option<StoredSettings>, ReadError> {
        Ok(stored(&self.readers).await?)
    }
}

/// The stored settings; none before the first time.
pub(super) async fn load(
    reader: impl SqliteExecutor<'_>,
    data_directory: &Path,
) -> Result<Option<Settings>, OpenError> {
    let stored = stored(reader).await;
    let file = Database::Appliance.file(data_directory);
    let stored = stored.map_err(|error| unusable(&file, &error))?;
    stored.as_ref().map(StoredSettings::read).transpose()
}

async fn stored(reader: impl SqliteExecutor<'_>) -> Result<Option<StoredSettings>, sqlx::Error> {
    let text: Option<String> = sqlx::query_scalar("SELECT written FROM settings")
        .fetch_optional(reader)
        .await?;
    Ok(text.map(|text| StoredSettings(text.into())))
}

impl AuditedChange for StoredSettings {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO settings (id, written) VALUES (1, ?)
             ON CONFLICT (id) DO UPDATE SET written = excluded.written",
        )
        .bind(&*self.0)
        .execute(connection)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::audit::AuditEntry;
    use crate::settings::Secret;
    use crate::store::Store;
    use crate::store::testing::{Scene, audit_entry, time};
    use serde_json::json;

    fn entry(action: &str) -> AuditEntry {
        AuditEntry {
            from: Some([192, 0, 2, 9].into()),
            after: Some(json!({"path": "standard"})),
            ..audit_entry(action)
        }
    }

    #[tokio::test]
    async fn settings_survive_a_restart_and_are_audited() {
        let scene = Scene::new().await;
        let none = scene
            .store
            .administration
            .load_settings()
            .await
            .expect("readable");
        assert!(none.is_none());
        let written = SettingsDocument {
            memory_threshold_bytes: 1_000,
            alert_webhook_secret: Some(Secret::new("open sesame".to_owned())),
            ..SettingsDocument::default()
        };
        for action in ["first", "second"] {
            let stored = StoredSettings::of(&written).expect("JSON");
            let saved = scene
                .store
                .administration
                .change(stored, entry(action))
                .await;
            saved.expect("saved");
        }
        scene
            .store
            .administration
            .change((), entry("third"))
            .await
            .expect("noted");
        let scene = scene.restart(time(1)).await;
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
            .audit_page(None, 2)
            .await
            .expect("readable");
        let actions: Vec<_> = newest.iter().map(|item| item.action.as_str()).collect();
        assert_eq!(actions, ["third", "second"]);
        assert_eq!(newest[0].after, Some(json!({"path": "standard"})));
        assert_eq!(newest[0].address.as_deref(), Some("192.0.2.9"));
        let older = scene
            .store
            .administration
            .audit_page(Some(newest[1].id), 9)
            .await;
        assert_eq!(older.expect("readable").len(), 1);
    }

    #[tokio::test]
    async fn settings_that_do_not_hold_are_named() {
        let scene = Scene::new().await;
        let written = SettingsDocument::default();
        let stored = StoredSettings::of(&written).expect("JSON");
        let saved = scene
            .store
            .administration
            .change(stored, entry("first"))
            .await;
        saved.expect("saved");
        for (stored, field) in [
            (
                "UPDATE settings SET written = '{\"weather\": 1}'",
                "weather",
            ),
            (
                "UPDATE settings SET written = '{\"path\": \"scenic\"}'",
                "path",
            ),
            ("UPDATE settings SET written = '[]'", "settings"),
            ("UPDATE settings SET written = 'x'", "settings"),
        ] {
            scene.meddle(stored).await;
            match scene.store.administration.load_settings().await {
                Err(OpenError::Settings(errors)) => {
                    assert!(errors.0.contains_key(field), "{stored}: {errors}");
                }
                other => panic!("{stored}: {other:?}"),
            }
        }
        let second = Store::open(scene.path(), &scene.spool, None).await;
        assert!(matches!(second, Err(OpenError::Settings(_))));
    }
}
