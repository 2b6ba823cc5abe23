//! `/settings/conditions/ldap-relaying`.

use super::super::Answer;
use super::super::form::{Group, Setting, Submission};
use super::super::kind::{self, Choice, Kind};
use super::look_up::{Asking, Finding};
use super::unavailable;
use crate::conditions::DirectoryRoute;
use crate::message::Recipient;
use crate::settings::Settings;
use crate::settings::conditions::{ConditionDescription, ConditionKind};
use crate::smtp::address::Mailbox;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::Page;

const CONDITION: &ConditionDescription = ConditionKind::LdapRelaying.description();

const ASKING: Asking = Asking {
    condition: CONDITION,
    groups: GROUPS,
    whose: "Recipient",
};

const GROUPS: &[Group] = &[
    Group {
        heading: "The condition",
        settings: &[
            Setting {
                name: "ldap_relaying.enabled",
                label: "LDAP relaying",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "true",
                        label: "is on",
                        hint: "The directory is asked within the acknowledgement deadline, on the fast path.",
                    },
                    Choice {
                        value: "false",
                        label: "is off",
                        hint: "Next hops are found by domain alone.",
                    },
                ]),
            },
            Setting {
                name: "ldap_relaying.disables_fast_path_when_off",
                label: "While it is off, every message",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "true",
                        label: "takes the standard path",
                        hint: "For sites where mail without the directory’s word is not to be handed on at once.",
                    },
                    Choice {
                        value: "false",
                        label: "may stay on the fast path",
                        hint: "",
                    },
                ]),
            },
        ],
    },
    Group {
        heading: "Recipients",
        settings: &[
            Setting {
                name: "ldap_relaying.domains",
                label: "Domains",
                hint: "Whose recipients are looked up, one a line; .example.net for all below it. Empty: all.",
                kind: Kind::Lines(kind::domain),
            },
            Setting {
                name: "ldap_relaying.filter",
                label: "Filter",
                hint: "Finds the entry: %s stands for the address, %u for what is before the @, %d for the domain.",
                kind: Kind::Text(kind::filter),
            },
            Setting {
                name: "ldap_relaying.host_attribute",
                label: "Attribute with the server",
                hint: "A name or an address, perhaps with a port. One that is our own name changes nothing. Empty: not asked for.",
                kind: Kind::Text(kind::as_typed),
            },
            Setting {
                name: "ldap_relaying.address_attribute",
                label: "Attribute with the address",
                hint: "Under which the recipient’s mail is handed on. Empty: not asked for.",
                kind: Kind::Text(kind::as_typed),
            },
            Setting {
                name: "ldap_relaying.refuse_unknown",
                label: "A recipient without an entry",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "true",
                        label: "is refused",
                        hint: "550 at RCPT, before the message comes. The postmaster never is.",
                    },
                    Choice {
                        value: "false",
                        label: "goes where mail for its domain goes",
                        hint: "",
                    },
                ]),
            },
            unavailable("ldap_relaying.when_unavailable"),
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
    let ask = async |recipient: &Mailbox| match context
        .conditions
        .try_route(recipient, &settings)
        .await
    {
        Ok(Some(route)) => found(recipient, route, &settings),
        Ok(None) if settings.is_asked_at_rcpt(recipient) => {
            Finding::nobody("The recipient is refused at RCPT.")
        }
        Ok(None) => Finding::nobody("Its mail goes where mail for its domain goes."),
        Err(why) => Finding::none(why),
    };
    ASKING.test(&context, visitor, &submission, ask).await
}

fn found(recipient: &Mailbox, route: DirectoryRoute, settings: &Settings) -> Finding {
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
    Finding::entry(vec![
        ("Entry", entry),
        ("Server", host),
        ("Address", new),
        ("Next hop", goes.next_hop(settings).name().to_string()),
        ("This", counts.to_owned()),
    ])
}
