use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::StatusCode;
use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;

use super::*;
use crate::accounts::Scope;
use crate::limits;
use crate::store::{AccessChange, LastUse};
use crate::web::route::Needs;
use crate::web::routes::table;
use crate::web::testing::{ELSEWHERE, FORM, LOOPBACK, Site};

const ADMINISTRATOR: Needs = Needs::Login(Role::Administrator);
const OPERATOR: Needs = Needs::Login(Role::Operator);
const OPERATOR_TOKEN: Needs = Needs::Token(Role::Operator);
const ADMINISTRATOR_TOKEN: Needs = Needs::Token(Role::Administrator);
const VIEWER: Needs = Needs::Login(Role::Viewer);
const WATCHING: Needs = Needs::Watching(Role::Viewer);
const VIEWER_TOKEN: Needs = Needs::Token(Role::Viewer);

/// Every method of every path, with what it must ask for. A route that stands in the route table and
/// not here, or here with other needs, fails the test: who may do what is decided twice.
const EXPECTED: &[(Needs, &str)] = &[
    (Needs::Nothing, "GET /healthz"),
    (Needs::Nothing, "GET /readyz"),
    (Needs::Nothing, "GET /static/{file}"),
    (Needs::Nothing, "GET /favicon.ico"),
    (Needs::Nothing, "GET POST /setup"),
    (Needs::Nothing, "GET POST /login"),
    // What the API is like is no secret: it stands in our documentation.
    (Needs::Nothing, "GET /api/v1/openapi.json"),
    (Needs::Collector, "GET /metrics"),
    // Everybody who is logged in: figures, queue and trail, and their own account.
    (VIEWER, "GET /"),
    (WATCHING, "GET /renewed"),
    (WATCHING, "GET /events"),
    (VIEWER, "GET /queue"),
    (VIEWER, "GET /queue/{id}"),
    (VIEWER, "GET /messages"),
    (VIEWER, "GET /messages/{id}"),
    (VIEWER, "POST /logout"),
    (VIEWER, "GET /account"),
    (VIEWER, "POST /account/password"),
    (VIEWER, "POST /account/second-factor"),
    (VIEWER, "POST /account/second-factor/confirm"),
    (VIEWER, "POST /account/second-factor/off"),
    (VIEWER, "POST /account/sessions/end"),
    // Operators: they work on the queue, and read the mail in it.
    (OPERATOR, "GET /queue/{id}/source"),
    (OPERATOR, "POST /queue/actions"),
    (OPERATOR, "POST /queue/actions/confirmed"),
    (OPERATOR, "POST /queue/next-hops"),
    // Administrators: who did what, and everything that is set.
    (ADMINISTRATOR, "GET /audit"),
    (ADMINISTRATOR, "GET POST /settings"),
    (ADMINISTRATOR, "GET POST /settings/delivery"),
    (ADMINISTRATOR, "GET POST /settings/listeners/entry"),
    (ADMINISTRATOR, "POST /settings/listeners/remove"),
    (ADMINISTRATOR, "GET POST /settings/next-hops"),
    (ADMINISTRATOR, "GET POST /settings/next-hops/entry"),
    (ADMINISTRATOR, "POST /settings/next-hops/remove"),
    // A test connects to a server of the caller's choice: no harmless look.
    (ADMINISTRATOR, "GET POST /settings/next-hops/test"),
    (ADMINISTRATOR, "GET POST /settings/listeners"),
    (ADMINISTRATOR, "GET POST /settings/access"),
    (ADMINISTRATOR, "GET POST /settings/logins"),
    (ADMINISTRATOR, "POST /settings/logins/password"),
    (ADMINISTRATOR, "POST /settings/logins/remove"),
    (ADMINISTRATOR, "GET /settings/conditions"),
    (ADMINISTRATOR, "GET POST /settings/conditions/directory"),
    (ADMINISTRATOR, "GET POST /settings/conditions/ldap-relaying"),
    (
        ADMINISTRATOR,
        "POST /settings/conditions/ldap-relaying/test",
    ),
    (ADMINISTRATOR, "GET POST /settings/conditions/sender-check"),
    (
        ADMINISTRATOR,
        "GET POST /settings/conditions/blackhole-lists",
    ),
    (
        ADMINISTRATOR,
        "POST /settings/conditions/blackhole-lists/test",
    ),
    (
        ADMINISTRATOR,
        "GET POST /settings/conditions/blackhole-lists/zone",
    ),
    (
        ADMINISTRATOR,
        "POST /settings/conditions/blackhole-lists/zone/remove",
    ),
    (
        ADMINISTRATOR,
        "GET POST /settings/conditions/content-filter",
    ),
    (
        ADMINISTRATOR,
        "GET POST /settings/conditions/content-filter/rule",
    ),
    (
        ADMINISTRATOR,
        "POST /settings/conditions/content-filter/rule/move",
    ),
    (
        ADMINISTRATOR,
        "POST /settings/conditions/content-filter/rule/remove",
    ),
    (
        ADMINISTRATOR,
        "GET POST /settings/conditions/content-filter/test",
    ),
    (ADMINISTRATOR, "GET POST /settings/conditions/antivirus"),
    (ADMINISTRATOR, "GET POST /settings/conditions/antispam"),
    (ADMINISTRATOR, "GET POST /settings/conditions/encryption"),
    (ADMINISTRATOR, "POST /settings/conditions/encryption/keys"),
    (
        ADMINISTRATOR,
        "GET POST /settings/conditions/encryption/keys/{fingerprint}/remove",
    ),
    (
        ADMINISTRATOR,
        "GET POST /settings/conditions/ldap-masquerading",
    ),
    (
        ADMINISTRATOR,
        "POST /settings/conditions/ldap-masquerading/test",
    ),
    (ADMINISTRATOR, "GET POST /settings/conditions/milter"),
    (ADMINISTRATOR, "GET POST /settings/conditions/received-for"),
    (ADMINISTRATOR, "GET POST /settings/conditions/own"),
    (ADMINISTRATOR, "POST /settings/conditions/own/remove"),
    (ADMINISTRATOR, "GET POST /settings/retention"),
    (ADMINISTRATOR, "GET POST /settings/alerts"),
    (ADMINISTRATOR, "POST /settings/alerts/test"),
    (ADMINISTRATOR, "GET POST /settings/accounts"),
    (ADMINISTRATOR, "GET /settings/accounts/{name}"),
    (ADMINISTRATOR, "POST /settings/accounts/{name}/role"),
    (ADMINISTRATOR, "POST /settings/accounts/{name}/password"),
    (ADMINISTRATOR, "GET POST /settings/accounts/{name}/remove"),
    (ADMINISTRATOR, "GET POST /settings/tokens"),
    (ADMINISTRATOR, "GET POST /settings/tokens/{id}/revoke"),
    // Programs: as the pages.
    (VIEWER_TOKEN, "GET /api/v1/statistics/live"),
    (VIEWER_TOKEN, "GET /api/v1/statistics/series"),
    (VIEWER_TOKEN, "GET /api/v1/statistics/what-if"),
    (VIEWER_TOKEN, "GET /api/v1/next-hops"),
    (ADMINISTRATOR_TOKEN, "POST /api/v1/next-hops/test"),
    (OPERATOR_TOKEN, "POST /api/v1/next-hops/pause"),
    (VIEWER_TOKEN, "GET /api/v1/alerts"),
    (ADMINISTRATOR_TOKEN, "POST /api/v1/alerts/test"),
    (VIEWER_TOKEN, "GET /api/v1/conditions"),
    (
        ADMINISTRATOR_TOKEN,
        "POST /api/v1/conditions/content-filter/test",
    ),
    // Without its secrets; whoever looks after the mail from afar has to see what is set.
    (VIEWER_TOKEN, "GET /api/v1/settings"),
    (ADMINISTRATOR_TOKEN, "PATCH /api/v1/settings"),
    (VIEWER_TOKEN, "GET /api/v1/queue"),
    (VIEWER_TOKEN, "GET /api/v1/queue/{id}"),
    // Other people's mail.
    (OPERATOR_TOKEN, "GET /api/v1/queue/{id}/source"),
    (VIEWER_TOKEN, "GET /api/v1/queue/destinations"),
    (OPERATOR_TOKEN, "POST /api/v1/queue/actions"),
    (VIEWER_TOKEN, "GET /api/v1/messages"),
    (VIEWER_TOKEN, "GET /api/v1/messages/{id}"),
    (ADMINISTRATOR_TOKEN, "GET /api/v1/audit"),
    (ADMINISTRATOR_TOKEN, "GET POST /api/v1/accounts"),
    (ADMINISTRATOR_TOKEN, "PATCH DELETE /api/v1/accounts/{name}"),
    (ADMINISTRATOR_TOKEN, "GET POST /api/v1/tokens"),
    (ADMINISTRATOR_TOKEN, "DELETE /api/v1/tokens/{id}"),
    (ADMINISTRATOR_TOKEN, "GET POST /api/v1/smtp-logins"),
    (ADMINISTRATOR_TOKEN, "PUT DELETE /api/v1/smtp-logins/{name}"),
    (ADMINISTRATOR_TOKEN, "GET POST /api/v1/openpgp-keys"),
    (
        ADMINISTRATOR_TOKEN,
        "DELETE /api/v1/openpgp-keys/{fingerprint}",
    ),
];

