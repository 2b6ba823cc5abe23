//! `/settings/conditions/sender-check`.

use super::super::Answer;
use super::super::form::{Group, Setting, Submission};
use super::super::kind::{Choice, Kind};
use super::{disables, present_condition, submit_condition, switch, timeout, unavailable};
use crate::settings::conditions::{ConditionDescription, ConditionKind};
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::Page;

const CONDITION: &ConditionDescription = ConditionKind::SenderCheck.description();

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
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    present_condition(CONDITION, &context, visitor, &query, GROUPS)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    submit_condition(CONDITION, &context, visitor, &submission, GROUPS).await
}
