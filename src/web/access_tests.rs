use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::StatusCode;
use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;

use super::*;
use crate::accounts::Scope;
use crate::limits;
use crate::web::route::Needs;
use crate::web::routes::table;
use crate::web::testing::{ELSEWHERE, Face, LOOPBACK};

const ADMINISTRATOR: Needs = Needs::Login(Role::Administrator);
const OPERATOR: Needs = Needs::Login(Role::Operator);
const OPERATOR_TOKEN: Needs = Needs::AccessToken(Role::Operator);
const ADMINISTRATOR_TOKEN: Needs = Needs::AccessToken(Role::Administrator);
const VIEWER: Needs = Needs::Login(Role::Viewer);
const WATCHING: Needs = Needs::Watching(Role::Viewer);
const VIEWER_TOKEN: Needs = Needs::AccessToken(Role::Viewer);

/// Every method of every path, with what it must ask for. A route that stands in the route table and
/// not here, or here with other needs, fails the test: who may do what is decided twice.
const EXPECTED: &[(&str, Needs)] = &[
    ("GET /healthz", Needs::Nothing),
    ("GET /readyz", Needs::Nothing),
    ("GET /static/{file}", Needs::Nothing),
    ("GET /favicon.ico", Needs::Nothing),
    ("GET /setup", Needs::Nothing),
    ("POST /setup", Needs::Nothing),
    ("GET /login", Needs::Nothing),
    ("POST /login", Needs::Nothing),
    // What the API is like is no secret: it stands in our documentation.
    ("GET /api/v1/openapi.json", Needs::Nothing),
    ("GET /metrics", Needs::Collector),
    // Everybody who is logged in: figures, queue and trail, and their own account.
    ("GET /", VIEWER),
    ("GET /renewed", WATCHING),
    ("GET /events", WATCHING),
    ("GET /queue", VIEWER),
    ("GET /queue/{id}", VIEWER),
    ("GET /messages", VIEWER),
    ("GET /messages/{id}", VIEWER),
    ("POST /logout", VIEWER),
    ("GET /account", VIEWER),
    ("POST /account/password", VIEWER),
    ("POST /account/second-factor", VIEWER),
    ("POST /account/second-factor/confirm", VIEWER),
    ("POST /account/second-factor/off", VIEWER),
    ("POST /account/sessions/end", VIEWER),
    // Operators: they work on the queue, and read the mail in it.
    ("GET /queue/{id}/source", OPERATOR),
    ("POST /queue/actions", OPERATOR),
    ("POST /queue/actions/confirmed", OPERATOR),
    ("POST /queue/next-hops", OPERATOR),
    // Administrators: who did what, and everything that is set.
    ("GET /audit", ADMINISTRATOR),
    ("GET /settings", ADMINISTRATOR),
    ("POST /settings", ADMINISTRATOR),
    ("GET /settings/delivery", ADMINISTRATOR),
    ("POST /settings/delivery", ADMINISTRATOR),
    ("GET /settings/listeners/entry", ADMINISTRATOR),
    ("POST /settings/listeners/entry", ADMINISTRATOR),
    ("POST /settings/listeners/remove", ADMINISTRATOR),
    ("GET /settings/next-hops", ADMINISTRATOR),
    ("POST /settings/next-hops", ADMINISTRATOR),
    ("GET /settings/next-hops/entry", ADMINISTRATOR),
    ("POST /settings/next-hops/entry", ADMINISTRATOR),
    ("POST /settings/next-hops/remove", ADMINISTRATOR),
    // A test connects to a server of the caller's choice: no harmless look.
    ("GET /settings/next-hops/test", ADMINISTRATOR),
    ("POST /settings/next-hops/test", ADMINISTRATOR),
    ("GET /settings/listeners", ADMINISTRATOR),
    ("POST /settings/listeners", ADMINISTRATOR),
    ("GET /settings/access", ADMINISTRATOR),
    ("POST /settings/access", ADMINISTRATOR),
    ("GET /settings/logins", ADMINISTRATOR),
    ("POST /settings/logins", ADMINISTRATOR),
    ("POST /settings/logins/password", ADMINISTRATOR),
    ("POST /settings/logins/remove", ADMINISTRATOR),
    ("GET /settings/conditions", ADMINISTRATOR),
    ("GET /settings/conditions/directory", ADMINISTRATOR),
    ("POST /settings/conditions/directory", ADMINISTRATOR),
    ("GET /settings/conditions/ldap-relaying", ADMINISTRATOR),
    ("POST /settings/conditions/ldap-relaying", ADMINISTRATOR),
    (
        "POST /settings/conditions/ldap-relaying/test",
        ADMINISTRATOR,
    ),
    ("GET /settings/conditions/sender-check", ADMINISTRATOR),
    ("POST /settings/conditions/sender-check", ADMINISTRATOR),
    ("GET /settings/conditions/blackhole-lists", ADMINISTRATOR),
    ("POST /settings/conditions/blackhole-lists", ADMINISTRATOR),
    (
        "POST /settings/conditions/blackhole-lists/test",
        ADMINISTRATOR,
    ),
    (
        "GET /settings/conditions/blackhole-lists/zone",
        ADMINISTRATOR,
    ),
    (
        "POST /settings/conditions/blackhole-lists/zone",
        ADMINISTRATOR,
    ),
    (
        "POST /settings/conditions/blackhole-lists/zone/remove",
        ADMINISTRATOR,
    ),
    ("GET /settings/conditions/content-filter", ADMINISTRATOR),
    ("POST /settings/conditions/content-filter", ADMINISTRATOR),
    (
        "GET /settings/conditions/content-filter/rule",
        ADMINISTRATOR,
    ),
    (
        "POST /settings/conditions/content-filter/rule",
        ADMINISTRATOR,
    ),
    (
        "POST /settings/conditions/content-filter/rule/move",
        ADMINISTRATOR,
    ),
    (
        "POST /settings/conditions/content-filter/rule/remove",
        ADMINISTRATOR,
    ),
    (
        "GET /settings/conditions/content-filter/test",
        ADMINISTRATOR,
    ),
    (
        "POST /settings/conditions/content-filter/test",
        ADMINISTRATOR,
    ),
    ("GET /settings/conditions/antivirus", ADMINISTRATOR),
    ("POST /settings/conditions/antivirus", ADMINISTRATOR),
    ("GET /settings/conditions/antispam", ADMINISTRATOR),
    ("POST /settings/conditions/antispam", ADMINISTRATOR),
    ("GET /settings/conditions/encryption", ADMINISTRATOR),
    ("POST /settings/conditions/encryption", ADMINISTRATOR),
    ("POST /settings/conditions/encryption/keys", ADMINISTRATOR),
    (
        "GET /settings/conditions/encryption/keys/{fingerprint}/remove",
        ADMINISTRATOR,
    ),
    (
        "POST /settings/conditions/encryption/keys/{fingerprint}/remove",
        ADMINISTRATOR,
    ),
    ("GET /settings/conditions/ldap-masquerading", ADMINISTRATOR),
    ("POST /settings/conditions/ldap-masquerading", ADMINISTRATOR),
    (
        "POST /settings/conditions/ldap-masquerading/test",
        ADMINISTRATOR,
    ),
    ("GET /settings/conditions/milter", ADMINISTRATOR),
    ("POST /settings/conditions/milter", ADMINISTRATOR),
    ("GET /settings/conditions/received-for", ADMINISTRATOR),
    ("POST /settings/conditions/received-for", ADMINISTRATOR),
    ("GET /settings/conditions/own", ADMINISTRATOR),
    ("POST /settings/conditions/own", ADMINISTRATOR),
    ("POST /settings/conditions/own/remove", ADMINISTRATOR),
    ("GET /settings/retention", ADMINISTRATOR),
    ("POST /settings/retention", ADMINISTRATOR),
    ("GET /settings/alerts", ADMINISTRATOR),
    ("POST /settings/alerts", ADMINISTRATOR),
    ("POST /settings/alerts/test", ADMINISTRATOR),
    ("GET /settings/accounts", ADMINISTRATOR),
    ("POST /settings/accounts", ADMINISTRATOR),
    ("GET /settings/accounts/{name}", ADMINISTRATOR),
    ("POST /settings/accounts/{name}/role", ADMINISTRATOR),
    ("POST /settings/accounts/{name}/password", ADMINISTRATOR),
    ("GET /settings/accounts/{name}/remove", ADMINISTRATOR),
    ("POST /settings/accounts/{name}/remove", ADMINISTRATOR),
    ("GET /settings/tokens", ADMINISTRATOR),
    ("POST /settings/tokens", ADMINISTRATOR),
    ("GET /settings/tokens/{id}/revoke", ADMINISTRATOR),
    ("POST /settings/tokens/{id}/revoke", ADMINISTRATOR),
    // Programs: as the pages.
    ("GET /api/v1/statistics/live", VIEWER_TOKEN),
    ("GET /api/v1/statistics/series", VIEWER_TOKEN),
    ("GET /api/v1/statistics/what-if", VIEWER_TOKEN),
    ("GET /api/v1/next-hops", VIEWER_TOKEN),
    ("POST /api/v1/next-hops/test", ADMINISTRATOR_TOKEN),
    ("POST /api/v1/next-hops/pause", OPERATOR_TOKEN),
    ("GET /api/v1/alerts", VIEWER_TOKEN),
    ("POST /api/v1/alerts/test", ADMINISTRATOR_TOKEN),
    ("GET /api/v1/conditions", VIEWER_TOKEN),
    (
        "POST /api/v1/conditions/content-filter/test",
        ADMINISTRATOR_TOKEN,
    ),
    // Without its secrets; whoever looks after the mail from afar has to see what is set.
    ("GET /api/v1/settings", VIEWER_TOKEN),
    ("PATCH /api/v1/settings", ADMINISTRATOR_TOKEN),
    ("GET /api/v1/queue", VIEWER_TOKEN),
    ("GET /api/v1/queue/{id}", VIEWER_TOKEN),
    // Other people's mail.
    ("GET /api/v1/queue/{id}/source", OPERATOR_TOKEN),
    ("GET /api/v1/queue/destinations", VIEWER_TOKEN),
    ("POST /api/v1/queue/actions", OPERATOR_TOKEN),
    ("GET /api/v1/messages", VIEWER_TOKEN),
    ("GET /api/v1/messages/{id}", VIEWER_TOKEN),
    ("GET /api/v1/audit", ADMINISTRATOR_TOKEN),
    ("GET /api/v1/accounts", ADMINISTRATOR_TOKEN),
    ("POST /api/v1/accounts", ADMINISTRATOR_TOKEN),
    ("PATCH /api/v1/accounts/{name}", ADMINISTRATOR_TOKEN),
    ("DELETE /api/v1/accounts/{name}", ADMINISTRATOR_TOKEN),
    ("GET /api/v1/tokens", ADMINISTRATOR_TOKEN),
    ("POST /api/v1/tokens", ADMINISTRATOR_TOKEN),
    ("DELETE /api/v1/tokens/{id}", ADMINISTRATOR_TOKEN),
    ("GET /api/v1/smtp-logins", ADMINISTRATOR_TOKEN),
    ("POST /api/v1/smtp-logins", ADMINISTRATOR_TOKEN),
    ("PUT /api/v1/smtp-logins/{name}", ADMINISTRATOR_TOKEN),
    ("DELETE /api/v1/smtp-logins/{name}", ADMINISTRATOR_TOKEN),
    ("GET /api/v1/openpgp-keys", ADMINISTRATOR_TOKEN),
    ("POST /api/v1/openpgp-keys", ADMINISTRATOR_TOKEN),
    (
        "DELETE /api/v1/openpgp-keys/{fingerprint}",
        ADMINISTRATOR_TOKEN,
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
    AccessToken(Scope),
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
    Who::AccessToken(Scope::ReadOnly),
    Who::AccessToken(Scope::Operate),
    Who::AccessToken(Scope::ReadWrite),
    Who::MadeUpToken,
];

impl Who {
    /// The header field that they show.
    async fn field(self, face: &Face) -> Option<String> {
        let ago = |seconds: i64| Timestamp::now() - SignedDuration::from_secs(seconds);
        let long = |time: std::time::Duration| i64::try_from(time.as_secs()).expect("hours");
        match self {
            Self::Nobody => None,
            Self::LoggedIn(role) => Some(face.cookie_of(role).await),
            Self::Expired => {
                let left = ago(long(limits::SESSION_IDLE) + 1);
                Some(face.cookie_since(Role::Administrator, left).await)
            }
            Self::Outlived => {
                let came = ago(long(limits::SESSION_LIFE) + 1);
                let cookie = face.cookie_since(Role::Administrator, came).await;
                let token = cookie.rsplit('=').next().expect("a token");
                let store = &face.context.store;
                store.saw_session(TokenHash::of(token), Timestamp::now());
                let settled = store.settle(Vec::new(), Vec::new()).await;
                settled.expect("the writer answers");
                Some(cookie)
            }
            Self::MadeUp => Some("Cookie: fastpath=made-up; __Host-fastpath=made-up".to_owned()),
            Self::AccessToken(scope) => Some(format!("Authorization: Bearer {scope}")),
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
            (Needs::Nothing, _) | (Needs::Collector, Who::AccessToken(_)) => Self::LetIn,
            (Needs::Login(needed) | Needs::Watching(needed), Who::LoggedIn(role)) => {
                by_role(role, needed)
            }
            (Needs::Login(_) | Needs::Watching(_), _) => Self::ShownTheWay,
            (Needs::AccessToken(needed), Who::AccessToken(Scope::ReadOnly)) => {
                by_role(Role::Viewer, needed)
            }
            (Needs::AccessToken(needed), Who::AccessToken(Scope::Operate)) => {
                by_role(Role::Operator, needed)
            }
            (Needs::AccessToken(needed), Who::AccessToken(Scope::ReadWrite)) => {
                by_role(Role::Administrator, needed)
            }
            (Needs::AccessToken(_) | Needs::Collector, _) => Self::Unauthorized,
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

#[test]
fn every_route_is_expected() {
    let line = |request: String, needs: Needs| format!("{request}: {needs:?}");
    let expected: BTreeSet<String> = EXPECTED
        .iter()
        .map(|(request, needs)| line((*request).to_owned(), *needs))
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
    let face = Face::open(Ok(())).await;
    for &scope in Scope::ALL {
        face.token(scope.as_str(), scope).await;
    }
    for (request, needs) in EXPECTED {
        for who in EVERYBODY {
            // Each time anew: some requests end the session that they come with.
            let field = who.field(&face).await;
            let fields: Vec<&str> = field.as_deref().into_iter().collect();
            let request = path(request);
            let response = face.send(ELSEWHERE, &request, &fields, "").await;
            let outcome = Outcome::of(&response);
            let status = response.status();
            let expected = Outcome::expected(*needs, who);
            assert_eq!(outcome, expected, "{request} of {who:?}: {status}");
        }
    }
    face.close().await;
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
    let face = Face::open(Ok(())).await;
    let viewer = face.cookie_of(Role::Viewer).await;
    let form = "Content-Type: application/x-www-form-urlencoded";
    for (request, needs) in EXPECTED {
        let fields: &[&str] = match needs {
            Needs::Nothing => continue,
            // Logged in, and still not let in everywhere.
            Needs::Login(role) if *role > Role::Viewer => &[form, &viewer],
            _ => &[form],
        };
        let (body, is_read) = watched_body(1_000);
        let request = path(request);
        let sent = face.send_body(ELSEWHERE, &request, fields, body);
        let outcome = Outcome::of(&sent.await);
        assert_ne!(outcome, Outcome::LetIn, "{request}");
        assert!(!is_read.load(Ordering::Relaxed), "{request}");
    }
    face.close().await;
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
    let face = Face::open(Ok(())).await;
    face.token("leaver", Scope::ReadWrite).await;
    let actor = Actor::command("test");
    let accounts = Arc::clone(&face.context.accounts);
    let revoked = async move {
        let tokens = accounts.api_tokens().await.expect("readable");
        let token = tokens.iter().find(|token| token.name == "leaver");
        let token = token.expect("it is known").id;
        accounts
            .revoke_api_token(token, &actor)
            .await
            .expect("revoked");
    };
    let body = interrupted("{\"retries_max\":", revoked, "7}");
    let fields = ["Authorization: Bearer leaver"];
    let sent = face.send_body(ELSEWHERE, "PATCH /api/v1/settings", &fields, body);
    assert_eq!(sent.await.status(), StatusCode::UNAUTHORIZED);

    let form = "Content-Type: application/x-www-form-urlencoded";
    let cookie = face.cookie_of(Role::Administrator).await;
    let administration = Arc::clone(&face.context.administration);
    let store = face.context.store.clone();
    let ended = async move {
        let account = store
            .account_named("administrator")
            .await
            .expect("readable");
        let account = account.expect("it is there").id;
        let nobody = TokenHash::of("nobody's");
        let note = Actor::command("test").did("ended", None, None);
        let ended = store.end_other_sessions(account, nobody, note).await;
        ended.expect("ended");
    };
    let body = interrupted("retries_", ended, "max=7");
    let answer = face
        .send_body(ELSEWHERE, "POST /settings/delivery", &[form, &cookie], body)
        .await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/login");
    assert_eq!(administration.settings().retries_max, 0);
    face.close().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let face = Face::open(Ok(())).await;
    face.token("slow", Scope::ReadWrite).await;
    // By then nobody waits for the database, whose time-outs would come at once as well.
    let never = async {
        tokio::time::pause();
        std::future::pending().await
    };
    let body = interrupted("{", never, "}");
    let fields = ["Authorization: Bearer slow"];
    let sent = face.send_body(ELSEWHERE, "PATCH /api/v1/settings", &fields, body);
    assert_eq!(sent.await.status(), StatusCode::REQUEST_TIMEOUT);
    face.close().await;
}

#[tokio::test]
async fn strangers_may_send_little() {
    let face = Face::fresh(Ok(())).await;
    let form = "Content-Type: application/x-www-form-urlencoded";
    for (length, is_taken) in [
        (limits::OPEN_BODY_BYTES, true),
        (limits::OPEN_BODY_BYTES + 1, false),
    ] {
        for request in ["POST /login", "POST /setup"] {
            let (body, is_read) = watched_body(length);
            let answer = face.send_body(ELSEWHERE, request, &[form], body).await;
            assert!(is_read.load(Ordering::Relaxed), "{request}");
            let is_refused = answer.status() == StatusCode::PAYLOAD_TOO_LARGE;
            assert_eq!(is_refused, !is_taken, "{request} {length}");
        }
    }
    face.close().await;
}

#[tokio::test]
async fn a_cookie_opens_no_api_and_a_token_no_page() {
    let face = Face::open(Ok(())).await;
    let cookie = face.cookie_of(Role::Administrator).await;
    let api = face
        .ask(ELSEWHERE, "GET /api/v1/settings", &[&cookie], "")
        .await;
    assert_eq!(api.status, StatusCode::UNAUTHORIZED);
    let page = face.call("GET /account", "").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    for credentials in ["Basic YTpi", "Bearer", "Bearer ", "a token of the tests"] {
        let field = format!("Authorization: {credentials}");
        let api = face
            .ask(ELSEWHERE, "GET /api/v1/settings", &[&field], "")
            .await;
        assert_eq!(api.status, StatusCode::UNAUTHORIZED, "{credentials}");
    }
    let field = "Authorization: bEARER a token of the tests";
    let api = face
        .ask(ELSEWHERE, "GET /api/v1/settings", &[field], "")
        .await;
    assert_eq!(api.status, StatusCode::OK);
    face.close().await;
}

#[tokio::test]
async fn people_are_shown_the_way_in() {
    let face = Face::fresh(Ok(())).await;
    for request in ["GET /", "GET /account", "POST /logout"] {
        let answer = face.ask(ELSEWHERE, request, &[], "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{request}");
        assert_eq!(answer.location(), "/setup", "{request}");
    }
    face.cookie_of(Role::Administrator).await;
    for (request, location) in [
        ("GET /", "/login"),
        ("GET /account?done=off", "/login?to=/account%3Fdone%3Doff"),
        ("GET /renewed?range=day", "/login"),
        ("POST /account/password", "/login"),
    ] {
        let answer = face.ask(ELSEWHERE, request, &[], "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{request}");
        assert_eq!(answer.location(), location, "{request}");
    }
    face.close().await;
}

#[tokio::test]
async fn what_a_browser_asks_for_by_itself_keeps_no_session_alive() {
    let face = Face::open(Ok(())).await;
    let came = Timestamp::now() - SignedDuration::from_mins(30);
    let cookie = face.cookie_since(Role::Viewer, came).await;
    let token = cookie.rsplit('=').next().expect("a token");
    let token = TokenHash::of(token);
    for (request, is_use) in [
        ("GET /events", false),
        ("GET /renewed?range=day", false),
        ("HEAD /renewed", false),
        ("GET /?range=day", true),
    ] {
        let response = face.send(ELSEWHERE, request, &[&cookie], "").await;
        assert_eq!(response.status(), StatusCode::OK, "{request}");
        let store = &face.context.store;
        let settled = store.settle(Vec::new(), Vec::new()).await;
        settled.expect("the writer answers");
        let session = store.session(&token).await.expect("readable");
        let seen_at = session.expect("it is there").seen_at;
        let is_later = seen_at.duration_since(came) > SignedDuration::from_mins(1);
        assert_eq!(is_later, is_use, "{request}");
    }
    face.close().await;
}

#[tokio::test]
async fn a_role_that_is_too_small_gets_a_page_that_says_so() {
    let face = Face::open(Ok(())).await;
    let cookie = face.cookie_of(Role::Operator).await;
    let answer = face
        .ask(ELSEWHERE, "GET /settings/accounts", &[&cookie], "")
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("<html"), "{}", answer.text);
    assert!(answer.text.contains("administrator"), "{}", answer.text);
    face.close().await;
}

#[tokio::test]
async fn metrics_are_for_this_machine_too() {
    let face = Face::open(Ok(())).await;
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
        let answer = face.ask(from, "GET /metrics", fields, "").await;
        assert_eq!(answer.status, status, "{from} {fields:?}");
    }
    face.close().await;
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
