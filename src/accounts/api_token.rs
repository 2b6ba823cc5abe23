//! An API token, as it is listed.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{AccountId, ApiTokenId, Role, Scope};

/// An API token as it is stored: without the token.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub struct StoredApiToken {
    /// Its row.
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
