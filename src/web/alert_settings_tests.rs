use axum::http::header;
use serde_json::{Value, json};

use super::*;
use crate::web::testing::{Face, LOOPBACK};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

async fn post(face: &Face, body: &str) -> (StatusCode, String) {
    let request = "POST /settings/alerts";
    let answer = face.ask(LOOPBACK, request, &[FORM], body).await;
    let location = answer.headers.get(header::LOCATION);
    let location = location.map(|place| place.to_str().expect("text").to_owned());
    (answer.status, location.unwrap_or(answer.text))
}

#[test]
fn figures_are_shown_and_read_in_larger_units() {
    for (value, factor, text) in [(10_000, 1, "10000"), (14_400, 60, "240"), (90, 60, "1.5")] {
        assert_eq!(shown(value, factor), text);
        assert_eq!(read(text, factor), Some(value), "{text}");
    }
    assert_eq!(read("1024", 1 << 20), Some(1 << 30));
    for text in ["", "x", "-1", "1.5 h", "inf", "NaN", "1e300"] {
        assert_eq!(read(text, 60), None, "{text}");
    }
    assert_eq!(read("1.5", 1), None, "no half recipients");
    assert_eq!(read(&u64::MAX.to_string(), 60), None);
}

#[tokio::test]
async fn the_form_is_saved_and_shown_again() {
    let face = Face::open(Ok(())).await;
    let page = face.ask(LOOPBACK, "GET /settings/alerts", &[], "").await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "value=\"10000\"",
        "value=\"240\"",
        "value=\"1024\"",
        "Nothing since",
    ] {
        assert!(page.text.contains(part), "{part} is missing: {}", page.text);
    }
    assert!(!page.text.contains("Send a test"));

    let body = "on.alert_queue_recipients=on&alert_queue_recipients=500&alert_queue_age_seconds=9\
                &on.alert_no_delivery_seconds=on&alert_no_delivery_seconds=1.5\
                &alert_no_delivery_when_idle=on\
                &alert_webhook_url=http%3A%2F%2F127.0.0.1%3A1%2Fhook\
                &alert_webhook_secret=open+sesame";
    let saved = (
        StatusCode::SEE_OTHER,
        "/settings/alerts?done=saved".to_owned(),
    );
    assert_eq!(post(&face, body).await, saved);
    let settings = face.context.administration.settings();
    assert_eq!(settings.alert_queue_recipients, Some(500));
    assert_eq!(
        settings.alert_queue_age_seconds, None,
        "it was switched off"
    );
    assert_eq!(settings.alert_no_delivery_seconds, Some(90));
    assert!(settings.alert_no_delivery_when_idle);
    let secret = settings.alert_webhook_secret.as_ref();
    assert_eq!(secret.map(|secret| secret.expose()), Some("open sesame"));

    let page = face
        .ask(LOOPBACK, "GET /settings/alerts?done=saved", &[], "")
        .await;
    for part in [
        "Saved",
        "http://127.0.0.1:1/hook",
        "Send a test",
        "leave blank to keep",
    ] {
        assert!(page.text.contains(part), "{part} is missing: {}", page.text);
    }

    // What is not a whole number of its unit survives a form that does not touch it.
    let odd = r#"{"alert_disk_free_bytes": 1234567890}"#;
    face.call("PATCH /api/v1/settings", odd).await;
    let body = "on.alert_disk_free_bytes=on&alert_disk_free_bytes=1177.376&alert_webhook_secret=";
    assert_eq!(post(&face, body).await, saved);
    let settings = face.context.administration.settings();
    assert_eq!(settings.alert_disk_free_bytes, Some(1_234_567_890));

    // A blank secret stays, and goes only when it is removed.
    assert_eq!(post(&face, "alert_webhook_secret=").await, saved);
    assert!(
        face.context
            .administration
            .settings()
            .alert_webhook_secret
            .is_some()
    );
    assert_eq!(post(&face, "remove_secret=on").await, saved);
    assert!(
        face.context
            .administration
            .settings()
            .alert_webhook_secret
            .is_none()
    );
    face.close().await;
}

