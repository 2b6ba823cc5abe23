//! `/messages/{id}`: what became of one message, told in sentences.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use jiff::Timestamp;

use super::access::Visitor;
use super::error::ApiError;
use super::page::{Frame, Page, Section, render};
use super::story::{self, Story};
use super::{Context, wording};
use crate::limits;
use crate::message::MessageId;
use crate::store::{AnsweredRow, QueueFilter, QueuePageRequest};

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    id: MessageId,
    end: &'static str,
    end_text: String,
    story: Told,
    details: Vec<Detail>,
    /// More happened than is shown.
    is_cut: bool,
}

/// The story as the page shows it.
struct Told {
    beginning: Vec<Line>,
    chapters: Vec<ToldChapter>,
    /// Each chapter stands under its recipient.
    has_titles: bool,
}

struct ToldChapter {
    recipient: String,
    fate: &'static str,
    class: &'static str,
    lines: Vec<Line>,
    row: Option<i64>,
}

struct Line {
    time: String,
    text: String,
    quotation: String,
    class: &'static str,
}

struct Detail {
    name: &'static str,
    value: String,
}

/// The page.
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Page {
    let id: MessageId = id.parse().map_err(|_| ApiError::NotFound)?;
    let trail = context.search(
        &visitor,
        move |store| async move { store.trail_of(id).await },
    );
    let trail = trail.await?;
    let now = Timestamp::now();
    let of_message = QueueFilter {
        message_id: Some(id),
        ..QueueFilter::default()
    };
    let all = QueuePageRequest {
        limit: limits::PAGE_ITEMS_MAX,
        ..QueuePageRequest::default()
    };
    let waiting = context.store.queue_page(&of_message, all, now).await?.items;
    if trail.answered.is_none() && trail.events.is_empty() && waiting.is_empty() {
        return Err(ApiError::NotFound.into());
    }
    let is_cut =
        i64::try_from(trail.events.len()).is_ok_and(|count| count >= limits::TRAIL_EVENTS_SHOWN);
    let details = trail.answered.as_ref().map(details).unwrap_or_default();
    let story = story::tell(&trail, &waiting, now);
    render(&MessagePage {
        frame: Frame::new(
            &context,
            visitor,
            Section::Messages,
            format!("Message {id}"),
        ),
        id,
        end: story.end.mood.class(),
        end_text: story.end.text.clone(),
        story: told(story),
        details,
        is_cut,
    })
}

fn told(story: Story) -> Told {
    Told {
        has_titles: story.chapters.len() > 1,
        beginning: story.beginning.into_iter().map(line).collect(),
        chapters: story.chapters.into_iter().map(chapter).collect(),
    }
}

fn chapter(chapter: story::Chapter) -> ToldChapter {
    ToldChapter {
        fate: chapter.fate.in_words(),
        class: chapter.fate.mood().class(),
        recipient: chapter.recipient,
        lines: chapter.sentences.into_iter().map(line).collect(),
        row: chapter.row,
    }
}

fn line(sentence: story::Sentence) -> Line {
    Line {
        time: sentence.at.map(wording::moment).unwrap_or_default(),
        class: sentence.mood.class(),
        text: sentence.text,
        quotation: sentence.quotation,
    }
}

fn details(answered: &AnsweredRow) -> Vec<Detail> {
    let detail = |name, value: &str| Detail {
        name,
        value: if value.is_empty() { "—" } else { value }.to_owned(),
    };
    let recipients = wording::count(answered.recipients);
    let size = format!("{} bytes", wording::count(answered.size_bytes));
    let client = answered.client_address.as_deref().unwrap_or_default();
    let reasons = wording::word(&answered.reasons.join(", "));
    vec![
        detail("Sender", &wording::sender(answered.sender.clone())),
        detail("Recipients", &recipients),
        detail("Size", &size),
        detail("Client", client),
        detail("Called itself", &answered.helo),
        detail("Login", answered.login.as_deref().unwrap_or_default()),
        detail("Path", &wording::word(&answered.path)),
        detail("Storage", &answered.storage),
        detail("Reasons", &reasons),
    ]
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
