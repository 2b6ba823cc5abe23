//! How much waits in the queue: where for, since when, and in which states.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RowState;
#[cfg(doc)]
use crate::limits;

/// What a line of the table stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Destinations {
    /// A next hop, by its name.
    #[default]
    NextHop,
    /// A recipients' domain.
    Domain,
}

/// The whole table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AgeTable {
    /// The destinations with most rows, the largest first.
    pub destinations: Vec<AgeRow>,
    /// The destinations that have no line of their own; none when all have one.
    pub others: Option<OtherDestinations>,
    /// Rows in all.
    pub recipients: u64,
}

/// One line of the table destination × age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgeRow {
    /// The next hop, or the recipients' domain.
    pub destination: String,
    /// Rows in all.
    pub recipients: u64,
    /// Rows by age, see [`ByAge`].
    #[schema(value_type = Vec<u64>)]
    pub by_age: ByAge,
}

/// What has no line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OtherDestinations {
    /// How many destinations those are.
    pub destinations: u64,
    /// Rows in all.
    pub recipients: u64,
    /// Rows by age, see [`ByAge`].
    #[schema(value_type = Vec<u64>)]
    pub by_age: ByAge,
}

/// Rows not older than each of [`AGE_BOUNDS_SECONDS`] and older than the one before; the last field
/// counts the rest.
pub type ByAge = [u64; AGE_BOUNDS_SECONDS.len() + 1];

/// 5 and 30 minutes, 2, 8 and 24 hours.
pub const AGE_BOUNDS_SECONDS: [u64; 5] = [300, 1_800, 7_200, 28_800, 86_400];

/// What the live figures show; cheap enough for once a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Rows.
    pub recipients: u64,
    /// When the oldest message arrived.
    pub oldest_received_at: Option<Timestamp>,
}

/// What the dashboard shows of the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueOverview {
    /// Rows in each state, in the order of the design; states without rows are left out.
    pub by_state: Vec<(RowState, u64)>,
    /// The next hops with most rows that become due by themselves, and how many those are.
    pub due_by_next_hop: Vec<(String, u64)>,
}

/// What the queue's page shows above the listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFigures {
    /// Rows.
    pub recipients: u64,
    /// When the oldest message arrived.
    pub oldest_received_at: Option<Timestamp>,
    /// Rows in each state, in the order of the design; states without rows are left out.
    pub by_state: Vec<(RowState, u64)>,
    /// The next hops with most rows, at most [`limits::PAGE_ITEMS`].
    pub by_next_hop: Vec<NextHopBacklog>,
}

/// What waits for one next hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextHopBacklog {
    /// The next hop's name.
    pub next_hop: String,
    /// Rows.
    pub recipients: u64,
    /// When its oldest message arrived.
    pub oldest_received_at: Option<Timestamp>,
}
