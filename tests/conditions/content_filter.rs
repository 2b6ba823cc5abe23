//! Content filter: rules of the administrator's own decide.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::messages;

const SENDER: &str = "a@example.org";
const RECIPIENTS: [&str; 2] = ["b@example.net", "c@example.net"];

fn settings(disables_fast_path: bool, rules: Value) -> Value {
    json!({"content_filter": {
        "enabled": true, "disables_fast_path": disables_fast_path, "rules": rules,
    }})
}

/// A rule over text that says “confidential”, which [`confidential`] does.
fn rule(action: &str, argument: Option<&str>) -> Value {
    json!({
        "name": "keep secrets", "part": "text", "pattern": "confidential",
        "action": action, "argument": argument,
    })
}

/// A text that only says “Confidential!” to those who decode it.
fn confidential(subject: &str) -> Vec<u8> {
    format!(
        "Subject: {subject}\r\nX-Content-Filter: forged\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: base64\r\n\r\nQ29uZmlkZW50aWFsIQ==\r\n"
    )
    .into_bytes()
}

/// Only the field is gone that nobody but we may write.
fn assert_unchanged(arrived: &[u8], sent: &[u8]) {
    let sent = String::from_utf8_lossy(sent).replace("X-Content-Filter: forged\r\n", "");
    messages::assert_unchanged(arrived, sent.as_bytes());
}

