//! The settings as they are stored, and the audit: what an administrator changed.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection, SqliteExecutor};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use crate::limits;
use crate::settings::{FieldErrors, Settings, Written};
use crate::store::Store;
use crate::store::database::columns::{milliseconds, number, optional_text, text, time};
use crate::store::database::connections::{self, Database};
use crate::store::database::error::{OpenError, ReadError, StoreError};
use crate::store::queue::filter::push_like;
use crate::store::writer::Job;

/// What an administrator did. Secrets are redacted by whoever makes the entry.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// The administrator, the token's name, or the command line.
    pub who: String,
    /// The address it came from; none for the command line.
    pub from: Option<IpAddr>,
    /// What, in the operator's words.
    pub action: String,
    /// What it was; none where there was nothing.
    pub before: Option<Value>,
    /// What it is now; none where there is nothing.
    pub after: Option<Value>,
    /// Until when whoever does it waits: what has not begun by then is not done. None: as long as it takes.
    pub until: Option<Instant>,
}

/// An entry of the audit, read back.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AuditItem {
    /// Rises with time.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The administrator, the token's name, or the command line.
    pub who: String,
    /// The address it came from; none for the command line.
    pub address: Option<String>,
    /// What, in the operator's words.
    pub action: String,
    /// What it was.
    pub before: Option<Value>,
    /// What it is now.
    pub after: Option<Value>,
}