/// Everybody who may come.
#[derive(Clone, Copy, Debug)]
enum Who {
    Nobody,
    /// With a cookie that counts.
    LoggedIn(Role),
    /// With the cookie of an administrator who was away for too long.
    Expired,
    /// With the cookie of an administrator who has been there for too long.
    Outlived,
    /// With a cookie that somebody made up.
    MadeUp,
    /// With a token of this scope.
    Token(Scope),
    /// With a token that somebody made up.
    MadeUpToken,
}

const EVERYBODY: [Who; 11] = [
    Who::Nobody,
    Who::LoggedIn(Role::Viewer),
    Who::LoggedIn(Role::Operator),
    Who::LoggedIn(Role::Administrator),
    Who::Expired,
    Who::Outlived,
    Who::MadeUp,
    Who::Token(Scope::ReadOnly),
    Who::Token(Scope::Operate),
    Who::Token(Scope::ReadWrite),
    Who::MadeUpToken,
];

impl Who {
    /// The header field that they show.
    async fn field(self, site: &Site) -> Option<String> {
        let ago = |seconds: i64| Timestamp::now() - SignedDuration::from_secs(seconds);
        let long = |time: std::time::Duration| i64::try_from(time.as_secs()).expect("hours");
        match self {
            Self::Nobody => None,
            Self::LoggedIn(role) => Some(site.cookie_of(role).await),
            Self::Expired => {
                let left = ago(long(limits::SESSION_IDLE) + 1);
                Some(site.cookie_since(Role::Administrator, left).await)
            }
            Self::Outlived => {
                let came = ago(long(limits::SESSION_LIFE) + 1);
                let cookie = site.cookie_since(Role::Administrator, came).await;
                let token = cookie.rsplit('=').next().expect("a token");
                let store = &site.context.store;
                store
                    .administration
                    .note_use(LastUse::Session(TokenHash::of(token)), Timestamp::now());
                let settled = store.queue.settle(Vec::new(), Vec::new()).await;
                settled.expect("the writer answers");
                Some(cookie)
            }
            Self::MadeUp => Some("Cookie: fastpath=made-up; __Host-fastpath=made-up".to_owned()),
            Self::Token(scope) => Some(format!("Authorization: Bearer {scope}")),
            Self::MadeUpToken => Some("Authorization: Bearer made-up".to_owned()),
        }
    }
}

