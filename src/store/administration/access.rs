//! ChangeSender of who gets in: accounts, sessions, API tokens. Each is stored together with its note for
//! the audit, and refused in the same transaction in which it would have been made, so that two
//! administrators, or one and the command line, cannot both be the last.

use jiff::Timestamp;
use sqlx::SqliteConnection;
use tokio::time::Instant;

use super::AdministrationStore;
use super::accounts::{self, AccountPatch, NewAccount};
use super::api_tokens::{self, NewApiToken};
use super::audit;
use super::refusal::{AccessError, AccessOutcome, AccessRefusal};
use super::sessions::{self, KeptSession, NewSession};
use crate::accounts::audit::AuditEntry;
use crate::accounts::{AccountId, ApiTokenId, SharedSecret, TokenHash};
use crate::store::database::writer::SingleChange;

/// A change of who gets in.
#[derive(Debug)]
enum AccessChange {
    SetUp(NewAccount),
    CreateAccount(NewAccount),
    Amend {
        account: AccountId,
        patch: AccountPatch,
        kept: Option<KeptSession>,
    },
    SwitchOnSecondFactor {
        account: AccountId,
        secret: SharedSecret,
        step: u64,
        recovery_codes: Vec<TokenHash>,
    },
    RemoveAccount(AccountId),
    BeginSession(NewSession),
    EndSession(TokenHash),
    EndOtherSessions {
        account: AccountId,
        keep: TokenHash,
    },
    CreateToken(NewApiToken),
    RevokeToken(ApiTokenId),
}

/// What was used.
#[derive(Clone, Copy, Debug)]
enum LastUse {
    Session(TokenHash),
    ApiToken(ApiTokenId),
}

impl AdministrationStore {
    /// Makes the first administrator; refused when there has been one.
    ///
    /// # Errors
    /// When it may not be made, or was not stored.
    pub async fn set_up(
        &self,
        account: NewAccount,
        audit: AuditEntry,
    ) -> Result<AccountId, AccessError> {
        let id = self.change_access(AccessChange::SetUp(account), audit);
        id.await.map(AccountId)
    }

    /// Makes an account. With an administrator the appliance counts as set up.
    ///
    /// # Errors
    /// When it may not be made, or was not stored.
    pub async fn create_account(
        &self,
        account: NewAccount,
        audit: AuditEntry,
    ) -> Result<AccountId, AccessError> {
        let id = self.change_access(AccessChange::CreateAccount(account), audit);
        id.await.map(AccountId)
    }

    /// ChangeSender an account. With a new role or password its sessions end, all but `kept`; its API tokens
    /// that may do more than a new role are revoked.
    ///
    /// # Errors
    /// When it may not be changed, or was not stored.
    pub async fn amend_account(
        &self,
        account: AccountId,
        patch: AccountPatch,
        kept: Option<KeptSession>,
        audit: AuditEntry,
    ) -> Result<(), AccessError> {
        let change = AccessChange::Amend {
            account,
            patch,
            kept,
        };
        self.change_access(change, audit).await.map(drop)
    }

    /// Asks for one-time codes from now on. `step` is the time step of the code that confirmed it, and
    /// counts as used.
    ///
    /// # Errors
    /// When the account is gone, when codes are asked for already, or when it was not stored.
    pub async fn switch_on_second_factor(
        &self,
        account: AccountId,
        secret: SharedSecret,
        step: u64,
        recovery_codes: Vec<TokenHash>,
        audit: AuditEntry,
    ) -> Result<(), AccessError> {
        let change = AccessChange::SwitchOnSecondFactor {
            account,
            secret,
            step,
            recovery_codes,
        };
        self.change_access(change, audit).await.map(drop)
    }

    /// Removes an account with its sessions and codes, and revokes its API tokens.
    ///
    /// # Errors
    /// When it may not be removed, or that was not stored.
    pub async fn remove_account(
        &self,
        account: AccountId,
        audit: AuditEntry,
    ) -> Result<(), AccessError> {
        let change = AccessChange::RemoveAccount(account);
        self.change_access(change, audit).await.map(drop)
    }

