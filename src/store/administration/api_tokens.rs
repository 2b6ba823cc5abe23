//! The tokens of programs that use the API.

use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::AdministrationStore;
use super::refusal::{AccessRefusal, NotMade};
use crate::accounts::{AccountId, ApiTokenId, Role, Scope, StoredApiToken, TokenHash};
use crate::limits;
use crate::store::database::columns::{
    milliseconds, number, optional_number, text, time, timestamp,
};
use crate::store::database::error::ReadError;

/// A token that is to be known from now on.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// What it is for.
    pub name: String,
    /// Of the token.
    pub token: TokenHash,
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Whose it is: it goes with the account.
    pub account: Option<AccountId>,
}

impl AdministrationStore {
    /// All tokens by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn api_tokens(&self) -> Result<Vec<StoredApiToken>, ReadError> {
        let rows = sqlx::query("SELECT * FROM api_tokens ORDER BY name")
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().filter_map(api_token).collect())
    }

    /// The token of this hash.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn api_token(&self, token: &TokenHash) -> Result<Option<StoredApiToken>, ReadError> {
        let row = sqlx::query("SELECT * FROM api_tokens WHERE token_hash = ?")
            .bind(token.as_bytes())
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().and_then(api_token))
    }
}

fn api_token(row: &SqliteRow) -> Option<StoredApiToken> {
    Some(StoredApiToken {
        id: ApiTokenId(number(row, "id")),
        name: text(row, "name"),
        scope: Scope::from_word(&text(row, "scope"))?,
        created_at: time(row, "created_at"),
        created_by: text(row, "created_by"),
        account: optional_number(row, "account").map(AccountId),
        last_used_at: optional_number(row, "last_used_at").map(timestamp),
    })
}

/// Makes a token known.
pub(super) async fn create(
    connection: &mut SqliteConnection,
    new: &NewApiToken,
) -> Result<i64, NotMade> {
    let (tokens, is_taken): (i64, bool) = sqlx::query_as(
        "SELECT count(*), coalesce(max(name = ? OR token_hash = ?), 0) FROM api_tokens",
    )
    .bind(new.name.as_str())
    .bind(new.token.as_bytes())
    .fetch_one(&mut *connection)
    .await?;
    if is_taken {
        return Err(AccessRefusal::NameTaken.into());
    }
    if tokens.unsigned_abs() >= limits::API_TOKENS {
        return Err(AccessRefusal::TooMany.into());
    }
    if let Some(account) = new.account
        && !is_there(connection, account).await?
    {
        return Err(AccessRefusal::NoSuchAccount.into());
    }
    let inserted = sqlx::query(
        "INSERT INTO api_tokens (name, token_hash, scope, created_at, created_by, account)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(new.name.as_str())
    .bind(new.token.as_bytes())
    .bind(new.scope.as_str())
    .bind(milliseconds(new.created_at))
    .bind(new.created_by.as_str())
    .bind(new.account.map(|account| account.0))
    .execute(connection)
    .await?;
    Ok(inserted.last_insert_rowid())
}

/// Whether there is such an account.
async fn is_there(connection: &mut SqliteConnection, id: AccountId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM accounts WHERE id = ?)")
        .bind(id.0)
        .fetch_one(connection)
        .await
}

/// Forgets a token.
pub(super) async fn revoke(
    connection: &mut SqliteConnection,
    id: ApiTokenId,
) -> Result<(), NotMade> {
    match delete(connection, id).await? {
        0 => Err(AccessRefusal::NoSuchToken.into()),
        _ => Ok(()),
    }
}

/// How many went, which is one or none.
async fn delete(connection: &mut SqliteConnection, id: ApiTokenId) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query("DELETE FROM api_tokens WHERE id = ?")
        .bind(id.0)
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected())
}

/// Forgets the tokens of an account that may do more than `role`, or all of them, and gives what they
/// were.
pub(super) async fn revoke_of(
    connection: &mut SqliteConnection,
    account: AccountId,
    role: Option<Role>,
) -> Result<Vec<StoredApiToken>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM api_tokens WHERE account = ? ORDER BY name")
        .bind(account.0)
        .fetch_all(&mut *connection)
        .await?;
    let mut tokens: Vec<StoredApiToken> = rows.iter().filter_map(api_token).collect();
    tokens.retain(|token| token.exceeds(role));
    for token in &tokens {
        // A refusal would come too late here: other rows are changed already.
        delete(connection, token.id).await?;
    }
    Ok(tokens)
}

/// Notes that a token is in use.
pub(super) async fn used(
    connection: &mut SqliteConnection,
    id: ApiTokenId,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE api_tokens SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?",
    )
    .bind(milliseconds(at))
    .bind(id.0)
    .execute(connection)
    .await?;
    Ok(())
}
