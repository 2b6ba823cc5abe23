//! Administrators and SMTP logins: their names, their credentials, and their rights.
//!
//! Nothing here is stored or decided for good: the rows are in [`crate::store`], who gets in is said
//! in [`crate::administration`].

mod api_token;
pub mod audit;
mod login_directory;
mod logins;
mod passwords;
mod role;
pub mod rules;
mod scope;
mod second_factor;
mod spelled;
mod token;
mod wrong_logins;

use std::hash::Hash;
use std::time::Duration;

use moka::sync::Cache;
use serde::Serialize;

pub use api_token::StoredApiToken;
pub use audit::{AuditEntry, AuditFilter, AuditItem};
pub use login_directory::{LoginDirectory, SmtpLogin};
pub use logins::{Logins, ShownLogin, SmtpAuthError};
pub use passwords::{Busy, Passwords};
pub use role::Role;
pub use scope::Scope;
pub use second_factor::SharedSecret;
pub use spelled::{RecoveryCode, spelled_secret};
pub use token::{AccessToken, TokenHash};

/// A table that forgets: it holds at most so many entries, each for so long.
pub(crate) fn bounded_cache<K, V>(most: u64, life: Duration) -> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(most)
        .time_to_live(life)
        .build()
}

/// The row of an account. It is never used for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountId(pub i64);

/// The row of an API token. It is never used for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ApiTokenId(pub i64);
