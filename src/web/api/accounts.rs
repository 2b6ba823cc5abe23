//! `/api/v1/accounts` and `/api/v1/accounts/{name}`.

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Problems};
use crate::accounts::Role;
use crate::administration::{AccountChange, Actor};
use crate::store::StoredAccount;
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, JsonBody, PathPart};

/// All accounts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accounts)]
pub(in crate::web) struct AccountsBody {
    items: Vec<AccountBody>,
}

/// An account, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(in crate::web) struct AccountBody {
    name: String,
    role: Role,
    /// One-time codes are asked for.
    second_factor: bool,
    created_at: Timestamp,
}

impl From<StoredAccount> for AccountBody {
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
    responses((status = 200, body = AccountsBody)),
)]
pub(in crate::web) async fn list(context: Ctx) -> Result<Json<AccountsBody>, ApiError> {
    let accounts = context.accounts.list().await?;
    let items = accounts.into_iter().map(AccountBody::from).collect();
    Ok(Json(AccountsBody { items }))
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccount)]
pub(in crate::web) struct NewAccountBody {
    name: String,
    role: Role,
    password: String,
}

/// Makes an account and shows it.
#[utoipa::path(
    post,
    path = "/api/v1/accounts",
    tag = "accounts",
    request_body = NewAccountBody,
    responses(
        (status = 201, body = AccountBody),
        (status = 409, body = Problem, description = "The name is taken, or there are too many accounts"),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn create(
    context: Ctx,
    actor: Actor,
    JsonBody(new): JsonBody<NewAccountBody>,
) -> Result<(StatusCode, Json<AccountBody>), ApiError> {
    let accounts = &context.accounts;
    let created = accounts.create(&new.name, new.role, new.password, &actor);
    Ok((StatusCode::CREATED, Json(created.await?.into())))
}

/// What is to be another. A second factor can only be switched off: to switch it on one needs the
/// telephone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountChange)]
pub(in crate::web) struct AccountPatchBody {
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
    request_body = AccountPatchBody,
    responses(
        (status = 200, body = AccountBody),
        (status = 409, body = Problem, description = "The last administrator stays one"),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn change(
    context: Ctx,
    actor: Actor,
    PathPart(name): PathPart<String>,
    JsonBody(change): JsonBody<AccountPatchBody>,
) -> Result<Json<AccountBody>, ApiError> {
    if change.second_factor == Some(true) {
        let problem = "second_factor: its owner switches it on, under their name";
        return Err(ApiError::BadRequest(problem.to_owned()));
    }
    let change = AccountChange {
        role: change.role,
        password: change.password,
        without_second_factor: change.second_factor == Some(false),
    };
    let amended = context.accounts.amend(&name, change, &actor).await?;
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
        (status = 409, body = Problem, description = "The last administrator stays"),
    ),
)]
pub(in crate::web) async fn remove(
    context: Ctx,
    actor: Actor,
    PathPart(name): PathPart<String>,
) -> Result<StatusCode, ApiError> {
    context.accounts.remove(&name, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
