//! What people do with their own account. Whatever would give a passer-by at a forgotten screen access for good
//! asks for the password again.

use jiff::Timestamp;
use serde_json::json;
use tracing::{info, warn};

use super::Actor;
use super::accounts::{AccountError, Accounts};
use super::login::{is_over, lasts};
use crate::accounts::{AccessToken, AccountId, RecoveryCode, SharedSecret, TokenHash, rules};
use crate::limits;
use crate::store::{
    AccessChange, AccessError, AccessRefusal, AccountPatch, KeptSession, ReadError, StoredAccount,
    StoredSession,
};

/// A second factor that waits for its first code.
#[derive(Clone, Debug)]
pub(super) struct Enrolment {
    account: AccountId,
    secret: SharedSecret,
    since: Timestamp,
}

/// A visitor who is logged in.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// Their account.
    pub account: AccountId,
    /// Their session.
    pub session: TokenHash,
}

impl Accounts {
    /// The visitor's own account.
    ///
    /// # Errors
    /// When it is gone, or cannot be read.
    pub async fn own(&self, login: Login) -> Result<StoredAccount, AccountError> {
        let found = self.store.account(login.account).await?;
        found.ok_or(AccountError::Refused(AccessRefusal::NoSuchAccount))
    }

    /// The visitor's sessions, the one that was used last before the others.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn own_sessions(
        &self,
        login: Login,
        now: Timestamp,
    ) -> Result<Vec<StoredSession>, ReadError> {
        let mut sessions = self.store.sessions_of(login.account).await?;
        sessions.retain(|session| lasts(session, now));
        Ok(sessions)
    }

    /// Changes the visitor's own password. All their sessions end; this one goes on under the token that
    /// this gives.
    ///
    /// # Errors
    /// When the current password is wrong (`current`), the new one does not hold (`password`), or it
    /// was not stored.
    pub async fn change_password(
        &self,
        login: Login,
        current: String,
        password: String,
        actor: &Actor,
    ) -> Result<AccessToken, AccountError> {
        let account = self.confirmed(login, current, actor).await?;
        rules::password(&password, &account.name)
            .map_err(|problem| AccountError::field("password", problem))?;
        let password_hash = Some(self.hash(password).await?);
        let after = json!({"account": account.name});
        let note = actor.did("own password changed", None, Some(after));
        let token = AccessToken::random();
        let kept = KeptSession {
            token: login.session,
            renewed: token.hash(),
        };
        let patch = AccountPatch {
            password_hash,
            kept: Some(kept),
            ..AccountPatch::default()
        };
        let change = AccessChange::AmendAccount(account.id, patch);
        self.store.change_access(change, note).await?;
        self.forget_enrolments(account.id);
        info!(%actor, "own password changed");
        Ok(token)
    }

    /// Begins to switch one-time codes on: [`Self::enrolment`] is what the app has to learn.
    ///
    /// # Errors
    /// When the password is wrong (`current`), or codes are asked for already.
    pub async fn begin_second_factor(
        &self,
        login: Login,
        current: String,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        let account = self.confirmed(login, current, actor).await?;
        if account.second_factor.is_some() {
            return Err(AccountError::Refused(AccessRefusal::SecondFactorIsOn));
        }
        let enrolment = Enrolment {
            account: account.id,
            secret: SharedSecret::random(),
            since: now,
        };
        self.enrolments.insert(login.session, enrolment);
        Ok(())
    }

    /// The secret that waits for its first code in this session.
    #[must_use]
    pub fn enrolment(&self, login: Login, now: Timestamp) -> Option<SharedSecret> {
        let enrolment = self.enrolments.get(&login.session)?;
        let is_open = !is_over(enrolment.since, limits::ENROLMENT_LIFE, now);
        is_open.then_some(enrolment.secret)
    }

    /// Switches one-time codes on with the first of them, and gives the recovery codes, which cannot be
    /// shown again.
    ///
    /// # Errors
    /// When the code is wrong or too late (`code`), when codes are asked for already, or when it was not
    /// stored.
    pub async fn confirm_second_factor(
        &self,
        login: Login,
        code: &str,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<RecoveryCode>, AccountError> {
        let Some(secret) = self.enrolment(login, now) else {
            return Err(AccountError::field(
                "code",
                "that took too long; begin again",
            ));
        };
        let Some(step) = secret.step_of(code, now.as_second(), None) else {
            let problem = "this is not the code of this moment; is the telephone's clock right?";
            return Err(AccountError::field("code", problem));
        };
        let codes = RecoveryCode::set();
        let note = actor.did("second factor switched on", None, None);
        let change = AccessChange::SwitchOnSecondFactor {
            account: login.account,
            secret,
            step,
            recovery_codes: codes.iter().map(RecoveryCode::hash).collect(),
        };
        let switched = self.store.change_access(change, note).await;
        if matches!(
            switched,
            Ok(_) | Err(AccessError::Refused(AccessRefusal::SecondFactorIsOn))
        ) {
            self.forget_enrolments(login.account);
        }
        switched?;
        info!(%actor, "second factor switched on");
        Ok(codes)
    }

    /// Whatever was begun in any session of the account is over.
    fn forget_enrolments(&self, account: AccountId) {
        for (session, enrolment) in &self.enrolments {
            if enrolment.account == account {
                self.enrolments.invalidate(&*session);
            }
        }
    }

    /// Switches one-time codes off.
    ///
    /// # Errors
    /// When the password is wrong (`current`), or it was not stored.
    pub async fn switch_off_second_factor(
        &self,
        login: Login,
        current: String,
        actor: &Actor,
    ) -> Result<(), AccountError> {
        let account = self.confirmed(login, current, actor).await?;
        let patch = AccountPatch {
            without_second_factor: true,
            ..AccountPatch::default()
        };
        let note = actor.did("second factor switched off", None, None);
        let change = AccessChange::AmendAccount(account.id, patch);
        self.store.change_access(change, note).await?;
        info!(%actor, "second factor switched off");
        Ok(())
    }

    /// Ends the visitor's other sessions.
    ///
    /// # Errors
    /// When that was not stored.
    pub async fn end_other_sessions(
        &self,
        login: Login,
        actor: &Actor,
    ) -> Result<(), AccountError> {
        let note = actor.did("other sessions ended", None, None);
        let change = AccessChange::EndOtherSessions {
            account: login.account,
            keep: login.session,
        };
        self.store.change_access(change, note).await?;
        info!(%actor, "other sessions ended");
        Ok(())
    }

    /// The visitor's own account, if the password is right. Tries count as those of logging in.
    async fn confirmed(
        &self,
        login: Login,
        current: String,
        actor: &Actor,
    ) -> Result<StoredAccount, AccountError> {
        let account = self.own(login).await?;
        if let Some(address) = actor.from {
            let attempts = &self.attempts;
            let may_try = attempts.may_try(address, &account.name, Timestamp::now());
            may_try.inspect_err(|_| warn!(%actor, "too many tries of the current password"))?;
        }
        let hash = account.password_hash.expose().to_owned();
        if !self.passwords.verify(current, Some(hash)).await? {
            warn!(%actor, "a wrong current password");
            return Err(AccountError::field("current", "this is not your password"));
        }
        Ok(account)
    }
}

#[cfg(test)]
#[path = "own_account_tests.rs"]
mod tests;
