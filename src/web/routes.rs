//! The whole route table in one list, and the layers around it.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{self, HeaderName};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use utoipa_axum::routes;

use super::error::{ApiError, is_api, refusal, refused};
use super::route::{Route, api, metrics, open, open_api, page, watched};
use super::settings::entry_page::{self, EntryPage};
use super::settings::page::SettingsPage;
use super::settings::{conditions, section};
use super::{
    Context, access, account, accounts, api, api_tokens, assets, audit, dashboard, health, live,
    login, message, messages, metrics, origin, own_account, queue, settings, setup, smtp_logins,
};
use crate::accounts::Role::{Administrator, Operator, Viewer};
use crate::limits;
use crate::settings::catalogue;

/// Every path of the web address, with who may use it and what answers.
pub(super) fn table() -> Vec<Route> {
    let parts = [doors(), pages(), settings(), accounts(), programs()];
    parts.into_iter().flatten().collect()
}

/// What is open to everybody, and what collects metrics.
fn doors() -> Vec<Route> {
    vec![
        open("/healthz").get(health::alive),
        open("/readyz").get(health::ready),
        open("/static/{file}").get(assets::file),
        open("/favicon.ico").get(assets::picture),
        open("/setup").get(setup::page).post(setup::submit),
        open("/login").get(login::page).post(login::submit),
        metrics("/metrics").get(metrics::page),
    ]
}

/// Figures, queue and trail, and the visitor's own account.
fn pages() -> Vec<Route> {
    vec![
        page(Viewer, "/").get(dashboard::page),
        watched(Viewer, dashboard::RENEWED).get(dashboard::page),
        watched(Viewer, "/events").get(live::events),
        page(Viewer, "/queue").get(queue::listing),
        page(Viewer, "/queue/{id}").get(queue::recipient),
        page(Operator, "/queue/{id}/source").get(queue::source),
        page(Operator, "/queue/actions").post(queue::confirm),
        page(Operator, "/queue/actions/confirmed").post(queue::carry_out),
        page(Operator, "/queue/next-hops").post(queue::pause_or_resume),
        page(Viewer, "/messages").get(messages::page),
        page(Viewer, "/messages/{id}").get(message::page),
        page(Administrator, "/audit").get(audit::page),
        page(Viewer, "/logout").post(login::out),
        page(Viewer, "/account").get(own_account::page),
        page(Viewer, "/account/password").post(own_account::change_password),
        page(Viewer, "/account/second-factor").post(own_account::begin_second_factor),
        page(Viewer, "/account/second-factor/confirm").post(own_account::confirm_second_factor),
        page(Viewer, "/account/second-factor/off").post(own_account::switch_off_second_factor),
        page(Viewer, "/account/sessions/end").post(own_account::end_other_sessions),
    ]
}

/// A page of the settings.
fn set(path: &str) -> Route {
    page(Administrator, path)
}

/// The pages of the settings, and what is particular to some of them.
fn settings() -> Vec<Route> {
    let sections = settings::page::pages().iter().map(section_route);
    let entries = entry_page::ENTRY_PAGES.iter().flat_map(entry_routes);
    let mut routes: Vec<Route> = sections.chain(entries).collect();
    routes.extend([
        set("/settings/conditions").get(conditions::page),
        set("/settings/next-hops/test")
            .get(settings::next_hop_test::page)
            .post(settings::next_hop_test::submit),
        set("/settings/alerts/test").post(settings::alerts::test),
        set("/settings/conditions/ldap-relaying/test").post(conditions::look_up::test_recipient),
        set("/settings/conditions/ldap-masquerading/test").post(conditions::look_up::test_sender),
        set("/settings/conditions/blackhole-lists/test").post(conditions::blackhole_lists::test),
        set("/settings/conditions/content-filter/test")
            .get(conditions::content_test::page)
            .post(conditions::content_test::submit),
        set("/settings/conditions/encryption/keys").post(conditions::encryption::add_key),
        set("/settings/conditions/encryption/keys/{fingerprint}/remove")
            .get(conditions::encryption::confirm_removal)
            .post(conditions::encryption::remove_key),
    ]);
    routes
}

/// The page of a section.
fn section_route(page: &'static SettingsPage) -> Route {
    let route = set(&page.path).get(section::show).post(section::submit);
    let route = route.about(page);
    match page.has_long_lists() {
        true => route.of_settings(),
        false => route,
    }
}

/// The page of an entry, its removal, and its move in the list.
fn entry_routes(page: &'static EntryPage) -> Vec<Route> {
    let mut routes = vec![
        set(page.path)
            .get(entry_page::show)
            .post(entry_page::submit),
        set(page.remove_path).post(entry_page::remove),
    ];
    routes.extend(
        page.move_path
            .map(|path| set(path).post(entry_page::reorder)),
    );
    routes.into_iter().map(|route| route.about(page)).collect()
}