    /// Begins a session. Expired sessions go, and of this account's the quietest when there are too
    /// many.
    ///
    /// # Errors
    /// When what was shown does not count any more, or it was not stored.
    pub async fn begin_session(
        &self,
        session: NewSession,
        audit: AuditEntry,
    ) -> Result<(), AccessError> {
        let change = AccessChange::BeginSession(session);
        self.change_access(change, audit).await.map(drop)
    }

    /// Ends a session, if it is still there.
    ///
    /// # Errors
    /// When that was not stored.
    pub async fn end_session(
        &self,
        session: TokenHash,
        audit: AuditEntry,
    ) -> Result<(), AccessError> {
        let change = AccessChange::EndSession(session);
        self.change_access(change, audit).await.map(drop)
    }

    /// Ends the sessions of an account, all but `keep`.
    ///
    /// # Errors
    /// When that was not stored.
    pub async fn end_other_sessions(
        &self,
        account: AccountId,
        keep: TokenHash,
        audit: AuditEntry,
    ) -> Result<(), AccessError> {
        let change = AccessChange::EndOtherSessions { account, keep };
        self.change_access(change, audit).await.map(drop)
    }

    /// Makes an API token known.
    ///
    /// # Errors
    /// When it may not be made, or was not stored.
    pub async fn create_api_token(
        &self,
        token: NewApiToken,
        audit: AuditEntry,
    ) -> Result<ApiTokenId, AccessError> {
        let id = self.change_access(AccessChange::CreateToken(token), audit);
        id.await.map(ApiTokenId)
    }

    /// Forgets an API token.
    ///
    /// # Errors
    /// When there is none, or that was not stored.
    pub async fn revoke_api_token(
        &self,
        token: ApiTokenId,
        audit: AuditEntry,
    ) -> Result<(), AccessError> {
        let change = AccessChange::RevokeToken(token);
        self.change_access(change, audit).await.map(drop)
    }

    /// Notes soon that a session is in use. Waits for nothing; a busy store drops the note.
    pub fn saw_session(&self, session: TokenHash, at: Timestamp) {
        self.note_seen(LastUse::Session(session), at);
    }

    /// Notes soon that a token is in use. Waits for nothing; a busy store drops the note.
    pub fn saw_api_token(&self, token: ApiTokenId, at: Timestamp) {
        self.note_seen(LastUse::ApiToken(token), at);
    }

    fn note_seen(&self, what: LastUse, at: Timestamp) {
        if !self.changes.note(NotedUse { what, at }) {
            tracing::debug!(?what, "the store has no room for the note");
        }
    }

    async fn change_access(
        &self,
        change: AccessChange,
        audit: AuditEntry,
    ) -> Result<i64, AccessError> {
        let changed = self.changes.make(AuditedAccess { change, audit });
        Ok(changed.await??)
    }
}

/// How the audit calls it when a token is forgotten.
pub const TOKEN_REVOKED: &str = "API token revoked";

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

    async fn write(&self, connection: &mut SqliteConnection) -> AccessOutcome {
        let mut revoked = Vec::new();
        let made = match &self.change {
            AccessChange::SetUp(new) => accounts::set_up(connection, new).await,
            AccessChange::CreateAccount(new) => accounts::create(connection, new).await,
            AccessChange::Amend {
                account,
                patch,
                kept,
            } => accounts::amend(connection, *account, patch, kept.as_ref())
                .await
                .map(|amended| {
                    revoked = amended?;
                    Ok(account.0)
                }),
            AccessChange::SwitchOnSecondFactor {
                account,
                secret,
                step,
                recovery_codes: codes,
            } => {
                accounts::switch_on_second_factor(connection, *account, secret, *step, codes).await
            }
            AccessChange::RemoveAccount(account) => {
                accounts::remove(connection, *account).await.map(|removed| {
                    revoked = removed?;
                    Ok(account.0)
                })
            }
            AccessChange::BeginSession(new) => sessions::begin(connection, new).await,
            AccessChange::EndSession(token) => sessions::end(connection, token).await.map(Ok),
            AccessChange::EndOtherSessions { account, keep } => {
                sessions::end_all(connection, *account, Some(keep))
                    .await
                    .map(Ok)
            }
            AccessChange::CreateToken(new) => api_tokens::create(connection, new).await,
            AccessChange::RevokeToken(id) => api_tokens::revoke(connection, *id).await,
        }?;
        if made.is_ok() {
            audit::append(connection, &self.audit).await?;
        }
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
        Ok(made)
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
