//! The tokens of programs that use the API.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use utoipa::ToSchema;

use super::access::{Made, Refusal};
use super::accounts;
use crate::accounts::{AccountId, ApiTokenId, Role, Scope, TokenHash};
use crate::limits;
use crate::store::Store;
use crate::store::database::columns::{
    milliseconds, number, optional_number, text, time, timestamp,
};
use crate::store::database::error::ReadError;

/// An API token as it is stored: without the token.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub struct StoredApiToken {
    /// Its row.
    #[serde(serialize_with = "row")]
    #[schema(value_type = i64)]
    pub id: ApiTokenId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Whose it is; none of the command line and the first start.
    #[serde(skip)]
    pub account: Option<AccountId>,
    /// When it was used last, to about a minute; none before the first time.
    pub last_used_at: Option<Timestamp>,
}

fn row<S: serde::Serializer>(id: &ApiTokenId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(id.0)
}

impl StoredApiToken {
    /// For the audit: without anything that opens a door.
    #[must_use]
    pub fn noted(&self) -> Value {
        json!({"token": self.name, "scope": self.scope})
    }

    /// It may do more than `role`; than nothing, without one.
    #[must_use]
    pub fn exceeds(&self, role: Option<Role>) -> bool {
        role.is_none_or(|role| self.scope.role() > role)
    }
}

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

impl Store {
    /// All tokens by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn api_tokens(&self) -> Result<Vec<StoredApiToken>, ReadError> {
        let rows = sqlx::query("SELECT * FROM api_tokens ORDER BY name")
            .fetch_all(&self.shared.readers)
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
            .fetch_optional(&self.shared.readers)
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
pub(in crate::store) async fn create(connection: &mut SqliteConnection, new: &NewApiToken) -> Made {
    let (tokens, is_taken): (i64, bool) = sqlx::query_as(
        "SELECT count(*), coalesce(max(name = ? OR token_hash = ?), 0) FROM api_tokens",
    )
    .bind(new.name.as_str())
    .bind(new.token.as_bytes())
    .fetch_one(&mut *connection)
    .await?;
    if is_taken {
        return Ok(Err(Refusal::NameTaken));
    }
    if tokens.unsigned_abs() >= limits::API_TOKENS {
        return Ok(Err(Refusal::TooMany));
    }
    if let Some(account) = new.account
        && !accounts::is_there(connection, account).await?
    {
        return Ok(Err(Refusal::NoSuchAccount));
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
    Ok(Ok(inserted.last_insert_rowid()))
}

/// Forgets a token.
pub(in crate::store) async fn revoke(connection: &mut SqliteConnection, id: ApiTokenId) -> Made {
    let revoked = sqlx::query("DELETE FROM api_tokens WHERE id = ?")
        .bind(id.0)
        .execute(connection)
        .await?;
    Ok(match revoked.rows_affected() {
        0 => Err(Refusal::NoSuchToken),
        _ => Ok(id.0),
    })
}

/// Forgets the tokens of an account that may do more than `role`, or all of them, and gives what they
/// were.
pub(in crate::store) async fn revoke_of(
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
        sqlx::query("DELETE FROM api_tokens WHERE id = ?")
            .bind(token.id.0)
            .execute(&mut *connection)
            .await?;
    }
    Ok(tokens)
}

/// Notes that a token is in use.
pub(in crate::store) async fn used(
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