fn with_attachment(subject: &str, name: &str) -> Vec<u8> {
    format!(
        "Subject: {subject}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\n\r\nsee below\r\n\
         --b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; {name}\r\n\r\n\
         xx\r\n--b--\r\n"
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_matches_is_refused_in_the_session() {
    let programs = json!({
        "name": "no programs", "part": "attachment_name", "pattern": r"\.(exe|scr)$",
    });
    let secrets = rule("refuse", Some("Nothing confidential leaves here"));
    let stage = Stage::with(settings(true, json!([secrets, programs]))).await;

    let reply = stage
        .send("text@example.org", &RECIPIENTS, &confidential("x"))
        .await;
    assert_eq!(
        reply.to_string(),
        "554 5.7.1 Nothing confidential leaves here"
    );
    let trail = stage.trail("text@example.org").await;
    let expected = "content_filter: refused, rule “keep secrets”: text/plain matches";
    assert_eq!(trail["examined"], expected, "{trail}");

    let content = with_attachment("x", "filename*=utf-8''B%C3%B6se.SCR");
    let reply = stage.send("name@example.org", &RECIPIENTS, &content).await;
    assert_eq!(reply.code, 554, "{reply}");
    let trail = stage.trail("name@example.org").await;
    let expected = "content_filter: refused, rule “no programs”: “Böse.SCR” is attached";
    assert_eq!(trail["examined"], expected, "{trail}");

    let content = with_attachment("harmless", "filename=a.txt");
    let reply = stage.send(SENDER, &RECIPIENTS, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    messages::assert_unchanged(&stage.arrived("harmless").await.content, &content);
    stage.assert_diverted(SENDER, "content_filter").await;
    assert_eq!(stage.diverted("content_filter").await, 1);
    assert_eq!(stage.sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_ours_and_not_the_senders() {
    let stage = Stage::with(settings(true, json!([rule("tag", None)]))).await;
    let content = confidential("tagged");
    let reply = stage.send(SENDER, &RECIPIENTS, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrival = stage.arrived("tagged").await;
    let tag = messages::header(&arrival.content, "X-Content-Filter");
    assert_eq!(tag.as_deref(), Some("keep secrets"));
    let text = String::from_utf8_lossy(&arrival.content).into_owned();
    assert!(!text.contains("forged"), "{text}");
    assert!(text.ends_with("\r\n\r\nQ29uZmlkZW50aWFsIQ==\r\n"), "{text}");
    stage.assert_diverted(SENDER, "content_filter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybodys_copy_is_redirected() {
    let redirect = rule("redirect", Some("review@example.com"));
    let stage = Stage::with(settings(true, json!([redirect]))).await;
    let content = confidential("redirected");
    let reply = stage.send(SENDER, &RECIPIENTS, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrival = stage.arrived("redirected").await;
    assert_eq!(arrival.recipient_addresses(), ["review@example.com"]);
    assert_unchanged(&arrival.content, &content);
    let trail = stage.trail(SENDER).await;
    let said = trail["examined"].as_str().unwrap();
    assert!(said.contains("redirected to review@example.com"), "{trail}");
    stage.appliance.wait_for_queue(0).await;
    assert_eq!(stage.sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_quarantined_waits_for_an_operator() {
    let stage = Stage::with(settings(true, json!([rule("quarantine", None)]))).await;
    for (subject, action, arrives) in [("released", "release", true), ("purged", "purge", false)] {
        let before = stage.sink.accepted().len();
        let sender = format!("{subject}@example.org");
        let content = confidential(subject);
        let reply = stage.send(&sender, &["b@example.net"], &content).await;
        assert_eq!(reply.code, 250, "{reply}");
        let rows = stage.appliance.queue("state=quarantined").await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0]["reason"], "condition:content_filter");
        let words = "content_filter: rule “keep secrets”: text/plain matches";
        assert_eq!(rows[0]["last_reply"], words, "{rows:?}");
        stage.assert_diverted(&sender, "content_filter").await;
        assert_eq!(stage.sink.accepted().len(), before);
        let row = [rows[0]["id"].clone()];
        assert_eq!(stage.appliance.act(action, &row).await, 1);
        stage.appliance.wait_for_queue(0).await;
        let after = before + usize::from(arrives);
        assert_eq!(stage.sink.accepted().len(), after);
    }
    let released = stage.arrived("released").await;
    assert_unchanged(&released.content, &confidential("released"));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_fast_path_it_is_asked_in_memory() {
    let allowed = json!({
        "name": "friends", "part": "header", "header_field": "Subject",
        "pattern": "^fröhlich$", "action": "pass",
    });
    let rules = json!([allowed, rule("refuse", None)]);
    let stage = Stage::with(settings(false, rules)).await;
    stage.taken("clean@example.org").await;
    stage.assert_fast("clean@example.org").await;
    assert_eq!(stage.diverted("content_filter").await, 0);

    let content = confidential("=?iso-8859-1?q?fr=F6hlich?=");
    let reply = stage
        .send("friend@example.org", &RECIPIENTS, &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    stage.assert_fast("friend@example.org").await;
    let trail = stage.trail("friend@example.org").await;
    let expected = "content_filter: passed, rule “friends”: Subject matches";
    assert_eq!(trail["examined"], expected, "{trail}");

    let reply = stage
        .send("bad@example.org", &RECIPIENTS, &confidential("x"))
        .await;
    assert_eq!(reply.code, 554, "{reply}");
    assert_eq!(stage.appliance.queue_total().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_mail_cannot_be_told_and_gets_the_answer_that_is_set() {
    let large = json!({
        "name": "large", "part": "size", "larger_than_bytes": 1_000_000, "action": "quarantine",
    });
    let stage = Stage::with(settings(true, json!([rule("refuse", None), large]))).await;
    let parts = "--b\r\n\r\n".repeat(10_001);
    let hostile = |subject: &str| {
        let head = "Content-Type: multipart/mixed; boundary=b";
        format!("Subject: {subject}\r\n{head}\r\n\r\n{parts}").into_bytes()
    };
    let reply = stage
        .send("defer@example.org", &RECIPIENTS, &hostile("x"))
        .await;
    assert_eq!(reply.code, 451, "{reply}");
    let trail = stage.trail("defer@example.org").await;
    let said = trail["examined"].as_str().unwrap();
    assert!(said.contains("it has more than 10,000 parts"), "{trail}");

    // Its size is known whatever its parts are.
    let mut content = hostile("large");
    content.extend(b"xxxxxxxx\r\n".repeat(100_000));
    let reply = stage
        .send("large@example.org", &["b@example.net"], &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let rows = stage.appliance.queue("state=quarantined").await;
    assert_eq!(rows.len(), 1, "{rows:?}");

    let pass = json!({"content_filter": {"when_unavailable": "pass"}});
    stage.appliance.set(pass).await;
    let reply = stage
        .send("pass@example.org", &RECIPIENTS, &hostile("passed"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    stage.arrived("passed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_rule_is_said_and_rules_can_be_tested() {
    let stage = Stage::with(json!({"content_filter": {"rules": [rule("refuse", None)]}})).await;
    let patch =
        json!({"content_filter": {"rules": [{"name": "mine", "part": "text", "pattern": "("}]}});
    let path = "/api/v1/settings";
    let (status, answer) = stage.appliance.call(Method::PATCH, path, Some(patch)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let words = answer.to_string();
    assert!(words.contains("“mine” has a pattern that"), "{words}");

    // Also while the condition is off.
    let message = String::from_utf8(confidential("x")).unwrap();
    let path = "/api/v1/conditions/content-filter/test";
    let body = Some(json!({ "message": message }));
    let (status, answer) = stage.appliance.call(Method::POST, path, body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["wins"], "keep secrets", "{answer}");
    assert_eq!(answer["answer"], "refuse", "{answer}");
    stage.taken("off@example.org").await;
    stage.assert_fast("off@example.org").await;
}
