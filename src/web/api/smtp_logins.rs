//! `/api/v1/smtp-logins`: who may relay through us by AUTH. Passwords only come in.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Problems, read_json};
use crate::accounts::SmtpLogin;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::ApiError;

/// All logins, by name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SmtpLogins)]
pub(in crate::web) struct Listing {
    items: Vec<Item>,
}

/// One login.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SmtpLogin)]
pub(in crate::web) struct Item {
    #[schema(value_type = String)]
    name: Arc<str>,
    note: String,
    created_at: Timestamp,
}

impl From<&SmtpLogin> for Item {
    fn from(login: &SmtpLogin) -> Self {
        Self {
            name: Arc::clone(&login.name),
            note: login.note.clone(),
            created_at: login.created_at,
        }
    }
}

/// A new login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSmtpLogin)]
struct NewLogin {
    name: String,
    password: String,
    #[serde(default)]
    note: String,
}

/// What a login is to be opened with from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSmtpPassword)]
struct NewPassword {
    password: String,
}

/// All logins by name, without their passwords. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/smtp-logins",
    tag = "SMTP logins",
    responses((status = 200, body = Listing)),
)]
pub(in crate::web) async fn list(State(context): State<Arc<Context>>) -> Json<Listing> {
    let roster = context.smtp_logins.roster();
    let items = roster.iter().map(Item::from).collect();
    Json(Listing { items })
}

/// Adds a login.
#[utoipa::path(
    post,
    path = "/api/v1/smtp-logins",
    tag = "SMTP logins",
    request_body = NewLogin,
    responses(
        (status = 201, body = Item),
        (status = 400, body = Problem),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn add(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Item>), ApiError> {
    let NewLogin {
        name,
        password,
        note,
    } = read_json(&body?)?;
    let added = context
        .smtp_logins
        .add(&name, password, &note, visitor.actor())
        .await?;
    Ok((StatusCode::CREATED, Json(Item::from(&added))))
}

/// Gives a login another password.
#[utoipa::path(
    put,
    path = "/api/v1/smtp-logins/{name}",
    tag = "SMTP logins",
    params(("name" = String, Path, description = "The login")),
    request_body = NewPassword,
    responses(
        (status = 204, description = "Changed"),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn change(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let NewPassword { password } = read_json(&body?)?;
    context
        .smtp_logins
        .change_password(&name, password, visitor.actor())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a login.
#[utoipa::path(
    delete,
    path = "/api/v1/smtp-logins/{name}",
    tag = "SMTP logins",
    params(("name" = String, Path, description = "The login")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, body = Problem),
    ),
)]
pub(in crate::web) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    context.smtp_logins.remove(&name, visitor.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
