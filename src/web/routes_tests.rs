use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::*;
use crate::accounts::{
    AccountId, Passwords, Role, Roster, RosterPublisher, Scope, Token, TokenHash,
};
use crate::administration::{Accounts, Administration, SmtpLogins};
use crate::alerts::Alerts;
use crate::boot::{Addresses, Secret};
use crate::delivery::{Delivery, NextHopFigures};
use crate::message::{DiskReason, MemoryBudget, MessageIds, Path, Spool, Storage};
use crate::queue::{Queue, Tools};
use crate::settings::{Publisher, Settings, Written};
use crate::statistics::{AnsweredFigures, Statistics, Trail};
use crate::store::{
    AuditEntry, AuditItem, NewAccount, NewApiToken, NewSession, SecondFactor, Store, Writers,
};
use crate::web::connections::ClientAddress;

pub(in crate::web) const TOKEN: &str = "a token of the tests";
/// Where an administrator sits whose browser is logged in.
pub(in crate::web) const LOOPBACK: &str = "127.0.0.1:50000";
/// Where somebody sits who is not.
pub(in crate::web) const ELSEWHERE: &str = "192.0.2.7:50000";
/// The one-time password of /setup.
pub(in crate::web) const ONE_TIME: &str = "open sesame once";

/// Who has prepared the scene, as the audit tells it.
pub(in crate::web) const SCENE: &str = "tests";

/// The pages and the API over a store in a directory of its own.
pub(in crate::web) struct Face {
    pub(in crate::web) router: Router,
    pub(in crate::web) context: Arc<Context>,
    /// Of the administrator at this machine.
    cookie: Option<String>,
    writers: Writers,
    pub(in crate::web) directory: TempDir,
}

pub(in crate::web) struct Answer {
    pub(in crate::web) status: StatusCode,
    pub(in crate::web) headers: HeaderMap,
    pub(in crate::web) text: String,
}

impl Answer {
    pub(in crate::web) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// Where it leads.
    pub(in crate::web) fn location(&self) -> &str {
        let location = self.headers.get(header::LOCATION);
        location.map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// The cookie that it sets, as a browser sends it back.
    pub(in crate::web) fn cookie(&self) -> String {
        let set = self.headers.get(header::SET_COOKIE).expect("a cookie");
        let set = set.to_str().expect("ASCII");
        format!("Cookie: {}", set.split(';').next().unwrap_or_default())
    }
}

impl Face {
    /// With an administrator at [`LOOPBACK`] and a token.
    pub(in crate::web) async fn open(readiness: Result<(), &'static str>) -> Self {
        Self::open_with(readiness, Vec::new).await
    }

    /// The same with figures of next hops.
    pub(in crate::web) async fn open_with(
        readiness: Result<(), &'static str>,
        next_hops: impl Fn() -> Vec<NextHopFigures> + Send + Sync + 'static,
    ) -> Self {
        let mut face = Self::fresh_with(readiness, next_hops).await;
        face.cookie = Some(face.cookie_of(Administrator).await);
        face.token(TOKEN, Scope::ReadWrite).await;
        face
    }

    /// As it is before somebody has set it up.
    pub(in crate::web) async fn fresh(readiness: Result<(), &'static str>) -> Self {
        Self::fresh_with(readiness, Vec::new).await
    }

