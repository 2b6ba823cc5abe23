//! `/api/v1/settings`.

use axum::Json;
use serde_json::{Map, Value};

use super::{Problem, Problems};
use crate::accounts::Role;
use crate::administration::{Actor, OpenRelay};
use crate::settings::{SHOWN, SettingsDocument};
use crate::web::access::Visitor;
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, JsonBody};
use crate::web::pairs::Pairs;

/// All settings. The webhook's address is shown to administrators only: its path is often a secret.
#[utoipa::path(
    get,
    path = "/api/v1/settings",
    tag = "settings",
    responses((status = 200, body = SettingsDocument)),
)]
pub(in crate::web) async fn show(context: Ctx, visitor: Visitor) -> Json<SettingsDocument> {
    let mut shown = context.administration.settings().document().clone();
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
    request_body(content = SettingsDocument, description = "Any subset of the settings"),
    responses(
        (status = 200, body = SettingsDocument),
        (status = 413, body = Problem, description = "More than 16 MiB"),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn change(
    context: Ctx,
    actor: Actor,
    mut pairs: Pairs,
    JsonBody(patch): JsonBody<Map<String, Value>>,
) -> Result<Json<SettingsDocument>, ApiError> {
    let open_relay = open_relay(&mut pairs)?;
    pairs.end()?;
    let administration = &context.administration;
    let changing = administration.change_with(move |_| Ok(patch), open_relay, actor);
    Ok(Json(changing.await?.document().clone()))
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
