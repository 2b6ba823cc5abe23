//! A site for tests of pages and API, the router over a store in a directory of its own; and a client that
//! asks it as a browser or a program does.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::Context;
use super::listener::WebPeer;
use super::routes::router;
use crate::accounts::{
    AccessToken, AccountId, AuditEntry, AuditItem, LoginDirectory, Passwords, Role, Scope,
    TokenHash,
};
use crate::administration::{Accounts, Administration, OpenPgpKeys, OwnAddresses, SmtpLogins};
use crate::alerts::Alerts;
use crate::boot::{Addresses, Secret};
use crate::conditions::{self, Conditions};
use crate::delivery::{Delivery, NextHopFigures};
use crate::message::{MemoryBudget, MessageIds, Spool};
use crate::openpgp::Keyring;
use crate::own_mark::OwnMark;
use crate::queue::{Queue, QueueClock, QueueServices};
use crate::settings::{Publisher, Settings, SettingsDocument};
use crate::statistics::{Statistics, Trail};
use crate::store::{
    AccessChange, NewAccount, NewApiToken, NewSession, SecondFactorProof, Store, Writers,
};

pub(in crate::web) const TOKEN: &str = "a token of the tests";
/// Where an administrator sits whose browser is logged in.
pub(in crate::web) const LOOPBACK: &str = "127.0.0.1:50000";
/// Where somebody sits who is not.
pub(in crate::web) const ELSEWHERE: &str = "192.0.2.7:50000";
/// The one-time password of /setup.
pub(in crate::web) const ONE_TIME: &str = "open sesame once";

/// Who has prepared the scene, as the audit tells it.
pub(in crate::web) const SCENE: &str = "tests";

/// The field of a request that sends a form.
pub(in crate::web) const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// The pages and the API over a store in a directory of its own.
pub(in crate::web) struct Site {
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

    /// It holds these parts.
    #[track_caller]
    pub(in crate::web) fn has(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.text.contains(part), "{part} is missing: {}", self.text);
        }
    }

    /// It holds none of these parts.
    #[track_caller]
    pub(in crate::web) fn lacks(&self, parts: &[&str]) {
        for part in parts {
            assert!(!self.text.contains(part), "{part} is there: {}", self.text);
        }
    }

    /// It has this status and holds these parts.
    #[track_caller]
    pub(in crate::web) fn shows(&self, status: StatusCode, parts: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text);
        self.has(parts);
    }

    /// It redirects the browser to this path.
    #[track_caller]
    pub(in crate::web) fn leads_to(&self, path: &str) {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        assert_eq!(self.location(), path);
    }

    /// The cookie that it sets, as a browser sends it back.
    pub(in crate::web) fn cookie(&self) -> String {
        let set = self.headers.get(header::SET_COOKIE).expect("a cookie");
        let set = set.to_str().expect("ASCII");
        format!("Cookie: {}", set.split(';').next().unwrap_or_default())
    }
}

impl Site {
    /// With an administrator at [`LOOPBACK`] and a token.
    pub(in crate::web) async fn open() -> Self {
        Self::opened(Ok(()), Vec::new).await
    }

    /// The same, which takes mail or not.
    pub(in crate::web) async fn ready(readiness: Result<(), &'static str>) -> Self {
        Self::opened(readiness, Vec::new).await
    }

    /// The same with figures of next hops.
    pub(in crate::web) async fn with_next_hops(
        next_hops: impl Fn() -> Vec<NextHopFigures> + Send + Sync + 'static,
    ) -> Self {
        Self::opened(Ok(()), next_hops).await
    }

    /// As it is before it is set up.
    pub(in crate::web) async fn fresh() -> Self {
        Self::fresh_with(Ok(()), Vec::new).await
    }

    async fn opened(
        readiness: Result<(), &'static str>,
        next_hops: impl Fn() -> Vec<NextHopFigures> + Send + Sync + 'static,
    ) -> Self {
        let mut site = Self::fresh_with(readiness, next_hops).await;
        site.cookie = Some(site.cookie_of(Role::Administrator).await);
        site.token(TOKEN, Scope::ReadWrite).await;
        site
    }

