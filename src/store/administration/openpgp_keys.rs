//! The OpenPGP keys of recipients as they are stored; each change with the note of who made it.

use futures_util::TryStreamExt;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::AdministrationStore;
use super::audit::AuditedChange;
use crate::openpgp::{KeptKey, StoredKey};
use crate::store::database::columns::{
    bytes, milliseconds, optional_number, text, time, timestamp,
};
use crate::store::database::error::ReadError;

/// One change of the keys.
#[derive(Clone, Debug)]
pub enum OpenPgpKeyChange {
    /// A new one, or a newer copy of one that is there.
    Put(StoredKey),
    /// One less.
    Remove {
        /// Which.
        fingerprint: String,
    },
}

impl AdministrationStore {
    /// All keys, prepared; what cannot be read any more is logged and left out.
    ///
    /// # Errors
    /// When they cannot be read from the database.
    pub async fn openpgp_keys(&self) -> Result<Vec<KeptKey>, ReadError> {
        // One at a time: a prepared key is much smaller than a stored one.
        let mut rows = sqlx::query(
            "SELECT fingerprint, stands_for, key, user_id, expires_at, created_at, added_by
             FROM openpgp_keys",
        )
        .fetch(&self.readers);
        let mut keys = Vec::new();
        while let Some(row) = rows.try_next().await? {
            keys.extend(KeptKey::prepare(stored(&row)));
        }
        Ok(keys)
    }
}

impl AuditedChange for OpenPgpKeyChange {
    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let query = match self {
            Self::Put(key) => sqlx::query(
                "INSERT OR REPLACE INTO openpgp_keys
             (fingerprint, stands_for, key, user_id, expires_at, created_at, added_by)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(key.fingerprint.as_str())
            .bind(key.stands_for.join("\n"))
            .bind(key.key.as_slice())
            .bind(key.user_id.as_str())
            .bind(key.expires_at.map(milliseconds))
            .bind(milliseconds(key.created_at))
            .bind(key.added_by.as_str()),
            Self::Remove { fingerprint } => {
                sqlx::query("DELETE FROM openpgp_keys WHERE fingerprint = ?")
                    .bind(fingerprint.as_str())
            }
        };
        query.execute(connection).await?;
        Ok(())
    }
}

fn stored(row: &SqliteRow) -> StoredKey {
    StoredKey {
        fingerprint: text(row, "fingerprint"),
        stands_for: text(row, "stands_for").lines().map(str::to_owned).collect(),
        key: bytes(row, "key").unwrap_or_default(),
        user_id: text(row, "user_id"),
        expires_at: optional_number(row, "expires_at").map(timestamp),
        created_at: time(row, "created_at"),
        added_by: text(row, "added_by"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::AuditEntry;
    use crate::openpgp::testing::{Made, Recipe};
    use crate::store::testing::{Scene, time};

    fn entry(action: &str) -> AuditEntry {
        AuditEntry {
            at: time(0),
            who: "admin".into(),
            from: None,
            action: action.into(),
            before: None,
            after: None,
            until: None,
        }
    }

    fn key(made: &Made, stands_for: &[&str]) -> StoredKey {
        let kept = made.kept(stands_for, time(3));
        StoredKey {
            fingerprint: kept.key.fingerprint.clone(),
            stands_for: kept.stands_for,
            key: made.binary(),
            user_id: kept.key.user_ids[0].clone(),
            expires_at: kept.key.expires_at(),
            created_at: kept.created_at,
            added_by: kept.added_by,
        }
    }

    #[tokio::test]
    async fn keys_are_changed_together_with_the_audit_and_survive_a_restart() {
        let scene = Scene::new().await;
        let store = &scene.store;
        let change =
            async |change, action| store.administration.change(change, entry(action)).await;
        let anna = Recipe::plain("anna@example.net").make();
        let bert = Recipe::plain("bert@example.net").make();
        let put = |made, names: &[&str]| OpenPgpKeyChange::Put(key(made, names));
        assert_eq!(
            change(put(&anna, &["anna@example.net"]), "first").await,
            Ok(())
        );
        assert_eq!(
            change(put(&bert, &["bert@example.net"]), "second").await,
            Ok(())
        );
        let names = ["anna@example.com", "@example.net"];
        assert_eq!(change(put(&anna, &names), "third").await, Ok(()));
        let remove = OpenPgpKeyChange::Remove {
            fingerprint: bert.read().fingerprint,
        };
        assert_eq!(change(remove, "fourth").await, Ok(()));

        let scene = scene.restart(time(1)).await;
        let keys = scene
            .store
            .administration
            .openpgp_keys()
            .await
            .expect("readable");
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].key.fingerprint, anna.read().fingerprint);
        assert_eq!(keys[0].stands_for, names);
        assert_eq!(
            (keys[0].created_at, keys[0].added_by.as_str()),
            (time(3), "test")
        );
        let audit = scene
            .store
            .administration
            .audit_page(None, 9)
            .await
            .expect("readable");
        let actions: Vec<_> = audit.iter().map(|item| item.action.as_str()).collect();
        assert_eq!(actions, ["fourth", "third", "second", "first"]);
    }
}
