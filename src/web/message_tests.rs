//! A message's page: its story, its rows in the queue, and what is not there.

use axum::http::StatusCode;

use crate::message::trail::TrailEntry;
use crate::message::words::OutcomeKind;
use crate::web::history_scene::{self, attempted, id};
use crate::web::testing::Face;

const LOOPBACK: &str = "127.0.0.1:50000";

#[tokio::test]
async fn a_message_tells_its_story_and_leads_to_its_row() {
    let face = Face::open(Ok(())).await;
    let waiting = history_scene::fill(&face).await;
    let page = face
        .ask(LOOPBACK, &format!("GET /messages/{waiting}"), &[], "")
        .await;
    assert_eq!(page.status, StatusCode::OK);
    let rows = face.call("GET /api/v1/queue", "").await.json();
    let row = rows["items"][0]["id"].as_i64().expect("a row");
    for part in [
        "Waiting in the retry queue",
        "4.1 KiB from anna@example.org for carl@example.net.</p>",
        "Deferred by mx.example.net (192.0.2.25:25, TLS) after 38 ms: <q>451 4.3.0 later</q>",
        "because a next hop put it off or was not reached.",
        &format!("href=\"/queue/{row}\""),
    ] {
        assert!(page.text.contains(part), "{part} is missing: {}", page.text);
    }
    let delivered = face
        .ask(LOOPBACK, &format!("GET /messages/{}", id(1)), &[], "")
        .await;
    assert!(
        delivered.text.contains("never touched a disk.</p>"),
        "{}",
        delivered.text
    );
    assert!(
        !delivered.text.contains("href=\"/queue/"),
        "it waits nowhere"
    );
    face.close().await;
}

#[tokio::test]
async fn several_recipients_lead_to_their_own_rows() {
    let face = Face::open(Ok(())).await;
    let recipients = ["bert@example.net", "carl@example.net"];
    let message = history_scene::in_queue(&face, 3, &recipients).await;
    let attempts = recipients.iter().map(|recipient| {
        TrailEntry::Attempted(attempted(3, recipient, OutcomeKind::Deferred, "451 later"))
    });
    face.context
        .store
        .append_trail(attempts.collect())
        .await
        .expect("appended");
    let page = face
        .ask(LOOPBACK, &format!("GET /messages/{message}"), &[], "")
        .await;
    assert_eq!(
        page.text.matches("href=\"/queue/").count(),
        2,
        "{}",
        page.text
    );
    assert_eq!(page.text.matches("class=\"chapter\"").count(), 2);
    assert!(
        page.text
            .contains("How this message began is not in the trail")
    );
    face.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let face = Face::open(Ok(())).await;
    for path in [
        "/messages/0000000000011",
        "/messages/x",
        "/messages/%3Cscript%3E",
    ] {
        let page = face.ask(LOOPBACK, &format!("GET {path}"), &[], "").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!page.text.contains("<script>"), "{path}");
    }
    face.close().await;
}
