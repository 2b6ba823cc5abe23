//! What `/settings/next-hops` shows beside its form: the domains with a next hop of their own, and tests.

use askama::Template;

use super::page::{PageParts, fragment};
use crate::limits;
use crate::settings::next_hop::{NextHopEntry, ServerAddress};
use crate::settings::{TlsPolicy, UncertainPolicy};
use crate::web::Context;
use crate::web::error::PageError;

#[derive(Template)]
#[template(path = "settings/next_hops_list.html")]
struct NextHopList {
    entries: Vec<NextHopEntryRow>,
    /// How many entries there are, and how many of them are looked for.
    total: usize,
    found: usize,
    find: String,
}

#[derive(Template)]
#[template(path = "settings/next_hops_test.html")]
struct NextHopTests {
    /// The default as it is in force, to be tested; empty for MX.
    default_next_hop: String,
    default_tls: &'static str,
}

struct NextHopEntryRow {
    domain: String,
    address: String,
    /// The word of the setting.
    tls: &'static str,
    connections: u32,
    uncertain: &'static str,
}

pub(super) fn parts(context: &Context, find: &str) -> Result<PageParts, PageError> {
    let settings = context.administration.settings();
    let default = settings.default_next_hop.as_ref();
    let wanted = find.trim().to_lowercase();
    let found: Vec<&NextHopEntry> = settings
        .next_hops
        .iter()
        .filter(|entry| is_like(entry, &wanted))
        .collect();
    let shown = found.iter().take(limits::NEXT_HOP_ENTRIES_SHOWN);
    Ok(PageParts {
        above: fragment(&NextHopList {
            entries: shown.map(|entry| entry_row(entry)).collect(),
            total: settings.next_hops.len(),
            found: found.len(),
            find: find.trim().to_owned(),
        })?,
        below: fragment(&NextHopTests {
            default_next_hop: default.map(ToString::to_string).unwrap_or_default(),
            default_tls: tls_word(settings.next_hop_defaults.tls),
        })?,
        ..PageParts::default()
    })
}

/// Whether a part of an entry's domain or server is what is looked for.
fn is_like(entry: &NextHopEntry, wanted: &str) -> bool {
    let is_at = |address: &ServerAddress| address.to_string().contains(wanted);
    wanted.is_empty() || entry.domain.contains(wanted) || entry.address.as_ref().is_some_and(is_at)
}

fn entry_row(entry: &NextHopEntry) -> NextHopEntryRow {
    let address = entry.address.as_ref();
    NextHopEntryRow {
        domain: entry.domain.clone(),
        address: address.map(ToString::to_string).unwrap_or_default(),
        tls: tls_word(entry.policy.tls),
        connections: entry.policy.connections_max,
        uncertain: match entry.policy.uncertain {
            UncertainPolicy::Retry => "retry",
            UncertainPolicy::AssumeDelivered => "assume delivered",
        },
    }
}

/// The word of a policy, as the test of a connection takes it.
fn tls_word(policy: TlsPolicy) -> &'static str {
    match policy {
        TlsPolicy::Opportunistic => "opportunistic",
        TlsPolicy::Never => "never",
    }
}
