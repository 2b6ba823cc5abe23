//! `/settings/conditions/sender-check`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::super::form::{FormBody, Group, Setting};
use super::super::kind::{Choice, Kind};
use super::super::{Answer, Options};
use super::{Described, disables, switch, timeout, unavailable};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::page::Page;

pub(super) const DESCRIBED: Described = Described {
    name: "sender_check",
    path: "/settings/conditions/sender-check",
    title: "Sender check",
    does: "Looks the sender’s domain up in the DNS: refuses one that does not exist, has no server, or takes no mail. Nobody could answer such a message.",
    state: |settings| {
        let check = &settings.sender_check;
        (check.enabled, check.disables_fast_path)
    },
};

const GROUPS: &[Group] = &[
    Group {
        heading: "The condition",
        settings: &[
            switch("sender_check.enabled"),
            disables("sender_check.disables_fast_path"),
            Setting {
                name: "sender_check.exempt_trusted",
                label: "Trusted networks, and clients that have logged in",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "true",
                        label: "are not checked",
                        hint: "",
                    },
                    Choice {
                        value: "false",
                        label: "are checked as well",
                        hint: "",
                    },
                ]),
            },
        ],
    },
    Group {
        heading: "The DNS",
        settings: &[
            timeout("sender_check.timeout_seconds"),
            unavailable("sender_check.when_unavailable"),
        ],
    },
];

/// The page.
pub(in crate::web) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Page {
    DESCRIBED.present(&context, visitor, options, GROUPS)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    DESCRIBED.submit(&context, visitor, body, GROUPS).await
}
