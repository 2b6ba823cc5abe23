//! The whole route table in one list, and the layers around it.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{self, HeaderName};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::{Json, Router};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::routes;

use super::error::{ApiError, is_api, refusal, refused};
use super::route::{Route, api, metrics, open, open_api, page, watched};
use super::{
    Context, access, account, accounts, api, api_tokens, assets, audit, dashboard, health, live,
    login, message, messages, metrics, origin, own_account, queue, settings, setup, smtp_logins,
};
use crate::accounts::Role::{Administrator, Operator, Viewer};
use crate::limits;

/// Every path of the web address, with who may use it and what answers.
pub(super) fn table() -> Vec<Route> {
    let parts = [
        doors(),
        pages(),
        settings(),
        conditions(),
        accounts(),
        programs(),
    ];
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

/// Settings of all kinds but conditions.
fn settings() -> Vec<Route> {
    vec![
        set("/settings")
            .get(settings::memory::page)
            .post(settings::memory::submit),
        set("/settings/delivery")
            .get(settings::delivery::page)
            .post(settings::delivery::submit),
        set("/settings/listeners/entry")
            .get(settings::listener_entry::page)
            .post(settings::listener_entry::submit),
        set("/settings/listeners/remove").post(settings::listener_entry::remove),
        set("/settings/next-hops")
            .get(settings::next_hops::page)
            .post(settings::next_hops::submit),
        set("/settings/next-hops/entry")
            .get(settings::next_hop_entry::page)
            .post(settings::next_hop_entry::submit),
        set("/settings/next-hops/remove").post(settings::next_hop_entry::remove),
        set("/settings/next-hops/test")
            .get(settings::next_hop_test::page)
            .post(settings::next_hop_test::submit),
        set("/settings/listeners")
            .get(settings::listeners::page)
            .post(settings::listeners::submit),
        set("/settings/access")
            .of_settings()
            .get(settings::access::page)
            .post(settings::access::submit),
        set("/settings/retention")
            .get(settings::retention::page)
            .post(settings::retention::submit),
        set("/settings/alerts")
            .get(settings::alerts::page)
            .post(settings::alerts::submit),
        set("/settings/alerts/test").post(settings::alerts::test),
    ]
}

/// The conditions, each with its page.
fn conditions() -> Vec<Route> {
    vec![
        set("/settings/conditions").get(settings::conditions::page),
        set("/settings/conditions/directory")
            .get(settings::conditions::directory::page)
            .post(settings::conditions::directory::submit),
        set("/settings/conditions/ldap-relaying")
            .of_settings()
            .get(settings::conditions::ldap_relaying::page)
            .post(settings::conditions::ldap_relaying::submit),
        set("/settings/conditions/ldap-relaying/test")
            .post(settings::conditions::ldap_relaying::test),
        set("/settings/conditions/sender-check")
            .get(settings::conditions::sender_check::page)
            .post(settings::conditions::sender_check::submit),
        set("/settings/conditions/blackhole-lists")
            .of_settings()
            .get(settings::conditions::blackhole_lists::page)
            .post(settings::conditions::blackhole_lists::submit),
        set("/settings/conditions/blackhole-lists/test")
            .post(settings::conditions::blackhole_lists::test),
        set("/settings/conditions/blackhole-lists/zone")
            .get(settings::conditions::blackhole_zone::page)
            .post(settings::conditions::blackhole_zone::submit),
        set("/settings/conditions/blackhole-lists/zone/remove")
            .post(settings::conditions::blackhole_zone::remove),
        set("/settings/conditions/content-filter")
            .get(settings::conditions::content_filter::page)
            .post(settings::conditions::content_filter::submit),
        set("/settings/conditions/content-filter/rule")
            .get(settings::conditions::content_rule::page)
            .post(settings::conditions::content_rule::submit),
        set("/settings/conditions/content-filter/rule/move")
            .post(settings::conditions::content_rule::reorder),
        set("/settings/conditions/content-filter/rule/remove")
            .post(settings::conditions::content_rule::remove),
        set("/settings/conditions/content-filter/test")
            .get(settings::conditions::content_test::page)
            .post(settings::conditions::content_test::submit),
        set("/settings/conditions/antivirus")
            .get(settings::conditions::antivirus::page)
            .post(settings::conditions::antivirus::submit),
        set("/settings/conditions/antispam")
            .get(settings::conditions::antispam::page)
            .post(settings::conditions::antispam::submit),
        set("/settings/conditions/encryption")
            .get(settings::conditions::encryption::page)
            .post(settings::conditions::encryption::submit),
        set("/settings/conditions/encryption/keys").post(settings::conditions::encryption::add_key),
        set("/settings/conditions/encryption/keys/{fingerprint}/remove")
            .get(settings::conditions::encryption::confirm_removal)
            .post(settings::conditions::encryption::remove_key),
        set("/settings/conditions/ldap-masquerading")
            .of_settings()
            .get(settings::conditions::ldap_masquerading::page)
            .post(settings::conditions::ldap_masquerading::submit),
        set("/settings/conditions/ldap-masquerading/test")
            .post(settings::conditions::ldap_masquerading::test),
        set("/settings/conditions/milter")
            .get(settings::conditions::milter::page)
            .post(settings::conditions::milter::submit),
        set("/settings/conditions/received-for")
            .get(settings::conditions::received_for::page)
            .post(settings::conditions::received_for::submit),
        set("/settings/conditions/own")
            .get(settings::conditions::own::page)
            .post(settings::conditions::own::submit),
        set("/settings/conditions/own/remove").post(settings::conditions::own::remove),
    ]
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
    vec![
        open_api(routes!(openapi)),
        api(Viewer, routes!(api::statistics::live)),
        api(Viewer, routes!(api::statistics::series)),
        api(Viewer, routes!(api::statistics::what_if)),
        api(Viewer, routes!(api::next_hops::list)),
        api(Administrator, routes!(api::next_hops::test)),
        api(Operator, routes!(api::next_hops::pause)),
        api(Viewer, routes!(api::alerts::list)),
        api(Administrator, routes!(api::alerts::test)),
        api(Viewer, routes!(api::conditions::list)),
        api(Administrator, routes!(api::content_filter::test)),
        api(Viewer, routes!(api::settings::show)),
        api(Administrator, routes!(api::settings::change)).of_settings(),
        api(Viewer, routes!(api::queue::list)),
        api(Viewer, routes!(api::queue::destinations)),
        api(Viewer, routes!(api::queue::show)),
        api(Operator, routes!(api::queue::source)),
        api(Operator, routes!(api::queue::act)),
        api(Viewer, routes!(api::messages::list)),
        api(Viewer, routes!(api::messages::trail)),
        api(Administrator, routes!(api::audit::list)),
        api(
            Administrator,
            routes!(api::accounts::list, api::accounts::create),
        ),
        api(
            Administrator,
            routes!(api::accounts::change, api::accounts::remove),
        ),
        api(
            Administrator,
            routes!(api::tokens::list, api::tokens::create),
        ),
        api(Administrator, routes!(api::tokens::revoke)),
        api(
            Administrator,
            routes!(api::smtp_logins::list, api::smtp_logins::add),
        ),
        api(
            Administrator,
            routes!(api::smtp_logins::change, api::smtp_logins::remove),
        ),
        api(
            Administrator,
            routes!(api::openpgp_keys::list, api::openpgp_keys::add),
        ),
        api(Administrator, routes!(api::openpgp_keys::remove)),
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
async fn openapi() -> Json<OpenApi> {
    let described = table().into_iter().filter_map(|route| route.described);
    Json(api::openapi::document(described))
}

/// Answers requests by the table.
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

/// Bounds a request. A question is given up; but what changes something is answered when it is known what
/// became of it: all its waits are bounded by themselves, and it is not begun late, see
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
