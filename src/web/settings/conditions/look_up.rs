//! What the pages of conditions that ask the directory show beside their form: where the directory is, and
//! a look-up to try.

use askama::Template;
use axum::response::IntoResponse as _;

use super::super::page::{PageParts, SettingsPage, fragment};
use super::super::submission::Submission;
use super::super::{FormAnswer, unprocessable};
use crate::conditions::DirectoryRoute;
use crate::message::Recipient;
use crate::settings::Settings;
use crate::settings::conditions::ConditionKind;
use crate::smtp::address::{Mailbox, ReversePath};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::PageError;
use crate::web::extract::Ctx;

/// The line above the form of the directory itself.
const ASKED_BY: &str = "\n<p class=\"quiet\">Asked by <a href=\"/settings/conditions/ldap-relaying\">LDAP relaying</a> and <a href=\"/settings/conditions/ldap-masquerading\">LDAP sender masquerading</a>, where a look-up can be tried.</p>";

#[derive(Template)]
#[template(path = "settings/conditions/look_up_top.html")]
struct DirectoryLine {
    /// Where the directory is; empty when none is set.
    directory: String,
}

#[derive(Template)]
#[template(path = "settings/conditions/look_up_box.html")]
struct TrialBox<'a> {
    path: &'a str,
    /// Whose address is tried.
    whose: &'static str,
    trial: LookUpTrial,
}

/// A look-up that is tried.
#[derive(Debug, Default)]
pub(in crate::web::settings) struct LookUpTrial {
    address: String,
    problem: Option<&'static str>,
    finding: Option<LookUpFinding>,
}

/// What the directory said.
#[derive(Debug)]
struct LookUpFinding {
    /// The class of its sentence.
    mark: &'static str,
    sentence: &'static str,
    /// Behind it, in the directory's words.
    words: String,
    /// The attributes of the entry.
    rows: Vec<(&'static str, String)>,
}

impl LookUpFinding {
    fn new(mark: &'static str, sentence: &'static str, words: impl Into<String>) -> Self {
        Self {
            mark,
            sentence,
            words: words.into(),
            rows: Vec::new(),
        }
    }

    /// An entry.
    fn entry(rows: Vec<(&'static str, String)>) -> Self {
        Self {
            rows,
            ..Self::new("good", "The directory has an entry.", "")
        }
    }

    /// No entry; what that means.
    fn nobody(words: &str) -> Self {
        Self::new("doubtful", "The directory has no entry.", words)
    }

    /// The directory cannot tell, and why.
    fn none(why: String) -> Self {
        Self::new("bad", "It cannot tell.", why)
    }
}

/// The parts of the page of the directory.
pub(in crate::web::settings) fn directory_parts() -> PageParts {
    PageParts {
        top: ASKED_BY.to_owned(),
        ..PageParts::default()
    }
}

/// The parts of the page of a condition that asks it.
pub(in crate::web::settings) fn parts(
    context: &Context,
    path: &str,
    whose: &'static str,
    trial: LookUpTrial,
) -> Result<PageParts, PageError> {
    let settings = context.administration.settings();
    let url = settings.directory.url.as_ref();
    let directory = url.map(ToString::to_string).unwrap_or_default();
    Ok(PageParts {
        top: fragment(&DirectoryLine { directory })?,
        form: format!(" action=\"{path}\""),
        below: fragment(&TrialBox { path, whose, trial })?,
        ..PageParts::default()
    })
}

/// Tries the look-up of a recipient.
pub(in crate::web) async fn test_recipient(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> FormAnswer {
    let settings = context.administration.settings();
    let ask = async |recipient: &Mailbox| match context
        .conditions
        .try_route(recipient, &settings)
        .await
    {
        Ok(Some(route)) => route_found(recipient, route, &settings),
        Ok(None) if settings.is_asked_at_rcpt(recipient) => {
            LookUpFinding::nobody("The recipient is refused at RCPT.")
        }
        Ok(None) => LookUpFinding::nobody("Its mail goes where mail for its domain goes."),
        Err(why) => LookUpFinding::none(why),
    };
    let kind = ConditionKind::LdapRelaying;
    test(kind, "Recipient", &context, visitor, &submission, ask).await
}

/// Tries the look-up of a sender.
pub(in crate::web) async fn test_sender(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> FormAnswer {
    let settings = context.administration.settings();
    let ask = async |sender: &Mailbox| {
        let found = match context.conditions.try_official(sender, &settings).await {
            Ok(Some(found)) => found,
            Ok(None) => return LookUpFinding::nobody("The sender stays as it is."),
            Err(why) => return LookUpFinding::none(why),
        };
        let official = match found.address {
            Some(address) => address.to_string(),
            None => "the one it has".to_owned(),
        };
        let counts = if settings.is_masqueraded(&ReversePath::Mailbox(sender.clone())) {
            "counts for mail"
        } else if settings.ldap_masquerading.enabled {
            "does not count: the domain is none of those that are looked up"
        } else {
            "does not count: the condition is off"
        };
        LookUpFinding::entry(vec![
            ("Entry", found.entry),
            ("Official", official),
            ("This", counts.to_owned()),
        ])
    };
    let kind = ConditionKind::LdapMasquerading;
    test(kind, "Sender", &context, visitor, &submission, ask).await
}

/// Tries the look-up of the address that was typed, and shows what came of it.
async fn test(
    kind: ConditionKind,
    whose: &'static str,
    context: &Context,
    visitor: Visitor,
    submission: &Submission,
    ask: impl AsyncFnOnce(&Mailbox) -> LookUpFinding,
) -> FormAnswer {
    let page = SettingsPage::of(kind);
    let typed = submission.text("address").unwrap_or_default();
    let mut trial = LookUpTrial {
        address: typed.to_owned(),
        ..LookUpTrial::default()
    };
    let address = Mailbox::parse(typed);
    match &address {
        Ok(address) => trial.finding = Some(ask(address).await),
        Err(_) => trial.problem = Some("give an address like someone@example.net"),
    }
    let parts = parts(context, &page.path, whose, trial)?;
    let html = page.render_with(context, visitor, None, &page.form(context), parts)?;
    match address {
        Ok(_) => Ok(html.into_response()),
        Err(_) => unprocessable(html),
    }
}

fn route_found(recipient: &Mailbox, route: DirectoryRoute, settings: &Settings) -> LookUpFinding {
    let DirectoryRoute {
        entry,
        mail_host,
        address,
    } = route;
    let host = match &mail_host {
        Some(host) => host.to_string(),
        None => "none: where mail for the address goes".to_owned(),
    };
    let new = match &address {
        Some(address) => address.to_string(),
        None => "stays as it is".to_owned(),
    };
    let goes = Recipient {
        mail_host,
        ..Recipient::plain(address.unwrap_or_else(|| recipient.clone()))
    };
    let counts = if settings.is_routed_by_directory(recipient) {
        "counts for mail"
    } else if settings.ldap_relaying.enabled {
        "does not count: the domain is none of those that are looked up"
    } else {
        "does not count: LDAP relaying is off"
    };
    LookUpFinding::entry(vec![
        ("Entry", entry),
        ("Server", host),
        ("Address", new),
        ("Next hop", goes.next_hop(settings).name().to_string()),
        ("This", counts.to_owned()),
    ])
}

#[cfg(test)]
#[path = "look_up_tests.rs"]
mod tests;
