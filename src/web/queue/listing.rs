//! `/queue`: the table destination × age, the filter, and the rows.

use askama::Template;
use jiff::Timestamp;

use super::button::Button;
use super::destinations::{self, Table};
use super::notice::Notice;
use super::query::QueueQuery;
use super::row::QueueRow;
use crate::accounts::Role;
use crate::message::backlog::AGE_BOUNDS_SECONDS;
use crate::message::queue_filter::QueueFilter;
use crate::message::queue_listing::{QueueOrder, QueuePage};
use crate::message::{DiskReason, RowState};
use crate::store::ReadError;
use crate::web::access::Visitor;
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use crate::web::paging::{Paging, last_page};
use crate::web::pairs::Pairs;
use crate::web::select::SelectOption;
use crate::web::{Context, wording};

#[derive(Template)]
#[template(path = "queue.html")]
struct ListingPage {
    frame: Frame,
    may_operate: bool,
    /// What was just done.
    notice: Option<String>,
    /// The row that the action was for, or blank for all that was selected; none without an action.
    dealt_with: Option<String>,
    /// On the first page only: it costs a walk over the queue, and the other pages are for those who look for rows.
    table: Option<Table>,
    pause: PauseForm,
    filter: FilterForm,
    total_words: String,
    columns: Vec<Column>,
    rows: Vec<QueueRow>,
    paging: Paging,
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

/// The form that pauses a next hop by its name.
#[derive(Default)]
pub(super) struct PauseForm {
    pub(super) typed: String,
    pub(super) problem: Option<String>,
}

struct FilterForm {
    typed: QueueFilter,
    clear_url: String,
    states: Vec<SelectOption>,
    reasons: Vec<SelectOption>,
    older_than: Vec<SelectOption>,
    younger_than: Vec<SelectOption>,
    /// The other parameters of the address.
    hidden: Vec<(String, String)>,
}

/// The listing that the query asks for.
pub(in crate::web) async fn listing(context: Ctx, visitor: Visitor, pairs: Pairs) -> Page {
    let (listing, notice) = QueueQuery::read(pairs)?;
    show(&context, visitor, listing, notice, PauseForm::default()).await
}

/// The page with this listing.
pub(super) async fn show(
    context: &Context,
    visitor: Visitor,
    listing: QueueQuery,
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
        dealt_with: notice.and_then(Notice::dealt_with),
        table,
        pause,
        filter: filter_form(&listing),
        total_words: wording::recipients(page.total),
        columns: columns(&listing),
        paging: Paging::new(
            "Pages of the queue",
            listing.page,
            page.total,
            &wording::count(page.total),
            |page| listing.on_page(page).url(),
        ),
        rows: rows
            .map(|item| QueueRow::of(item, &settings, now))
            .collect(),
        buttons: Button::all(),
        back: listing.query().as_str().to_owned(),
    })
}

/// The rows of the page, or of the last one when the queue has become shorter.
async fn page_of(
    context: &Context,
    listing: QueueQuery,
    now: Timestamp,
) -> Result<(QueueQuery, QueuePage), ReadError> {
    let rows = &context.store.queue_view;
    let page = rows.page(&listing.filter, listing.request(), now).await?;
    if !page.items.is_empty() || listing.page == 1 {
        return Ok((listing, page));
    }
    let listing = listing.on_page(last_page(page.total));
    let page = rows.page(&listing.filter, listing.request(), now).await?;
    Ok((listing, page))
}

fn columns(listing: &QueueQuery) -> Vec<Column> {
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
fn direction(listing: &QueueQuery) -> &'static str {
    match listing.descending != (listing.order == QueueOrder::ReceivedAt) {
        true => "descending",
        false => "ascending",
    }
}

fn filter_form(listing: &QueueQuery) -> FilterForm {
    let filter = &listing.filter;
    let everything = listing.filtered(QueueFilter::default());
    let order = everything.query();
    let hidden = order
        .as_str()
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let states = RowState::ALL.iter();
    let states = states.map(|state| (state.to_string(), state.to_string()));
    let reasons = DiskReason::PLAIN
        .iter()
        .map(|reason| reason.as_word().into_owned());
    let reasons = reasons.chain(["condition:*".to_owned()]);
    let reasons = reasons.map(|word| (word.clone(), wording::word(&word)));
    FilterForm {
        clear_url: everything.url(),
        states: options(states, filter.state.map(RowState::as_str)),
        reasons: options(reasons, filter.reason.as_deref()),
        older_than: ages(filter.older_than_seconds),
        younger_than: ages(filter.younger_than_seconds),
        typed: filter.clone(),
        hidden: hidden
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

fn ages(chosen: Option<u64>) -> Vec<SelectOption> {
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
    let known = known.map(|seconds| (seconds.to_string(), name(seconds)));
    options(known, chosen.map(|seconds| seconds.to_string()).as_deref())
}

/// Any, the known ones, and what was chosen if it is another.
fn options(
    known: impl Iterator<Item = (String, String)>,
    chosen: Option<&str>,
) -> Vec<SelectOption> {
    let any = (String::new(), "any".to_owned());
    SelectOption::all(
        std::iter::once(any).chain(known),
        chosen.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!((shown[0].label.as_str(), shown[0].value.as_str()), expected);
        }
    }
}
