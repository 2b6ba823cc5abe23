use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::administration::Actor;
use crate::web::testing::{Answer, Face, LOOPBACK};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const PATH: &str = "/settings/conditions/content-filter";

async fn look(face: &Face, below: &str) -> Answer {
    let request = format!("GET {PATH}{below}");
    face.ask(LOOPBACK, &request, &[], "").await
}

async fn send(face: &Face, below: &str, body: &str) -> Answer {
    let request = format!("POST {PATH}{below}");
    face.ask(LOOPBACK, &request, &[FORM], body).await
}

#[track_caller]
fn shows(answer: &Answer, status: StatusCode, parts: &[&str]) {
    assert_eq!(answer.status, status, "{}", answer.text);
    for part in parts {
        let text = &answer.text;
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[track_caller]
fn leads_to(answer: &Answer, done: &str) {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(answer.location(), format!("{PATH}?done={done}"));
}

fn names(face: &Face) -> Vec<String> {
    let settings = face.context.administration.settings();
    let rules = settings.content_filter.rules.iter();
    rules.map(|rule| rule.name.clone()).collect()
}

async fn with_rules(rules: Value) -> Face {
    let face = Face::open(Ok(())).await;
    let Value::Object(patch) = json!({"content_filter": {"rules": rules}}) else {
        unreachable!("it is an object");
    };
    let administration = &face.context.administration;
    let changed = administration.change(patch, Actor::command("test"));
    changed.await.expect("they hold");
    face
}

#[tokio::test]
async fn rules_are_added_changed_moved_and_removed() {
    let face = Face::open(Ok(())).await;
    shows(&look(&face, "").await, StatusCode::OK, &["None yet"]);
    let new = "entry=&name=no+programs&part=attachment_name&pattern=exe%24&action=refuse\
               &argument=No+programs&larger_than_bytes=";
    leads_to(&send(&face, "/rule", new).await, "saved");
    let other = "entry=&name=huge&part=size&on.larger_than_bytes=on&larger_than_bytes=5+MiB\
                 &action=redirect&argument=abuse%40example.net";
    leads_to(&send(&face, "/rule", other).await, "saved");
    let parts = [
        "an attachment’s name is like exe$",
        "refused with 554 5.7.1 No programs",
        "larger than 5 MiB",
        "redirected to abuse@example.net",
    ];
    shows(&look(&face, "").await, StatusCode::OK, &parts);
    assert_eq!(names(&face), ["no programs", "huge"]);

    let page = look(&face, "/rule?name=no%20programs").await;
    let parts = ["value=\"exe$\"", "Remove no programs"];
    shows(&page, StatusCode::OK, &parts);
    let none = look(&face, "/rule?name=none").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    let changed = "entry=no+programs&name=programs&part=attachment_name&pattern=exe%24";
    leads_to(&send(&face, "/rule", changed).await, "saved");
    for (body, expected) in [
        ("entry=huge&direction=up", ["huge", "programs"]),
        ("entry=huge&direction=up", ["huge", "programs"]),
        ("entry=programs&direction=down", ["huge", "programs"]),
        ("entry=none&direction=down", ["huge", "programs"]),
        ("entry=huge&direction=down", ["programs", "huge"]),
    ] {
        leads_to(&send(&face, "/rule/move", body).await, "saved");
        assert_eq!(names(&face), expected, "{body}");
    }
    let nowhere = send(&face, "/rule/move", "entry=huge&direction=left").await;
    assert_eq!(nowhere.status, StatusCode::BAD_REQUEST);
    for _ in 0..2 {
        let removed = send(&face, "/rule/remove", "entry=programs").await;
        leads_to(&removed, "removed");
        assert_eq!(names(&face), ["huge"]);
    }
    face.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_rule_is_said() {
    let face = with_rules(json!([{"name": "a", "part": "size", "larger_than_bytes": 1}])).await;
    for (body, part) in [
        ("entry=&name=&part=text&pattern=x", "give it a name"),
        ("entry=&name=b&part=text", "“b” needs a pattern"),
        (
            "entry=&name=b&part=text&pattern=%28",
            "is no regular expression",
        ),
        (
            "entry=&name=b&part=header&pattern=x",
            "the name of a header field",
        ),
        ("entry=&name=b&part=size", "needs a size"),
        ("entry=&name=a&part=text&pattern=x", "“a” stands twice"),
        (
            "entry=&name=b&part=text&pattern=x&action=redirect",
            "needs the address",
        ),
    ] {
        let answer = send(&face, "/rule", body).await;
        shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &[part]);
    }
    assert_eq!(names(&face), ["a"]);
    let saved = send(&face, "", "content_filter.enabled=true").await;
    leads_to(&saved, "saved");
    let settings = face.context.administration.settings();
    assert!(settings.content_filter.enabled);
    assert_eq!(settings.content_filter.rules.len(), 1);
    face.close().await;
}

fn rules() -> Value {
    json!([
        {"name": "large", "part": "size", "larger_than_bytes": 100_000},
        {"name": "secret", "part": "text", "pattern": "confidential", "action": "quarantine"},
        {"name": "<b>", "part": "any_header", "pattern": "^subject: a", "action": "pass"},
    ])
}

#[tokio::test]
async fn rules_are_tested_on_a_message_that_is_pasted() {
    let face = with_rules(rules()).await;
    shows(&look(&face, "").await, StatusCode::OK, &["<textarea"]);
    let empty = look(&face, "/test").await;
    shows(&empty, StatusCode::OK, &["Up to 1 MiB"]);
    let message = "Subject: a\r\nContent-Transfer-Encoding: base64\r\n\r\nQ29uZmlkZW50aWFsIQ==\r\n";
    let body = form_urlencoded(message);
    let answer = send(&face, "/test", &body).await;
    let parts = [
        "The rule “secret” decides: quarantined.",
        "does not match",
        "text/plain matches",
        "Subject matches",
        "The condition is off",
        "Q29uZmlkZW50aWFsIQ==</textarea>",
        "&#60;b&#62;",
    ];
    shows(&answer, StatusCode::OK, &parts);
    let nothing = send(&face, "/test", "message=").await;
    let parts = ["paste a message"];
    shows(&nothing, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let harmless = send(&face, "/test", "message=To:+b").await;
    shows(
        &harmless,
        StatusCode::OK,
        &["No rule matches: it would pass."],
    );
    face.close().await;
}

/// The field of the test's form.
fn form_urlencoded(message: &str) -> String {
    let escaped: String = message.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("message={escaped}")
}

#[tokio::test]
async fn programs_test_the_rules_as_well() {
    let face = with_rules(rules()).await;
    let request = "POST /api/v1/conditions/content-filter/test";
    let body = json!({"message": "Subject: b\n\nconfidential\n"}).to_string();
    let answer = face.call(request, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let expected = json!({
        "rules": [
            {"name": "large", "says": "does_not_match", "words": ""},
            {"name": "secret", "says": "matches", "words": "text/plain matches"},
            {"name": "<b>", "says": "does_not_match", "words": ""},
        ],
        "wins": "secret",
        "answer": "quarantine",
    });
    assert_eq!(answer.json(), expected);
    let answer = face.call(request, "{}").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    face.close().await;
}
