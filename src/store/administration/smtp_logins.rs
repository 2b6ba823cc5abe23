//! The SMTP logins as they are stored; each change with the note of who made it.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::AdministrationStore;
use super::audit::AuditedChange;
use crate::accounts::SmtpLogin;
use crate::store::database::columns::{milliseconds, text, time};
use crate::store::database::error::ReadError;

/// One change of the SMTP logins.
#[derive(Clone, Debug)]
pub enum SmtpLoginChange {
    /// A new one; its name must not be taken.
    Add(SmtpLogin),
    /// Another password for an old one.
    Rehash {
        /// Which.
        name: String,
        /// The hash of the password.
        hash: String,
    },
    /// One less.
    Remove {
        /// Which.
        name: String,
    },
}

impl AdministrationStore {
    /// All SMTP logins.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn smtp_logins(&self) -> Result<Vec<SmtpLogin>, ReadError> {
        let rows = sqlx::query("SELECT name, hash, created_at, note FROM smtp_logins")
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().map(login).collect())
    }
}

impl AuditedChange for SmtpLoginChange {
    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let query = match self {
            Self::Add(login) => sqlx::query(
                "INSERT INTO smtp_logins (name, hash, created_at, note) VALUES (?, ?, ?, ?)",
            )
            .bind(&*login.name)
            .bind(login.hash.as_str())
            .bind(milliseconds(login.created_at))
            .bind(login.note.as_str()),
            Self::Rehash { name, hash } => {
                sqlx::query("UPDATE smtp_logins SET hash = ? WHERE name = ?")
                    .bind(hash.as_str())
                    .bind(name.as_str())
            }
            Self::Remove { name } => {
                sqlx::query("DELETE FROM smtp_logins WHERE name = ?").bind(name.as_str())
            }
        };
        query.execute(connection).await?;
        Ok(())
    }
}

fn login(row: &SqliteRow) -> SmtpLogin {
    SmtpLogin {
        name: text(row, "name").into(),
        hash: text(row, "hash"),
        note: text(row, "note"),
        created_at: time(row, "created_at"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;
    use crate::store::testing::{Scene, audit_entry, time};

    fn robot(name: &str, hash: &str) -> SmtpLogin {
        SmtpLogin {
            name: name.into(),
            hash: hash.into(),
            note: "the shop's".into(),
            created_at: time(0),
        }
    }

    #[tokio::test]
    async fn logins_are_changed_together_with_the_audit_and_survive_a_restart() {
        let scene = Scene::new().await;
        let store = &scene.store;
        let change = async |change, action| {
            store
                .administration
                .change(change, audit_entry(action))
                .await
        };
        let add = |name, hash| SmtpLoginChange::Add(robot(name, hash));
        assert_eq!(change(add("Robot", "one"), "first").await, Ok(()));
        assert_eq!(change(add("printer", "two"), "second").await, Ok(()));
        let taken = change(add("rOBOT", "three"), "not noted").await;
        assert!(matches!(taken, Err(StoreError::Rejected(_))), "{taken:?}");
        let rehash = SmtpLoginChange::Rehash {
            name: "robot".into(),
            hash: "four".into(),
        };
        assert_eq!(change(rehash, "third").await, Ok(()));
        let remove = SmtpLoginChange::Remove {
            name: "PRINTER".into(),
        };
        assert_eq!(change(remove, "fourth").await, Ok(()));

        let scene = scene.restart(time(1)).await;
        let logins = scene
            .store
            .administration
            .smtp_logins()
            .await
            .expect("readable");
        assert_eq!(logins, [robot("Robot", "four")]);
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
