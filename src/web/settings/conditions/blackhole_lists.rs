//! What `/settings/conditions/blackhole-lists` shows beside its form: the lists, and an address to try them
//! out with.

use std::net::IpAddr;

use askama::Template;
use axum::response::IntoResponse;

use super::super::page::{PageParts, SettingsPage, fragment};
use super::super::submission::Submission;
use super::super::{FormAnswer, unprocessable};
use crate::conditions::{Listing, LookedUp, TryOut, Weighed};
use crate::settings::Settings;
use crate::settings::conditions::{BlackholeZone, ConditionKind};
use crate::settings::quantity::write_count;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::PageError;
use crate::web::extract::Ctx;

#[derive(Template)]
#[template(path = "settings/conditions/blackhole_zones.html")]
struct ZoneList {
    zones: Vec<ZoneRow>,
}

struct ZoneRow {
    zone: String,
    weight: String,
    answers: String,
}

/// Where an address is typed to be looked up.
#[derive(Default, Template)]
#[template(path = "settings/conditions/blackhole_box.html")]
pub(in crate::web::settings) struct LookUpBox {
    address: String,
    problem: Option<String>,
}

/// What came of trying the lists out.
#[derive(Template)]
#[template(path = "settings/conditions/blackhole_result.html")]
struct TriedLists {
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

pub(in crate::web::settings) fn parts(
    context: &Context,
    look_up: &LookUpBox,
) -> Result<PageParts, PageError> {
    let settings = context.administration.settings();
    let zones = settings.blackhole_lists.zones.iter();
    let zones = zones.map(zone_row).collect();
    Ok(PageParts {
        above: fragment(&ZoneList { zones })?,
        form: " action=\"/settings/conditions/blackhole-lists\"".to_owned(),
        below: fragment(look_up)?,
        ..PageParts::default()
    })
}

/// Looks an address up, and shows what each list says of it.
pub(in crate::web) async fn test(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> FormAnswer {
    let page = SettingsPage::of(ConditionKind::BlackholeLists);
    let typed = submission.text("address").unwrap_or_default();
    let settings = context.administration.settings();
    let address = typed.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<IpAddr>();
    let mut look_up = LookUpBox {
        address: typed.to_owned(),
        problem: None,
    };
    let mut top = String::new();
    match address {
        Ok(address) => {
            let found = context.conditions.try_blackhole_lists(&settings, address);
            top = fragment(&TriedLists::of(address, found.await, &settings))?;
            look_up.address = address.to_string();
        }
        Err(_) => look_up.problem = Some(format!("“{typed}” is not an address")),
    }
    let parts = PageParts {
        top,
        ..parts(&context, &look_up)?
    };
    let html = page.render_with(&context, visitor, None, &page.form(&context), parts)?;
    match address {
        Ok(_) => Ok(html.into_response()),
        Err(_) => unprocessable(html),
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

impl TriedLists {
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
