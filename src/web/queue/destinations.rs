//! The table destination × age above the listing, and pausing and resuming a next hop.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;

use super::FormFields;
use super::address::QueueView;
use super::listing::show;
use super::notice::Notice;
use crate::administration::ChangeError;
use crate::administration::queue::set_paused;
use crate::limits;
use crate::message::backlog::{AGE_BOUNDS_SECONDS, AgeRow, ByAge, Destinations, OtherDestinations};
use crate::message::queue_filter::QueueFilter;
use crate::settings::Settings;
use crate::settings::next_hop::NextHopEntry;
use crate::store::ReadError;
use crate::web::access::Visitor;
use crate::web::error::{ApiError, PageError};
use crate::web::extract::Ctx;
use crate::web::{Context, wording};

/// The headings of the columns, in the order of [`ByAge`].
const AGES: [&str; AGE_BOUNDS_SECONDS.len() + 1] =
    ["≤ 5 min", "≤ 30 min", "≤ 2 h", "≤ 8 h", "≤ 1 d", "older"];

/// The table in words.
pub(super) struct Table {
    pub(super) by_next_hop: bool,
    /// The same listing under the table by next hop, and by domain.
    pub(super) next_hop_url: String,
    pub(super) domain_url: String,
    pub(super) ages: [&'static str; AGES.len()],
    pub(super) lines: Vec<DestinationLine>,
    pub(super) others: Option<OtherLines>,
    /// Paused next hops without a line of their own.
    pub(super) also_paused: Vec<PausedNextHop>,
    /// How many recipients of the whole queue are held, in words; none when there are none.
    pub(super) held: Option<String>,
}

pub(super) struct DestinationLine {
    pub(super) name: String,
    pub(super) all: Cell,
    pub(super) cells: Vec<Cell>,
    pub(super) is_paused: bool,
}

/// A count, and the listing of what was counted.
pub(super) struct Cell {
    pub(super) age: &'static str,
    pub(super) count: String,
    pub(super) is_zero: bool,
    pub(super) url: String,
}

pub(super) struct OtherLines {
    pub(super) name: String,
    pub(super) all: String,
    pub(super) cells: Vec<(&'static str, String, bool)>,
}

pub(super) struct PausedNextHop {
    pub(super) name: String,
    pub(super) url: String,
}

/// The form that pauses a next hop by its name.
#[derive(Default)]
pub(super) struct PauseForm {
    pub(super) typed: String,
    pub(super) problem: Option<String>,
}

/// The table above `listing`.
pub(super) async fn table(
    context: &Context,
    settings: &Settings,
    listing: &QueueView,
    now: Timestamp,
) -> Result<Table, ReadError> {
    let most = limits::DESTINATIONS_SHOWN;
    let (table, held) = tokio::try_join!(
        context.store.queue_view.age_table(listing.by, most, now),
        context.store.queue_view.held_recipients(),
    )?;
    let lines: Vec<DestinationLine> = table
        .destinations
        .into_iter()
        .map(|row| line(row, settings, listing))
        .collect();
    let by_next_hop = listing.by == Destinations::NextHop;
    let paused = settings.paused_next_hops.iter();
    let also_paused = paused
        .filter(|name| !by_next_hop || !lines.iter().any(|line| line.name == **name))
        .map(|name| PausedNextHop {
            name: name.clone(),
            url: listing.filtered(of(Destinations::NextHop, name)).url(),
        });
    Ok(Table {
        by_next_hop,
        next_hop_url: listing.counted_by(Destinations::NextHop).url(),
        domain_url: listing.counted_by(Destinations::Domain).url(),
        ages: AGES,
        also_paused: also_paused.collect(),
        held: wording::held_of(held, table.recipients),
        others: table.others.map(others),
        lines,
    })
}

/// The rows of one destination.
fn of(by: Destinations, name: &str) -> QueueFilter {
    let name = Some(name.to_owned());
    match by {
        Destinations::NextHop => QueueFilter {
            next_hop: name,
            ..QueueFilter::default()
        },
        Destinations::Domain => QueueFilter {
            destination: name,
            ..QueueFilter::default()
        },
    }
}

fn line(row: AgeRow, settings: &Settings, listing: &QueueView) -> DestinationLine {
    let whole = of(listing.by, &row.destination);
    let cell = |age, count, filter| Cell {
        age,
        count: wording::count(count),
        is_zero: count == 0,
        url: listing.filtered(filter).url(),
    };
    let cells = AGES.into_iter().zip(row.by_age).enumerate();
    DestinationLine {
        is_paused: listing.by == Destinations::NextHop && settings.is_paused(&row.destination),
        all: cell("all", row.recipients, whole.clone()),
        cells: cells
            .map(|(place, (age, count))| cell(age, count, of_age(&whole, place)))
            .collect(),
        name: row.destination,
    }
}

/// Those of `whole` that one field of [`ByAge`] counts.
fn of_age(whole: &QueueFilter, place: usize) -> QueueFilter {
    QueueFilter {
        older_than_seconds: place
            .checked_sub(1)
            .map(|before| AGE_BOUNDS_SECONDS[before]),
        younger_than_seconds: AGE_BOUNDS_SECONDS.get(place).copied(),
        ..whole.clone()
    }
}

fn others(others: OtherDestinations) -> OtherLines {
    let cells = |by_age: ByAge| {
        let cells = AGES.into_iter().zip(by_age);
        cells.map(|(age, count)| (age, wording::count(count), count == 0))
    };
    OtherLines {
        name: match others.destinations {
            1 => "1 other".to_owned(),
            several => format!("{} others", wording::count(several)),
        },
        all: wording::count(others.recipients),
        cells: cells(others.by_age).collect(),
    }
}

/// Pauses or resumes a next hop, and goes back to the listing.
pub(in crate::web) async fn pause_or_resume(
    context: Ctx,
    visitor: Visitor,
    fields: FormFields,
) -> Result<Response, PageError> {
    let back = QueueView::from_query(fields.one("back").unwrap_or_default())?;
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
    fn a_cell_leads_to_what_it_counts() {
        let row = AgeRow {
            destination: "127.0.0.1:25".into(),
            recipients: 7,
            by_age: [1, 0, 2, 0, 0, 4],
        };
        let settings =
            Settings::new(crate::settings::SettingsDocument::default()).expect("they hold");
        let line = line(row, &settings, &QueueView::default());
        let urls: Vec<&str> = line.cells.iter().map(|cell| cell.url.as_str()).collect();
        let hop = "/queue?next_hop=127.0.0.1%3A25";
        assert_eq!(line.all.url, hop);
        assert_eq!(urls[0], format!("{hop}&younger_than_seconds=300"));
        let third = "&older_than_seconds=1800&younger_than_seconds=7200";
        assert_eq!(urls[2], format!("{hop}{third}"));
        assert_eq!(
            urls[5],
            "/queue?next_hop=127.0.0.1%3A25&older_than_seconds=86400"
        );
    }

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
