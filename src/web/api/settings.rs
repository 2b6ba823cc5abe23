//! `/api/v1/settings`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use serde_json::{Map, Value};

use super::read_json;
use crate::settings::Written;
use crate::web::connections::ClientAddress;
use crate::web::error::ApiError;
use crate::web::{Context, access};

/// All settings.
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
pub(in crate::web) async fn change(
    State(context): State<Arc<Context>>,
    client: ConnectInfo<ClientAddress>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Written>, ApiError> {
    let patch: Map<String, Value> = read_json(&body?)?;
    let actor = access::actor(&client);
    let settings = context.administration.change(patch, actor).await?;
    Ok(Json(in_force(&context, settings.written())))
}