#[tokio::test]
async fn what_does_not_hold_is_shown_as_it_was_typed() {
    let face = Face::open(Ok(())).await;
    let body = "on.alert_queue_recipients=on&alert_queue_recipients=many%3Cb%3E\
                &on.alert_memory_percent=on&alert_memory_percent=200\
                &alert_webhook_url=nowhere&alert_webhook_secret=short";
    let (status, text) = post(&face, body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "must be a number of recipients",
        "must be from 1 to 99",
        "is not an address such as",
        "must have from 8 to 200 characters",
        "value=\"200\"",
        "value=\"nowhere\"",
        "aria-describedby=\"alert_memory_percent-hint alert_memory_percent-problem\"",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert!(
        !text.contains("<b>") && !text.contains("\"short\""),
        "{text}"
    );
    assert_eq!(
        *face.context.administration.settings().written(),
        Written::default()
    );
    face.close().await;
}

#[tokio::test]
async fn a_secret_is_in_no_answer_and_not_in_the_audit() {
    let face = Face::open(Ok(())).await;
    let set =
        json!({"alert_webhook_secret": "open sesame", "alert_webhook_url": "http://127.0.0.1:1/"});
    let changed = face.call("PATCH /api/v1/settings", &set.to_string()).await;
    assert_eq!(changed.json()["alert_webhook_secret"], "(set)");
    let shown = face.call("GET /api/v1/settings", "").await;
    assert_eq!(shown.json()["alert_webhook_secret"], "(set)");
    // What was read can be given back.
    let again = face.call("PATCH /api/v1/settings", &shown.text).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    let page = face.ask(LOOPBACK, "GET /settings/alerts", &[], "").await;
    let other = json!({"alert_webhook_secret": "another one"}).to_string();
    face.call("PATCH /api/v1/settings", &other).await;
    let gone = face
        .call(
            "PATCH /api/v1/settings",
            r#"{"alert_webhook_secret": null}"#,
        )
        .await;
    assert_eq!(gone.json()["alert_webhook_secret"], Value::Null);

    let audit = face
        .context
        .store
        .audit_page(None, 10)
        .await
        .expect("readable");
    let with_secret = |item: &&crate::store::AuditItem| {
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
    face.close().await;
}

#[tokio::test]
async fn alerts_are_listed_and_the_webhook_is_tried() {
    let face = Face::open(Ok(())).await;
    let none = face.call("GET /api/v1/alerts", "").await.json();
    let webhook = json!({"is_set": false, "pending": 0, "last": null});
    assert_eq!(
        none,
        json!({"alerts": [], "next_hops_left_out": 0, "webhook": webhook})
    );
    let answer = face.call("POST /api/v1/alerts/test", "").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        answer.json()["errors"]["alert_webhook_url"],
        "no webhook is set"
    );

    // Port 1 of this machine: nobody is there.
    let url = r#"{"alert_webhook_url": "http://127.0.0.1:1/hook"}"#;
    face.call("PATCH /api/v1/settings", url).await;
    let told = face.call("POST /api/v1/alerts/test", "").await;
    assert_eq!(
        (told.status, &told.json()["delivered"]),
        (StatusCode::OK, &json!(false))
    );
    let test = face
        .ask(LOOPBACK, "POST /settings/alerts/test", &[FORM], "")
        .await;
    assert_eq!(test.status, StatusCode::SEE_OTHER);
    let page = face
        .ask(LOOPBACK, "GET /settings/alerts?done=tested", &[], "")
        .await;
    assert!(
        page.text.contains("A test: ") && page.text.contains("Connection refused"),
        "{}",
        page.text
    );
    let metrics = face.call("GET /metrics", "").await;
    for kind in crate::alerts::Kind::ALL {
        let line = format!("fastpath_alert_active{{kind=\"{kind}\"}} 0");
        assert!(metrics.text.contains(&line), "{line}: {}", metrics.text);
    }
    face.close().await;
}
