//! API tokens: shown once when they are made, and known by their hash from then on.

use jiff::Timestamp;
use serde_json::json;
use tracing::info;

use super::Actor;
use super::accounts::{AccountError, Accounts};
use super::login::is_over;
use crate::accounts::{
    AccessToken, AccountId, ApiTokenId, Scope, StoredApiToken, TokenHash, rules,
};
use crate::boot::Secret;
use crate::limits;
use crate::store::{
    AccessChange, AccessError, AccessRefusal, AdministrationStore, LastUse, NewApiToken, ReadError,
    StoreError, TOKEN_REVOKED,
};

/// The name of the token that the first start was given.
const OF_FIRST_START: &str = "first start";

impl Accounts {
    /// The tokens of an account, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn api_tokens_of(
        &self,
        account: AccountId,
    ) -> Result<Vec<StoredApiToken>, ReadError> {
        let mut tokens = self.store.api_tokens().await?;
        tokens.retain(|token| token.account == Some(account));
        Ok(tokens)
    }

    /// The token of this row.
    ///
    /// # Errors
    /// When there is none, or the tokens cannot be read.
    pub async fn api_token_of_row(&self, id: ApiTokenId) -> Result<StoredApiToken, AccountError> {
        let tokens = self.store.api_tokens().await?;
        let token = tokens.into_iter().find(|token| token.id == id);
        token.ok_or(AccountError::Refused(AccessRefusal::NoSuchToken))
    }

    /// Makes a token. It cannot be shown again. It goes with `account`, if it is of one.
    ///
    /// # Errors
    /// When the name does not hold or is taken (`name`), or it was not stored.
    pub async fn create_api_token(
        &self,
        name: &str,
        scope: Scope,
        account: Option<AccountId>,
        actor: &Actor,
    ) -> Result<(ApiTokenId, AccessToken), AccountError> {
        let name =
            rules::token_name(name).map_err(|problem| AccountError::field("name", problem))?;
        let token = AccessToken::random();
        let new = NewApiToken {
            account,
            ..new(name.clone(), token.hash(), scope, actor)
        };
        let after = json!({"token": name, "scope": scope});
        let note = actor.did("API token created", None, Some(after));
        let change = AccessChange::CreateApiToken(new);
        let id = self.store.change_access(change, note).await?;
        info!(token = name, %scope, %actor, "API token created");
        Ok((ApiTokenId(id), token))
    }

    /// Forgets a token: it opens nothing any more.
    ///
    /// # Errors
    /// When there is none, or that was not stored.
    pub async fn revoke_api_token(
        &self,
        id: ApiTokenId,
        actor: &Actor,
    ) -> Result<(), AccountError> {
        let token = self.api_token_of_row(id).await?;
        let note = actor.did(TOKEN_REVOKED, Some(token.noted()), None);
        let change = AccessChange::RevokeApiToken(id);
        self.store.change_access(change, note).await?;
        info!(token = token.name, %actor, "API token revoked");
        Ok(())
    }

    /// The token that a program shows, if it is known. That it is in use is written down now and then, without
    /// waiting for it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn api_token(
        &self,
        shown: &str,
        now: Timestamp,
    ) -> Result<Option<StoredApiToken>, ReadError> {
        let found = self.store.api_token(&TokenHash::of(shown)).await?;
        if let Some(token) = &found
            && token
                .last_used_at
                .is_none_or(|last| is_over(last, limits::SEEN_INTERVAL, now))
        {
            self.store.note_use(LastUse::ApiToken(token.id), now);
        }
        Ok(found)
    }
}

/// Makes the token known that the first start was given. When a first start was cut off behind this,
/// it is known already.
pub(super) async fn adopt(
    store: &AdministrationStore,
    given: &Secret,
    actor: &Actor,
) -> Result<(), StoreError> {
    let token = TokenHash::of(given.expose());
    let new = new(OF_FIRST_START.to_owned(), token, Scope::ReadWrite, actor);
    let after = json!({"token": OF_FIRST_START, "scope": Scope::ReadWrite});
    let note = actor.did("API token created", None, Some(after));
    let change = AccessChange::CreateApiToken(new);
    match store.change_access(change, note).await {
        Ok(_) | Err(AccessError::Refused(_)) => Ok(()),
        Err(AccessError::Store(error)) => Err(error),
    }
}

fn new(name: String, token: TokenHash, scope: Scope, actor: &Actor) -> NewApiToken {
    NewApiToken {
        name,
        token,
        scope,
        created_at: Timestamp::now(),
        created_by: actor.who.clone(),
        account: None,
    }
}
