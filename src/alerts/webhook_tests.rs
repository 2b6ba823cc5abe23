use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::alerts::scripted_server::{BROKEN, SILENCE, ScriptedServer, TAKEN};
use crate::alerts::{Alert, AlertChange, AlertFigures, AlertKind, EndReason, Topic};
use crate::settings::Publisher;
use crate::settings::testing::settings;

const SOON: Duration = Duration::from_millis(1);
const QUICK: Patience = Patience {
    connect: Duration::from_secs(5),
    whole: Duration::from_secs(5),
    retry_waits: [SOON; 4],
};

/// A webhook that runs.
struct Scene {
    webhook: Arc<Webhook>,
    publisher: Publisher,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Scene {
    fn begin(patch: serde_json::Value, patience: Patience) -> Self {
        let publisher = Publisher::new(settings(patch));
        let current = publisher.current();
        let webhook = Webhook::with_patience("relay.example.net".into(), current, patience);
        let webhook = Arc::new(webhook);
        let stop = CancellationToken::new();
        let (running, stopping) = (Arc::clone(&webhook), stop.clone());
        let task = tokio::spawn(async move { running.run(stopping).await });
        Self {
            webhook,
            publisher,
            stop,
            task,
        }
    }

    fn put(&self, change: &AlertChange) {
        let words = Notification::of(change, &self.webhook.appliance, Timestamp::now());
        assert!(!self.webhook.outbox.put(words));
    }

    /// The result of the first try.
    async fn tried(&self) -> WebhookTry {
        let tried = async {
            loop {
                if let Some(last) = self.webhook.last() {
                    break last;
                }
                tokio::time::sleep(SOON).await;
            }
        };
        let patience = Duration::from_secs(30);
        timeout(patience, tried).await.expect("a try")
    }

    /// The last result, once nothing waits any more.
    async fn settled(&self) -> Option<WebhookTry> {
        let settled = async {
            while self.webhook.pending() > 0 {
                tokio::time::sleep(SOON).await;
            }
        };
        let patience = Duration::from_secs(30);
        timeout(patience, settled).await.expect("it settles");
        self.webhook.last()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("it ends");
    }
}

fn alert() -> Alert {
    Alert {
        topic: Topic::of(AlertKind::QueueLarge),
        since: Timestamp::UNIX_EPOCH,
        figures: AlertFigures::QueueLarge {
            recipients: 3,
            bound_recipients: 2,
        },
    }
}

fn begin() -> AlertChange {
    AlertChange::Begin(alert())
}

fn end() -> AlertChange {
    AlertChange::End(alert(), EndReason::Calm)
}

/// A port of this machine at which nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    format!("http://{}/", listener.local_addr().expect("an address"))
}

