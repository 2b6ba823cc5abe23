//! `/api/v1/messages` and `/api/v1/messages/{id}`.

use axum::Json;

use super::Problem;
use crate::limits;
use crate::message::MessageId;
use crate::message::trail_listing::{
    MessageFilter, MessagesPage, StoryFilter, StoryPart, TrailOfMessage,
};
use crate::web::access::Visitor;
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, PathPart};
use crate::web::pairs::Pairs;

/// Messages, the newest first: `limit`, and `cursor` with what the page before gave as `next`;
/// everything else in the query narrows.
#[utoipa::path(
    get,
    path = "/api/v1/messages",
    tag = "messages",
    params(
        ("cursor" = Option<MessageId>, Query, description = "What the page before gave as `next`"),
        ("limit" = Option<u32>, Query, description = "Messages of the page, 100 unless said, 1000 at most"),
        MessageFilter,
    ),
    responses(
        (status = 200, body = MessagesPage),
        (status = 503, body = Problem, description = "Each token searches the trail once at a time; this one waited too long"),
    ),
)]
pub(in crate::web) async fn list(
    context: Ctx,
    visitor: Visitor,
    mut pairs: Pairs,
) -> Result<Json<MessagesPage>, ApiError> {
    let limit = pairs.take_limit()?;
    let cursor = match pairs.take("cursor") {
        Some(text) => {
            let cursor: Result<MessageId, _> = text.parse();
            Some(cursor.map_err(|error| ApiError::BadRequest(format!("cursor: {error}")))?)
        }
        None => None,
    };
    let filter: MessageFilter = pairs.into_filter()?;
    let page = context.search(&visitor, move |store| async move {
        store.trail.messages_page(&filter, cursor, limit).await
    });
    Ok(Json(page.await?))
}

/// What happened to one message: how it was answered, what happened last to its recipients, and the
/// newest events of some of them, a page of `limit` behind `offset` others.
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}",
    tag = "messages",
    params(
        ("id" = MessageId, Path, description = "Our id of the message"),
        ("offset" = Option<u64>, Query, description = "Recipients before the page"),
        ("limit" = Option<u32>, Query, description = "Recipients of the page, 100 unless said, which is also the most"),
        StoryFilter,
    ),
    responses(
        (status = 200, body = TrailOfMessage),
        (status = 503, body = Problem, description = "Each token searches the trail once at a time; this one waited too long"),
    ),
)]
pub(in crate::web) async fn trail(
    context: Ctx,
    visitor: Visitor,
    PathPart(id): PathPart<MessageId>,
    mut pairs: Pairs,
) -> Result<Json<TrailOfMessage>, ApiError> {
    let part = StoryPart {
        offset: pairs.take_number("offset")?.unwrap_or(0),
        limit: pairs.take_limit_up_to(limits::PAGE_ITEMS)?,
        filter: pairs.into_filter()?,
    };
    let trail = context.search(&visitor, move |store| async move {
        store.trail.trail_of(id, &part).await
    });
    let trail = trail.await?;
    if trail.answered.is_none() && trail.ends.is_empty() {
        return Err(ApiError::NotFound);
    }
    Ok(Json(trail))
}
