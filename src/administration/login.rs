//! How people get in: name and password, then a one-time code where the account asks for one.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tracing::{info, warn};

use super::Actor;
use super::accounts::{AccountError, Accounts};
use crate::accounts::{AccessToken, AccountId, AuditFilter, Busy, RecoveryCode, TokenHash};
use crate::boot::Secret;
use crate::clients::TooManyTries;
use crate::limits;
use crate::store::{
    AccessChange, AccessError, AccessRefusal, LastUse, NewSession, ReadError, SecondFactorProof,
    StoreError, StoredAccount, StoredSession,
};

/// Why a log-in failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Which of the two is not said.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Neither a one-time code of this moment nor a recovery code, or one that was used.
    #[error("the code is wrong, or was used before")]
    WrongCode,
    /// Too much time went by between password and code.
    #[error("that took too long; begin again")]
    Expired,
    /// It was tried too often, from this address or for this account.
    #[error(transparent)]
    TooManyAttempts(#[from] TooManyTries),
    /// Too many passwords are being checked.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The session could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The accounts could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Name and password hold.
#[derive(Debug)]
pub enum LoginOutcome {
    /// The visitor is logged in; the session's cookie is to hold this.
    Entered(AccessToken),
    /// A one-time code is needed; this ticket takes the place of the password until it comes.
    CodeNeeded(AccessToken),
}

/// A log-in that waits for its code.
#[derive(Clone, Debug)]
pub(super) struct PendingLogin {
    account: AccountId,
    /// What the password was checked against.
    password_hash: Secret,
    since: Timestamp,
}

/// How the audit calls it.
const LOGGED_IN: &str = "logged in";

impl Accounts {
    /// Reads from the audit where log-ins succeeded of late: a restart under attack
    /// must not keep them out.
    pub(super) async fn remember_known_addresses(&self, now: Timestamp) -> Result<(), ReadError> {
        let filter = AuditFilter {
            action: LOGGED_IN.to_owned(),
            ..AuditFilter::default()
        };
        let newest = self
            .store
            .audit_search(&filter, None, limits::PAGE_ITEMS_MAX);
        // The oldest first, so that the last time counts.
        for entry in newest.await?.into_iter().rev() {
            let address = entry.address.and_then(|address| address.parse().ok());
            if let Some(address) = address
                && entry.action == LOGGED_IN
                && !is_over(entry.at, limits::KNOWN_ADDRESS_LIFE, now)
            {
                self.attempts.got_in(address, &entry.who, entry.at);
            }
        }
        Ok(())
    }

    /// The first step. It is as much work for an unknown name.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn log_in(
        &self,
        name: &str,
        password: String,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<LoginOutcome, LoginError> {
        let may_try = self.attempts.may_try(address, name, now);
        may_try.inspect_err(|_| warn!(%address, "too many tries to log in"))?;
        let account = self.store.account_named(name.trim()).await?;
        let hash = account
            .as_ref()
            .map(|account| account.password_hash.expose().to_owned());
        let passes = self.passwords.verify(password, hash).await?;
        let Some(account) = account else {
            // Not the name: people type their password there.
            warn!(%address, "a log-in failed: there is no such account");
            return Err(LoginError::Wrong);
        };
        if !passes {
            warn!(%address, account = account.name, "a log-in failed: wrong password");
            return Err(LoginError::Wrong);
        }
        if account.second_factor.is_none() {
            let entered = self.enter(&account, SecondFactorProof::None, address, now);
            return entered.await.map(LoginOutcome::Entered);
        }
        let ticket = AccessToken::random();
        let waiting = PendingLogin {
            account: account.id,
            password_hash: account.password_hash,
            since: now,
        };
        self.tickets.insert(ticket.hash(), waiting);
        Ok(LoginOutcome::CodeNeeded(ticket))
    }

    /// The second step: `code` is a one-time code or a recovery code.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn log_in_with_code(
        &self,
        ticket: &str,
        code: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<AccessToken, LoginError> {
        let ticket = TokenHash::of(ticket);
        let waiting = self.tickets.get(&ticket).ok_or(LoginError::Expired)?;
        if is_over(waiting.since, limits::LOGIN_TICKET_LIFE, now) {
            return Err(LoginError::Expired);
        }
        let may_try = self.attempts.may_try_code(address, waiting.account);
        let tried = may_try.inspect_err(|_| warn!(%address, "too many tries of one-time codes"))?;
        let found = self.store.account(waiting.account).await?;
        let account = StoredAccount {
            password_hash: waiting.password_hash,
            ..found.ok_or(LoginError::Expired)?
        };
        let Some(second_factor) = shown(&account, code, now) else {
            warn!(%address, account = account.name, "a log-in failed: wrong one-time code");
            return Err(LoginError::WrongCode);
        };
        let entered = self.enter(&account, second_factor, address, now).await;
        if entered.is_ok() {
            self.attempts.code_was_right(tried);
            self.tickets.invalidate(&ticket);
        }
        entered
    }

    /// Begins a session, always with a new token. The store checks again that password and code count.
    pub(super) async fn enter(
        &self,
        account: &StoredAccount,
        second_factor: SecondFactorProof,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<AccessToken, LoginError> {
        let actor = Actor::at(address, account.name.clone());
        let with = match &second_factor {
            SecondFactorProof::None => "password",
            SecondFactorProof::Step(_) => "password and one-time code",
            SecondFactorProof::RecoveryCode(_) => "password and recovery code",
        };
        let token = AccessToken::random();
        let session = NewSession {
            token: token.hash(),
            account: account.id,
            password_hash: account.password_hash.clone(),
            second_factor,
            at: now,
            address,
        };
        let note = actor.did(LOGGED_IN, None, Some(json!({"with": with})));
        let change = AccessChange::BeginSession(session);
        match self.store.change_access(change, note).await {
            Ok(_) => {
                self.attempts.got_in(address, &account.name, now);
                info!(%actor, with, "logged in");
                Ok(token)
            }
            Err(AccessError::Refused(AccessRefusal::CodeUsed)) => {
                warn!(%actor, "a log-in failed: the one-time code was used before");
                Err(LoginError::WrongCode)
            }
            Err(AccessError::Refused(_)) => Err(LoginError::Expired),
            Err(AccessError::Store(error)) => Err(error.into()),
        }
    }

    /// The session of a cookie, while it lasts. Looking it up does not count as use: see
    /// [`Self::saw`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn session(
        &self,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<StoredSession>, ReadError> {
        let session = self.store.session(token).await?;
        Ok(session.filter(|session| lasts(session, now)))
    }

    /// A session was used. It is written down now and then, without waiting for it.
    pub fn saw(&self, session: &StoredSession, now: Timestamp) {
        if is_over(session.seen_at, limits::SEEN_INTERVAL, now) {
            self.store.note_use(LastUse::Session(session.token), now);
        }
    }

    /// Ends the session that a browser still had when it logged in anew, of whatever account:
    /// the browser forgets it, and could not end it any more.
    ///
    /// # Errors
    /// When it cannot be looked up, or its end was not stored.
    pub async fn leave_behind(
        &self,
        session: &TokenHash,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        let Some(session) = self.session(session, now).await? else {
            return Ok(());
        };
        let actor = Actor::at(address, session.name);
        Ok(self.log_out(session.token, &actor).await?)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When that was not stored.
    pub async fn log_out(&self, session: TokenHash, actor: &Actor) -> Result<(), StoreError> {
        let note = actor.did("logged out", None, None);
        let change = AccessChange::EndSession(session);
        match self.store.change_access(change, note).await {
            Ok(_) | Err(AccessError::Refused(_)) => {}
            Err(AccessError::Store(error)) => return Err(error),
        }
        info!(%actor, "logged out");
        Ok(())
    }
}

/// Whether a session is still one.
pub(super) fn lasts(session: &StoredSession, now: Timestamp) -> bool {
    !is_over(session.created_at, limits::SESSION_LIFE, now)
        && !is_over(session.seen_at, limits::SESSION_IDLE, now)
}

/// Whether `time` has gone by since then.
pub(super) fn is_over(since: Timestamp, time: Duration, now: Timestamp) -> bool {
    // A clock that was set back makes a negative time, which is no time.
    let gone = now.duration_since(since).as_millis();
    gone.is_positive() && gone.unsigned_abs() >= time.as_millis()
}

/// What a typed code is, when it is right.
fn shown(account: &StoredAccount, code: &str, now: Timestamp) -> Option<SecondFactorProof> {
    let Some(secret) = &account.second_factor else {
        // It was switched off while we waited: the password was right, and that is all that is asked.
        return Some(SecondFactorProof::None);
    };
    if let Some(step) = secret.step_of(code, now.as_second(), account.last_step) {
        return Some(SecondFactorProof::Step(step));
    }
    // The store knows whether it is one of the account's.
    RecoveryCode::typed(code).map(|code| SecondFactorProof::RecoveryCode(code.hash()))
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
