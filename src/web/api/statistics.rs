//! `/api/v1/statistics/live` and `/api/v1/statistics/series`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::{Pairs, Problem};
use crate::statistics::{Grain, Live, Range, Series};
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
    responses(
        (status = 200, body = Series),
        (status = 400, body = Problem),
    ),
)]
pub(in crate::web) async fn series(
    State(context): State<Arc<Context>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<Series>, ApiError> {
    let options: SeriesOptions = Pairs::read(query)?.into_filter()?;
    let series = context.statistics.series(options.range, Grain::Chart);
    Ok(Json(series))
}
