//! What an operator does to rows: first a page that says what it means and for how many, then
//! the action, then back to the listing.

use std::slice;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde_json::Value;

use super::FormFields;
use super::button::Button;
use super::notice::Notice;
use super::query::QueueQuery;
use super::row::QueueRow;
use crate::administration::queue::{ActionError, ActionProgress, ActionTarget, act};
use crate::message::queue_filter::QueueFilter;
use crate::message::{RowId, RowState};
use crate::queue::QueueAction;
use crate::store::SelectedRows;
use crate::web::access::Visitor;
use crate::web::error::{ApiError, PageError};
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use crate::web::{Context, wording};

/// Rows that the confirmation shows as examples.
const SHOWN: u32 = 10;

#[derive(Template)]
#[template(path = "queue_confirm.html")]
struct QueueActionPage {
    frame: Frame,
    button: Button,
    /// `12 recipients`.
    total: String,
    by_state: Vec<(RowState, u64)>,
    /// The number in a state to which the action does not apply.
    unconcerned: Option<String>,
    /// The parts of the filter, when all that match are meant.
    filter: Option<Vec<(String, String)>>,
    /// What was seen and what there is, when the count has changed.
    changed: Option<(String, String)>,
    /// Some next hops are paused, and what waits for them stays where it is.
    some_are_paused: bool,
    first: Vec<QueueRow>,
    more: Option<String>,
    /// The one row, or the chosen ones; neither: all that match.
    row: Option<RowId>,
    ids: Option<String>,
    /// How many they are.
    expect: u64,
    back: String,
    back_url: String,
}

/// The recipients that the operator chose.
enum Selection {
    /// One, by the button beside it.
    Row(RowId),
    Rows(Vec<RowId>),
    /// All that match the listing's filter.
    Matching,
}

impl Selection {
    /// The chosen rows; none for all that match.
    fn rows(&self) -> Option<&[RowId]> {
        match self {
            Self::Row(row) => Some(slice::from_ref(row)),
            Self::Rows(rows) => Some(rows),
            Self::Matching => None,
        }
    }
}

/// Says what an action means and for how many; nothing is done yet.
pub(in crate::web) async fn confirm(
    context: Ctx,
    visitor: Visitor,
    fields: FormFields,
) -> Result<Response, PageError> {
    let back = back(&fields)?;
    let (action, chosen) = chosen(&fields)?;
    let choice = choice(&context, &chosen, &back.filter).await?;
    if choice.total() == 0 {
        let url = back.url_with(Notice::NothingChosen);
        return Ok(Redirect::to(&url).into_response());
    }
    Ok(page(&context, visitor, action, &chosen, choice, &back, None).into_response())
}

/// Does what was confirmed, unless the count has changed.
pub(in crate::web) async fn carry_out(
    context: Ctx,
    visitor: Visitor,
    fields: FormFields,
) -> Result<Response, PageError> {
    let back = back(&fields)?;
    let action = action(fields.one("action").unwrap_or_default())?;
    let row = fields.one("row").map(row).transpose()?;
    let expect: u64 = fields
        .one("expect")
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| ApiError::BadRequest("“expect” is not a count".to_owned()))?;
    let chosen = match (row, fields.one("ids")) {
        (Some(row), _) => Selection::Row(row),
        (None, Some(_)) => Selection::Rows(rows(&fields)?),
        (None, None) => Selection::Matching,
    };
    let target = match chosen.rows() {
        Some(rows) => ActionTarget::Rows {
            rows: rows.to_vec(),
            expect: Some(expect),
        },
        None => ActionTarget::Matching {
            filter: back.filter.clone(),
            expect,
        },
    };
    let actor = visitor.actor();
    let progress = match act(&context.store, &context.queue, action, target, &actor).await {
        Ok(progress) => progress,
        // What is to be confirmed is not there any more.
        Err(ActionError::CountChanged { found: 0, .. }) => ActionProgress::Done { affected: 0 },
        Err(ActionError::CountChanged { expected, .. }) => {
            let choice = choice(&context, &chosen, &back.filter).await?;
            let seen = Some(expected);
            let page = page(&context, visitor, action, &chosen, choice, &back, seen);
            return Ok((StatusCode::CONFLICT, page).into_response());
        }
        Err(error) => return Err(error.into()),
    };
    let notice = Notice::of(action, progress, expect, row);
    Ok(Redirect::to(&back.url_with(notice)).into_response())
}