    async fn fresh_with(
        readiness: Result<(), &'static str>,
        next_hops: impl Fn() -> Vec<NextHopFigures> + Send + Sync + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(directory.path().join("spool"), "test").expect("a spool");
        let (store, writers) = Store::open(directory.path(), &spool, Some(Timestamp::now()))
            .await
            .expect("a store");
        let settings = Settings::new(SettingsDocument::default()).expect("the defaults hold");
        let hostname: Arc<str> = "relay.example.net".into();
        let statistics = Arc::new(Statistics::new(Timestamp::now()));
        let budget = MemoryBudget::new(1 << 30);
        let publisher = Publisher::new(settings);
        let (trail, _) = Trail::new(publisher.current(), Arc::clone(&statistics));
        let delivery = Delivery::new(
            Arc::clone(&hostname),
            OwnMark::random(),
            publisher.current(),
        );
        let queue = Queue::new(QueueServices {
            clock: QueueClock::default(),
            store: store.queue.clone(),
            delivery: Arc::clone(&delivery),
            settings: publisher.current(),
            trail: trail.clone(),
            statistics: Arc::clone(&statistics),
            ids: Arc::new(MessageIds::after(None)),
            hostname: Arc::clone(&hostname),
            budget: Arc::clone(&budget),
        });
        let one_time = Secret::new(ONE_TIME.to_owned());
        let accounts = Accounts::open(
            store.administration.clone(),
            Passwords::new(),
            Some(&one_time),
        )
        .await;
        let addresses = Addresses {
            smtp: vec![LOOPBACK.parse().expect("an address")],
            web: LOOPBACK.parse().expect("an address"),
        };
        let ourselves = OwnAddresses::at(&addresses, Some(Arc::clone(&hostname)));
        let keys = Publisher::new(Keyring::default());
        let conditions = Conditions::new(conditions::CheckResources {
            hostname: Arc::clone(&hostname),
            ids: Arc::new(MessageIds::after(None)),
            spool: Arc::clone(&spool),
            budget: Arc::clone(&budget),
            keys: keys.current(),
            dns: delivery.dns(),
        });
        let context = Arc::new(Context {
            hostname,
            trail,
            statistics,
            receiving: Arc::default(),
            sessions_max: 100,
            alerts: Alerts::new("relay.example.net".into(), publisher.current()),
            administration: Administration::new(store.administration.clone(), publisher, ourselves),
            smtp_logins: SmtpLogins::new(
                store.administration.clone(),
                Passwords::new(),
                Publisher::new(LoginDirectory::default()),
            ),
            openpgp_keys: OpenPgpKeys::new(store.administration.clone(), keys),
            store,
            queue,
            budget,
            spool,
            conditions: Arc::new(conditions),
            delivery,
            addresses,
            search_permits: super::SearchPermits::default(),
            live_feed: Arc::default(),
            next_hops: Box::new(next_hops),
            readiness: Box::new(move || readiness),
            accounts: accounts.expect("readable"),
            is_exposed: false,
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
        let account = match store
            .administration
            .account_named(name)
            .await
            .expect("readable")
        {
            Some(account) => account.id,
            None => self.account(name, role, "no hash").await,
        };
        let token = AccessToken::random();
        let session = NewSession {
            token: token.hash(),
            account,
            password_hash: Secret::new("no hash".to_owned()),
            second_factor: SecondFactorProof::None,
            at,
            address: [127, 0, 0, 1].into(),
        };
        let change = AccessChange::BeginSession(session);
        let begun = store.administration.change_access(change, entry());
        begun.await.expect("begun");
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
        let made = self
            .context
            .store
            .administration
            .change_access(AccessChange::CreateAccount(account), entry())
            .await;
        AccountId(made.expect("made"))
    }

    /// Makes a token known.
    pub(in crate::web) async fn token(&self, token: &str, scope: Scope) {
        let new = NewApiToken {
            name: token.to_owned(),
            token: TokenHash::of(token),
            scope,
            created_at: Timestamp::now(),
            created_by: SCENE.to_owned(),
            account: None,
        };
        let made = self
            .context
            .store
            .administration
            .change_access(AccessChange::CreateApiToken(new), entry())
            .await;
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
        let body = Body::from(body.to_owned());
        self.send_body(from, request, fields, body).await
    }

    /// The same with any body.
    pub(in crate::web) async fn send_body(
        &self,
        from: &str,
        request: &str,
        fields: &[&str],
        body: Body,
    ) -> Response {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let arrival = WebPeer {
            address: from.parse::<SocketAddr>().expect("an address"),
            by_tls: false,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .extension(ConnectInfo(arrival));
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
        let request = request.body(body).expect("a request");
        self.router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer")
    }

    /// A page, as the administrator sees it.
    pub(in crate::web) async fn see(&self, path: &str) -> Answer {
        self.ask(LOOPBACK, &format!("GET {path}"), &[], "").await
    }

    /// A form from the administrator.
    pub(in crate::web) async fn post(&self, path: &str, form: &str) -> Answer {
        self.ask(LOOPBACK, &format!("POST {path}"), &[FORM], form)
            .await
    }

    /// A page, as it is shown to the browser with this cookie.
    pub(in crate::web) async fn see_as(&self, cookie: &str, path: &str) -> Answer {
        self.ask(ELSEWHERE, &format!("GET {path}"), &[cookie], "")
            .await
    }

    /// A form from the browser with this cookie.
    pub(in crate::web) async fn submit(&self, path: &str, cookie: &str, form: &str) -> Answer {
        let fields: Vec<&str> = [FORM, cookie]
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

    /// Another administrator changes settings.
    pub(in crate::web) async fn set(&self, patch: Value) {
        let answer = self
            .call("PATCH /api/v1/settings", &patch.to_string())
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }

    /// The newest changes that the audit shows, without what the scene itself has prepared.
    pub(in crate::web) async fn audited(&self) -> Vec<AuditItem> {
        let page = self
            .context
            .store
            .administration
            .audit_page(None, 1_000)
            .await;
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
        until: None,
    }
}
