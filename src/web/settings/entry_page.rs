//! The pages of single entries of lists among the settings: a row each, and the same handlers for all.

use askama::Template;
use axum::Extension;
use serde_json::{Map, Value, json};

use super::condition_pages::{self, Diverted};
use super::form::Form;
use super::submission::Submission;
use super::{FormAnswer, change, open_relay, see, unprocessable};
use crate::administration::OpenRelay;
use crate::settings::Settings;
use crate::settings::catalogue::{EntryList, LISTENERS, NEXT_HOPS};
use crate::settings::conditions::ConditionKind;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::ApiError;
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use crate::web::pairs::Pairs;

/// Where a form carries the key of the entry that it is about; blank for a new one.
pub(super) const ENTRY: &str = "entry";

/// The page of an entry. In words about an entry its key takes the place of `{}`.
pub(in crate::web) struct EntryPage {
    pub(super) list: &'static EntryList,
    /// What is wrong with an entry whose key is blank.
    pub(super) keyless: &'static str,
    /// The field that shows a problem of the list: what is wrong with it is the entry that is new in it.
    pub(super) problem_at: &'static str,
    pub(in crate::web) path: &'static str,
    pub(in crate::web) remove_path: &'static str,
    /// Where an entry is moved up or down, in a list whose order counts.
    pub(in crate::web) move_path: Option<&'static str>,
    /// The page with the list.
    pub(super) list_page: &'static str,
    /// The page of the navigation that it is below.
    below: &'static str,
    title_of_new: &'static str,
    title: &'static str,
    /// What it means that an entry is removed.
    removal: &'static str,
    remove: &'static str,
    /// Another button for the form: where it leads, and its words.
    also: Option<(&'static str, &'static str)>,
    /// A key that has no entry yet is where a new one begins.
    is_for_any_key: bool,
    /// It says how many messages the entry diverted.
    has_figures: bool,
}

/// Every such page.
pub(in crate::web) static ENTRY_PAGES: [EntryPage; 5] = [
    EntryPage {
        list: &NEXT_HOPS.lists[0],
        keyless: "give a domain",
        // The domain was looked at when it was read: what is wrong then is where its mail would go.
        problem_at: "address",
        path: "/settings/next-hops/entry",
        remove_path: "/settings/next-hops/remove",
        move_path: None,
        list_page: "/settings/next-hops",
        below: NEXT_HOPS.title,
        title_of_new: "A next hop for a domain",
        title: "The next hop for {}",
        removal: "Mail for {} then goes where the default says; messages that wait do so from their next attempt on.",
        remove: "Remove {}",
        also: Some(("/settings/next-hops/test", "Test without saving")),
        is_for_any_key: false,
        has_figures: false,
    },
    EntryPage {
        list: &LISTENERS.lists[0],
        keyless: "give the address",
        problem_at: "address",
        path: "/settings/listeners/entry",
        remove_path: "/settings/listeners/remove",
        move_path: None,
        list_page: "/settings/listeners",
        below: LISTENERS.title,
        title_of_new: "A listener",
        title: "The listener at {}",
        removal: "The listener goes on, and is as all others then.",
        remove: "Remove what is particular to {}",
        also: None,
        is_for_any_key: true,
        has_figures: false,
    },
    EntryPage {
        list: &ConditionKind::BlackholeLists.description().lists[0],
        keyless: "give its domain",
        problem_at: "zone",
        path: "/settings/conditions/blackhole-lists/zone",
        remove_path: "/settings/conditions/blackhole-lists/zone/remove",
        move_path: None,
        list_page: "/settings/conditions/blackhole-lists",
        below: condition_pages::TITLE,
        title_of_new: "A blackhole list",
        title: "The blackhole list {}",
        removal: "Clients that it lists then weigh less.",
        remove: "Remove {}",
        also: None,
        is_for_any_key: false,
        has_figures: false,
    },
    EntryPage {
        list: &ConditionKind::ContentFilter.description().lists[0],
        keyless: "give it a name",
        problem_at: "name",
        path: "/settings/conditions/content-filter/rule",
        remove_path: "/settings/conditions/content-filter/rule/remove",
        move_path: Some("/settings/conditions/content-filter/rule/move"),
        list_page: "/settings/conditions/content-filter",
        below: condition_pages::TITLE,
        title_of_new: "A rule of the content filter",
        title: "The rule {}",
        removal: "Messages it matched are then asked about the rules behind it.",
        remove: "Remove {}",
        also: None,
        is_for_any_key: false,
        has_figures: false,
    },
    EntryPage {
        list: &ConditionKind::Own.description().lists[0],
        keyless: "give it a name",
        problem_at: "name",
        path: "/settings/conditions/own",
        remove_path: "/settings/conditions/own/remove",
        move_path: None,
        list_page: condition_pages::PATH,
        below: condition_pages::TITLE,
        title_of_new: "A condition of your own",
        title: "The condition {}",
        removal: "Messages it concerned then take the path they take without it.",
        remove: "Remove {}",
        also: None,
        is_for_any_key: false,
        has_figures: true,
    },
];

