//! `/api/v1/openpgp-keys`: the public keys of recipients, to which messages are encrypted.

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problems;
use crate::administration::Actor;
use crate::openpgp::{KeptKey, Validity};
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, JsonBody, PathPart};

/// All keys, by fingerprint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenPgpKeys)]
pub(in crate::web) struct OpenPgpKeysBody {
    items: Vec<OpenPgpKeyBody>,
}

/// One key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenPgpKey)]
pub(in crate::web) struct OpenPgpKeyBody {
    /// Of the primary key, in upper-case hexadecimal digits.
    fingerprint: String,
    /// Its primary user id.
    user_id: String,
    /// Addresses, and domains as `@example.net`, in lower case.
    stands_for: Vec<String>,
    state: Validity,
    /// When nothing of it can be encrypted to any more; null: never.
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    added_by: String,
}

impl OpenPgpKeyBody {
    fn of(kept: &KeptKey) -> Self {
        Self {
            fingerprint: kept.key.fingerprint.clone(),
            user_id: kept.user_id(),
            stands_for: kept.stands_for.clone(),
            state: kept.key.validity(Timestamp::now()),
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
pub(in crate::web) struct NewOpenPgpKeyBody {
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
    responses((status = 200, body = OpenPgpKeysBody)),
)]
pub(in crate::web) async fn list(context: Ctx) -> Json<OpenPgpKeysBody> {
    let keyring = context.openpgp_keys.keyring();
    let items = keyring.iter().map(OpenPgpKeyBody::of).collect();
    Json(OpenPgpKeysBody { items })
}

/// Adds a key, in the place of an older copy of it.
#[utoipa::path(
    post,
    path = "/api/v1/openpgp-keys",
    tag = "OpenPGP keys",
    request_body = NewOpenPgpKeyBody,
    responses(
        (status = 201, body = OpenPgpKeyBody),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn add(
    context: Ctx,
    actor: Actor,
    JsonBody(NewOpenPgpKeyBody { key, stands_for }): JsonBody<NewOpenPgpKeyBody>,
) -> Result<(StatusCode, Json<OpenPgpKeyBody>), ApiError> {
    let keys = &context.openpgp_keys;
    let added = keys.add(key.into_bytes(), &stands_for, actor).await?;
    Ok((StatusCode::CREATED, Json(OpenPgpKeyBody::of(&added))))
}

/// Removes a key.
#[utoipa::path(
    delete,
    path = "/api/v1/openpgp-keys/{fingerprint}",
    tag = "OpenPGP keys",
    params(("fingerprint" = String, Path, description = "The key")),
    responses((status = 204, description = "Removed")),
)]
pub(in crate::web) async fn remove(
    context: Ctx,
    actor: Actor,
    PathPart(fingerprint): PathPart<String>,
) -> Result<StatusCode, ApiError> {
    context.openpgp_keys.remove(&fingerprint, actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
