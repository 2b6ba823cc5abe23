use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::administration::Actor;
use crate::web::testing::{Answer, FORM, LOOPBACK, Site};

const PATH: &str = "/settings/conditions/content-filter";

async fn look(site: &Site, below: &str) -> Answer {
    let request = format!("GET {PATH}{below}");
    site.ask(LOOPBACK, &request, &[], "").await
}

async fn send(site: &Site, below: &str, body: &str) -> Answer {
    let request = format!("POST {PATH}{below}");
    site.ask(LOOPBACK, &request, &[FORM], body).await
}

#[track_caller]
fn leads_to(answer: &Answer, done: &str) {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(answer.location(), format!("{PATH}?done={done}"));
}

fn names(site: &Site) -> Vec<String> {
    let settings = site.context.administration.settings();
    let rules = settings.content_filter.rules.iter();
    rules.map(|rule| rule.name.clone()).collect()
}

async fn with_rules(rules: Value) -> Site {
    let site = Site::open().await;
    let Value::Object(patch) = json!({"content_filter": {"rules": rules}}) else {
        unreachable!("it is an object");
    };
    let administration = &site.context.administration;
    let changed = administration.change(patch, Actor::command("test"));
    changed.await.expect("they hold");
    site
}

#[tokio::test]
async fn rules_are_added_changed_moved_and_removed() {
    let site = Site::open().await;
    look(&site, "").await.shows(StatusCode::OK, &["None yet"]);
    let new = "entry=&name=no+programs&part=attachment_name&pattern=exe%24&action=refuse\
               &argument=No+programs&larger_than_bytes=";
    leads_to(&send(&site, "/rule", new).await, "saved");
    let other = "entry=&name=huge&part=size&on.larger_than_bytes=on&larger_than_bytes=5+MiB\
                 &action=redirect&argument=abuse%40example.net";
    leads_to(&send(&site, "/rule", other).await, "saved");
    let parts = [
        "an attachment’s name is like exe$",
        "refused with 554 5.7.1 No programs",
        "larger than 5 MiB",
        "redirected to abuse@example.net",
    ];
    look(&site, "").await.shows(StatusCode::OK, &parts);
    assert_eq!(names(&site), ["no programs", "huge"]);

    let page = look(&site, "/rule?name=no%20programs").await;
    let parts = ["value=\"exe$\"", "Remove no programs"];
    page.shows(StatusCode::OK, &parts);
    let none = look(&site, "/rule?name=none").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    let changed = "entry=no+programs&name=programs&part=attachment_name&pattern=exe%24";
    leads_to(&send(&site, "/rule", changed).await, "saved");
    for (body, expected) in [
        ("entry=huge&direction=up", ["huge", "programs"]),
        ("entry=huge&direction=up", ["huge", "programs"]),
        ("entry=programs&direction=down", ["huge", "programs"]),
        ("entry=none&direction=down", ["huge", "programs"]),
        ("entry=huge&direction=down", ["programs", "huge"]),
    ] {
        leads_to(&send(&site, "/rule/move", body).await, "saved");
        assert_eq!(names(&site), expected, "{body}");
    }
    let nowhere = send(&site, "/rule/move", "entry=huge&direction=left").await;
    assert_eq!(nowhere.status, StatusCode::BAD_REQUEST);
    for _ in 0..2 {
        let removed = send(&site, "/rule/remove", "entry=programs").await;
        leads_to(&removed, "removed");
        assert_eq!(names(&site), ["huge"]);
    }
    site.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_rule_is_said() {
    let site = with_rules(json!([{"name": "a", "part": "size", "larger_than_bytes": 1}])).await;
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
        let answer = send(&site, "/rule", body).await;
        answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &[part]);
    }
    assert_eq!(names(&site), ["a"]);
    let saved = send(&site, "", "content_filter.enabled=true").await;
    leads_to(&saved, "saved");
    let settings = site.context.administration.settings();
    assert!(settings.content_filter.enabled);
    assert_eq!(settings.content_filter.rules.len(), 1);
    site.close().await;
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
    let site = with_rules(rules()).await;
    look(&site, "").await.shows(StatusCode::OK, &["<textarea"]);
    let empty = look(&site, "/test").await;
    empty.shows(StatusCode::OK, &["Up to 1 MiB"]);
    let message = "Subject: a\r\nContent-Transfer-Encoding: base64\r\n\r\nQ29uZmlkZW50aWFsIQ==\r\n";
    let body = form_urlencoded(message);
    let answer = send(&site, "/test", &body).await;
    let parts = [
        "The rule “secret” decides: quarantined.",
        "does not match",
        "text/plain matches",
        "Subject matches",
        "The condition is off",
        "Q29uZmlkZW50aWFsIQ==</textarea>",
        "&#60;b&#62;",
    ];
    answer.shows(StatusCode::OK, &parts);
    let nothing = send(&site, "/test", "message=").await;
    let parts = ["paste a message"];
    nothing.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let harmless = send(&site, "/test", "message=To:+b").await;
    harmless.shows(StatusCode::OK, &["No rule matches: it would pass."]);
    site.close().await;
}

/// The field of the test's form.
fn form_urlencoded(message: &str) -> String {
    let escaped: String = message.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("message={escaped}")
}

#[tokio::test]
async fn programs_test_the_rules_as_well() {
    let site = with_rules(rules()).await;
    let request = "POST /api/v1/conditions/content-filter/test";
    let body = json!({"message": "Subject: b\n\nconfidential\n"}).to_string();
    let answer = site.call(request, &body).await;
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
    let answer = site.call(request, "{}").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    site.close().await;
}
