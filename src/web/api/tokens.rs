//! `/api/v1/tokens` and `/api/v1/tokens/{id}`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Problems, read_json};
use crate::accounts::{ApiTokenId, Scope};
use crate::store::StoredApiToken;
use crate::web::Context;
use crate::web::access::{TokenOwner, Visitor};
use crate::web::error::ApiError;

/// All tokens, without what opens anything.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiTokens)]
pub(in crate::web) struct List {
    items: Vec<StoredApiToken>,
}

/// All tokens by name, without what opens anything. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "tokens",
    responses((status = 200, body = List)),
)]
pub(in crate::web) async fn list(
    State(context): State<Arc<Context>>,
) -> Result<Json<List>, ApiError> {
    let items = context.accounts.api_tokens().await?;
    Ok(Json(List { items }))
}

/// A new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiToken)]
struct New {
    name: String,
    scope: Scope,
}

/// A token that was made just now: the only answer that ever shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiToken)]
pub(in crate::web) struct Created {
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
    request_body = New,
    responses(
        (status = 201, body = Created),
        (status = 400, body = Problem),
        (status = 409, body = Problem, description = "The name is taken, or there are too many tokens"),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn create(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Extension(TokenOwner(owner)): Extension<TokenOwner>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Created>), ApiError> {
    let new: New = read_json(&body?)?;
    let (accounts, actor) = (&context.accounts, visitor.actor());
    let created = accounts.create_api_token(&new.name, new.scope, owner, &actor);
    let (id, token) = created.await?;
    let created = Created {
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
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, body = Problem),
    ),
)]
pub(in crate::web) async fn revoke(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    let (accounts, actor) = (&context.accounts, visitor.actor());
    accounts.revoke_api_token(ApiTokenId(id), &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