/// The action and the recipients of a form.
fn chosen(fields: &FormFields) -> Result<(QueueAction, Selection), ApiError> {
    if let Some(both) = fields.one("row") {
        // The action and the row, since one button says both. What is selected besides is not meant.
        let (word, id) = both.split_once(' ').unwrap_or((both, ""));
        return Ok((action(word)?, Selection::Row(row(id)?)));
    }
    if let Some(word) = fields.one("all") {
        return Ok((action(word)?, Selection::Matching));
    }
    let word = fields.one("selected").unwrap_or_default();
    Ok((action(word)?, Selection::Rows(rows(fields)?)))
}

fn action(word: &str) -> Result<QueueAction, ApiError> {
    QueueAction::from_word(word)
        .ok_or_else(|| ApiError::BadRequest(format!("“{word}” is not an action")))
}

/// The listing that the form stood in.
fn back(fields: &FormFields) -> Result<QueueQuery, ApiError> {
    QueueQuery::from_query(fields.one("back").unwrap_or_default())
}

/// The chosen rows: one field for each from the listing, one for all from the confirmation.
fn rows(fields: &FormFields) -> Result<Vec<RowId>, ApiError> {
    let listed = fields.all("ids").flat_map(|ids| ids.split(','));
    let ids = fields.all("id").chain(listed).filter(|id| !id.is_empty());
    let mut rows = ids.map(row).collect::<Result<Vec<RowId>, _>>()?;
    rows.sort_unstable();
    rows.dedup();
    Ok(rows)
}

fn row(id: &str) -> Result<RowId, ApiError> {
    let id = id.parse().map(RowId);
    id.map_err(|_| ApiError::BadRequest("an id is a number".to_owned()))
}

async fn choice(
    context: &Context,
    chosen: &Selection,
    filter: &QueueFilter,
) -> Result<SelectedRows, ApiError> {
    let view = &context.store.queue_view;
    let choice = match chosen.rows() {
        Some(rows) => view.selection_of_rows(rows, SHOWN).await,
        None => {
            view.selection_by_filter(filter, SHOWN, Timestamp::now())
                .await
        }
    };
    Ok(choice?)
}

/// The confirmation; `seen` is the count that is not right any more.
fn page(
    context: &Context,
    visitor: Visitor,
    action: QueueAction,
    chosen: &Selection,
    choice: SelectedRows,
    back: &QueueQuery,
    seen: Option<u64>,
) -> Page {
    let button = Button::of(action);
    let settings = context.administration.settings();
    let now = Timestamp::now();
    let total = choice.total();
    let unconcerned: u64 = choice
        .by_state
        .iter()
        .filter(|(state, _)| !action.concerns(*state))
        .map(|(_, rows)| rows)
        .sum();
    let (mut row, mut ids, mut filter) = (None, None, None);
    match chosen {
        Selection::Row(one) => row = Some(*one),
        Selection::Rows(rows) => {
            let all: Vec<String> = rows.iter().map(RowId::to_string).collect();
            ids = Some(all.join(","));
        }
        Selection::Matching => filter = Some(in_words(&back.filter)),
    }
    let is_attempt = matches!(action, QueueAction::Retry | QueueAction::Release);
    let shown = choice.first.len() as u64;
    render(&QueueActionPage {
        frame: Frame::new(context, visitor, Section::Queue, button.label),
        button,
        total: wording::recipients(total),
        by_state: choice.by_state,
        unconcerned: (unconcerned > 0).then(|| wording::recipients(unconcerned)),
        filter,
        changed: seen.map(|seen| (wording::count(seen), wording::count(total))),
        some_are_paused: is_attempt && !settings.paused_next_hops.is_empty(),
        first: choice
            .first
            .into_iter()
            .map(|item| QueueRow::of(item, &settings, now))
            .collect(),
        more: (total > shown).then(|| wording::count(total - shown)),
        row,
        ids,
        expect: total,
        back: back.query().as_str().to_owned(),
        back_url: back.url(),
    })
}

fn in_words(filter: &QueueFilter) -> Vec<(String, String)> {
    let parts = filter.parts().into_iter();
    parts
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            (wording::word(&name), value)
        })
        .collect()
}
