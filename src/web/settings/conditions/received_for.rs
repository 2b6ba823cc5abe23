//! `/settings/conditions/received-for`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::super::form::{FormBody, Group};
use super::super::{Answer, Options};
use super::{disables, present_condition, submit_condition, switch};
use crate::settings::conditions::{ConditionDescription, ConditionKind};
use crate::web::Context;
use crate::web::access::Visitor;
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
pub(in crate::web) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Page {
    present_condition(CONDITION, &context, visitor, options, GROUPS)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    submit_condition(CONDITION, &context, visitor, body, GROUPS).await
}
