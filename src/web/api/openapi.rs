//! `/api/v1/openapi.json`: the API in OpenAPI 3.1, told by its handlers and their types.
//!
//! A new path needs `#[utoipa::path(…)]` above its handler, `ToSchema` on the types it takes and gives,
//! and its line in the list below. What all paths have in common is added here: the token, and the
//! answers to those who lack one.

use axum::Json;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::{
    Problem, accounts, alerts, audit, conditions, content_filter, messages, next_hops,
    openpgp_keys, queue, settings, smtp_logins, statistics, tokens,
};

/// The name of the token in the document.
const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fastpath",
        description = "Everything that the pages of the appliance show and do. Times are RFC 3339 in UTC, sizes bytes, spans seconds."
    ),
    paths(
        page,
        statistics::live,
        statistics::series,
        statistics::what_if,
        next_hops::list,
        next_hops::test,
        next_hops::pause,
        alerts::list,
        alerts::test,
        conditions::list,
        content_filter::test,
        settings::show,
        settings::change,
        queue::list,
        queue::destinations,
        queue::show,
        queue::source,
        queue::act,
        messages::list,
        messages::trail,
        audit::list,
        accounts::list,
        accounts::create,
        accounts::change,
        accounts::remove,
        tokens::list,
        tokens::create,
        tokens::revoke,
        smtp_logins::list,
        smtp_logins::add,
        smtp_logins::change,
        smtp_logins::remove,
        openpgp_keys::list,
        openpgp_keys::add,
        openpgp_keys::remove,
    ),
    components(schemas(Problem)),
    modifiers(&Common)
)]
struct Description;

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "description",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
pub(in crate::web) async fn page() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

/// What every path has that asks for a token.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme(TOKEN, scheme);
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                operation.operation_id = Some(name_of(method, path));
                if operation.security.is_none() {
                    ask_for_token(operation);
                }
            }
        }
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let methods = [
        ("get", &mut path.get),
        ("put", &mut path.put),
        ("post", &mut path.post),
        ("delete", &mut path.delete),
        ("patch", &mut path.patch),
    ];
    methods
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// `get_messages_id` for `GET /api/v1/messages/{id}`: handlers of several paths have one name.
fn name_of(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1/").unwrap_or(path);
    let words = path.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    std::iter::once(method)
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

fn ask_for_token(operation: &mut Operation) {
    let none: [&str; 0] = [];
    operation.security = Some(vec![SecurityRequirement::new(TOKEN, none)]);
    for (status, description) in [
        ("401", "No token, or a wrong one"),
        ("403", "The token may not do this"),
        (
            "503",
            "The appliance cannot do this now: it is busy, when there is a Retry-After; otherwise its log says why",
        ),
    ] {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/json", problem)
            .build();
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| response.into());
    }
}

#[cfg(test)]
#[path = "openapi_tests.rs"]
mod tests;
