//! The first administrator: made once, with the one-time password that the log shows.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::json;
use tracing::{info, warn};

use super::Actor;
use super::accounts::{AccountError, Accounts};
use crate::accounts::{AccessToken, AccountId, Role, TokenHash, spelled_secret};
use crate::boot::Secret;
use crate::limits;
use crate::store::{AccessChange, AccessRefusal, ReadError, SecondFactorProof};

/// Under which tries are counted; no account can have this name.
const SETUP: &str = "/setup";

/// What opens /setup. It is never stored.
#[derive(Debug)]
pub(super) struct OneTimePassword {
    hash: TokenHash,
    /// The password itself when we made it; one that was given is known.
    made: Option<Secret>,
}

impl OneTimePassword {
    pub(super) fn new(given: Option<&Secret>) -> Self {
        match given {
            // As what is typed: blanks around it do not count.
            Some(given) => Self {
                hash: TokenHash::of(given.expose().trim()),
                made: None,
            },
            None => {
                let made = spelled_secret(limits::SPELLED_PASSWORD_GROUPS);
                Self {
                    hash: TokenHash::of(&made),
                    made: Some(Secret::new(made)),
                }
            }
        }
    }
}

/// How an administrator can set the appliance up.
#[derive(Clone, Copy, Debug)]
pub enum SetupKey<'a> {
    /// With the password that we made.
    Made(&'a Secret),
    /// With the password that was given at the start.
    Given,
}

impl Accounts {
    /// What opens /setup, for the log and the console; none when it was closed already.
    #[must_use]
    pub fn setup_key(&self) -> Option<SetupKey<'_>> {
        let setup = self.setup.as_ref()?;
        Some(setup.made.as_ref().map_or(SetupKey::Given, SetupKey::Made))
    }

    /// Whether /setup is open: there has never been an administrator.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn setup_is_open(&self) -> Result<bool, ReadError> {
        Ok(self.setup.is_some() && !self.store.setup_is_done().await?)
    }

    /// Makes the first administrator and logs them in. None when they were made, and have to log in by
    /// themselves: that they were not is not an error.
    ///
    /// # Errors
    /// When there has been one, when the one-time password is wrong (`one_time`), when another field
    /// does not hold, or when it was not stored.
    pub async fn set_up(
        &self,
        one_time: &str,
        name: &str,
        password: String,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Option<AccessToken>, AccountError> {
        let Some(setup) = &self.setup else {
            return Err(AccountError::Refused(AccessRefusal::SetupIsDone));
        };
        if !self.setup_is_open().await? {
            return Err(AccountError::Refused(AccessRefusal::SetupIsDone));
        }
        let may_try = self.attempts.may_try(address, SETUP, now);
        may_try.inspect_err(|_| warn!(%address, "too many tries to set up"))?;
        if !setup.hash.is(&TokenHash::of(one_time.trim())) {
            warn!(%address, "a wrong one-time password for the setup");
            return Err(AccountError::field(
                "one_time",
                "this is not the one-time password",
            ));
        }
        let account = self
            .new_account(name, Role::Administrator, password)
            .await?;
        let actor = Actor::at(address, account.name.clone());
        let after = json!({"account": account.name, "role": account.role});
        let note = actor.did("set up", None, Some(after));
        let change = AccessChange::SetUp(account.clone());
        let id = self.store.change_access(change, note).await?;
        info!(%actor, "set up: /setup is closed from now on");
        let account = account.stored(AccountId(id));
        let entered = self
            .enter(&account, SecondFactorProof::None, address, now)
            .await;
        if let Err(error) = &entered {
            warn!(%actor, %error, "who has set up is not logged in");
        }
        Ok(entered.ok())
    }
}
