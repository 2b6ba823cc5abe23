//! Accounts and their recovery codes; nobody's rows go without those of the sessions that hang on them.

use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::AdministrationStore;
use super::api_tokens;
use super::refusal::{AccessRefusal, NotMade};
use super::sessions::{self, KeptSession};
use crate::accounts::{AccountId, Role, SharedSecret, StoredApiToken, TokenHash};
use crate::boot::Secret;
use crate::limits;
use crate::store::database::columns::{
    bytes, count, milliseconds, number, optional_number, text, time,
};
use crate::store::database::error::ReadError;

/// An account as it is stored.
#[derive(Clone, Debug)]
pub struct StoredAccount {
    /// Its row.
    pub id: AccountId,
    /// As it was typed; upper and lower case are the same account.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// argon2, as a PHC string.
    pub password_hash: Secret,
    /// What it shares with an app; none while no one-time code is asked for.
    pub second_factor: Option<SharedSecret>,
    /// The time step of the last code that was taken.
    pub last_step: Option<u64>,
    /// Recovery codes that were not used yet.
    pub recovery_codes: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An account that is to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// argon2, as a PHC string.
    pub password_hash: Secret,
    /// When it is made.
    pub created_at: Timestamp,
}

impl NewAccount {
    /// As it is stored in this row.
    #[must_use]
    pub fn stored(self, id: AccountId) -> StoredAccount {
        StoredAccount {
            id,
            name: self.name,
            role: self.role,
            password_hash: self.password_hash,
            second_factor: None,
            last_step: None,
            recovery_codes: 0,
            created_at: self.created_at,
        }
    }
}

/// What of an account is to be another.
#[derive(Clone, Debug, Default)]
pub struct AccountPatch {
    /// A new role; ends its sessions.
    pub role: Option<Role>,
    /// The hash of a new password; ends its sessions.
    pub password_hash: Option<Secret>,
    /// No one-time code is asked for any more, and the recovery codes are gone.
    pub without_second_factor: bool,
    /// The session that does not end.
    pub kept: Option<KeptSession>,
}

macro_rules! select_accounts {
    ($rest:literal) => {
        concat!(
            "SELECT accounts.*,
                    (SELECT count(*) FROM recovery_codes WHERE account = accounts.id) AS codes
             FROM accounts ",
            $rest
        )
    };
}

impl AdministrationStore {
    /// All accounts by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn accounts(&self) -> Result<Vec<StoredAccount>, ReadError> {
        let rows = sqlx::query(select_accounts!("ORDER BY name"))
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().map(account).collect())
    }

    /// The account of this name, in whatever case.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn account_named(&self, name: &str) -> Result<Option<StoredAccount>, ReadError> {
        let row = sqlx::query(select_accounts!("WHERE name = ?"))
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().map(account))
    }

    /// The account of this row.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn account(&self, id: AccountId) -> Result<Option<StoredAccount>, ReadError> {
        let row = sqlx::query(select_accounts!("WHERE id = ?"))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().map(account))
    }

    /// Whether there has ever been an administrator.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn setup_is_done(&self) -> Result<bool, ReadError> {
        let done = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM setup)")
            .fetch_one(&self.readers)
            .await?;
        Ok(done)
    }
}

fn account(row: &SqliteRow) -> StoredAccount {
    StoredAccount {
        id: AccountId(number(row, "id")),
        name: text(row, "name"),
        // The column takes no other word.
        role: Role::from_word(&text(row, "role")).unwrap_or(Role::Viewer),
        password_hash: Secret::new(text(row, "password_hash")),
        second_factor: bytes(row, "totp_secret").and_then(SharedSecret::from_bytes),
        last_step: optional_number(row, "totp_last_step").and_then(|step| step.try_into().ok()),
        recovery_codes: count(row, "codes"),
        created_at: time(row, "created_at"),
    }
}

/// The first administrator; refused when there has been one.
pub(super) async fn set_up(
    connection: &mut SqliteConnection,
    new: &NewAccount,
) -> Result<i64, NotMade> {
    let is_done: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM setup)")
        .fetch_one(&mut *connection)
        .await?;
    if is_done {
        return Err(AccessRefusal::SetupIsDone.into());
    }
    create(connection, new).await
}

