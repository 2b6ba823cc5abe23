//! The sessions of browsers that are logged in.

use std::net::IpAddr;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::AdministrationStore;
use super::refusal::{AccessRefusal, NotMade};
use crate::accounts::{AccountId, Role, TokenHash};
use crate::boot::Secret;
use crate::limits;
use crate::store::database::columns::{bytes, milliseconds, number, text, time};
use crate::store::database::error::ReadError;

/// A session as it is stored. It may have expired.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// Of what the cookie holds.
    pub token: TokenHash,
    /// Whose it is.
    pub account: AccountId,
    /// The account's name.
    pub name: String,
    /// What the account may do.
    pub role: Role,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was used last, to about a minute.
    pub seen_at: Timestamp,
    /// Where it was begun.
    pub address: String,
}

/// What was shown beside the password.
#[derive(Clone, Debug)]
pub enum SecondFactorProof {
    /// Nothing: the account asks for nothing.
    None,
    /// The code of this time step.
    Step(u64),
    /// A recovery code.
    RecoveryCode(TokenHash),
}

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Of what the cookie will hold.
    pub token: TokenHash,
    /// Who logs in.
    pub account: AccountId,
    /// The hash that the password was checked against: it must still be the account's.
    pub password_hash: Secret,
    /// What was shown beside the password.
    pub second_factor: SecondFactorProof,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: IpAddr,
}

/// A session that goes on where others end, under a new token: whoever has learnt the one of before has
/// nothing of it.
#[derive(Clone, Copy, Debug)]
pub struct KeptSession {
    /// Of the token of before.
    pub token: TokenHash,
    /// Of the one that the cookie will hold.
    pub renewed: TokenHash,
}

macro_rules! select_sessions {
    ($rest:literal) => {
        concat!(
            "SELECT sessions.*, accounts.name, accounts.role
             FROM sessions JOIN accounts ON accounts.id = sessions.account ",
            $rest
        )
    };
}

impl AdministrationStore {
    /// The session of this token.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn session(&self, token: &TokenHash) -> Result<Option<StoredSession>, ReadError> {
        let row = sqlx::query(select_sessions!("WHERE token_hash = ?"))
            .bind(token.as_bytes())
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().and_then(session))
    }

    /// The sessions of an account, the one that was used last before the others.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn sessions_of(&self, account: AccountId) -> Result<Vec<StoredSession>, ReadError> {
        let rows = sqlx::query(select_sessions!("WHERE account = ? ORDER BY seen_at DESC"))
            .bind(account.0)
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().filter_map(session).collect())
    }
}

fn session(row: &SqliteRow) -> Option<StoredSession> {
    Some(StoredSession {
        token: TokenHash::from_bytes(&bytes(row, "token_hash")?)?,
        account: AccountId(number(row, "account")),
        name: text(row, "name"),
        role: Role::from_word(&text(row, "role"))?,
        created_at: time(row, "created_at"),
        seen_at: time(row, "seen_at"),
        address: text(row, "address"),
    })
}

/// Begins a session, when what was shown still holds; expired ones of everybody go.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    new: &NewSession,
) -> Result<(), NotMade> {
    show(connection, new).await?;
    let now = milliseconds(new.at);
    let ago = |time: std::time::Duration| {
        now - i64::try_from(time.as_millis()).expect("a bound of ours is some hours")
    };
    sqlx::query("DELETE FROM sessions WHERE created_at <= ? OR seen_at <= ?")
        .bind(ago(limits::SESSION_LIFE))
        .bind(ago(limits::SESSION_IDLE))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM sessions WHERE token_hash IN
             (SELECT token_hash FROM sessions WHERE account = ?
              ORDER BY seen_at DESC LIMIT -1 OFFSET ?)",
    )
    .bind(new.account.0)
    .bind(limits::SESSIONS_PER_ACCOUNT - 1)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO sessions (token_hash, account, created_at, seen_at, address)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(new.token.as_bytes())
    .bind(new.account.0)
    .bind(now)
    .bind(now)
    .bind(new.address.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether password and second factor still count, now that nobody else can change them. A code that
/// counts is used up.
async fn show(connection: &mut SqliteConnection, new: &NewSession) -> Result<(), NotMade> {
    let row = sqlx::query(
        "SELECT password_hash, totp_secret IS NOT NULL AS asks FROM accounts WHERE id = ?",
    )
    .bind(new.account.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        return Err(AccessRefusal::NoSuchAccount.into());
    };
    if text(&row, "password_hash") != new.password_hash.expose() {
        return Err(AccessRefusal::PasswordChanged.into());
    }
    let used = match &new.second_factor {
        SecondFactorProof::None => u64::from(!row.try_get::<bool, _>("asks")?),
        SecondFactorProof::Step(step) => sqlx::query(
            "UPDATE accounts SET totp_last_step = ?
             WHERE id = ? AND totp_secret IS NOT NULL AND coalesce(totp_last_step, -1) < ?",
        )
        .bind(step.cast_signed())
        .bind(new.account.0)
        .bind(step.cast_signed())
        .execute(connection)
        .await?
        .rows_affected(),
        SecondFactorProof::RecoveryCode(code) => {
            sqlx::query("DELETE FROM recovery_codes WHERE account = ? AND code_hash = ?")
                .bind(new.account.0)
                .bind(code.as_bytes())
                .execute(connection)
                .await?
                .rows_affected()
        }
    };
    match used {
        1 => Ok(()),
        _ => Err(AccessRefusal::CodeUsed.into()),
    }
}

/// Gives a session its new token, if it is still there.
pub(super) async fn renew(
    connection: &mut SqliteConnection,
    kept: &KeptSession,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE sessions SET token_hash = ? WHERE token_hash = ?")
        .bind(kept.renewed.as_bytes())
        .bind(kept.token.as_bytes())
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends one session, if it is there.
pub(super) async fn end(
    connection: &mut SqliteConnection,
    token: &TokenHash,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sessions WHERE token_hash = ?")
        .bind(token.as_bytes())
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends the sessions of an account, all but `keep`.
pub(super) async fn end_all(
    connection: &mut SqliteConnection,
    account: AccountId,
    keep: Option<&TokenHash>,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sessions WHERE account = ? AND token_hash IS NOT ?")
        .bind(account.0)
        .bind(keep.map(TokenHash::as_bytes))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that a session is in use.
pub(super) async fn seen(
    connection: &mut SqliteConnection,
    token: &TokenHash,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE sessions SET seen_at = max(seen_at, ?) WHERE token_hash = ?")
        .bind(milliseconds(at))
        .bind(token.as_bytes())
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
