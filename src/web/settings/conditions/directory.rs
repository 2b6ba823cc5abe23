//! `/settings/conditions/directory`: the LDAP directory that conditions ask.

use askama::Template;

use super::super::form::{Form, Group, Setting, Submission};
use super::super::kind::{self, Choice, Kind};
use super::super::{Answer, keep, present};
use super::{TITLE, connections, timeout};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};

const PATH: &str = "/settings/conditions/directory";

const GROUPS: &[Group] = &[
    Group {
        heading: "Server",
        settings: &[
            text(
                "directory.url",
                "Address",
                "Like ldap://directory.example.net or ldaps://directory.example.net:636.",
                kind::directory,
            ),
            Setting {
                name: "directory.start_tls",
                label: "A connection to ldap://",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "true",
                        label: "is secured with StartTLS",
                        hint: "Before anything else is said. A directory that does not offer it is not asked.",
                    },
                    Choice {
                        value: "false",
                        label: "is in the clear",
                        hint: "The password, too: for a directory on this machine, or a network of its own.",
                    },
                ]),
            },
            text(
                "directory.ca_file",
                "Authorities",
                "A PEM file with the authority of the directory’s certificate, by its whole path. Empty: those that this machine trusts are enough.",
                kind::file,
            ),
        ],
    },
    Group {
        heading: "Login",
        settings: &[
            text(
                "directory.bind_dn",
                "Name",
                "Like cn=relay,dc=example,dc=org; it only needs to read. Empty: anonymous.",
                kind::as_typed,
            ),
            Setting {
                name: "directory.bind_password",
                label: "Password",
                hint: "It is never shown again.",
                kind: Kind::Secret,
            },
        ],
    },
    Group {
        heading: "Look-ups",
        settings: &[
            text(
                "directory.base",
                "Below",
                "The entry below which everything is looked up, like ou=people,dc=example,dc=org.",
                kind::as_typed,
            ),
            timeout("directory.timeout_seconds"),
            connections("directory.connections_max"),
            Setting {
                name: "directory.cache_seconds",
                label: "An answer is remembered for",
                hint: "Also that there is no entry. 0 s: every message asks anew.",
                kind: Kind::Time,
            },
        ],
    },
];

const fn text(
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    reader: fn(&str) -> Result<String, String>,
) -> Setting {
    Setting {
        name,
        label,
        hint,
        kind: Kind::Text(reader),
    }
}

#[derive(Template)]
#[template(path = "settings/conditions/directory.html")]
struct DirectoryPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
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
    keep(&context, visitor, GROUPS, &submission, PATH, show).await
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Page {
    render(&DirectoryPage {
        frame: Frame::new(context, visitor, Section::Settings, "LDAP directory").below(TITLE),
        notice,
        form,
    })
}
