//! Pausing and resuming a next hop.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;

use super::FormFields;
use super::destinations::of;
use super::listing::{PauseForm, show};
use super::notice::Notice;
use super::query::QueueQuery;
use crate::administration::ChangeError;
use crate::administration::queue::set_paused;
use crate::message::backlog::Destinations;
use crate::settings::next_hop::NextHopEntry;
use crate::store::ReadError;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::{ApiError, PageError};
use crate::web::extract::Ctx;

/// Pauses or resumes a next hop, and goes back to the listing.
pub(in crate::web) async fn pause_or_resume(
    context: Ctx,
    visitor: Visitor,
    fields: FormFields,
) -> Result<Response, PageError> {
    let back = QueueQuery::from_query(fields.one("back").unwrap_or_default())?;
    let typed = fields.one("next_hop").unwrap_or_default();
    let name = name_of(typed);
    let (paused, notice) = match fields.one("do") {
        Some("pause") if is_known(&context, &name).await? => (true, Notice::Paused),
        Some("pause") => (true, Notice::PausedUnknown),
        Some("resume") => (false, Notice::Resumed),
        _ => return Err(ApiError::BadRequest("pause, or resume?".to_owned()).into()),
    };
    let change = set_paused(&context.administration, name, paused, visitor.actor());
    match change.await {
        Ok(_) => Ok(Redirect::to(&back.url_with(notice)).into_response()),
        Err(ChangeError::Invalid(mut errors)) => {
            let problem = errors.0.remove("paused_next_hops");
            let form = PauseForm {
                typed: typed.to_owned(),
                problem: Some(problem.unwrap_or_else(|| errors.to_string())),
            };
            let page = show(&context, visitor, back, None, form).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether some next hop has this name: by the settings, since it was used, or since mail waits for it.
async fn is_known(context: &Context, name: &str) -> Result<bool, ReadError> {
    let settings = context.administration.settings();
    let default = settings.default_next_hop.as_ref();
    let default = default.map(|server| settings.next_hop_defaults.at(server));
    let entries = settings.next_hops.iter().map(NextHopEntry::next_hop);
    let is_set = default
        .into_iter()
        .chain(entries)
        .any(|next_hop| **next_hop.name() == *name);
    if is_set || (context.next_hops)().iter().any(|used| &*used.name == name) {
        return Ok(true);
    }
    let waiting = of(Destinations::NextHop, name);
    let waiting = context
        .store
        .queue_view
        .count_matching(&waiting, Timestamp::now());
    Ok(waiting.await? > 0)
}

/// The name of a next hop as the queue stores it, from what was typed.
fn name_of(typed: &str) -> String {
    let typed = typed.trim().to_ascii_lowercase();
    let name = typed.strip_prefix("smtp://").unwrap_or(&typed);
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_they_are_typed() {
        for (typed, expected) in [
            (" Example.NET ", "example.net"),
            ("smtp://127.0.0.1:25", "127.0.0.1:25"),
            ("SMTP://[2001:DB8::1]:25", "[2001:db8::1]:25"),
        ] {
            assert_eq!(name_of(typed), expected);
        }
    }
}