    async fn fresh_with(
        readiness: Result<(), &'static str>,
        next_hops: impl Fn() -> Vec<NextHopFigures> + Send + Sync + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(directory.path().join("spool"), "test").expect("a spool");
        let (store, writers) = Store::open(directory.path(), &spool, Timestamp::now())
            .await
            .expect("a store");
        let settings = Settings::new(Written::default()).expect("the defaults hold");
        let hostname: Arc<str> = "relay.example.net".into();
        let statistics = Arc::new(Statistics::new(Timestamp::now()));
        let budget = MemoryBudget::new(1 << 30);
        let publisher = Publisher::new(settings);
        let (trail, _) = Trail::new(publisher.current(), Arc::clone(&statistics));
        let delivery = Delivery::new(Arc::clone(&hostname), publisher.current());
        let queue = Queue::new(Tools {
            store: store.clone(),
            delivery: Arc::clone(&delivery),
            settings: publisher.current(),
            trail,
            statistics: Arc::clone(&statistics),
            ids: Arc::new(MessageIds::after(None)),
            hostname: Arc::clone(&hostname),
            budget: Arc::clone(&budget),
        });
        let one_time = Secret::new(ONE_TIME.to_owned());
        let accounts = Accounts::open(store.clone(), Passwords::new(), Some(&one_time)).await;
        let context = Arc::new(Context {
            hostname,
            statistics,
            receiving: Arc::default(),
            alerts: Alerts::new("relay.example.net".into(), publisher.current()),
            administration: Administration::new(store.clone(), publisher),
            smtp_logins: SmtpLogins::new(
                store.clone(),
                Passwords::new(),
                RosterPublisher::new(Roster::default()),
            ),
            store,
            queue,
            budget,
            spool,
            delivery,
            addresses: Addresses {
                smtp: vec![LOOPBACK.parse().expect("an address")],
                web: LOOPBACK.parse().expect("an address"),
            },
            live_feed: Arc::default(),
            next_hops: Box::new(next_hops),
            readiness: Box::new(move || readiness),
            accounts: accounts.expect("readable"),
            plain_http_is_exposed: false,
        });
        Self {
            router: router(Arc::clone(&context)),
            context,
            cookie: None,
            writers,
            directory,
        }
    }

    /// Logs somebody in who may do what `role` may, under that name: the field with their cookie.
    pub(in crate::web) async fn cookie_of(&self, role: Role) -> String {
        self.cookie_since(role, Timestamp::now()).await
    }

    /// The same, logged in at some time and not seen since.
    pub(in crate::web) async fn cookie_since(&self, role: Role, at: Timestamp) -> String {
        let (store, name) = (&self.context.store, role.as_str());
        let account = match store.account_named(name).await.expect("readable") {
            Some(account) => account.id,
            None => self.account(name, role, "no hash").await,
        };
        let token = Token::random();
        let session = NewSession {
            token: token.hash(),
            account,
            password_hash: Secret::new("no hash".to_owned()),
            second_factor: SecondFactor::None,
            at,
            address: [127, 0, 0, 1].into(),
        };
        let begun = store.begin_session(session, entry()).await;
        begun.expect("begun");
        format!("Cookie: fastpath={}", token.expose())
    }

    /// An account with a hash that is stored as it is given.
    async fn account(&self, name: &str, role: Role, hash: &str) -> AccountId {
        let account = NewAccount {
            name: name.to_owned(),
            role,
            password_hash: Secret::new(hash.to_owned()),
            created_at: Timestamp::now(),
        };
        let made = self.context.store.create_account(account, entry()).await;
        made.expect("made")
    }

    /// Makes a token known.
    pub(in crate::web) async fn token(&self, token: &str, scope: Scope) {
        let new = NewApiToken {
            name: token.to_owned(),
            token: TokenHash::of(token),
            scope,
            created_at: Timestamp::now(),
            created_by: SCENE.to_owned(),
        };
        let made = self.context.store.create_api_token(new, entry()).await;
        made.expect("made");
    }

