//! `/messages`: “did it arrive?” The trail, searched by sender, recipient, path, reason and time.

use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::access::Visitor;
use super::error::PageError;
use super::extract::Ctx;
use super::message_search::{MessageSearch, SearchProblems};
use super::page::{Frame, Section, render};
use super::pairs::Pairs;
use super::story::RecipientStatus;
use super::{Context, wording};
use crate::limits;
use crate::message::MessageId;
use crate::message::trail_listing::{
    AnsweredRow, LatestEvent, MessageFilter, MessageItem, MessagesPage, is_like,
};

/// Recipients that a row shows; the message's page shows all.
const RECIPIENTS_SHOWN: usize = 3;

#[derive(Template)]
#[template(path = "messages.html")]
struct MessageListPage {
    frame: Frame,
    search: MessageSearch,
    problems: SearchProblems,
    trail_is_off: bool,
    kept_for: String,
    found: SearchResults,
}

/// What a search found.
#[derive(Default)]
struct SearchResults {
    rows: Vec<MessageRow>,
    /// Why there are no rows, or no more of them; empty when there is nothing to say.
    remark: String,
    /// The address of older messages, and the words of the link.
    older: Option<(String, &'static str)>,
    /// The address of the newest messages, on every page but theirs.
    newest: Option<String>,
}

struct MessageRow {
    answered: AnsweredRow,
    /// Of some recipients.
    latest: Vec<LatestEvent>,
    more_recipients: Option<String>,
}

/// The page. A search that names one message and nothing else goes to that message.
pub(super) async fn page(
    context: Ctx,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, PageError> {
    let search: MessageSearch = pairs.into_filter()?;
    let mut template = empty(&context, visitor.clone(), &search);
    let (filter, before) = match search.read() {
        Ok(read) => read,
        Err(problems) => {
            template.problems = problems;
            let page = render(&template)?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    if let Some(id) = only_id(&filter) {
        let known = context.search(&visitor, move |store| async move {
            store.trail.is_in_trail(id).await
        });
        if known.await? {
            return Ok(Redirect::to(&format!("/messages/{id}")).into_response());
        }
    }
    let wanted = filter.clone();
    let page = context.search(&visitor, move |store| async move {
        let limit = limits::PAGE_ITEMS;
        store.trail.messages_page(&wanted, before, limit).await
    });
    let page = page.await?;
    template.found = found(page, &search, &filter);
    Ok(render(&template)?.into_response())
}

fn empty(context: &Context, visitor: Visitor, search: &MessageSearch) -> MessageListPage {
    let settings = context.administration.settings();
    let retention = Duration::from_secs(settings.trail_retention_seconds);
    MessageListPage {
        frame: Frame::new(context, visitor, Section::Messages, "Messages"),
        search: search.clone(),
        problems: SearchProblems::default(),
        trail_is_off: !settings.keep_trail,
        kept_for: span(retention),
        found: SearchResults::default(),
    }
}

/// Whole days as days.
fn span(time: Duration) -> String {
    const DAY_SECONDS: u64 = 86_400;
    match time.as_secs() {
        DAY_SECONDS => "a day".to_owned(),
        seconds if seconds.is_multiple_of(DAY_SECONDS) => format!("{} days", seconds / DAY_SECONDS),
        _ => wording::age(time),
    }
}

/// The id, when the search has nothing else.
fn only_id(filter: &MessageFilter) -> Option<MessageId> {
    let only = MessageFilter {
        message_id: filter.message_id,
        ..MessageFilter::default()
    };
    filter.message_id.filter(|_| *filter == only)
}

fn found(page: MessagesPage, search: &MessageSearch, filter: &MessageFilter) -> SearchResults {
    let is_full = page.items.len() == limits::PAGE_ITEMS as usize;
    let remark = match (page.next, page.items.is_empty()) {
        (Some(_), _) if is_full => String::new(),
        (Some(next), true) => format!("None found back to {}.", wording::moment(next.time())),
        (Some(next), false) => format!("These are all back to {}.", wording::moment(next.time())),
        (None, true) if search.before.is_empty() => nothing(search).to_owned(),
        (None, true) => "There are no older ones.".to_owned(),
        (None, false) => String::new(),
    };
    let words = match is_full {
        true => "Older",
        false => "Look further back",
    };
    let older = page.next.map(|next| (search.url(Some(next)), words));
    let rows = page.items.into_iter();
    SearchResults {
        remark,
        older,
        newest: (!search.before.is_empty()).then(|| search.url(None)),
        rows: rows.map(|item| row(item, filter)).collect(),
    }
}

fn nothing(search: &MessageSearch) -> &'static str {
    match search.is_searching() {
        true => "No message in the trail is like that.",
        false => "No message has arrived yet.",
    }
}

fn row(item: MessageItem, filter: &MessageFilter) -> MessageRow {
    let answered = item.answered;
    let mut latest = item.latest;
    // The recipient that was searched for comes first, then those to whom it was not delivered.
    latest.sort_by_key(|event| {
        let wanted = filter.recipient.as_ref();
        let is_wanted = wanted.is_some_and(|wanted| is_like(&event.recipient, wanted));
        (
            !is_wanted,
            RecipientStatus::after(&event.what) == RecipientStatus::Delivered,
        )
    });
    latest.truncate(RECIPIENTS_SHOWN);
    let more = answered.recipients.saturating_sub(latest.len() as u64);
    MessageRow {
        more_recipients: (more > 0).then(|| match latest.is_empty() {
            true => wording::recipients(more),
            false => format!("and {} more", wording::count(more)),
        }),
        latest,
        answered,
    }
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
