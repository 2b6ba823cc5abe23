//! The whole route table in one list, and the layers around it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{self, HeaderName};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;

use super::error::ApiError;
use super::route::{Route, api, metrics, open, page, watched};
use super::{
    Context, access, account, accounts, api, api_tokens, assets, audit, dashboard, health, live,
    login, message, messages, metrics, origin, own_account, queue, settings, setup, smtp_logins,
};
use crate::accounts::Role::{Administrator, Operator, Viewer};
use crate::limits;

/// Every path of the web address, with what it asks of whoever comes.
pub(super) fn table() -> Vec<Route> {
    vec![
        open("/healthz").get(health::alive),
        open("/readyz").get(health::ready),
        open("/static/{file}").get(assets::file),
        open("/favicon.ico").get(assets::picture),
        open("/setup").get(setup::page).post(setup::submit),
        open("/login").get(login::page).post(login::submit),
        open("/api/v1/openapi.json").get(api::openapi::page),
        metrics("/metrics").get(metrics::page),
        //
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
        //
        page(Viewer, "/logout").post(login::out),
        page(Viewer, "/account").get(own_account::page),
        page(Viewer, "/account/password").post(own_account::change_password),
        page(Viewer, "/account/second-factor").post(own_account::begin_second_factor),
        page(Viewer, "/account/second-factor/confirm").post(own_account::confirm_second_factor),
        page(Viewer, "/account/second-factor/off").post(own_account::switch_off_second_factor),
        page(Viewer, "/account/sessions/end").post(own_account::end_other_sessions),
        //
        page(Administrator, "/settings")
            .get(settings::memory::page)
            .post(settings::memory::submit),
        page(Administrator, "/settings/delivery")
            .get(settings::delivery::page)
            .post(settings::delivery::submit),
        page(Administrator, "/settings/listeners/entry")
            .get(settings::listener_entry::page)
            .post(settings::listener_entry::submit),
        page(Administrator, "/settings/listeners/remove").post(settings::listener_entry::remove),
        page(Administrator, "/settings/next-hops")
            .get(settings::next_hops::page)
            .post(settings::next_hops::submit),
        page(Administrator, "/settings/next-hops/entry")
            .get(settings::next_hop_entry::page)
            .post(settings::next_hop_entry::submit),
        page(Administrator, "/settings/next-hops/remove").post(settings::next_hop_entry::remove),
        page(Administrator, "/settings/next-hops/test")
            .get(settings::next_hop_test::page)
            .post(settings::next_hop_test::submit),
        page(Administrator, "/settings/listeners")
            .get(settings::listeners::page)
            .post(settings::listeners::submit),
        page(Administrator, "/settings/access")
            .of_settings()
            .get(settings::access::page)
            .post(settings::access::submit),
        page(Administrator, "/settings/logins")
            .get(smtp_logins::page)
            .post(smtp_logins::add),
        page(Administrator, "/settings/logins/password").post(smtp_logins::change_password),
        page(Administrator, "/settings/logins/remove").post(smtp_logins::remove),
        page(Administrator, "/settings/conditions").get(settings::conditions::page),
        page(Administrator, "/settings/conditions/directory")
            .get(settings::conditions::directory::page)
            .post(settings::conditions::directory::submit),
        page(Administrator, "/settings/conditions/ldap-relaying")
            .of_settings()
            .get(settings::conditions::ldap_relaying::page)
            .post(settings::conditions::ldap_relaying::submit),
        page(Administrator, "/settings/conditions/ldap-relaying/test")
            .post(settings::conditions::ldap_relaying::test),
        page(Administrator, "/settings/conditions/sender-check")
            .get(settings::conditions::sender_check::page)
            .post(settings::conditions::sender_check::submit),
        page(Administrator, "/settings/conditions/blackhole-lists")
            .of_settings()
            .get(settings::conditions::blackhole_lists::page)
            .post(settings::conditions::blackhole_lists::submit),
        page(Administrator, "/settings/conditions/blackhole-lists/test")
            .post(settings::conditions::blackhole_lists::test),
        page(Administrator, "/settings/conditions/blackhole-lists/zone")
            .get(settings::conditions::blackhole_zone::page)
            .post(settings::conditions::blackhole_zone::submit),
        page(
            Administrator,
            "/settings/conditions/blackhole-lists/zone/remove",
        )
        .post(settings::conditions::blackhole_zone::remove),
        page(Administrator, "/settings/conditions/content-filter")
            .get(settings::conditions::content_filter::page)
            .post(settings::conditions::content_filter::submit),
        page(Administrator, "/settings/conditions/content-filter/rule")
            .get(settings::conditions::content_rule::page)
            .post(settings::conditions::content_rule::submit),
        page(
            Administrator,
            "/settings/conditions/content-filter/rule/move",
        )
        .post(settings::conditions::content_rule::reorder),
        page(
            Administrator,
            "/settings/conditions/content-filter/rule/remove",
        )
        .post(settings::conditions::content_rule::remove),
        page(Administrator, "/settings/conditions/content-filter/test")
            .get(settings::conditions::content_test::page)
            .post(settings::conditions::content_test::submit),
        page(Administrator, "/settings/conditions/antivirus")
            .get(settings::conditions::antivirus::page)
            .post(settings::conditions::antivirus::submit),
        page(Administrator, "/settings/conditions/antispam")
            .get(settings::conditions::antispam::page)
            .post(settings::conditions::antispam::submit),
        page(Administrator, "/settings/conditions/encryption")
            .get(settings::conditions::encryption::page)
            .post(settings::conditions::encryption::submit),
        page(Administrator, "/settings/conditions/encryption/keys")
            .post(settings::conditions::encryption::add_key),
        page(
            Administrator,
            "/settings/conditions/encryption/keys/{fingerprint}/remove",
        )
        .get(settings::conditions::encryption::confirm_removal)
        .post(settings::conditions::encryption::remove_key),
        page(Administrator, "/settings/conditions/ldap-masquerading")
            .of_settings()
            .get(settings::conditions::ldap_masquerading::page)
            .post(settings::conditions::ldap_masquerading::submit),
        page(Administrator, "/settings/conditions/ldap-masquerading/test")
            .post(settings::conditions::ldap_masquerading::test),
        page(Administrator, "/settings/conditions/milter")
            .get(settings::conditions::milter::page)
            .post(settings::conditions::milter::submit),
        page(Administrator, "/settings/conditions/received-for")
            .get(settings::conditions::received_for::page)
            .post(settings::conditions::received_for::submit),
        page(Administrator, "/settings/conditions/own")
            .get(settings::conditions::own::page)
            .post(settings::conditions::own::submit),
        page(Administrator, "/settings/conditions/own/remove")
            .post(settings::conditions::own::remove),
        page(Administrator, "/settings/retention")
            .get(settings::retention::page)
            .post(settings::retention::submit),
        page(Administrator, "/settings/alerts")
            .get(settings::alerts::page)
            .post(settings::alerts::submit),
        page(Administrator, "/settings/alerts/test").post(settings::alerts::test),
        page(Administrator, "/settings/accounts")
            .get(accounts::page)
            .post(accounts::add),
        page(Administrator, "/settings/accounts/{name}").get(account::page),
        page(Administrator, "/settings/accounts/{name}/role").post(account::change_role),
        page(Administrator, "/settings/accounts/{name}/password").post(account::reset_password),
        page(Administrator, "/settings/accounts/{name}/remove")
            .get(account::confirm_removal)
            .post(account::remove),
        page(Administrator, "/settings/tokens")
            .get(api_tokens::page)
            .post(api_tokens::create),
        page(Administrator, "/settings/tokens/{id}/revoke")
            .get(api_tokens::confirm_revocation)
            .post(api_tokens::revoke),
        //
        api(Viewer, "/api/v1/statistics/live").get(api::statistics::live),
        api(Viewer, "/api/v1/statistics/series").get(api::statistics::series),
        api(Viewer, "/api/v1/statistics/what-if").get(api::statistics::what_if),
        api(Viewer, "/api/v1/next-hops").get(api::next_hops::list),
        api(Administrator, "/api/v1/next-hops/test").post(api::next_hops::test),
        api(Operator, "/api/v1/next-hops/pause").post(api::next_hops::pause),
        api(Viewer, "/api/v1/alerts").get(api::alerts::list),
        api(Administrator, "/api/v1/alerts/test").post(api::alerts::test),
        api(Viewer, "/api/v1/conditions").get(api::conditions::list),
        api(Administrator, "/api/v1/conditions/content-filter/test")
            .post(api::content_filter::test),
        api(Viewer, "/api/v1/settings").get(api::settings::show),
        api(Administrator, "/api/v1/settings")
            .of_settings()
            .patch(api::settings::change),
        api(Viewer, "/api/v1/queue").get(api::queue::list),
        api(Viewer, "/api/v1/queue/destinations").get(api::queue::destinations),
        api(Viewer, "/api/v1/queue/{id}").get(api::queue::show),
        api(Operator, "/api/v1/queue/{id}/source").get(api::queue::source),
        api(Operator, "/api/v1/queue/actions").post(api::queue::act),
        api(Viewer, "/api/v1/messages").get(api::messages::list),
        api(Viewer, "/api/v1/messages/{id}").get(api::messages::trail),
        api(Administrator, "/api/v1/audit").get(api::audit::list),
        api(Administrator, "/api/v1/accounts")
            .get(api::accounts::list)
            .post(api::accounts::create),
        api(Administrator, "/api/v1/accounts/{name}")
            .patch(api::accounts::change)
            .delete(api::accounts::remove),
        api(Administrator, "/api/v1/tokens")
            .get(api::tokens::list)
            .post(api::tokens::create),
        api(Administrator, "/api/v1/tokens/{id}").delete(api::tokens::revoke),
        api(Administrator, "/api/v1/smtp-logins")
            .get(api::smtp_logins::list)
            .post(api::smtp_logins::add),
        api(Administrator, "/api/v1/smtp-logins/{name}")
            .put(api::smtp_logins::change)
            .delete(api::smtp_logins::remove),
        api(Administrator, "/api/v1/openpgp-keys")
            .get(api::openpgp_keys::list)
            .post(api::openpgp_keys::add),
        api(Administrator, "/api/v1/openpgp-keys/{fingerprint}").delete(api::openpgp_keys::remove),
    ]
}

/// Answers requests by the table.
pub fn router(context: Arc<Context>) -> Router {
    let routes = table().into_iter().fold(Router::new(), |router, route| {
        router.route(route.path, route.guarded(&context))
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
    let is_api = is_api(&request);
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

/// Programs get JSON, people a line of text.
pub(super) fn refusal(request: &Request, error: ApiError) -> Response {
    refused(is_api(request), error)
}

fn is_api(request: &Request) -> bool {
    request.uri().path().starts_with("/api/")
}

fn refused(is_api: bool, error: ApiError) -> Response {
    if is_api {
        return error.into_response();
    }
    error.log();
    (error.status(), error.header(), format!("{error}\n")).into_response()
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
