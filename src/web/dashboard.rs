//! `/`: the live ratio as headline, why messages touched disk, what is held now, traffic over time, the
//! next hops, and what waits.
//!
//! Plain HTML that is complete when it arrives. With a script the [`figures`] are kept up to date
//! and the rest is fetched again now and then; without one the page reloads itself, and
//! `?refresh=off` keeps it still for slow readers. What browsers do by themselves goes to a path
//! of its own ([`RENEWED`]): an unattended dashboard keeps no session alive.

mod cards;
mod figures;
mod traffic;

use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;

use super::access::Visitor;
use super::alerts::AlertList;
use super::error::ApiError;
use super::extract::Ctx;
use super::page::{Frame, Page, Section, render};
use super::pairs::Pairs;
use super::wording;
use crate::conditions::ServiceFigures;
use crate::statistics::Range;
use crate::store::DiskFigures;

use cards::{NextHopsCard, QueueCard, ReasonRow};
pub(super) use figures::{Gauges, LiveFigures};
use traffic::Traffic;

/// The path from which the page renews itself.
pub(super) const RENEWED: &str = "/renewed";
/// Without a script the page reloads itself this often.
const REFRESH_SECONDS: u32 = 10;

/// What the query of the page says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DashboardQuery {
    refresh: Option<String>,
    #[serde(default)]
    range: Range,
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    frame: Frame,
    alerts: AlertList,
    figures: LiveFigures,
    reasons: Vec<ReasonRow>,
    traffic: Traffic,
    next_hops: NextHopsCard,
    services: Vec<ServiceFigures>,
    queue: QueueCard,
    disk: DiskFigures,
    budget_bytes: u64,
}

/// The page.
pub(super) async fn page(context: Ctx, visitor: Visitor, pairs: Pairs) -> Page {
    let options: DashboardQuery = pairs.into_filter()?;
    let now = Timestamp::now();
    // Side by side: the queue's sums take longest.
    let (live, queue, disk) = tokio::join!(
        context.live(),
        context.live_feed.queue_overview(&context.store),
        context.store.disk(),
    );
    let (live, overview) = (live?, queue?);
    let disk = disk.map_err(|cause| ApiError::Trouble(cause.into()))?;
    let size = live.queue;
    let gauges = Gauges::of(&context, now);
    let started_at = now.checked_sub(gauges.uptime).unwrap_or(now);
    let figures = LiveFigures::new(&live, &gauges);
    let mut frame = Frame::new(&context, visitor, Section::Dashboard, figures.text("ratio"));
    let keeps_still = options.refresh.as_deref() == Some("off");
    let range = options.range.as_str();
    frame.refresh =
        (!keeps_still).then(|| format!("{REFRESH_SECONDS}; url={RENEWED}?range={range}"));
    render(&Dashboard {
        alerts: AlertList::of(&context),
        reasons: cards::reasons(&live.windows.day, now),
        traffic: Traffic::new(&context.statistics, options.range, keeps_still),
        next_hops: NextHopsCard::new((context.next_hops)(), started_at),
        services: cards::services(context.conditions.services()),
        queue: QueueCard { overview, size },
        disk,
        budget_bytes: gauges.budget_bytes,
        frame,
        figures,
    })
}

#[cfg(test)]
#[path = "dashboard_tests.rs"]
mod tests;
