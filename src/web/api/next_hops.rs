//! `/api/v1/next-hops/test`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;

use super::read_json;
use crate::delivery::Probe;
use crate::web::Context;
use crate::web::error::ApiError;
use crate::web::settings::next_hop_test::TestRequest;

/// Speaks with a next hop's server, and tells each step. No mail is sent.
pub(in crate::web) async fn test(
    State(context): State<Arc<Context>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Probe>, ApiError> {
    let request: TestRequest = read_json(&body?)?;
    let next_hop = request.next_hop(&context.administration.settings());
    let next_hop = next_hop.map_err(ApiError::Fields)?;
    Ok(Json(context.delivery.probe(&next_hop).await))
}
