//! A message's page: its story, its rows in the queue, and what is not there.

use axum::http::StatusCode;

use crate::limits;
use crate::message::trail::TrailEntry;
use crate::message::words::OutcomeKind;
use crate::web::history_scene::{self, attempted, id};
use crate::web::testing::Site;

#[tokio::test]
async fn a_message_tells_its_story_and_leads_to_its_row() {
    let site = Site::open().await;
    let waiting = history_scene::fill(&site).await;
    let page = site.see(&format!("/messages/{waiting}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let rows = site.call("GET /api/v1/queue", "").await.json();
    let row = rows["items"][0]["id"].as_i64().expect("a row");
    page.has(&[
        "Waiting in the retry queue",
        "4.1 KiB from anna@example.org for carl@example.net.</p>",
        "Deferred by mx.example.net (192.0.2.25:25, TLS) after 38 ms: <q>451 4.3.0 later</q>",
        "because a next hop put it off or was not reached.",
        &format!("href=\"/queue/{row}\""),
    ]);
    let delivered = site.see(&format!("/messages/{}", id(1))).await;
    assert!(
        delivered.text.contains("never touched a disk.</p>"),
        "{}",
        delivered.text
    );
    assert!(
        !delivered.text.contains("href=\"/queue/"),
        "it waits nowhere"
    );
    site.close().await;
}

#[tokio::test]
async fn several_recipients_lead_to_their_own_rows() {
    let site = Site::open().await;
    let recipients = ["bert@example.net", "carl@example.net"];
    let message = history_scene::in_queue(&site, 3, &recipients).await;
    let attempts = recipients.iter().map(|recipient| {
        TrailEntry::Attempted(attempted(3, recipient, OutcomeKind::Deferred, "451 later"))
    });
    site.context
        .store
        .trail
        .append(attempts.collect())
        .await
        .expect("appended");
    let page = site.see(&format!("/messages/{message}")).await;
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
    site.close().await;
}

/// A message with a thousand recipients that were tried a dozen times each.
async fn fill_large(site: &Site) {
    let store = &site.context.store;
    let mut answered = history_scene::delivered(1, "anna@example.org", "bert@example.net");
    answered.delivered = None;
    answered.recipients = 1_000;
    let mut entries = vec![TrailEntry::Answered(answered)];
    for _ in 0..12 {
        entries.extend((0..1_000).map(|number| {
            let recipient = format!("user{number:03}@example.net");
            let outcome = OutcomeKind::Deferred;
            TrailEntry::Attempted(attempted(1, &recipient, outcome, "451 later"))
        }));
    }
    store.trail.append(entries).await.expect("appended");
}

#[tokio::test]
async fn a_thousand_recipients_are_told_page_by_page() {
    let site = Site::open().await;
    fill_large(&site).await;
    let path = format!("/messages/{}", id(1));
    for (query, first, chapters, range, next) in [
        (
            "",
            "user000@",
            100,
            "1–100 of 1,000 recipients",
            Some("?page=2"),
        ),
        (
            "?page=2",
            "user100@",
            100,
            "101–200 of 1,000 recipients",
            Some("?page=3"),
        ),
        (
            "?page=10",
            "user900@",
            100,
            "901–1,000 of 1,000 recipients",
            None,
        ),
        (
            "?recipient=USER7*",
            "user700@",
            100,
            "1–100 of 100 recipients",
            None,
        ),
        (
            "?recipient=user777@example.net",
            "user777@",
            1,
            "1–1 of 1 recipient",
            None,
        ),
        ("?page=11", "", 0, "tells of no such recipient", None),
        (
            "?recipient=nobody",
            "",
            0,
            "tells of no such recipient",
            None,
        ),
    ] {
        let page = site.see(&format!("{path}{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        assert!(page.text.len() < 400_000, "{query}: {}", page.text.len());
        assert!(
            page.text.contains("Waiting for all 1,000 recipients"),
            "{query}"
        );
        let chapter = "<h2 class=\"chapter\">";
        assert_eq!(page.text.matches(chapter).count(), chapters, "{query}");
        let lines = page.text.matches("451 later").count();
        assert_eq!(lines, 12 * chapters, "{query}");
        if !first.is_empty() {
            assert!(page.text.contains(&format!("{chapter}{first}")), "{query}");
        }
        assert!(page.text.contains(range), "{query}: {range}");
        let found = page.text.contains("rel=\"next\"");
        assert_eq!(found, next.is_some(), "{query}");
        let link = next.map(|next| format!("href=\"{path}{next}\" rel=\"next\""));
        assert!(link.is_none_or(|link| page.text.contains(&link)), "{query}");
    }
    site.close().await;
}

#[tokio::test]
async fn the_api_tells_a_large_story_in_parts() {
    let site = Site::open().await;
    fill_large(&site).await;
    let path = format!("GET /api/v1/messages/{}", id(1));
    for (query, total, events) in [
        ("", 1_000, 1_200),
        ("?offset=990&limit=100", 1_000, 120),
        ("?limit=3", 1_000, 36),
        ("?recipient=user99*", 10, 120),
        ("?recipient=User999@example.net", 1, 12),
        ("?offset=1000", 1_000, 0),
    ] {
        let answer = site.call(&format!("{path}{query}"), "").await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
        let trail = answer.json();
        assert_eq!(trail["total"], total, "{query}");
        assert_eq!(
            trail["events"].as_array().map(Vec::len),
            Some(events),
            "{query}"
        );
        assert_eq!(trail["ends"]["deferred"], 1_000, "{query}");
        assert_eq!(trail["answered"]["recipients"], 1_000, "{query}");
    }
    for query in ["?limit=101", "?offset=x", "?recipient=%00", "?weather=rain"] {
        let answer = site.call(&format!("{path}{query}"), "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
    site.close().await;
}

#[tokio::test]
async fn a_long_story_is_shortened_and_leads_to_the_whole() {
    let site = Site::open().await;
    let store = &site.context.store;
    let tries = |count: usize, recipient: &'static str| {
        (0..count).map(move |number| {
            let words = format!("451 try {number} of {recipient}");
            TrailEntry::Attempted(attempted(1, recipient, OutcomeKind::Deferred, &words))
        })
    };
    let mut entries: Vec<TrailEntry> = tries(limits::EVENTS_SHOWN, "bert@example.net").collect();
    entries.extend((0..9).flat_map(|_| tries(1, "carl@example.net")));
    let others: Vec<String> = (0..8)
        .map(|number| format!("dora{number}@example.net"))
        .collect();
    entries.extend(others.iter().map(|recipient| {
        TrailEntry::Attempted(attempted(1, recipient, OutcomeKind::Deferred, "451 busy"))
    }));
    store.trail.append(entries).await.expect("appended");
    let path = format!("/messages/{}", id(1));
    let page = site.see(&path).await;
    let whole = format!("{path}?recipient=bert%40example.net");
    assert_eq!(page.text.matches("Earlier events are not shown").count(), 1);
    assert!(
        page.text
            .contains(&format!("<a href=\"{whole}\">the whole story</a>"))
    );
    assert!(!page.text.contains("try 0 of bert") && page.text.contains("try 499 of bert"));
    let page = site.see(&whole).await;
    assert!(page.text.contains("try 0 of bert") && page.text.contains("try 499 of bert"));
    assert!(!page.text.contains("Earlier events are not shown"));
    site.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let site = Site::open().await;
    for path in [
        "/messages/0000000000011",
        "/messages/x",
        "/messages/%3Cscript%3E",
    ] {
        let page = site.see(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!page.text.contains("<script>"), "{path}");
    }
    site.close().await;
}