/// What becomes of a request.
#[derive(Debug, PartialEq)]
enum Outcome {
    LetIn,
    ShownTheWay,
    Unauthorized,
    Forbidden,
}

impl Outcome {
    /// What must become of it.
    fn expected(needs: Needs, who: Who) -> Self {
        let by_role = |has: Role, needed: Role| {
            if has >= needed {
                Self::LetIn
            } else {
                Self::Forbidden
            }
        };
        match (needs, who) {
            (Needs::Nothing, _) | (Needs::Collector, Who::Token(_)) => Self::LetIn,
            (Needs::Login(needed) | Needs::Watching(needed), Who::LoggedIn(role)) => {
                by_role(role, needed)
            }
            (Needs::Login(_) | Needs::Watching(_), _) => Self::ShownTheWay,
            (Needs::Token(needed), Who::Token(Scope::ReadOnly)) => by_role(Role::Viewer, needed),
            (Needs::Token(needed), Who::Token(Scope::Operate)) => by_role(Role::Operator, needed),
            (Needs::Token(needed), Who::Token(Scope::ReadWrite)) => {
                by_role(Role::Administrator, needed)
            }
            (Needs::Token(_) | Needs::Collector, _) => Self::Unauthorized,
        }
    }

    /// What became of it.
    fn of(response: &Response) -> Self {
        let location = response.headers().get(header::LOCATION);
        let location = location.map_or("", |value| value.to_str().expect("ASCII"));
        match response.status() {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::SEE_OTHER if location == "/login" || location.starts_with("/login?to=") => {
                Self::ShownTheWay
            }
            StatusCode::METHOD_NOT_ALLOWED => panic!("nobody answers"),
            _ => Self::LetIn,
        }
    }
}

