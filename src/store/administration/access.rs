//! Changes of who gets in: accounts, sessions, API tokens. Each is stored together with its note for
//! the audit, and refused in the same transaction in which it would have been made, so that two
//! administrators, or one and the command line, cannot both be the last.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::accounts::{self, AccountPatch, StoredAccount};
use super::api_tokens::{self, NewApiToken};
use super::sessions::{self, KeptSession, NewSession};
use super::settings::{self, AuditEntry};
use crate::accounts::{AccountId, ApiTokenId, Role, SharedSecret, TokenHash};
use crate::boot::Secret;
use crate::store::Store;
use crate::store::database::error::StoreError;
use crate::store::writer::Job;

/// An account that is to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// argon2, as a PHC string.
    pub password_hash: Secret,
    /// When it is made.
    pub created_at: Timestamp,
}

impl NewAccount {
    /// As it is stored in this row.
    #[must_use]
    pub fn stored(self, id: AccountId) -> StoredAccount {
        StoredAccount {
            id,
            name: self.name,
            role: self.role,
            password_hash: self.password_hash,
            second_factor: None,
            last_step: None,
            recovery_codes: 0,
            created_at: self.created_at,
        }
    }
}

/// Why a change was not made, though the store works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There has been an administrator.
    #[error("the appliance is set up already")]
    SetupIsDone,
    /// Two of the same name could not be told apart.
    #[error("this name is taken")]
    NameTaken,
    /// The list is as long as it may become.
    #[error("there are too many already")]
    TooMany,
    /// It was removed, or never there.
    #[error("there is no such account")]
    NoSuchAccount,
    /// It was revoked, or never there.
    #[error("there is no such token")]
    NoSuchToken,
    /// Nobody could change anything any more.
    #[error("the last administrator stays one")]
    LastAdministrator,
    /// While the password was being checked it was changed.
    #[error("the password was changed meanwhile")]
    PasswordChanged,
    /// Replacing it would take more than a password: switch it off first.
    #[error("one-time codes are asked for already")]
    SecondFactorIsOn,
    /// The code was used before, or is asked for and was not given.
    #[error("the code does not count")]
    CodeUsed,
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// It may not be made.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The row that a change made or touched, or why it was not made.
pub(in crate::store) type Made = Result<Result<i64, Refusal>, sqlx::Error>;

/// A change, on its way to the writer.
#[derive(Debug)]
pub(in crate::store) enum AccessChange {
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

/// A note that somebody is there, on its way to the writer. Nobody waits for it.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Seen {
    Session(TokenHash),
    ApiToken(ApiTokenId),
}

impl Store {
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

    /// Changes an account. With a new role or password its sessions end, all but `kept`; its API tokens
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
        self.note_seen(Seen::Session(session), at);
    }

    /// Notes soon that a token is in use. Waits for nothing; a busy store drops the note.
    pub fn saw_api_token(&self, token: ApiTokenId, at: Timestamp) {
        self.note_seen(Seen::ApiToken(token), at);
    }

    fn note_seen(&self, seen: Seen, at: Timestamp) {
        if self.shared.jobs.try_send(Job::Saw { seen, at }).is_err() {
            tracing::debug!(?seen, "the store has no room for the note");
        }
    }

    async fn change_access(
        &self,
        change: AccessChange,
        audit: AuditEntry,
    ) -> Result<i64, AccessError> {
        let changed = self.ask(|answer| Job::ChangeAccess {
            change,
            audit,
            answer,
        });
        Ok(changed.await??)
    }
}

/// How the audit calls it when a token is forgotten.
pub const TOKEN_REVOKED: &str = "API token revoked";

/// Makes a change and notes it; a refused one leaves no trace. Tokens that go with it have notes of their
/// own.
pub(in crate::store) async fn make(
    connection: &mut SqliteConnection,
    change: &AccessChange,
    audit: &AuditEntry,
) -> Made {
    let mut revoked = Vec::new();
    let made = match change {
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
        } => accounts::switch_on_second_factor(connection, *account, secret, *step, codes).await,
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
        settings::write(connection, None, audit).await?;
    }
    for token in revoked {
        let note = AuditEntry {
            action: TOKEN_REVOKED.to_owned(),
            before: Some(token.noted()),
            after: None,
            until: None,
            ..audit.clone()
        };
        settings::write(connection, None, &note).await?;
    }
    Ok(made)
}

/// Notes that somebody is there.
pub(in crate::store) async fn note_seen(
    connection: &mut SqliteConnection,
    seen: Seen,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    match seen {
        Seen::Session(token) => sessions::seen(connection, &token, at).await,
        Seen::ApiToken(id) => api_tokens::used(connection, id, at).await,
    }
}
