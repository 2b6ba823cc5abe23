//! `/api/v1/next-hops` and what stands below it.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problems;
use crate::administration::Actor;
use crate::administration::queue::set_paused;
use crate::delivery::{NextHopFigures, Probe, Suspension};
use crate::limits;
use crate::statistics::live::Percentiles;
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, JsonBody};
use crate::web::settings::next_hop_test::NextHopTestRequest;

/// The busiest first, at most [`limits::PAGE_ITEMS_MAX`].
#[derive(Serialize, ToSchema)]
#[schema(as = NextHops)]
pub(in crate::web) struct NextHopsBody {
    items: Vec<NextHopBody>,
}

/// One next hop since start.
#[derive(Serialize, ToSchema)]
#[schema(as = NextHop)]
struct NextHopBody {
    #[schema(value_type = String)]
    name: Arc<str>,
    recipients: OutcomesBody,
    /// Delivered ÷ all, 0 to 1; null when none was tried.
    success_share: Option<f64>,
    /// Of the last minutes' attempts.
    latency_seconds: Percentiles,
    open_connections: u32,
    breaker: BreakerBody,
}

/// Recipients by what their attempts meant.
#[derive(Serialize, ToSchema)]
#[schema(as = NextHopOutcomes)]
struct OutcomesBody {
    delivered: u64,
    deferred: u64,
    refused: u64,
    uncertain: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NextHopBreaker)]
struct BreakerBody {
    is_open: bool,
    /// Until the next probe; null when the breaker is closed.
    probe_in_seconds: Option<f64>,
}

/// What is known of the next hops, the busiest first.
#[utoipa::path(
    get,
    path = "/api/v1/next-hops",
    tag = "next hops",
    responses((status = 200, body = NextHopsBody)),
)]
pub(in crate::web) async fn list(context: Ctx) -> Json<NextHopsBody> {
    let mut figures = (context.next_hops)();
    figures.sort_by_key(|next_hop| Reverse(next_hop.attempted()));
    figures.truncate(limits::PAGE_ITEMS_MAX as usize);
    Json(NextHopsBody {
        items: figures.into_iter().map(NextHopBody::from).collect(),
    })
}

/// Speaks with a next hop's server, and tells each step. No mail is sent. For
/// administrators.
#[utoipa::path(
    post,
    path = "/api/v1/next-hops/test",
    tag = "next hops",
    request_body = NextHopTestRequest,
    responses(
        (status = 200, body = Probe),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn test(
    context: Ctx,
    JsonBody(request): JsonBody<NextHopTestRequest>,
) -> Result<Json<Probe>, ApiError> {
    let next_hop = request.next_hop(&context.administration.settings());
    let next_hop = next_hop.map_err(ApiError::Fields)?;
    Ok(Json(context.delivery.probe(&next_hop).await))
}

/// Pauses or resumes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct PauseRequest {
    /// Its name, as the queue has it.
    next_hop: String,
    /// Nothing is sent there until it is resumed.
    paused: bool,
}

/// The next hops that nothing is sent to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Paused)]
pub(in crate::web) struct PausedNextHopsBody {
    paused_next_hops: Vec<String>,
}

/// Pauses or resumes one next hop, whatever others do to other ones meanwhile.
#[utoipa::path(
    post,
    path = "/api/v1/next-hops/pause",
    tag = "next hops",
    request_body = PauseRequest,
    responses(
        (status = 200, body = PausedNextHopsBody),
        (status = 422, body = Problems),
    ),
)]
pub(in crate::web) async fn pause(
    context: Ctx,
    actor: Actor,
    JsonBody(PauseRequest { next_hop, paused }): JsonBody<PauseRequest>,
) -> Result<Json<PausedNextHopsBody>, ApiError> {
    let changed = set_paused(&context.administration, next_hop, paused, actor).await?;
    Ok(Json(PausedNextHopsBody {
        paused_next_hops: changed.paused_next_hops.clone(),
    }))
}

impl From<NextHopFigures> for NextHopBody {
    fn from(figures: NextHopFigures) -> Self {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let probe_in = match figures.suspension {
            Suspension::None => None,
            Suspension::Suspended { probe_in } => Some(probe_in),
        };
        Self {
            success_share: figures.success_share(),
            recipients: OutcomesBody {
                delivered: figures.delivered,
                deferred: figures.deferred,
                refused: figures.refused,
                uncertain: figures.uncertain,
            },
            latency_seconds: Percentiles {
                p50: seconds(figures.latency_p50),
                p99: seconds(figures.latency_p99),
            },
            open_connections: figures.open_connections,
            breaker: BreakerBody {
                is_open: probe_in.is_some(),
                probe_in_seconds: seconds(probe_in),
            },
            name: figures.name,
        }
    }
}
