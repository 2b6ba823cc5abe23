//! One recipient in the queue, for pages and API alike: what is stored, what happened, and the message.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;

use super::access::Visitor;
use super::error::ApiError;
use super::{Context, wording};
use crate::limits;
use crate::message::queue_listing::QueuedRecipient;
use crate::message::trail_listing::RecipientStory;
use crate::message::{MessageId, RowId};
use crate::store::LoadError;

/// The recipient of this row of the queue.
pub(super) async fn queued(context: &Context, row: RowId) -> Result<QueuedRecipient, ApiError> {
    let expire_after = context.administration.settings().expire_after_seconds;
    let expire_after =
        i64::try_from(expire_after).map_or(SignedDuration::MAX, SignedDuration::from_secs);
    let found = context.store.queue_view.recipient(row, expire_after);
    found.await?.ok_or(ApiError::NotFound)
}

/// What happened to the recipient.
pub(super) async fn story_of(
    context: &Context,
    visitor: &Visitor,
    recipient: &QueuedRecipient,
) -> Result<RecipientStory, ApiError> {
    let message = recipient.item.message_id;
    let recipient = recipient.item.recipient.clone();
    let story = context.search(visitor, move |store| async move {
        store.trail.story_of(message, &recipient).await
    });
    story.await
}

/// The message as it travels, as plain text and never as anything a browser would run.
pub(super) async fn source_of(context: &Context, message: MessageId) -> Result<Response, ApiError> {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "inline"),
    ];
    let start = context
        .store
        .queue_view
        .source_start(message, limits::SOURCE_BYTES)
        .await;
    let (status, bytes) = match start {
        Ok(start) => {
            let (is_cut, length, missing) = (start.is_cut(), start.length, start.missing_bytes);
            let mut bytes = start.bytes;
            if missing > 0 {
                let note = format!(
                    "\r\n\r\n[damaged: {} are missing here]\r\n",
                    wording::bytes(missing)
                );
                bytes.extend_from_slice(note.as_bytes());
            }
            if is_cut {
                let note = format!(
                    "\r\n\r\n[cut here: these are the first {} of {}]\r\n",
                    wording::bytes(limits::SOURCE_BYTES),
                    wording::bytes(length)
                );
                bytes.extend_from_slice(note.as_bytes());
            }
            (StatusCode::OK, bytes)
        }
        Err(error @ (LoadError::Gone | LoadError::Damaged(_))) => {
            (StatusCode::GONE, format!("{error}\n").into_bytes())
        }
        Err(LoadError::Read(error)) => return Err(error.into()),
    };
    Ok((status, headers, bytes).into_response())
}
