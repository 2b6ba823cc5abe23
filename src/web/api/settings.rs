//! `/api/v1/settings`.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use serde_json::{Map, Value};

use super::{Pairs, Problem, Problems, read_json};
use crate::accounts::Role;
use crate::administration::OpenRelay;
use crate::settings::{SHOWN, Written};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::ApiError;

/// All settings. The webhook's address is shown to administrators only: its path is often a secret.
#[utoipa::path(
    get,
    path = "/api/v1/settings",
    tag = "settings",
    responses((status = 200, body = Written)),
)]
pub(in crate::web) async fn show(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
) -> Json<Written> {
    let mut shown = context.administration.settings().written().clone();
    if visitor.role < Role::Administrator && shown.alert_webhook_url.is_some() {
        shown.alert_webhook_url = Some(SHOWN.to_owned());
    }
    Json(shown)
}

/// Changes a subset, and shows all as they are then.
#[utoipa::path(
    patch,
    path = "/api/v1/settings",
    tag = "settings",
    params(
        ("open_relay" = Option<String>, Query, description = "“meant” where nearly everybody is to get what is meant for few: by trusted_networks, relay_domains, listeners, web_proxies or blackhole_lists.allowed_networks; such a change is refused otherwise"),
    ),
    request_body(content = Written, description = "Any subset of the settings"),
    responses(
        (status = 200, body = Written),
        (status = 400, body = Problem),
        (status = 413, body = Problem, description = "More than 16 MiB"),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn change(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Written>, ApiError> {
    let mut query = Pairs::read(query)?;
    let open_relay = open_relay(&mut query)?;
    query.end()?;
    let patch: Map<String, Value> = read_json(&body?)?;
    let (administration, actor) = (&context.administration, visitor.actor());
    let changing = administration.change_with(move |_| Ok(patch), open_relay, actor);
    Ok(Json(changing.await?.written().clone()))
}

fn open_relay(query: &mut Pairs) -> Result<OpenRelay, ApiError> {
    match query.take("open_relay").as_deref() {
        None => Ok(OpenRelay::Unsaid {
            how: "repeat the request with ?open_relay=meant if that is meant",
        }),
        Some("meant") => Ok(OpenRelay::Meant),
        Some(_) => Err(ApiError::BadRequest(
            "open_relay: may only be “meant”".to_owned(),
        )),
    }
}