#[derive(Template)]
#[template(path = "settings/entry.html")]
struct EntryTemplate<'a> {
    frame: Frame,
    notice: Option<&'static str>,
    page: &'static EntryPage,
    diverted: Option<Diverted>,
    form: Form,
    /// The key of the entry; blank for a new one.
    entry: &'a str,
}

impl EntryPage {
    fn render(&'static self, context: &Context, visitor: Visitor, form: Form, entry: &str) -> Page {
        let title = match entry {
            "" => self.title_of_new.to_owned(),
            entry => self.title.replace("{}", entry),
        };
        let has_figures = self.has_figures && !entry.is_empty();
        render(&EntryTemplate {
            frame: Frame::new(context, visitor, Section::Settings, title).below(self.below),
            notice: None,
            page: self,
            diverted: has_figures.then(|| Diverted::now(entry, context)),
            form,
            entry,
        })
    }

    /// Makes a change that nothing was typed for, and leads back to the list.
    async fn keep(
        &self,
        context: &Context,
        visitor: &Visitor,
        patch: impl FnOnce(&Settings) -> Map<String, Value> + Send + 'static,
        done: &str,
    ) -> FormAnswer {
        let patch = |settings: &Settings| Ok(patch(settings));
        match change(context, visitor, patch, OpenRelay::ELSEWHERE).await? {
            Ok(()) => self.back(done),
            Err(errors) => Err(ApiError::Fields(errors).into()),
        }
    }

    fn back(&self, done: &str) -> FormAnswer {
        see(&format!("{}?done={done}", self.list_page))
    }
}

/// The entry whose key is in the query, or a new one.
pub(in crate::web) async fn show(
    Extension(page): Extension<&'static EntryPage>,
    context: Ctx,
    visitor: Visitor,
    mut pairs: Pairs,
) -> Page {
    let list = page.list;
    let mut key = pairs.take(list.key).unwrap_or_default();
    pairs.end()?;
    let settings = context.administration.settings();
    let entry = match page.entry(&settings, &key) {
        Some(entry) => entry,
        None if key.is_empty() || page.is_for_any_key => {
            let mut new = (list.new)(&settings);
            if !key.is_empty() {
                new.insert(list.key.to_owned(), json!(std::mem::take(&mut key)));
            }
            new
        }
        None => return Err(ApiError::NotFound.into()),
    };
    page.render(&context, visitor, Form::showing(list.groups, &entry), &key)
}

/// Saves what was typed and leads back to the list; or shows the form again, with its problems.
pub(in crate::web) async fn submit(
    Extension(page): Extension<&'static EntryPage>,
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> FormAnswer {
    let typed = submission.clone();
    let patch = move |settings: &Settings| {
        let edited = page.edited(settings, &typed);
        edited.map_err(|form| form.errors())
    };
    let Err(errors) = change(&context, &visitor, patch, open_relay(&submission)).await? else {
        return page.back("saved");
    };
    let settings = context.administration.settings();
    let (form, entry) = page.again(&settings, &submission, errors);
    unprocessable(page.render(&context, visitor, form, &entry)?)
}

/// Removes the entry that the form is about. One that is gone already is what was wanted.
pub(in crate::web) async fn remove(
    Extension(page): Extension<&'static EntryPage>,
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> FormAnswer {
    let key = submission.text(ENTRY).unwrap_or_default().to_owned();
    let patch = move |settings: &Settings| page.without(settings, &key);
    page.keep(&context, &visitor, patch, "removed").await
}

/// Moves the entry that the form is about one place up or down.
pub(in crate::web) async fn reorder(
    Extension(page): Extension<&'static EntryPage>,
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> FormAnswer {
    let key = submission.text(ENTRY).unwrap_or_default().to_owned();
    let up = match submission.text("direction") {
        Some("up") => true,
        Some("down") => false,
        _ => {
            let problem = "direction: must be up or down".to_owned();
            return Err(ApiError::BadRequest(problem).into());
        }
    };
    let patch = move |settings: &Settings| page.moved(settings, &key, up);
    page.keep(&context, &visitor, patch, "saved").await
}
