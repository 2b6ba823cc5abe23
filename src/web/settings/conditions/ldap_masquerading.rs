//! `/settings/conditions/ldap-masquerading`.

use super::super::Answer;
use super::super::form::{Group, Setting, Submission};
use super::super::kind::{self, Kind};
use super::look_up::{Asking, Finding};
use super::{disables, switch, unavailable};
use crate::settings::conditions::{ConditionDescription, ConditionKind};
use crate::smtp::address::{Mailbox, ReversePath};
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::Page;

const CONDITION: &ConditionDescription = ConditionKind::LdapMasquerading.description();

const ASKING: Asking = Asking {
    condition: CONDITION,
    groups: GROUPS,
    whose: "Sender",
};

const GROUPS: &[Group] = &[
    Group {
        heading: "The condition",
        settings: &[
            switch("ldap_masquerading.enabled"),
            disables("ldap_masquerading.disables_fast_path"),
        ],
    },
    Group {
        heading: "Senders",
        settings: &[
            Setting {
                name: "ldap_masquerading.domains",
                label: "Domains",
                hint: "Whose senders are looked up, one a line; .example.net for all below it. Empty: all. Name your own: a signature (DKIM) of others does not survive a change of From.",
                kind: Kind::Lines(kind::domain),
            },
            Setting {
                name: "ldap_masquerading.filter",
                label: "Filter",
                hint: "Finds the entry: %s stands for the address, %u for what is before the @, %d for the domain.",
                kind: Kind::Text(kind::filter),
            },
            Setting {
                name: "ldap_masquerading.attribute",
                label: "Attribute with the official address",
                hint: "A sender without an entry, or without this attribute, stays as it is.",
                kind: Kind::Text(kind::as_typed),
            },
            unavailable("ldap_masquerading.when_unavailable"),
        ],
    },
];

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    ASKING.present(&context, visitor, &query)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    ASKING.submit(&context, visitor, &submission).await
}

/// Tries a look-up.
pub(in crate::web) async fn test(context: Ctx, visitor: Visitor, submission: Submission) -> Answer {
    let settings = context.administration.settings();
    let ask = async |sender: &Mailbox| {
        let found = match context.conditions.try_official(sender, &settings).await {
            Ok(Some(found)) => found,
            Ok(None) => return Finding::nobody("The sender stays as it is."),
            Err(why) => return Finding::none(why),
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
        Finding::entry(vec![
            ("Entry", found.entry),
            ("Official", official),
            ("This", counts.to_owned()),
        ])
    };
    ASKING.test(&context, visitor, &submission, ask).await
}
