//! `/api/v1/settings`.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use serde_json::{Map, Value};

use super::{Problem, Problems, read_json};
use crate::settings::Written;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::ApiError;

/// All settings.
#[utoipa::path(
    get,
    path = "/api/v1/settings",
    tag = "settings",
    responses((status = 200, body = Written)),
)]
pub(in crate::web) async fn show(State(context): State<Arc<Context>>) -> Json<Written> {
    Json(in_force(
        &context,
        context.administration.settings().written(),
    ))
}

/// The settings with the budget that is in force where the machine's memory decides it.
fn in_force(context: &Context, written: &Written) -> Written {
    let mut shown = written.clone();
    if shown.memory_budget_bytes == 0 {
        shown.memory_budget_bytes = context.budget.limit_bytes();
    }
    shown
}

/// Changes a subset, and shows all as they are then.
#[utoipa::path(
    patch,
    path = "/api/v1/settings",
    tag = "settings",
    request_body(content = Written, description = "Any subset of the settings"),
    responses(
        (status = 200, body = Written),
        (status = 400, body = Problem),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn change(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Written>, ApiError> {
    let patch: Map<String, Value> = read_json(&body?)?;
    let actor = visitor.actor();
    let settings = context.administration.change(patch, actor).await?;
    Ok(Json(in_force(&context, settings.written())))
}
