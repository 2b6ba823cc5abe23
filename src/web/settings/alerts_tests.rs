use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::settings::SettingsDocument;
use crate::web::testing::Site;

const ALERTS: &str = "/settings/alerts";
const SAVED: &str = "/settings/alerts?done=saved";

#[tokio::test]
async fn the_form_is_saved_and_shown_again() {
    let site = Site::open().await;
    let page = site.see("/settings/alerts").await;
    assert_eq!(page.status, StatusCode::OK);
    let parts = [
        "name=\"alert_queue_recipients\" value=\"10,000\"",
        "value=\"4 h\"",
        "value=\"1 GiB\"",
        // One that is off shows what is usual.
        "name=\"on.alert_no_delivery_seconds\" value=\"on\">",
        "name=\"alert_no_delivery_seconds\" value=\"1 h\"",
        "name=\"shown.alert_no_delivery_seconds\" value=\"off\"",
        "Nothing since",
    ];
    page.has(&parts);
    assert!(!page.text.contains("Send a test"));

    let body = "on.alert_queue_recipients=on&alert_queue_recipients=500&alert_queue_age_seconds=9\
                &on.alert_no_delivery_seconds=on&alert_no_delivery_seconds=90+s\
                &alert_no_delivery_when_idle=true\
                &alert_webhook_url=http%3A%2F%2F127.0.0.1%3A1%2Fhook\
                &alert_webhook_secret=+open+sesame";
    site.post(ALERTS, body).await.leads_to(SAVED);
    let settings = site.context.administration.settings();
    assert_eq!(settings.alert_queue_recipients, Some(500));
    let age = settings.alert_queue_age_seconds;
    assert_eq!(age, None, "it was switched off");
    assert_eq!(settings.alert_no_delivery_seconds, Some(90));
    assert!(settings.alert_no_delivery_when_idle);
    let secret = settings.alert_webhook_secret.as_ref();
    let secret = secret.map(|secret| secret.expose());
    assert_eq!(secret, Some(" open sesame"), "blanks are its own");

    let page = site.see("/settings/alerts?done=saved").await;
    let parts = [
        "Saved",
        "http://127.0.0.1:1/hook",
        "Send a test",
        "leave blank to keep",
        "name=\"shown.alert_queue_age_seconds\" value=\"off\"",
    ];
    page.has(&parts);
    site.close().await;
}

#[tokio::test]
async fn a_secret_stays_until_it_is_changed_or_removed() {
    let site = Site::open().await;
    site.set(json!({"alert_webhook_secret": "open sesame"}))
        .await;
    let secret = || {
        let settings = site.context.administration.settings();
        let secret = settings.alert_webhook_secret.as_ref();
        secret.map(|secret| secret.expose().to_owned())
    };
    for (body, expected) in [
        ("alert_webhook_secret=", Some("open sesame")),
        ("alert_webhook_secret=another+one", Some("another one")),
        (
            "alert_webhook_secret=&remove.alert_webhook_secret=yes",
            None,
        ),
        (
            "alert_webhook_secret=&remove.alert_webhook_secret=yes",
            None,
        ),
    ] {
        site.post(ALERTS, body).await.leads_to(SAVED);
        assert_eq!(secret().as_deref(), expected, "{body}");
    }
    // It was removed while the form showed that it was set.
    let body = "alert_webhook_secret=third+secret&shown.alert_webhook_secret=(set)";
    let page = site.post(ALERTS, body).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.has(&["somebody else has emptied this meanwhile"]);
    assert!(!page.text.contains("third secret"), "{}", page.text);
    assert_eq!(secret(), None);
    site.close().await;
}

#[tokio::test]
async fn two_administrators_do_not_undo_each_other() {
    let site = Site::open().await;
    let meanwhile = json!({
        "alert_queue_recipients": 7, "alert_memory_percent": null,
        "alert_no_delivery_seconds": 600, "alert_webhook_url": "http://127.0.0.1:1/",
    });
    site.set(meanwhile).await;
    // The page was shown before that; only the age is changed on it.
    let shown = "on.alert_queue_recipients=on&alert_queue_recipients=10000&shown.alert_queue_recipients=10000\
                 &on.alert_memory_percent=on&alert_memory_percent=90&shown.alert_memory_percent=90\
                 &alert_no_delivery_seconds=1+h&shown.alert_no_delivery_seconds=off\
                 &alert_webhook_url=&shown.alert_webhook_url=";
    let body = format!(
        "{shown}&on.alert_queue_age_seconds=on&alert_queue_age_seconds=2+h&shown.alert_queue_age_seconds=4+h"
    );
    site.post(ALERTS, &body).await.leads_to(SAVED);
    let settings = site.context.administration.settings();
    assert_eq!(settings.alert_queue_age_seconds, Some(7_200));
    assert_eq!(settings.alert_queue_recipients, Some(7));
    assert_eq!(settings.alert_memory_percent, None);
    assert_eq!(settings.alert_no_delivery_seconds, Some(600));
    assert!(settings.alert_webhook_url.is_some());

    // Both changed the same: the second gets a message, and may insist.
    let body = "on.alert_memory_percent=on&alert_memory_percent=80&shown.alert_memory_percent=90\
                &alert_queue_recipients=10000&shown.alert_queue_recipients=10000";
    let page = site.post(ALERTS, body).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let parts = [
        "somebody else has switched this off meanwhile",
        "somebody else has changed this to “7” meanwhile",
        "name=\"alert_memory_percent\" value=\"80\"",
        "name=\"shown.alert_memory_percent\" value=\"off\"",
        "name=\"shown.alert_queue_recipients\" value=\"7\"",
    ];
    page.has(&parts);
    let body = "on.alert_memory_percent=on&alert_memory_percent=80&shown.alert_memory_percent=off\
                &alert_queue_recipients=10000&shown.alert_queue_recipients=7";
    site.post(ALERTS, body).await.leads_to(SAVED);
    let settings = site.context.administration.settings();
    assert_eq!(settings.alert_memory_percent, Some(80));
    assert_eq!(settings.alert_queue_recipients, None);
    site.close().await;
}

