//! Conditions of the administrator's own.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::stage::Stage;
use crate::support::messages;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_a_message_chooses_its_path() {
    let stage = Stage::with(json!({"own_conditions": [
        {"name": "many", "recipients_more_than": 2},
        {"name": "news", "sender_pattern": "^news@", "header_field": "List-Id"},
    ]}))
    .await;
    let three = ["a@example.net", "b@example.net", "c@example.net"];
    let content = messages::small("three");
    let reply = stage.send("three@example.org", &three, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    stage.assert_diverted("three@example.org", "many").await;

    let two = &three[..2];
    let reply = stage
        .send("two@example.org", two, &messages::small("two"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    stage.assert_fast("two@example.org").await;

    stage.taken("news@example.org").await;
    stage.assert_fast("news@example.org").await;
    let listed = b"List-Id: <all.example.org>\r\nSubject: listed\r\n\r\nx\r\n";
    let reply = stage
        .send("news@example.com", &["b@example.net"], listed)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    stage.assert_diverted("news@example.com", "news").await;
    assert_eq!(stage.diverted("many").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_counts_from_the_next_message_on() {
    let stage = Stage::with(json!({})).await;
    stage.taken("before@example.org").await;
    stage.assert_fast("before@example.org").await;
    let mut client = stage.appliance.client().await;
    client.command("MAIL FROM:<open@example.org>", 250).await;
    let all = json!({"own_conditions": [{"name": "all", "larger_than_bytes": 0}]});
    stage.appliance.set(all).await;
    stage.taken("after@example.org").await;
    stage.assert_diverted("after@example.org", "all").await;
    // One that is under way keeps what held when it began.
    client.command("RCPT TO:<b@example.net>", 250).await;
    client.command("DATA", 354).await;
    let content = [messages::small("open"), b".\r\n".to_vec()].concat();
    client.send(&content).await.unwrap();
    client.expect(250).await;
    stage.assert_fast("open@example.org").await;
    stage.appliance.set(json!({"own_conditions": []})).await;
    stage.taken("later@example.org").await;
    stage.assert_fast("later@example.org").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_is_named() {
    let stage = Stage::with(json!({})).await;
    let patch = json!({"own_conditions": [{"name": "a", "sender_pattern": "("}]});
    let (status, answer) = stage
        .appliance
        .call(Method::PATCH, "/api/v1/settings", Some(patch))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let words = answer.to_string();
    assert!(words.contains("“a” has a sender pattern that"), "{words}");
}
