//! Accounts: made, changed and removed by administrators.
//!
//! What people do with their own account is in [`super::own_account`], how they get in in
//! [`super::login`] and [`super::setup`], and how programs do in [`super::api_tokens`].

use std::sync::Arc;

use jiff::Timestamp;
use moka::sync::Cache;
use serde_json::{Map, Value, json};
use tracing::info;

use super::Actor;
use super::attempts::Attempts;
use super::login::PendingLogin;
use super::own_account::Enrolment;
use super::setup::OneTimePassword;
use crate::accounts::{AccountId, Busy, Passwords, Role, TokenHash, bounded_cache, rules};
use crate::boot::Secret;
use crate::clients::TooManyTries;
use crate::limits;
use crate::settings::FieldErrors;
use crate::store::{
    AccessChange, AccessError, AccessRefusal, AccountPatch, AdministrationStore, NewAccount,
    ReadError, StoreError, StoredAccount,
};

/// Why something about accounts was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// What was typed does not hold.
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// It may not be done.
    #[error(transparent)]
    Refused(AccessRefusal),
    /// It was tried too often.
    #[error(transparent)]
    TooManyAttempts(#[from] TooManyTries),
    /// Too many passwords are being checked.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The accounts could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl AccountError {
    /// One field that does not hold.
    pub(super) fn field(field: &str, problem: impl Into<String>) -> Self {
        Self::Invalid(FieldErrors::of(field, problem))
    }
}

impl From<AccessError> for AccountError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Refused(AccessRefusal::NameTaken) => {
                Self::field("name", AccessRefusal::NameTaken.to_string())
            }
            AccessError::Refused(refusal) => Self::Refused(refusal),
            AccessError::Store(error) => Self::Store(error),
        }
    }
}

/// The one place where it is decided who gets in.
///
/// Sessions and tokens are looked up in the database each time, so that what was ended there, by us
/// or by the command line, has ended.
#[derive(Debug)]
pub struct Accounts {
    pub(super) store: AdministrationStore,
    pub(super) passwords: Arc<Passwords>,
    pub(super) attempts: Attempts,
    /// What opens /setup; none when it was done before we started.
    pub(super) setup: Option<OneTimePassword>,
    /// Log-ins that wait for their code, by what their page holds.
    pub(super) tickets: Cache<TokenHash, PendingLogin>,
    /// Second factors that wait for their first code, by the session in which they were begun.
    pub(super) enrolments: Cache<TokenHash, Enrolment>,
}

