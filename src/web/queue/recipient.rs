//! `/queue/{id}`: one recipient with its envelope, its attempts, the message's header and source.

use askama::Template;
use axum::response::Response;
use jiff::Timestamp;

use super::button::Button;
use super::headers::{self, ShownHeader};
use super::row::QueueRow;
use crate::accounts::Role;
use crate::limits;
use crate::message::queue_listing::QueuedRecipient;
use crate::message::trail_listing::{RecipientStory, TrailEvent};
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
    /// Names and values, in the order of an SMTP session.
    envelope: Vec<(&'static str, String)>,
    times: Vec<(&'static str, String)>,
    story: RecipientStory,
    /// Of the message, or why it cannot be read. None for visitors who may not read mail.
    header: Option<Result<ShownHeader, String>>,
    buttons: Vec<Button>,
}

impl RecipientPage {
    /// The class of what happened.
    fn tag(event: &TrailEvent) -> &'static str {
        match event.what.as_str() {
            "delivered" => "good",
            "refused" | "uncertain" | "purged" | "expired" => "bad",
            _ => "",
        }
    }

    /// Server, TLS and duration of an attempt.
    fn with(event: &TrailEvent) -> String {
        let tls = (event.tls == Some(true)).then(|| "TLS".to_owned());
        let took = event.took_seconds.map(|took| wording::latency(Some(took)));
        let with: Vec<String> = event
            .peer
            .clone()
            .into_iter()
            .chain(tls)
            .chain(took)
            .collect();
        with.join(", ")
    }
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
    let header = match may_operate {
        true => Some(header(&context, &found).await?),
        false => None,
    };
    let (now, settings) = (Timestamp::now(), context.administration.settings());
    let row = QueueRow::of(found.item.clone(), &settings, now);
    render(&RecipientPage {
        frame,
        may_operate,
        damage: damage(&context, &found).await?,
        envelope: envelope(&found),
        times: times(&found, &row, now),
        story,
        header,
        buttons: Button::all(),
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

async fn header(
    context: &Context,
    found: &QueuedRecipient,
) -> Result<Result<ShownHeader, String>, ApiError> {
    let rows = &context.store.queue_view;
    let start = rows.source_start(found.item.message_id, limits::HEADER_SHOWN_BYTES);
    match start.await {
        Ok(start) => Ok(Ok(headers::read(&start.bytes))),
        Err(error @ (LoadError::Gone | LoadError::Damaged(_))) => Ok(Err(error.to_string())),
        Err(LoadError::Read(error)) => Err(error.into()),
    }
}

fn envelope(found: &QueuedRecipient) -> Vec<(&'static str, String)> {
    let client = match &found.client_address {
        Some(address) => format!("{address}, called itself {}", found.helo),
        None => "this appliance".to_owned(),
    };
    let smtputf8 = found.smtputf8.then(|| "yes".to_owned());
    [
        ("Client", Some(client)),
        ("Login", found.login.clone()),
        (
            "Sender",
            Some(wording::sender(&found.item.sender).to_owned()),
        ),
        ("Recipient", Some(found.item.recipient.clone())),
        ("ORCPT", found.original_recipient.clone()),
        ("NOTIFY", found.notify.clone()),
        ("RET", found.ret.clone()),
        ("ENVID", found.envelope_id.clone()),
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
        let distance = wording::age(time.duration_since(now).unsigned_abs());
        let distance = match time < now {
            true => format!("{distance} ago"),
            false => format!("in {distance}"),
        };
        format!("{} ({distance})", wording::moment_utc(time))
    };
    // Only a row that waits by itself has a moment for it; the others say what they wait for.
    let due = found.item.next_attempt_at;
    let goes_by_itself = matches!(found.item.state, RowState::Waiting | RowState::Uncertain);
    let next_try = if goes_by_itself && !row.is_paused && due > now {
        shown(due)
    } else {
        row.next_attempt()
    };
    vec![
        ("Received", shown(found.item.received_at)),
        ("Next try", next_try),
        ("Gives up at", shown(found.expires_at)),
    ]
}

/// The message as it travels.
pub(in crate::web) async fn source(
    context: Ctx,
    PathPart(id): PathPart<i64>,
) -> Result<Response, PageError> {
    let found = queued(&context, RowId(id)).await?;
    Ok(source_of(&context, found.item.message_id).await?)
}
