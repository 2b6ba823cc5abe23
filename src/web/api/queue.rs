//! `/api/v1/queue` and `/api/v1/queue/actions`.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Pairs, Problem, read_json};
use crate::administration::queue::{self, Target};
use crate::message::RowId;
use crate::queue::Action;
use crate::store::{QueueFilter, QueueOrder, QueuePage, QueuePageRequest};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::ApiError;

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
    responses((status = 200, body = QueuePage), (status = 400, body = Problem)),
)]
pub(in crate::web) async fn list(
    State(context): State<Arc<Context>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<QueuePage>, ApiError> {
    let mut pairs = Pairs::read(query)?;
    let (order, descending) = match pairs.take("sort") {
        Some(sort) => order(&sort)?,
        None => (QueueOrder::default(), false),
    };
    let page = QueuePageRequest {
        order,
        descending,
        offset: pairs.take_number("offset")?.unwrap_or(0),
        limit: pairs.take_limit()?,
    };
    let filter: QueueFilter = pairs.into_filter()?;
    let found = context.store.queue_page(&filter, page, Timestamp::now());
    Ok(Json(found.await?))
}

fn order(sort: &str) -> Result<(QueueOrder, bool), ApiError> {
    let (word, descending) = match sort.strip_prefix('-') {
        Some(word) => (word, true),
        None => (sort, false),
    };
    serde_json::from_value(Value::String(word.to_owned()))
        .map(|order| (order, descending))
        .map_err(|error| ApiError::BadRequest(format!("sort: {error}")))
}

/// What is to be done, and with whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct ActionRequest {
    action: Action,
    /// These recipients …
    ids: Option<Vec<i64>>,
    /// … or all that match, together with `expect`.
    filter: Option<QueueFilter>,
    /// How many matched when the caller looked; 409 when it is another number now.
    expect: Option<u64>,
}

impl ActionRequest {
    fn target(self) -> Result<Target, ApiError> {
        let problem = match (self.ids, self.filter, self.expect) {
            (Some(ids), None, None) => {
                return Ok(Target::Rows(ids.into_iter().map(RowId).collect()));
            }
            (None, Some(filter), Some(expect)) => {
                return Ok(Target::Matching { filter, expect });
            }
            (None, Some(_), None) => "with a filter, say in expect how many you saw",
            _ => "give ids, or a filter with expect",
        };
        Err(ApiError::BadRequest(problem.to_owned()))
    }
}

/// How many recipients it concerned.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Affected {
    affected: u64,
}

/// Does something with chosen recipients, or with all that match.
#[utoipa::path(
    post,
    path = "/api/v1/queue/actions",
    tag = "queue",
    request_body = ActionRequest,
    responses(
        (status = 200, body = Affected),
        (status = 400, body = Problem),
        (status = 409, body = Problem, description = "The count changed; nothing was done"),
    ),
)]
pub(in crate::web) async fn act(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Affected>, ApiError> {
    let request: ActionRequest = read_json(&body?)?;
    let action = request.action;
    let target = request.target()?;
    let actor = visitor.actor();
    let affected = queue::act(&context.store, &context.queue, action, target, &actor).await?;
    Ok(Json(Affected { affected }))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        check(r#"{"action":"purge","filter":{},"expect":3}"#, Ok(()));
        check(r#"{"action":"purge","filter":{}}"#, Err("expect"));
        check(r#"{"action":"hold"}"#, Err("give ids"));
        check(
            r#"{"action":"hold","ids":[1],"filter":{},"expect":1}"#,
            Err("give ids"),
        );
        check(r#"{"action":"fly","ids":[1]}"#, Err("unknown variant"));
        check(r#"{"action":"hold","ids":[1],"x":1}"#, Err("unknown field"));
        check("[]", Err(""));
    }

    #[test]
    fn sorts() {
        assert_eq!(
            order("-received_at").ok(),
            Some((QueueOrder::ReceivedAt, true))
        );
        assert!(order("weather").is_err());
    }
}
