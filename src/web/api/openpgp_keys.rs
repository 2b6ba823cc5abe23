//! `/api/v1/openpgp-keys`: the public keys of recipients, to which messages are encrypted.

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
use crate::administration::openpgp_keys::user_id;
use crate::openpgp::{KeptKey, Validity};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::ApiError;

/// All keys, by fingerprint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenPgpKeys)]
pub(in crate::web) struct Listing {
    items: Vec<Item>,
}

/// One key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenPgpKey)]
pub(in crate::web) struct Item {
    /// Of the primary key, in upper-case hexadecimal digits.
    fingerprint: String,
    /// Its primary user id.
    user_id: String,
    /// Addresses, and domains as `@example.net`, in lower case.
    stands_for: Vec<String>,
    state: KeyState,
    /// When nothing of it can be encrypted to any more; null: never.
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    added_by: String,
}

/// Whether a key can be used now, and why not. One that cannot counts as none.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OpenPgpKeyState)]
enum KeyState {
    Valid,
    Expired,
    Revoked,
    NoEncryptionKey,
}

impl Item {
    fn of(kept: &KeptKey) -> Self {
        Self {
            fingerprint: kept.key.fingerprint.clone(),
            user_id: user_id(kept),
            stands_for: kept.stands_for.clone(),
            state: match kept.key.validity(Timestamp::now()) {
                Validity::Valid => KeyState::Valid,
                Validity::Expired => KeyState::Expired,
                Validity::Revoked => KeyState::Revoked,
                Validity::NoEncryptionKey => KeyState::NoEncryptionKey,
            },
            expires_at: kept.key.expires_at(),
            created_at: kept.created_at,
            added_by: kept.added_by.clone(),
        }
    }
}

/// A new key, or a newer copy of one that is there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOpenPgpKey)]
struct NewKey {
    /// One public key, armored.
    key: String,
    /// Addresses, and domains as `@example.net`; empty: the addresses that the key itself names.
    #[serde(default)]
    stands_for: Vec<String>,
}

/// All keys by fingerprint. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/openpgp-keys",
    tag = "OpenPGP keys",
    responses((status = 200, body = Listing)),
)]
pub(in crate::web) async fn list(State(context): State<Arc<Context>>) -> Json<Listing> {
    let keyring = context.openpgp_keys.keyring();
    let items = keyring.iter().map(Item::of).collect();
    Json(Listing { items })
}

/// Adds a key, in the place of an older copy of it.
#[utoipa::path(
    post,
    path = "/api/v1/openpgp-keys",
    tag = "OpenPGP keys",
    request_body = NewKey,
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
    let NewKey { key, stands_for } = read_json(&body?)?;
    let keys = &context.openpgp_keys;
    let added = keys
        .add(key.into_bytes(), &stands_for, visitor.actor())
        .await?;
    Ok((StatusCode::CREATED, Json(Item::of(&added))))
}

/// Removes a key.
#[utoipa::path(
    delete,
    path = "/api/v1/openpgp-keys/{fingerprint}",
    tag = "OpenPGP keys",
    params(("fingerprint" = String, Path, description = "The key")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, body = Problem),
    ),
)]
pub(in crate::web) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(fingerprint): Path<String>,
) -> Result<StatusCode, ApiError> {
    let keys = &context.openpgp_keys;
    keys.remove(&fingerprint, visitor.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