fn path(template: &str) -> String {
    template
        .replace("{file}", "none.css")
        .replace("{name}", "nobody")
        .replace("{id}", "1")
}

/// Each method by itself: `GET POST /login` are two requests.
fn expected_requests() -> Vec<(String, Needs)> {
    let each = |(needs, requests): &(Needs, &str)| {
        let (methods, path) = requests.rsplit_once(' ').expect("methods and a path");
        let requests = methods.split(' ').map(|method| format!("{method} {path}"));
        requests
            .map(|request| (request, *needs))
            .collect::<Vec<_>>()
    };
    EXPECTED.iter().flat_map(each).collect()
}

#[test]
fn every_route_is_expected() {
    let line = |request: String, needs: Needs| format!("{request}: {needs:?}");
    let expected: BTreeSet<String> = expected_requests()
        .into_iter()
        .map(|(request, needs)| line(request, needs))
        .collect();
    let found: BTreeSet<String> = table()
        .iter()
        .flat_map(|route| {
            let request = |method| line(format!("{method} {}", route.path), route.needs);
            route.methods.iter().map(request).collect::<Vec<_>>()
        })
        .collect();
    let only_found: Vec<_> = found.difference(&expected).collect();
    let only_expected: Vec<_> = expected.difference(&found).collect();
    assert!(
        only_found.is_empty() && only_expected.is_empty(),
        "in the route table and not here: {only_found:#?}\nhere and not there: {only_expected:#?}"
    );
}

#[tokio::test]
async fn everybody_gets_in_where_they_belong_and_nowhere_else() {
    let site = Site::open().await;
    for &scope in Scope::ALL {
        site.token(scope.as_str(), scope).await;
    }
    for (request, needs) in expected_requests() {
        for who in EVERYBODY {
            // Each time anew: some requests end the session that they come with.
            let field = who.field(&site).await;
            let fields: Vec<&str> = field.as_deref().into_iter().collect();
            let request = path(&request);
            let response = site.send(ELSEWHERE, &request, &fields, "").await;
            let outcome = Outcome::of(&response);
            let status = response.status();
            let expected = Outcome::expected(needs, who);
            assert_eq!(outcome, expected, "{request} of {who:?}: {status}");
        }
    }
    site.close().await;
}

/// A body that notes whether somebody has read it.
fn watched_body(length: usize) -> (Body, Arc<AtomicBool>) {
    let is_read = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&is_read);
    let body = stream::once(async move {
        noted.store(true, Ordering::Relaxed);
        Ok::<_, std::io::Error>(vec![b'x'; length])
    });
    (Body::from_stream(body), is_read)
}

#[tokio::test]
async fn of_those_who_are_not_let_in_no_body_is_read() {
    let site = Site::open().await;
    let viewer = site.cookie_of(Role::Viewer).await;
    for (request, needs) in expected_requests() {
        let fields: &[&str] = match needs {
            Needs::Nothing => continue,
            // Logged in, and still not let in everywhere.
            Needs::Login(role) if role > Role::Viewer => &[FORM, &viewer],
            _ => &[FORM],
        };
        let (body, is_read) = watched_body(1_000);
        let request = path(&request);
        let sent = site.send_body(ELSEWHERE, &request, fields, body);
        let outcome = Outcome::of(&sent.await);
        assert_ne!(outcome, Outcome::LetIn, "{request}");
        assert!(!is_read.load(Ordering::Relaxed), "{request}");
    }
    site.close().await;
}