/// Accounts of people, of programs and of SMTP clients.
fn accounts() -> Vec<Route> {
    vec![
        set("/settings/accounts")
            .get(accounts::page)
            .post(accounts::add),
        set("/settings/accounts/{name}").get(account::page),
        set("/settings/accounts/{name}/role").post(account::change_role),
        set("/settings/accounts/{name}/password").post(account::reset_password),
        set("/settings/accounts/{name}/remove")
            .get(account::confirm_removal)
            .post(account::remove),
        set("/settings/tokens")
            .get(api_tokens::page)
            .post(api_tokens::create),
        set("/settings/tokens/{id}/revoke")
            .get(api_tokens::confirm_revocation)
            .post(api_tokens::revoke),
        set("/settings/logins")
            .get(smtp_logins::page)
            .post(smtp_logins::add),
        set("/settings/logins/password").post(smtp_logins::change_password),
        set("/settings/logins/remove").post(smtp_logins::remove),
    ]
}

/// What programs ask. Path and method stand at the handler, with what the OpenAPI document says of them.
fn programs() -> Vec<Route> {
    let administer = |described| api(Administrator, described);
    vec![
        open_api(routes!(openapi)),
        api(Viewer, routes!(api::statistics::live)),
        api(Viewer, routes!(api::statistics::series)),
        api(Viewer, routes!(api::statistics::what_if)),
        api(Viewer, routes!(api::next_hops::list)),
        administer(routes!(api::next_hops::test)),
        api(Operator, routes!(api::next_hops::pause)),
        api(Viewer, routes!(api::alerts::list)),
        administer(routes!(api::alerts::test)),
        api(Viewer, routes!(api::conditions::list)),
        administer(routes!(api::content_filter::test)),
        api(Viewer, routes!(api::settings::show)),
        administer(routes!(api::settings::change)).of_settings(),
        api(Viewer, routes!(api::queue::list)),
        api(Viewer, routes!(api::queue::destinations)),
        api(Viewer, routes!(api::queue::show)),
        api(Operator, routes!(api::queue::source)),
        api(Operator, routes!(api::queue::act)),
        api(Viewer, routes!(api::messages::list)),
        api(Viewer, routes!(api::messages::trail)),
        administer(routes!(api::audit::list)),
        administer(routes!(api::accounts::list, api::accounts::create)),
        administer(routes!(api::accounts::change, api::accounts::remove)),
        administer(routes!(api::tokens::list, api::tokens::create)),
        administer(routes!(api::tokens::revoke)),
        administer(routes!(api::smtp_logins::list, api::smtp_logins::add)),
        administer(routes!(api::smtp_logins::change, api::smtp_logins::remove)),
        administer(routes!(api::openpgp_keys::list, api::openpgp_keys::add)),
        administer(routes!(api::openpgp_keys::remove)),
    ]
}

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "description",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
async fn openapi() -> Json<Value> {
    let described = table().into_iter().filter_map(|route| route.described);
    let mut document = json!(api::openapi::document(described));
    catalogue::complete(&mut document["components"]["schemas"]);
    Json(document)
}

/// The router of the table, with the layers around it.
pub fn router(context: Arc<Context>) -> Router {
    let routes = table().into_iter().fold(Router::new(), |router, route| {
        let path = route.path.clone();
        router.route(&path, route.guarded(&context))
    });
    // The last layer is the outermost: it sees the request first and the answer last.
    routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(CsrfLayer::new())
        .layer(from_fn_with_state(Arc::clone(&context), origin::note))
        .layer(from_fn(in_time))
        .layer(CatchPanicLayer::new())
        .layer(map_response(with_security_headers))
        .with_state(context)
}

/// Bounds the time of a request. A read is given up. A change is answered when its outcome is known: each of its
/// waits has a bound of its own, and it is not begun late, see
/// [`Actor::until`](crate::administration::Actor::until).
async fn in_time(request: Request, next: Next) -> Response {
    let asks = access::only_asks(&request);
    let is_api = is_api(request.uri());
    let (wait, error) = match asks {
        true => (limits::REQUEST_WAIT, ApiError::TooLong),
        false => {
            let cause = anyhow::anyhow!("a change has no end after {:?}", limits::CHANGE_WAIT);
            (limits::CHANGE_WAIT, ApiError::Unsettled(cause))
        }
    };
    match timeout(wait, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refused(is_api, error),
    }
}

async fn no_such_path(request: Request) -> Response {
    refusal(&request, ApiError::NotFound)
}

async fn wrong_method(request: Request) -> Response {
    refusal(&request, ApiError::WrongMethod)
}

/// The header fields of every answer, unless the handler sets them.
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
    // Addresses of the queue stand in our URLs: no other site learns them. Not "no-referrer": with it
    // browsers say "Origin: null" when they send our own forms, and on plain HTTP, where they do not say
    // Sec-Fetch-Site, that is all that tells ours from those of others.
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
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
mod tests;
