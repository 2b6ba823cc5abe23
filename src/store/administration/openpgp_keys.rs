//! The OpenPGP keys of recipients as they are stored; each change with the note of who made it.

use futures_util::TryStreamExt;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::AdministrationStore;
use super::audit::AuditedChange;
use crate::openpgp::{KeptKey, PublicKey};
use crate::store::database::columns::{bytes, milliseconds, text, time};
use crate::store::database::error::ReadError;

/// One change of the keys.
#[derive(Clone, Debug)]
pub enum OpenPgpKeyChange {
    /// A new one, or a newer copy of one that is there.
    Put {
        /// As it is looked up.
        kept: KeptKey,
        /// Its binary form.
        binary: Vec<u8>,
    },
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
            "SELECT fingerprint, stands_for, key, created_at, added_by FROM openpgp_keys",
        )
        .fetch(&self.readers);
        let mut keys = Vec::new();
        while let Some(row) = rows.try_next().await? {
            keys.extend(kept(&row));
        }
        Ok(keys)
    }
}

impl AuditedChange for OpenPgpKeyChange {
    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let query = match self {
            Self::Put { kept, binary } => sqlx::query(
                "INSERT OR REPLACE INTO openpgp_keys
             (fingerprint, stands_for, key, user_id, expires_at, created_at, added_by)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(kept.key.fingerprint.as_str())
            .bind(kept.stands_for.join("\n"))
            .bind(binary.as_slice())
            .bind(kept.user_id())
            .bind(kept.key.expires_at().map(milliseconds))
            .bind(milliseconds(kept.created_at))
            .bind(kept.added_by.as_str()),
            Self::Remove { fingerprint } => {
                sqlx::query("DELETE FROM openpgp_keys WHERE fingerprint = ?")
                    .bind(fingerprint.as_str())
            }
        };
        query.execute(connection).await?;
        Ok(())
    }
}

fn kept(row: &SqliteRow) -> Option<KeptKey> {
    match PublicKey::read(&bytes(row, "key").unwrap_or_default()) {
        Ok((key, _)) => Some(KeptKey {
            key,
            stands_for: text(row, "stands_for").lines().map(str::to_owned).collect(),
            created_at: time(row, "created_at"),
            added_by: text(row, "added_by"),
        }),
        Err(error) => {
            let fingerprint = text(row, "fingerprint");
            tracing::error!(%fingerprint, "a stored OpenPGP key {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openpgp::testing::{Made, Recipe};
    use crate::store::testing::{Scene, audit_entry, time};

    #[tokio::test]
    async fn keys_are_changed_together_with_the_audit_and_survive_a_restart() {
        let scene = Scene::new().await;
        let store = &scene.store;
        let change = async |change, action| {
            store
                .administration
                .change(change, audit_entry(action))
                .await
        };
        let anna = Recipe::plain("anna@example.net").make();
        let bert = Recipe::plain("bert@example.net").make();
        let put = |made: &Made, names: &[&str]| OpenPgpKeyChange::Put {
            kept: made.kept(names, time(3)),
            binary: made.binary(),
        };
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
