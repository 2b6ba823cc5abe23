//! `/api/v1/statistics/live`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::statistics::Live;
use crate::web::Context;
use crate::web::error::ApiError;

/// The figures of this moment.
#[utoipa::path(
    get,
    path = "/api/v1/statistics/live",
    tag = "statistics",
    responses((status = 200, body = Live)),
)]
pub(in crate::web) async fn live(
    State(context): State<Arc<Context>>,
) -> Result<Json<Live>, ApiError> {
    Ok(Json(context.live().await?))
}
