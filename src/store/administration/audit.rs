//! The audit as it is stored: what administrators did, each with the change itself in one transaction.

use std::fmt;

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};
use tokio::time::Instant;

use super::AdministrationStore;
use crate::accounts::audit::{AuditEntry, AuditFilter, AuditItem};
use crate::limits;
use crate::store::database::columns::{milliseconds, number, optional_text, text, time};
use crate::store::database::error::{ReadError, StoreError};
use crate::store::database::text_match::push_like;
use crate::store::database::writer::SingleChange;

/// A change of what administrators keep, which is stored with its entry in the audit.
pub trait AuditedChange: fmt::Debug + Send + Sync + 'static {
    /// The change without its entry.
    fn write(
        &self,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// About how many bytes it writes beside ordinary rows.
    fn bytes(&self) -> u64 {
        0
    }
}

/// A change and its entry in the audit: both or none.
#[derive(Debug)]
pub(super) struct Audited<C> {
    pub(super) change: C,
    pub(super) audit: AuditEntry,
}

impl<C: AuditedChange> SingleChange for Audited<C> {
    type Outcome = ();

    fn bytes(&self) -> u64 {
        self.change.bytes()
    }

    fn until(&self) -> Option<Instant> {
        self.audit.until
    }

    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        self.change.write(connection).await?;
        append(connection, &self.audit).await
    }
}

/// Nothing is changed but the audit: what an administrator did is stored elsewhere.
impl AuditedChange for () {
    async fn write(&self, _connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

impl AdministrationStore {
    /// Makes a change with the note of who made it: both or none, durable when it returns. Not begun when its
    /// caller no longer waits.
    ///
    /// # Errors
    /// When nothing was changed; [`StoreError::Rejected`] also when a new name is taken.
    pub async fn change<C: AuditedChange>(
        &self,
        change: C,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.changes.make(Audited { change, audit }).await
    }

    /// The newest entry of the audit: nothing was changed while it is the same, neither by us nor by a
    /// command.
    ///
    /// # Errors
    /// When the audit cannot be read.
    pub async fn newest_audit(&self) -> Result<Option<i64>, ReadError> {
        let newest = sqlx::query_scalar("SELECT max(id) FROM audit");
        Ok(newest.fetch_one(&self.readers).await?)
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
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(rows.iter().map(audit_item).collect())
    }
}

/// Writes the note.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    audit: &AuditEntry,
) -> Result<(), sqlx::Error> {
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
