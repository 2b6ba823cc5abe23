//! The table destination × age above the listing.

use jiff::Timestamp;

use super::query::QueueQuery;
use crate::limits;
use crate::message::backlog::{AGE_BOUNDS_SECONDS, AgeRow, Destinations, OtherDestinations};
use crate::message::queue_filter::QueueFilter;
use crate::settings::Settings;
use crate::store::ReadError;
use crate::web::{Context, wording};

/// The headings of the columns, in the order of [`AgeRow::by_age`].
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
    pub(super) others: Option<OtherDestinations>,
    /// Paused next hops without a line of their own, each with the listing of what waits for it.
    pub(super) also_paused: Vec<(String, String)>,
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
    pub(super) count: u64,
    pub(super) url: String,
}

/// The table above `listing`.
pub(super) async fn table(
    context: &Context,
    settings: &Settings,
    listing: &QueueQuery,
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
        .map(|name| {
            let waiting = listing.filtered(of(Destinations::NextHop, name));
            (name.clone(), waiting.url())
        });
    Ok(Table {
        by_next_hop,
        next_hop_url: listing.counted_by(Destinations::NextHop).url(),
        domain_url: listing.counted_by(Destinations::Domain).url(),
        ages: AGES,
        also_paused: also_paused.collect(),
        held: wording::held_of(held, table.recipients),
        others: table.others,
        lines,
    })
}

/// The rows of one destination.
pub(super) fn of(by: Destinations, name: &str) -> QueueFilter {
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

fn line(row: AgeRow, settings: &Settings, listing: &QueueQuery) -> DestinationLine {
    let whole = of(listing.by, &row.destination);
    let cell = |age, count, filter| Cell {
        age,
        count,
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

/// Those of `whole` that one field of [`AgeRow::by_age`] counts.
fn of_age(whole: &QueueFilter, place: usize) -> QueueFilter {
    QueueFilter {
        older_than_seconds: place
            .checked_sub(1)
            .map(|before| AGE_BOUNDS_SECONDS[before]),
        younger_than_seconds: AGE_BOUNDS_SECONDS.get(place).copied(),
        ..whole.clone()
    }
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
        let line = line(row, &settings, &QueueQuery::default());
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
}
