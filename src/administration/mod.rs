//! Every change an administrator can make: validated, stored, audited, published.
//!
//! Pages, API and command line all come through here, so that no door has rules of its own.

pub mod accounts;
pub mod api_tokens;
mod attempts;
pub mod backup;
pub mod first_start;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
pub mod login;
mod long_lists;
pub mod openpgp_keys;
pub mod own_account;
mod published_store;
pub mod queue;
pub mod restore;
pub mod settings;
mod settings_check;
pub mod settings_file;
pub mod setup;
pub mod smtp_logins;
#[cfg(test)]
mod testing;
mod written_names;

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::accounts::AuditEntry;

pub use accounts::{AccountChange, AccountError, Accounts};
pub use first_start::FirstStart;
pub use login::{LoginError, LoginOutcome};
pub use openpgp_keys::OpenPgpKeys;
pub use own_account::Login;
pub use published_store::ChangeError;
pub use settings::Administration;
pub use settings_check::OpenRelay;
pub use setup::SetupKey;
pub use smtp_logins::SmtpLogins;
pub use written_names::OwnAddresses;

/// The author of a change, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// A name for the audit: an account, a token, a command.
    pub who: String,
    /// The client's address; none for the command line.
    pub from: Option<IpAddr>,
    /// Until when they wait for the change to begin: behind that it is not made. None: as long as it takes.
    pub until: Option<Instant>,
}

impl Actor {
    /// The program itself, by the command that runs.
    #[must_use]
    pub fn command(name: &str) -> Self {
        Self {
            who: format!("command {name}"),
            from: None,
            until: None,
        }
    }

    /// Who has logged in, or is about to, at this address.
    pub(super) fn at(address: IpAddr, name: String) -> Self {
        Self {
            who: name,
            from: Some(address),
            until: None,
        }
    }

    /// What they did, for the audit, at this moment. The caller leaves secrets out.
    pub(super) fn did(
        &self,
        action: impl Into<String>,
        before: Option<Value>,
        after: Option<Value>,
    ) -> AuditEntry {
        AuditEntry {
            at: Timestamp::now(),
            who: self.who.clone(),
            from: self.from,
            action: action.into(),
            before,
            after,
            until: self.until,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Some(address) => write!(f, "{} from {address}", self.who),
            None => f.write_str(&self.who),
        }
    }
}
