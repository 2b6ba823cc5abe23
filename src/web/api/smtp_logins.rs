//! `/api/v1/smtp-logins`: who may relay through us by AUTH. Passwords only come in.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problems;
use crate::accounts::SmtpLogin;
use crate::administration::Actor;
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, JsonBody, PathPart};

/// All logins, by name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SmtpLogins)]
pub(in crate::web) struct SmtpLoginsBody {
    items: Vec<SmtpLoginBody>,
}

/// One login.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SmtpLogin)]
pub(in crate::web) struct SmtpLoginBody {
    #[schema(value_type = String)]
    name: Arc<str>,
    note: String,
    created_at: Timestamp,
}

impl From<&SmtpLogin> for SmtpLoginBody {
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
pub(in crate::web) struct NewSmtpLoginBody {
    name: String,
    password: String,
    #[serde(default)]
    note: String,
}

/// What a login is to be opened with from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSmtpPassword)]
pub(in crate::web) struct SmtpPasswordBody {
    password: String,
}

/// All logins by name, without their passwords. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/smtp-logins",
    tag = "SMTP logins",
    responses((status = 200, body = SmtpLoginsBody)),
)]
pub(in crate::web) async fn list(context: Ctx) -> Json<SmtpLoginsBody> {
    let roster = context.smtp_logins.roster();
    let items = roster.iter().map(SmtpLoginBody::from).collect();
    Json(SmtpLoginsBody { items })
}

/// Adds a login.
#[utoipa::path(
    post,
    path = "/api/v1/smtp-logins",
    tag = "SMTP logins",
    request_body = NewSmtpLoginBody,
    responses(
        (status = 201, body = SmtpLoginBody),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn add(
    context: Ctx,
    actor: Actor,
    JsonBody(new): JsonBody<NewSmtpLoginBody>,
) -> Result<(StatusCode, Json<SmtpLoginBody>), ApiError> {
    let logins = &context.smtp_logins;
    let added = logins
        .add(&new.name, new.password, &new.note, actor)
        .await?;
    Ok((StatusCode::CREATED, Json(SmtpLoginBody::from(&added))))
}

/// Gives a login another password.
#[utoipa::path(
    put,
    path = "/api/v1/smtp-logins/{name}",
    tag = "SMTP logins",
    params(("name" = String, Path, description = "The login")),
    request_body = SmtpPasswordBody,
    responses(
        (status = 204, description = "Changed"),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn change(
    context: Ctx,
    actor: Actor,
    PathPart(name): PathPart<String>,
    JsonBody(SmtpPasswordBody { password }): JsonBody<SmtpPasswordBody>,
) -> Result<StatusCode, ApiError> {
    let logins = &context.smtp_logins;
    logins.change_password(&name, password, actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a login.
#[utoipa::path(
    delete,
    path = "/api/v1/smtp-logins/{name}",
    tag = "SMTP logins",
    params(("name" = String, Path, description = "The login")),
    responses((status = 204, description = "Removed")),
)]
pub(in crate::web) async fn remove(
    context: Ctx,
    actor: Actor,
    PathPart(name): PathPart<String>,
) -> Result<StatusCode, ApiError> {
    context.smtp_logins.remove(&name, actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
