//! `/api/v1/statistics/live` and `/api/v1/statistics/series`.

use axum::Json;
use serde::{Deserialize, Serialize};

use crate::statistics::{Grain, HeldRange, Live, Range, Series, Window};
use crate::web::error::ApiError;
use crate::web::extract::Ctx;
use crate::web::pairs::Pairs;

/// The figures of this moment.
#[utoipa::path(
    get,
    path = "/api/v1/statistics/live",
    tag = "statistics",
    responses((status = 200, body = Live)),
)]
pub(in crate::web) async fn live(context: Ctx) -> Result<Json<Live>, ApiError> {
    Ok(Json(context.live().await?))
}

/// What a threshold would have done with the last day's messages.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = WhatIf)]
pub(in crate::web) struct WhatIfBody {
    /// Messages of the last day.
    messages: u64,
    /// How many of them would have stayed in memory. Sizes are counted in classes, so that it lies
    /// between two figures.
    held: HeldRange,
}

/// What another threshold would have done with the last day's messages.
#[utoipa::path(
    get,
    path = "/api/v1/statistics/what-if",
    tag = "statistics",
    params(
        ("memory_threshold_bytes" = u64, Query, description = "The threshold that it is about"),
    ),
    responses((status = 200, body = WhatIfBody)),
)]
pub(in crate::web) async fn what_if(
    context: Ctx,
    mut pairs: Pairs,
) -> Result<Json<WhatIfBody>, ApiError> {
    let threshold = pairs.take_number("memory_threshold_bytes")?;
    pairs.end()?;
    let threshold = threshold
        .ok_or_else(|| ApiError::BadRequest("memory_threshold_bytes: which?".to_owned()))?;
    let sizes = context.statistics.sizes(Window::Day);
    Ok(Json(WhatIfBody {
        messages: sizes.total(),
        held: sizes.held_by(threshold),
    }))
}

/// Which series.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct SeriesOptions {
    /// `hour`, `day` or `month`; the hour unless it is said.
    #[serde(default)]
    #[param(required = false)]
    range: Range,
}

/// The points of the dashboard's charts, the oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/statistics/series",
    tag = "statistics",
    params(SeriesOptions),
    responses((status = 200, body = Series)),
)]
pub(in crate::web) async fn series(context: Ctx, pairs: Pairs) -> Result<Json<Series>, ApiError> {
    let options: SeriesOptions = pairs.into_filter()?;
    let series = context.statistics.series(options.range, Grain::Chart);
    Ok(Json(series))
}