/// A body in whose middle something happens.
fn interrupted(
    begin: &'static str,
    happening: impl Future<Output = ()> + Send + 'static,
    end: &'static str,
) -> Body {
    let first = stream::once(async move { Ok::<_, std::io::Error>(begin) });
    let then = stream::once(async move {
        happening.await;
        Ok(end)
    });
    Body::from_stream(first.chain(then))
}

#[tokio::test]
async fn who_loses_a_right_while_the_body_arrives_changes_nothing() {
    let site = Site::open().await;
    site.token("leaver", Scope::ReadWrite).await;
    let actor = Actor::command("test");
    let accounts = Arc::clone(&site.context.accounts);
    let store = site.context.store.clone();
    let revoked = async move {
        let tokens = store.administration.api_tokens().await;
        let tokens = tokens.expect("readable");
        let token = tokens.iter().find(|token| token.name == "leaver");
        let token = token.expect("it is known").id;
        accounts
            .revoke_api_token(token, &actor)
            .await
            .expect("revoked");
    };
    let body = interrupted("{\"retries_max\":", revoked, "7}");
    let fields = ["Authorization: Bearer leaver"];
    let sent = site.send_body(ELSEWHERE, "PATCH /api/v1/settings", &fields, body);
    assert_eq!(sent.await.status(), StatusCode::UNAUTHORIZED);

    let cookie = site.cookie_of(Role::Administrator).await;
    let administration = Arc::clone(&site.context.administration);
    let store = site.context.store.clone();
    let ended = async move {
        let account = store
            .administration
            .account_named("administrator")
            .await
            .expect("readable");
        let account = account.expect("it is there").id;
        let nobody = TokenHash::of("nobody's");
        let note = Actor::command("test").did("ended", None, None);
        let change = AccessChange::EndOtherSessions {
            account,
            keep: nobody,
        };
        let ended = store.administration.change_access(change, note).await;
        ended.expect("ended");
    };
    let body = interrupted("retries_", ended, "max=7");
    let answer = site
        .send_body(ELSEWHERE, "POST /settings/delivery", &[FORM, &cookie], body)
        .await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/login");
    assert_eq!(administration.settings().retries_max, 0);
    site.close().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let site = Site::open().await;
    site.token("slow", Scope::ReadWrite).await;
    // By then nobody waits for the database, whose time-outs would come at once as well.
    let never = async {
        tokio::time::pause();
        std::future::pending().await
    };
    let body = interrupted("{", never, "}");
    let fields = ["Authorization: Bearer slow"];
    let sent = site.send_body(ELSEWHERE, "PATCH /api/v1/settings", &fields, body);
    assert_eq!(sent.await.status(), StatusCode::REQUEST_TIMEOUT);
    site.close().await;
}

#[tokio::test]
async fn strangers_may_send_little() {
    let site = Site::fresh().await;
    for (length, is_taken) in [
        (limits::OPEN_BODY_BYTES, true),
        (limits::OPEN_BODY_BYTES + 1, false),
    ] {
        for request in ["POST /login", "POST /setup"] {
            let (body, is_read) = watched_body(length);
            let answer = site.send_body(ELSEWHERE, request, &[FORM], body).await;
            assert!(is_read.load(Ordering::Relaxed), "{request}");
            let is_refused = answer.status() == StatusCode::PAYLOAD_TOO_LARGE;
            assert_eq!(is_refused, !is_taken, "{request} {length}");
        }
    }
    site.close().await;
}

