//! What administrators did.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

/// What an administrator did. Secrets are redacted by whoever makes the entry.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// The administrator, the token's name, or the command line.
    pub who: String,
    /// The address it came from; none for the command line.
    pub from: Option<IpAddr>,
    /// What, in the operator's words.
    pub action: String,
    /// What it was; none where there was nothing.
    pub before: Option<Value>,
    /// What it is now; none where there is nothing.
    pub after: Option<Value>,
    /// Until when whoever does it waits: what has not begun by then is not done. None: as long as it takes.
    pub until: Option<Instant>,
}

/// An entry of the audit, read back.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AuditItem {
    /// Rises with time.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The administrator, the token's name, or the command line.
    pub who: String,
    /// The address it came from; none for the command line.
    pub address: Option<String>,
    /// What, in the operator's words.
    pub action: String,
    /// What it was.
    pub before: Option<Value>,
    /// What it is now.
    pub after: Option<Value>,
}

/// Which entries of the audit are meant. Both parts match anywhere and ignore the case of ASCII letters;
/// a text that ends in `*` matches from the beginning, a blank one is no part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Who did it.
    pub who: String,
    /// What they did.
    pub action: String,
}
