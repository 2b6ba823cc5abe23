//! `/queue`: the table destination × age, the filter, and the rows.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::Timestamp;

use super::super::access::Visitor;
use super::super::api::Pairs;
use super::super::page::{Frame, Page, Section, render};
use super::super::{Context, wording};
use super::actions::{Button, buttons};
use super::address::Listing;
use super::destinations::{self, PauseForm, Table};
use super::notice::{DealtWith, Notice};
use super::row::Row;
use crate::accounts::Role;
use crate::limits;
use crate::message::{DiskReason, RowState};
use crate::store::{AGE_BOUNDS_SECONDS, QueueFilter, QueueOrder, QueuePage, ReadError};

#[derive(Template)]
#[template(path = "queue.html")]
struct ListingPage {
    frame: Frame,
    may_operate: bool,
    /// What was just done.
    notice: Option<String>,
    /// The row that has been dealt with, or nothing for all that was selected; none when none was.
    dealt_with: Option<String>,
    /// On the first page only: it costs a walk over the queue, and who pages on looks for rows.
    table: Option<Table>,
    pause: PauseForm,
    filter: FilterForm,
    total_words: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
    pages: Pages,
    buttons: Vec<Button>,
    /// This listing's query, for the way back.
    back: String,
}

struct Column {
    name: &'static str,
    class: &'static str,
    /// Sorts by it; none where nothing sorts.
    url: Option<String>,
    /// For `aria-sort`; empty when another column decides the order.
    direction: &'static str,
}

struct Pages {
    /// `1–100 of 5 000`.
    range: String,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    last: Option<String>,
}

struct FilterForm {
    is_filtered: bool,
    clear_url: String,
    states: Vec<Choice>,
    reasons: Vec<Choice>,
    older_than: Vec<Choice>,
    younger_than: Vec<Choice>,
    next_hop: String,
    destination: String,
    sender: String,
    recipient: String,
    last_reply: String,
    message_id: String,
    /// What else the listing's address says.
    hidden: Vec<(String, String)>,
}

/// One entry of a choice.
struct Choice {
    value: String,
    name: String,
    is_chosen: bool,
}

/// The listing that the query asks for.
pub(in crate::web) async fn listing(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Page {
    let (listing, notice) = Listing::read(Pairs::read(query)?)?;
    show(&context, visitor, listing, notice, PauseForm::default()).await
}

/// The page with this listing.
pub(super) async fn show(
    context: &Context,
    visitor: Visitor,
    listing: Listing,
    notice: Option<Notice>,
    pause: PauseForm,
) -> Page {
    let now = Timestamp::now();
    let settings = context.administration.settings();
    let table = async {
        if listing.page > 1 && pause.problem.is_none() {
            return Ok(None);
        }
        destinations::table(context, &settings, &listing, now)
            .await
            .map(Some)
    };
    let (found, table) = tokio::try_join!(page_of(context, listing.clone(), now), table)?;
    let (listing, page) = found;
    let frame = Frame::new(context, visitor, Section::Queue, "Queue");
    let rows = page.items.into_iter();
    render(&ListingPage {
        may_operate: frame.may(Role::Operator),
        frame,
        notice: notice.map(Notice::words),
        dealt_with: notice
            .and_then(Notice::dealt_with)
            .map(|dealt_with| match dealt_with {
                DealtWith::All => String::new(),
                DealtWith::Row(row) => row.to_string(),
            }),
        table,
        pause,
        filter: filter_form(&listing),
        total_words: wording::recipients(page.total),
        columns: columns(&listing),
        pages: pages(&listing, page.total),
        rows: rows.map(|item| Row::of(item, &settings, now)).collect(),
        buttons: buttons(),
        back: listing.query(),
    })
}

/// The rows of the page, or of the last one when the queue has become shorter.
async fn page_of(
    context: &Context,
    listing: Listing,
    now: Timestamp,
) -> Result<(Listing, QueuePage), ReadError> {
    let page = context
        .store
        .queue_page(&listing.filter, listing.request(), now)
        .await?;
    if !page.items.is_empty() || listing.page == 1 {
        return Ok((listing, page));
    }
    let listing = listing.on_page(last_page(page.total));
    let page = context
        .store
        .queue_page(&listing.filter, listing.request(), now)
        .await?;
    Ok((listing, page))
}

fn last_page(total: u64) -> u64 {
    total.div_ceil(limits::PAGE_ITEMS.into()).max(1)
}

fn pages(listing: &Listing, total: u64) -> Pages {
    let last = last_page(total);
    let before = listing.request().offset;
    let to = |page: u64| listing.on_page(page).url();
    Pages {
        range: format!(
            "{}–{} of {}",
            wording::count((before + 1).min(total)),
            wording::count((before + u64::from(limits::PAGE_ITEMS)).min(total)),
            wording::count(total)
        ),
        first: (listing.page > 2).then(|| to(1)),
        previous: (listing.page > 1).then(|| to(listing.page - 1)),
        next: (listing.page < last).then(|| to(listing.page + 1)),
        last: (listing.page + 1 < last).then(|| to(last)),
    }
}

fn columns(listing: &Listing) -> Vec<Column> {
    [
        ("Age", "", Some(QueueOrder::ReceivedAt)),
        ("Size", "number", None),
        ("Sender", "", Some(QueueOrder::Sender)),
        ("Recipient", "", Some(QueueOrder::Recipient)),
        ("Next hop", "", Some(QueueOrder::NextHop)),
        ("State", "", Some(QueueOrder::State)),
        ("Why", "", Some(QueueOrder::Reason)),
        ("Tries", "number", Some(QueueOrder::Attempts)),
        ("Next try", "", Some(QueueOrder::NextAttemptAt)),
        ("Last reply", "words", None),
    ]
    .into_iter()
    .map(|(name, class, order)| Column {
        name,
        class,
        url: order.map(|order| listing.sorted_by(order).url()),
        direction: match order {
            Some(order) if order == listing.order => direction(listing),
            _ => "",
        },
    })
    .collect()
}

/// The greatest age belongs to the earliest arrival.
fn direction(listing: &Listing) -> &'static str {
    let descending = listing.descending != (listing.order == QueueOrder::ReceivedAt);
    if descending {
        "descending"
    } else {
        "ascending"
    }
}