    /// Sends a request of a client at `from`, with header fields as `Name: value`. From [`LOOPBACK`]
    /// it comes with the administrator's cookie, unless it has another one.
    pub(in crate::web) async fn ask(
        &self,
        from: &str,
        request: &str,
        fields: &[&str],
        body: &str,
    ) -> Answer {
        let answer = self.send(from, request, fields, body).await;
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, 1 << 21).await.expect("a body");
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("UTF-8"),
        }
    }

    /// The same, without reading an answer that may never end.
    pub(in crate::web) async fn send(
        &self,
        from: &str,
        request: &str,
        fields: &[&str],
        body: &str,
    ) -> Response {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let client: SocketAddr = from.parse().expect("an address");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .extension(ConnectInfo(ClientAddress(client)));
        let host = Some("Host: 127.0.0.1:8025");
        let host = host.filter(|_| !fields.iter().any(|field| field.starts_with("Host: ")));
        let has_cookie = fields.iter().any(|field| field.starts_with("Cookie: "));
        let own = self
            .cookie
            .as_deref()
            .filter(|_| from == LOOPBACK && !has_cookie);
        for field in fields.iter().copied().chain(own).chain(host) {
            let (name, value) = field.split_once(": ").expect("a name and a value");
            request = request.header(name, value);
        }
        let request = request
            .body(Body::from(body.to_owned()))
            .expect("a request");
        self.router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer")
    }

    /// A form from the browser with this cookie.
    pub(in crate::web) async fn submit(&self, path: &str, cookie: &str, form: &str) -> Answer {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let fields: Vec<&str> = [kind, cookie]
            .into_iter()
            .filter(|f| !f.is_empty())
            .collect();
        self.ask(ELSEWHERE, &format!("POST {path}"), &fields, form)
            .await
    }

    /// The same with the token.
    pub(in crate::web) async fn call(&self, request: &str, body: &str) -> Answer {
        let token = format!("Authorization: Bearer {TOKEN}");
        self.ask(ELSEWHERE, request, &[&token], body).await
    }

    /// The newest changes that the audit shows, without what the scene itself has prepared.
    pub(in crate::web) async fn audited(&self) -> Vec<AuditItem> {
        let page = self.context.store.audit_page(None, 1_000).await;
        let entries = page.expect("readable").into_iter();
        entries.filter(|entry| entry.who != SCENE).collect()
    }

    pub(in crate::web) async fn close(self) {
        self.context.store.close(self.writers).await;
    }
}

/// What the scene itself leaves in the audit.
fn entry() -> AuditEntry {
    AuditEntry {
        at: Timestamp::now(),
        who: SCENE.to_owned(),
        from: None,
        action: "prepared".to_owned(),
        before: None,
        after: None,
    }
}

#[tokio::test]
async fn probes_say_whether_mail_is_taken() {
    for (readiness, status, text) in [
        (Ok(()), StatusCode::OK, "ready\n"),
        (
            Err("the disk is full"),
            StatusCode::SERVICE_UNAVAILABLE,
            "the disk is full\n",
        ),
    ] {
        let face = Face::open(readiness).await;
        let alive = face.ask(ELSEWHERE, "GET /healthz", &[], "").await;
        assert_eq!(alive.status, StatusCode::OK);
        let ready = face.ask(ELSEWHERE, "GET /readyz", &[], "").await;
        assert_eq!((ready.status, ready.text.as_str()), (status, text));
        face.close().await;
    }
}

#[tokio::test]
async fn the_api_needs_its_token() {
    let face = Face::open(Ok(())).await;
    for request in [
        "GET /api/v1/statistics/live",
        "GET /api/v1/settings",
        "PATCH /api/v1/settings",
        "GET /api/v1/queue",
        "POST /api/v1/queue/actions",
        "GET /api/v1/messages",
        "GET /api/v1/messages/0000000000011",
    ] {
        for fields in [
            &[][..],
            &["Authorization: Bearer wrong"],
            &["Authorization: Basic YTpi"],
        ] {
            let answer = face.ask(LOOPBACK, request, fields, "{}").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{request}");
            assert_eq!(answer.json(), json!({"error": "a bearer token is needed"}));
        }
    }
    let patched = face.context.administration.settings();
    assert_eq!(*patched.written(), Written::default());
    face.close().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_kind() {
    let face = Face::open(Ok(())).await;
    for (request, status, is_json) in [
        ("GET /api/v1/nothing", StatusCode::NOT_FOUND, true),
        ("GET /nothing", StatusCode::NOT_FOUND, false),
        ("POST /api/v1/queue", StatusCode::METHOD_NOT_ALLOWED, true),
        ("POST /healthz", StatusCode::METHOD_NOT_ALLOWED, false),
        ("GET /static/none.css", StatusCode::NOT_FOUND, false),
    ] {
        let answer = face.ask(ELSEWHERE, request, &[], "").await;
        assert_eq!(answer.status, status, "{request}");
        let has_error = serde_json::from_str::<Value>(&answer.text)
            .is_ok_and(|value| value["error"].is_string());
        assert_eq!(has_error, is_json, "{request}: {}", answer.text);
    }
    face.close().await;
}

#[tokio::test]
async fn settings_are_shown_and_changed() {
    let face = Face::open(Ok(())).await;
    let shown = face.call("GET /api/v1/settings", "").await.json();
    assert_eq!(shown["memory_threshold_bytes"], 32_768);
    assert_eq!(shown["memory_budget_bytes"], 1 << 30, "the one in force");

    let wrong = r#"{"ack_deadline_seconds": 99, "weather": "rain", "keep_trail": false}"#;
    let answer = face.call("PATCH /api/v1/settings", wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        answer.json()["errors"]["weather"],
        "there is no such setting"
    );
    assert!(face.context.administration.settings().keep_trail);

    let right = r#"{"memory_threshold_bytes": 1000, "keep_trail": false}"#;
    let answer = face.call("PATCH /api/v1/settings", right).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["memory_threshold_bytes"], 1_000);
    let stored = face.context.store.load_settings().await.expect("stored");
    let published = face.context.administration.settings();
    assert_eq!(stored.as_ref(), Some(published.written()));
    assert!(!published.keep_trail);

    for nonsense in ["", "[]", "{"] {
        let answer = face.call("PATCH /api/v1/settings", nonsense).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{nonsense}");
    }
    face.close().await;
}

