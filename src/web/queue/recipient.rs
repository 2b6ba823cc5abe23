//! `/queue/{id}`: one recipient with its envelope, its attempts, the message's header and source.

use askama::Template;
use axum::response::Response;
use jiff::Timestamp;

use super::actions::{Button, buttons};
use super::headers::{self, ShownHeader};
use super::row::QueueRow;
use crate::accounts::Role;
use crate::limits;
use crate::message::queue_listing::QueuedRecipient;
use crate::message::trail_listing::TrailEvent;
use crate::message::{RowId, RowState};
use crate::store::LoadError;
use crate::web::access::Visitor;
use crate::web::error::{ApiError, PageError};
use crate::web::extract::{Ctx, PathPart};
use crate::web::page::{Frame, Page, Section, render};
use crate::web::queued::{queued, source_of, story_of};
use crate::web::{Context, wording};

#[derive(Template)]
#[template(path = "queue_recipient.html")]
struct RecipientPage {
    frame: Frame,
    may_operate: bool,
    row: QueueRow,
    /// For a damaged message: what is wrong, what is left, and what follows.
    damage: Option<String>,
    message_id: String,
    /// Names and values, in the order of an SMTP session.
    envelope: Vec<(&'static str, String)>,
    times: Vec<(&'static str, String)>,
    events: Vec<EventLine>,
    /// There are earlier events, which are not shown.
    is_shortened: bool,
    /// None for visitors who may not read mail.
    message: Option<MessagePart>,
    buttons: Vec<Button>,
}

/// What the page shows of the message itself.
struct MessagePart {
    header: Result<ShownHeader, String>,
    source_url: String,
}

struct EventLine {
    at: String,
    what: String,
    tag: String,
    words: String,
    /// Server, TLS and duration of an attempt.
    with: String,
}

/// The page.
pub(in crate::web) async fn recipient(
    context: Ctx,
    visitor: Visitor,
    PathPart(id): PathPart<i64>,
) -> Page {
    let found = queued(&context, RowId(id)).await?;
    let story = story_of(&context, &visitor, &found).await?;
    let frame = Frame::new(
        &context,
        visitor,
        Section::Queue,
        found.item.recipient.clone(),
    );
    let may_operate = frame.may(Role::Operator);
    let message = if may_operate {
        Some(message_part(&context, &found).await?)
    } else {
        None
    };
    let (now, settings) = (Timestamp::now(), context.administration.settings());
    let row = QueueRow::of(found.item.clone(), &settings, now);
    render(&RecipientPage {
        frame,
        may_operate,
        damage: damage(&context, &found).await?,
        message_id: found.item.message_id.to_string(),
        envelope: envelope(&found),
        times: times(&found, &row, now),
        events: story.events.iter().map(event_line).collect(),
        is_shortened: story.is_shortened,
        message,
        buttons: buttons(),
        row,
    })
}

/// What is wrong with a damaged row or its message, and what of it can be read.
async fn damage(context: &Context, found: &QueuedRecipient) -> Result<Option<String>, ApiError> {
    if found.item.state != RowState::Damaged {
        return Ok(None);
    }
    let (store, id) = (&context.store, found.item.message_id);
    let remains = store.queue.remains(id, &context.budget).await?;
    let what = match &remains.problem {
        Some(problem) => format!("The stored message is damaged: {problem}."),
        None => "This row cannot be decoded; its message is as it was stored.".to_owned(),
    };
    let header = match remains.message.body.is_empty() {
        true => "nothing of its header can be read",
        false => "its header can be read at least in part",
    };
    let left = match (remains.bytes_there, remains.content_bytes) {
        (0, _) => "Nothing of its content is there.".to_owned(),
        (there, all) => format!(
            "{} of {} of its content are there, and {header}.",
            wording::bytes(there),
            wording::bytes(all)
        ),
    };
    let follows = "It is not delivered as it is. When it was repaired, “Retry now” tries it again; otherwise \
                   it fails when its time is over, and its sender, where that can be read, gets a report \
                   with what is left.";
    Ok(Some(format!("{what} {left} {follows}")))
}

async fn message_part(context: &Context, found: &QueuedRecipient) -> Result<MessagePart, ApiError> {
    let start = context
        .store
        .queue_view
        .source_start(found.item.message_id, limits::HEADER_SHOWN_BYTES)
        .await;
    let header = match start {
        Ok(start) => Ok(headers::read(&start.bytes)),
        Err(error @ (LoadError::Gone | LoadError::Damaged(_))) => Err(error.to_string()),
        Err(LoadError::Read(error)) => return Err(error.into()),
    };
    Ok(MessagePart {
        header,
        source_url: format!("/queue/{}/source", found.item.id),
    })
}

fn envelope(found: &QueuedRecipient) -> Vec<(&'static str, String)> {
    let given = |text: &Option<String>| text.clone();
    let client = match &found.client_address {
        Some(address) => format!("{address}, called itself {}", found.helo),
        None => "this appliance".to_owned(),
    };
    let smtputf8 = found.smtputf8.then(|| "yes".to_owned());
    [
        ("Client", Some(client)),
        ("Login", given(&found.login)),
        ("Sender", Some(wording::sender(found.item.sender.clone()))),
        ("Recipient", Some(found.item.recipient.clone())),
        ("ORCPT", given(&found.original_recipient)),
        ("NOTIFY", given(&found.notify)),
        ("RET", given(&found.ret)),
        ("ENVID", given(&found.envelope_id)),
        ("BODY", Some(found.body_type.clone())),
        ("SMTPUTF8", smtputf8),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
    .collect()
}

fn times(found: &QueuedRecipient, row: &QueueRow, now: Timestamp) -> Vec<(&'static str, String)> {
    let shown = |time: Timestamp| {
        if time == Timestamp::UNIX_EPOCH {
            return "unknown".to_owned();
        }
        let distance = time.duration_since(now).unsigned_abs();
        let distance = wording::age(distance);
        if time < now {
            format!("{} ({distance} ago)", wording::moment_utc(time))
        } else {
            format!("{} (in {distance})", wording::moment_utc(time))
        }
    };
    // Only a row that waits by itself has a moment for it; the others say what they wait for.
    let due = found.item.next_attempt_at;
    let goes_by_itself = matches!(found.item.state, RowState::Waiting | RowState::Uncertain);
    let next_try = if goes_by_itself && !row.is_paused && due > now {
        shown(due)
    } else {
        row.next_attempt.clone()
    };
    vec![
        ("Received", shown(found.item.received_at)),
        ("Next try", next_try),
        ("Gives up at", shown(found.expires_at)),
    ]
}

fn event_line(event: &TrailEvent) -> EventLine {
    let mut with: Vec<String> = Vec::new();
    with.extend(event.peer.clone());
    if event.tls == Some(true) {
        with.push("TLS".to_owned());
    }
    with.extend(event.took_seconds.map(|took| wording::latency(Some(took))));
    EventLine {
        at: wording::moment_utc(event.at),
        what: wording::word(&event.what),
        tag: match event.what.as_str() {
            "delivered" => "good",
            "refused" | "uncertain" | "purged" | "expired" => "bad",
            _ => "",
        }
        .to_owned(),
        words: event.words.clone(),
        with: with.join(", "),
    }
}

/// The message as it travels.
pub(in crate::web) async fn source(
    context: Ctx,
    PathPart(id): PathPart<i64>,
) -> Result<Response, PageError> {
    let found = queued(&context, RowId(id)).await?;
    Ok(source_of(&context, found.item.message_id).await?)
}
