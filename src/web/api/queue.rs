//! `/api/v1/queue` and what stands below it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use crate::administration::Actor;
use crate::administration::queue::{self, ActionProgress, ActionTarget};
use crate::message::RowId;
use crate::message::backlog::{AGE_BOUNDS_SECONDS, AgeRow, Destinations, OtherDestinations};
use crate::message::queue_filter::QueueFilter;
use crate::message::queue_listing::{QueuePage, QueuePageRequest, QueuedRecipient};
use crate::message::trail_listing::TrailEvent;
use crate::queue::QueueAction;
use crate::web::access::Visitor;
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, JsonBody, PathPart};
use crate::web::pairs::Pairs;
use crate::web::queued::{queued, source_of, story_of};

/// One page of the recipients that wait: `sort` (with `-` before it the greatest first), `offset`
/// and `limit`; everything else in the query narrows.
#[utoipa::path(
    get,
    path = "/api/v1/queue",
    tag = "queue",
    params(
        ("sort" = Option<String>, Query, description = "A field's name, with `-` before it the greatest first: received_at, next_attempt_at, recipient, sender, next_hop, state, reason, attempts"),
        ("offset" = Option<u64>, Query, description = "Recipients before the page"),
        ("limit" = Option<u32>, Query, description = "Recipients of the page, 100 unless said, 1000 at most"),
        QueueFilter,
    ),
    responses((status = 200, body = QueuePage)),
)]
pub(in crate::web) async fn list(
    context: Ctx,
    mut pairs: Pairs,
) -> Result<Json<QueuePage>, ApiError> {
    let (order, descending) = pairs.take_sort()?;
    let page = QueuePageRequest {
        order,
        descending,
        offset: pairs.take_number("offset")?.unwrap_or(0),
        limit: pairs.take_limit()?,
    };
    let filter: QueueFilter = pairs.without_blanks().into_filter()?;
    let found = context
        .store
        .queue_view
        .page(&filter, page, Timestamp::now());
    Ok(Json(found.await?))
}

/// What is to be done, and with whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct ActionRequest {
    action: QueueAction,
    /// These recipients …
    ids: Option<Vec<i64>>,
    /// … or all that match, together with `expect`.
    filter: Option<QueueFilter>,
    /// How many there were when the caller looked; 409 when it is another number now.
    expect: Option<u64>,
}

impl ActionRequest {
    fn target(self) -> Result<ActionTarget, ApiError> {
        let problem = match (self.ids, self.filter, self.expect) {
            (Some(ids), None, expect) => {
                let rows = ids.into_iter().map(RowId).collect();
                return Ok(ActionTarget::Rows { rows, expect });
            }
            (None, Some(filter), Some(expect)) => {
                return Ok(ActionTarget::Matching { filter, expect });
            }
            (None, Some(_), None) => "with a filter, say in expect how many you saw",
            _ => "give ids, or a filter with expect",
        };
        Err(ApiError::BadRequest(problem.to_owned()))
    }
}

/// How many recipients it concerned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Outcome)]
pub(in crate::web) enum ActionOutcome {
    /// So many.
    Affected(u64),
    /// It goes on; so many were chosen.
    GoesOn(u64),
}

/// Does something with chosen recipients, or with all that match: 200 with how many it concerned, or
/// 202 with how many were chosen when it takes longer.
#[utoipa::path(
    post,
    path = "/api/v1/queue/actions",
    tag = "queue",
    request_body = ActionRequest,
    responses(
        (status = 200, body = ActionOutcome),
        (status = 202, body = ActionOutcome, description = "It goes on"),
        (status = 409, body = Problem, description = "The count changed; nothing was done"),
    ),
)]
pub(in crate::web) async fn act(
    context: Ctx,
    actor: Actor,
    JsonBody(request): JsonBody<ActionRequest>,
) -> Result<(StatusCode, Json<ActionOutcome>), ApiError> {
    let action = request.action;
    let target = request.target()?;
    let progress = queue::act(&context.store, &context.queue, action, target, &actor).await?;
    Ok(match progress {
        ActionProgress::Done { affected } => {
            (StatusCode::OK, Json(ActionOutcome::Affected(affected)))
        }
        ActionProgress::GoesOn { chosen } => {
            (StatusCode::ACCEPTED, Json(ActionOutcome::GoesOn(chosen)))
        }
    })
}

/// One recipient with its envelope and what happened to it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueuedRecipientWithTrail)]
pub(in crate::web) struct WithTrail {
    #[serde(flatten)]
    recipient: QueuedRecipient,
    /// The newest 500 events, in the order of time.
    trail: Vec<TrailEvent>,
    /// There are earlier ones.
    trail_is_shortened: bool,
}

