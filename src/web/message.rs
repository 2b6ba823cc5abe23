//! `/messages/{id}`: what became of one message, told in sentences.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;

use super::access::Visitor;
use super::api::Pairs;
use super::error::ApiError;
use super::page::{Frame, Page, Section, render};
use super::story::{self, Story};
use super::{Context, query_string, wording};
use crate::limits;
use crate::message::MessageId;
use crate::store::{
    AnsweredRow, QueueFilter, QueueItem, QueuePageRequest, ReadError, StoryFilter, StoryPart,
    TrailOfMessage,
};

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    id: MessageId,
    end: &'static str,
    end_text: String,
    recipients: Option<Recipients>,
    story: Told,
    details: Vec<Detail>,
}

/// The way through many recipients.
struct Recipients {
    /// Without a filter.
    all_url: String,
    typed: String,
    is_filtered: bool,
    is_empty: bool,
    /// `1–100 of 1 000 recipients`.
    range: String,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    last: Option<String>,
}

/// The story as the page shows it.
struct Told {
    beginning: Vec<Line>,
    chapters: Vec<ToldChapter>,
    /// Each chapter stands under its recipient: there are several.
    has_titles: bool,
}

struct ToldChapter {
    recipient: String,
    fate: &'static str,
    class: &'static str,
    /// Earlier events are left out; where the whole story is, or blank when it is longer still.
    earlier: Option<String>,
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
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Page {
    let id: MessageId = id.parse().map_err(|_| ApiError::NotFound)?;
    let mut pairs = Pairs::read(query)?;
    let shown = Shown {
        page: pairs.take_number("page")?.unwrap_or(1).max(1),
        filter: pairs.into_filter()?,
    };
    let part = shown.part();
    let trail = context.search(&visitor, move |store| async move {
        store.trail_of(id, &part).await
    });
    let trail = trail.await?;
    let now = Timestamp::now();
    let waiting = waiting(&context, id, now).await?;
    if trail.answered.is_none() && trail.ends.is_empty() && waiting.is_empty() {
        return Err(ApiError::NotFound.into());
    }
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
        recipients: recipients(id, &shown, &trail),
        story: told(id, story, &trail),
        details,
    })
}

/// The message's rows in the queue.
async fn waiting(
    context: &Context,
    id: MessageId,
    now: Timestamp,
) -> Result<Vec<QueueItem>, ReadError> {
    let of_message = QueueFilter {
        message_id: Some(id),
        ..QueueFilter::default()
    };
    let all = QueuePageRequest {
        limit: limits::PAGE_ITEMS_MAX,
        ..QueuePageRequest::default()
    };
    Ok(context.store.queue_page(&of_message, all, now).await?.items)
}

/// Which recipients the page tells of, as it stands in its URL.
#[derive(Default)]
struct Shown {
    filter: StoryFilter,
    /// From 1 on.
    page: u64,
}

impl Shown {
    fn part(&self) -> StoryPart {
        StoryPart {
            filter: self.filter.clone(),
            offset: (self.page - 1).saturating_mul(limits::PAGE_ITEMS.into()),
            limit: limits::PAGE_ITEMS,
        }
    }

    /// Another page of the same recipients.
    fn url(&self, id: MessageId, page: u64) -> String {
        let recipient = self.filter.recipient.as_deref().unwrap_or_default();
        let page = match page {
            1 => String::new(),
            page => page.to_string(),
        };
        let pairs = [("recipient", recipient), ("page", page.as_str())];
        query_string::link(&format!("/messages/{id}"), &pairs)
    }
}

/// Where the whole story of one recipient is.
fn url_of(id: MessageId, recipient: &str) -> String {
    let pairs = [("recipient", recipient)];
    query_string::link(&format!("/messages/{id}"), &pairs)
}

/// How to find one of many recipients; none for a message whose recipients all stand on one page.
fn recipients(id: MessageId, shown: &Shown, trail: &TrailOfMessage) -> Option<Recipients> {
    let page_items = u64::from(limits::PAGE_ITEMS);
    let all: u64 = trail.ends.values().sum();
    let is_filtered = shown.filter.recipient.is_some();
    if all <= page_items && shown.page == 1 && !is_filtered {
        return None;
    }
    let last = trail.total.div_ceil(page_items).max(1);
    let before = shown.part().offset.min(trail.total);
    let to = |page: u64| shown.url(id, page);
    Some(Recipients {
        all_url: format!("/messages/{id}"),
        typed: shown.filter.recipient.clone().unwrap_or_default(),
        is_filtered,
        is_empty: trail.events.is_empty(),
        range: format!(
            "{}–{} of {}",
            wording::count((before + 1).min(trail.total)),
            wording::count((before + page_items).min(trail.total)),
            wording::recipients(trail.total)
        ),
        first: (shown.page > 2).then(|| to(1)),
        previous: (shown.page > 1).then(|| to(last.min(shown.page - 1))),
        next: (shown.page < last).then(|| to(shown.page + 1)),
        last: (shown.page + 1 < last).then(|| to(last)),
    })
}

fn told(id: MessageId, story: Story, trail: &TrailOfMessage) -> Told {
    let is_alone = story.chapters.len() == 1;
    let chapters = story.chapters.into_iter();
    Told {
        has_titles: trail.ends.values().sum::<u64>() > 1,
        beginning: story.beginning.into_iter().map(line).collect(),
        chapters: chapters.map(|one| chapter(id, one, is_alone)).collect(),
    }
}

fn chapter(id: MessageId, chapter: story::Chapter, is_alone: bool) -> ToldChapter {
    let whole_url = match is_alone {
        true => String::new(),
        false => url_of(id, &chapter.recipient),
    };
    ToldChapter {
        earlier: chapter.is_shortened.then_some(whole_url),
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
    let size = wording::counted(answered.size_bytes, "byte");
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