#[tokio::test]
async fn the_queue_and_the_trail_are_listed() {
    let face = Face::open(Ok(())).await;
    let empty = face.call("GET /api/v1/queue?state=&limit=5&sort=-next_attempt_at", "");
    assert_eq!(empty.await.json(), json!({"total": 0, "items": []}));
    let messages = face.call("GET /api/v1/messages?sender=a@example.org&limit=5", "");
    assert_eq!(messages.await.json(), json!({"items": [], "next": null}));
    for (request, status) in [
        ("GET /api/v1/queue?weather=rain", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?state=asleep", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?limit=1001", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?limit=1&limit=2", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?sort=weather", StatusCode::BAD_REQUEST),
        ("GET /api/v1/messages?cursor=x", StatusCode::BAD_REQUEST),
        ("GET /api/v1/messages/0000000000011", StatusCode::NOT_FOUND),
        ("GET /api/v1/messages/x", StatusCode::NOT_FOUND),
    ] {
        let answer = face.call(request, "").await;
        assert_eq!(answer.status, status, "{request}: {}", answer.text);
        assert!(answer.json()["error"].is_string(), "{request}");
    }
    face.close().await;
}

#[tokio::test]
async fn an_action_is_done_only_on_what_was_seen() {
    let face = Face::open(Ok(())).await;
    for (body, status) in [
        (
            r#"{"action":"hold","filter":{},"expect":0}"#,
            StatusCode::OK,
        ),
        (r#"{"action":"hold","ids":[1]}"#, StatusCode::OK),
        (
            r#"{"action":"hold","filter":{},"expect":3}"#,
            StatusCode::CONFLICT,
        ),
        (r#"{"action":"hold","filter":{}}"#, StatusCode::BAD_REQUEST),
        (r#"{"action":"purge"}"#, StatusCode::BAD_REQUEST),
    ] {
        let answer = face.call("POST /api/v1/queue/actions", body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    let large = "x".repeat(limits::REQUEST_BODY_BYTES + 1);
    let answer = face.call("POST /api/v1/queue/actions", &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    face.close().await;
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let face = Face::open(Ok(())).await;
    let token = format!("Authorization: Bearer {TOKEN}");
    let fields = [token.as_str(), "Sec-Fetch-Site: cross-site"];
    let body = r#"{"keep_trail": false}"#;
    let answer = face
        .ask(ELSEWHERE, "PATCH /api/v1/settings", &fields, body)
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(face.context.administration.settings().keep_trail);
    face.close().await;
}

#[tokio::test]
async fn forms_are_taken_from_our_own_pages_only() {
    let face = Face::open(Ok(())).await;
    for (field, is_taken) in [
        ("Sec-Fetch-Site: same-origin", true),
        // What a browser says on plain HTTP.
        ("Origin: http://127.0.0.1:8025", true),
        ("Origin: http://elsewhere.example", false),
        ("Origin: null", false),
        ("Sec-Fetch-Site: cross-site", false),
        ("Sec-Fetch-Site: same-site", false),
    ] {
        let cookie = face.cookie_of(Administrator).await;
        let answer = face
            .ask(ELSEWHERE, "POST /logout", &[&cookie, field], "")
            .await;
        let expected = if is_taken {
            StatusCode::SEE_OTHER
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(answer.status, expected, "{field}");
    }
    let page = face.ask(LOOPBACK, "GET /account", &[], "").await;
    assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin");
    face.close().await;
}

#[tokio::test]
async fn the_page_shows_the_ratio_and_obeys_its_own_policy() {
    let face = Face::open(Ok(())).await;
    for (storage, reasons) in [
        (Storage::Memory, &[][..]),
        (Storage::Memory, &[]),
        (Storage::Memory, &[]),
        (Storage::Disk, &[DiskReason::AckDeadline]),
    ] {
        face.context.statistics.answered(&AnsweredFigures {
            path: Path::Fast,
            storage,
            reasons,
            size_bytes: 4_096,
            acknowledged_after: std::time::Duration::from_millis(3),
        });
    }
    let page = face.ask(LOOPBACK, "GET /", &[], "").await;
    for part in [
        "75.0 %",
        "of 4 messages in the last hour",
        "ack deadline",
        "relay.example.net",
        "Nobody waits",
    ] {
        assert!(page.text.contains(part), "{part} is missing: {}", page.text);
    }
    assert!(page.text.contains("http-equiv=\"refresh\""));
    let still = face.ask(LOOPBACK, "GET /?refresh=off", &[], "").await;
    assert!(!still.text.contains("http-equiv=\"refresh\""));

    let policy = &page.headers[header::CONTENT_SECURITY_POLICY];
    let policy = policy.to_str().expect("text");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    for forbidden in ["style=", "<style", "<script>", "onclick="] {
        assert!(!page.text.contains(forbidden), "{forbidden}");
    }
    for name in ["x-content-type-options", "referrer-policy", "cache-control"] {
        assert!(page.headers.contains_key(name), "{name}");
    }

    let begin = page.text.find("/static/").expect("a stylesheet");
    let url = page.text[begin..].split('"').next().expect("its address");
    let sheet = face.ask(ELSEWHERE, &format!("GET {url}"), &[], "").await;
    assert_eq!(sheet.status, StatusCode::OK);
    assert_eq!(sheet.headers[header::CONTENT_TYPE], "text/css");
    let caching = sheet.headers[header::CACHE_CONTROL].to_str().expect("text");
    assert!(caching.contains("immutable"), "{caching}");
    face.close().await;
}

#[tokio::test]
async fn metrics_are_for_scrapers() {
    let face = Face::open(Ok(())).await;
    face.context.statistics.answered(&AnsweredFigures {
        path: Path::Fast,
        storage: Storage::Memory,
        reasons: &[],
        size_bytes: 100,
        acknowledged_after: std::time::Duration::from_millis(3),
    });
    let refused = face.ask(ELSEWHERE, "GET /metrics", &[], "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(face.call("GET /metrics", "").await.status, StatusCode::OK);
    let metrics = face.ask(LOOPBACK, "GET /metrics", &[], "").await;
    for line in [
        "fastpath_messages_total{storage=\"memory\"} 1",
        "fastpath_message_bytes_total{storage=\"memory\"} 100",
        "fastpath_disk_reasons_total{reason=\"over_threshold\"} 0",
        "fastpath_acknowledgement_seconds_bucket{le=\"0.002\"} 0",
        "fastpath_acknowledgement_seconds_bucket{le=\"0.005\"} 1",
        "fastpath_acknowledgement_seconds_bucket{le=\"+Inf\"} 1",
        "fastpath_queue_recipients 0",
        "fastpath_ready 1",
        "# EOF",
    ] {
        assert!(
            metrics.text.lines().any(|found| found == line),
            "{line} is missing:\n{}",
            metrics.text
        );
    }
    face.close().await;
}
