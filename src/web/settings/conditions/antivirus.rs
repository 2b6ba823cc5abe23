//! `/settings/conditions/antivirus`.

use super::super::Answer;
use super::super::form::{Group, Submission};
use super::{
    connections, disables, found, present_condition, server, submit_condition, switch, timeout,
    unavailable,
};
use crate::settings::conditions::{ConditionDescription, ConditionKind};
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::Page;

const CONDITION: &ConditionDescription = ConditionKind::Antivirus.description();

const GROUPS: &[Group] = &[
    Group {
        heading: "The condition",
        settings: &[
            switch("antivirus.enabled"),
            disables("antivirus.disables_fast_path"),
            found("antivirus.when_found", "An infected message"),
        ],
    },
    Group {
        heading: "clamd",
        settings: &[
            server(
                "antivirus.server",
                "Like 127.0.0.1:3310 or unix:/run/clamav/clamd.ctl. What is larger than its StreamMaxLength, it cannot tell.",
            ),
            timeout("antivirus.timeout_seconds"),
            connections("antivirus.connections_max"),
            unavailable("antivirus.when_unavailable"),
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
