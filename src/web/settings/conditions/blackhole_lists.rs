//! `/settings/conditions/blackhole-lists`: the lists, what their weights mean, and an address to try
//! them out with.

use std::net::IpAddr;

use askama::Template;

use super::super::form::{Form, Group, Setting, Submission};
use super::super::kind::{self, Bound, Kind};
use super::super::{Answer, keep, present, subject, unprocessable};
use super::{Diverted, TITLE, disables, page_of, switch, timeout, unavailable};
use crate::conditions::{Listing, LookedUp, TryOut, Weighed};
use crate::settings::Settings;
use crate::settings::conditions::{BlackholeZone, ConditionDescription, ConditionKind};
use crate::settings::quantity::write_count;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};
use axum::response::IntoResponse as _;

const CONDITION: &ConditionDescription = ConditionKind::BlackholeLists.description();

const GROUPS: &[Group] = &[
    Group {
        heading: "The condition",
        settings: &[
            switch("blackhole_lists.enabled"),
            disables("blackhole_lists.disables_fast_path"),
            Setting {
                name: "blackhole_lists.refuse_weight",
                label: "Refuse a client",
                hint: "554 in the session, with the words of the first list that has it.",
                kind: Kind::OrOff(&weight("when its lists together weigh", "1")),
            },
            Setting {
                name: "blackhole_lists.tag_weight",
                label: "Tag its messages",
                hint: "Delivered with a header field X-Blackhole-Lists that names the lists.",
                kind: Kind::OrOff(&weight("when they weigh less, but", "1")),
            },
            Setting {
                name: "blackhole_lists.allowed_networks",
                label: "Clients that are never looked up",
                hint: "Networks, one a line.",
                kind: Kind::Lines(kind::network),
            },
        ],
    },
    Group {
        heading: "The DNS",
        settings: &[
            timeout("blackhole_lists.timeout_seconds"),
            unavailable("blackhole_lists.when_unavailable"),
        ],
    },
];

const fn weight(words: &'static str, usual: &'static str) -> Bound {
    Bound {
        words,
        kind: Kind::Number(1, 1_000),
        unit: "or more",
        usual,
    }
}

#[derive(Template)]
#[template(path = "settings/conditions/blackhole_lists.html")]
struct ListsPage {
    frame: Frame,
    notice: Option<&'static str>,
    does: &'static str,
    diverted: Diverted,
    form: Form,
    zones: Vec<ZoneRow>,
    /// What was typed to be looked up.
    address: String,
    /// What is wrong with it.
    problem: Option<String>,
    tried: Option<Tried>,
}

struct ZoneRow {
    zone: String,
    weight: String,
    answers: String,
}

/// What came of trying the lists out.
struct Tried {
    address: IpAddr,
    mark: &'static str,
    sentence: String,
    lists: Vec<TriedRow>,
}

struct TriedRow {
    zone: String,
    mark: &'static str,
    finding: &'static str,
    words: String,
}

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    present(&context, visitor, &query, GROUPS, show)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    let path = page_of(CONDITION);
    keep(&context, visitor, GROUPS, &submission, &path, show).await
}

/// Looks an address up, and shows what each list says of it.
pub(in crate::web) async fn test(context: Ctx, visitor: Visitor, submission: Submission) -> Answer {
    let typed = submission.text("address").unwrap_or_default();
    let settings = context.administration.settings();
    let form = Form::showing(GROUPS, &subject(&settings));
    let page = ListsPage::new(&context, visitor, None, form);
    let address = typed.trim_start_matches('[').trim_end_matches(']');
    let Ok(address) = address.parse::<IpAddr>() else {
        return unprocessable(render(&ListsPage {
            problem: Some(format!("“{typed}” is not an address")),
            address: typed.to_owned(),
            ..page
        })?);
    };
    let found = context.conditions.try_blackhole_lists(&settings, address);
    let tried = Tried::of(address, found.await, &settings);
    let page = render(&ListsPage {
        address: address.to_string(),
        tried: Some(tried),
        ..page
    })?;
    Ok(page.into_response())
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Page {
    render(&ListsPage::new(context, visitor, notice, form))
}

impl ListsPage {
    fn new(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Self {
        let settings = context.administration.settings();
        let zones = settings.blackhole_lists.zones.iter();
        Self {
            frame: Frame::new(context, visitor, Section::Settings, CONDITION.title).below(TITLE),
            notice,
            does: CONDITION.summary,
            diverted: Diverted::now(CONDITION.name, context),
            form,
            zones: zones.map(zone_row).collect(),
            address: String::new(),
            problem: None,
            tried: None,
        }
    }
}

fn zone_row(zone: &BlackholeZone) -> ZoneRow {
    let answers: Vec<String> = zone.answers.iter().map(ToString::to_string).collect();
    ZoneRow {
        zone: zone.zone.clone(),
        weight: write_count(zone.weight.into()),
        answers: match answers.as_slice() {
            [] => "any inside 127.0.0.0/8".to_owned(),
            answers => answers.join(", "),
        },
    }
}

impl Tried {
    fn of(address: IpAddr, found: TryOut, settings: &Settings) -> Self {
        let weight = write_count(found.weight.into());
        let (mark, what) = match found.weighed {
            Weighed::Refuse => ("bad", "it is refused"),
            Weighed::Tag => ("doubtful", "its messages are tagged"),
            Weighed::Pass => ("good", "it passes"),
            Weighed::Undecided => ("doubtful", "more cannot be told"),
        };
        let exempt = if settings.trusts(address) {
            " It is trusted, though: its messages are not looked up."
        } else if settings.blackhole_lists.allows(address) {
            " It is allowed, though: its messages are not looked up."
        } else {
            ""
        };
        Self {
            address,
            mark,
            sentence: format!("Weight {weight}: {what}.{exempt}"),
            lists: found.lists.into_iter().map(tried_row).collect(),
        }
    }
}

fn tried_row(found: LookedUp) -> TriedRow {
    let (mark, finding, words) = match found.listing {
        Listing::Listed(answers) => {
            let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
            let text = found.text.map(|text| format!(": {text}"));
            let words = format!("{}{}", answers.join(", "), text.unwrap_or_default());
            ("bad", "listed", words)
        }
        Listing::NotListed => ("good", "not listed", String::new()),
        Listing::NotCounted(words) => ("doubtful", "not counted", words),
        Listing::Unknown(why) => ("doubtful", "not known", why),
    };
    TriedRow {
        zone: found.zone.zone,
        mark,
        finding,
        words,
    }
}