impl Accounts {
    /// Decides about what `store` keeps. While there has been no administrator, `given` opens /setup,
    /// or a password that is made now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(
        store: AdministrationStore,
        passwords: Arc<Passwords>,
        given: Option<&Secret>,
    ) -> Result<Arc<Self>, ReadError> {
        let setup = match store.setup_is_done().await? {
            true => None,
            false => Some(OneTimePassword::new(given)),
        };
        let accounts = Self {
            store,
            passwords,
            attempts: Attempts::new(),
            setup,
            tickets: bounded_cache(limits::LOGIN_TICKETS, limits::LOGIN_TICKET_LIFE),
            enrolments: bounded_cache(limits::ENROLMENTS, limits::ENROLMENT_LIFE),
        };
        accounts.remember_known_addresses(Timestamp::now()).await?;
        Ok(Arc::new(accounts))
    }

    /// All accounts by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list(&self) -> Result<Vec<StoredAccount>, ReadError> {
        self.store.accounts().await
    }

    /// The account of this name, in whatever case.
    ///
    /// # Errors
    /// When it cannot be read, or there is none.
    pub async fn named(&self, name: &str) -> Result<StoredAccount, AccountError> {
        let found = self.store.account_named(name).await?;
        found.ok_or(AccountError::Refused(AccessRefusal::NoSuchAccount))
    }

    /// Makes an account, and gives it.
    ///
    /// # Errors
    /// When a field does not hold, the name is taken, or it was not stored.
    pub async fn create(
        &self,
        name: &str,
        role: Role,
        password: String,
        actor: &Actor,
    ) -> Result<StoredAccount, AccountError> {
        let new = self.new_account(name, role, password).await?;
        let after = json!({"account": new.name, "role": role});
        let note = actor.did("account created", None, Some(after));
        let change = AccessChange::CreateAccount(new.clone());
        let id = self.store.change_access(change, note).await?;
        // Not read back: it is there, whether it can be read now or not.
        let account = new.stored(AccountId(id));
        info!(account = account.name, %role, %actor, "account created");
        Ok(account)
    }

    /// Checks what an account is to be like, and hashes its password.
    pub(super) async fn new_account(
        &self,
        name: &str,
        role: Role,
        password: String,
    ) -> Result<NewAccount, AccountError> {
        let mut errors = FieldErrors::default();
        let checked = rules::account_name(name);
        if let Err(problem) = &checked {
            errors.add("name", *problem);
        }
        if let Err(problem) = rules::password(&password, name) {
            errors.add("password", problem);
        }
        errors.into_result()?;
        Ok(NewAccount {
            name: checked.unwrap_or_default(),
            role,
            password_hash: self.hash(password).await?,
            created_at: Timestamp::now(),
        })
    }

    /// Changes an account, and gives it as it is then. With a new role or password its sessions end, and its API tokens that may do
    /// more than the new role are revoked.
    ///
    /// # Errors
    /// When the password does not hold, when it is the last administrator's role, when it would
    /// bypass the questions of one's own account's page, or when it was not stored.
    pub async fn amend(
        &self,
        name: &str,
        change: AccountChange,
        actor: &Actor,
    ) -> Result<StoredAccount, AccountError> {
        let mut account = self.named(name).await?;
        let is_own = actor.who.eq_ignore_ascii_case(&account.name);
        if is_own && (change.password.is_some() || change.without_second_factor) {
            return Err(AccountError::field(
                "password",
                "change your own under your name",
            ));
        }
        let (before, after) = change.difference(&account);
        if after == before {
            return Ok(account);
        }
        let password_hash = match change.password {
            Some(password) => {
                rules::password(&password, &account.name)
                    .map_err(|problem| AccountError::field("password", problem))?;
                Some(self.hash(password).await?)
            }
            None => None,
        };
        let patch = AccountPatch {
            role: change.role.filter(|role| *role != account.role),
            password_hash,
            without_second_factor: change.without_second_factor && account.second_factor.is_some(),
            kept: None,
        };
        let (before, after) = (Value::Object(before), Value::Object(after));
        let note = actor.did("account changed", Some(before), Some(after));
        let change = AccessChange::AmendAccount(account.id, patch.clone());
        self.store.change_access(change, note).await?;
        account.role = patch.role.unwrap_or(account.role);
        if patch.without_second_factor {
            account.second_factor = None;
        }
        info!(account = account.name, %actor, "account changed");
        Ok(account)
    }

    /// Removes an account; its sessions end, and its API tokens are revoked.
    ///
    /// # Errors
    /// When it is the last administrator's, there is none, or that was not stored.
    pub async fn remove(&self, name: &str, actor: &Actor) -> Result<(), AccountError> {
        let account = self.named(name).await?;
        let before = json!({"account": account.name, "role": account.role});
        let note = actor.did("account removed", Some(before), None);
        let change = AccessChange::RemoveAccount(account.id);
        self.store.change_access(change, note).await?;
        info!(account = account.name, %actor, "account removed");
        Ok(())
    }

    pub(super) async fn hash(&self, password: String) -> Result<Secret, Busy> {
        self.passwords.hash(password).await.map(Secret::new)
    }
}

/// What of an account an administrator changes.
#[derive(Debug, Default)]
pub struct AccountChange {
    /// Another role.
    pub role: Option<Role>,
    /// Another password.
    pub password: Option<String>,
    /// No one-time code is asked for any more.
    pub without_second_factor: bool,
}

impl AccountChange {
    /// For the audit: what it was and what it is, without secrets.
    fn difference(&self, account: &StoredAccount) -> (Map<String, Value>, Map<String, Value>) {
        let name = || Map::from_iter([("account".to_owned(), json!(account.name))]);
        let (mut before, mut after) = (name(), name());
        let mut differs = |field: &str, was: Value, is: Value| {
            before.insert(field.to_owned(), was);
            after.insert(field.to_owned(), is);
        };
        if let Some(role) = self.role.filter(|role| *role != account.role) {
            differs("role", json!(account.role), json!(role));
        }
        if self.password.is_some() {
            differs("password", json!("set"), json!("set anew"));
        }
        if self.without_second_factor && account.second_factor.is_some() {
            differs("second_factor", json!(true), json!(false));
        }
        (before, after)
    }
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
