//! `/api/v1/tokens` and `/api/v1/tokens/{id}`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::read_json;
use crate::accounts::{ApiTokenId, Scope};
use crate::store::StoredApiToken;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::ApiError;

/// All tokens, without what opens anything.
#[derive(Debug, Serialize)]
pub(in crate::web) struct List {
    items: Vec<StoredApiToken>,
}

/// All tokens by name.
pub(in crate::web) async fn list(
    State(context): State<Arc<Context>>,
) -> Result<Json<List>, ApiError> {
    let items = context.accounts.api_tokens().await?;
    Ok(Json(List { items }))
}

/// A new token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    scope: Scope,
}

/// A token that was made just now: the only answer that ever shows it.
#[derive(Serialize)]
pub(in crate::web) struct Created {
    id: i64,
    name: String,
    scope: Scope,
    token: String,
}

/// Makes a token.
pub(in crate::web) async fn create(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Created>), ApiError> {
    let new: New = read_json(&body?)?;
    let (accounts, actor) = (&context.accounts, visitor.actor());
    let created = accounts.create_api_token(&new.name, new.scope, &actor);
    let (id, token) = created.await?;
    let created = Created {
        id: id.0,
        name: new.name.trim().to_owned(),
        scope: new.scope,
        token: token.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Revokes a token.
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