fn filter_form(listing: &Listing) -> FilterForm {
    let filter = &listing.filter;
    let typed = |text: &Option<String>| text.clone().unwrap_or_default();
    let everything = listing.filtered(QueueFilter::default());
    let order = everything.query();
    let hidden = order.split('&').filter_map(|pair| pair.split_once('='));
    FilterForm {
        is_filtered: !filter.is_empty(),
        clear_url: everything.url(),
        states: choices(
            "any",
            RowState::ALL
                .iter()
                .map(|state| (state.to_string(), state.to_string())),
            filter.state.map(|state| state.to_string()),
        ),
        reasons: choices(
            "any",
            DiskReason::PLAIN
                .iter()
                .map(|reason| reason.as_word().into_owned())
                .chain(["condition:*".to_owned()])
                .map(|word| (word.clone(), word.replace('_', " "))),
            filter.reason.clone(),
        ),
        older_than: ages(filter.older_than_seconds),
        younger_than: ages(filter.younger_than_seconds),
        next_hop: typed(&filter.next_hop),
        destination: typed(&filter.destination),
        sender: typed(&filter.sender),
        recipient: typed(&filter.recipient),
        last_reply: typed(&filter.last_reply),
        message_id: filter.message_id.map_or(String::new(), |id| id.to_string()),
        hidden: hidden
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

fn ages(chosen: Option<u64>) -> Vec<Choice> {
    let name = |seconds: u64| {
        let (number, unit) = match seconds {
            0..3_600 => (seconds / 60, "min"),
            3_600..86_400 => (seconds / 3_600, "h"),
            _ => (seconds / 86_400, "d"),
        };
        format!("{number} {unit}")
    };
    let days = [2, 3, 4].map(|days| days * 86_400);
    let known = AGE_BOUNDS_SECONDS.into_iter().chain(days);
    choices(
        "any",
        known.map(|seconds| (seconds.to_string(), name(seconds))),
        chosen.map(|seconds| seconds.to_string()),
    )
}

/// The entries of a choice: none, the known ones, and what was chosen if it is another.
fn choices(
    none: &str,
    known: impl Iterator<Item = (String, String)>,
    chosen: Option<String>,
) -> Vec<Choice> {
    let mut all = vec![Choice {
        value: String::new(),
        name: none.to_owned(),
        is_chosen: chosen.is_none(),
    }];
    all.extend(known.map(|(value, name)| Choice {
        is_chosen: chosen.as_ref() == Some(&value),
        value,
        name,
    }));
    if let Some(other) = chosen
        && !all.iter().any(|choice| choice.is_chosen)
    {
        all.push(Choice {
            name: other.clone(),
            value: other,
            is_chosen: true,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_linked_where_there_are_any() {
        let check = |page: u64, total: u64, range: &str, expected: [Option<&str>; 4]| {
            let pages = pages(&Listing::default().on_page(page), total);
            let found = [&pages.first, &pages.previous, &pages.next, &pages.last];
            assert_eq!(
                found.map(|url| url.as_deref()),
                expected,
                "{page} of {total}"
            );
            assert_eq!(pages.range.replace(',', ""), range);
        };
        check(1, 0, "0–0 of 0", [None; 4]);
        check(1, 100, "1–100 of 100", [None; 4]);
        check(
            1,
            101,
            "1–100 of 101",
            [None, None, Some("/queue?page=2"), None],
        );
        check(2, 5_000, "101–200 of 5000", {
            let (next, last) = (Some("/queue?page=3"), Some("/queue?page=50"));
            [None, Some("/queue"), next, last]
        });
        check(50, 4_950, "4901–4950 of 4950", {
            [Some("/queue"), Some("/queue?page=49"), None, None]
        });
    }

    #[test]
    fn a_choice_shows_what_was_chosen_whatever_it_is() {
        for (chosen, expected) in [
            (None, ("any", "")),
            (Some(1_800), ("30 min", "1800")),
            (Some(86_400), ("1 d", "86400")),
            (Some(77), ("77", "77")),
        ] {
            let ages = ages(chosen);
            let shown: Vec<_> = ages.iter().filter(|choice| choice.is_chosen).collect();
            assert_eq!(shown.len(), 1);
            assert_eq!((shown[0].name.as_str(), shown[0].value.as_str()), expected);
        }
    }
}
