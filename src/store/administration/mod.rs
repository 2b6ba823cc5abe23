//! What administrators keep: settings, accounts with their sessions and tokens, SMTP logins, OpenPGP keys, and the
//! audit of all that.

mod access;
mod accounts;
mod api_tokens;
mod audit;
mod offline;
mod openpgp_keys;
mod refusal;
mod sessions;
mod settings;
mod smtp_logins;

use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::SqlitePool;

use super::database::writer::ChangeSender;

pub use access::{AccessChange, LastUse, TOKEN_REVOKED};
pub use accounts::{AccountPatch, NewAccount, StoredAccount};
pub use api_tokens::NewApiToken;
pub use audit::AuditedChange;
pub use offline::OfflineSettings;
pub use openpgp_keys::OpenPgpKeyChange;
pub use refusal::{AccessError, AccessRefusal};
pub use sessions::{KeptSession, NewSession, SecondFactorProof, StoredSession};
pub use settings::StoredSettings;
pub use smtp_logins::SmtpLoginChange;

/// What administrators keep. Clones share it.
#[derive(Clone, Debug)]
pub struct AdministrationStore {
    changes: ChangeSender,
    readers: SqlitePool,
    data_directory: Arc<Path>,
}

impl AdministrationStore {
    /// Over a database that is open.
    pub(super) fn new(changes: ChangeSender, readers: SqlitePool, data_directory: &Path) -> Self {
        Self {
            changes,
            readers,
            data_directory: data_directory.into(),
        }
    }
}
