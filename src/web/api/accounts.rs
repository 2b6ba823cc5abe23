//! `/api/v1/accounts` and `/api/v1/accounts/{name}`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Problems, read_json};
use crate::accounts::Role;
use crate::administration::AccountChange;
use crate::store::StoredAccount;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::ApiError;

/// All accounts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accounts)]
pub(in crate::web) struct List {
    items: Vec<Account>,
}

/// An account, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Account {
    name: String,
    role: Role,
    /// One-time codes are asked for.
    second_factor: bool,
    created_at: Timestamp,
}

impl From<StoredAccount> for Account {
    fn from(stored: StoredAccount) -> Self {
        Self {
            name: stored.name,
            role: stored.role,
            second_factor: stored.second_factor.is_some(),
            created_at: stored.created_at,
        }
    }
}

/// All accounts by name. For administrators, as everything about accounts.
#[utoipa::path(
    get,
    path = "/api/v1/accounts",
    tag = "accounts",
    responses((status = 200, body = List)),
)]
pub(in crate::web) async fn list(
    State(context): State<Arc<Context>>,
) -> Result<Json<List>, ApiError> {
    let accounts = context.accounts.list().await?;
    let items = accounts.into_iter().map(Account::from).collect();
    Ok(Json(List { items }))
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccount)]
struct New {
    name: String,
    role: Role,
    password: String,
}

/// Makes an account and shows it.
#[utoipa::path(
    post,
    path = "/api/v1/accounts",
    tag = "accounts",
    request_body = New,
    responses(
        (status = 201, body = Account),
        (status = 400, body = Problem),
        (status = 409, body = Problem, description = "The name is taken, or there are too many accounts"),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn create(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Account>), ApiError> {
    let new: New = read_json(&body?)?;
    let (accounts, actor) = (&context.accounts, visitor.actor());
    let created = accounts.create(&new.name, new.role, new.password, &actor);
    Ok((StatusCode::CREATED, Json(created.await?.into())))
}

/// What is to be another. A second factor can only be switched off: to switch it on one needs the
/// telephone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountChange)]
struct Change {
    role: Option<Role>,
    password: Option<String>,
    second_factor: Option<bool>,
}

/// Changes an account and shows it as it is then. With a new role or password its sessions end; its API
/// tokens that may do more than a new role are revoked.
#[utoipa::path(
    patch,
    path = "/api/v1/accounts/{name}",
    tag = "accounts",
    params(("name" = String, Path, description = "The account")),
    request_body = Change,
    responses(
        (status = 200, body = Account),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "The last administrator stays one"),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn change(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Account>, ApiError> {
    let change: Change = read_json(&body?)?;
    if change.second_factor == Some(true) {
        let problem = "second_factor: its owner switches it on, under their name";
        return Err(ApiError::BadRequest(problem.to_owned()));
    }
    let change = AccountChange {
        role: change.role,
        password: change.password,
        without_second_factor: change.second_factor == Some(false),
    };
    let accounts = &context.accounts;
    let amended = accounts.amend(&name, change, &visitor.actor()).await?;
    Ok(Json(amended.into()))
}

/// Removes an account, ends its sessions, and revokes the API tokens that were made with it.
#[utoipa::path(
    delete,
    path = "/api/v1/accounts/{name}",
    tag = "accounts",
    params(("name" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "The last administrator stays"),
    ),
)]
pub(in crate::web) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    context.accounts.remove(&name, &visitor.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
