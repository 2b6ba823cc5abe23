//! `/settings/next-hops`: where mail goes, by default and for single domains.

use askama::Template;

use super::form::{Form, Group, Setting, Submission};
use super::kind::{self, Choice, Kind};
use super::{Answer, keep, present};
use crate::limits;
use crate::settings::next_hop::{CONNECTIONS, NextHopEntry, ServerAddress};
use crate::settings::{TlsPolicy, UncertainPolicy};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};

pub(super) const TITLE: &str = "Next hops";

const GROUPS: &[Group] = &[
    Group {
        heading: "All other mail",
        settings: &[
            Setting {
                name: "default_next_hop",
                label: "Default next hop",
                hint: "Like smtp://mail.example.net:25, or lmtp://mail.example.net:24 for the server of the mailboxes. Empty: each domain’s own mail exchangers (MX).",
                kind: Kind::Text(kind::server),
            },
            tls("next_hop_defaults.tls"),
            connections("next_hop_defaults.connections_max"),
            uncertain("next_hop_defaults.uncertain"),
            takes_eight_bit("next_hop_defaults.takes_eight_bit"),
        ],
    },
    Group {
        heading: "Look-ups",
        settings: &[Setting {
            name: "dns_servers",
            label: "DNS servers",
            hint: "One a line, like 192.0.2.53. Empty: those of this machine.",
            kind: Kind::Lines(kind::dns_server),
        }],
    },
];

/// The field for a next hop's TLS policy.
pub(super) const fn tls(name: &'static str) -> Setting {
    Setting {
        name,
        label: "Encryption",
        hint: "",
        kind: Kind::Choice(&[
            Choice {
                value: "opportunistic",
                label: "When it is offered",
                hint: "Any certificate is taken; without STARTTLS mail goes unencrypted.",
            },
            Choice {
                value: "never",
                label: "Never",
                hint: "",
            },
        ]),
    }
}

/// The field for the connections to a next hop.
pub(super) const fn connections(name: &'static str) -> Setting {
    Setting {
        name,
        label: "Connections at one time",
        hint: "To one next hop. Beyond it messages wait a moment, then go to the queue.",
        kind: Kind::Number(*CONNECTIONS.start() as u64, *CONNECTIONS.end() as u64),
    }
}

/// The field for what an uncertain outcome means.
pub(super) const fn uncertain(name: &'static str) -> Setting {
    Setting {
        name,
        label: "When a message was sent and no reply came",
        hint: "",
        kind: Kind::Choice(&[
            Choice {
                value: "retry",
                label: "Try again later",
                hint: "It arrives at least once, perhaps twice.",
            },
            Choice {
                value: "assume_delivered",
                label: "Take it as delivered",
                hint: "It arrives at most once, perhaps never.",
            },
        ]),
    }
}

/// The field for next hops that take more than they say.
pub(super) const fn takes_eight_bit(name: &'static str) -> Setting {
    Setting {
        name,
        label: "When it does not offer 8BITMIME",
        hint: "",
        kind: Kind::Choice(&[
            Choice {
                value: "false",
                label: "It gets 7-bit content",
                hint: "8-bit parts are encoded anew for it.",
            },
            Choice {
                value: "true",
                label: "It takes 8-bit content all the same",
                hint: "Nothing is changed for it.",
            },
        ]),
    }
}

#[derive(Template)]
#[template(path = "settings/next_hops.html")]
struct NextHopsPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    /// The default as it is in force, to be tested; empty for MX.
    default_next_hop: String,
    default_tls: &'static str,
    entries: Vec<EntryRow>,
    /// How many entries there are, and how many of them are looked for.
    total: usize,
    found: usize,
    find: String,
}

struct EntryRow {
    domain: String,
    address: String,
    /// The word of the setting.
    tls: &'static str,
    encryption: &'static str,
    connections: u32,
    uncertain: &'static str,
}

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    let show = |context: &Context, visitor, notice, form| {
        show(context, visitor, notice, form, &query.find)
    };
    present(&context, visitor, &query, GROUPS, show)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    keep(
        &context,
        visitor,
        GROUPS,
        &submission,
        "/settings/next-hops",
        |context, visitor, notice, form| show(context, visitor, notice, form, ""),
    )
    .await
}

fn show(
    context: &Context,
    visitor: Visitor,
    notice: Option<&'static str>,
    form: Form,
    find: &str,
) -> Page {
    let settings = context.administration.settings();
    let default = settings.default_next_hop.as_ref();
    let wanted = find.trim().to_lowercase();
    let found: Vec<&NextHopEntry> = settings
        .next_hops
        .iter()
        .filter(|entry| is_like(entry, &wanted))
        .collect();
    let shown = found.iter().take(limits::NEXT_HOP_ENTRIES_SHOWN);
    render(&NextHopsPage {
        frame: Frame::new(context, visitor, Section::Settings, TITLE),
        notice,
        form,
        default_next_hop: default.map(ToString::to_string).unwrap_or_default(),
        default_tls: tls_word(settings.next_hop_defaults.tls),
        entries: shown.map(|entry| entry_row(entry)).collect(),
        total: settings.next_hops.len(),
        found: found.len(),
        find: find.trim().to_owned(),
    })
}

/// Whether a part of an entry's domain or server is what is looked for.
fn is_like(entry: &NextHopEntry, wanted: &str) -> bool {
    let is_at = |address: &ServerAddress| address.to_string().contains(wanted);
    wanted.is_empty() || entry.domain.contains(wanted) || entry.address.as_ref().is_some_and(is_at)
}

fn entry_row(entry: &NextHopEntry) -> EntryRow {
    let address = entry.address.as_ref();
    EntryRow {
        domain: entry.domain.clone(),
        address: address.map(ToString::to_string).unwrap_or_default(),
        tls: tls_word(entry.tls),
        encryption: match entry.tls {
            TlsPolicy::Opportunistic => "when offered",
            TlsPolicy::Never => "never",
        },
        connections: entry.connections_max,
        uncertain: match entry.uncertain {
            UncertainPolicy::Retry => "try again",
            UncertainPolicy::AssumeDelivered => "take as delivered",
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
