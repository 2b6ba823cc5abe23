//! `/messages/{id}`: what became of one message, in sentences.

use askama::Template;
use jiff::Timestamp;

use super::access::Visitor;
use super::error::ApiError;
use super::extract::{Ctx, PathPart};
use super::page::{Frame, Page, Section, render};
use super::paging::{self, Paging};
use super::pairs::Pairs;
use super::story::{self, Story};
use super::{Context, query_string, wording};
use crate::limits;
use crate::message::MessageId;
use crate::message::queue_filter::QueueFilter;
use crate::message::queue_listing::{QueueItem, QueuePageRequest};
use crate::message::trail_listing::{AnsweredRow, StoryFilter, StoryPart, TrailOfMessage};
use crate::store::ReadError;

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    id: MessageId,
    recipients: Option<RecipientList>,
    story: Story,
    /// Each chapter has its recipient as a heading: there are several.
    has_titles: bool,
    /// Names and values.
    details: Vec<(&'static str, String)>,
}

impl MessagePage {
    /// The address of the whole story of this recipient, when this page shows others as well.
    fn whole_story(&self, recipient: &str) -> Option<String> {
        (self.story.chapters.len() > 1).then(|| url(self.id, recipient, 1))
    }
}

/// The search and the pages of many recipients.
struct RecipientList {
    /// The address without a filter.
    all_url: String,
    typed: String,
    is_filtered: bool,
    paging: Paging,
}

/// The page.
pub(super) async fn page(
    context: Ctx,
    visitor: Visitor,
    PathPart(id): PathPart<MessageId>,
    mut pairs: Pairs,
) -> Page {
    let shown = Shown {
        page: pairs.take_number("page")?.unwrap_or(1).max(1),
        filter: pairs.into_filter()?,
    };
    let part = StoryPart {
        filter: shown.filter.clone(),
        offset: paging::offset(shown.page),
        limit: limits::PAGE_ITEMS,
    };
    let trail = context.search(&visitor, move |store| async move {
        store.trail.trail_of(id, &part).await
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
        recipients: recipients(id, &shown, &trail),
        has_titles: trail.ends.values().sum::<u64>() > 1,
        story,
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
    let page = context.store.queue_view.page(&of_message, all, now);
    Ok(page.await?.items)
}

/// The recipients that the page shows, as its URL says.
struct Shown {
    filter: StoryFilter,
    /// From 1 on.
    page: u64,
}

/// One page of the message's recipients, or of those like `recipient`.
fn url(id: MessageId, recipient: &str, page: u64) -> String {
    let page = match page {
        1 => String::new(),
        page => page.to_string(),
    };
    let pairs = [("recipient", recipient), ("page", page.as_str())];
    query_string::link(&format!("/messages/{id}"), &pairs)
}

/// How to find one of many recipients; none for a message whose recipients all stand on one page.
fn recipients(id: MessageId, shown: &Shown, trail: &TrailOfMessage) -> Option<RecipientList> {
    let page_items = u64::from(limits::PAGE_ITEMS);
    let all: u64 = trail.ends.values().sum();
    let is_filtered = shown.filter.recipient.is_some();
    let typed = shown.filter.recipient.clone().unwrap_or_default();
    if all <= page_items && shown.page == 1 && !is_filtered {
        return None;
    }
    let of = wording::recipients(trail.total);
    let to = |page: u64| url(id, &typed, page);
    let mut paging = Paging::new("Pages of recipients", shown.page, trail.total, &of, to);
    if trail.events.is_empty() {
        paging.range.clear();
    }
    Some(RecipientList {
        all_url: format!("/messages/{id}"),
        typed,
        is_filtered,
        paging,
    })
}

fn details(answered: &AnsweredRow) -> Vec<(&'static str, String)> {
    let given = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut details = vec![
        ("Sender", wording::sender(&answered.sender).to_owned()),
        ("Recipients", wording::count(answered.recipients)),
        ("Size", wording::counted(answered.size_bytes, "byte")),
        ("Client", given(&answered.client_address)),
        ("Called itself", answered.helo.clone()),
        ("Login", given(&answered.login)),
        ("Path", wording::word(&answered.path)),
        ("Storage", answered.storage.clone()),
        ("Reasons", wording::word(&answered.reasons.join(", "))),
    ];
    for (_, value) in &mut details {
        if value.is_empty() {
            "—".clone_into(value);
        }
    }
    details
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
