//! `/settings/conditions/received-for`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::super::form::{FormBody, Group};
use super::super::{Answer, Options};
use super::{Described, disables, switch};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::page::Page;

pub(super) const DESCRIBED: Described = Described {
    name: "received_for",
    path: "/settings/conditions/received-for",
    title: "Received-for header",
    does: "Makes one message for each recipient, who is named in its Received field: servers behind us see whom it was for.",
    state: |settings| {
        let received_for = &settings.received_for;
        (received_for.enabled, received_for.disables_fast_path)
    },
};

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