/// One recipient that waits, with its envelope and what happened to it.
#[utoipa::path(
    get,
    path = "/api/v1/queue/{id}",
    tag = "queue",
    params(("id" = RowId, Path, description = "The id of the recipient in the queue")),
    responses((status = 200, body = WithTrail)),
)]
pub(in crate::web) async fn show(
    context: Ctx,
    visitor: Visitor,
    PathPart(id): PathPart<i64>,
) -> Result<Json<WithTrail>, ApiError> {
    let recipient = queued(&context, RowId(id)).await?;
    let story = story_of(&context, &visitor, &recipient).await?;
    Ok(Json(WithTrail {
        recipient,
        trail: story.events,
        trail_is_shortened: story.is_shortened,
    }))
}

/// The first megabyte of a recipient's message as it travels, and a word where it is cut.
#[utoipa::path(
    get,
    path = "/api/v1/queue/{id}/source",
    tag = "queue",
    params(("id" = RowId, Path, description = "The id of the recipient in the queue")),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 410, body = String, content_type = "text/plain", description = "The message went meanwhile, or cannot be read"),
    ),
)]
pub(in crate::web) async fn source(
    context: Ctx,
    PathPart(id): PathPart<i64>,
) -> Result<Response, ApiError> {
    let message = queued(&context, RowId(id)).await?.item.message_id;
    source_of(&context, message).await
}

/// The table destination × age.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct DestinationTable {
    by: Destinations,
    /// Where one field of `by_age` ends and the next begins.
    #[schema(value_type = Vec<u64>)]
    age_bounds_seconds: [u64; AGE_BOUNDS_SECONDS.len()],
    destinations: Vec<Destination>,
    others: Option<OtherDestinations>,
    paused_next_hops: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueueDestination)]
struct Destination {
    #[serde(flatten)]
    row: AgeRow,
    /// Nothing is sent there; always false for a domain.
    paused: bool,
}

/// The destinations with most recipients, and how long those have waited.
#[utoipa::path(
    get,
    path = "/api/v1/queue/destinations",
    tag = "queue",
    params(
        ("by" = Option<Destinations>, Query, description = "What a destination is, a next hop unless said"),
        ("limit" = Option<u32>, Query, description = "Destinations of their own line, 100 unless said, 1000 at most"),
    ),
    responses((status = 200, body = DestinationTable)),
)]
pub(in crate::web) async fn destinations(
    context: Ctx,
    mut pairs: Pairs,
) -> Result<Json<DestinationTable>, ApiError> {
    let by = pairs.take_destinations()?;
    let most = pairs.take_limit()?;
    pairs.end()?;
    let table = context
        .store
        .queue_view
        .age_table(by, most, Timestamp::now())
        .await?;
    let settings = context.administration.settings();
    let with_pause = |row: AgeRow| Destination {
        paused: by == Destinations::NextHop && settings.is_paused(&row.destination),
        row,
    };
    Ok(Json(DestinationTable {
        by,
        age_bounds_seconds: AGE_BOUNDS_SECONDS,
        destinations: table.destinations.into_iter().map(with_pause).collect(),
        others: table.others,
        paused_next_hops: settings.paused_next_hops.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::extract::read_json;

    fn check(body: &str, expected: Result<(), &str>) {
        let target = read_json::<ActionRequest>(body.as_bytes()).and_then(ActionRequest::target);
        match (target, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{body}: {error}");
            }
            (target, _) => panic!("{body}: {target:?}"),
        }
    }

    #[test]
    fn requests_are_for_ids_or_for_what_was_seen() {
        check(r#"{"action":"retry","ids":[1,2]}"#, Ok(()));
        check(r#"{"action":"retry","ids":[1,2],"expect":2}"#, Ok(()));
        check(r#"{"action":"purge","filter":{},"expect":3}"#, Ok(()));
        check(r#"{"action":"purge","filter":{}}"#, Err("expect"));
        check(r#"{"action":"hold"}"#, Err("give ids"));
        check(
            r#"{"action":"hold","ids":[1],"filter":{},"expect":1}"#,
            Err("give ids"),
        );
        check(r#"{"action":"fly","ids":[1]}"#, Err("“fly” is none of"));
        check(
            r#"{"action":"hold","ids":[1],"x":1}"#,
            Err("“x” is unknown here"),
        );
        check("[]", Err(""));
    }
}
