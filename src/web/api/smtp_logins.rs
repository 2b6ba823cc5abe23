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

use super::read_json;
use crate::accounts::SmtpLogin;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::ApiError;

/// All logins, by name.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Listing {
    items: Vec<Item>,
}

/// One login.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Item {
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

/// What POST takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLogin {
    name: String,
    password: String,
    #[serde(default)]
    note: String,
}

/// What PUT takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

/// GET.
pub(in crate::web) async fn list(State(context): State<Arc<Context>>) -> Json<Listing> {
    let roster = context.smtp_logins.roster();
    let items = roster.iter().map(Item::from).collect();
    Json(Listing { items })
}

/// POST: one more login.
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

/// PUT: another password.
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

/// DELETE: one less.
pub(in crate::web) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    context.smtp_logins.remove(&name, visitor.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