#[tokio::test]
async fn begin_and_end_are_told_once_each_and_signed() {
    let mut server = ScriptedServer::start([TAKEN.to_owned()]).await;
    let secret = "open sesame";
    let settings = json!({"alert_webhook_url": server.url(), "alert_webhook_secret": secret});
    let scene = Scene::begin(settings, QUICK);
    for (change, event) in [(begin(), "begin"), (end(), "end")] {
        scene.put(&change);
        let request = server.request().await;
        assert!(
            request.head.starts_with("post /hook?room=mail http/1.1"),
            "{}",
            request.head
        );
        assert_eq!(request.field("content-type"), Some("application/json"));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let signature = request.field("x-fastpath-signature").expect("a signature");
        let digits = signature.strip_prefix("sha256=").expect("SHA-256");
        let expected = aws_lc_rs::hmac::sign(&key, &request.body);
        let expected: String = expected
            .as_ref()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(digits, expected);
        assert!(!request.head.contains("sesame"));
        let words = request.json();
        assert_eq!(words["event"], event);
        assert_eq!(words["alert"], "queue_large");
        assert_eq!(words["appliance"], "relay.example.net");
        let last = scene.settled().await.expect("a try");
        assert!(last.delivered && last.status == Some(204), "{last:?}");
    }
    assert_eq!(server.unseen(), 0);
    scene.end().await;
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let mut server =
        ScriptedServer::start([BROKEN.to_owned(), BROKEN.to_owned(), TAKEN.to_owned()]).await;
    let scene = Scene::begin(json!({"alert_webhook_url": server.url()}), QUICK);
    scene.put(&begin());
    for _ in 0..3 {
        let request = server.request().await;
        assert_eq!(request.json()["event"], "begin");
        assert_eq!(request.field("x-fastpath-signature"), None);
    }
    assert!(scene.settled().await.expect("a try").delivered);
    assert_eq!(server.unseen(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_slow_server_is_not_waited_for() {
    let mut server = ScriptedServer::start([SILENCE.to_owned(), TAKEN.to_owned()]).await;
    let patience = Patience {
        whole: Duration::from_millis(500),
        ..QUICK
    };
    let scene = Scene::begin(json!({"alert_webhook_url": server.url()}), patience);
    scene.put(&begin());
    let first = server.request().await;
    let second = server.request().await;
    assert_eq!(first.body, second.body);
    assert!(scene.settled().await.expect("a try").delivered);
    scene.end().await;
}

#[tokio::test]
async fn a_server_that_is_down_is_told_when_it_is_there_again() {
    let mut server = ScriptedServer::start(
        std::iter::repeat_n(BROKEN.to_owned(), 3 * QUICK.retry_waits.len())
            .chain([TAKEN.to_owned()]),
    )
    .await;
    let scene = Scene::begin(json!({"alert_webhook_url": server.url()}), QUICK);
    scene.put(&begin());
    assert!(scene.settled().await.expect("a try").delivered);
    for _ in 0..=3 * QUICK.retry_waits.len() {
        assert_eq!(server.request().await.json()["event"], "begin");
    }
    scene.end().await;
}

#[tokio::test]
async fn what_went_wrong_is_told_without_the_address() {
    let url = nobody().await;
    let scene = Scene::begin(json!({"alert_webhook_url": url}), QUICK);
    scene.put(&begin());
    let last = scene.tried().await;
    let problem = last.problem.expect("a problem");
    assert!(problem.contains("Connection refused"), "{problem}");
    assert!(!problem.contains("http://"), "{problem}");
    assert_eq!((last.delivered, last.status), (false, None));
    // Without a webhook there is nothing to tell.
    scene.publisher.publish(settings(json!({})));
    scene.settled().await;
    scene.end().await;
}

#[tokio::test]
async fn other_settings_use_up_no_tries() {
    let mut server = ScriptedServer::start([BROKEN.to_owned(), TAKEN.to_owned()]).await;
    let patience = Patience {
        // Nothing is tried again unless the webhook's settings change.
        retry_waits: [Duration::from_secs(3_600); 4],
        ..QUICK
    };
    let url = server.url();
    let scene = Scene::begin(json!({"alert_webhook_url": url}), patience);
    scene.put(&begin());
    server.request().await;
    scene.tried().await;
    for retries in 1..10 {
        let other = json!({"alert_webhook_url": url, "retries_max": retries});
        scene.publisher.publish(settings(other));
        tokio::task::yield_now().await;
    }
    assert_eq!(server.unseen(), 0);
    let signed = json!({"alert_webhook_url": url, "alert_webhook_secret": "a new secret"});
    scene.publisher.publish(settings(signed));
    server.request().await;
    assert!(scene.settled().await.expect("a try").delivered);
    assert_eq!(server.unseen(), 0);
    scene.end().await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut elsewhere = ScriptedServer::start([TAKEN.to_owned()]).await;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.url()
    );
    let mut server = ScriptedServer::start([answer]).await;
    let scene = Scene::begin(json!({"alert_webhook_url": server.url()}), QUICK);
    scene.put(&begin());
    let last = scene.tried().await;
    assert_eq!(last.status, Some(307));
    let problem = last.problem.expect("a problem");
    assert!(problem.contains("redirects are not followed"), "{problem}");
    for _ in 0..=QUICK.retry_waits.len() {
        server.request().await;
    }
    assert_eq!((server.unseen(), elsewhere.unseen()), (0, 0));
    scene.end().await;
    // The other server works: had it been asked, it would have been seen.
    let there = Scene::begin(json!({"alert_webhook_url": elsewhere.url()}), QUICK);
    there.put(&begin());
    elsewhere.request().await;
    there.end().await;
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let tls = crate::tls::ServerTls::open(directory.path(), "localhost").expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.config());
        loop {
            let (stream, _) = listener.accept().await.expect("a client");
            let handshake = acceptor.accept(stream).await;
            assert!(handshake.is_err(), "the client trusts anybody");
        }
    });
    let url = format!("https://localhost:{port}/");
    let scene = Scene::begin(json!({"alert_webhook_url": url}), QUICK);
    let told = scene.webhook.test().await.expect("there is one");
    let problem = told.problem.expect("a problem");
    // A machine without any authority's certificate says so instead.
    assert!(problem.to_lowercase().contains("certificate"), "{problem}");
    scene.end().await;
}

#[tokio::test]
async fn the_newest_state_is_told_where_the_older_could_not_be() {
    let url = nobody().await;
    let patience = Patience {
        // Nothing is tried again unless the settings change.
        retry_waits: [Duration::from_secs(3_600); 4],
        ..QUICK
    };
    let scene = Scene::begin(json!({"alert_webhook_url": url}), patience);
    scene.put(&begin());
    scene.tried().await;
    scene.put(&end());
    let mut server = ScriptedServer::start([TAKEN.to_owned()]).await;
    scene
        .publisher
        .publish(settings(json!({"alert_webhook_url": server.url()})));
    assert_eq!(server.request().await.json()["event"], "end");
    assert!(scene.settled().await.expect("a try").delivered);
    assert_eq!(server.unseen(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_test_says_what_came_of_it() {
    let mut server = ScriptedServer::start([BROKEN.to_owned(), TAKEN.to_owned()]).await;
    let scene = Scene::begin(json!({"alert_webhook_url": server.url()}), QUICK);
    let told = scene.webhook.test().await.expect("there is one");
    assert_eq!((told.delivered, told.status), (false, Some(500)));
    let told = scene.webhook.test().await.expect("there is one");
    assert_eq!((told.delivered, told.problem.as_deref()), (true, None));
    assert_eq!(scene.webhook.last(), Some(told));
    for _ in 0..2 {
        let words = server.request().await.json();
        assert_eq!(words["event"], "test");
    }
    scene.publisher.publish(settings(json!({})));
    assert_eq!(scene.webhook.test().await, None);
    scene.end().await;
}