#[tokio::test]
async fn a_cookie_opens_no_api_and_a_token_no_page() {
    let site = Site::open().await;
    let cookie = site.cookie_of(Role::Administrator).await;
    let api = site.see_as(&cookie, "/api/v1/settings").await;
    assert_eq!(api.status, StatusCode::UNAUTHORIZED);
    let page = site.call("GET /account", "").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    for credentials in ["Basic YTpi", "Bearer", "Bearer ", "a token of the tests"] {
        let field = format!("Authorization: {credentials}");
        let api = site.see_as(&field, "/api/v1/settings").await;
        assert_eq!(api.status, StatusCode::UNAUTHORIZED, "{credentials}");
    }
    let field = "Authorization: bEARER a token of the tests";
    let api = site.see_as(field, "/api/v1/settings").await;
    assert_eq!(api.status, StatusCode::OK);
    site.close().await;
}

#[tokio::test]
async fn people_are_shown_the_way_in() {
    let site = Site::fresh().await;
    for request in ["GET /", "GET /account", "POST /logout"] {
        let answer = site.ask(ELSEWHERE, request, &[], "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{request}");
        assert_eq!(answer.location(), "/setup", "{request}");
    }
    site.cookie_of(Role::Administrator).await;
    for (request, location) in [
        ("GET /", "/login"),
        ("GET /account?done=off", "/login?to=/account%3Fdone%3Doff"),
        ("GET /renewed?range=day", "/login"),
        ("POST /account/password", "/login"),
    ] {
        let answer = site.ask(ELSEWHERE, request, &[], "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{request}");
        assert_eq!(answer.location(), location, "{request}");
    }
    site.close().await;
}

#[tokio::test]
async fn what_a_browser_asks_for_by_itself_keeps_no_session_alive() {
    let site = Site::open().await;
    let came = Timestamp::now() - SignedDuration::from_mins(30);
    let cookie = site.cookie_since(Role::Viewer, came).await;
    let token = cookie.rsplit('=').next().expect("a token");
    let token = TokenHash::of(token);
    for (request, is_use) in [
        ("GET /events", false),
        ("GET /renewed?range=day", false),
        ("HEAD /renewed", false),
        ("GET /?range=day", true),
    ] {
        let response = site.send(ELSEWHERE, request, &[&cookie], "").await;
        assert_eq!(response.status(), StatusCode::OK, "{request}");
        let store = &site.context.store;
        let settled = store.queue.settle(Vec::new(), Vec::new()).await;
        settled.expect("the writer answers");
        let session = store
            .administration
            .session(&token)
            .await
            .expect("readable");
        let seen_at = session.expect("it is there").seen_at;
        let is_later = seen_at.duration_since(came) > SignedDuration::from_mins(1);
        assert_eq!(is_later, is_use, "{request}");
    }
    site.close().await;
}

#[tokio::test]
async fn a_role_that_is_too_small_gets_a_page_that_says_so() {
    let site = Site::open().await;
    let cookie = site.cookie_of(Role::Operator).await;
    let answer = site.see_as(&cookie, "/settings/accounts").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("<html"), "{}", answer.text);
    assert!(answer.text.contains("administrator"), "{}", answer.text);
    site.close().await;
}

#[tokio::test]
async fn metrics_are_for_this_machine_too() {
    let site = Site::open().await;
    for (from, fields, status) in [
        (LOOPBACK, &[][..], StatusCode::OK),
        ("[::1]:50000", &[], StatusCode::OK),
        (ELSEWHERE, &[], StatusCode::UNAUTHORIZED),
        (
            LOOPBACK,
            &["X-Forwarded-For: 192.0.2.9"],
            StatusCode::UNAUTHORIZED,
        ),
        (
            "[::1]:50000",
            &["Host: rebound.example"],
            StatusCode::UNAUTHORIZED,
        ),
    ] {
        let answer = site.ask(from, "GET /metrics", fields, "").await;
        assert_eq!(answer.status, status, "{from} {fields:?}");
    }
    site.close().await;
}

#[test]
fn hosts() {
    for (host, expected) in [
        ("127.0.0.1:8025", true),
        ("127.0.0.1", true),
        ("[::1]:8025", true),
        ("localhost:8025", true),
        ("LOCALHOST", true),
        ("rebound.example:8025", false),
        ("localhost.example", false),
        ("", false),
    ] {
        assert_eq!(is_literal_host(host), expected, "{host}");
    }
}
