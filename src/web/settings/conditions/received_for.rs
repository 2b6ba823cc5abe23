//! `/settings/conditions/received-for`.

use super::super::Answer;
use super::super::form::{Group, Submission};
use super::{disables, present_condition, submit_condition, switch};
use crate::settings::conditions::{ConditionDescription, ConditionKind};
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::Page;

const CONDITION: &ConditionDescription = ConditionKind::ReceivedFor.description();

const GROUPS: &[Group] = &[Group {
    heading: "The condition",
    settings: &[
        switch("received_for.enabled"),
        disables("received_for.disables_fast_path"),
    ],
}];

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