#[tokio::test]
async fn what_does_not_hold_is_shown_as_it_was_typed() {
    let site = Site::open().await;
    let body = "on.alert_queue_recipients=on&alert_queue_recipients=many%3Cb%3E\
                &on.alert_memory_percent=on&alert_memory_percent=200\
                &on.alert_queue_age_seconds=on&alert_queue_age_seconds=\
                &alert_webhook_url=nowhere&alert_webhook_secret=short";
    let page = site.post(ALERTS, body).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let parts = [
        "must be a whole number from 1 to 1,000,000,000",
        "must be a whole number from 1 to 99",
        "“” is not a time",
        "is not an address such as",
        "must have from 8 to 200 characters",
        "value=\"200\"",
        "value=\"nowhere\"",
        "aria-describedby=\"alert_memory_percent-hint alert_memory_percent-problem\"",
    ];
    page.has(&parts);
    assert!(
        !page.text.contains("<b>") && !page.text.contains("\"short\""),
        "{}",
        page.text
    );
    assert_eq!(
        *site.context.administration.settings().document(),
        SettingsDocument::default()
    );
    site.close().await;
}

#[tokio::test]
async fn a_secret_is_in_no_answer_and_not_in_the_audit() {
    let site = Site::open().await;
    let set =
        json!({"alert_webhook_secret": "open sesame", "alert_webhook_url": "http://127.0.0.1:1/"});
    let changed = site.call("PATCH /api/v1/settings", &set.to_string()).await;
    assert_eq!(changed.json()["alert_webhook_secret"], "(set)");
    let shown = site.call("GET /api/v1/settings", "").await;
    assert_eq!(shown.json()["alert_webhook_secret"], "(set)");
    // What was read can be given back.
    let again = site.call("PATCH /api/v1/settings", &shown.text).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    let page = site.see("/settings/alerts").await;
    let other = json!({"alert_webhook_secret": "another one"}).to_string();
    site.call("PATCH /api/v1/settings", &other).await;
    let gone = site
        .call(
            "PATCH /api/v1/settings",
            r#"{"alert_webhook_secret": null}"#,
        )
        .await;
    assert_eq!(gone.json()["alert_webhook_secret"], Value::Null);

    let audit = site
        .context
        .store
        .administration
        .audit_page(None, 10)
        .await
        .expect("readable");
    let with_secret = |item: &&crate::accounts::AuditItem| {
        let after = item.after.as_ref().and_then(Value::as_object);
        after.is_some_and(|fields| fields.contains_key("alert_webhook_secret"))
    };
    assert_eq!(audit.iter().filter(with_secret).count(), 3);
    let audit = serde_json::to_string(&audit).expect("JSON");
    for text in [
        &changed.text,
        &shown.text,
        &again.text,
        &page.text,
        &gone.text,
        &audit,
    ] {
        for secret in ["sesame", "another one"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    site.close().await;
}

#[tokio::test]
async fn alerts_are_listed_and_the_webhook_is_tried() {
    let site = Site::open().await;
    let none = site.call("GET /api/v1/alerts", "").await.json();
    let webhook = json!({"is_set": false, "pending": 0, "last": null});
    assert_eq!(
        none,
        json!({"alerts": [], "next_hops_left_out": 0, "webhook": webhook})
    );
    let answer = site.call("POST /api/v1/alerts/test", "").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        answer.json()["errors"]["alert_webhook_url"],
        "no webhook is set"
    );

    // Port 1 of this machine is closed.
    let url = r#"{"alert_webhook_url": "http://127.0.0.1:1/hook"}"#;
    site.call("PATCH /api/v1/settings", url).await;
    let told = site.call("POST /api/v1/alerts/test", "").await;
    assert_eq!(
        (told.status, &told.json()["delivered"]),
        (StatusCode::OK, &json!(false))
    );
    let test = site.post("/settings/alerts/test", "").await;
    assert_eq!(test.status, StatusCode::SEE_OTHER);
    let page = site.see("/settings/alerts?done=tested").await;
    assert!(
        page.text.contains("A test: ") && page.text.contains("Connection refused"),
        "{}",
        page.text
    );
    let metrics = site.call("GET /metrics", "").await;
    for kind in crate::alerts::AlertKind::ALL {
        let line = format!("fastpath_alert_active{{kind=\"{}\"}} 0", kind.as_str());
        assert!(metrics.text.contains(&line), "{line}: {}", metrics.text);
    }
    site.close().await;
}
