//! `/api/v1/tokens` and `/api/v1/tokens/{id}`.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Problems};
use crate::accounts::{ApiTokenId, Scope, StoredApiToken};
use crate::administration::Actor;
use crate::web::access::TokenOwner;
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, JsonBody, PathPart};

/// All tokens, without what opens anything.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiTokens)]
pub(in crate::web) struct TokensBody {
    items: Vec<StoredApiToken>,
}

/// All tokens by name, without what opens anything. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "tokens",
    responses((status = 200, body = TokensBody)),
)]
pub(in crate::web) async fn list(context: Ctx) -> Result<Json<TokensBody>, ApiError> {
    let items = context.store.administration.api_tokens().await?;
    Ok(Json(TokensBody { items }))
}

/// A new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiToken)]
pub(in crate::web) struct NewTokenBody {
    name: String,
    scope: Scope,
}

/// A token that was made just now: the only answer that ever shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiToken)]
pub(in crate::web) struct CreatedTokenBody {
    id: i64,
    name: String,
    scope: Scope,
    token: String,
}

/// Makes a token, and shows it this once. It is revoked with the account that the token is of which
/// makes it.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    tag = "tokens",
    request_body = NewTokenBody,
    responses(
        (status = 201, body = CreatedTokenBody),
        (status = 409, body = Problem, description = "The name is taken, or there are too many tokens"),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn create(
    context: Ctx,
    actor: Actor,
    TokenOwner(owner): TokenOwner,
    JsonBody(new): JsonBody<NewTokenBody>,
) -> Result<(StatusCode, Json<CreatedTokenBody>), ApiError> {
    let accounts = &context.accounts;
    let created = accounts.create_api_token(&new.name, new.scope, owner, &actor);
    let (id, token) = created.await?;
    let created = CreatedTokenBody {
        id: id.0,
        name: new.name.trim().to_owned(),
        scope: new.scope,
        token: token.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Revokes a token: it opens nothing from now on.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    tag = "tokens",
    params(("id" = i64, Path, description = "The id of the token")),
    responses((status = 204, description = "Revoked")),
)]
pub(in crate::web) async fn revoke(
    context: Ctx,
    actor: Actor,
    PathPart(id): PathPart<i64>,
) -> Result<StatusCode, ApiError> {
    let revoked = context.accounts.revoke_api_token(ApiTokenId(id), &actor);
    revoked.await?;
    Ok(StatusCode::NO_CONTENT)
}