/// Which entries of the audit are meant. Both parts match anywhere and ignore the case of ASCII letters;
/// a text that ends in `*` matches from the beginning, a blank one is no part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Who did it.
    pub who: String,
    /// What they did.
    pub action: String,
}

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
    pub fn of(written: &Written) -> Result<Self, StoreError> {
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
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(invalid("they are no JSON object".to_owned())),
            Err(error) => return Err(invalid(error.to_string())),
        };
        Settings::new(Written::default())
            .and_then(|base| base.patched(&fields))
            .map_err(OpenError::Settings)
    }

    /// About what the write-ahead log gains by them.
    pub(in crate::store) fn bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Store {
    /// The settings as they were saved last; none before the first time.
    ///
    /// # Errors
    /// [`OpenError::Settings`] names the fields that do not hold.
    pub async fn load_settings(&self) -> Result<Option<Settings>, OpenError> {
        load(&self.shared.readers, &self.shared.data_directory).await
    }

    /// The settings as the database has them, to see that somebody else changed them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn stored_settings(&self) -> Result<Option<StoredSettings>, ReadError> {
        Ok(stored(&self.shared.readers).await?)
    }

    /// The newest entry of the audit: nothing was changed while it is the same, neither by us nor by a
    /// command.
    ///
    /// # Errors
    /// When the audit cannot be read.
    pub async fn newest_audit(&self) -> Result<Option<i64>, ReadError> {
        let newest = sqlx::query_scalar("SELECT max(id) FROM audit");
        Ok(newest.fetch_one(&self.shared.readers).await?)
    }

    /// Saves the settings with the note of who changed them: both or none, durable when it returns.
    ///
    /// # Errors
    /// When nothing was saved.
    pub async fn save_settings(
        &self,
        settings: StoredSettings,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let settings = Some(settings);
        self.ask(|answer| Job::Administer {
            settings,
            audit,
            answer,
        })
        .await
    }

    /// Notes what an administrator did beside the settings, durable when it returns.
    ///
    /// # Errors
    /// When it was not noted.
    pub async fn append_audit(&self, audit: AuditEntry) -> Result<(), StoreError> {
        let settings = None;
        self.ask(|answer| Job::Administer {
            settings,
            audit,
            answer,
        })
        .await
    }

    /// The newest entries of the audit before the entry `before`, or the newest of all.
    ///
    /// # Errors
    /// When the audit cannot be read.
    pub async fn audit_page(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditItem>, ReadError> {
        let everything = AuditFilter::default();
        self.audit_search(&everything, before, limit).await
    }

    /// The newest entries that `filter` means before the entry `before`, or the newest of all. The audit
    /// holds what people did: it is short enough to be looked through.
    ///
    /// # Errors
    /// When the audit cannot be read.
    pub async fn audit_search(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditItem>, ReadError> {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut query = QueryBuilder::new("SELECT * FROM audit WHERE id < ");
        query.push_bind(before.unwrap_or(i64::MAX));
        push_like(&mut query, "who", some(&filter.who).as_deref());
        push_like(&mut query, "action", some(&filter.action).as_deref());
        query.push(" ORDER BY id DESC LIMIT ");
        query.push_bind(limit.clamp(1, limits::PAGE_ITEMS_MAX));
        let rows = query.build().fetch_all(&self.shared.readers).await?;
        Ok(rows.iter().map(audit_item).collect())
    }
}

/// The stored settings; none before the first time.
pub(in crate::store) async fn load(
    reader: impl SqliteExecutor<'_>,
    data_directory: &Path,
) -> Result<Option<Settings>, OpenError> {
    let stored = stored(reader).await;
    let file = Database::Appliance.file(data_directory);
    let stored = stored.map_err(|error| connections::unusable(&file, &error))?;
    stored.as_ref().map(StoredSettings::read).transpose()
}

async fn stored(reader: impl SqliteExecutor<'_>) -> Result<Option<StoredSettings>, sqlx::Error> {
    let text: Option<String> = sqlx::query_scalar("SELECT written FROM settings")
        .fetch_optional(reader)
        .await?;
    Ok(text.map(|text| StoredSettings(text.into())))
}

fn invalid(message: String) -> OpenError {
    let mut errors = FieldErrors::default();
    errors.add("settings", message);
    OpenError::Settings(errors)
}

/// Writes the note, and the settings when they changed.
pub(in crate::store) async fn write(
    connection: &mut SqliteConnection,
    settings: Option<&StoredSettings>,
    audit: &AuditEntry,
) -> Result<(), sqlx::Error> {
    if let Some(StoredSettings(json)) = settings {
        sqlx::query(
            "INSERT INTO settings (id, written) VALUES (1, ?)
             ON CONFLICT (id) DO UPDATE SET written = excluded.written",
        )
        .bind(&**json)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "INSERT INTO audit (at, who, origin, action, before, after) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(milliseconds(audit.at))
    .bind(audit.who.as_str())
    .bind(audit.from.map(|address| address.to_string()))
    .bind(audit.action.as_str())
    .bind(audit.before.as_ref().map(Value::to_string))
    .bind(audit.after.as_ref().map(Value::to_string))
    .execute(connection)
    .await?;
    Ok(())
}

fn audit_item(row: &SqliteRow) -> AuditItem {
    // A value that is no JSON any more is shown as the text it is.
    let value = |column| {
        optional_text(row, column)
            .map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)))
    };
    AuditItem {
        id: number(row, "id"),
        at: time(row, "at"),
        who: text(row, "who"),
        address: optional_text(row, "origin"),
        action: text(row, "action"),
        before: value("before"),
        after: value("after"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::WriteOnly;
    use crate::store::testing::{Scene, time};
    use serde_json::json;

    fn entry(action: &str) -> AuditEntry {
        AuditEntry {
            at: time(0),
            who: "admin".into(),
            from: Some([192, 0, 2, 9].into()),
            action: action.into(),
            before: None,
            after: Some(json!({"path": "standard"})),
            until: None,
        }
    }

    #[tokio::test]
    async fn settings_survive_a_restart_and_are_audited() {
        let scene = Scene::new().await;
        let none = scene.store.load_settings().await.expect("readable");
        assert!(none.is_none());
        let written = Written {
            memory_threshold_bytes: 1_000,
            alert_webhook_secret: Some(WriteOnly::new("open sesame".to_owned())),
            ..Written::default()
        };
        for action in ["first", "second"] {
            let stored = StoredSettings::of(&written).expect("JSON");
            let saved = scene.store.save_settings(stored, entry(action)).await;
            saved.expect("saved");
        }
        scene
            .store
            .append_audit(entry("third"))
            .await
            .expect("noted");
        let scene = scene.restart(time(1)).await;
        let loaded = scene.store.load_settings().await.expect("readable");
        assert_eq!(*loaded.expect("they were saved").written(), written);
        let newest = scene.store.audit_page(None, 2).await.expect("readable");
        let actions: Vec<_> = newest.iter().map(|item| item.action.as_str()).collect();
        assert_eq!(actions, ["third", "second"]);
        assert_eq!(newest[0].after, Some(json!({"path": "standard"})));
        assert_eq!(newest[0].address.as_deref(), Some("192.0.2.9"));
        let older = scene.store.audit_page(Some(newest[1].id), 9).await;
        assert_eq!(older.expect("readable").len(), 1);
    }

    #[tokio::test]
    async fn settings_that_do_not_hold_are_named() {
        let scene = Scene::new().await;
        let written = Written::default();
        let stored = StoredSettings::of(&written).expect("JSON");
        let saved = scene.store.save_settings(stored, entry("first")).await;
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
            match scene.store.load_settings().await {
                Err(OpenError::Settings(errors)) => {
                    assert!(errors.0.contains_key(field), "{stored}: {errors}");
                }
                other => panic!("{stored}: {other:?}"),
            }
        }
        let second = Store::open_beside(scene.path(), &scene.spool).await;
        assert!(matches!(second, Err(OpenError::Settings(_))));
    }
}
