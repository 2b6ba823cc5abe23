//! The API: everything the pages can do, in JSON.

pub(super) mod accounts;
pub(super) mod alerts;
pub(super) mod audit;
pub(super) mod conditions;
pub(super) mod content_filter;
pub(super) mod messages;
pub(super) mod next_hops;
pub(super) mod openapi;
pub(super) mod openpgp_keys;
pub(super) mod queue;
#[cfg(test)]
mod schema_check;
pub(super) mod settings;
pub(super) mod smtp_logins;
pub(super) mod statistics;
pub(super) mod tokens;

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// Why something was not done.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what the error answers")]
pub(in crate::web) struct Problem {
    error: String,
}

/// Fields that do not hold, each with the reason.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what the error answers")]
pub(in crate::web) struct Problems {
    errors: BTreeMap<String, String>,
}
