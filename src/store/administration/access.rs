//! Changes of who gets in: accounts, sessions, API tokens. Each is stored together with its note for
//! the audit, and refused in the same transaction in which it would have been made, so that two
//! administrators, or one and the command line, cannot both be the last.

use jiff::Timestamp;
use sqlx::SqliteConnection;
use tokio::time::Instant;

use super::AdministrationStore;
use super::accounts::{self, AccountPatch, NewAccount};
use super::api_tokens::{self, NewApiToken};
use super::audit;
use super::refusal::{AccessError, AccessRefusal, NotMade};
use super::sessions::{self, NewSession};
use crate::accounts::audit::AuditEntry;
use crate::accounts::{AccountId, ApiTokenId, SharedSecret, StoredApiToken, TokenHash};
use crate::store::database::writer::SingleChange;

/// A change of who gets in.
#[derive(Debug)]
pub enum AccessChange {
    /// Makes the first administrator; refused when there has been one.
    SetUp(NewAccount),
    /// Makes an account. With an administrator the appliance counts as set up.
    CreateAccount(NewAccount),
    /// Changes an account. With a new role or password its sessions end; its API tokens that may do more
    /// than a new role are revoked.
    AmendAccount(AccountId, AccountPatch),
    /// Asks for one-time codes from now on; refused when they are asked for already.
    SwitchOnSecondFactor {
        /// Of whom.
        account: AccountId,
        /// What the codes are made of.
        secret: SharedSecret,
        /// The time step of the code that confirmed it; it counts as used.
        step: u64,
        /// What replaces a lost telephone.
        recovery_codes: Vec<TokenHash>,
    },
    /// Removes an account with its sessions and codes, and revokes its API tokens.
    RemoveAccount(AccountId),
    /// Begins a session, if what was shown still counts. Expired sessions go, and of this account's the
    /// quietest when there are too many.
    BeginSession(NewSession),
    /// Ends a session, if it is still there.
    EndSession(TokenHash),
    /// Ends the sessions of an account, all but one.
    EndOtherSessions {
        /// Of whom.
        account: AccountId,
        /// The one that goes on.
        keep: TokenHash,
    },
    /// Makes an API token known.
    CreateApiToken(NewApiToken),
    /// Forgets an API token.
    RevokeApiToken(ApiTokenId),
}

/// What was used.
#[derive(Clone, Copy, Debug)]
pub enum LastUse {
    /// A session.
    Session(TokenHash),
    /// A token of a program.
    ApiToken(ApiTokenId),
}

impl AdministrationStore {
    /// Makes a change with the note of who made it, and gives the row of what it made, 0 when it made none.
    ///
    /// # Errors
    /// When it may not be made, or was not stored.
    pub async fn change_access(
        &self,
        change: AccessChange,
        audit: AuditEntry,
    ) -> Result<i64, AccessError> {
        let changed = self.changes.make(AuditedAccess { change, audit });
        Ok(changed.await??)
    }

    /// Notes soon that a session or a token is in use. Waits for nothing; a busy store drops the note.
    pub fn note_use(&self, what: LastUse, at: Timestamp) {
        if !self.changes.note(NotedUse { what, at }) {
            tracing::debug!(?what, "the store has no room for the note");
        }
    }
}

/// How the audit calls it when a token is forgotten.
pub const TOKEN_REVOKED: &str = "API token revoked";

impl AccessChange {
    /// The row that is made, and the tokens that go with the change.
    async fn make(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(i64, Vec<StoredApiToken>), NotMade> {
        let made = match self {
            Self::SetUp(new) => accounts::set_up(connection, new).await?,
            Self::CreateAccount(new) => accounts::create(connection, new).await?,
            Self::CreateApiToken(new) => api_tokens::create(connection, new).await?,
            Self::AmendAccount(account, patch) => {
                return Ok((0, accounts::amend(connection, *account, patch).await?));
            }
            Self::RemoveAccount(account) => {
                return Ok((0, accounts::remove(connection, *account).await?));
            }
            Self::SwitchOnSecondFactor {
                account,
                secret,
                step,
                recovery_codes: codes,
            } => {
                accounts::switch_on_second_factor(connection, *account, secret, *step, codes)
                    .await?;
                0
            }
            Self::BeginSession(new) => sessions::begin(connection, new).await.map(|()| 0)?,
            Self::EndSession(token) => sessions::end(connection, token).await.map(|()| 0)?,
            Self::EndOtherSessions { account, keep } => {
                sessions::end_all(connection, *account, Some(keep)).await?;
                0
            }
            Self::RevokeApiToken(id) => api_tokens::revoke(connection, *id).await.map(|()| 0)?,
        };
        Ok((made, Vec::new()))
    }
}

/// A change and its entry in the audit; a refused one leaves no trace. Tokens that go with it have entries of
/// their own.
#[derive(Debug)]
struct AuditedAccess {
    change: AccessChange,
    audit: AuditEntry,
}

impl SingleChange for AuditedAccess {
    type Outcome = Result<i64, AccessRefusal>;

    fn until(&self) -> Option<Instant> {
        self.audit.until
    }

    async fn write(&self, connection: &mut SqliteConnection) -> Result<Self::Outcome, sqlx::Error> {
        let (made, revoked) = match self.change.make(connection).await {
            Ok(made) => made,
            Err(NotMade::Refused(refusal)) => return Ok(Err(refusal)),
            Err(NotMade::Failed(error)) => return Err(error),
        };
        audit::append(connection, &self.audit).await?;
        for token in revoked {
            let note = AuditEntry {
                action: TOKEN_REVOKED.to_owned(),
                before: Some(token.noted()),
                after: None,
                until: None,
                ..self.audit.clone()
            };
            audit::append(connection, &note).await?;
        }
        Ok(Ok(made))
    }
}

/// A session or a token was used just now.
#[derive(Debug)]
struct NotedUse {
    what: LastUse,
    at: Timestamp,
}

impl SingleChange for NotedUse {
    type Outcome = ();

    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        match self.what {
            LastUse::Session(token) => sessions::seen(connection, &token, self.at).await,
            LastUse::ApiToken(id) => api_tokens::used(connection, id, self.at).await,
        }
    }
}
