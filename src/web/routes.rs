//! The whole route table in one list, and the layers around it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::timeout::TimeoutLayer;

use super::error::ApiError;
use super::{
    Context, access, alert_settings, api, assets, audit, dashboard, health, live, message,
    messages, metrics, queue, settings, smtp_logins,
};
use crate::accounts::Role;
use crate::limits;

/// Every path of the web address.
pub fn router(context: Arc<Context>) -> Router {
    let open = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/static/{file}", get(assets::file))
        .route("/api/v1/openapi.json", get(api::openapi::page));
    let pages = |role| from_fn_with_state((Arc::clone(&context), role), access::pages);
    let to_see = Router::new()
        .route("/", get(dashboard::page))
        .route("/events", get(live::events))
        .route("/queue", get(queue::listing))
        .route("/queue/{id}", get(queue::recipient))
        .route("/messages", get(messages::page))
        .route("/messages/{id}", get(message::page))
        .route_layer(pages(Role::Viewer));
    let to_administer = Router::new()
        .route("/audit", get(audit::page))
        .route(
            "/settings",
            get(settings::memory::page).post(settings::memory::submit),
        )
        .route(
            "/settings/delivery",
            get(settings::delivery::page).post(settings::delivery::submit),
        )
        .route(
            "/settings/next-hops",
            get(settings::next_hops::page).post(settings::next_hops::submit),
        )
        .route(
            "/settings/next-hops/entry",
            get(settings::next_hop_entry::page).post(settings::next_hop_entry::submit),
        )
        .route(
            "/settings/next-hops/remove",
            post(settings::next_hop_entry::remove),
        )
        .route(
            "/settings/next-hops/test",
            get(settings::next_hop_test::page).post(settings::next_hop_test::submit),
        )
        .route(
            "/settings/listeners",
            get(settings::listeners::page).post(settings::listeners::submit),
        )
        .route(
            "/settings/access",
            get(settings::access::page).post(settings::access::submit),
        )
        .route("/settings/conditions", get(settings::conditions::page))
        .route(
            "/settings/retention",
            get(settings::retention::page).post(settings::retention::submit),
        )
        .route(
            "/settings/logins",
            get(smtp_logins::page).post(smtp_logins::add),
        )
        .route(
            "/settings/logins/password",
            post(smtp_logins::change_password),
        )
        .route("/settings/logins/remove", post(smtp_logins::remove))
        .route(
            "/settings/alerts",
            get(alert_settings::page).post(alert_settings::save),
        )
        .route("/settings/alerts/test", post(alert_settings::test))
        .route_layer(pages(Role::Administrator));
    let to_operate = Router::new()
        .route("/queue/actions", post(queue::confirm))
        .route("/queue/actions/confirmed", post(queue::carry_out))
        .route("/queue/next-hops", post(queue::pause_or_resume))
        .route("/queue/{id}/source", get(queue::source))
        .route_layer(pages(Role::Operator));
    let metrics = Router::new()
        .route("/metrics", get(metrics::page))
        .route_layer(from_fn_with_state(Arc::clone(&context), access::metrics));
    let api = |role| from_fn_with_state((Arc::clone(&context), role), access::api);
    let api_to_see = Router::new()
        .route("/api/v1/statistics/live", get(api::statistics::live))
        .route("/api/v1/statistics/series", get(api::statistics::series))
        .route("/api/v1/next-hops", get(api::next_hops::list))
        .route("/api/v1/settings", get(api::settings::show))
        .route("/api/v1/queue", get(api::queue::list))
        .route("/api/v1/queue/destinations", get(api::queue::destinations))
        .route("/api/v1/queue/{id}", get(api::queue::show))
        .route("/api/v1/messages", get(api::messages::list))
        .route("/api/v1/messages/{id}", get(api::messages::trail))
        .route("/api/v1/alerts", get(api::alerts::list))
        .route_layer(api(Role::Viewer));
    let api_to_operate = Router::new()
        .route("/api/v1/queue/actions", post(api::queue::act))
        .route_layer(api(Role::Operator));
    let api_to_administer = Router::new()
        .route("/api/v1/settings", patch(api::settings::change))
        .route("/api/v1/next-hops/test", post(api::next_hops::test))
        .route(
            "/api/v1/smtp-logins",
            get(api::smtp_logins::list).post(api::smtp_logins::add),
        )
        .route(
            "/api/v1/smtp-logins/{name}",
            put(api::smtp_logins::change).delete(api::smtp_logins::remove),
        )
        .route("/api/v1/audit", get(api::audit::list))
        .route("/api/v1/alerts/test", post(api::alerts::test))
        .route_layer(api(Role::Administrator));

    // The last layer is the outermost: it sees the request first and the answer last.
    Router::new()
        .merge(open)
        .merge(to_see)
        .merge(to_administer)
        .merge(to_operate)
        .merge(metrics)
        .merge(api_to_see)
        .merge(api_to_operate)
        .merge(api_to_administer)
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(limits::REQUEST_BODY_BYTES))
        .layer(CsrfLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            limits::REQUEST_WAIT,
        ))
        .layer(CatchPanicLayer::new())
        .layer(map_response(with_security_headers))
        .with_state(context)
}

async fn no_such_path(request: Request) -> Response {
    refusal(&request, ApiError::NotFound)
}

async fn wrong_method(request: Request) -> Response {
    refusal(&request, ApiError::WrongMethod)
}

/// Programs get JSON, people a line of text.
fn refusal(request: &Request, error: ApiError) -> Response {
    if request.uri().path().starts_with("/api/") {
        return error.into_response();
    }
    (error.status(), format!("{error}\n")).into_response()
}

/// What every answer carries, unless it says otherwise itself.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        // Nothing is loaded but our own stylesheet and script; no page of others may show ours in a frame; forms
        // go nowhere but here.
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
             img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    // For browsers that do not know frame-ancestors.
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Addresses of the queue stand in our URLs: no other site learns them.
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    // Pages hold other people's addresses: no cache keeps them.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

async fn with_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}

#[cfg(test)]
#[path = "routes_tests.rs"]
pub(in crate::web) mod tests;
