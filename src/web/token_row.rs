//! An API token as pages list it.

use jiff::Timestamp;

use super::wording;
use crate::accounts::{Scope, StoredApiToken};

/// A token as it is listed.
pub(super) struct TokenRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) scope: &'static str,
    pub(super) created: String,
    pub(super) created_by: String,
    pub(super) used: String,
}

impl TokenRow {
    pub(super) fn of(token: StoredApiToken, now: Timestamp) -> Self {
        Self {
            id: token.id.0,
            name: token.name,
            scope: meaning(token.scope),
            created: wording::day(token.created_at),
            created_by: token.created_by,
            used: token
                .last_used_at
                .map_or_else(|| "never".to_owned(), |used| wording::since(used, now)),
        }
    }
}

/// What a token of this scope may do.
pub(super) fn meaning(scope: Scope) -> &'static str {
    match scope {
        Scope::ReadOnly => "reads",
        Scope::Operate => "reads, and works on the queue",
        Scope::ReadWrite => "reads and changes everything, accounts too",
    }
}
