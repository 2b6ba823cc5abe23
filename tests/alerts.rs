//! Alerts from outside: a queue beyond its bound is told to the webhook and shown, its end as well.

use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::wait::{self, PATIENCE};
use crate::support::web_hook::WebHook;

const SECRET: &str = "the secret of the scene";

const ONE_TIME: &str = "one time for the scene";

/// Sets the appliance up and gives the cookie of its administrator.
async fn log_in(appliance: &Appliance) -> String {
    let form =
        "one_time=one+time+for+the+scene&name=ada&password=a+long+password&repeat=a+long+password";
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let set_up = client
        .post(appliance.url("/setup"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form);
    let answer = set_up.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn page(appliance: &Appliance, cookie: &str, path: &str) -> String {
    let request = Client::new().get(appliance.url(path));
    let page = request.header(header::COOKIE, cookie).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK, "{path}");
    page.text().await.unwrap()
}

/// Waits until the API names exactly these alerts.
async fn wait_for_alerts(appliance: &Appliance, expected: &[&str]) -> Value {
    wait::until(&format!("the alerts {expected:?}"), PATIENCE, || async {
        let answer = appliance.read("/api/v1/alerts").await;
        let alerts = answer["alerts"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = alerts
            .iter()
            .filter_map(|alert| alert["alert"].as_str())
            .collect();
        (names == expected).then_some(answer)
    })
    .await
}

/// Nothing but what the scene is about: its machine's disk may be full.
fn rules(more: Value) -> Value {
    let mut settings = json!({
        "alert_disk_free_percent": null, "alert_disk_free_bytes": null,
        "alert_breaker_seconds": null, "alert_memory_percent": null,
        "retry_schedule_seconds": [3_600],
    });
    for (field, value) in more.as_object().unwrap() {
        settings[field] = value.clone();
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_beyond_its_bound_is_told_and_shown_until_it_is_purged() {
    let later = Answer::say("450 4.2.1 Mailbox busy");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let hook = WebHook::start().await;
    // Without TLS a machine that has no authority's certificate can tell, too.
    let appliance = Plan::new()
        .next_hop(sink.address())
        .environment("SSL_CERT_FILE", "/nonexistent")
        .environment("FASTPATH_ADMIN_PASSWORD", ONE_TIME)
        .start()
        .await;
    let cookie = log_in(&appliance).await;
    let url = format!("http://127.0.0.1:{}/hook", hook.port());
    appliance
        .set(rules(json!({
            "alert_queue_recipients": 1, "alert_webhook_url": url, "alert_webhook_secret": SECRET,
        })))
        .await;
    assert!(
        !page(&appliance, &cookie, "/")
            .await
            .contains("id=\"alerts\"")
    );

    let mut client = appliance.client().await;
    for number in 0..3 {
        let content = messages::small(&format!("number {number}"));
        let reply = client
            .message("<a@example.org>", &["<b@example.net>"], &content)
            .await;
        assert_eq!(reply.code, 250, "{reply}");
    }
    let told = hook.wait_for(1).await;
    assert!(
        told.head.contains("x-fastpath-signature: sha256="),
        "{told:?}"
    );
    let words = told.json();
    assert_eq!(words["event"], "begin", "{words}");
    assert_eq!(words["alert"], "queue_large", "{words}");
    assert_eq!(words["appliance"], "relay.example.org", "{words}");
    assert_eq!(words["figures"]["bound_recipients"], 1, "{words}");
    let answer = wait_for_alerts(&appliance, &["queue_large"]).await;
    assert_eq!(answer["alerts"][0]["since"], words["since"], "{answer}");
    let dashboard = page(&appliance, &cookie, "/").await;
    assert!(
        dashboard.contains("recipients are in the retry queue; the bound is 1."),
        "{dashboard}"
    );
    let settings = page(&appliance, &cookie, "/settings/alerts").await;
    assert!(
        settings.contains("<a href=\"/#alerts\">1 alert</a>"),
        "{settings}"
    );
    let metrics = page(&appliance, &cookie, "/metrics").await;
    let line = "fastpath_alert_active{kind=\"queue_large\"} 1";
    assert!(metrics.contains(line), "{metrics}");

    let rows = appliance.queue("").await;
    let ids: Vec<Value> = rows.iter().map(|row| row["id"].clone()).collect();
    assert_eq!(appliance.act("purge", &ids).await, 3);
    let words = hook.wait_for(2).await.json();
    assert_eq!(
        (&words["event"], &words["alert"]),
        (&json!("end"), &json!("queue_large"))
    );
    wait_for_alerts(&appliance, &[]).await;
    assert!(
        !page(&appliance, &cookie, "/")
            .await
            .contains("id=\"alerts\"")
    );
    assert_eq!(hook.told().len(), 2, "each is told once");

    let shown = appliance.read("/api/v1/settings").await;
    assert_eq!(shown["alert_webhook_secret"], "(set)");
    wait::until_true("both in the log", PATIENCE, || async {
        let log = appliance.log();
        log.contains("alert: ") && log.contains("alert ended: ")
    })
    .await;
    let log = appliance.log();
    for text in [&log, &settings] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_still_holds_begins_again_after_a_restart() {
    let later = Answer::say("450 4.2.1 Mailbox busy");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let hook = WebHook::start().await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    let url = format!("http://127.0.0.1:{}/hook", hook.port());
    appliance
        .set(rules(
            json!({"alert_queue_recipients": 1, "alert_webhook_url": url}),
        ))
        .await;
    let mut client = appliance.client().await;
    let recipients = ["<b@example.net>", "<c@example.net>"];
    let reply = client
        .message("<a@example.org>", &recipients, &messages::small("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(hook.wait_for(1).await.json()["event"], "begin");
    assert!(appliance.terminate(PATIENCE).await.success());
    let appliance = appliance.restart().await;
    assert_eq!(hook.wait_for(2).await.json()["event"], "begin");
    wait_for_alerts(&appliance, &["queue_large"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_told_over_https_by_who_trusts_its_certificate() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("authority.pem");
    let hook = WebHook::start_secured(&file).await;
    let appliance = Plan::new()
        .next_hop("127.0.0.1:1".parse().unwrap())
        .environment("SSL_CERT_FILE", file.to_str().unwrap())
        .start()
        .await;
    let url = format!("https://localhost:{}/hook", hook.port());
    appliance.set(json!({"alert_webhook_url": url})).await;
    let (status, answer) = appliance
        .call(Method::POST, "/api/v1/alerts/test", None)
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["delivered"], true, "{answer}");
    assert_eq!(hook.wait_for(1).await.json()["event"], "test");
}