/// A new account. Whoever makes an administrator has set the appliance up.
pub(super) async fn create(
    connection: &mut SqliteConnection,
    new: &NewAccount,
) -> Result<i64, NotMade> {
    let (accounts, is_taken): (i64, bool) =
        sqlx::query_as("SELECT count(*), coalesce(max(name = ?), 0) FROM accounts")
            .bind(new.name.as_str())
            .fetch_one(&mut *connection)
            .await?;
    if is_taken {
        return Err(AccessRefusal::NameTaken.into());
    }
    if accounts.unsigned_abs() >= limits::ACCOUNTS {
        return Err(AccessRefusal::TooMany.into());
    }
    let inserted = sqlx::query(
        "INSERT INTO accounts (name, role, password_hash, created_at) VALUES (?, ?, ?, ?)",
    )
    .bind(new.name.as_str())
    .bind(new.role.as_str())
    .bind(new.password_hash.expose())
    .bind(milliseconds(new.created_at))
    .execute(&mut *connection)
    .await?;
    if new.role == Role::Administrator {
        sqlx::query("INSERT OR IGNORE INTO setup (id, done_at) VALUES (1, ?)")
            .bind(milliseconds(new.created_at))
            .execute(connection)
            .await?;
    }
    Ok(inserted.last_insert_rowid())
}

/// Changes what `patch` says. With a new role or password the sessions end, all but the kept one. Tokens of the
/// account that may do more than its new role are revoked, and given.
pub(super) async fn amend(
    connection: &mut SqliteConnection,
    id: AccountId,
    patch: &AccountPatch,
) -> Result<Vec<StoredApiToken>, NotMade> {
    let steps_down = patch.role.is_some_and(|role| role != Role::Administrator);
    may_change(connection, id, steps_down).await?;
    sqlx::query(
        "UPDATE accounts SET role = coalesce(?, role), password_hash = coalesce(?, password_hash)
         WHERE id = ?",
    )
    .bind(patch.role.map(Role::as_str))
    .bind(patch.password_hash.as_ref().map(Secret::expose))
    .bind(id.0)
    .execute(&mut *connection)
    .await?;
    if patch.without_second_factor {
        set_second_factor(connection, id, None).await?;
    }
    if patch.role.is_some() || patch.password_hash.is_some() {
        if let Some(kept) = &patch.kept {
            sessions::renew(connection, kept).await?;
        }
        let kept = patch.kept.as_ref().map(|kept| &kept.renewed);
        sessions::end_all(connection, id, kept).await?;
    }
    match patch.role {
        Some(_) => Ok(api_tokens::revoke_of(connection, id, patch.role).await?),
        None => Ok(Vec::new()),
    }
}

/// Removes an account with its sessions, codes and API tokens, and gives these.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    id: AccountId,
) -> Result<Vec<StoredApiToken>, NotMade> {
    may_change(connection, id, true).await?;
    let revoked = api_tokens::revoke_of(connection, id, None).await?;
    sqlx::query("DELETE FROM accounts WHERE id = ?")
        .bind(id.0)
        .execute(connection)
        .await?;
    Ok(revoked)
}

/// From now on codes are asked for; `step` is the one of the code that confirmed it. Refused when they
/// are asked for already: two sessions may each have begun.
pub(super) async fn switch_on_second_factor(
    connection: &mut SqliteConnection,
    id: AccountId,
    secret: &SharedSecret,
    step: u64,
    recovery_codes: &[TokenHash],
) -> Result<(), NotMade> {
    may_change(connection, id, false).await?;
    let is_on: bool =
        sqlx::query_scalar("SELECT totp_secret IS NOT NULL FROM accounts WHERE id = ?")
            .bind(id.0)
            .fetch_one(&mut *connection)
            .await?;
    if is_on {
        return Err(AccessRefusal::SecondFactorIsOn.into());
    }
    set_second_factor(connection, id, Some((secret, step))).await?;
    for code in recovery_codes {
        sqlx::query("INSERT INTO recovery_codes (account, code_hash) VALUES (?, ?)")
            .bind(id.0)
            .bind(code.as_bytes())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Whether the account is there, and whether another administrator is left when it `steps_down`.
async fn may_change(
    connection: &mut SqliteConnection,
    id: AccountId,
    steps_down: bool,
) -> Result<(), NotMade> {
    let role: Option<String> = sqlx::query_scalar("SELECT role FROM accounts WHERE id = ?")
        .bind(id.0)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(role) = role else {
        return Err(AccessRefusal::NoSuchAccount.into());
    };
    if !steps_down || role != Role::Administrator.as_str() {
        return Ok(());
    }
    let others: i64 =
        sqlx::query_scalar("SELECT count(*) FROM accounts WHERE role = ? AND id <> ?")
            .bind(Role::Administrator.as_str())
            .bind(id.0)
            .fetch_one(connection)
            .await?;
    match others {
        0 => Err(AccessRefusal::LastAdministrator.into()),
        _ => Ok(()),
    }
}

async fn set_second_factor(
    connection: &mut SqliteConnection,
    id: AccountId,
    secret: Option<(&SharedSecret, u64)>,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE accounts SET totp_secret = ?, totp_last_step = ? WHERE id = ?")
        .bind(secret.map(|(secret, _)| secret.as_bytes()))
        .bind(secret.map(|(_, step)| step.cast_signed()))
        .bind(id.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM recovery_codes WHERE account = ?")
        .bind(id.0)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
