//! `/api/v1/openapi.json`: the API in OpenAPI 3.1, as its handlers and their types describe it.
//!
//! A new path needs `#[utoipa::path(…)]` above its handler, `ToSchema` on the types it takes and gives,
//! and its line in the route table. What paths have in common is added here: the token, and the answers
//! to requests that lack one, that cannot be understood, or that ask for nothing that is there.

use axum::http::Method;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, OpenApi as OpenApiDocument, Ref, RefOr, ResponseBuilder,
};

use super::Problem;
use crate::web::route::{ApiDescription, operations};

/// The name of the token in the document.
const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fastpath",
        description = "Everything that the pages of the appliance show and do. Times are RFC 3339 in UTC, sizes bytes, spans seconds."
    ),
    components(schemas(Problem))
)]
struct Description;

/// The document of these parts of the API.
pub(in crate::web) fn document(parts: impl Iterator<Item = ApiDescription>) -> OpenApiDocument {
    let mut document = Description::openapi();
    let components = document.components.get_or_insert_with(Components::new);
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(TOKEN, scheme);
    for (paths, schemas) in parts {
        components.schemas.extend(schemas);
        document.paths.merge(paths);
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(name_of(&method, path));
            let parameters = operation.parameters.iter().flatten();
            let mut places = parameters.filter_map(|parameter| match parameter {
                RefOr::T(parameter) => Some(&parameter.parameter_in),
                RefOr::Ref(_) => None,
            });
            if places.any(|place| *place == ParameterIn::Query) || operation.request_body.is_some()
            {
                may_answer(operation, "400", "The request cannot be understood");
            }
            if path.contains('{') {
                may_answer(operation, "404", "Nothing is there under this name or id");
            }
            if operation.security.is_none() {
                ask_for_token(operation);
            }
        }
    }
    document
}

/// `get_messages_id` for `GET /api/v1/messages/{id}`: handlers of several paths have one name.
fn name_of(method: &Method, path: &str) -> String {
    let path = path.strip_prefix("/api/v1/").unwrap_or(path);
    let words = path.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    let words: Vec<&str> = std::iter::once(method.as_str()).chain(words).collect();
    words.join("_").to_lowercase()
}

fn ask_for_token(operation: &mut Operation) {
    let none: [&str; 0] = [];
    operation.security = Some(vec![SecurityRequirement::new(TOKEN, none)]);
    may_answer(operation, "401", "No token, or a wrong one");
    may_answer(operation, "403", "The token may not do this");
    may_answer(
        operation,
        "503",
        "The appliance cannot do this now: it is busy, when there is a Retry-After; otherwise its log says why",
    );
}

/// Adds an answer that says what is wrong, unless the operation describes it itself.
fn may_answer(operation: &mut Operation, status: &str, description: &str) {
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

#[cfg(test)]
#[path = "openapi_tests.rs"]
mod tests;
